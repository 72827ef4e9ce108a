//! The log behind one small interface: Apache Kafka, or an embedded one on local disk.
//!
//! Three topics, partitioned alike. Everything blocking: readers live on threads of their own, and an [`Ack`] can be
//! awaited from async code.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

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
    fn poll(&mut self, wait: Duration) -> Result<Event, StreamError>;
    /// Durably notes that everything before `next` of `partition` is done (group consumers only). Returns once it is noted.
    fn commit(&mut self, partition: u32, next: u64) -> Result<(), StreamError>;
    /// Moves reading of an assigned partition.
    fn seek(&mut self, partition: u32, offset: u64) -> Result<(), StreamError>;
}

/// Appends. Shared between threads.
pub trait Producer: Send + Sync {
    /// Queues records in order; blocks while the bounded buffer is full. The ack resolves when all of them are durable.
    fn append(&self, topic: Topic, records: Vec<Record>) -> Ack;
}

/// The log.
pub trait Log: Send + Sync {
    /// A handle to append with.
    fn producer(&self) -> Result<Arc<dyn Producer>, StreamError>;
    /// A member of a consumer group: partitions are shared between the members, reading starts where the group committed.
    fn group_consumer(&self, topic: Topic, group: &str) -> Result<Box<dyn Consumer>, StreamError>;
    /// Reads the given partitions from the given offsets, outside every group. An offset that retention has removed
    /// continues at the oldest record, with `first` still being the offset asked for.
    fn reader(&self, topic: Topic, from: &[(u32, u64)]) -> Result<Box<dyn Consumer>, StreamError>;
    /// How many partitions each topic has.
    fn partitions(&self) -> u32;
    /// Oldest offset and next offset to be written, of each partition.
    fn bounds(&self, topic: Topic) -> Result<Vec<Range<u64>>, StreamError>;
    /// What a group has committed, of each partition.
    fn committed(&self, topic: Topic, group: &str) -> Result<Vec<Option<u64>>, StreamError>;
}
