//! Random lives of reports, delivered in random ways: any order, any split into batches, repetitions, crashes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aggregate::{Aggregator, Asked, Config, District, Metrics, Reference, Snapshot, TableName};
use feedback::time::{DAY_US, HOUR_US, MINUTE_US};
use feedback::{Channel, Kind, ManualClock, Signal, Status, Timestamp, Topic};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::oracle::Oracle;
use crate::show;
use crate::support::{Row, fetched, payload};

pub const PARTITIONS: u32 = 2;

const POPULATIONS: [(&str, f64); 2] = [("north", 12_000.0), ("south", 800.0)];

/// A record, as the numbers it is made of.
#[derive(Clone, Debug)]
pub struct Seed {
    what: u8,
    id: u8,
    minute: u16,
    version: u8,
    content: u8,
    received: u8,
}

pub fn seeds(most: usize) -> impl Strategy<Value = Vec<Seed>> {
    let seed = (0..12u8, 0..8u8, 0..3000u16, 0..4u8, 0..6u8, 0..4u8);
    let seed =
        seed.prop_map(|(what, id, minute, version, content, received)| Seed { what, id, minute, version, content, received });
    prop::collection::vec(seed, 0..most)
}

/// 2011-08-01, so that hours, days and weeks begin where they do.
pub const START: i64 = 1_312_156_800_000_000;

fn source_of(id: u8) -> &'static str {
    if id.is_multiple_of(3) { "app" } else { "portal" }
}

/// An author never changes over the versions of a report; some reports have none.
fn author_of(id: u8) -> Option<u64> {
    (!id.is_multiple_of(4)).then(|| xxhash_rust::xxh3::xxh3_64(&[id % 3]))
}

/// The record of a seed. What a version says is a function of id, version and content, as a content key promises.
pub fn record(seed: &Seed, spread_us: i64) -> Row {
    let at = START + i64::from(seed.minute) * spread_us;
    let received_at = at + i64::from(seed.received) * MINUTE_US;
    let native = seed.id.to_string();
    let row = |kind, at| Row { received_at, ..Row::new(kind, source_of(seed.id), &native, at) };
    match seed.what {
        0..=5 => {
            let dice = xxhash_rust::xxh3::xxh3_64(&[seed.id, seed.version, seed.content]);
            let pick = |shift: u32, of: u64| (dice >> shift) % of;
            // Where there is an author, a report keeps its moment; else versions may say anything.
            let (created_at, since) = match author_of(seed.id) {
                Some(_) => {
                    (START + i64::from(seed.id) * 310 * spread_us + 17, START + i64::from(seed.id) * 310 * spread_us + 17)
                }
                None => (START + pick(0, 3000) as i64 * spread_us + 17, START),
            };
            let updated_at = since + i64::from(seed.version) * 700 * spread_us;
            let offset =
                |shift: u32| Some(created_at + pick(shift, 500) as i64 * MINUTE_US).filter(|_| pick(shift + 1, 3) == 0);
            Row {
                at: created_at,
                created_at: Some(created_at),
                updated_at: Some(updated_at),
                content_key: u64::from(seed.content),
                channel: Channel::from_code(pick(3, 3) as u8).filter(|_| pick(4, 4) > 0),
                text: Some(format!("text {dice:x}")),
                status: Status::from_code(pick(5, 7) as u8),
                due_at: offset(7),
                first_answer_at: offset(9),
                closed_at: offset(11),
                agency: ["works", "parks"].get(pick(13, 3) as usize).map(|name| (*name).to_owned()),
                district: ["north", "south", "nowhere"].get(pick(15, 4) as usize).map(|name| (*name).to_owned()),
                language: ["en", "es"].get(pick(17, 3) as usize).map(|name| (*name).to_owned()),
                tones: (pick(19, 4) > 0).then(|| [0.1 + pick(21, 8) as f32 / 10.0, 0.05, 0.03]),
                signal: Signal::from_code(pick(23, 6) as u8),
                topic: Topic::from_code([0, 1, 2, 200][pick(25, 4) as usize]),
                urgency: Some(pick(27, 5) as u8).filter(|level| *level < 4),
                author: author_of(seed.id),
                category: ["Streets", "Lights"].get(pick(29, 6) as usize).map(|name| (*name).to_owned()),
                // On a line 30 m apart, so that some are near each other and some only not far.
                place: (pick(31, 6) > 0).then(|| (42.3 + pick(33, 5) as f64 * 0.000_269_8, -71.1)),
                fingerprint: [0, u64::MAX, u64::MAX << 8, 0xFFFF_FFFF].get(pick(35, 5) as usize).copied(),
                duplicate_of: (pick(37, 4) == 0).then(|| {
                    let other = pick(39, 9) as u8;
                    format!("{}:{other}", source_of(other))
                }),
                ..row(Kind::Report, created_at)
            }
        }
        6..=9 => Row {
            status: Status::from_code(seed.version + seed.content % 2),
            reason: ["done", "not ours"].get(usize::from(seed.content % 3)).map(|reason| (*reason).to_owned()),
            agency: ["works", "parks"].get(usize::from(seed.received % 3)).map(|name| (*name).to_owned()),
            ..row(Kind::Status, at)
        },
        10 => row(Kind::Erase, at),
        _ => Row { author: author_of(seed.id | 1), id: String::new(), ..row(Kind::Erase, at) },
    }
}

