//! Table `cells`: one row an additive cell. Sums over cells of one width are the numbers of the set.

use std::sync::{Arc, LazyLock};

use ::feedback::schema::timestamp_type;
use ::feedback::{Channel, Topic};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, StringViewBuilder, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, SchemaRef};

use super::{append_word, column, measures, schema_of};
use crate::cell::Cell;
use crate::cells::{CellKey, Width};
use crate::error::AggregateError;
use crate::state::State;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let keys = [
        column("bucket_start", timestamp_type(), false, "start of the bucket, by created_at; UTC"),
        column(
            "width",
            DataType::Utf8View,
            false,
            "length of the bucket: minute, hour or day; widths hold the same reports, sum one only",
        ),
        column("district", DataType::Utf8View, true, "district; null is unknown"),
        column("topic", DataType::Utf8View, true, "topic; see table topics"),
        column("channel", DataType::Utf8View, true, "door at the city's side"),
        column("language", DataType::Utf8View, true, "ISO 639-1, und where unsure"),
    ];
    let tones = [
        column("tone_n", DataType::Int64, false, "reports that have tone probabilities"),
        column("tone_negative_micros", DataType::Int64, false, "sum of the probabilities of negative tone; millionths"),
        column("tone_neutral_micros", DataType::Int64, false, "sum of the probabilities of neutral tone; millionths"),
        column("tone_positive_micros", DataType::Int64, false, "sum of the probabilities of positive tone; millionths"),
    ];
    schema_of(keys.into_iter().chain(measures::columns()).chain(tones))
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

pub(crate) fn table(state: &State) -> Result<RecordBatch, AggregateError> {
    let mut cells: Vec<(Width, i64, &CellKey, &Cell)> = Vec::with_capacity(state.cells.len());
    for tier in &state.cells.tiers {
        for (start, bucket) in &tier.buckets {
            cells.extend(bucket.cells.iter().map(|(key, cell)| (tier.width, *start, key, cell)));
        }
    }
    let starts = TimestampMicrosecondArray::from_iter_values(cells.iter().map(|cell| cell.1));
    let (mut district, mut language) = (StringViewBuilder::new(), StringViewBuilder::new());
    for (_, _, key, _) in &cells {
        append_word(&mut district, &state.words.district, key.district);
        append_word(&mut language, &state.words.language, key.language);
    }
    let topics = cells.iter().map(|cell| Topic::from_code(cell.2.topic).map(Topic::as_str));
    let channels = cells.iter().map(|cell| Channel::from_code(cell.2.channel).map(Channel::as_str));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(starts.with_timezone("UTC")),
        Arc::new(StringViewArray::from_iter_values(cells.iter().map(|cell| cell.0.as_str()))),
        Arc::new(district.finish()),
        Arc::new(topics.collect::<StringViewArray>()),
        Arc::new(channels.collect::<StringViewArray>()),
        Arc::new(language.finish()),
    ];
    let wide = || cells.iter().map(|cell| cell.3.measures());
    columns.extend(measures::arrays(wide()));
    columns.push(Arc::new(Int64Array::from_iter_values(wide().map(|measures| i64::from(measures.toned)))));
    for tone in 0..3 {
        columns.push(Arc::new(Int64Array::from_iter_values(wide().map(|measures| measures.tones[tone]))));
    }
    Ok(RecordBatch::try_new(schema(), columns)?)
}
