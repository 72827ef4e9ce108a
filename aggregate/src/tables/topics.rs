//! Table `topics`: what reports are labelled with.

use std::sync::{Arc, LazyLock};

use ::feedback::Topic;
use arrow::array::{ArrayRef, Int16Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, SchemaRef};

use super::{column, schema_of};
use crate::error::AggregateError;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema_of([
        column("topic", DataType::Utf8View, false, "identifier, as in every other table"),
        column("label", DataType::Utf8View, false, "for people to read"),
        column("code", DataType::Int16, false, "position in the vocabulary; never changes"),
    ])
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

pub(crate) fn table() -> Result<RecordBatch, AggregateError> {
    let label = |topic: &Topic| topic.as_str().replace('_', " ");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringViewArray::from_iter_values(Topic::WORDS)),
        Arc::new(StringViewArray::from_iter_values(Topic::ALL.iter().map(label))),
        Arc::new(Int16Array::from_iter_values(Topic::ALL.iter().map(|topic| i16::from(topic.code())))),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
