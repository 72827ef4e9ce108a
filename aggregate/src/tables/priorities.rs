//! Table `priorities`: what matters most, district by topic, with how sure that is.
//!
//! Each component is placed among all cells of the window (its percentile, ties half; see [`percentile`](crate::statistics::percentile)),
//! which no outlier stretches and no unit moves. The score is the weighted mean of the places. Components that a cell lacks are
//! left out of its mean, and the note says which and why. How far a place may be off follows from the component's standard
//! error; the score's error treats components as independent. Confidence sets for the ranks are those of
//! [`ranks`](crate::statistics::ranks) with Holm's critical value.

pub mod component;
pub mod weights;

use std::sync::LazyLock;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::error::ArrowError;

use super::columns::{count, flag, number, text};
use super::{column, schema_of};
use crate::statistics::LEVEL;
use crate::statistics::percentile::Percentiles;
use crate::statistics::ranks::{Coverage, Critical, Errors, RankError, RankSet, sets};

pub use component::{COMPONENTS, Component, PriorityInput};
pub use weights::{PriorityWeights, WeightError};

/// "Certainly" and "possibly" speak of this many places.
pub const TOP: usize = 10;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum PriorityError {
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The ranking.
    #[error("ranking priorities: {0}")]
    Ranks(#[from] RankError),
    /// Arrow.
    #[error("building table priorities: {0}")]
    Arrow(#[from] ArrowError),
}

/// A component of one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// As it was measured.
    pub raw: f64,
    /// Its place among all cells, 0 to 1.
    pub scaled: f64,
    /// How far the place may be off: one standard error.
    pub error: f64,
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
    /// Weighted mean of the scaled components, 0 to 1; `None` where no component with a weight is known.
    pub score: Option<f64>,
    /// Its standard error.
    pub error: Option<f64>,
    /// Place by number of reports alone, 1 the largest; `None` for cells that are not ranked.
    pub raw_rank: Option<usize>,
    /// Place by score, and the places the data allows, for all cells at once.
    pub rank: Option<RankSet>,
    /// The places the data allows for this cell by itself.
    pub marginal: Option<RankSet>,
    /// What is missing, and why.
    pub note: Option<String>,
}

/// The priorities of one window, largest score first, then by district and topic; cells that cannot be ranked last. Cells of the
/// whole city (`*`) are left out. The order of `inputs` changes no bit.
pub fn priorities<'a>(
    window: &'a str,
    inputs: &[PriorityInput<'a>],
    weights: &PriorityWeights,
) -> Result<Vec<Priority<'a>>, PriorityError> {
    let weights = weights.normalised()?;
    let mut inputs: Vec<&PriorityInput<'_>> = inputs.iter().filter(|input| input.district != Some("*")).collect();
    inputs.sort_by_key(|input| (input.district, input.topic));
    let mut totals = component::Totals::default();
    inputs.iter().for_each(|input| totals.add(input));
    let estimates = Component::ALL.map(|c| inputs.iter().map(|input| totals.estimate(c, input)).collect::<Vec<_>>());
    let scales = estimates.each_ref().map(|all| Percentiles::new(all.iter().flatten().map(|estimate| estimate.ranked)));
    let mut priorities: Vec<Priority<'a>> = Vec::with_capacity(inputs.len());
    for (cell, input) in inputs.into_iter().enumerate() {
        let parts = std::array::from_fn(|c| {
            let estimate = estimates[c][cell].ok()?;
            let scaled = scales[c].of(estimate.ranked);
            Some(Part { raw: estimate.raw, scaled, error: scales[c].error(estimate.ranked, estimate.standard_error) })
        });
        let mut note: Vec<String> = Vec::new();
        if input.district.is_none() || input.topic.is_none() {
            note.push("not ranked: district or topic unknown".into());
        }
        for (c, component) in Component::ALL.iter().enumerate() {
            if let Err(reason) = estimates[c][cell] {
                note.push(format!("{} left out: {reason}", component.as_str()));
            }
        }
        if parts[Component::Volume as usize].is_some() && input.reporters.is_none() {
            note.push("authors unknown: volume counts reports".into());
        }
        let (score, error) = score(&parts, &weights).unzip();
        let note = (!note.is_empty()).then(|| note.join("; "));
        priorities.push(Priority {
            window,
            input: *input,
            parts,
            score,
            error,
            raw_rank: None,
            rank: None,
            marginal: None,
            note,
        });
    }
    rank(&mut priorities)?;
    priorities.sort_by(|a, b| {
        let key = |p: &Priority<'_>| (p.rank.is_none(), p.rank.map(|r| r.rank));
        key(a).cmp(&key(b)).then_with(|| (a.input.district, a.input.topic).cmp(&(b.input.district, b.input.topic)))
    });
    Ok(priorities)
}

