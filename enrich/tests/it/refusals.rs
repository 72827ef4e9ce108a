//! The log refuses output, again and again: the worker writes it anew, in order, and commits nothing that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use enrich::{EnrichMetrics, Enricher, EnricherConfig, GROUP, Worker};
use feedback::schema::coverage;
use feedback::{Feedback, FeedbackId, Report, SystemClock, Timestamp};
use prometheus::Registry;
use stream::{Ack, EmbeddedConfig, Event, Log, MAX_PAYLOAD_BYTES, Producer, Record, StreamConfig, Target, Topic};

const PARTITIONS: u32 = 2;
const RECORDS: u64 = 120;
/// One record in so many cannot be understood.
const REJECTED_EVERY: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// A producer whose log refuses every so manieth append of a topic: it is given a record that is too large in its place.
struct Refusing {
    log: Arc<dyn Producer>,
    topic: Topic,
    every: u64,
    appends: AtomicU64,
}

impl Producer for Refusing {
    fn append(&self, topic: Topic, records: Vec<Record>) -> Ack {
        let is_its_turn = topic == self.topic && self.appends.fetch_add(1, Ordering::SeqCst).is_multiple_of(self.every);
        if is_its_turn {
            let payload = vec![0; MAX_PAYLOAD_BYTES + 1];
            return self.log.append(topic, vec![Record { target: Target::Partition(0), key: Vec::new(), payload }]);
        }
        self.log.append(topic, records)
    }
}

struct World {
    log: Arc<dyn Log>,
    registry: Registry,
    _dir: tempfile::TempDir,
}

