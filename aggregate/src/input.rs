//! Decodes a payload of `feedback.enriched`: Arrow IPC (stream or file) in [`feedback::schema::ENRICHED`], with the stretch of the
//! raw partition that it covers. Nothing in a payload is trusted: types, codes and lengths are checked here, once.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use arrow::datatypes::{Int32Type, SchemaRef, TimestampMicrosecondType};
use arrow::ipc::reader::{FileReader, StreamReader};
use feedback::schema::{ENRICHED, coverage};
use feedback::{Channel, Signal, Status, Tone, Topic, Urgency};

use crate::dictionary::{Dictionaries, NULL, Words};
use crate::error::AggregateError;
use crate::rows::{Column, Rows};

/// A decoded batch: the rows of reports, statuses and erasures side by side, words as codes.
pub(crate) struct Batch {
    pub(crate) coverage: Coverage,
    pub(crate) rows: Rows,
    pub(crate) kind: UInt8Array,
    pub(crate) raw_offset: Int64Array,
    pub(crate) at: TimestampMicrosecondArray,
    pub(crate) clock_ahead: UInt8Array,
    pub(crate) reason: StringArray,
}

/// Which stretch of which raw partition a batch covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub(crate) partition: u32,
    pub(crate) first: u64,
    pub(crate) next: u64,
}

/// The magic with which an IPC file begins; a stream does not.
const FILE_MAGIC: &[u8] = b"ARROW1";

fn bad(problem: impl Into<String>) -> AggregateError {
    AggregateError::Batch { problem: problem.into() }
}

/// The record batches of a payload and their schema.
fn read_ipc(payload: &[u8]) -> Result<(SchemaRef, Vec<RecordBatch>), AggregateError> {
    let refused = |error: arrow::error::ArrowError| bad(error.to_string());
    if payload.starts_with(FILE_MAGIC) {
        let reader = FileReader::try_new(Cursor::new(payload), None).map_err(refused)?;
        Ok((reader.schema(), reader.collect::<Result<_, _>>().map_err(refused)?))
    } else {
        let reader = StreamReader::try_new(payload, None).map_err(refused)?;
        Ok((reader.schema(), reader.collect::<Result<_, _>>().map_err(refused)?))
    }
}

impl Coverage {
    fn of(schema: &SchemaRef) -> Result<Self, AggregateError> {
        let number = |key: &str| -> Result<u64, AggregateError> {
            let text = schema.metadata().get(key).ok_or_else(|| bad(format!("its metadata lack `{key}`")))?;
            text.parse().map_err(|_| bad(format!("its metadata say {key} = `{}`", text.chars().take(32).collect::<String>())))
        };
        let partition = u32::try_from(number(coverage::PARTITION)?).map_err(|_| bad("its raw partition is beyond 32 bits"))?;
        let (first, next) = (number(coverage::FIRST)?, number(coverage::NEXT)?);
        if first > next {
            return Err(bad(format!("it covers {first} to {next}, backwards")));
        }
        Ok(Self { partition, first, next })
    }
}