/// Weighted mean over the components that are known, and its standard error.
fn score(parts: &[Option<Part>; COMPONENTS], weights: &[f64; COMPONENTS]) -> Option<(f64, f64)> {
    let known = || parts.iter().zip(weights).filter_map(|(part, weight)| Some((part.as_ref()?, weight)));
    let weight: f64 = known().map(|(_, w)| w).sum();
    let mean = known().map(|(part, w)| w * part.scaled).sum::<f64>() / weight;
    let error = known().map(|(part, w)| (w * part.error).powi(2)).sum::<f64>().sqrt() / weight;
    (weight > 0.0).then_some((mean, error))
}

fn rank(priorities: &mut [Priority<'_>]) -> Result<(), RankError> {
    let ranked: Vec<usize> = (0..priorities.len())
        .filter(|&i| {
            priorities[i].input.district.is_some() && priorities[i].input.topic.is_some() && priorities[i].score.is_some()
        })
        .collect();
    let (scores, errors): (Vec<f64>, Vec<f64>) =
        ranked.iter().filter_map(|&i| priorities[i].score.zip(priorities[i].error)).unzip();
    let of = |coverage| sets(&scores, Errors::Independent(&errors), coverage, Critical::Holm, LEVEL);
    let (together, alone) = (of(Coverage::Simultaneous)?, of(Coverage::Marginal)?);
    let mut reports: Vec<u64> = ranked.iter().map(|&i| priorities[i].input.reports).collect();
    reports.sort_unstable();
    for (place, &i) in ranked.iter().enumerate() {
        let more = reports.len() - reports.partition_point(|r| *r <= priorities[i].input.reports);
        priorities[i].raw_rank = Some(1 + more);
        priorities[i].rank = Some(together[place]);
        priorities[i].marginal = Some(alone[place]);
    }
    Ok(())
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::{Boolean, Float64, Int64, Utf8View};
    let mut fields: Vec<Field> = vec![
        column("window", Utf8View, false, "rolling window, for example '28 days'"),
        column(
            "rank",
            Int64,
            true,
            "place by score in the window, 1 the largest, ties share the better place; null is not ranked, see note",
        ),
        column("rank_low", Int64, true, "best place that the data allows; 95% for all cells of the window at once"),
        column("rank_high", Int64, true, "worst place that the data allows; 95% for all cells of the window at once"),
        column("district", Utf8View, true, "district; null is unknown"),
        column("topic", Utf8View, true, "topic; null is unknown"),
        column("score", Float64, true, "weighted mean of the scaled components, 0 to 1"),
        column("score_error", Float64, true, "standard error of the score, components taken as independent"),
        column("raw_rank", Int64, true, "place by number of reports alone"),
        column("marginal_rank_low", Int64, true, "best place that the data allows; 95% for this cell by itself"),
        column("marginal_rank_high", Int64, true, "worst place that the data allows; 95% for this cell by itself"),
        column(
            "certainly_top_10",
            Boolean,
            true,
            "whether the data leaves no doubt that it belongs to the first ten (rank_high <= 10)",
        ),
        column("possibly_top_10", Boolean, true, "whether the data allows it to belong to the first ten (rank_low <= 10)"),
        column("reports", Int64, false, "reports in the window"),
    ];
    for component in Component::ALL {
        let name = component.as_str();
        fields.push(column(name, Float64, true, component.doc()));
        let scaled = "place of the component among all cells of the window, 0 to 1; shares of few reports are first drawn towards that of all";
        fields.push(column(&format!("{name}_scaled"), Float64, true, scaled));
        fields.push(column(&format!("{name}_weight"), Float64, false, "weight of the component; all weights add up to 1"));
    }
    fields.push(column("note", Utf8View, true, "what is missing, and why"));
    schema_of(fields)
});