/// How a history is delivered.
#[derive(Clone, Debug)]
pub struct Delivery {
    order: Vec<u16>,
    cuts: Vec<Index>,
    repeats: Vec<(Index, Index)>,
    crashes: Vec<Index>,
    checkpoints: Vec<Index>,
}

pub fn deliveries() -> impl Strategy<Value = Delivery> {
    let indices = |most| prop::collection::vec(any::<Index>(), 0..most);
    let repeats = prop::collection::vec(any::<(Index, Index)>(), 0..4);
    (prop::collection::vec(any::<u16>(), 128), indices(12), repeats, indices(4), indices(4))
        .prop_map(|(order, cuts, repeats, crashes, checkpoints)| Delivery { order, cuts, repeats, crashes, checkpoints })
}

/// The raw log of each partition: records in some order, erasures by author in every one.
fn partitions(records: &[Row], order: &[u16]) -> Vec<Vec<Row>> {
    let mut partitions: Vec<Vec<(u16, Row)>> = vec![Vec::new(); PARTITIONS as usize];
    for (position, row) in records.iter().enumerate() {
        let rank =
            |partition: usize| order.get((position + partition * 64) % order.len().max(1)).copied().unwrap_or(position as u16);
        if row.id.is_empty() {
            (0..partitions.len()).for_each(|partition| partitions[partition].push((rank(partition), row.clone())));
        } else {
            let partition = row.id.bytes().map(usize::from).sum::<usize>() % partitions.len();
            partitions[partition].push((rank(partition), row.clone()));
        }
    }
    let numbered = partitions.into_iter().map(|mut rows| {
        rows.sort_by_key(|(rank, _)| *rank);
        rows.into_iter().enumerate().map(|(offset, (_, row))| Row { raw_offset: offset as u64, ..row }).collect()
    });
    numbered.collect()
}

/// The enriched log of a partition: batches that cover the raw log, with repetitions as crashed workers leave them.
fn enriched(number: u32, raw: &[Row], delivery: &Delivery) -> Vec<Vec<u8>> {
    let end = raw.len();
    let batch = |first: usize, next: usize| payload(number, first as u64, next as u64, &raw[first..next]);
    let mut cuts: Vec<usize> = delivery.cuts.iter().map(|cut| cut.index(end + 1)).chain([0, end]).collect();
    cuts.sort_unstable();
    let mut log: Vec<(usize, Vec<u8>)> = cuts.windows(2).map(|cut| (cut[1], batch(cut[0], cut[1]))).collect();
    for (from, place) in &delivery.repeats {
        // Written again from some earlier position, cut differently, anywhere after what it repeats begins.
        let place = place.index(log.len() + 1);
        let covered = log[..place].last().map_or(0, |(next, _)| *next);
        let first = from.index(covered + 1);
        let next = (first + (end - first) / 2).max(covered.min(end));
        log.insert(place, (next.max(covered), batch(first, next)));
    }
    log.into_iter().map(|(_, payload)| payload).collect()
}

pub struct Run {
    pub aggregator: Aggregator,
    pub clock: Arc<ManualClock>,
    config: Config,
}

