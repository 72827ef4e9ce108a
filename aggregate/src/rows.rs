//! Rows of reports as they are held: Arrow columns, words as codes, columns that are null throughout left out.

use std::cmp::Reverse;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, UInt32Array, UInt64Array, new_null_array};
use arrow::compute::{concat, filter, take};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Float32Type, Float64Type, Schema, SchemaRef, TimestampMicrosecondType, UInt8Type,
    UInt32Type, UInt64Type,
};
use feedback::IdKey;
use feedback::schema::timestamp_type;

use crate::dictionary::NULL;
use crate::error::AggregateError;
use crate::life::NO_STATUS;
use crate::measures::PROBABILITY_UNIT;

/// The code of an unknown word of a closed vocabulary.
pub(crate) const NO_CODE: u8 = u8::MAX;

/// The columns held, in order. Names are those of [`feedback::schema::ENRICHED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Column {
    Id,
    Source,
    CreatedAt,
    UpdatedAt,
    ReceivedAt,
    ContentKey,
    Channel,
    Category,
    Title,
    Text,
    Status,
    DueAt,
    FirstAnswerAt,
    ClosedAt,
    Agency,
    District,
    Lat,
    Lon,
    Language,
    Tone,
    ToneNegative,
    ToneNeutral,
    TonePositive,
    Signal,
    Topic,
    TopicScore,
    Urgency,
    UrgencyScore,
    Author,
    Votes,
    Url,
    DuplicateOf,
    Fingerprint,
    ModelVersion,
}

impl Column {
    /// Every column in order, with its name in the enriched batch and its type here.
    pub(crate) fn all() -> [(Column, &'static str, DataType); 34] {
        use Column::*;
        use DataType::{Float32, Float64, UInt8, UInt32, UInt64, Utf8};
        let time = timestamp_type;
        [
            (Id, "id", Utf8),
            (Source, "source", UInt32),
            (CreatedAt, "created_at", time()),
            (UpdatedAt, "updated_at", time()),
            (ReceivedAt, "received_at", time()),
            (ContentKey, "content_key", UInt64),
            (Channel, "channel", UInt8),
            (Category, "category", UInt32),
            (Title, "title", Utf8),
            (Text, "text", Utf8),
            (Status, "status", UInt8),
            (DueAt, "due_at", time()),
            (FirstAnswerAt, "first_answer_at", time()),
            (ClosedAt, "closed_at", time()),
            (Agency, "agency", UInt32),
            (District, "district", UInt32),
            (Lat, "lat", Float64),
            (Lon, "lon", Float64),
            (Language, "language", UInt32),
            (Tone, "tone", UInt8),
            (ToneNegative, "tone_negative", Float32),
            (ToneNeutral, "tone_neutral", Float32),
            (TonePositive, "tone_positive", Float32),
            (Signal, "signal", UInt8),
            (Topic, "topic", UInt8),
            (TopicScore, "topic_score", Float32),
            (Urgency, "urgency", UInt8),
            (UrgencyScore, "urgency_score", Float32),
            (Author, "author", UInt64),
            (Votes, "votes", UInt32),
            (Url, "url", Utf8),
            (DuplicateOf, "duplicate_of", Utf8),
            (Fingerprint, "fingerprint", UInt64),
            (ModelVersion, "model_version", UInt32),
        ]
    }

    /// The schema in which segments are written to disk.
    pub(crate) fn schema() -> SchemaRef {
        Arc::new(Schema::new(Self::all().map(|(_, name, data_type)| Field::new(name, data_type, true)).to_vec()))
    }
}

/// Which version of a report a row is; the greatest counts. Of equal ones, sent more than once, the first to arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) updated_at: i64,
    pub(crate) content_key: u64,
    pub(crate) received: Reverse<i64>,
}

