//! Measures what rests on incidents: the first ask, asks after nothing or a little has changed, and bytes held; and emerging terms.
//!
//! `cargo run --release -p aggregate --example incidents_cost -- [ROWS] [CHANGED] [ASKS]`: reports of a year in a city of 20 km by 20 km,
//! a tenth of them told again by somebody else, half of them closed; ASKS for who wants to see where the time of asking again goes.

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

const BATCH_ROWS: usize = 4096;
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

/// The aggregator and its place in the log.
struct City {
    aggregator: Aggregator,
    raw: u64,
    enriched: u64,
}

impl City {
    fn take(&mut self, rows: impl Iterator<Item = Row>) {
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            let batch: Vec<Row> =
                (self.raw..).zip(rows.by_ref().take(BATCH_ROWS)).map(|(raw_offset, row)| Row { raw_offset, ..row }).collect();
            let next = self.raw + batch.len() as u64;
            self.aggregator.take_enriched(&fetched(0, self.enriched, &[payload(0, self.raw, next, &batch)])).unwrap();
            (self.raw, self.enriched) = (next, self.enriched + 1);
        }
        self.aggregator.take_enriched(&fetched(0, self.enriched, &[])).unwrap();
        self.aggregator.publish();
    }

    /// Everything that rests on incidents, in the order in which it costs least to whoever comes after.
    fn ask(&self, what: &str) {
        let snapshot = self.aggregator.snapshots().load_full();
        let column = aggregate::tables::feedback::schema().index_of("incident_id").unwrap();
        let mut spent = Vec::new();
        let mut started = Instant::now();
        let mut lap = |name: &str, rows: usize| {
            spent.push(format!("{name} ({rows} rows) {:.1} ms", started.elapsed().as_secs_f64() * 1e3));
            started = Instant::now();
        };
        lap("newest incident_id", snapshot.segments().last().unwrap().read(&[column]).unwrap().num_rows());
        lap("all incident_id", snapshot.segments().iter().map(|part| part.read(&[column]).unwrap().num_rows()).sum());
        lap("incidents", snapshot.table(TableName::Incidents).unwrap().num_rows());
        lap("under_reporting", snapshot.table(TableName::UnderReporting).unwrap().num_rows());
        println!("{what}: {}", spent.join(", "));
    }
}

/// Bytes of this process in memory; 0 where the system does not say.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn main() {
    let argument = |position, default| std::env::args().nth(position).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (rows, changed, asks) = (argument(1, 1_000_000), argument(2, 1_000), argument(3, 1));
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let aggregator = Aggregator::open(Config::default(), Reference::default(), Arc::new(SystemClock), metrics, 1).unwrap();
    let mut city = City { aggregator, raw: 0, enriched: 0 };
    city.take((0..rows).map(|number| report(number, rows)));
    let (formula, resident) = (city.aggregator.state_bytes(), resident_bytes());
    city.ask("first ask");
    // What a table takes while its snapshot lives is not held: let it go.
    for _ in 0..asks {
        city.take(std::iter::empty());
        city.ask("nothing changed");
    }
    city.take(std::iter::empty());
    let held = |after: usize, before: usize| after.saturating_sub(before) as u64 / rows;
    println!(
        "held for incidents: {} bytes a report by formula, {} in memory",
        held(city.aggregator.state_bytes(), formula),
        held(resident_bytes(), resident)
    );
    city.take((rows..rows + changed).map(|number| report(number, rows)));
    city.ask(&format!("{changed} more reports"));
    // Anywhere in the year.
    let some = |salt| (0..changed).map(move |number| dice(number, salt, rows));
    city.take(some(31).map(|number| {
        let known = report(number, rows);
        Row {
            text: Some("it is worse than I said".into()),
            content_key: rows + number,
            updated_at: Some(known.at + 1),
            ..known
        }
    }));
    city.ask(&format!("{changed} reports edited"));
    city.take(some(32).map(|number| {
        let known = report(number, rows);
        let at = known.at + DAY_US;
        Row { status: Some(Status::Closed), ..Row::new(Kind::Status, "portal", &format!("1010{number:08}"), at) }
    }));
    city.ask(&format!("{changed} reports closed"));
    let started = Instant::now();
    let terms = city.aggregator.snapshots().load_full().table(TableName::EmergingTerms).unwrap();
    println!("emerging_terms ({} rows) {:.1} ms", terms.num_rows(), started.elapsed().as_secs_f64() * 1e3);
}
