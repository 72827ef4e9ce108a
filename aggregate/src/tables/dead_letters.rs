//! Table `dead_letters`: the newest 10,000 that could not be understood, each with how many share its stage and reason.

use std::sync::{Arc, LazyLock};

use ::feedback::schema::timestamp_type;
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, SchemaRef};

use super::{column, schema_of};
use crate::dead::{DeadLetter, DeadLetters};
use crate::error::AggregateError;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str, nullable, doc: &str| column(name, DataType::Utf8View, nullable, doc);
    let number = |name: &str, nullable, doc: &str| column(name, DataType::Int64, nullable, doc);
    schema_of([
        text("stage", false, "which stage could not understand it"),
        text("source", true, "which source sent it, where known"),
        text("reason", false, "why, and what would be right"),
        column("at", timestamp_type(), true, "when it was put aside; UTC"),
        number("raw_partition", true, "partition of the raw record, if it was one"),
        number("raw_offset", true, "offset of the raw record, if it was one"),
        number("length", true, "length of the original in bytes"),
        text("bytes", true, "the original in base64, or its beginning"),
        column("truncated", DataType::Boolean, false, "whether more was sent than is shown"),
        number("same_reason", false, "letters of this stage and reason so far, those no longer shown included"),
    ])
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

pub(crate) fn table(dead: &DeadLetters) -> Result<RecordBatch, AggregateError> {
    let letters = || dead.newest.iter().map(|letter| &**letter);
    let number = |of: fn(&DeadLetter) -> Option<i64>| -> ArrayRef { Arc::new(letters().map(of).collect::<Int64Array>()) };
    let same = letters().map(|letter| {
        let count = dead.counts.get(&letter.stage).and_then(|reasons| reasons.get(&letter.reason));
        i64::try_from(count.copied().unwrap_or(1)).unwrap_or(i64::MAX)
    });
    let at: TimestampMicrosecondArray = letters().map(|letter| letter.at.map(::feedback::Timestamp::micros)).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringViewArray::from_iter_values(letters().map(|letter| &letter.stage))),
        Arc::new(letters().map(|letter| letter.source.as_deref()).collect::<StringViewArray>()),
        Arc::new(StringViewArray::from_iter_values(letters().map(|letter| &letter.reason))),
        Arc::new(at.with_timezone("UTC")),
        number(|letter| letter.raw_partition.map(i64::from)),
        number(|letter| letter.raw_offset.and_then(|offset| i64::try_from(offset).ok())),
        number(|letter| letter.length.and_then(|length| i64::try_from(length).ok())),
        Arc::new(letters().map(|letter| letter.bytes.as_deref()).collect::<StringViewArray>()),
        Arc::new(BooleanArray::from(letters().map(|letter| letter.truncated).collect::<Vec<_>>())),
        Arc::new(Int64Array::from_iter_values(same)),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
