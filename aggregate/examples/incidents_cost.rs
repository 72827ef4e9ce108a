//! Measures incidents and emerging terms: the first ask, an ask after a little has changed, and bytes held.
//!
//! `cargo run --release -p aggregate --example incidents_cost -- [ROWS] [CHANGED]`: reports of a year in a city of 20 km by 20 km, a tenth of
//! them told again by somebody else, half of them closed.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says where")]

#[path = "../tests/it/support.rs"]
#[allow(dead_code, reason = "a test's tools, of which this uses some")]
mod support;

use std::sync::Arc;
use std::time::Instant;

use aggregate::{Aggregator, Config, Metrics, Reference, TableName};
use feedback::time::DAY_US;
use feedback::{Kind, Signal, Status, SystemClock, Topic};
use support::{Row, fetched, payload};

const BATCH_ROWS: u64 = 4096;
const START: i64 = 1_300_000_000_000_000;
const WORDS: [&str; 24] = [
    "lamp", "street", "broken", "water", "tree", "pothole", "corner", "school", "graffiti", "noise", "trash", "rats", "smoke",
    "bus", "park", "bench", "signal", "leak", "flood", "dark", "danger", "again", "weeks", "fence",
];

fn dice(number: u64, salt: u64, of: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(&number.to_le_bytes(), salt) % of
}

fn report(number: u64, rows: u64) -> Row {
    // Every tenth tells of what somebody told of a little before.
    let thing = if dice(number, 1, 10) == 0 { number.saturating_sub(dice(number, 2, 500)) } else { number };
    let created_at = START + (number as i128 * 365 * DAY_US as i128 / i128::from(rows)) as i64;
    let words = (0..14).map(|word| WORDS[dice(thing, 20 + word, 24) as usize]);
    Row {
        text: Some(words.collect::<Vec<_>>().join(" ")),
        fingerprint: Some(dice(thing, 3, u64::MAX)),
        place: Some((42.3 + dice(thing, 4, 180_000) as f64 / 1e6, -71.1 + dice(thing, 5, 240_000) as f64 / 1e6)),
        topic: Topic::from_code(dice(thing, 6, 20) as u8),
        signal: Some(Signal::Problem),
        language: Some("en".into()),
        district: Some(format!("District {}", dice(thing, 7, 20))),
        status: Some(if dice(thing, 8, 2) == 0 { Status::Open } else { Status::Closed }),
        closed_at: (dice(thing, 8, 2) == 1).then_some(created_at + dice(thing, 9, 400) as i64 * 3_600_000_000),
        author: Some(dice(number, 10, 200_000)),
        content_key: number,
        ..Row::new(Kind::Report, "portal", &format!("1010{number:08}"), created_at)
    }
}

fn main() {
    let argument = |position, default| std::env::args().nth(position).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (rows, changed): (u64, u64) = (argument(1, 1_000_000), argument(2, 1_000));
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let mut aggregator = Aggregator::open(Config::default(), Reference::default(), Arc::new(SystemClock), metrics, 1).unwrap();
    let (mut next, mut offset) = (0, 0);
    let mut take = |aggregator: &mut Aggregator, until: u64| {
        while next < until {
            let end = (next + BATCH_ROWS).min(until);
            let batch: Vec<Row> = (next..end).map(|number| Row { raw_offset: number, ..report(number, rows) }).collect();
            aggregator.take_enriched(&fetched(0, offset, &[payload(0, next, end, &batch)])).unwrap();
            (next, offset) = (end, offset + 1);
        }
        aggregator.publish();
    };
    let column = aggregate::tables::feedback::schema().index_of("incident_id").unwrap();
    let ask = |aggregator: &Aggregator, what: &str| {
        let snapshot = aggregator.snapshots().load_full();
        let started = Instant::now();
        let newest = snapshot.segments().last().unwrap().read(&[column]).unwrap();
        let followed = started.elapsed();
        let incidents = snapshot.table(TableName::Incidents).unwrap();
        let whole = started.elapsed() - followed;
        let started = Instant::now();
        let terms = snapshot.table(TableName::EmergingTerms).unwrap();
        println!(
            "{what}: incident_id of {} rows {:.1} ms, table incidents of {} rows {:.1} ms, emerging_terms of {} rows {:.1} ms",
            newest.num_rows(),
            followed.as_secs_f64() * 1e3,
            incidents.num_rows(),
            whole.as_secs_f64() * 1e3,
            terms.num_rows(),
            started.elapsed().as_secs_f64() * 1e3,
        );
    };
    take(&mut aggregator, rows - changed);
    let before = aggregator.state_bytes();
    ask(&aggregator, "first ask");
    let held = aggregator.state_bytes() - before;
    println!("held for incidents: {} bytes a report", held / (rows - changed) as usize);
    take(&mut aggregator, rows);
    ask(&aggregator, &format!("after {changed} more reports"));
}
