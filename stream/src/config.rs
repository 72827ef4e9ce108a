//! Which log, and how it is kept. Every field has a default; unknown keys are refused.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Topic;
use crate::error::{Result, StreamError};

/// Which log, chosen by `kind = "embedded"` or `kind = "kafka"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StreamConfig {
    /// On local disk, in this process.
    Embedded(EmbeddedConfig),
    /// An Apache Kafka cluster.
    Kafka(KafkaConfig),
}

/// How long records are kept. Like Kafka, retention asks no consumer: size it for the longest outage of the slowest one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Records older than this go, by the time of their append. 0: never. Default: 7 days.
    pub max_age_ms: u64,
    /// The oldest records go while a partition holds more stored bytes than this. 0: no bound. Default: 16 GiB.
    pub max_partition_bytes: u64,
}

/// Retention by topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionByTopic {
    /// Of what sources sent.
    pub raw: Retention,
    /// Of what enrichment made of it.
    pub enriched: Retention,
    /// Of what could not be understood.
    pub dead: Retention,
}

/// The embedded log: for a small town, a demo, a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedConfig {
    /// Directory that holds the log; made when missing. One process at a time. Default: `data/log`.
    pub dir: PathBuf,
    /// Partitions of each topic, 1 to 1024. Fixed once the log exists. Default: 4.
    pub partitions: u32,
    /// How long an append waits for company before it is written; the durability window. 0: no wait. Default: 5.
    pub linger_ms: u64,
    /// A gathering append is written at once when it has reached this many payload bytes. Default: 4 MiB.
    pub batch_bytes: usize,
    /// Payload bytes that may wait to be written; then appends block. Default: 64 MiB.
    pub queue_bytes: usize,
    /// How long a blocked append waits before it fails as retriable. Default: 30 000.
    pub queue_wait_ms: u64,
    /// Payload bytes of recent records kept in memory for consumers near the end. Default: 64 MiB.
    pub cache_bytes: usize,
    /// Memory for pages of the file. Default: 64 MiB.
    pub page_cache_bytes: usize,
    /// Payload bytes after which a poll returns. Default: 2 MiB.
    pub fetch_bytes: usize,
    /// A group consumer that does not poll for this long loses its partitions. Default: 300 000.
    pub max_poll_interval_ms: u64,
    /// How long records are kept.
    pub retention: RetentionByTopic,
}

/// An Apache Kafka cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// `host:port`, separated by commas. Default: `127.0.0.1:9092`.
    pub brokers: String,
    /// Topics are `{prefix}.raw`, `{prefix}.enriched`, `{prefix}.dead`; groups start with it too. Default: `feedback`.
    pub topic_prefix: String,
    /// Partitions of each topic, 1 to 1024; an existing topic must have as many. Default: 8.
    pub partitions: u32,
    /// Copies of each partition, for topics that are created. Default: 1.
    pub replication_factor: u32,
    /// Bytes of records that may wait for the brokers; then appends block. Default: 64 MiB.
    pub queue_bytes: usize,
    /// How long a blocked append waits before it fails as retriable. Default: 30 000.
    pub queue_wait_ms: u64,
    /// Bytes that a consumer may hold in advance. Default: 64 MiB.
    pub prefetch_bytes: usize,
    /// Payload bytes after which a poll returns. Default: 2 MiB.
    pub fetch_bytes: usize,
    /// How long a commit is tried. Default: 60 000.
    pub commit_timeout_ms: u64,
    /// How long records are kept, for topics that are created.
    pub retention: RetentionByTopic,
    /// Settings passed to librdkafka as they are (TLS, SASL, tuning), for every client. They win over civicpulse's own
    /// choices, except for those that its guarantees rest on, which are refused.
    pub client: BTreeMap<String, String>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { max_age_ms: 7 * 24 * 3_600_000, max_partition_bytes: 16 << 30 }
    }
}

