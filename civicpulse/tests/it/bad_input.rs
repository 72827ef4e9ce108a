//! Whatever is wrong with a file, the rest goes on, and somebody is told why.

use std::fs;
use std::path::Path;

use crate::support::{fail, program, run, sql, succeed};

const GOOD: &str = "id,when,words,lat,lon\n1,2026-01-05 10:00:00,pothole on Elm Street,42.3,-71.1\n";
const MAPPING: &str = r#"
source = "town"
time_zone = "America/New_York"
[columns]
id = "id"
created_at = "when"
text = "words"
lat = "lat"
lon = "lon"
"#;

fn import(dir: &Path, format: &str, files: &[&str]) -> std::process::Command {
    let mut command = program();
    command
        .current_dir(dir)
        .args(["import", "--format", format, "--mapping", "mapping.toml", "--data-dir", "data"])
        .args(files);
    command
}

#[test]
fn files_that_cannot_be_read_are_named_and_the_others_are_imported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    fs::write(path.join("mapping.toml"), MAPPING).unwrap();
    fs::write(path.join("good.csv"), GOOD).unwrap();
    fs::write(path.join("binary.csv"), [0u8, 159, 146, 150, 0, 255, 254, 1, 2, 3].repeat(500)).unwrap();
    fs::write(path.join("columns.csv"), "id,date,words\n2,2026-01-05,x\n").unwrap();
    let error = fail(&mut import(path, "csv", &["binary.csv", "columns.csv", "missing.csv", "good.csv"]), 1);
    for named in ["binary.csv", "columns.csv", "missing.csv", "when"] {
        assert!(error.contains(named), "{named} is not in: {error}");
    }
    assert_eq!(sql(&path.join("data"), "SELECT id, text FROM feedback"), "id,text\ntown:1,pothole on Elm Street\n");

    fs::write(path.join("cut.parquet"), b"PAR1\x00\x01\x02").unwrap();
    let error = fail(&mut import(path, "parquet", &["cut.parquet"]), 1);
    assert!(error.contains("cut.parquet"), "{error}");
}

#[test]
fn rows_that_make_no_sense_are_dead_letters_with_reason_and_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    fs::write(path.join("mapping.toml"), MAPPING).unwrap();
    let mut file = GOOD.as_bytes().to_vec();
    file.extend_from_slice(b"2,2026-01-05 11:00:00,off the planet,912,0\n");
    file.extend_from_slice(b"3,yesterday,no time,42.3,-71.1\n");
    file.extend_from_slice(b",2026-01-05 11:00:00,no id,42.3,-71.1\n");
    file.extend_from_slice(b"5,2026-01-05 11:00:00,bad \xff\xfe bytes,42.3,-71.1\n");
    file.extend_from_slice(format!("6,2026-01-05 11:00:00,{},42.3,-71.1\n", "long ".repeat(2_000_000)).as_bytes());
    file.extend_from_slice(b"7,9999-12-31 23:00:00,the far future,42.3,-71.1\n");
    file.extend_from_slice(b"8,2026-01-05 12:00:00,still here,42.3,-71.1\n");
    fs::write(path.join("mixed.csv"), file).unwrap();
    succeed(&mut import(path, "csv", &["mixed.csv"]));
    let data = path.join("data");
    assert_eq!(sql(&data, "SELECT id FROM feedback ORDER BY id"), "id\ntown:1\ntown:8\n");
    assert_eq!(sql(&data, "SELECT count(*) AS n FROM dead_letters WHERE reason <> '' AND length > 0"), "n\n6\n");
}

#[test]
fn json_of_the_wrong_shape_is_a_dead_letter_and_the_rest_is_processed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let good = r#"{"kind":"report","id":"town:1","created_at":"2026-01-05T10:00:00Z","updated_at":"2026-01-05T10:00:00Z","received_at":"2026-01-05T10:00:00Z","text":"pothole"}"#;
    let lines =
        [good, r#"{"kind":"report","id":5}"#, "[1,2", "null", &good.replace("town:1", "town:2").replace("\"pothole\"", "7")];
    fs::write(path.join("records.jsonl"), lines.join("\n")).unwrap();
    let output = run(program().current_dir(path).args(["import", "--format", "jsonl", "--data-dir", "data", "records.jsonl"]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(sql(&path.join("data"), "SELECT id FROM feedback"), "id\ntown:1\n");
    assert_eq!(sql(&path.join("data"), "SELECT count(*) AS n FROM dead_letters"), "n\n4\n");
}

#[test]
fn what_was_only_written_is_processed_by_whoever_asks_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    fs::write(path.join("mapping.toml"), MAPPING).unwrap();
    fs::write(path.join("good.csv"), GOOD).unwrap();
    let said = succeed(import(path, "csv", &["--no-process", "good.csv"]).current_dir(path));
    assert!(said.contains("1 report") && !said.contains("distinct"), "{said}");
    assert!(!path.join("data/checkpoint").exists(), "something was processed");
    assert_eq!(sql(&path.join("data"), "SELECT id FROM feedback"), "id\ntown:1\n");
}
