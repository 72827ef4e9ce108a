//! The columns of table `priorities`.

use std::sync::LazyLock;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};

use super::super::columns::{count, flag, number, text};
use super::super::{column, schema_of};
use super::{Component, Priority, PriorityConfig, PriorityError, Sensitivity, Standing};

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
    let place = |value: fn(&Standing) -> usize| {
        count(priorities, |p: &Priority<'_>| p.standing.as_ref().map(|standing| value(standing) as u64))
    };
    let variant = |value: fn(&Sensitivity) -> usize| {
        count(priorities, |p: &Priority<'_>| p.standing.as_ref().map(|standing| value(&standing.sensitivity) as u64))
    };
    let says = |value: &dyn Fn(&Standing) -> bool| flag(priorities, |p: &Priority<'_>| p.standing.as_ref().map(value));
    let mut columns: Vec<ArrayRef> = vec![
        text(priorities, |p| Some(p.window)),
        place(|s| s.rank.rank),
        place(|s| s.rank.low),
        place(|s| s.rank.high),
        text(priorities, |p| p.input.district),
        text(priorities, |p| p.input.topic),
        number(priorities, |p| p.score),
        number(priorities, |p| p.error),
        place(|s| s.raw_rank),
        text(priorities, |p| p.standing.as_ref().and_then(|s| s.moved_by.as_deref())),
        place(|s| s.marginal.low),
        place(|s| s.marginal.high),
        count(priorities, |_| Some(config.top_k as u64)),
        says(&|s| s.rank.certainly_top(config.top_k)),
        says(&|s| s.rank.possibly_top(config.top_k)),
        variant(|s| s.without_tone),
        says(&|s| s.sensitivity.holds_without_tone(&s.rank)),
        variant(|s| s.without_votes),
        says(&|s| s.sensitivity.holds_without_votes(&s.rank)),
        variant(|s| s.weights_low),
        variant(|s| s.weights_high),
        says(&|s| s.sensitivity.holds_weights_varied(&s.rank)),
        count(priorities, |p| Some(p.input.reports)),
        count(priorities, |p| Some(p.input.votes)),
    ];
    for (component, weight) in weights.into_iter().enumerate() {
        columns.push(number(priorities, |p| p.parts[component].map(|part| part.raw)));
        columns.push(number(priorities, |p| p.parts[component].map(|part| part.scaled)));
        columns.push(number(priorities, |_| Some(weight)));
        columns.push(number(priorities, |p| p.weighted[component]));
    }
    columns.push(text(priorities, |p| p.note.as_deref()));
    Ok(RecordBatch::try_new(schema(), columns)?)
}
