//! What emerges and what does not; the example of `docs/methods/emerging_terms.md`, recomputed from its table.

use aggregate::TableName;
use aggregate::statistics::log_odds::{Prior, Said, difference};
use feedback::time::{DAY_US, HOUR_US, MINUTE_US};
use feedback::{Kind, Topic};

use crate::histories::{START, config, deliver_plainly};
use crate::incident_examples::table;
use crate::show;
use crate::support::Row;

#[test]
fn scores_are_as_printed() {
    for row in table("emerging_terms.md", "| y | n |") {
        let row: Vec<f64> = row.iter().map(|cell| cell.parse().unwrap()).collect();
        let said = |at: usize| Said { count: row[at], of: row[at + 1] };
        let found = difference(said(0), said(2), Prior { count: row[4], of: row[5] }).unwrap();
        assert!((found.log_odds - row[6]).abs() < 1e-4, "{row:?}: {found:?}");
        assert!((found.z - row[7]).abs() < 1e-4, "{row:?}: {found:?}");
        assert!((found.p_value / row[8] - 1.0).abs() < 0.01, "{row:?}: {found:?}");
    }
}

/// Thirty people a day say all kinds of things for five weeks; in the last days, eight say that there is a smell of gas, and one says it is
/// the mayor's fault, forty times.
#[test]
fn what_many_say_emerges_and_what_one_says_often_does_not() {
    let start = START;
    let usual = ["the lamp at the corner is broken", "trash was not collected", "there is a pothole in our street"];
    let say = |number: i64, at: i64, text: &str, author: Option<u64>| Row {
        text: Some(text.to_owned()),
        language: Some("en".into()),
        district: Some("north".into()),
        topic: Some(Topic::Roads),
        author,
        ..Row::new(Kind::Report, "app", &format!("{number:05}"), at)
    };
    let mut records: Vec<Row> = (0..35 * 30)
        .map(|number| say(number, start + number * DAY_US / 30, usual[number as usize % 3], Some(number as u64 % 97)))
        .collect();
    let last = start + 34 * DAY_US;
    records.extend((0..8).map(|n| say(20_000 + n, last + n * HOUR_US, "Smell of gas, call <phone> now", Some(500 + n as u64))));
    records.extend((0..40).map(|n| say(30_000 + n, last + n * MINUTE_US, "mayor guilty", Some(999))));
    let snapshot = deliver_plainly(&records, &config(None));
    let terms = snapshot.table(TableName::EmergingTerms).unwrap();
    let columns = ["window", "district", "phrase", "reporters", "said_now", "said_before", "example_1"];
    let lines: Vec<String> = show::lines(&terms, &columns).into_iter().filter(|line| line.starts_with("7 days|")).collect();
    assert!(lines.contains(&"7 days|*|smell of gas|8|8|0|app:20007".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"7 days|north|smell of gas|8|8|0|app:20007".to_owned()), "{lines:#?}");
    let phrases: Vec<&str> = lines.iter().filter_map(|line| line.split('|').nth(2)).collect();
    assert!(!phrases.iter().any(|phrase| ["mayor", "phone", "gas", "smell"].contains(phrase)), "{phrases:?}");
    // Four people are too few to be shown.
    let fewer: Vec<Row> =
        records.iter().filter(|row| row.author.is_none_or(|author| !(504..600).contains(&author))).cloned().collect();
    let terms = deliver_plainly(&fewer, &config(None)).table(TableName::EmergingTerms).unwrap();
    assert!(show::lines(&terms, &["phrase"]).iter().all(|phrase| !phrase.contains("gas")));
}
