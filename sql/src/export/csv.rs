//! CSV that reads back as it was.

use std::fmt::Write as _;
use std::io::{self, Write};

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

/// How times look in every text format.
pub(super) fn options() -> FormatOptions<'static> {
    FormatOptions::default()
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"))
        .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.f"))
}

pub(super) struct CsvWriter<W: Write> {
    output: W,
    line: String,
    value: String,
}

impl<W: Write> CsvWriter<W> {
    pub(super) fn new(schema: &Schema, output: W) -> io::Result<Self> {
        let mut writer = Self { output, line: String::new(), value: String::new() };
        for (index, field) in schema.fields().iter().enumerate() {
            writer.separate(index);
            writer.value.clear();
            writer.value.push_str(field.name());
            writer.push_value();
        }
        writer.end_line()?;
        Ok(writer)
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let options = options();
        let columns = batch.columns();
        let formatters: Vec<ArrayFormatter<'_>> = columns
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<_, _>>()
            .map_err(other)?;
        for row in 0..batch.num_rows() {
            for (index, (column, formatter)) in columns.iter().zip(&formatters).enumerate() {
                self.separate(index);
                if column.is_valid(row) {
                    self.value.clear();
                    write!(self.value, "{}", formatter.value(row)).map_err(io::Error::other)?;
                    self.push_value();
                }
            }
            self.end_line()?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> W {
        self.output
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.line.push(',');
        }
    }

    fn push_value(&mut self) {
        let plain = !self.value.is_empty() && !self.value.contains(['"', ',', '\n', '\r']);
        if plain {
            self.line.push_str(&self.value);
        } else {
            self.line.push('"');
            self.line.push_str(&self.value.replace('"', "\"\""));
            self.line.push('"');
        }
    }

    fn end_line(&mut self) -> io::Result<()> {
        self.line.push('\n');
        self.output.write_all(self.line.as_bytes())?;
        self.line.clear();
        Ok(())
    }
}

fn other(error: ArrowError) -> io::Error {
    io::Error::other(error)
}
