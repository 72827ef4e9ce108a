//! The example of `docs/methods/incidents.md`, recomputed from the tables as they are printed there.

use std::collections::BTreeMap;
use std::path::Path;

use feedback::time::{DAY_US, HOUR_US, MINUTE_US};
use feedback::{Kind, Signal, Status, Timestamp, Topic};

use crate::histories::{config, deliver_plainly};
use crate::show;
use crate::support::Row;

/// The cells of the table that begins with `header` on a page of `docs/methods`.
pub fn table(page: &str, header: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/methods").join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().skip_while(|line| !line.starts_with(header)).skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = lines.map(cells).collect();
    assert!(!rows.is_empty(), "{page} has no table {header}");
    rows
}

#[test]
fn incidents() {
    let day = "2026-03-02T00:00:00Z".parse::<Timestamp>().unwrap().micros();
    let at = |time: &str| {
        let (hour, minute) = time.split_once(':').unwrap();
        day + hour.parse::<i64>().unwrap() * HOUR_US + minute.parse::<i64>().unwrap() * MINUTE_US
    };
    // Fingerprints are made where texts are read; here it is enough that other words have another one.
    let print = |words: &str| if words.contains("pothole") { 0x0123_4567_89AB_CDEF } else { !0x0123_4567_89AB_CDEF };
    let report = |cells: &Vec<String>| {
        let [id, time, metres, words, closed] = &cells[..] else { panic!("{cells:?}") };
        let closed_at = (!closed.is_empty()).then(|| at(closed));
        Row {
            topic: Some(Topic::Roads),
            signal: Some(Signal::Problem),
            language: Some("en".into()),
            place: Some((42.3 + metres.parse::<f64>().unwrap() / 111_195.0, -71.1)),
            fingerprint: Some(print(words)),
            text: Some(words.clone()),
            status: Some(if closed_at.is_some() { Status::Closed } else { Status::Open }),
            closed_at,
            updated_at: closed_at.or(Some(at(time))),
            ..Row::new(Kind::Report, "app", id.strip_prefix("app:").unwrap(), at(time))
        }
    };
    let mut records: Vec<Row> = table("incidents.md", "| id | time |").iter().map(report).collect();
    // Later than all, so that the watermark passes them.
    records.push(Row::new(Kind::Report, "app", "later", day + 30 * DAY_US));
    let snapshot = deliver_plainly(&records, &config(None));
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in show::feedback(&snapshot, &["id", "incident_id"]) {
        let (id, incident) = line.split_once('|').unwrap();
        found.entry(incident.to_owned()).or_default().push(id.to_owned());
    }
    found.remove("app:later");
    let found: Vec<Vec<String>> = found.into_iter().map(|(incident, reports)| vec![incident, reports.join(" ")]).collect();
    assert_eq!(found, table("incidents.md", "| incident | reports |"));
}
