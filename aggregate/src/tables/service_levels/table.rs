//! The columns of tables `service_levels` and `service_levels_by_band`.

use std::sync::LazyLock;

use arrow::datatypes::{DataType, Field, SchemaRef};

use super::Row;
use super::case::Tally;
use crate::tables::columns::Columns;
use crate::tables::{column, schema_of};

/// The columns after the group's own.
fn measures() -> Vec<Field> {
    use DataType::{Float64, Int64, Utf8View};
    let real = |name: &str, doc: &str| column(name, Float64, true, doc);
    let whole = |name: &str, doc: &str| column(name, Int64, false, doc);
    vec![
        whole("n", "cases"),
        whole("open", "cases not closed yet; they count in the medians with the time they have waited"),
        whole("answered", "cases with a first answer"),
        real(
            "first_answer_median_h",
            "median hours to the first answer (Kaplan-Meier); null is not reached or too few cases, see note",
        ),
        real("first_answer_low_h", "lower end of its 95% interval, hours; null is without bound"),
        real("first_answer_high_h", "upper end of its 95% interval, hours; null is without bound"),
        real("close_median_h", "median hours to closing (Kaplan-Meier); null is not reached or too few cases, see note"),
        real("close_low_h", "lower end of its 95% interval, hours; null is without bound"),
        real("close_high_h", "upper end of its 95% interval, hours; null is without bound"),
        whole("promised", "cases with a promised date that has come or that are closed"),
        whole("overdue", "of these, closed after the date or still open"),
        real("overdue_share", "overdue / promised, 0 to 1; null where promised are too few"),
        real("overdue_share_low", "lower end of its 95% interval (Wilson)"),
        real("overdue_share_high", "upper end of its 95% interval (Wilson)"),
        whole("reopened", "cases opened again after having been closed"),
        real(
            "first_answer_expected",
            "first answers that there would be, had the cases waited as those of the same agency and topic do in the whole city; more than answered is slower",
        ),
        real(
            "first_answer_p_value",
            "log-rank test against the rest of the city, same agency and topic; null with too few cases here or there",
        ),
        real(
            "close_expected",
            "closings that there would be, had the cases lasted as those of the same agency and topic do in the whole city; more than n - open is slower",
        ),
        real(
            "close_p_value",
            "log-rank test against the rest of the city, same agency and topic; null with too few cases here or there",
        ),
        real(
            "close_q_value",
            "close_p_value corrected for all comparisons of the table (false-discovery rate, Benjamini & Hochberg)",
        ),
        whole("closed_with_text", "closed cases whose last closing has a text"),
        whole(
            "no_action",
            "of these, the text says that nothing was done, by a list of phrases in six languages; other words are missed: a lower bound",
        ),
        real("no_action_share", "no_action / closed_with_text; null where these are too few"),
        real("no_action_share_low", "lower end of its 95% interval (Wilson)"),
        real("no_action_share_high", "upper end of its 95% interval (Wilson)"),
        whole(
            "watched",
            "closed cases with a place, closed long enough ago (again_within_days) to tell whether they come up again",
        ),
        whole("reported_again", "of these, a resident reported the same topic within 50 m in that time"),
        real("reported_again_share", "reported_again / watched; null where these are too few"),
        real("reported_again_share_low", "lower end of its 95% interval (Wilson)"),
        real("reported_again_share_high", "upper end of its 95% interval (Wilson)"),
        whole("tone_pairs", "of reported_again, both reports have a text whose tone is known"),
        real("negative_before", "mean probability of a negative tone in the first of the two; null with too few pairs"),
        real("negative_after", "mean probability of a negative tone in the second"),
        real("negative_change", "negative_after - negative_before; above 0 is angrier after the closing"),
        real("negative_change_low", "lower end of its 95% interval (paired, normal)"),
        real("negative_change_high", "upper end of its 95% interval (paired, normal)"),
        column("note", Utf8View, true, "why numbers are missing"),
    ]
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::Utf8View;
    let key = [
        column("agency", Utf8View, true, "who is responsible; null is unknown"),
        column("topic", Utf8View, true, "topic; null is unknown"),
        column("district", Utf8View, true, "district; null is unknown, '*' the whole city"),
    ];
    schema_of(key.into_iter().chain(measures()))
});

static BAND_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::{Int64, Utf8View};
    let key = [
        column("agency", Utf8View, true, "who is responsible; null is unknown"),
        column("topic", Utf8View, true, "topic; null is unknown"),
        column("deprivation_band", Int64, false, "band of the districts, 1 the least deprived; compared with the other bands"),
    ];
    schema_of(key.into_iter().chain(measures()))
});

/// The schema of [`rows`](super::rows).
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The schema of [`band_rows`](super::band_rows).
pub fn band_schema() -> SchemaRef {
    BAND_SCHEMA.clone()
}

/// Adds the columns of [`measures`].
pub(super) fn measured<'a, 'k>(names: Columns<'a, Row<'k>>) -> Columns<'a, Row<'k>> {
    let tally = |value: fn(&Tally) -> u64| move |row: &Row<'_>| Some(value(&row.tally));
    names
        .count(tally(|t| t.cases))
        .count(tally(|t| t.cases - t.closed))
        .count(tally(|t| t.answered))
        .number(|row| row.answer.value)
        .number(|row| row.answer.low)
        .number(|row| row.answer.high)
        .number(|row| row.close.value)
        .number(|row| row.close.low)
        .number(|row| row.close.high)
        .count(tally(|t| t.promised))
        .count(tally(|t| t.overdue))
        .estimate(|row| row.overdue)
        .count(tally(|t| t.reopened))
        .number(|row| row.compared.answer.map(|c| c.expected))
        .number(|row| row.compared.answer.and_then(|c| c.p_value))
        .number(|row| row.compared.close.map(|c| c.expected))
        .number(|row| row.compared.close.and_then(|c| c.p_value))
        .number(|row| row.close_q_value)
        .count(tally(|t| t.explained))
        .count(tally(|t| t.nothing_done))
        .estimate(|row| row.nothing_done)
        .count(tally(|t| t.watched))
        .count(tally(|t| t.again))
        .estimate(|row| row.again)
        .count(tally(|t| t.pairs))
        .number(|row| row.tone.map(|t| t.before))
        .number(|row| row.tone.map(|t| t.after))
        .estimate(|row| row.tone.map(|t| (t.change, t.interval)))
        .text(|row| row.note.as_deref())
}
