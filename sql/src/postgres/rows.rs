//! Record batches as the rows of a response.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::temporal_conversions::timestamp_us_to_datetime;
use datafusion_postgres::arrow_pg::datatypes::{arrow_schema_to_pg_fields, encode_recordbatch};
use datafusion_postgres::pgwire::api::portal::Format;
use datafusion_postgres::pgwire::api::results::{FieldFormat, FieldInfo, QueryResponse};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::types::format::FormatOptions;
use futures::{StreamExt, stream};

use crate::batches::Batches;
use crate::error::SqlError;

/// A result in the format that the client asked for.
pub(super) fn response(batches: Batches, format: &Format, options: FormatOptions) -> PgWireResult<QueryResponse> {
    let iso = options.date_style.to_uppercase().starts_with("ISO");
    let fields = Arc::new(fields(batches.schema(), format, Some(options))?);
    let encode = Arc::clone(&fields);
    let rows = batches.flat_map(move |batch| {
        let batch = batch.and_then(|batch| {
            let shown = if iso { with_times_as_text(batch, &encode) } else { Ok(batch) };
            shown.map_err(|error| SqlError::Internal(error.to_string()))
        });
        match batch {
            Ok(batch) => stream::iter(encode_recordbatch(Arc::clone(&encode), batch)).left_stream(),
            Err(error) => stream::iter([Err(PgWireError::from(error))]).right_stream(),
        }
    });
    Ok(QueryResponse::new(fields, rows))
}

/// The description of a result's columns.
pub(super) fn fields(schema: &Schema, format: &Format, options: Option<FormatOptions>) -> PgWireResult<Vec<FieldInfo>> {
    arrow_schema_to_pg_fields(schema, format, options.map(Arc::new))
}

/// Times of columns in text format, written as Postgres does: `2011-08-28 13:20:00.25+00`, without the zeros at the end
/// that pgwire adds.
fn with_times_as_text(batch: RecordBatch, fields: &[FieldInfo]) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let is_shown = |field: &Field, info: &FieldInfo| {
        matches!(field.data_type(), DataType::Timestamp(..)) && info.format() == FieldFormat::Text
    };
    if !schema.fields().iter().zip(fields).any(|(field, info)| is_shown(field, info)) {
        return Ok(batch);
    }
    let mut shown = Vec::with_capacity(fields.len());
    let mut columns = Vec::with_capacity(fields.len());
    for ((field, info), column) in schema.fields().iter().zip(fields).zip(batch.columns()) {
        let text = if is_shown(field, info) { times_as_text(column)? } else { None };
        shown.push(match &text {
            Some(_) => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
            None => Arc::clone(field),
        });
        columns.push(text.unwrap_or_else(|| Arc::clone(column)));
    }
    RecordBatch::try_new(Arc::new(Schema::new(shown)), columns)
}

/// `None` when a moment lies beyond the calendar; pgwire then shows it in its own way.
fn times_as_text(column: &ArrayRef) -> Result<Option<ArrayRef>, ArrowError> {
    let DataType::Timestamp(_, zone) = column.data_type() else { return Ok(None) };
    let suffix = if zone.is_some() { "+00" } else { "" };
    let micros = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
    let micros = micros.as_primitive::<TimestampMicrosecondType>();
    let mut texts = StringBuilder::with_capacity(micros.len(), 24 * micros.len());
    let mut text = String::new();
    for micros in micros {
        let Some(micros) = micros else {
            texts.append_null();
            continue;
        };
        let Some(moment) = timestamp_us_to_datetime(micros) else { return Ok(None) };
        text.clear();
        // Writing to a String cannot fail.
        let _ = write!(text, "{moment}");
        if text.contains('.') {
            text.truncate(text.trim_end_matches('0').len());
        }
        text.push_str(suffix);
        texts.append_value(&text);
    }
    Ok(Some(Arc::new(texts.finish())))
}
