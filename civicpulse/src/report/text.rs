//! Reports as text and Parquet. Arrow's own writers do it: what SQL hands out is Arrow, and Parquet's metadata can be set there.

use std::io::Write;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use serde_json::{Map, Value, json};
use sql::export::Writer;

use super::{Format, Report, workbook};

/// Writes a report.
///
/// # Errors
/// The output refuses, or the format does not have a value.
pub fn write<W: Write + Send>(report: &Report, format: Format, comments: bool, mut output: W) -> Result<()> {
    match format {
        Format::Table => table(report, output),
        Format::Csv => {
            if comments {
                write_facts(report, "# ", &mut output)?;
            }
            plain(&report.rows, sql::Format::Csv, output)
        }
        Format::Json => json(report, output),
        Format::Parquet => {
            let mut writer = Writer::new(sql::Format::Parquet, &report.rows.schema(), output)?;
            for (name, value) in report.provenance.facts() {
                writer.annotate(&format!("civicpulse.{name}"), value);
            }
            writer.write(&report.rows)?;
            writer.finish()?;
            Ok(())
        }
        Format::Xlsx => {
            output.write_all(&workbook::bytes(report)?)?;
            output.flush()?;
            Ok(())
        }
    }
}

fn plain<W: Write + Send>(rows: &RecordBatch, format: sql::Format, output: W) -> Result<()> {
    let mut writer = Writer::new(format, &rows.schema(), output)?;
    writer.write(rows)?;
    writer.finish()?;
    Ok(())
}

fn table<W: Write + Send>(report: &Report, mut output: W) -> Result<()> {
    writeln!(output, "{}\n", report.title)?;
    plain(&main(report)?, sql::Format::Table, &mut output)?;
    writeln!(output)?;
    write_facts(report, "", output)
}

/// The columns that people look at first.
pub(super) fn main(report: &Report) -> Result<RecordBatch> {
    let schema = report.rows.schema();
    let names = report.kind.main_columns().iter();
    let positions: Vec<usize> = names.filter_map(|name| schema.index_of(name).ok()).collect();
    let main = report.rows.project(&positions)?;
    // Contiguous, whatever it was cut from.
    Ok(concat_batches(&main.schema(), [&main])?)
}

fn write_facts(report: &Report, prefix: &str, mut output: impl Write) -> Result<()> {
    for (name, value) in report.provenance.facts() {
        writeln!(output, "{prefix}{name}: {}", value.replace(['\n', '\r'], " "))?;
    }
    output.flush()?;
    Ok(())
}

fn json<W: Write + Send>(report: &Report, mut output: W) -> Result<()> {
    let mut rows = Vec::new();
    plain(&report.rows, sql::Format::Json, &mut rows)?;
    let rows = String::from_utf8(rows).context("JSON is text")?;
    let facts: Map<String, Value> = report.provenance.facts().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let columns: Vec<Value> = report
        .columns
        .iter()
        .map(|column| json!({"name": column.name, "type": column.kind, "meaning": column.meaning}))
        .collect();
    write!(output, "{{\"title\":{},\"provenance\":{},", json!(report.title), Value::Object(facts))?;
    writeln!(output, "\"columns\":{},\"rows\":{}}}", Value::Array(columns), rows.trim_end())?;
    output.flush()?;
    Ok(())
}
