//! Parquet files, by Polars' lazy reader and its streaming engine: batch by batch, all columns as text.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use polars::prelude::*;

use super::layout::{Column, bind};
use super::table::Table;

/// Rows in a batch.
const BATCH_ROWS: NonZeroUsize = NonZeroUsize::new(8_192).expect("8,192 is not zero");

/// An open Parquet file.
pub struct ParquetBatches {
    batches: Receiver<PolarsResult<DataFrame>>,
    /// The frame's column behind each logical one.
    names: Vec<Option<PlSmallStr>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

/// Rows with the frame that they came from, for showing what could not be understood.
pub struct ParquetBatch {
    /// The rows by logical column.
    pub table: Table,
    frame: DataFrame,
}

impl ParquetBatches {
    /// Opens a file and starts reading. At most two batches wait to be taken.
    ///
    /// # Errors
    /// The file is not readable as Parquet, or lacks a column; the message says what to do.
    pub fn open(path: &Path, columns: &[Column]) -> Result<Self, String> {
        let text = path.to_str().ok_or("the path is not UTF-8: rename the file")?;
        let args = ScanArgsParquet { glob: false, cache: false, low_memory: true, ..Default::default() };
        let mut frame = LazyFrame::scan_parquet(PlRefPath::new(text), args).map_err(unreadable)?;
        let schema = guarded(|| frame.collect_schema())?;
        let header: Vec<String> = schema.iter_names().map(ToString::to_string).collect();
        let bound = bind(columns, &header)?;
        let mut wanted: Vec<usize> = bound.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        for (name, data_type) in wanted.iter().filter_map(|column| schema.get_at_index(*column)) {
            if data_type.is_nested() {
                return Err(format!("column `{name}` is a {data_type}: only columns of single values can be mapped"));
            }
        }
        let names = bound.iter().map(|column| column.map(|column| PlSmallStr::from_str(&header[column]))).collect();
        let (send, batches) = sync_channel(1);
        let failed = send.clone();
        let deliver = PlanCallback::new(move |batch: DataFrame| Ok(send.send(Ok(batch)).is_err()));
        let query = frame
            .select(wanted.iter().map(|column| col(PlSmallStr::from_str(&header[*column]))).collect::<Vec<_>>())
            .sink_batches(deliver, true, Some(BATCH_ROWS))
            .map_err(unreadable)?;
        let reader = std::thread::Builder::new()
            .name("parquet".into())
            .spawn(move || {
                if let Err(error) = query.collect_with_engine(Engine::Streaming) {
                    // Nobody listens any more when the import was stopped.
                    let _ = failed.send(Err(error));
                }
            })
            .map_err(|error| format!("no thread to read with: {error}"))?;
        Ok(Self { batches, names, reader: Some(reader) })
    }

    /// The next rows. `Ok(None)`: the end of the file.
    ///
    /// # Errors
    /// The file cannot be read further; all rows before that point were yielded.
    pub fn next_batch(&mut self) -> Result<Option<ParquetBatch>, String> {
        let Ok(batch) = self.batches.recv() else {
            // The reader is gone. It may have met data on which Polars panics: that is a broken file, not an end.
            let died = self.reader.take().is_some_and(|reader| reader.join().is_err());
            return if died { Err(BROKEN.into()) } else { Ok(None) };
        };
        let frame = batch.map_err(unreadable)?;
        let columns = frame.columns().iter().map(as_text).collect::<PolarsResult<Vec<_>>>().map_err(unreadable)?;
        let frame = DataFrame::new(frame.height(), columns).map_err(unreadable)?;
        let table = Table::from_frame(&frame, &self.names).map_err(unreadable)?;
        Ok(Some(ParquetBatch { table, frame }))
    }
}

impl ParquetBatch {
    /// A row's columns as one JSON object: Parquet has no bytes of a row to show.
    pub fn row_as_json(&self, row: usize) -> Vec<u8> {
        let cell = |column: &polars::prelude::Column| {
            let text = column.str().ok().and_then(|text| text.get(row)).map(Into::into);
            (column.name().to_string(), text.unwrap_or(serde_json::Value::Null))
        };
        let object: serde_json::Map<_, _> = self.frame.columns().iter().map(cell).collect();
        serde_json::Value::Object(object).to_string().into_bytes()
    }
}

/// A column as text that the time readers understand: a moment with a zone becomes UTC and says so, one without stays local.
fn as_text(column: &polars::prelude::Column) -> PolarsResult<polars::prelude::Column> {
    let DataType::Datetime(unit, zone) = column.dtype() else { return column.cast(&DataType::String) };
    let per_second = match unit {
        TimeUnit::Nanoseconds => 1_000_000_000,
        TimeUnit::Microseconds => 1_000_000,
        TimeUnit::Milliseconds => 1_000,
    };
    let suffix = if zone.is_some() { "Z" } else { "" };
    let spell = |count: i64| {
        let nanos = (count.rem_euclid(per_second) * (1_000_000_000 / per_second)) as u32;
        let moment = chrono::DateTime::from_timestamp(count.div_euclid(per_second), nanos)?;
        Some(format!("{}{suffix}", moment.format("%Y-%m-%dT%H:%M:%S%.6f")))
    };
    let counts = column.cast(&DataType::Int64)?;
    let text: StringChunked = counts.i64()?.iter().map(|count| count.and_then(spell)).collect();
    Ok(text.with_name(column.name().clone()).into_column())
}

const BROKEN: &str = "the Parquet file is damaged or cut off: fetch it again, or export it anew";

fn unreadable(error: PolarsError) -> String {
    format!("{BROKEN} ({})", super::case::excerpt(&error.to_string().replace('\n', " ")))
}

/// Runs a Polars call that may panic on damaged files.
fn guarded<T>(call: impl FnOnce() -> PolarsResult<T>) -> Result<T, String> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(unreadable),
        Err(_) => Err(BROKEN.into()),
    }
}
