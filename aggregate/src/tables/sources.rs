//! Table `sources`: one row a source, what came of it and when last.

use std::sync::{Arc, LazyLock};

use ::feedback::schema::timestamp_type;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewBuilder, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, SchemaRef};

use super::{append_word, column, schema_of};
use crate::error::AggregateError;
use crate::sources::SourceState;
use crate::state::State;

/// Name, documentation and value of every count, in order.
type Count = (&'static str, &'static str, fn(&SourceState) -> i64);

const COUNTS: [Count; 8] = [
    ("reports", "reports in memory", |s| s.live_reports),
    ("report_records", "report records applied, every version counted", |s| signed(s.records[0])),
    ("status_records", "status records applied", |s| signed(s.records[1])),
    ("erase_records", "erasures applied", |s| signed(s.records[2])),
    ("superseded", "records that were known or older than what is known", |s| signed(s.superseded)),
    ("late", "records that came after the watermark had passed them; counted where they belong", |s| signed(s.late)),
    ("expired", "records older than anything kept; not counted", |s| signed(s.expired)),
    ("clock_ahead", "records whose event time was ahead of their arrival and was clamped", |s| signed(s.clock_ahead)),
];

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let name = [column("source", DataType::Utf8View, true, "the part of an id before the colon")];
    let counts = COUNTS.iter().map(|(name, doc, _)| column(name, DataType::Int64, false, doc));
    let times = [
        column("last_event_at", timestamp_type(), true, "latest event time; UTC"),
        column("last_received_at", timestamp_type(), true, "latest arrival; UTC"),
    ];
    schema_of(name.into_iter().chain(counts).chain(times))
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

pub(crate) fn table(state: &State) -> Result<RecordBatch, AggregateError> {
    let mut names = StringViewBuilder::new();
    state.sources.keys().for_each(|code| append_word(&mut names, &state.words.source, *code));
    let mut columns: Vec<ArrayRef> = vec![Arc::new(names.finish())];
    for (_, _, value) in COUNTS {
        columns.push(Arc::new(Int64Array::from_iter_values(state.sources.values().map(value))));
    }
    let times = |of: fn(&SourceState) -> Option<i64>| -> ArrayRef {
        Arc::new(state.sources.values().map(of).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    columns.push(times(|source| source.last_event));
    columns.push(times(|source| source.last_received));
    Ok(RecordBatch::try_new(schema(), columns)?)
}
