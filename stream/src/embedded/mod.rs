//! The log on local disk, in this process: for a small town, a demo, a test.
//!
//! # Durability
//! Appends from all threads gather for at most `linger_ms` (default 5) or until `batch_bytes`, are written in one
//! transaction of the redb database `log.redb`, synced to disk, and only then shown to consumers and acknowledged. What was
//! acknowledged survives `kill -9` and, as far as the disk keeps its promises, a power cut; what was not is wholly there or
//! wholly not, never half. The window in which an append can be lost is the time until its ack: linger plus one commit.
//!
//! # When the disk fails
//! A write that fails (disk full, I/O error) leaves nothing behind and is tried again with backoff for as long as the log is
//! open; acks stay open, the queue fills to `queue_bytes`, then appends block up to `queue_wait_ms` and fail as retriable.
//! A metric and a log line say so. Closing the log gives up and fails what waits.
//!
//! # Retention
//! Like Kafka's, it asks no consumer: whole blocks go when they are too old or their partition too large, committed or not,
//! and the newest block stays. Freed space is used again; the file does not shrink.

mod block;
mod consumer;
#[cfg(test)]
mod disk_tests;
mod groups;
mod queue;
mod shared;
mod store;
mod tail;
mod writer;

use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

use feedback::Clock;

use crate::ack::Ack;
use crate::config::EmbeddedConfig;
use crate::error::{Result, StreamError};
use crate::metrics::StreamMetrics;
use crate::{Consumer, Log, MAX_PAYLOAD_BYTES, Producer, Record, Target, Topic};
use consumer::EmbeddedConsumer;
use shared::Shared;
use store::{Contents, Store};

/// The embedded log. It closes, writing what was appended, when it and all its producers and consumers are dropped.
pub struct EmbeddedLog(Arc<Handle>);

/// Keeps the writer alive; the last one to go stops it and waits for it.
struct Handle {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl EmbeddedLog {
    /// Opens the log in the configured directory, making it when missing. `clock` dates appends for retention by age.
    ///
    /// Errors: a configuration that cannot work or differs from the existing log's, [`StreamError::Locked`] when another
    /// process has it open, [`StreamError::Corrupt`] or [`StreamError::Storage`] when the file cannot be read.
    pub fn open(config: &EmbeddedConfig, clock: Arc<dyn Clock>, metrics: StreamMetrics) -> Result<Self> {
        config.check()?;
        Self::with_store(config, clock, metrics, Store::open(config)?)
    }

    fn with_store(
        config: &EmbeddedConfig,
        clock: Arc<dyn Clock>,
        metrics: StreamMetrics,
        opened: (Store, Contents),
    ) -> Result<Self> {
        let (store, contents) = opened;
        let shared = Arc::new(Shared::new(config, store, contents, clock, metrics));
        let writer = std::thread::Builder::new().name("stream-writer".into()).spawn({
            let shared = shared.clone();
            move || writer::run(&shared)
        });
        let writer = writer.map_err(|error| StreamError::Storage {
            path: shared.store.path().to_owned(),
            problem: format!("has no thread to write with: {error}"),
        })?;
        Ok(Self(Arc::new(Handle { shared, writer: Some(writer) })))
    }
}

impl Log for EmbeddedLog {
    fn producer(&self) -> Result<Arc<dyn Producer>> {
        Ok(Arc::new(EmbeddedProducer(self.0.clone())))
    }

    fn group_consumer(&self, topic: Topic, group: &str) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(EmbeddedConsumer::member(self.0.clone(), topic, group)))
    }

    fn reader(&self, topic: Topic, from: &[(u32, u64)]) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(EmbeddedConsumer::reader(self.0.clone(), topic, from)?))
    }

    fn partitions(&self) -> u32 {
        self.0.shared.config.partitions
    }

    fn bounds(&self, topic: Topic) -> Result<Vec<Range<u64>>> {
        Ok(self.0.shared.lock().tails.bounds(topic))
    }

    fn committed(&self, topic: Topic, group: &str) -> Result<Vec<Option<u64>>> {
        Ok(self.0.shared.lock().committed(topic, group, self.partitions()))
    }
}

struct EmbeddedProducer(Arc<Handle>);

impl Producer for EmbeddedProducer {
    fn append(&self, topic: Topic, records: Vec<Record>) -> Ack {
        let shared = &self.0.shared;
        let partitions = shared.config.partitions;
        for record in &records {
            if let Err(error) = check(record, topic, partitions) {
                return Ack::failed(error);
            }
        }
        let (ack, pending) = Ack::pending(1);
        shared.queue.append(topic, records, partitions as usize, pending);
        ack
    }
}

/// What no log can take: nothing of the append is queued then.
fn check(record: &Record, topic: Topic, partitions: u32) -> Result<()> {
    let bytes = record.payload.len();
    if bytes > MAX_PAYLOAD_BYTES {
        return Err(StreamError::TooLarge { bytes, limit: MAX_PAYLOAD_BYTES });
    }
    match record.target {
        Target::Partition(partition) if partition >= partitions => {
            Err(StreamError::UnknownPartition { topic, partition, partitions })
        }
        _ => Ok(()),
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue.close();
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the log's writer panicked: what was not acknowledged may be missing");
        }
    }
}
