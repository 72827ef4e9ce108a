//! What the doors count, as verbs. The registry is handed in; a name is registered once.

use std::sync::Arc;
use std::time::Duration;

use feedback::{Feedback, Kind};
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Why something was refused, coarse enough to be a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// It could not be read as a record at all.
    Undecodable,
    /// A record that breaks a rule of `Feedback::check`.
    Invalid,
    /// A record longer than the log takes.
    TooLong,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Undecodable, Self::Invalid, Self::TooLong];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Invalid => "invalid",
            Self::TooLong => "too_long",
        }
    }
}

/// The metrics of all doors of a process.
#[derive(Clone, Debug)]
pub struct IngestMetrics {
    records: IntCounterVec,
    rejected: IntCounterVec,
    bytes: IntCounterVec,
    append_seconds: HistogramVec,
    append_failures: IntCounterVec,
    in_flight_bytes: IntGauge,
}

impl IngestMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// A metric of the same name is registered already.
    pub fn new(registry: &Registry) -> Result<Arc<Self>, prometheus::Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(format!("civicpulse_ingest_{name}"), help), labels).and_then(|m| register(registry, m))
        };
        let seconds =
            HistogramOpts::new("civicpulse_ingest_append_seconds", "From handing a batch to the log until it is durable")
                .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0]);
        Ok(Arc::new(Self {
            records: counter("records_total", "Records that the log has acknowledged", &["source", "kind"])?,
            rejected: counter("rejected_total", "What was refused, by reason class", &["source", "reason"])?,
            bytes: counter("bytes_total", "JSON bytes that the log has acknowledged", &["source"])?,
            append_seconds: register(registry, HistogramVec::new(seconds, &["source"])?)?,
            append_failures: counter("append_failures_total", "Batches that the log did not take", &["source"])?,
            in_flight_bytes: register(
                registry,
                IntGauge::new("civicpulse_ingest_in_flight_bytes", "Bytes handed to the log and not yet acknowledged")?,
            )?,
        }))
    }

    /// The counters of one source, looked up once. Sources come from the configuration, so the labels stay few.
    pub fn source(&self, source: &str) -> SourceMetrics {
        SourceMetrics {
            records: std::array::from_fn(|kind| self.records.with_label_values(&[source, Kind::WORDS[kind]])),
            rejected: std::array::from_fn(|class| self.rejected.with_label_values(&[source, Refusal::ALL[class].as_str()])),
            bytes: self.bytes.with_label_values(&[source]),
            append_seconds: self.append_seconds.with_label_values(&[source]),
            append_failures: self.append_failures.with_label_values(&[source]),
        }
    }

    /// Bytes went to the log (positive) or came back acknowledged (negative).
    pub fn in_flight_changed(&self, bytes: i64) {
        self.in_flight_bytes.add(bytes);
    }
}

/// The metrics of one source.
#[derive(Clone, Debug)]
pub struct SourceMetrics {
    records: [IntCounter; Kind::ALL.len()],
    rejected: [IntCounter; Refusal::ALL.len()],
    bytes: IntCounter,
    append_seconds: Histogram,
    append_failures: IntCounter,
}

impl SourceMetrics {
    /// The log has a batch: so many records of each kind (by `Kind` code), so many bytes, after so long.
    pub fn acknowledged(&self, records: [u64; Kind::ALL.len()], bytes: u64, elapsed: Duration) {
        for (counter, count) in self.records.iter().zip(records) {
            counter.inc_by(count);
        }
        self.bytes.inc_by(bytes);
        self.append_seconds.observe(elapsed.as_secs_f64());
    }

    /// The log did not take a batch.
    pub fn append_failed(&self) {
        self.append_failures.inc();
    }

    /// Something was refused.
    pub fn rejected(&self, class: Refusal, count: u64) {
        self.rejected[class as usize].inc_by(count);
    }
}

/// The kind of a record.
pub fn kind_of(record: &Feedback) -> Kind {
    match record {
        Feedback::Report(_) => Kind::Report,
        Feedback::Status(_) => Kind::Status,
        Feedback::Erase(_) => Kind::Erase,
    }
}

fn register<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> Result<M, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_end_in_the_registry_and_a_name_is_registered_once() {
        let registry = Registry::new();
        let metrics = IngestMetrics::new(&registry).unwrap();
        let source = metrics.source("boston311");
        source.acknowledged([2, 1, 0], 700, Duration::from_millis(3));
        source.rejected(Refusal::TooLong, 4);
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert!(text.contains(r#"civicpulse_ingest_records_total{kind="report",source="boston311"} 2"#), "{text}");
        assert!(text.contains(r#"civicpulse_ingest_rejected_total{reason="too_long",source="boston311"} 4"#), "{text}");
        assert!(IngestMetrics::new(&registry).is_err());
    }
}
