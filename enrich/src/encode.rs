//! Enriched rows as Arrow IPC, with the stretch of the raw partition that they cover, cut to the size that the log carries.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, Schema};
use arrow::ipc::writer::StreamWriter;
use feedback::schema::coverage;
use stream::MAX_PAYLOAD_BYTES;

use crate::error::EnrichError;

/// Appends the payloads for `rows`, which cover `first..next` of raw partition `partition`. One payload, or several when
/// one would be too large; together they cover the stretch without a gap.
pub fn encode(rows: &RecordBatch, partition: u32, first: u64, next: u64, out: &mut Vec<Vec<u8>>) -> Result<(), EnrichError> {
    // A row is at most a few copies of a record of 1 MiB, so halving always ends below the limit.
    if rows.num_rows() > 1 && rows.get_array_memory_size() > MAX_PAYLOAD_BYTES {
        let payload = write(rows, partition, first, next)?;
        if payload.len() <= MAX_PAYLOAD_BYTES {
            out.push(payload);
            return Ok(());
        }
        let half = rows.num_rows() / 2;
        let middle = rows.column(OFFSET_COLUMN).as_primitive::<Int64Type>().value(half) as u64;
        encode(&rows.slice(0, half), partition, first, middle, out)?;
        return encode(&rows.slice(half, rows.num_rows() - half), partition, middle, next, out);
    }
    out.push(write(rows, partition, first, next)?);
    Ok(())
}

/// Position of `raw_offset` in [`feedback::schema::ENRICHED`].
const OFFSET_COLUMN: usize = 1;

fn write(rows: &RecordBatch, partition: u32, first: u64, next: u64) -> Result<Vec<u8>, EnrichError> {
    let metadata = HashMap::from([
        (coverage::PARTITION.to_owned(), partition.to_string()),
        (coverage::FIRST.to_owned(), first.to_string()),
        (coverage::NEXT.to_owned(), next.to_string()),
    ]);
    let schema = Arc::new(Schema::new_with_metadata(rows.schema().fields().clone(), metadata));
    let mut writer = StreamWriter::try_new(Vec::with_capacity(rows.get_array_memory_size() + (16 << 10)), &schema)?;
    writer.write(&rows.clone().with_schema(schema)?)?;
    writer.finish()?;
    Ok(writer.into_inner()?)
}
