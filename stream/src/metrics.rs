//! What the log says about itself. One struct per open log; the registry is handed in.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector};

use crate::Topic;
use crate::error::{Result, StreamError};

/// Metrics `civicpulse_stream_*` of one open log.
#[derive(Clone, Debug)]
pub struct StreamMetrics {
    appended: [Flow; Topic::ALL.len()],
    fetched: [Flow; Topic::ALL.len()],
    append_seconds: Histogram,
    queue_bytes: IntGauge,
    commits: IntCounter,
    commits_refused: IntCounter,
    assigned: IntCounter,
    revoked: IntCounter,
    broker_errors: IntCounter,
    storage_errors: IntCounter,
    expired_records: [IntCounter; Topic::ALL.len()],
}

/// The counters of one topic in one direction, looked up once and not per batch.
#[derive(Clone, Debug)]
struct Flow {
    records: IntCounter,
    bytes: IntCounter,
}

impl StreamMetrics {
    /// Registers the metrics. A registry serves one log: a second one is refused.
    pub fn register(registry: &Registry) -> Result<Self> {
        let families = Families { registry };
        let appended = families.flow("appended", "durably appended to the log")?;
        let fetched = families.flow("fetched", "handed to a consumer")?;
        let append_seconds = families.keep(Histogram::with_opts(
            HistogramOpts::new("civicpulse_stream_append_seconds", "Time from an append to its durability")
                .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0]),
        ))?;
        let queue_bytes = families
            .keep(IntGauge::new("civicpulse_stream_queue_bytes", "Bytes of records that are appended and not yet durable"))?;
        let commits = families.counters("commits_total", "Offset commits, by result", "result")?;
        let rebalances =
            families.counters("rebalanced_partitions_total", "Partitions gained and lost by group consumers", "event")?;
        let errors = families.keep(IntCounter::new(
            "civicpulse_stream_broker_errors_total",
            "Errors that Kafka brokers, or the way to them, caused; each was waited out",
        ))?;
        let storage_errors = families.keep(IntCounter::new(
            "civicpulse_stream_storage_errors_total",
            "Failed writes of the embedded log; each is tried again until it succeeds",
        ))?;
        let expired =
            families.counters("expired_records_total", "Records that retention removed from the embedded log", "topic")?;
        Ok(Self {
            appended,
            fetched,
            append_seconds,
            queue_bytes,
            commits: commits.with_label_values(&["done"]),
            commits_refused: commits.with_label_values(&["refused"]),
            assigned: rebalances.with_label_values(&["assigned"]),
            revoked: rebalances.with_label_values(&["revoked"]),
            broker_errors: errors,
            storage_errors,
            expired_records: Topic::ALL.map(|topic| expired.with_label_values(&[topic.name()])),
        })
    }

    /// Records of one topic became durable.
    pub(crate) fn appended(&self, topic: Topic, records: usize, bytes: usize) {
        self.appended[topic.index()].add(records, bytes);
    }

    /// An append, from the call to its durability.
    pub(crate) fn append_took(&self, elapsed: Duration) {
        self.append_seconds.observe(elapsed.as_secs_f64());
    }

    /// Records of one topic went to a consumer.
    pub(crate) fn fetched(&self, topic: Topic, records: usize, bytes: usize) {
        self.fetched[topic.index()].add(records, bytes);
    }

    /// Bytes came into the buffer of what is not durable yet.
    pub(crate) fn queued(&self, bytes: usize) {
        self.queue_bytes.add(clamped(bytes));
    }

    /// Bytes left that buffer.
    pub(crate) fn unqueued(&self, bytes: usize) {
        self.queue_bytes.sub(clamped(bytes));
    }

    /// A commit was noted, or refused.
    pub(crate) fn committed(&self, result: &Result<()>) {
        match result {
            Ok(()) => self.commits.inc(),
            Err(_) => self.commits_refused.inc(),
        }
    }

    /// A consumer gained partitions.
    pub(crate) fn assigned(&self, partitions: usize) {
        self.assigned.inc_by(partitions as u64);
    }

    /// A consumer lost partitions.
    pub(crate) fn revoked(&self, partitions: usize) {
        self.revoked.inc_by(partitions as u64);
    }

    /// A broker, or the way to it, failed.
    pub(crate) fn broker_error(&self) {
        self.broker_errors.inc();
    }

    /// A write to disk failed and will be tried again.
    pub(crate) fn storage_error(&self) {
        self.storage_errors.inc();
    }

    /// Retention removed records.
    pub(crate) fn expired(&self, topic: Topic, records: u64) {
        self.expired_records[topic.index()].inc_by(records);
    }
}

impl Flow {
    fn add(&self, records: usize, bytes: usize) {
        self.records.inc_by(records as u64);
        self.bytes.inc_by(bytes as u64);
    }
}

fn clamped(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

struct Families<'a> {
    registry: &'a Registry,
}

impl Families<'_> {
    fn keep<C: Collector + Clone + 'static>(&self, collector: prometheus::Result<C>) -> Result<C> {
        collector.and_then(|collector| self.registry.register(Box::new(collector.clone())).map(|()| collector)).map_err(
            |error| StreamError::Config {
                field: "metrics".into(),
                problem: format!("cannot be registered ({error}): open one log per registry"),
            },
        )
    }

    fn counters(&self, name: &str, help: &str, label: &str) -> Result<IntCounterVec> {
        self.keep(IntCounterVec::new(Opts::new(format!("civicpulse_stream_{name}"), help), &[label]))
    }

    fn flow(&self, name: &str, what: &str) -> Result<[Flow; Topic::ALL.len()]> {
        let records = self.counters(&format!("{name}_records_total"), &format!("Records {what}"), "topic")?;
        let bytes = self.counters(&format!("{name}_bytes_total"), &format!("Payload bytes {what}"), "topic")?;
        Ok(Topic::ALL.map(|topic| Flow {
            records: records.with_label_values(&[topic.name()]),
            bytes: bytes.with_label_values(&[topic.name()]),
        }))
    }
}
