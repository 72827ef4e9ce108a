//! Measures the writer: rows a second through decode and apply, bytes a row by formula and resident, time to publish, save and restore.
//!
//! `cargo run --release -p aggregate --example aggregate_throughput -- [ROWS] [STATUS_SHARE] [RETENTION_DAYS] [DAYS]`: reports of so many days of
//! event time shaped like a 311 portal's (20 districts, 33 topics, 130 bytes of text), with a share of them closed by a later status.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says where")]

#[path = "../tests/it/support.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregate::{Aggregator, Config, Metrics, Reference, TableName};
use feedback::time::DAY_US;
use feedback::{Channel, Kind, Signal, Status, SystemClock, Topic};
use support::{Row, fetched, payload};

const BATCH_ROWS: u64 = 4096;
const START: i64 = 1_300_000_000_000_000;

fn dice(number: u64, salt: u64, of: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(&number.to_le_bytes(), salt) % of
}

fn report(number: u64, step_us: i64) -> Row {
    let created_at = START + number as i64 * step_us - dice(number, 1, 300) as i64 * 1_000_000;
    let negative = 0.1 + dice(number, 2, 80) as f32 / 100.0;
    Row {
        updated_at: Some(created_at),
        received_at: created_at + 60_000_000,
        content_key: dice(number, 3, u64::MAX),
        channel: Channel::from_code(dice(number, 4, 4) as u8),
        category: Some(format!("Category {}", dice(number, 5, 150))),
        title: Some(format!("Request about a thing in street {}", dice(number, 6, 400))),
        text: Some(format!(
            "There is something at number {} that somebody should look at, it has been so since day {}.",
            number,
            dice(number, 7, 99)
        )),
        status: Some(Status::Open),
        due_at: Some(created_at + 5 * DAY_US),
        agency: Some(format!("Department {}", dice(number, 8, 12))),
        district: Some(format!("District {}", dice(number, 9, 20))),
        place: Some((42.3 + dice(number, 10, 1000) as f64 / 1e4, -71.0)),
        language: Some("en".into()),
        tones: Some([negative, 0.9 - negative, 0.1]),
        signal: Signal::from_code(dice(number, 11, 5) as u8),
        topic: Topic::from_code(dice(number, 12, 33) as u8),
        urgency: Some(dice(number, 13, 4) as u8),
        author: Some(dice(number, 14, 200_000)),
        ..Row::new(Kind::Report, "portal", &format!("1010{number:08}"), created_at)
    }
}

fn closing(number: u64, step_us: i64) -> Row {
    let of = report(number, step_us);
    let at = of.at + (1 + dice(number, 15, 48)) as i64 * 3_600_000_000;
    let reason = format!("Case closed. Case resolved by crew {}.", dice(number, 16, 300));
    Row {
        status: Some(Status::Closed),
        reason: Some(reason),
        agency: of.agency,
        ..Row::new(Kind::Status, "portal", &of.id["portal:".len()..], at)
    }
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn main() {
    let argument = |position, default| std::env::args().nth(position).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (rows, closed_share, retention_days, days) =
        (argument(1, 1e6), argument(2, 0.0), argument(3, 7000.0), argument(4, 365.0));
    let step_us = (days * DAY_US as f64 / rows) as i64;
    let dir = std::env::temp_dir().join(format!("aggregate-throughput-{}", std::process::id()));
    let config = Config {
        retention_us: (retention_days * DAY_US as f64) as i64,
        checkpoint_dir: Some(dir.clone()),
        ..Config::default()
    };
    let open = |registry: prometheus::Registry| {
        let metrics = Metrics::register(&registry).expect("a new registry has no metrics");
        Aggregator::open(config.clone(), Reference::default(), Arc::new(SystemClock), metrics, 1)
            .expect("the configuration is sound")
    };
    let mut aggregator = open(prometheus::Registry::new());
    let before = resident_bytes();
    let (mut made, mut number, mut offset, mut applying, mut publishing, mut published) =
        (0, 0, 0, Duration::ZERO, Duration::ZERO, Instant::now());
    let mut publications = 0u32;
    let mut peak = 0;
    while number < rows as u64 {
        let mut batch = Vec::with_capacity(2 * BATCH_ROWS as usize);
        for n in number..(number + BATCH_ROWS).min(rows as u64) {
            batch.push(report(n, step_us));
            let old = n.wrapping_sub(50_000);
            if (dice(n, 17, 1000) as f64) < closed_share * 1000.0 && old < n {
                batch.push(closing(old, step_us));
            }
        }
        let first = offset;
        for row in &mut batch {
            row.raw_offset = offset;
            offset += 1;
        }
        let fetched = fetched(0, made, &[payload(0, first, offset, &batch)]);
        (made, number) = (made + 1, number + BATCH_ROWS);
        let started = Instant::now();
        aggregator.take_enriched(&fetched).expect("the batch is sound");
        applying += started.elapsed();
        // As often as the loop would at 500,000 rows a second.
        if published.elapsed() > Duration::from_millis(100) {
            let started = Instant::now();
            aggregator.publish();
            publishing += started.elapsed();
            publications += 1;
            published = Instant::now();
        }
        peak = peak.max(resident_bytes());
        if made % 250 == 0 {
            println!(
                "{number:>10} reports: state {} MB, resident {} MB",
                aggregator.state_bytes() >> 20,
                resident_bytes() >> 20
            );
        }
    }
    aggregator.publish();
    let live = aggregator.snapshots().load().rows();
    println!(
        "{offset} rows ({live} reports live) applied in {applying:.2?}: {:.0} rows/s",
        offset as f64 / applying.as_secs_f64()
    );
    println!("{publications} snapshots in {publishing:.2?}");
    println!(
        "state {} MB by formula; resident {} MB more than at the start, peak {} MB",
        aggregator.state_bytes() >> 20,
        (resident_bytes() - before) >> 20,
        peak >> 20
    );
    for table in [
        TableName::Windows,
        TableName::Trends,
        TableName::Priorities,
        TableName::ServiceLevels,
        TableName::Cells,
        TableName::StatusEvents,
    ] {
        let started = Instant::now();
        let batch = aggregator.snapshots().load().table(table).expect("tables can be computed");
        println!("{:<16}{:>9} rows in {:.2?}", table.as_str(), batch.num_rows(), started.elapsed());
    }
    let started = Instant::now();
    aggregator.checkpoint().expect("the temporary directory can be written");
    println!("checkpoint written in {:.2?}", started.elapsed());
    drop(aggregator);
    let started = Instant::now();
    let restored = open(prometheus::Registry::new());
    assert_eq!(restored.snapshots().load().rows(), live);
    println!("restored in {:.2?}", started.elapsed());
    let _ = std::fs::remove_dir_all(dir);
}
