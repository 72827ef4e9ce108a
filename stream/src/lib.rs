//! The log behind one small interface: Apache Kafka, or an embedded one on local disk.
//!
//! Three topics, partitioned alike. Everything blocking: readers live on threads of their own, and an [`Ack`] can be
//! awaited from async code.

mod ack;
mod config;
mod embedded;
mod error;
mod kafka;
mod metrics;
mod murmur2;
mod throttle;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use feedback::Clock;
use prometheus::Registry;

pub use ack::Ack;
pub use config::{EmbeddedConfig, KafkaConfig, MAX_PARTITIONS, Retention, RetentionByTopic, StreamConfig};
pub use embedded::EmbeddedLog;
pub use error::{Result, StreamError};
pub use kafka::KafkaLog;
pub use metrics::StreamMetrics;
pub use murmur2::partition_of;

/// One of the three topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// What sources sent: JSON, keyed by id.
    Raw,
    /// What enrichment made of it: Arrow IPC, on the raw partition's number.
    Enriched,
    /// What could not be understood, with the reason and the bytes: JSON.
    Dead,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Enriched, Self::Dead];

    /// The last part of the topic's name, and its label in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Enriched => "enriched",
            Self::Dead => "dead",
        }
    }

    /// Its place in [`Topic::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The partition that the key's hash names (murmur2, as Kafka's own clients do).
    ByKey,
    /// This partition.
    Partition(u32),
    /// A copy to every partition.
    EveryPartition,
}

/// A record to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it goes.
    pub target: Target,
    /// The key; empty for none.
    pub key: Vec<u8>,
    /// The payload, at most [`MAX_PAYLOAD_BYTES`].
    pub payload: Vec<u8>,
}

/// Largest payload in bytes; an enriched batch is cut to fit.
pub const MAX_PAYLOAD_BYTES: usize = 8 << 20;

/// Consecutive records of one partition, payloads in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The partition.
    pub partition: u32,
    /// Where reading stood: every offset in `first..next` is in this batch or does not exist any more.
    pub first: u64,
    /// Where reading stands now: the offset to commit once the work is done.
    pub next: u64,
    /// All payloads, end to end.
    pub payloads: Vec<u8>,
    /// Where each payload ends in `payloads`.
    pub ends: Vec<usize>,
    /// The offset of each record.
    pub offsets: Vec<u64>,
}

/// What a poll yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These partitions are now this consumer's (group consumers only).
    Assigned(Vec<u32>),
    /// These partitions are no longer this consumer's: work in hand must not be committed.
    Revoked(Vec<u32>),
    /// Records.
    Fetched(Fetched),
    /// Nothing within the wait.
    Idle,
}

/// Reads one topic. Made for one thread.
pub trait Consumer: Send {
    /// Waits at most `wait` for something. A broker that is away means [`Event::Idle`], a metric and a log line, never an error.
    fn poll(&mut self, wait: Duration) -> Result<Event>;
    /// Notes that everything before `next` of `partition` is done (group consumers only). The ack resolves when that is durable; a
    /// consumer that need not know at once reads on meanwhile. Whoever owns the partition next starts there.
    fn commit(&mut self, partition: u32, next: u64) -> Result<Ack>;
    /// Moves reading of an assigned partition.
    fn seek(&mut self, partition: u32, offset: u64) -> Result<()>;
}

/// Appends. Shared between threads.
pub trait Producer: Send + Sync {
    /// Queues records in order; blocks while the bounded buffer is full. The ack resolves when all of them are durable.
    fn append(&self, topic: Topic, records: Vec<Record>) -> Ack;
}

/// The log.
pub trait Log: Send + Sync {
    /// A handle to append with.
    fn producer(&self) -> Result<Arc<dyn Producer>>;
    /// A member of a consumer group: partitions are shared between the members, reading starts where the group committed.
    fn group_consumer(&self, topic: Topic, group: &str) -> Result<Box<dyn Consumer>>;
    /// Reads the given partitions from the given offsets, outside every group. An offset that retention has removed
    /// continues at the oldest record, with `first` still being the offset asked for.
    fn reader(&self, topic: Topic, from: &[(u32, u64)]) -> Result<Box<dyn Consumer>>;
    /// How many partitions each topic has.
    fn partitions(&self) -> u32;
    /// Oldest offset and next offset to be written, of each partition.
    fn bounds(&self, topic: Topic) -> Result<Vec<Range<u64>>>;
    /// What a group has committed, of each partition.
    fn committed(&self, topic: Topic, group: &str) -> Result<Vec<Option<u64>>>;
}

impl Fetched {
    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds no record (then it only tells that `first..next` is empty).
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Each record's offset and payload, in order.
    pub fn records(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        self.offsets.iter().zip(starts.zip(&self.ends)).map(|(offset, (start, end))| (*offset, &self.payloads[start..*end]))
    }
}

/// Opens the log that the configuration names, creating what is missing.
///
/// A Kafka that is away is waited for, with backoff; `stop` is asked between attempts and ends the wait with
/// [`StreamError::Closed`]. `clock` dates appends for retention by age. `registry` must be new to the stream's metrics.
pub fn open(
    config: &StreamConfig,
    clock: Arc<dyn Clock>,
    registry: &Registry,
    stop: &dyn Fn() -> bool,
) -> Result<Arc<dyn Log>> {
    let metrics = StreamMetrics::register(registry)?;
    Ok(match config {
        StreamConfig::Embedded(config) => Arc::new(EmbeddedLog::open(config, clock, metrics)?),
        StreamConfig::Kafka(config) => Arc::new(KafkaLog::open(config, metrics, stop)?),
    })
}