impl Run {
    pub fn open(config: &Config) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_micros(START)));
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let district = |(name, population): (&str, f64)| District {
            name: name.into(),
            population: Some(population),
            ..District::default()
        };
        let reference = Reference { districts: POPULATIONS.map(district).to_vec(), ..Reference::default() };
        let aggregator = Aggregator::open(config.clone(), reference, clock.clone(), metrics, PARTITIONS).unwrap();
        Self { aggregator, clock, config: config.clone() }
    }

    /// Stops without saying goodbye, and starts again from what lies on disk.
    pub fn crash(self) -> Self {
        Self::open(&self.config)
    }

    /// All partitions fall silent, so that the watermark goes where it will.
    pub fn finish(&mut self) -> Arc<Snapshot> {
        self.clock.set(Timestamp::from_micros(START + 1_000 * DAY_US));
        self.aggregator.follow_watermark();
        self.aggregator.publish();
        self.aggregator.snapshots().load_full()
    }
}

pub fn config(dir: Option<&Path>) -> Config {
    Config { segment_rows: 16, checkpoint_dir: dir.map(Path::to_owned), ..Config::default() }
}

/// Delivers records in a given way and returns what is seen in the end.
pub fn deliver(records: &[Row], delivery: &Delivery, config: &Config) -> Arc<Snapshot> {
    let raw = partitions(records, &delivery.order);
    let logs: Vec<Vec<Vec<u8>>> = raw.iter().enumerate().map(|(number, raw)| enriched(number as u32, raw, delivery)).collect();
    let steps: usize = logs.iter().map(Vec::len).sum();
    let at = |indices: &[Index]| indices.iter().map(|index| index.index(steps + 1)).collect::<Vec<_>>();
    let (mut crashes, checkpoints) = (at(&delivery.crashes), at(&delivery.checkpoints));
    let (mut run, mut step, mut seen) = (Run::open(config), 0, Vec::<Arc<Snapshot>>::new());
    loop {
        if checkpoints.contains(&step) {
            run.aggregator.checkpoint().unwrap();
        }
        if let Some(crash) = crashes.iter().position(|crash| *crash == step) {
            crashes.remove(crash);
            run = run.crash();
            seen.clear();
        }
        // One record a turn, from the partition whose turn it is.
        let positions = run.aggregator.positions().enriched;
        let open = |(number, next): &&(u32, u64)| (*next as usize) < logs[*number as usize].len();
        let unread: Vec<&(u32, u64)> = positions.iter().filter(open).collect();
        let Some((number, next)) = unread.get(step % unread.len().max(1)) else { break };
        run.aggregator.take_enriched(&fetched(*number, *next, &logs[*number as usize][*next as usize..][..1])).unwrap();
        if step.is_multiple_of(3) {
            run.aggregator.publish();
            // Asked on the way, so that incidents and trends are followed and not found from scratch; at times of an older snapshot.
            let snapshot = run.aggregator.snapshots().load_full();
            snapshot.table(TableName::Incidents).unwrap();
            seen.last().unwrap_or(&snapshot).table(TableName::Trends).unwrap();
            if step.is_multiple_of(2) {
                show::feedback(seen.last().map_or(&*snapshot, |older| older), &["incident_id"]);
                seen.push(snapshot);
            }
        }
        step += 1;
    }
    run.finish()
}

/// Everything in one batch a partition, in the order given.
pub fn deliver_plainly(records: &[Row], config: &Config) -> Arc<Snapshot> {
    let plain =
        Delivery { order: Vec::new(), cuts: Vec::new(), repeats: Vec::new(), crashes: Vec::new(), checkpoints: Vec::new() };
    deliver(records, &plain, &Config { checkpoint_dir: None, ..config.clone() })
}

const MEASURES: [&str; 10] =
    ["reports", "reporters", "tracked", "closed", "problems", "urgent", "answered", "answer_ms_sum", "close_n", "close_ms_sum"];

