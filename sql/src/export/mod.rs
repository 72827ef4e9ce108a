//! Results as files: a table to look at, CSV, JSON, Parquet, Arrow.
//!
//! Everything is written as it comes, in memory that does not grow with the result.

mod csv;
mod normal;
mod table;

use std::io::{self, BufWriter, Write};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::arrow::json::WriterBuilder;
use datafusion::arrow::json::writer::JsonArray;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::batches::Batches;
use crate::error::SqlError;

/// Rows of a Parquet row group: what is held in memory before it is written.
const ROW_GROUP_ROWS: usize = 64 << 10;

/// Bytes gathered before they go to the output.
const BUFFER_BYTES: usize = 64 << 10;

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For eyes: aligned columns, long values cut. Not for programs.
    Table,
    /// RFC 4180 quoting, a header, lines that end in `\n`. A missing value is empty, an empty text is `""`, times are
    /// RFC 3339 in UTC.
    Csv,
    /// One array of objects; missing values are `null`, times RFC 3339 in UTC.
    Json,
    /// Apache Parquet, Zstandard.
    Parquet,
    /// Apache Arrow IPC, the file format.
    Arrow,
}

impl Format {
    /// Every format, in the order of a help text.
    pub const ALL: &'static [Self] = &[Self::Table, Self::Csv, Self::Json, Self::Parquet, Self::Arrow];

    /// Its name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// Whether the output is text that may go to a terminal.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Table | Self::Csv | Self::Json)
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|format| format.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|format| format.as_str()).collect();
            format!("`{text}` is not a format: use one of {}", known.join(", "))
        })
    }
}

/// Why a result could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The query failed; what was written before is incomplete.
    #[error(transparent)]
    Query(#[from] SqlError),
    /// The output refused.
    #[error("writing the result: {0}")]
    Output(#[from] io::Error),
    /// A value that the format does not have.
    #[error("writing the result as {format}: {problem}")]
    Format {
        /// Which format.
        format: Format,
        /// What it does not have.
        problem: String,
    },
}

/// Writes a result to its end and returns its rows. Blocks on `output`.
pub async fn write<W: Write + Send>(mut batches: Batches, format: Format, output: W) -> Result<usize, ExportError> {
    let mut writer = Writer::new(format, batches.schema(), BufWriter::with_capacity(BUFFER_BYTES, output))?;
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        writer.write(&batch)?;
    }
    writer.finish()?;
    Ok(rows)
}

/// Writes batches of one schema; for whoever has no stream.
pub struct Writer<W: Write + Send> {
    format: Format,
    schema: SchemaRef,
    sink: Sink<W>,
}

enum Sink<W: Write + Send> {
    Table(table::TableWriter<W>),
    Csv(csv::CsvWriter<W>),
    Json(Box<datafusion::arrow::json::Writer<W, JsonArray>>),
    Parquet(Box<ArrowWriter<W>>),
    Arrow(Box<FileWriter<W>>),
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file.
    pub fn new(format: Format, schema: &SchemaRef, output: W) -> Result<Self, ExportError> {
        let schema = normal::schema(schema);
        let sink = match format {
            Format::Table => Sink::Table(table::TableWriter::new(&schema, output)),
            Format::Csv => Sink::Csv(csv::CsvWriter::new(&schema, output)?),
            Format::Json => Sink::Json(Box::new(WriterBuilder::new().with_explicit_nulls(true).build(output))),
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(output, schema.clone(), Some(properties)).map_err(ExportError::from)?;
                Sink::Parquet(Box::new(writer))
            }
            Format::Arrow => Sink::Arrow(Box::new(FileWriter::try_new(output, &schema).map_err(|e| problem(format, e))?)),
        };
        Ok(Self { format, schema, sink })
    }

    /// Adds a fact about the file, where the format has room for such: Parquet and Arrow.
    pub fn annotate(&mut self, name: &str, value: &str) {
        match &mut self.sink {
            Sink::Parquet(writer) => writer.append_key_value_metadata(KeyValue::new(name.to_owned(), value.to_owned())),
            Sink::Arrow(writer) => writer.write_metadata(name, value),
            Sink::Table(_) | Sink::Csv(_) | Sink::Json(_) => {}
        }
    }

    /// Appends rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ExportError> {
        let format = self.format;
        let batch = normal::batch(batch, &self.schema).map_err(|error| problem(format, error))?;
        match &mut self.sink {
            Sink::Table(writer) => writer.write(&batch)?,
            Sink::Csv(writer) => writer.write(&batch)?,
            Sink::Json(writer) => writer.write(&batch).map_err(|error| problem(format, error))?,
            Sink::Parquet(writer) => writer.write(&batch)?,
            Sink::Arrow(writer) => writer.write(&batch).map_err(|error| problem(format, error))?,
        }
        Ok(())
    }

    /// Ends the file and hands the output back.
    pub fn finish(self) -> Result<W, ExportError> {
        let format = self.format;
        let mut output = match self.sink {
            Sink::Table(writer) => writer.finish()?,
            Sink::Csv(writer) => writer.finish(),
            Sink::Json(mut writer) => {
                writer.finish().map_err(|error| problem(format, error))?;
                let mut output = writer.into_inner();
                output.write_all(b"\n")?;
                output
            }
            Sink::Parquet(writer) => writer.into_inner()?,
            Sink::Arrow(mut writer) => {
                writer.finish().map_err(|error| problem(format, error))?;
                writer.into_inner().map_err(|error| problem(format, error))?
            }
        };
        output.flush()?;
        Ok(output)
    }
}

fn problem(format: Format, error: ArrowError) -> ExportError {
    match error {
        ArrowError::IoError(_, error) => ExportError::Output(error),
        error => ExportError::Format { format, problem: error.to_string() },
    }
}

impl From<ParquetError> for ExportError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(error) => Self::Output(*error),
                Err(other) => Self::Format { format: Format::Parquet, problem: other.to_string() },
            },
            error => Self::Format { format: Format::Parquet, problem: error.to_string() },
        }
    }
}

#[cfg(test)]
mod tests;