impl RetentionByTopic {
    /// The retention of one topic.
    pub fn of(&self, topic: Topic) -> &Retention {
        match topic {
            Topic::Raw => &self.raw,
            Topic::Enriched => &self.enriched,
            Topic::Dead => &self.dead,
        }
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self::Embedded(EmbeddedConfig::default())
    }
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("data/log"),
            partitions: 4,
            linger_ms: 5,
            batch_bytes: 4 << 20,
            queue_bytes: 64 << 20,
            queue_wait_ms: 30_000,
            cache_bytes: 32 << 20,
            page_cache_bytes: 32 << 20,
            fetch_bytes: 2 << 20,
            max_poll_interval_ms: 300_000,
            retention: RetentionByTopic::default(),
        }
    }
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".into(),
            topic_prefix: "feedback".into(),
            partitions: 8,
            replication_factor: 1,
            queue_bytes: 64 << 20,
            queue_wait_ms: 30_000,
            prefetch_bytes: 64 << 20,
            fetch_bytes: 2 << 20,
            commit_timeout_ms: 60_000,
            retention: RetentionByTopic::default(),
            client: BTreeMap::new(),
        }
    }
}

/// Most partitions a topic may have.
pub const MAX_PARTITIONS: u32 = 1024;
/// Largest batch that a poll gathers, in bytes.
const MAX_FETCH_BYTES: usize = 64 << 20;
/// Largest buffer, in bytes: librdkafka counts kilobytes in 31 bits.
const MAX_BUFFER_BYTES: usize = 1 << 40;
/// Longest linger in milliseconds: beyond it, "live" means little.
const MAX_LINGER_MS: u64 = 10_000;
/// Longest wait in milliseconds.
const MAX_WAIT_MS: u64 = 24 * 3_600_000;

impl EmbeddedConfig {
    /// Checks what serde cannot.
    pub fn check(&self) -> Result<()> {
        range("partitions", u64::from(self.partitions), 1, u64::from(MAX_PARTITIONS))?;
        range("linger_ms", self.linger_ms, 0, MAX_LINGER_MS)?;
        range("batch_bytes", self.batch_bytes as u64, 1, MAX_FETCH_BYTES as u64)?;
        range("queue_bytes", self.queue_bytes as u64, 1, MAX_BUFFER_BYTES as u64)?;
        range("queue_wait_ms", self.queue_wait_ms, 0, MAX_WAIT_MS)?;
        range("cache_bytes", self.cache_bytes as u64, 0, MAX_BUFFER_BYTES as u64)?;
        range("page_cache_bytes", self.page_cache_bytes as u64, 1 << 20, MAX_BUFFER_BYTES as u64)?;
        range("fetch_bytes", self.fetch_bytes as u64, 1, MAX_FETCH_BYTES as u64)?;
        range("max_poll_interval_ms", self.max_poll_interval_ms, 1, MAX_WAIT_MS)
    }
}

impl KafkaConfig {
    /// Checks what serde cannot.
    pub fn check(&self) -> Result<()> {
        let name_fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if self.topic_prefix.is_empty() || self.topic_prefix.len() > 200 || !self.topic_prefix.bytes().all(name_fits) {
            return Err(StreamError::Config {
                field: "topic_prefix".into(),
                problem: format!("is `{}`: use 1 to 200 letters, digits, `.`, `_` or `-`", self.topic_prefix),
            });
        }
        if self.brokers.trim().is_empty() {
            return Err(StreamError::Config {
                field: "brokers".into(),
                problem: "is empty: name at least one `host:port`".into(),
            });
        }
        range("partitions", u64::from(self.partitions), 1, u64::from(MAX_PARTITIONS))?;
        range("replication_factor", u64::from(self.replication_factor), 1, 100)?;
        range("queue_bytes", self.queue_bytes as u64, 1 << 20, MAX_BUFFER_BYTES as u64)?;
        range("queue_wait_ms", self.queue_wait_ms, 0, MAX_WAIT_MS)?;
        range("prefetch_bytes", self.prefetch_bytes as u64, 1 << 20, MAX_BUFFER_BYTES as u64)?;
        range("fetch_bytes", self.fetch_bytes as u64, 1, MAX_FETCH_BYTES as u64)?;
        range("commit_timeout_ms", self.commit_timeout_ms, 1, MAX_WAIT_MS)
    }
}

fn range(field: &str, value: u64, least: u64, most: u64) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(StreamError::Config { field: field.into(), problem: format!("is {value}: use {least} to {most}") })
}
