//! Boston's second half of 2011, imported, against an independent count over the raw files by Polars.

use std::collections::BTreeMap;
use std::path::PathBuf;

use polars::prelude::*;

use crate::support::{program, shared, sql, succeed};

fn files() -> Option<Vec<PathBuf>> {
    let folder = shared("data/boston")?;
    let mut files: Vec<PathBuf> = (7..=12).map(|month| folder.join(format!("311_2011-{month:02}.csv"))).collect();
    files.retain(|file| file.exists());
    (!files.is_empty()).then_some(files)
}

/// The raw rows, one a case, all columns as text.
fn cases(files: &[PathBuf]) -> DataFrame {
    let scans: Vec<LazyFrame> = files
        .iter()
        .map(|file| {
            let path = file.to_str().expect("a path in UTF-8");
            LazyCsvReader::new(path.into()).with_infer_schema_length(Some(0)).finish().expect("a CSV file")
        })
        .collect();
    let all = concat(scans, UnionArgs::default()).expect("one layout");
    let columns = ["case_enquiry_id", "open_dt", "case_status", "neighborhood"].map(col);
    all.select(columns)
        .unique(Some(by_name(["case_enquiry_id"], true, false)), UniqueKeepStrategy::First)
        .collect()
        .expect("readable")
}

fn counted(cases: &DataFrame, key: Expr) -> BTreeMap<String, u64> {
    let counts = cases.clone().lazy().group_by([key.alias("key")]).agg([len().alias("n")]).collect().expect("countable");
    let (keys, numbers) = (counts.column("key").expect("a key"), counts.column("n").expect("a count"));
    let numbers = numbers.cast(&DataType::UInt64).expect("numbers");
    keys.str()
        .expect("text")
        .iter()
        .zip(numbers.u64().expect("numbers").iter())
        .map(|(key, n)| (key.unwrap_or_default().to_owned(), n.unwrap_or_default()))
        .collect()
}

fn table(csv: &str) -> BTreeMap<String, u64> {
    csv.lines()
        .skip(1)
        .map(|line| {
            let (key, n) = line.rsplit_once(',').expect("two columns");
            (key.trim_matches('"').to_owned(), n.parse().expect("a count"))
        })
        .collect()
}

#[test]
fn every_case_is_counted_once_where_and_when_it_happened() {
    let Some(files) = files() else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let import = || succeed(program().args(["import", "--format", "boston311", "--data-dir"]).arg(&data).args(&files));
    import();

    let cases = cases(&files);
    let count = || sql(&data, "SELECT count(*) AS n FROM feedback");
    assert_eq!(count(), format!("n\n{}\n", cases.height()));

    let neighborhood = col("neighborhood").str().strip_chars(lit(NULL)).fill_null(lit(""));
    let by_district = sql(&data, "SELECT coalesce(district, '') AS district, count(*) AS n FROM feedback GROUP BY 1");
    assert_eq!(table(&by_district), counted(&cases, neighborhood));

    let by_status = sql(
        &data,
        "SELECT CASE status WHEN 'closed' THEN 'Closed' ELSE 'Open' END AS s, count(*) AS n FROM feedback GROUP BY 1",
    );
    assert_eq!(table(&by_status), counted(&cases, col("case_status")));

    // The files hold local time.
    let month = col("open_dt").str().head(lit(7));
    let local = "to_char(created_at AT TIME ZONE 'America/New_York', '%Y-%m')";
    let by_month = sql(&data, &format!("SELECT {local} AS month, count(*) AS n FROM feedback GROUP BY 1"));
    assert_eq!(table(&by_month), counted(&cases, month));

    let tables = ["feedback", "status_events", "cells", "windows"];
    let everything = |table: &str| {
        let mut rows: Vec<String> = sql(&data, &format!("SELECT * FROM {table}")).lines().map(str::to_owned).collect();
        rows.sort_unstable();
        rows
    };
    let before = tables.map(everything);
    import();
    for (table, before) in tables.iter().zip(&before) {
        assert!(everything(table) == *before, "importing again changed {table}");
    }
}
