//! The columns of table `priorities`.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, SchemaRef};

use super::super::columns::Columns;
use super::super::{column, schema_of};
use super::{Component, Priority, PriorityConfig, PriorityError, Sensitivity, Standing};
use crate::statistics::ranks::RankSet;

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
        column("score", Float64, true, "weighted mean of the scaled components by priorities.formula, 0 to 1"),
        column("score_error", Float64, true, "standard error of the score, components taken as independent"),
        column("raw_rank", Int64, true, "place by number of reports alone"),
        column(
            "moved_by",
            Utf8View,
            true,
            "why rank differs from raw_rank: the components that drew the score most that way, with how much of it; null did not move",
        ),
        column("marginal_rank_low", Int64, true, "best place that the data allows; 95% for this cell by itself"),
        column("marginal_rank_high", Int64, true, "worst place that the data allows; 95% for this cell by itself"),
        column("top_k", Int64, false, "how many places the top has; set priorities.top_k, or top_k => in a query"),
        column(
            "certainly_top_k",
            Boolean,
            true,
            "whether the data leaves no doubt that it belongs to the top (rank_high <= top_k)",
        ),
        column("possibly_top_k", Boolean, true, "whether the data allows it to belong to the top (rank_low <= top_k)"),
        column(
            "rank_without_tone",
            Int64,
            true,
            "rank when negative tone counts nothing (dissatisfaction is the share of problems)",
        ),
        column("holds_without_tone", Boolean, true, "whether rank_without_tone is a place that the data allows anyway"),
        column("rank_without_votes", Int64, true, "rank when votes count nothing"),
        column("holds_without_votes", Boolean, true, "whether rank_without_votes is a place that the data allows anyway"),
        column("weights_rank_low", Int64, true, "best rank when each weight in turn is a third larger or smaller"),
        column("weights_rank_high", Int64, true, "worst rank when each weight in turn is a third larger or smaller"),
        column("holds_weights_varied", Boolean, true, "whether those ranks are all places that the data allows anyway"),
        column("reports", Int64, false, "reports in the window"),
        column("votes", Int64, false, "votes of support for these reports"),
    ];
    for component in Component::ALL {
        let name = component.as_str();
        fields.push(column(name, Float64, true, component.doc()));
        let scaled = "place of the component among all cells of the window, 0 to 1; shares of few reports are first drawn towards that of all";
        fields.push(column(&format!("{name}_scaled"), Float64, true, scaled));
        fields.push(column(&format!("{name}_weight"), Float64, false, "weight of the component; all weights add up to 1"));
        let weighted =
            "what the component contributes: these add up to the score (multiply to it, where priorities.formula is geometric)";
        fields.push(column(&format!("{name}_weighted"), Float64, true, weighted));
    }
    fields.push(column("note", Utf8View, true, "what is missing, and why"));
    schema_of(fields)
});

/// The schema of [`table`].
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The table of priorities computed with the same configuration, in the order given.
pub fn table(priorities: &[Priority<'_>], config: &PriorityConfig) -> Result<RecordBatch, PriorityError> {
    let weights = config.weights.normalised()?;
    // What is known of a cell that has a place.
    let place =
        |value: fn(&Standing) -> usize| move |p: &Priority<'_>| p.standing.as_ref().map(|standing| value(standing) as u64);
    let variant = |value: fn(&Sensitivity) -> usize| {
        move |p: &Priority<'_>| p.standing.as_ref().map(|standing| value(&standing.sensitivity) as u64)
    };
    let holds = |value: fn(&Sensitivity, &RankSet) -> bool| {
        move |p: &Priority<'_>| p.standing.as_ref().map(|standing| value(&standing.sensitivity, &standing.rank))
    };
    let top = |value: fn(&RankSet, usize) -> bool| {
        move |p: &Priority<'_>| p.standing.as_ref().map(|standing| value(&standing.rank, config.top_k))
    };
    let mut columns = Columns::of(priorities)
        .text(|p| Some(p.window))
        .count(place(|s| s.rank.rank))
        .count(place(|s| s.rank.low))
        .count(place(|s| s.rank.high))
        .text(|p| p.input.district)
        .text(|p| p.input.topic)
        .number(|p| p.score)
        .number(|p| p.error)
        .count(place(|s| s.raw_rank))
        .text(|p| p.standing.as_ref().and_then(|s| s.moved_by.as_deref()))
        .count(place(|s| s.marginal.low))
        .count(place(|s| s.marginal.high))
        .count(|_| Some(config.top_k as u64))
        .flag(top(RankSet::certainly_top))
        .flag(top(RankSet::possibly_top))
        .count(variant(|s| s.without_tone))
        .flag(holds(Sensitivity::holds_without_tone))
        .count(variant(|s| s.without_votes))
        .flag(holds(Sensitivity::holds_without_votes))
        .count(variant(|s| s.weights_low))
        .count(variant(|s| s.weights_high))
        .flag(holds(Sensitivity::holds_weights_varied))
        .count(|p| Some(p.input.reports))
        .count(|p| Some(p.input.votes));
    for (component, weight) in weights.into_iter().enumerate() {
        columns = columns
            .number(|p| p.parts[component].map(|part| part.raw))
            .number(|p| p.parts[component].map(|part| part.scaled))
            .number(|_| Some(weight))
            .number(|p| p.weighted[component]);
    }
    Ok(columns.text(|p| p.note.as_deref()).batch(schema())?)
}
