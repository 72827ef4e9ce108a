//! A log to test against, and short words for what tests do with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feedback::{ManualClock, Timestamp};
use prometheus::Registry;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use stream::{Consumer, EmbeddedConfig, Event, Fetched, KafkaConfig, Log, Record, StreamConfig, StreamError, Target, Topic};
use tempfile::TempDir;

/// Long enough for a slow machine; no test waits this long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const PARTITIONS: u32 = 4;

/// One log of its own for one test.
pub struct Harness {
    pub config: StreamConfig,
    pub clock: Arc<ManualClock>,
    /// Holds the embedded log; gives a Kafka test its unique name.
    dir: TempDir,
}

impl Harness {
    pub fn embedded() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config =
            EmbeddedConfig { dir: dir.path().join("log"), partitions: PARTITIONS, linger_ms: 1, ..EmbeddedConfig::default() };
        Self { config: StreamConfig::Embedded(config), clock: clock(), dir }
    }

    /// `None`, and a line that says so, when no broker is named.
    pub fn kafka() -> Option<Self> {
        let Ok(brokers) = std::env::var("CIVICPULSE_KAFKA") else {
            eprintln!("skipped: CIVICPULSE_KAFKA names no broker");
            return None;
        };
        let dir = tempfile::Builder::new().prefix("test-").tempdir().unwrap();
        let topic_prefix = dir.path().file_name().unwrap().to_str().unwrap().to_owned();
        let client = BTreeMap::from([("session.timeout.ms".into(), "6000".into())]);
        let config = KafkaConfig { brokers, topic_prefix, partitions: PARTITIONS, client, ..KafkaConfig::default() };
        Some(Self { config: StreamConfig::Kafka(config), clock: clock(), dir })
    }

    pub fn open(&self) -> Arc<dyn Log> {
        self.try_open().unwrap()
    }

    pub fn try_open(&self) -> Result<Arc<dyn Log>, StreamError> {
        stream::open(&self.config, self.clock.clone(), &Registry::new(), &|| false)
    }

    /// A directory that only this test uses.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Makes retention remove what a partition holds now, all but the newest appends, and waits until it has.
    pub fn expire(&self, log: &dyn Log, topic: Topic, partition: u32) -> u64 {
        let index = partition as usize;
        let target = log.bounds(topic).unwrap()[index].end;
        match &self.config {
            StreamConfig::Embedded(_) => {
                const MONTH_S: i64 = 30 * 24 * 3600;
                self.clock.set(Timestamp::from_secs(MONTH_S));
            }
            StreamConfig::Kafka(config) => {
                let mut list = TopicPartitionList::new();
                let name = format!("{}.{}", config.topic_prefix, topic.name());
                list.add_partition_offset(&name, partition.cast_signed(), Offset::Offset(target.cast_signed())).unwrap();
                wait_for(admin(config).delete_records(&list, &AdminOptions::new())).unwrap();
            }
        }
        append(log, topic, vec![to(partition, "newest")]);
        eventually("retention removes old records", || (log.bounds(topic).unwrap()[index].start >= target).then_some(()));
        target
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        if let StreamConfig::Kafka(config) = &self.config {
            let names = Topic::ALL.map(|topic| format!("{}.{}", config.topic_prefix, topic.name()));
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            drop(wait_for(admin(config).delete_topics(&names, &AdminOptions::new())));
        }
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_secs(1000)))
}

pub fn admin(config: &KafkaConfig) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap()
}

pub fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.unwrap() })
}

/// Asks until there is an answer.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A record for a partition.
pub fn to(partition: u32, payload: impl Into<String>) -> Record {
    Record { target: Target::Partition(partition), key: Vec::new(), payload: payload.into().into_bytes() }
}

/// A record with a key.
pub fn keyed(key: impl Into<String>, payload: impl Into<String>) -> Record {
    Record { target: Target::ByKey, key: key.into().into_bytes(), payload: payload.into().into_bytes() }
}

/// Appends and waits until it is durable.
pub fn append(log: &dyn Log, topic: Topic, records: Vec<Record>) {
    log.producer().unwrap().append(topic, records).wait(PATIENCE).unwrap();
}

/// Everything, from the given offsets, of a reader of its own.
pub fn read_from(log: &dyn Log, topic: Topic, from: &[(u32, u64)]) -> BTreeMap<u32, Vec<(u64, String)>> {
    let ends = log.bounds(topic).unwrap();
    let mut reader = log.reader(topic, from).unwrap();
    let mut read = Read::from(from);
    while from.iter().any(|(partition, _)| read.next[partition] < ends[*partition as usize].end) {
        if let Event::Fetched(fetched) = poll(&mut *reader) {
            read.add(&fetched);
        }
    }
    read.records
}

/// Everything there is.
pub fn read_all(log: &dyn Log, topic: Topic) -> BTreeMap<u32, Vec<(u64, String)>> {
    let from: Vec<_> = (0..log.partitions()).map(|partition| (partition, 0)).collect();
    read_from(log, topic, &from)
}

/// What a consumer has read, checking that batches join without gap or overlap.
#[derive(Default)]
pub struct Read {
    pub next: BTreeMap<u32, u64>,
    pub records: BTreeMap<u32, Vec<(u64, String)>>,
}

impl Read {
    pub fn from(from: &[(u32, u64)]) -> Self {
        Self {
            next: from.iter().copied().collect(),
            records: from.iter().map(|(partition, _)| (*partition, Vec::new())).collect(),
        }
    }

    pub fn add(&mut self, fetched: &Fetched) {
        assert!(!fetched.is_empty());
        assert_eq!((fetched.ends.len(), fetched.offsets.len()), (fetched.len(), fetched.len()));
        assert_eq!(fetched.ends.last(), Some(&fetched.payloads.len()));
        assert!(fetched.offsets.is_sorted_by(|a, b| a < b), "{:?}", fetched.offsets);
        assert!(fetched.first <= fetched.offsets[0] && fetched.offsets.last().unwrap() + 1 == fetched.next);
        let next = self.next.entry(fetched.partition).or_insert(fetched.first);
        assert_eq!(*next, fetched.first, "partition {} has a gap or an overlap", fetched.partition);
        *next = fetched.next;
        let records = fetched.records().map(|(offset, payload)| (offset, String::from_utf8(payload.to_vec()).unwrap()));
        self.records.entry(fetched.partition).or_default().extend(records);
    }
}

/// The next thing that is not nothing.
pub fn poll(consumer: &mut dyn Consumer) -> Event {
    let started = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(500)).unwrap() {
            Event::Idle => assert!(started.elapsed() < PATIENCE, "nothing came within {PATIENCE:?}"),
            event => return event,
        }
    }
}

/// Polls until records come, noting what is assigned on the way.
pub fn poll_records(consumer: &mut dyn Consumer) -> Fetched {
    loop {
        if let Event::Fetched(fetched) = poll(consumer) {
            return fetched;
        }
    }
}

/// Commits, and waits until that is durable.
pub fn commit(consumer: &mut dyn Consumer, partition: u32, next: u64) -> Result<(), StreamError> {
    consumer.commit(partition, next)?.wait(PATIENCE)
}
