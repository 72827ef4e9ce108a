//! What this crate tells Prometheus.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Metrics of the aggregating role, as verbs.
#[derive(Clone, Debug)]
pub struct Metrics {
    rows: IntCounter,
    late_rows: IntCounter,
    expired_rows: IntCounter,
    batches: IntCounterVec,
    apply_seconds: Histogram,
    publish_seconds: Histogram,
    snapshots: IntCounter,
    watermark_seconds: IntGauge,
    live_rows: IntGauge,
    state_bytes: IntGauge,
    waiting_events: IntGauge,
    refused_events: IntGauge,
    applied_next: IntGaugeVec,
    dead_letters: IntCounter,
    checkpoints: IntCounterVec,
    checkpoint_seconds: Histogram,
    checkpoint_bytes: IntCounter,
}

impl Metrics {
    /// Registers everything; an error if the registry has them already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let metric = IntCounter::new(format!("civicpulse_aggregate_{name}"), help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let counters = |name: &str, help: &str, label: &str| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(format!("civicpulse_aggregate_{name}"), help), &[label])?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let metric = IntGauge::new(format!("civicpulse_aggregate_{name}"), help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let histogram = |name: &str, help: &str| -> Result<Histogram, prometheus::Error> {
            let buckets = prometheus::exponential_buckets(0.0005, 2.0, 18)?;
            let options = HistogramOpts::new(format!("civicpulse_aggregate_{name}"), help).buckets(buckets);
            let metric = Histogram::with_opts(options)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let applied_next = IntGaugeVec::new(
            Opts::new("civicpulse_aggregate_applied_next", "Raw offset before which everything is applied"),
            &["partition"],
        )?;
        registry.register(Box::new(applied_next.clone()))?;
        Ok(Self {
            rows: counter("rows_total", "Enriched rows applied")?,
            late_rows: counter(
                "late_rows_total",
                "Rows that came after the watermark had passed them; counted where they belong",
            )?,
            expired_rows: counter("expired_rows_total", "Rows older than anything kept; not counted")?,
            batches: counters(
                "batches_total",
                "Enriched batches by what was done: applied, replayed, gap, undecodable",
                "outcome",
            )?,
            apply_seconds: histogram("apply_seconds", "Time to decode and apply one enriched batch")?,
            publish_seconds: histogram("publish_seconds", "Time to publish one snapshot")?,
            snapshots: counter("snapshots_total", "Snapshots published")?,
            watermark_seconds: gauge("watermark_seconds", "Watermark, seconds since 1970; event time")?,
            live_rows: gauge("live_rows", "Reports in memory")?,
            state_bytes: gauge("state_bytes", "Bytes of the state by formula, the index of ids included")?,
            waiting_events: gauge("waiting_events", "Status events whose report has not come")?,
            refused_events: gauge("refused_events", "Status events not kept, since too many wait or a report has too many")?,
            applied_next,
            dead_letters: counter("dead_letters_total", "Dead letters read")?,
            checkpoints: counters(
                "checkpoints_total",
                "Checkpoints by outcome: written, failed, restored, corrupt",
                "outcome",
            )?,
            checkpoint_seconds: histogram("checkpoint_seconds", "Time to write one checkpoint")?,
            checkpoint_bytes: counter("checkpoint_bytes_total", "Bytes written to checkpoints")?,
        })
    }

    pub(crate) fn batch_applied(&self, rows: u64, late: u64, expired: u64, took: Duration) {
        self.batches.with_label_values(&["applied"]).inc();
        self.rows.inc_by(rows);
        self.late_rows.inc_by(late);
        self.expired_rows.inc_by(expired);
        self.apply_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn batch_skipped(&self, outcome: &str) {
        self.batches.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn position(&self, partition: u32, applied_next: u64) {
        self.applied_next.with_label_values(&[&partition.to_string()]).set(i64::try_from(applied_next).unwrap_or(i64::MAX));
    }

    pub(crate) fn snapshot_published(&self, watermark_us: Option<i64>, live_rows: usize, took: Duration) {
        self.snapshots.inc();
        self.publish_seconds.observe(took.as_secs_f64());
        self.live_rows.set(live_rows as i64);
        if let Some(watermark_us) = watermark_us {
            self.watermark_seconds.set(watermark_us.div_euclid(feedback::time::SECOND_US));
        }
    }

    pub(crate) fn state_measured(&self, bytes: usize, waiting_events: usize, refused_events: u64) {
        self.state_bytes.set(bytes as i64);
        self.waiting_events.set(waiting_events as i64);
        self.refused_events.set(i64::try_from(refused_events).unwrap_or(i64::MAX));
    }

    pub(crate) fn dead_letters_read(&self, letters: u64) {
        self.dead_letters.inc_by(letters);
    }

    pub(crate) fn checkpoint_written(&self, bytes: u64, took: Duration) {
        self.checkpoints.with_label_values(&["written"]).inc();
        self.checkpoint_bytes.inc_by(bytes);
        self.checkpoint_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn checkpoint_failed(&self) {
        self.checkpoints.with_label_values(&["failed"]).inc();
    }

    pub(crate) fn checkpoint_restored(&self) {
        self.checkpoints.with_label_values(&["restored"]).inc();
    }

    pub(crate) fn checkpoint_corrupt(&self) {
        self.checkpoints.with_label_values(&["corrupt"]).inc();
    }
}