fn agrees_with_the_oracle(snapshot: &Snapshot, records: &[Row], config: &Config) -> Result<(), TestCaseError> {
    let oracle = Oracle::new(records, config);
    let columns = [
        "id",
        "created_at",
        "updated_at",
        "received_at",
        "status",
        "first_answer_at",
        "closed_at",
        "district",
        "topic",
        "text",
    ];
    prop_assert_eq!(snapshot.watermark().map(Timestamp::micros), oracle.watermark);
    prop_assert_eq!(show::feedback(snapshot, &columns), oracle.feedback());
    let events = snapshot.table(TableName::StatusEvents).unwrap();
    prop_assert_eq!(show::lines(&events, &[]), oracle.status_events());
    let windows = snapshot.table(TableName::Windows).unwrap();
    let keys = ["window", "district", "topic", "window_start", "window_end"];
    let shown = show::lines(&windows, &[&keys[..], &MEASURES, &["negative_share", "per_1000"]].concat());
    prop_assert_eq!(shown, oracle.windows(config, &BTreeMap::from(POPULATIONS)));
    prop_assert_eq!(show::feedback(snapshot, &["id", "incident_id"]), oracle.incident_ids());
    let incidents = snapshot.table(TableName::Incidents).unwrap();
    prop_assert_eq!(show::lines(&incidents, &crate::oracle_incidents::COLUMNS), oracle.incidents());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_delivery_gives_the_tables_of_the_set(seeds in seeds(90), delivery in deliveries(), spread in 0..3usize) {
        let spread_us = [MINUTE_US / 2, 10 * MINUTE_US, 2 * HOUR_US][spread];
        let records: Vec<Row> = seeds.iter().map(|seed| record(seed, spread_us)).collect();
        let dir = tempfile::tempdir().unwrap();
        let config = config(Some(dir.path()));
        let snapshot = deliver(&records, &delivery, &config);
        agrees_with_the_oracle(&snapshot, &records, &config)?;
        let oracle = Oracle::new(&records, &config);
        let cells = snapshot.table(TableName::Cells).unwrap();
        let keys = ["width", "bucket_start", "district", "topic", "channel", "language"];
        prop_assert_eq!(show::lines(&cells, &[&keys[..], &MEASURES].concat()), oracle.cells(&config));
        // And every column of every table, trends and the like included, as when all came at once.
        prop_assert_eq!(show::everything(&snapshot), show::everything(&deliver_plainly(&records, &config)));
    }

    #[test]
    fn what_is_too_old_leaves_and_stays_away(seeds in seeds(90), delivery in deliveries()) {
        let mut records: Vec<Row> = seeds.iter().map(|seed| record(seed, HOUR_US)).collect();
        // A report keeps its moment over its versions, and nothing happens to it before.
        for row in &mut records {
            let created_at = START + i64::from(row.id.bytes().last().unwrap_or(0)) * 9 * HOUR_US;
            row.at = row.at.max(created_at);
            if row.kind == Kind::Report {
                (row.at, row.created_at, row.updated_at) = (created_at, Some(created_at), row.updated_at.max(Some(created_at)));
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let config = Config { retention_us: 20 * DAY_US, ..config(Some(dir.path())) };
        let snapshot = deliver(&records, &delivery, &config);
        let oracle = Oracle::new(&records, &config);
        prop_assert_eq!(show::feedback(&snapshot, &["id", "text"]), {
            let mut lines: Vec<String> = oracle.reports.iter().map(|(id, r)| format!("{id}|{}", r.version.text.clone().unwrap())).collect();
            lines.sort();
            lines
        });
    }

    #[test]
    fn windows_elsewhere_are_those_that_once_were(seeds in seeds(60), cut in any::<Index>()) {
        let mut records: Vec<Row> = seeds.iter().filter(|seed| seed.what <= 5).map(|seed| record(seed, MINUTE_US / 2)).collect();
        // New reports only, so that what is known now is what was known then.
        records.sort_by_key(|row| row.at);
        for (position, row) in records.iter_mut().enumerate() {
            row.id = format!("portal:{position}");
        }
        let config = config(None);
        let early = deliver_plainly(&records[..cut.index(records.len() + 1)], &config);
        let late = deliver_plainly(&records, &config);
        if let Some(watermark) = early.watermark() {
            for table in [TableName::Windows, TableName::Trends] {
                let then = late.table_asked(table, &Asked { as_of: Some(watermark), ..Asked::default() }).unwrap();
                prop_assert_eq!(show::lines(&then, &[]), show::lines(&early.table(table).unwrap(), &[]));
            }
        }
    }
}