impl World {
    /// A log with records, some of which cannot be understood, appended one by one so that there are many batches.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::new();
        // Fetches of about one record.
        let config = EmbeddedConfig {
            dir: dir.path().into(),
            partitions: PARTITIONS,
            linger_ms: 1,
            fetch_bytes: 1,
            ..EmbeddedConfig::default()
        };
        let log = stream::open(&StreamConfig::Embedded(config), Arc::new(SystemClock), &registry, &|| false).unwrap();
        let producer = log.producer().unwrap();
        for number in 0..RECORDS {
            let payload = if number % REJECTED_EVERY == 0 { b"{\"kind\":".to_vec() } else { report(number) };
            let record = Record { target: Target::Partition((number % 2) as u32), key: Vec::new(), payload };
            producer.append(Topic::Raw, vec![record]).wait(PATIENCE).unwrap();
        }
        Self { log, registry, _dir: dir }
    }

    /// Runs a worker whose output of `topic` is refused every `every` appends, until everything is committed.
    fn work(&self, topic: Topic, every: u64) {
        let metrics = EnrichMetrics::register(&self.registry).unwrap();
        let config = EnricherConfig { pseudonym_key: [7; 32], districts: Arc::default(), tier: enrich::tier::Tier::Compact };
        let producer = Refusing { log: self.log.producer().unwrap(), topic, every, appends: AtomicU64::new(0) };
        let consumer = self.log.group_consumer(Topic::Raw, GROUP).unwrap();
        let enricher = Enricher::new(config, metrics.clone());
        let worker = Worker::new(consumer, Arc::new(producer), enricher, Arc::new(SystemClock), metrics);
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || worker.run(&stop)
        });
        let begun = Instant::now();
        let mut done = false;
        while !done && begun.elapsed() < PATIENCE && !thread.is_finished() {
            // What is committed must be in the log by then: look at the commit first.
            let committed = self.log.committed(Topic::Raw, GROUP).unwrap();
            let covered = self.covered();
            for (partition, committed) in committed.iter().enumerate() {
                let (committed, covered) = (committed.unwrap_or(0), covered.get(&(partition as u32)).copied().unwrap_or(0));
                assert!(committed <= covered, "partition {partition}: {committed} is committed, {covered} is in the log");
            }
            done = committed.iter().flatten().sum::<u64>() == RECORDS;
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::Relaxed);
        thread.join().unwrap().unwrap();
        assert!(done, "not everything was committed within {PATIENCE:?}");
    }

    /// Everything in a topic, with the partition.
    fn read(&self, topic: Topic) -> Vec<(u32, Vec<u8>)> {
        let ends = self.log.bounds(topic).unwrap();
        let from: Vec<(u32, u64)> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
        let mut reader = self.log.reader(topic, &from).unwrap();
        let mut missing: BTreeMap<u32, u64> = from.iter().map(|(partition, _)| (*partition, 0)).collect();
        let mut read = Vec::new();
        while missing.iter().any(|(partition, next)| *next < ends[*partition as usize].end) {
            if let Event::Fetched(fetched) = reader.poll(Duration::from_millis(100)).unwrap() {
                missing.insert(fetched.partition, fetched.next);
                read.extend(fetched.records().map(|(_, payload)| (fetched.partition, payload.to_vec())));
            }
        }
        read
    }

    /// Up to which raw offset each partition is covered without a gap by what is in the log, as a reader of it finds out.
    fn covered(&self) -> BTreeMap<u32, u64> {
        let mut covered = BTreeMap::new();
        for (partition, payload) in self.read(Topic::Enriched) {
            let schema = StreamReader::try_new(payload.as_slice(), None).unwrap().schema();
            let number = |key: &str| schema.metadata()[key].parse::<u64>().unwrap();
            let next = covered.entry(partition).or_insert(0);
            if number(coverage::FIRST) <= *next {
                *next = number(coverage::NEXT).max(*next);
            }
        }
        covered
    }

    fn rewinds(&self) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == "civicpulse_enrich_rewinds_total").unwrap();
        family.get_metric()[0].get_counter().get_value()
    }

    fn assert_complete(&self) {
        assert!(self.rewinds() > 1.0, "the log refused {} outputs only", self.rewinds());
        let ends = self.log.bounds(Topic::Raw).unwrap();
        let covered = self.covered();
        ends.iter().enumerate().for_each(|(partition, bounds)| assert_eq!(covered[&(partition as u32)], bounds.end));
        let mut rows = BTreeSet::new();
        for (partition, payload) in self.read(Topic::Enriched) {
            for batch in StreamReader::try_new(payload.as_slice(), None).unwrap() {
                let offsets = batch.unwrap().column_by_name("raw_offset").unwrap().as_primitive::<Int64Type>().clone();
                rows.extend(offsets.values().iter().map(|offset| (partition, offset.cast_unsigned())));
            }
        }
        let dead: BTreeSet<(u32, u64)> = self
            .read(Topic::Dead)
            .iter()
            .map(|(partition, letter)| {
                let letter: serde_json::Value = serde_json::from_slice(letter).unwrap();
                (*partition, letter["raw_offset"].as_u64().unwrap())
            })
            .collect();
        assert_eq!(rows.len() as u64, RECORDS - RECORDS / REJECTED_EVERY);
        assert_eq!(dead.len() as u64, RECORDS / REJECTED_EVERY);
        assert!(rows.is_disjoint(&dead));
    }
}

fn report(number: u64) -> Vec<u8> {
    let id = FeedbackId::new("test", &number.to_string()).unwrap();
    let moment = Timestamp::from_secs(1_700_000_000 + number.cast_signed());
    let report = Report { text: Some(format!("pothole number {number}")), ..Report::new(id, moment) };
    let mut payload = Vec::new();
    Feedback::Report(report).write_json(&mut payload).unwrap();
    payload
}

#[test]
fn refused_rows_are_written_again_before_anything_later() {
    let world = World::new();
    world.work(Topic::Enriched, 7);
    world.assert_complete();
}

#[test]
fn refused_dead_letters_are_written_again_with_their_rows() {
    let world = World::new();
    world.work(Topic::Dead, 2);
    world.assert_complete();
}
