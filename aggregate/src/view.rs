//! A segment as the table `feedback` shows it: codes as text, dead rows gone, lives filled in.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, Int16Array, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray, StringViewBuilder,
    TimestampMicrosecondArray, UInt8Array, new_null_array,
};
use arrow::compute::{cast, filter, take};
use arrow::datatypes::{DataType, Schema, UInt8Type, UInt32Type, UInt64Type};
use feedback::{Channel, Signal, Status, Timestamp, Tone, Topic};

use crate::dictionary::Dictionaries;
use crate::error::AggregateError;
use crate::incidents::IncidentsOf;
use crate::life::{Life, NO_STATUS, NO_TIME};
use crate::rows::Column;
use crate::segment::Segment;
use crate::tables::feedback::{Show, schema, shows};

/// The words of a dictionary as one array each, made once a snapshot.
#[derive(Debug)]
pub(crate) struct WordArrays {
    source: StringViewArray,
    category: StringViewArray,
    agency: StringViewArray,
    district: StringViewArray,
    language: StringViewArray,
    model_version: StringViewArray,
}

impl WordArrays {
    pub(crate) fn new(words: &Dictionaries) -> Self {
        Self {
            source: words.source.to_array(),
            category: words.category.to_array(),
            agency: words.agency.to_array(),
            district: words.district.to_array(),
            language: words.language.to_array(),
            model_version: words.model_version.to_array(),
        }
    }

    fn of(&self, column: Column) -> &StringViewArray {
        match column {
            Column::Category => &self.category,
            Column::Agency => &self.agency,
            Column::District => &self.district,
            Column::Language => &self.language,
            Column::ModelVersion => &self.model_version,
            _ => &self.source,
        }
    }
}

/// Closed vocabularies as arrays by code.
pub(crate) struct Vocabularies {
    pub(crate) channel: StringViewArray,
    pub(crate) status: StringViewArray,
    pub(crate) tone: StringViewArray,
    pub(crate) signal: StringViewArray,
    pub(crate) topic: StringViewArray,
}

pub(crate) static VOCABULARIES: LazyLock<Vocabularies> = LazyLock::new(|| Vocabularies {
    channel: StringViewArray::from_iter_values(Channel::WORDS),
    status: StringViewArray::from_iter_values(Status::WORDS),
    tone: StringViewArray::from_iter_values(Tone::WORDS),
    signal: StringViewArray::from_iter_values(Signal::WORDS),
    topic: StringViewArray::from_iter_values(Topic::WORDS),
});

/// An immutable run of rows of the table `feedback`.
#[derive(Debug)]
pub struct SegmentView {
    segment: Arc<Segment>,
    words: Arc<WordArrays>,
    incidents: Arc<IncidentsOf>,
}

impl SegmentView {
    pub(crate) fn new(segment: Arc<Segment>, words: Arc<WordArrays>, incidents: Arc<IncidentsOf>) -> Self {
        Self { segment, words, incidents }
    }

    /// Rows that [`SegmentView::read`] gives.
    pub fn rows(&self) -> usize {
        self.segment.live()
    }

    /// Bounds of `created_at` over the rows, both ends included; they may be wider than what is left of the segment.
    pub fn created_at_range(&self) -> (Timestamp, Timestamp) {
        (Timestamp::from_micros(self.segment.created.0), Timestamp::from_micros(self.segment.created.1))
    }

    /// The columns of [`crate::tables::feedback::schema`] at these positions, one row a live report, in one batch. Only what is
    /// asked for is unpacked. An error for a position that the schema does not have.
    pub fn read(&self, projection: &[usize]) -> Result<RecordBatch, AggregateError> {
        let keep = self.segment.filter();
        let mut fields = Vec::with_capacity(projection.len());
        let mut columns = Vec::with_capacity(projection.len());
        for position in projection {
            let show = shows().get(*position).ok_or_else(|| AggregateError::Table {
                table: "feedback",
                problem: format!("there is no column {position}; the table has {}", shows().len()),
            })?;
            let array = self.show(show.clone())?;
            columns.push(match &keep {
                Some(keep) => filter(&array, keep)?,
                None => array,
            });
            fields.push(schema().fields()[*position].clone());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows()));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
    }

    fn show(&self, show: Show) -> Result<ArrayRef, AggregateError> {
        let rows = &self.segment.rows;
        let null = |data_type: &DataType| new_null_array(data_type, rows.len());
        let column = match show {
            Show::Plain(column) | Show::Text(column) | Show::Word(column) | Show::Hex(column) | Show::Number(column, _) => {
                column
            }
            Show::Code(column) => column,
            Show::Status => return self.status(),
            Show::FirstAnswerAt => return Ok(self.life_time(|life| life.first_answer_us)),
            Show::ClosedAt => return Ok(self.life_time(|life| life.closed_us)),
            Show::Incident => return Ok(self.incidents.ids(&self.segment)),
        };
        let Some(array) = rows.column(column) else {
            return Ok(null(&show.data_type()));
        };
        Ok(match show {
            Show::Plain(_) => array.clone(),
            Show::Text(_) => Arc::new(StringViewArray::from(array.as_string::<i32>())),
            Show::Word(column) => take(self.words.of(column), array.as_primitive::<UInt32Type>(), None)?,
            Show::Code(column) => take(vocabulary(column), array.as_primitive::<UInt8Type>(), None)?,
            Show::Hex(_) => {
                let mut text = StringViewBuilder::with_capacity(array.len());
                array.as_primitive::<UInt64Type>().iter().for_each(|value| match value {
                    Some(value) => text.append_value(format!("{value:016x}")),
                    None => text.append_null(),
                });
                Arc::new(text.finish())
            }
            Show::Number(_, DataType::Int16) => {
                Arc::new(array.as_primitive::<UInt8Type>().iter().map(|value| value.map(i16::from)).collect::<Int16Array>())
            }
            Show::Number(_, DataType::Int64) if array.data_type() == &DataType::UInt64 => {
                // Bit patterns: the sign carries no meaning.
                Arc::new(array.as_primitive::<UInt64Type>().iter().map(|value| value.map(|v| v as i64)).collect::<Int64Array>())
            }
            Show::Number(_, data_type) => cast(array, &data_type)?,
            Show::Status | Show::FirstAnswerAt | Show::ClosedAt | Show::Incident => null(&show.data_type()),
        })
    }

    fn status(&self) -> Result<ArrayRef, AggregateError> {
        let lives = self.segment.lives.iter();
        let codes: UInt8Array = lives.map(|(_, life)| (life.status != NO_STATUS).then_some(life.status)).collect();
        Ok(take(&VOCABULARIES.status, &codes, None)?)
    }

    fn life_time(&self, of: impl Fn(&Life) -> i64) -> ArrayRef {
        let times = self.segment.lives.iter().map(|(_, life)| of(&life));
        let times: TimestampMicrosecondArray = times.map(|time| (time != NO_TIME).then_some(time)).collect();
        Arc::new(times.with_timezone("UTC"))
    }
}

fn vocabulary(column: Column) -> &'static StringViewArray {
    match column {
        Column::Channel => &VOCABULARIES.channel,
        Column::Tone => &VOCABULARIES.tone,
        Column::Signal => &VOCABULARIES.signal,
        Column::Topic => &VOCABULARIES.topic,
        _ => &VOCABULARIES.status,
    }
}
