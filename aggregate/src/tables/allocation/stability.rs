//! How firm a plan is: it is made again under values as they may truly be, and what stays is counted.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::plan::{Model, PlanError};
use crate::statistics::special::normal_quantile;

/// What happens to one item when the values are drawn again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Firmness {
    /// Share of the draws in which it is funded (half a unit at least, the relaxation being solved).
    pub funded: f64,
    /// Units that it gets in all but the lowest 5% of the draws.
    pub low: f64,
    /// Units that it gets in all but the highest 5%.
    pub high: f64,
}

/// The share of draws left out at each end.
const TAIL: f64 = 0.05;

/// Solves the relaxation under `draws` values, normal around those given with their standard errors and not below 0. The draws
/// belong to positions: order the items by something stable.
pub fn of(
    model: &Model,
    values: &[f64],
    errors: &[f64],
    total: f64,
    draws: usize,
    seed: u64,
) -> Result<Vec<Firmness>, PlanError> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // The open interval, so that no draw is infinite.
    let mut normal = || normal_quantile((random.random::<u64>() >> 11) as f64 / (1u64 << 53) as f64 + 2f64.powi(-54));
    let mut units: Vec<Vec<f64>> = vec![Vec::with_capacity(draws); values.len()];
    for _ in 0..draws {
        let drawn: Vec<f64> = values.iter().zip(errors).map(|(value, error)| (value + error * normal()).max(0.0)).collect();
        for (units, x) in units.iter_mut().zip(model.relaxed(&drawn, total)?.units) {
            units.push(x);
        }
    }
    Ok(units.into_iter().map(|units| firmness(units, draws)).collect())
}

fn firmness(mut units: Vec<f64>, draws: usize) -> Firmness {
    units.sort_unstable_by(f64::total_cmp);
    let funded = units.len() - units.partition_point(|x| *x < 0.5);
    let cut = ((TAIL * draws as f64) as usize).min(draws.saturating_sub(1) / 2);
    let at = |place: usize| units.get(place).copied().unwrap_or(0.0);
    Firmness { funded: funded as f64 / draws.max(1) as f64, low: at(cut), high: at(draws.saturating_sub(1 + cut)) }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Line;
    use super::*;

    #[test]
    fn what_is_sure_is_always_funded_and_what_is_not_sometimes() {
        let line = Line { unit_cost: 1.0, capacity: None, minimum: 0, items: vec![0, 1, 2] };
        let model = Model { lines: vec![line], needs: vec![10, 10, 10] };
        let of = |errors: [f64; 3], seed| of(&model, &[0.9, 0.5, 0.49], &errors, 20.0, 400, seed).unwrap();
        let sure = of([0.0; 3], 1);
        let round = |f: &Firmness| (f.funded, f.low.round(), f.high.round());
        assert_eq!(sure.iter().map(round).collect::<Vec<_>>(), [(1.0, 10.0, 10.0), (1.0, 10.0, 10.0), (0.0, 0.0, 0.0)]);
        let unsure = of([0.01, 0.1, 0.1], 1);
        assert_eq!(unsure[0].funded, 1.0);
        // The second is ahead with probability Phi(0.01 / 0.1414) = 0.528.
        assert!((unsure[1].funded - 0.528).abs() < 3.0 * (0.25f64 / 400.0).sqrt(), "{}", unsure[1].funded);
        assert!(
            (unsure[1].funded + unsure[2].funded - 1.0).abs() < 1e-12
                && (unsure[1].low.round(), unsure[1].high.round()) == (0.0, 10.0)
        );
        assert_eq!(unsure, of([0.01, 0.1, 0.1], 1), "the same seed, the same answer");
    }
}
