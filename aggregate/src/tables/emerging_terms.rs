//! Table `emerging_terms`: one row a phrase that is said much more in a rolling window than before. How is told in `crate::terms`.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use feedback::schema::timestamp_type;
use feedback::{Timestamp, Topic};

use super::columns::Columns;
use super::{column, schema_of};
use crate::dictionary::CITY;
use crate::error::AggregateError;
use crate::segment::Place;
use crate::state::State;
use crate::terms::{Term, emerging};
use crate::windows::Window;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let word = |name: &str, nullable, doc: &str| column(name, DataType::Utf8View, nullable, doc);
    let whole = |name: &str, nullable, doc: &str| column(name, DataType::Int64, nullable, doc);
    let real = |name: &str, doc: &str| column(name, DataType::Float64, false, doc);
    let moment = |name: &str, doc: &str| column(name, timestamp_type(), false, doc);
    schema_of([
        word("window", false, "name of the rolling window; see table windows"),
        word("district", true, "district; null is unknown, * the whole city"),
        word("language", true, "language of the phrase; ISO 639-1, und where unsure"),
        word("phrase", false, "one to three words in lower case, from texts in which personal data is masked"),
        whole("words", false, "how many words it has"),
        word("topic", true, "topic of most reports that say it; see table topics"),
        moment("window_start", "start of the window, included; UTC"),
        moment("window_end", "end of the window, excluded; UTC"),
        whole("reports", false, "reports of the window that say it"),
        whole("reporters", false, "people who say it in the window, 5 at least; a report without an author counts as one"),
        whole("said_now", false, "authors' days of the window that say it: a phrase counts once an author a day"),
        whole("of_now", false, "authors' days of the window, in this district and language"),
        whole("said_before", false, "authors' days that said it before: in four times the window, at least 28 days"),
        whole("of_before", false, "authors' days before, in this district and language"),
        real("share_now", "said_now by of_now"),
        column("share_before", DataType::Float64, true, "said_before by of_before; null where nobody said anything"),
        real("log_odds", "natural logarithm of the odds of saying it now against before, with the city's use as prior"),
        real("z", "log_odds by its standard error"),
        real("p_value", "one-sided probability of such a z if it were said as often as before"),
        real(
            "q_value",
            "smallest false-discovery rate at which it would be shown, over all phrases of the window; 0.05 at most",
        ),
        word("example_1", false, "id of the newest report that says it"),
        word("example_2", true, "id of the next, by somebody else"),
        word("example_3", true, "id of the next, by somebody else again"),
        word("note", true, "where only a sample of the window's reports was read: how many of how many"),
    ])
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// A row: a term, its window and what is said about its sample.
struct Row<'a> {
    window: &'a Window,
    term: Term,
    note: Option<String>,
}

pub(crate) fn table(state: &State, windows: &[Window]) -> Result<RecordBatch, AggregateError> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for window in windows {
        rows.extend(emerging(state, window).into_iter().map(|term| {
            let note = term.sampled_of.map(|of| format!("{} of {of} reports read", crate::terms::MAX_NOW));
            Row { window, term, note }
        }));
    }
    let id = |place: &Place| -> Option<&str> {
        Some(state.segments.get(place.segment as usize)?.as_ref()?.rows.id(place.row as usize))
    };
    let district = |row: &Row<'_>| match row.term.district {
        CITY => Some("*"),
        code => state.words.district.word(code).map(|word| &**word),
    };
    let share = |(said, of): (usize, usize)| (of > 0).then(|| said as f64 / of as f64);
    let example = |number: usize| move |row: &Row<'_>| row.term.examples.get(number).and_then(id);
    Ok(Columns::of(&rows)
        .text(|row| Some(&row.window.spec.name))
        .text(district)
        .text(|row| state.words.language.word(row.term.language).map(|word| &**word))
        .text(|row| Some(&row.term.phrase))
        .count(|row| Some(row.term.words as u64))
        .text(|row| Topic::from_code(row.term.topic).map(Topic::as_str))
        .time(|row| Some(Timestamp::from_micros(row.window.range.start)))
        .time(|row| Some(Timestamp::from_micros(row.window.range.end)))
        .count(|row| Some(row.term.reports as u64))
        .count(|row| Some(row.term.reporters as u64))
        .count(|row| Some(row.term.now.0 as u64))
        .count(|row| Some(row.term.now.1 as u64))
        .count(|row| Some(row.term.before.0 as u64))
        .count(|row| Some(row.term.before.1 as u64))
        .number(|row| share(row.term.now))
        .number(|row| share(row.term.before))
        .number(|row| Some(row.term.difference.log_odds))
        .number(|row| Some(row.term.difference.z))
        .number(|row| Some(row.term.difference.p_value))
        .number(|row| Some(row.term.q_value))
        .text(example(0))
        .text(example(1))
        .text(example(2))
        .text(|row| row.note.as_deref())
        .batch(schema())?)
}
