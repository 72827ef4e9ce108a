//! Every table, function and error as data files: `tests/slt/*.slt` against the day after a hurricane, `tests/slt/weeks/*.slt` against a
//! city with five weeks behind it, `silent/` and `one_report/` against cities that know nothing and next to nothing. A new test is a
//! new file.
//!
//! `CIVICPULSE_UPDATE_SLT=1` rewrites the expected results; look at the difference before believing it.

use std::path::{Path, PathBuf};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use sql::{Engine, Limits, SqlError};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};

use crate::city::{self, City};

struct Database(Engine);

/// A value on one line.
fn cell(value: &str) -> String {
    if value.is_empty() {
        return "(empty)".to_owned();
    }
    value.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ")
}

#[async_trait]
impl AsyncDB for Database {
    type Error = SqlError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, SqlError> {
        let batches = self.0.query(sql).await?;
        let types: Vec<DefaultColumnType> = batches
            .schema()
            .fields()
            .iter()
            .map(|field| match field.data_type() {
                data_type if data_type.is_integer() => DefaultColumnType::Integer,
                data_type if data_type.is_floating() => DefaultColumnType::FloatingPoint,
                _ => DefaultColumnType::Text,
            })
            .collect();
        let options = FormatOptions::default().with_null("NULL");
        let mut rows = Vec::new();
        for batch in batches.collect().await? {
            let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap());
            let columns: Vec<_> = columns.collect();
            for row in 0..batch.num_rows() {
                rows.push(columns.iter().map(|column| cell(&column.value(row).to_string())).collect());
            }
        }
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "civicpulse"
    }
}

/// The test files directly in a directory under `tests/slt`.
fn files(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt").join(directory);
    let mut files: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "slt"));
    assert!(!files.is_empty(), "the test files are missing from {}", directory.display());
    files.sort();
    files
}

async fn hold(files: &[PathBuf], city: &City) {
    let is_update = std::env::var_os("CIVICPULSE_UPDATE_SLT").is_some_and(|value| value == "1");
    for file in files {
        let engine = city.engine(Limits::default());
        let mut runner = Runner::new(|| async { Ok(Database(engine.clone())) });
        if is_update {
            let updated = runner.update_test_file(
                file,
                "\t",
                sqllogictest::default_validator,
                sqllogictest::default_normalizer,
                sqllogictest::default_column_validator,
            );
            updated.await.unwrap();
        } else {
            runner.run_file_async(file).await.unwrap_or_else(|error| panic!("{}", error.display(false)));
        }
    }
}

#[tokio::test]
async fn every_file_holds() {
    let files = files("");
    assert!(files.len() >= 10, "only {files:?}");
    hold(&files, &city::hurricane()).await;
}

#[tokio::test]
async fn every_file_about_weeks_holds() {
    hold(&files("weeks"), &city::weeks()).await;
}

#[tokio::test]
async fn every_file_about_nothing_holds() {
    hold(&files("silent"), &city::silent()).await;
    hold(&files("one_report"), &city::one_report()).await;
}
