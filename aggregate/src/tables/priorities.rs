//! Table `priorities`: what matters most, district by topic, with how sure that is.
//!
//! Each component is placed among all cells of the window (its percentile, ties half; see [`percentile`](crate::statistics::percentile)),
//! which no outlier stretches and no unit moves. The score is a weighted mean of the places ([`formula`]). Components that a cell
//! lacks are left out of its mean, their weight goes to the others, and the note says so. How far a place may be off follows from the
//! component's standard error; the score's error treats components as independent. Confidence sets for the ranks are those of
//! [`ranks`](crate::statistics::ranks) with Holm's critical value. [`sensitivity`] says which ranks hang on a contested choice.

pub mod component;
pub mod formula;
pub mod sensitivity;
mod table;
pub mod weights;

use std::fmt::Write as _;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use crate::statistics::LEVEL;
use crate::statistics::percentile::Percentiles;
use crate::statistics::ranks::{Coverage, Critical, Errors, RankError, RankSet, sets};

pub use component::{COMPONENTS, Component, PriorityInput, Reporting};
use component::{Counting, Totals};
pub use formula::{Formula, Part};
use sensitivity::Counted;
pub use sensitivity::Sensitivity;
pub use table::{schema, table};
pub use weights::{PriorityWeights, WeightError};

/// How priorities are ranked: the city's choices.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriorityConfig {
    /// How many places "certainly" and "possibly in the top" speak of.
    pub top_k: usize,
    /// How the scaled components are put together.
    pub formula: Formula,
    /// How much of a person one vote of support is in the incidence; 0 leaves votes out.
    pub vote_weight: f64,
    /// What counts how much.
    pub weights: PriorityWeights,
}

impl Default for PriorityConfig {
    fn default() -> Self {
        Self { top_k: 10, formula: Formula::Arithmetic, vote_weight: 0.1, weights: PriorityWeights::default() }
    }
}

