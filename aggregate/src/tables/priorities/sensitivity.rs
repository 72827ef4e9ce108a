//! Does the rank hold when a choice that somebody may contest is made differently?
//!
//! Three choices: that tone counts, that votes count, and the weights. The score is computed again without the first, without the
//! second, and with each weight in turn a third larger and a third smaller. A rank holds where the other one lies among the places
//! that the data allows anyway: then the choice matters less than chance.

use super::component::COMPONENTS;
use super::formula::{Formula, Part};
use crate::statistics::ranks::RankSet;

/// Each weight in turn is multiplied by these: a third more, a third less.
pub const VARIED: [f64; 2] = [4.0 / 3.0, 2.0 / 3.0];

/// Where a cell would stand, had other choices been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sensitivity {
    /// Rank when negative tone counts nothing.
    pub without_tone: usize,
    /// Rank when votes count nothing.
    pub without_votes: usize,
    /// Best rank over all variations of the weights, the given ones included.
    pub weights_low: usize,
    /// Worst rank over them.
    pub weights_high: usize,
}

impl Sensitivity {
    /// Whether the rank without tone is one that the data allows.
    pub fn holds_without_tone(&self, rank: &RankSet) -> bool {
        (rank.low..=rank.high).contains(&self.without_tone)
    }

    /// Whether the rank without votes is one that the data allows.
    pub fn holds_without_votes(&self, rank: &RankSet) -> bool {
        (rank.low..=rank.high).contains(&self.without_votes)
    }

    /// Whether every rank under varied weights is one that the data allows.
    pub fn holds_weights_varied(&self, rank: &RankSet) -> bool {
        rank.low <= self.weights_low && self.weights_high <= rank.high
    }
}

/// Parts of the ranked cells, counted in three ways; all in the same order.
pub(super) struct Counted<'a> {
    pub(super) as_configured: &'a [[Option<Part>; COMPONENTS]],
    pub(super) without_tone: &'a [[Option<Part>; COMPONENTS]],
    pub(super) without_votes: &'a [[Option<Part>; COMPONENTS]],
}

/// The sensitivity of every cell, in the same order. Every cell has a score with `weights`.
pub(super) fn of(counted: &Counted<'_>, formula: Formula, weights: &[f64; COMPONENTS]) -> Vec<Sensitivity> {
    let ranks = |parts: &[[Option<Part>; COMPONENTS]], weights: &[f64; COMPONENTS]| {
        // A cell may lose its only known component: it then stands behind all that have a score.
        places(&parts.iter().map(|parts| formula.score(parts, weights).unwrap_or(f64::NEG_INFINITY)).collect::<Vec<_>>())
    };
    let given = ranks(counted.as_configured, weights);
    let (tone, votes) = (ranks(counted.without_tone, weights), ranks(counted.without_votes, weights));
    let mut found: Vec<Sensitivity> = given
        .into_iter()
        .zip(tone.into_iter().zip(votes))
        .map(|(rank, (without_tone, without_votes))| Sensitivity {
            without_tone,
            without_votes,
            weights_low: rank,
            weights_high: rank,
        })
        .collect();
    for component in (0..COMPONENTS).filter(|c| weights[*c] > 0.0) {
        for factor in VARIED {
            let mut varied = *weights;
            varied[component] *= factor;
            for (found, rank) in found.iter_mut().zip(ranks(counted.as_configured, &varied)) {
                found.weights_low = found.weights_low.min(rank);
                found.weights_high = found.weights_high.max(rank);
            }
        }
    }
    found
}

/// One more than the number of larger values, for each value.
pub(super) fn places(values: &[f64]) -> Vec<usize> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    values.iter().map(|value| 1 + sorted.len() - sorted.partition_point(|v| v <= value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(scaled: [f64; 2]) -> [Option<Part>; COMPONENTS] {
        let mut parts = [None; COMPONENTS];
        for (part, scaled) in parts.iter_mut().zip(scaled) {
            *part = Some(Part { raw: scaled, scaled, error: 0.0 });
        }
        parts
    }

    #[test]
    fn ties_share_the_better_place() {
        assert_eq!(places(&[2.0, 5.0, 2.0, 1.0]), [2, 1, 2, 4]);
    }

    #[test]
    fn what_hangs_on_one_weight_is_shown() {
        // Equal weights: 0.60, 0.55, 0.20. With the first a third larger the second overtakes nothing; a third smaller it does.
        let cells = [cell([0.9, 0.3]), cell([0.4, 0.7]), cell([0.2, 0.2])];
        let without_tone = [cell([0.9, 0.3]), cell([0.1, 0.2]), cell([0.2, 0.2])];
        let counted = Counted { as_configured: &cells, without_tone: &without_tone, without_votes: &cells };
        let mut weights = [0.0; COMPONENTS];
        (weights[0], weights[1]) = (0.5, 0.5);
        let found = of(&counted, Formula::Arithmetic, &weights);
        assert_eq!((found[0].weights_low, found[0].weights_high), (1, 2));
        assert_eq!((found[1].weights_low, found[1].weights_high), (1, 2));
        assert_eq!((found[2].weights_low, found[2].weights_high), (3, 3));
        assert_eq!([found[0].without_tone, found[1].without_tone, found[2].without_tone], [1, 3, 2]);
        let sure = RankSet { low: 1, rank: 1, high: 1 };
        assert!(
            found[0].holds_without_tone(&sure) && found[0].holds_without_votes(&sure) && !found[0].holds_weights_varied(&sure)
        );
    }
}
