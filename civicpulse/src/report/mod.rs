//! Reports for people who decide: a table with what each column means and where every figure comes from, as text, CSV, JSON,
//! Parquet or a workbook.

pub mod kind;
mod provenance;
mod text;
mod workbook;

use anyhow::{Context, Result, bail};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, SchemaRef};
use feedback::Timestamp;

use crate::commands::answerer::Answerer;
pub use kind::{Kind, Request};
pub use provenance::Provenance;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For eyes: the main columns, and where they come from below.
    Table,
    /// Every column; with `--comments` preceded by lines that start with `#`.
    Csv,
    /// One object: provenance, what the columns mean, rows.
    Json,
    /// A workbook: the main columns to print, charts, all columns, method.
    Xlsx,
    /// Every column; provenance in the file's key-value metadata.
    Parquet,
}

impl Format {
    /// Whether the output is text that may go to a terminal.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Table | Self::Csv | Self::Json)
    }
}

/// What a column is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDoc {
    /// Its name.
    pub name: String,
    /// Its type in SQL.
    pub kind: String,
    /// What it means, with unit.
    pub meaning: String,
}

/// Everything that a report shows.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub kind: Kind,
    /// Its heading.
    pub title: String,
    /// The table.
    pub rows: RecordBatch,
    /// What its columns are, in their order.
    pub columns: Vec<ColumnDoc>,
    /// Reports a day in the whole city, the last weeks; for a chart.
    pub daily: Vec<(Timestamp, u64)>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// How often a live server is asked again so that all parts of a report come from one snapshot.
const ATTEMPTS: usize = 5;

/// Asks for everything that a report shows.
///
/// # Errors
/// A query is refused or fails.
pub async fn gather(answerer: &Answerer<'_>, request: &Request, generated_at: Timestamp) -> Result<Report> {
    let query = request.query()?;
    for attempt in 1.. {
        let before = provenance::facts(answerer).await?;
        let rows = table(answerer, &query).await?;
        let daily = daily(answerer).await?;
        let columns = columns(answerer, request.kind, rows.schema()).await?;
        let after = provenance::facts(answerer).await?;
        if before != after && attempt < ATTEMPTS {
            continue;
        }
        let provenance = Provenance::new(request, &query, generated_at, after.clone(), before == after);
        return Ok(Report { kind: request.kind, title: request.title()?, rows, columns, daily, provenance });
    }
    bail!("the report was never asked for, which is a defect in civicpulse")
}

/// The result of a query as one batch.
async fn table(answerer: &Answerer<'_>, query: &str) -> Result<RecordBatch> {
    let batches = answerer.query(query).await?;
    let schema = batches.schema().clone();
    let batches = batches.collect().await?;
    Ok(concat_batches(&schema, &batches)?)
}

async fn columns(answerer: &Answerer<'_>, kind: Kind, schema: SchemaRef) -> Result<Vec<ColumnDoc>> {
    let query = format!(
        "SELECT column_name, data_type, description FROM civicpulse.columns WHERE table_name = {} ORDER BY position",
        literal(kind.table())
    );
    let documented = table(answerer, &query).await?;
    let [names, types, meanings] = [0, 1, 2].map(|column| texts(documented.column(column)));
    let (names, types, meanings) = (names?, types?, meanings?);
    let of = |name: &String| {
        let at = names.iter().position(|known| known.as_ref() == Some(name));
        let get = |texts: &[Option<String>]| at.and_then(|at| texts[at].clone()).unwrap_or_default();
        ColumnDoc { name: name.clone(), kind: get(&types), meaning: get(&meanings) }
    };
    Ok(schema.fields().iter().map(|field| of(field.name())).collect())
}

/// Days that the chart of the city's reports shows.
const DAYS: usize = 56;

async fn daily(answerer: &Answerer<'_>) -> Result<Vec<(Timestamp, u64)>> {
    let query = format!(
        "SELECT arrow_cast(bucket_start, 'Int64') AS at, sum(reports) AS reports FROM cells WHERE width = 'day' \
         GROUP BY 1 ORDER BY 1 DESC LIMIT {DAYS}"
    );
    let batch = table(answerer, &query).await?;
    let (times, counts) = (numbers(batch.column(0))?, numbers(batch.column(1))?);
    let days = times.into_iter().zip(counts).filter_map(|(at, n)| Some((Timestamp::from_micros(at? as i64), n? as u64)));
    let mut days: Vec<_> = days.collect();
    days.reverse();
    Ok(days)
}

/// A column as text, whatever its type.
fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>> {
    let texts = cast(column, &DataType::Utf8)?;
    let texts = texts.as_any().downcast_ref::<StringArray>().context("a text column")?;
    Ok(texts.iter().map(|text| text.map(str::to_owned)).collect())
}

/// A column as numbers, whatever its type.
fn numbers(column: &ArrayRef) -> Result<Vec<Option<f64>>> {
    let numbers = cast(column, &DataType::Float64)?;
    let numbers = numbers.as_any().downcast_ref::<arrow::array::Float64Array>().context("a number column")?;
    Ok((0..numbers.len()).map(|row| (!numbers.is_null(row)).then(|| numbers.value(row))).collect())
}

/// A text as an SQL literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub use text::write;
