//! Table `pipeline`: one row a partition of the log, how far it is and whether anything is wrong with it.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use ::feedback::schema::timestamp_type;
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, SchemaRef};

use super::{column, schema_of};
use crate::error::AggregateError;
use crate::progress::Partition;
use crate::state::State;

/// Name, documentation and value of every count, in order.
type Count = (&'static str, &'static str, fn(&Partition) -> u64);

const COUNTS: [Count; 10] = [
    ("applied_next", "raw offset before which everything is applied", |p| p.applied_next.unwrap_or(0)),
    ("enriched_next", "enriched offset at which reading goes on", |p| p.enriched_next),
    ("rows", "rows applied", |p| p.rows),
    ("batches", "enriched batches applied", |p| p.batches),
    ("replayed_batches", "batches skipped as repetitions", |p| p.replayed_batches),
    (
        "gaps",
        "batches not applied because something before them is missing: not 0 means that records are being waited for, or were",
        |p| p.gaps,
    ),
    (
        "gaps_accepted",
        "gaps passed over because retention removed enriched records, or a batch could not be decoded: data are lost",
        |p| p.gaps_accepted,
    ),
    ("undecodable_batches", "enriched batches that could not be decoded", |p| p.undecodable_batches),
    ("late_rows", "rows that came after the watermark had passed them; counted where they belong", |p| p.late_rows),
    ("expired_rows", "rows older than anything kept; not counted", |p| p.expired_rows),
];

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let keys = [column("partition", DataType::Int64, false, "partition of the log")];
    let counts = COUNTS.iter().map(|(name, doc, _)| column(name, DataType::Int64, false, doc));
    let ends = [
        column("highest_event_at", timestamp_type(), true, "latest event time seen in it; UTC"),
        column(
            "idle",
            DataType::Boolean,
            false,
            "whether it has been silent for so long that it does not hold the watermark back",
        ),
        column(
            "watermark",
            timestamp_type(),
            true,
            "the watermark, the same in every row: no more events are expected before it; UTC",
        ),
    ];
    schema_of(keys.into_iter().chain(counts).chain(ends))
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

pub(crate) fn table(state: &State, idle: &BTreeSet<u32>) -> Result<RecordBatch, AggregateError> {
    let partitions = &state.partitions;
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from_iter_values(partitions.keys().map(|number| i64::from(*number))))];
    for (_, _, value) in COUNTS {
        let values = partitions.values().map(|partition| i64::try_from(value(partition)).unwrap_or(i64::MAX));
        columns.push(Arc::new(Int64Array::from_iter_values(values)));
    }
    let events: TimestampMicrosecondArray = partitions.values().map(|partition| partition.highest_event).collect();
    columns.push(Arc::new(events.with_timezone("UTC")));
    columns.push(Arc::new(BooleanArray::from(partitions.keys().map(|number| idle.contains(number)).collect::<Vec<_>>())));
    let watermark: TimestampMicrosecondArray = partitions.keys().map(|_| state.watermark).collect();
    columns.push(Arc::new(watermark.with_timezone("UTC")));
    Ok(RecordBatch::try_new(schema(), columns)?)
}