impl Batch {
    /// Reads a payload. Words that are new get codes in `words`.
    pub(crate) fn decode(payload: &[u8], words: &mut Dictionaries) -> Result<Self, AggregateError> {
        let (schema, batches) = read_ipc(payload)?;
        let coverage = Coverage::of(&schema)?;
        let batch = match batches.as_slice() {
            [one] => one.clone(),
            many => arrow::compute::concat_batches(&schema, many).map_err(|error| bad(error.to_string()))?,
        };
        let input = Input { batch: &batch };
        let mut columns = Vec::with_capacity(34);
        for (column, name, _) in Column::all() {
            let array = input.array(name)?;
            columns.push(match column {
                Column::Source => codes(array, &mut words.source),
                Column::Category => codes(array, &mut words.category),
                Column::Agency => codes(array, &mut words.agency),
                Column::District => codes(array, &mut words.district),
                Column::Language => codes(array, &mut words.language),
                Column::ModelVersion => codes(array, &mut words.model_version),
                Column::Channel => known(array, Channel::ALL.len()),
                Column::Status => known(array, Status::ALL.len()),
                Column::Tone => known(array, Tone::ALL.len()),
                Column::Signal => known(array, Signal::ALL.len()),
                Column::Topic => known(array, Topic::ALL.len()),
                Column::Urgency => known(array, Urgency::ALL.len()),
                _ => array.clone(),
            });
        }
        let required = ["kind", "raw_offset", "id", "at", "received_at", "clock_ahead", "content_key"];
        if let Some(name) =
            required.into_iter().find(|name| batch.column_by_name(name).is_some_and(|array| array.null_count() > 0))
        {
            return Err(bad(format!("column {name} has nulls")));
        }
        Ok(Self {
            coverage,
            rows: Rows::new(columns, batch.num_rows()),
            kind: input.array("kind")?.as_primitive().clone(),
            raw_offset: input.array("raw_offset")?.as_primitive().clone(),
            at: input.array("at")?.as_primitive::<TimestampMicrosecondType>().clone(),
            clock_ahead: input.array("clock_ahead")?.as_primitive().clone(),
            reason: input.array("reason")?.as_string().clone(),
        })
    }

    /// What was said with a status.
    pub(crate) fn reason(&self, row: usize) -> Option<&str> {
        (!self.reason.is_null(row)).then(|| self.reason.value(row))
    }
}

struct Input<'a> {
    batch: &'a RecordBatch,
}

impl Input<'_> {
    /// A column by name, of exactly the type that the schema says.
    fn array(&self, name: &str) -> Result<&ArrayRef, AggregateError> {
        let expected = ENRICHED.field_with_name(name).map_err(|error| bad(error.to_string()))?.data_type();
        let array = self.batch.column_by_name(name).ok_or_else(|| bad(format!("column {name} is missing")))?;
        if array.data_type() != expected {
            return Err(bad(format!("column {name} is {}, not {expected}", array.data_type())));
        }
        Ok(array)
    }
}

/// A dictionary column as codes of `words`; only words that a row uses are interned.
fn codes(array: &ArrayRef, words: &mut Words) -> ArrayRef {
    let dictionary = array.as_dictionary::<Int32Type>();
    let values = dictionary.values().as_string::<i32>();
    let mut codes: Vec<u32> = vec![NULL; values.len()];
    let rows = dictionary.keys().iter().map(|key| {
        let key = key.and_then(|key| usize::try_from(key).ok()).filter(|key| *key < values.len() && values.is_valid(*key))?;
        if codes[key] == NULL {
            codes[key] = words.intern(values.value(key));
        }
        Some(codes[key])
    });
    Arc::new(rows.collect::<UInt32Array>())
}

/// A column of codes in which those beyond the vocabulary are null: a newer writer may know more words.
fn known(array: &ArrayRef, words: usize) -> ArrayRef {
    let codes: &UInt8Array = array.as_primitive();
    if codes.iter().flatten().all(|code| usize::from(code) < words) {
        return array.clone();
    }
    Arc::new(codes.iter().map(|code| code.filter(|code| usize::from(*code) < words)).collect::<UInt8Array>())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn held_columns_have_the_types_of_the_schema() {
        for (column, name, held) in Column::all() {
            let enriched = ENRICHED.field_with_name(name).unwrap().data_type();
            let interned = matches!(enriched, DataType::Dictionary(_, _)) && held == DataType::UInt32;
            assert!(interned || *enriched == held, "{column:?}: {enriched} is held as {held}");
            assert_eq!(Column::all()[column as usize].0, column);
        }
    }

    #[test]
    fn rubbish_is_an_error() {
        let mut words = Dictionaries::default();
        for payload in [&b""[..], b"ARROW1", b"ARROW1\0\0 and then nothing", b"{\"kind\":\"report\"}", &[0xFF; 64]] {
            assert!(matches!(Batch::decode(payload, &mut words), Err(AggregateError::Batch { .. })), "{payload:?}");
        }
    }
}