/// What counting needs of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Facts {
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) source: u32,
    pub(crate) district: u32,
    pub(crate) language: u32,
    pub(crate) topic: u8,
    pub(crate) channel: u8,
    pub(crate) signal: u8,
    pub(crate) urgency: u8,
    pub(crate) status: u8,
    /// In millionths.
    pub(crate) tones: Option<[u32; 3]>,
    pub(crate) author: Option<u64>,
    pub(crate) first_answer_at: Option<i64>,
    pub(crate) closed_at: Option<i64>,
}

/// Consecutive rows.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    columns: Vec<Option<ArrayRef>>,
    len: usize,
    bytes: usize,
}

impl Rows {
    /// From arrays in the order and types of [`Column::all`].
    pub(crate) fn new(columns: Vec<ArrayRef>, len: usize) -> Self {
        Self::of(columns.into_iter().map(unless_null).collect(), len)
    }

    fn of(columns: Vec<Option<ArrayRef>>, len: usize) -> Self {
        // What the values take, not the allocations: columns that were read from a checkpoint share one. There is no column here of a
        // type whose size cannot be told.
        let bytes = columns.iter().flatten().map(|array| array.to_data().get_slice_memory_size().unwrap_or(0)).sum();
        Self { columns, len, bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A column; `None` where it is null throughout.
    pub(crate) fn column(&self, column: Column) -> Option<&ArrayRef> {
        self.columns[column as usize].as_ref()
    }

    /// All columns with the missing ones as nulls.
    pub(crate) fn arrays(&self) -> Vec<ArrayRef> {
        let types = Column::all();
        let filled = self.columns.iter().zip(types).map(|(array, (_, _, data_type))| match array {
            Some(array) => array.clone(),
            None => new_null_array(&data_type, self.len),
        });
        filled.collect()
    }

    fn value<T: ArrowPrimitiveType>(&self, column: Column, row: usize) -> Option<T::Native> {
        let array = self.column(column)?.as_any().downcast_ref::<PrimitiveArray<T>>()?;
        (!array.is_null(row)).then(|| array.value(row))
    }

    pub(crate) fn time(&self, column: Column, row: usize) -> Option<i64> {
        self.value::<TimestampMicrosecondType>(column, row)
    }

    pub(crate) fn word(&self, column: Column, row: usize) -> u32 {
        self.value::<UInt32Type>(column, row).unwrap_or(NULL)
    }

    pub(crate) fn code(&self, column: Column, row: usize) -> u8 {
        self.value::<UInt8Type>(column, row).unwrap_or(NO_CODE)
    }

    /// The authors of all rows; `None` where nobody is known.
    pub(crate) fn authors(&self) -> Option<&UInt64Array> {
        self.column(Column::Author)?.as_primitive_opt()
    }

    pub(crate) fn author(&self, row: usize) -> Option<u64> {
        self.value::<UInt64Type>(Column::Author, row)
    }

    /// A text; `None` where there is none.
    pub(crate) fn text(&self, column: Column, row: usize) -> Option<&str> {
        let texts = self.column(column)?.as_string_opt::<i32>()?;
        (!texts.is_null(row)).then(|| texts.value(row))
    }

    /// Degrees north and east.
    pub(crate) fn position(&self, row: usize) -> Option<(f64, f64)> {
        Some((self.value::<Float64Type>(Column::Lat, row)?, self.value::<Float64Type>(Column::Lon, row)?))
    }

    /// The fingerprint of its words; 0 where there are none.
    pub(crate) fn fingerprint(&self, row: usize) -> u64 {
        self.value::<UInt64Type>(Column::Fingerprint, row).unwrap_or(0)
    }

    /// Votes of support; 0 where none are known.
    pub(crate) fn votes(&self, row: usize) -> u32 {
        self.value::<UInt32Type>(Column::Votes, row).unwrap_or(0)
    }

    pub(crate) fn id(&self, row: usize) -> &str {
        self.column(Column::Id).and_then(|ids| ids.as_string_opt::<i32>()).map_or("", |ids| ids.value(row))
    }

    pub(crate) fn key(&self, row: usize) -> IdKey {
        IdKey::of(self.id(row))
    }

    /// Which version of its report a row is.
    pub(crate) fn version(&self, row: usize) -> Version {
        Version {
            updated_at: self.time(Column::UpdatedAt, row).unwrap_or(i64::MIN),
            content_key: self.value::<UInt64Type>(Column::ContentKey, row).unwrap_or(0),
            received: Reverse(self.time(Column::ReceivedAt, row).unwrap_or(i64::MAX)),
        }
    }

    pub(crate) fn facts(&self, row: usize) -> Facts {
        let tone = |column| self.value::<Float32Type>(column, row).map(millionths);
        let tones = match (tone(Column::ToneNegative), tone(Column::ToneNeutral), tone(Column::TonePositive)) {
            (Some(negative), Some(neutral), Some(positive)) => Some([negative, neutral, positive]),
            _ => None,
        };
        Facts {
            created_at: self.time(Column::CreatedAt, row).unwrap_or(0),
            updated_at: self.time(Column::UpdatedAt, row).unwrap_or(i64::MIN),
            source: self.word(Column::Source, row),
            district: self.word(Column::District, row),
            language: self.word(Column::Language, row),
            topic: self.code(Column::Topic, row),
            channel: self.code(Column::Channel, row),
            signal: self.code(Column::Signal, row),
            urgency: self.code(Column::Urgency, row),
            status: self.value::<UInt8Type>(Column::Status, row).unwrap_or(NO_STATUS),
            tones,
            author: self.author(row),
            first_answer_at: self.time(Column::FirstAnswerAt, row),
            closed_at: self.time(Column::ClosedAt, row),
        }
    }

    /// The rows at these positions, copied.
    pub(crate) fn take(&self, rows: &UInt32Array) -> Result<Self, AggregateError> {
        let columns: Result<Vec<_>, AggregateError> = self
            .columns
            .iter()
            .map(|column| {
                let Some(array) = column else { return Ok(None) };
                Ok(unless_null(take(array, rows, None)?))
            })
            .collect();
        Ok(Self::of(columns?, rows.len()))
    }

    /// Several runs of rows as one, each with what to keep of it (`None` is everything).
    pub(crate) fn merge(parts: &[(&Self, Option<BooleanArray>)]) -> Result<Self, AggregateError> {
        let kept = |(rows, keep): &(&Self, Option<BooleanArray>)| keep.as_ref().map_or(rows.len, |keep| keep.true_count());
        let merged = Column::all().map(|(column, _, data_type)| -> Result<Option<ArrayRef>, AggregateError> {
            if parts.iter().all(|(rows, _)| rows.column(column).is_none()) {
                return Ok(None);
            }
            let pieces: Result<Vec<ArrayRef>, AggregateError> = parts
                .iter()
                .map(|part| {
                    Ok(match (part.0.column(column), &part.1) {
                        (None, _) => new_null_array(&data_type, kept(part)),
                        (Some(array), None) => array.clone(),
                        (Some(array), Some(keep)) => filter(array, keep)?,
                    })
                })
                .collect();
            let pieces = pieces?;
            let whole = concat(&pieces.iter().map(|piece| &**piece).collect::<Vec<_>>())?;
            Ok(unless_null(whole))
        });
        Ok(Self::of(merged.into_iter().collect::<Result<_, _>>()?, parts.iter().map(kept).sum()))
    }

    /// Bytes of the values.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The earliest and the latest `created_at`; `None` without rows.
    pub(crate) fn created_range(&self) -> Option<(i64, i64)> {
        let created = self.column(Column::CreatedAt)?.as_primitive_opt::<TimestampMicrosecondType>()?;
        Some((arrow::compute::min(created)?, arrow::compute::max(created)?))
    }
}

/// A column, if there is anything in it.
fn unless_null(array: ArrayRef) -> Option<ArrayRef> {
    (array.null_count() < array.len()).then_some(array)
}

/// A probability in millionths; what is not one counts as 0.
fn millionths(probability: f32) -> u32 {
    (f64::from(probability).clamp(0.0, 1.0) * PROBABILITY_UNIT).round() as u32
}
