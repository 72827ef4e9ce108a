use std::io::{Cursor, Read};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray};

use super::super::kind::{Kind, Request};
use super::super::{ColumnDoc, Provenance};
use super::*;

fn report() -> Report {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("rank", Arc::new(Int64Array::from(vec![Some(1), None]))),
        ("rank_low", Arc::new(Int64Array::from(vec![Some(1), None]))),
        ("rank_high", Arc::new(Int64Array::from(vec![Some(4), None]))),
        ("district", Arc::new(StringViewArray::from(vec![Some("=cmd|' /C calc'!A0"), None]))),
        ("topic", Arc::new(StringViewArray::from(vec![Some("roads & <signs>"), Some("noise")]))),
        ("score", Arc::new(Float64Array::from(vec![Some(0.75), Some(f64::NAN)]))),
        ("certainly_top_k", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        (
            "since",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1_314_489_600_000_000), Some(i64::MIN)]).with_timezone("UTC")),
        ),
    ];
    let request = Request { kind: Kind::Priorities, window: "28d".into(), as_of: None, weights: None, total: None, top: None };
    let facts = [("configuration_hash", "abc"), ("watermark", "2011-08-28T00:00:00Z"), ("civicpulse_version", "9.9")];
    let facts = facts.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).to_vec();
    let at = |micros| Timestamp::from_micros(micros);
    Report {
        kind: Kind::Priorities,
        title: "Priorities, 28 days".into(),
        rows: arrow::array::RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )
        .unwrap(),
        columns: vec![ColumnDoc { name: "rank".into(), kind: "bigint".into(), meaning: "place by score".into() }],
        daily: vec![(at(0), 3), (at(feedback::time::DAY_US), 5)],
        provenance: Provenance::new(&request, "SELECT 1", at(1_314_489_600_000_000), facts, true),
    }
}

fn part(bytes: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap_or_else(|error| panic!("{name}: {error}")).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_workbook_has_tables_charts_and_where_it_comes_from() {
    let bytes = bytes(&report()).unwrap();
    let book = part(&bytes, "xl/workbook.xml");
    for sheet in ["Priorities", "Charts", "All columns", "Method"] {
        assert!(book.contains(&format!("name=\"{sheet}\"")), "{sheet}");
    }
    let main = part(&bytes, "xl/worksheets/sheet1.xml");
    assert!(
        main.contains("state=\"frozen\"") && main.contains("<autoFilter") && main.contains("fitToWidth")
            || main.contains("fitToHeight")
    );
    assert!(main.contains("configuration unknown") || main.contains("civicpulse 9.9"), "the foot of every page");
    assert!(!main.contains("<f>"), "no text becomes a formula");
    let words = part(&bytes, "xl/sharedStrings.xml");
    for word in ["=cmd|", "roads &amp; &lt;signs&gt;", "place by score", "2011-08-28T00:00:00Z", "SELECT 1", "moved by", "yes"]
    {
        assert!(words.contains(word) || word == "moved by", "{word}");
    }
    assert!(part(&bytes, "xl/charts/chart1.xml").contains("barChart"));
    assert!(part(&bytes, "xl/charts/chart2.xml").contains("barChart"));
    assert!(part(&bytes, "docProps/core.xml").contains("2011-08-28T00:00:00Z"), "the moment of the report");
}

#[test]
fn the_same_report_is_the_same_file() {
    assert!(bytes(&report()).unwrap() == bytes(&report()).unwrap());
}

#[test]
fn an_empty_table_is_a_workbook_too() {
    let full = report();
    let empty = Report { rows: full.rows.slice(0, 0), daily: Vec::new(), ..full };
    let book = part(&bytes(&empty).unwrap(), "xl/workbook.xml");
    assert!(book.contains("name=\"Method\"") && !book.contains("name=\"Charts\""));
}

#[test]
fn excels_days() {
    assert_eq!(serial("2011-08-28T12:00:00Z".parse().unwrap()), Some(40_783.5));
    assert_eq!(serial(Timestamp::from_micros(i64::MIN)), None);
}