impl PriorityConfig {
    /// Whether a ranking can be made with it.
    pub fn check(&self) -> Result<(), PriorityError> {
        self.weights.normalised()?;
        if self.top_k == 0 {
            return Err(PriorityError::TopK);
        }
        if !(0.0..=1.0).contains(&self.vote_weight) {
            return Err(PriorityError::VoteWeight(self.vote_weight));
        }
        Ok(())
    }
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum PriorityError {
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// A top of nothing.
    #[error("top_k is 0: give the number of places that \"the top\" has, 1 or more")]
    TopK,
    /// A vote that is more than a person, or less than nothing.
    #[error("priorities.vote_weight is {0}: a vote is between 0 and 1 of a person who reports")]
    VoteWeight(f64),
    /// The ranking.
    #[error("ranking priorities: {0}")]
    Ranks(#[from] RankError),
    /// Arrow.
    #[error("building table priorities: {0}")]
    Arrow(#[from] ArrowError),
}

/// What is known of one cell.
#[derive(Clone, Debug)]
pub struct Priority<'a> {
    /// The window.
    pub window: &'a str,
    /// The counts it comes from.
    pub input: PriorityInput<'a>,
    /// The components, in the order of [`Component::ALL`].
    pub parts: [Option<Part>; COMPONENTS],
    /// What each contributes to the score.
    pub weighted: [Option<f64>; COMPONENTS],
    /// Mean of the scaled components by [`Formula`], 0 to 1; `None` where no component with a weight is known.
    pub score: Option<f64>,
    /// Its standard error.
    pub error: Option<f64>,
    /// Where the cell stands; `None` for cells that are not ranked.
    pub standing: Option<Standing>,
    /// The share of incidents that is taken to be reported: the cell's own, or what is typical where that is not known well.
    pub reporting: Option<Reporting>,
    /// What is missing, and why.
    pub note: Option<String>,
}

/// Where a cell stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Place by number of reports alone, 1 the largest.
    pub raw_rank: usize,
    /// Place by score, and the places the data allows, for all cells at once.
    pub rank: RankSet,
    /// The places the data allows for this cell by itself.
    pub marginal: RankSet,
    /// The components that moved it most between the two ranks, with how much of the score; `None` where it did not move.
    pub moved_by: Option<String>,
    /// Where it would stand, had other choices been made.
    pub sensitivity: Sensitivity,
}

/// The components of every cell, counted in one way.
struct Parts {
    cells: Vec<[Option<Part>; COMPONENTS]>,
    missing: Vec<[Option<&'static str>; COMPONENTS]>,
}

impl Parts {
    fn of(inputs: &[&PriorityInput<'_>], totals: &Totals, counting: Counting) -> Self {
        let mut cells = vec![[None; COMPONENTS]; inputs.len()];
        let mut missing = vec![[None; COMPONENTS]; inputs.len()];
        for (c, component) in Component::ALL.into_iter().enumerate() {
            let estimates: Vec<_> = inputs.iter().map(|input| totals.estimate(component, input, counting)).collect();
            let scale = Percentiles::new(estimates.iter().flatten().map(|estimate| estimate.ranked));
            for (cell, estimate) in estimates.into_iter().enumerate() {
                match estimate {
                    Ok(estimate) => {
                        let scaled = scale.of(estimate.ranked);
                        let error = scale.error(estimate.ranked, estimate.standard_error);
                        cells[cell][c] = Some(Part { raw: estimate.raw, scaled, error });
                    }
                    Err(reason) => missing[cell][c] = Some(reason),
                }
            }
        }
        Self { cells, missing }
    }

    /// Those of the cells at these positions.
    fn at(&self, positions: &[usize]) -> Vec<[Option<Part>; COMPONENTS]> {
        positions.iter().map(|i| self.cells[*i]).collect()
    }
}

/// The priorities of one window, largest score first, then by district and topic; cells that cannot be ranked last. Cells of the
/// whole city (`*`) are left out. The order of `inputs` changes no bit.
pub fn priorities<'a>(
    window: &'a str,
    inputs: &[PriorityInput<'a>],
    config: &PriorityConfig,
) -> Result<Vec<Priority<'a>>, PriorityError> {
    config.check()?;
    let weights = config.weights.normalised()?;
    let mut inputs: Vec<&PriorityInput<'_>> = inputs.iter().filter(|input| input.district != Some("*")).collect();
    inputs.sort_by_key(|input| (input.district, input.topic));
    let mut totals = Totals::default();
    inputs.iter().for_each(|input| totals.add(input));
    let typical = Reporting::typical(&inputs);
    let counting = Counting { typical, vote_weight: config.vote_weight, tone: true };
    let parts = Parts::of(&inputs, &totals, counting);
    let mut priorities: Vec<Priority<'a>> = Vec::with_capacity(inputs.len());
    for (cell, input) in inputs.iter().enumerate() {
        let score = config.formula.score(&parts.cells[cell], &weights);
        priorities.push(Priority {
            window,
            input: **input,
            parts: parts.cells[cell],
            weighted: config.formula.contributions(&parts.cells[cell], &weights),
            score,
            error: score.map(|score| config.formula.error(&parts.cells[cell], &weights, score)),
            standing: None,
            reporting: input.reporting.filter(Reporting::is_known).or(typical),
            note: note(input, &parts.cells[cell], &parts.missing[cell], typical.is_some()),
        });
    }
    let ranked: Vec<usize> = (0..priorities.len()).filter(|&i| is_ranked(&priorities[i])).collect();
    let without_tone = Parts::of(&inputs, &totals, Counting { tone: false, ..counting }).at(&ranked);
    let without_votes = Parts::of(&inputs, &totals, Counting { vote_weight: 0.0, ..counting }).at(&ranked);
    let as_configured = parts.at(&ranked);
    let counted = Counted { as_configured: &as_configured, without_tone: &without_tone, without_votes: &without_votes };
    rank(&mut priorities, &ranked, sensitivity::of(&counted, config.formula, &weights), config.formula, &weights)?;
    priorities.sort_by(|a, b| {
        let key = |p: &Priority<'_>| (p.standing.is_none(), p.standing.as_ref().map(|s| s.rank.rank));
        key(a).cmp(&key(b)).then_with(|| (a.input.district, a.input.topic).cmp(&(b.input.district, b.input.topic)))
    });
    Ok(priorities)
}

fn is_ranked(priority: &Priority<'_>) -> bool {
    priority.input.district.is_some() && priority.input.topic.is_some() && priority.score.is_some()
}

/// What is missing of a cell, and what was done about it.
fn note(
    input: &PriorityInput<'_>,
    parts: &[Option<Part>; COMPONENTS],
    missing: &[Option<&'static str>; COMPONENTS],
    typical_known: bool,
) -> Option<String> {
    let mut note: Vec<String> = Vec::new();
    if input.district.is_none() || input.topic.is_none() {
        note.push("not ranked: district or topic unknown".into());
    }
    let absent = Component::ALL.iter().zip(missing).filter_map(|(component, reason)| Some((component.as_str(), (*reason)?)));
    let absent: Vec<String> = absent.map(|(component, reason)| format!("{component} ({reason})")).collect();
    if !absent.is_empty() {
        note.push(format!("left out, weight to the others: {}", absent.join(", ")));
    }
    if parts[Component::AdjustedIncidence as usize].is_some() {
        if input.reporters.is_none() {
            note.push("authors unknown: incidence counts reports".into());
        }
        if !input.reporting.is_some_and(|reporting| reporting.is_known()) {
            let instead = if typical_known { "the typical one is assumed" } else { "incidence is not adjusted" };
            note.push(format!("reporting rate unknown: {instead}"));
        }
    }
    (!note.is_empty()).then(|| note.join("; "))
}

fn rank(
    priorities: &mut [Priority<'_>],
    ranked: &[usize],
    sensitivities: Vec<Sensitivity>,
    formula: Formula,
    weights: &[f64; COMPONENTS],
) -> Result<(), RankError> {
    let (scores, errors): (Vec<f64>, Vec<f64>) =
        ranked.iter().filter_map(|&i| priorities[i].score.zip(priorities[i].error)).unzip();
    let of = |coverage| sets(&scores, Errors::Independent(&errors), coverage, Critical::Holm, LEVEL);
    let (together, alone) = (of(Coverage::Simultaneous)?, of(Coverage::Marginal)?);
    let reports: Vec<f64> = ranked.iter().map(|&i| priorities[i].input.reports as f64).collect();
    let (raw_ranks, places) = (sensitivity::places(&reports), Percentiles::new(reports.iter().copied()));
    for (place, (&i, sensitivity)) in ranked.iter().zip(sensitivities).enumerate() {
        let (raw_rank, rank) = (raw_ranks[place], together[place]);
        let pulls = formula.pulls(&priorities[i].parts, weights, places.of(reports[place]));
        let moved_by = moved_by(raw_rank, rank.rank, &pulls);
        priorities[i].standing = Some(Standing { raw_rank, rank, marginal: alone[place], moved_by, sensitivity });
    }
    Ok(())
}

/// Components that are named for a move, at most.
const NAMED: usize = 3;

/// A pull that is smaller is not named.
const SMALLEST_PULL: f64 = 0.005;

/// The components that drew a cell most in the direction in which it moved. The largest first.
fn moved_by(raw_rank: usize, rank: usize, pulls: &[Option<f64>; COMPONENTS]) -> Option<String> {
    if raw_rank == rank {
        return None;
    }
    let up = rank < raw_rank;
    let named = Component::ALL.iter().zip(pulls).filter_map(|(component, pull)| Some((component.as_str(), (*pull)?)));
    let mut named: Vec<(&str, f64)> = named.filter(|(_, pull)| (*pull > 0.0) == up && pull.abs() >= SMALLEST_PULL).collect();
    named.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let mut text = String::new();
    for (component, pull) in named.into_iter().take(NAMED) {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{component} {pull:+.2}");
    }
    if text.is_empty() {
        text.push_str("others moved past it");
    }
    Some(text)
}

/// The table of several windows, in the order given.
pub fn rows<'a>(windows: &[(&'a str, &[PriorityInput<'a>])], config: &PriorityConfig) -> Result<RecordBatch, PriorityError> {
    let mut all = Vec::new();
    for (window, inputs) in windows {
        all.extend(priorities(window, inputs, config)?);
    }
    table(&all, config)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn input<'a>(district: &'a str, reports: u64, urgent: u64) -> PriorityInput<'a> {
        PriorityInput {
            district: Some(district),
            topic: Some("roads"),
            reports,
            reporters: Some(reports),
            population: Some(10_000.0),
            urgencies: [reports - urgent, 0, 0, urgent],
            toned: reports,
            negative: 0.3 * reports as f64,
            signalled: reports,
            problems: reports / 2,
            open: Some(reports / 3),
            ..PriorityInput::default()
        }
    }

    #[test]
    fn much_and_urgent_comes_first() {
        let inputs = [input("calm", 20, 0), input("loud", 900, 10), input("grave", 900, 800), input("*", 5000, 0)];
        let ranked = priorities("7 days", &inputs, &PriorityConfig::default()).unwrap();
        let order: Vec<_> = ranked.iter().map(|p| p.input.district.unwrap()).collect();
        assert_eq!(order, ["grave", "loud", "calm"]);
        let standing = |i: usize| ranked[i].standing.as_ref().unwrap();
        assert_eq!([0, 1, 2].map(|i| (standing(i).raw_rank, standing(i).rank.rank)), [(1, 1), (1, 2), (3, 3)]);
        assert_eq!((standing(0).moved_by.as_deref(), standing(2).moved_by.as_deref()), (None, None));
        // Tied with the grave one by reports, drawn down by what is not grave about it.
        assert!(standing(1).moved_by.as_deref().unwrap().contains("severity -"), "{:?}", standing(1).moved_by);
        assert_eq!(
            ranked[0].note.as_deref().unwrap(),
            "left out, weight to the others: momentum (not enough history for a trend), unmet_promise (no date promised), \
             equity (deprivation unknown); reporting rate unknown: incidence is not adjusted"
        );
    }

    #[test]
    fn degenerate_input_gives_nulls_and_reasons() {
        let config = PriorityConfig::default();
        assert_eq!(rows(&[("7 days", &[])], &config).unwrap().num_rows(), 0);
        let nothing = PriorityInput { district: Some("a"), topic: Some("noise"), ..PriorityInput::default() };
        let nowhere = PriorityInput { district: None, ..input("x", 5, 1) };
        let ranked = priorities("7 days", &[nothing, nowhere, input("b", 1, 1)], &config).unwrap();
        assert_eq!(ranked[0].input.district, Some("b"));
        assert_eq!(ranked[0].standing.as_ref().map(|s| s.rank), Some(RankSet { low: 1, rank: 1, high: 1 }));
        assert!(ranked[1..].iter().all(|p| p.standing.is_none() && p.note.is_some()));
        assert_eq!(table(&ranked, &config).unwrap().num_rows(), 3);
        let refused = |config: PriorityConfig| priorities("7 days", &[], &config).unwrap_err().to_string();
        let nan = PriorityWeights { severity: f64::NAN, ..config.weights };
        assert!(refused(PriorityConfig { weights: nan, ..config }).contains("`severity` is NaN"));
        assert!(refused(PriorityConfig { top_k: 0, ..config }).contains("top_k is 0"));
        assert!(refused(PriorityConfig { vote_weight: 2.0, ..config }).contains("vote_weight is 2"));
    }

    #[test]
    fn what_hangs_on_anger_or_votes_is_shown() {
        let angry = PriorityInput { negative: 95.0, ..input("angry", 100, 0) };
        let calm = PriorityInput { negative: 5.0, ..input("calm", 100, 0) };
        let voted = PriorityInput { votes: 2000, negative: 50.0, ..input("voted", 100, 0) };
        let weights = PriorityWeights { dissatisfaction: 1.0, adjusted_incidence: 1.0, ..PriorityWeights::ZERO };
        let config = PriorityConfig { weights, ..PriorityConfig::default() };
        let ranked = priorities("7 days", &[angry, calm, voted], &config).unwrap();
        let of =
            |district: &str| ranked.iter().find(|p| p.input.district == Some(district)).unwrap().standing.as_ref().unwrap();
        assert_eq!((of("voted").rank.rank, of("angry").rank.rank, of("calm").rank.rank), (1, 2, 3));
        assert_eq!((of("angry").sensitivity.without_tone, of("calm").sensitivity.without_tone), (2, 2));
        assert_eq!((of("voted").sensitivity.without_votes, of("angry").sensitivity.without_votes), (2, 1));
        assert!(of("voted").moved_by.is_none(), "all have as many reports");
    }

    #[test]
    fn why_it_moved_names_what_pulled_its_way() {
        let mut pulls = [None; COMPONENTS];
        (pulls[0], pulls[1], pulls[4]) = (Some(0.1), Some(-0.2), Some(0.25));
        assert_eq!(moved_by(9, 3, &pulls).as_deref(), Some("backlog +0.25, adjusted_incidence +0.10"));
        assert_eq!(moved_by(3, 9, &pulls).as_deref(), Some("severity -0.20"));
        assert_eq!(moved_by(3, 3, &pulls), None);
        assert_eq!(moved_by(3, 4, &[None; COMPONENTS]).as_deref(), Some("others moved past it"));
    }

    #[test]
    fn certainty_needs_data() {
        let sure: Vec<_> = (0..30).map(|i| (format!("d{i:02}"), 1000 * (i + 1))).collect();
        let weights = PriorityWeights { adjusted_incidence: 1.0, ..PriorityWeights::ZERO };
        let config = PriorityConfig { weights, ..PriorityConfig::default() };
        let certainly_top = |unit: u64| {
            let inputs: Vec<_> = sure.iter().map(|(name, n)| input(name, n / unit, 0)).collect();
            let ranked = priorities("28 days", &inputs, &config).unwrap();
            ranked.iter().filter(|p| p.standing.as_ref().unwrap().rank.certainly_top(config.top_k)).count()
        };
        assert!(certainly_top(1) >= 8 && certainly_top(1000) < 5, "{} {}", certainly_top(1), certainly_top(1000));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn order_changes_no_bit_and_more_reporters_never_lower_the_score(
            counts in prop::collection::vec((1u64..500, 0.0..1.0f64), 1..25), turn in 0usize..25, more in 1u64..100,
        ) {
            let names: Vec<String> = (0..counts.len()).map(|i| format!("d{i:02}")).collect();
            let mut inputs: Vec<_> =
                counts.iter().zip(&names).map(|((n, u), name)| input(name, *n, (u * *n as f64) as u64)).collect();
            let config = PriorityConfig::default();
            let batch = rows(&[("7 days", &inputs)], &config).unwrap();
            let before = priorities("7 days", &inputs, &config).unwrap();
            for priority in &before {
                prop_assert!((0.0..=1.0).contains(&priority.score.unwrap()));
                let Standing { rank: all, marginal: alone, sensitivity, .. } = priority.standing.as_ref().unwrap();
                prop_assert!(sensitivity.weights_low <= all.rank && all.rank <= sensitivity.weights_high);
                prop_assert!(all.low <= all.rank && all.rank <= all.high && alone.low <= alone.rank && alone.rank <= alone.high);
            }
            inputs.rotate_left(turn % counts.len());
            prop_assert_eq!(&rows(&[("7 days", &inputs)], &config).unwrap(), &batch);
            let name = inputs[0].district;
            inputs[0].reporters = inputs[0].reporters.map(|n| n + more);
            let score = |all: &[Priority<'_>]| all.iter().find(|p| p.input.district == name).unwrap().score.unwrap();
            prop_assert!(score(&priorities("7 days", &inputs, &config).unwrap()) >= score(&before));
        }
    }
}