/// The schema of [`table`].
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The table of priorities computed with the same weights, in the order given.
pub fn table(priorities: &[Priority<'_>], weights: &PriorityWeights) -> Result<RecordBatch, PriorityError> {
    let weights = weights.normalised()?;
    let place = |value: fn(&Priority<'_>) -> Option<usize>| count(priorities, |p| value(p).map(|place| place as u64));
    let mut columns: Vec<ArrayRef> = vec![
        text(priorities, |p| Some(p.window)),
        place(|p| p.rank.map(|r| r.rank)),
        place(|p| p.rank.map(|r| r.low)),
        place(|p| p.rank.map(|r| r.high)),
        text(priorities, |p| p.input.district),
        text(priorities, |p| p.input.topic),
        number(priorities, |p| p.score),
        number(priorities, |p| p.error),
        place(|p| p.raw_rank),
        place(|p| p.marginal.map(|r| r.low)),
        place(|p| p.marginal.map(|r| r.high)),
        flag(priorities, |p| p.rank.map(|r| r.certainly_top(TOP))),
        flag(priorities, |p| p.rank.map(|r| r.possibly_top(TOP))),
        count(priorities, |p| Some(p.input.reports)),
    ];
    for (component, weight) in weights.into_iter().enumerate() {
        columns.push(number(priorities, |p| p.parts[component].map(|part| part.raw)));
        columns.push(number(priorities, |p| p.parts[component].map(|part| part.scaled)));
        columns.push(number(priorities, |_| Some(weight)));
    }
    columns.push(text(priorities, |p| p.note.as_deref()));
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// The table of several windows, in the order given.
pub fn rows<'a>(windows: &[(&'a str, &[PriorityInput<'a>])], weights: &PriorityWeights) -> Result<RecordBatch, PriorityError> {
    let mut all = Vec::new();
    for (window, inputs) in windows {
        all.extend(priorities(window, inputs, weights)?);
    }
    table(&all, weights)
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
        let ranked = priorities("7 days", &inputs, &PriorityWeights::default()).unwrap();
        let order: Vec<_> = ranked.iter().map(|p| p.input.district.unwrap()).collect();
        assert_eq!(order, ["grave", "loud", "calm"]);
        assert_eq!(ranked[0].rank.unwrap().rank, 1);
        assert_eq!(ranked.iter().map(|p| p.raw_rank.unwrap()).collect::<Vec<_>>(), [1, 1, 3]);
        let note = ranked[0].note.as_deref().unwrap();
        assert_eq!(note, "momentum left out: not enough history for a trend; unmet_promise left out: no date promised");
    }

    #[test]
    fn degenerate_input_gives_nulls_and_reasons() {
        let weights = PriorityWeights::default();
        assert_eq!(rows(&[("7 days", &[])], &weights).unwrap().num_rows(), 0);
        let nothing = PriorityInput { district: Some("a"), topic: Some("noise"), ..PriorityInput::default() };
        let nowhere = PriorityInput { district: None, ..input("x", 5, 1) };
        let ranked = priorities("7 days", &[nothing, nowhere, input("b", 1, 1)], &weights).unwrap();
        assert_eq!(ranked[0].input.district, Some("b"));
        assert_eq!((ranked[0].rank.map(|r| (r.low, r.rank, r.high)), ranked[0].score.is_some()), (Some((1, 1, 1)), true));
        assert!(ranked[1..].iter().all(|p| p.rank.is_none() && p.raw_rank.is_none() && p.note.is_some()));
        assert_eq!(table(&ranked, &weights).unwrap().num_rows(), 3);
        let nan = PriorityWeights { volume: f64::NAN, ..weights };
        assert!(matches!(priorities("7 days", &[], &nan), Err(PriorityError::Weights(_))));
    }

    #[test]
    fn certainty_needs_data() {
        let sure: Vec<_> = (0..30).map(|i| (format!("d{i:02}"), 1000 * (i + 1))).collect();
        let weights = PriorityWeights {
            volume: 1.0,
            severity: 0.0,
            dissatisfaction: 0.0,
            momentum: 0.0,
            backlog: 0.0,
            unmet_promise: 0.0,
        };
        let certainly_top = |unit: u64| {
            let inputs: Vec<_> = sure.iter().map(|(name, n)| input(name, n / unit, 0)).collect();
            let ranked = priorities("28 days", &inputs, &weights).unwrap();
            ranked.iter().filter(|p| p.rank.unwrap().certainly_top(TOP)).count()
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
            let weights = PriorityWeights::default();
            let batch = rows(&[("7 days", &inputs)], &weights).unwrap();
            let before = priorities("7 days", &inputs, &weights).unwrap();
            for priority in &before {
                prop_assert!((0.0..=1.0).contains(&priority.score.unwrap()));
                let (all, alone) = (priority.rank.unwrap(), priority.marginal.unwrap());
                prop_assert!(all.low <= all.rank && all.rank <= all.high && alone.low <= alone.rank && alone.rank <= alone.high);
            }
            inputs.rotate_left(turn % counts.len());
            prop_assert_eq!(&rows(&[("7 days", &inputs)], &weights).unwrap(), &batch);
            let name = inputs[0].district;
            inputs[0].reporters = inputs[0].reporters.map(|n| n + more);
            let score = |all: &[Priority<'_>]| all.iter().find(|p| p.input.district == name).unwrap().score.unwrap();
            prop_assert!(score(&priorities("7 days", &inputs, &weights).unwrap()) >= score(&before));
        }
    }
}
