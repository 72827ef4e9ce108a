//! What the engine and the wire count.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::error::SqlError;

/// Counters of this crate. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    queries: IntCounter,
    failed: IntCounterVec,
    rows: IntCounter,
    batches: IntCounter,
    running: IntGauge,
    queued: IntGauge,
    seconds: Histogram,
    wait_seconds: Histogram,
    planning_seconds: Histogram,
    segments_read: IntCounter,
    segments_pruned: IntCounter,
    connections: IntGauge,
    connections_refused: IntCounterVec,
}

/// Counts a running query until it is dropped.
pub(crate) struct Running(IntGauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Registers everything in `registry`; fails when the names are taken there.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let labelled = |name: &str, help: &str, label: &str| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let histogram = |name: &str, help: &str| -> Result<Histogram, prometheus::Error> {
            let buckets = vec![0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        let metrics = Self {
            queries: counter("civicpulse_sql_queries_total", "Queries that started to run.")?,
            failed: labelled("civicpulse_sql_failed_total", "Queries refused or failed, by reason.", "reason")?,
            rows: counter("civicpulse_sql_rows_total", "Rows sent.")?,
            batches: counter("civicpulse_sql_batches_total", "Record batches sent.")?,
            running: gauge("civicpulse_sql_running", "Queries running now.")?,
            queued: gauge("civicpulse_sql_queued", "Queries waiting for their turn now.")?,
            seconds: histogram("civicpulse_sql_seconds", "From a query's turn to its last row, in seconds.")?,
            wait_seconds: histogram("civicpulse_sql_wait_seconds", "Waiting for the turn, in seconds.")?,
            planning_seconds: histogram("civicpulse_sql_planning_seconds", "From parsed text to verified plan, in seconds.")?,
            segments_read: counter("civicpulse_sql_segments_read_total", "Segments of `feedback` that a query looked into.")?,
            segments_pruned: counter(
                "civicpulse_sql_segments_pruned_total",
                "Segments of `feedback` skipped by their created_at range.",
            )?,
            connections: gauge("civicpulse_sql_connections", "Postgres connections open now.")?,
            connections_refused: labelled(
                "civicpulse_sql_connections_refused_total",
                "Postgres connections refused, by reason.",
                "reason",
            )?,
        };
        for reason in SqlError::REASONS {
            metrics.failed.with_label_values(&[reason]);
        }
        for reason in ["limit", "password"] {
            metrics.connections_refused.with_label_values(&[reason]);
        }
        Ok(metrics)
    }

    pub(crate) fn query_queued(&self) -> Running {
        self.queued.inc();
        Running(self.queued.clone())
    }

    pub(crate) fn query_started(&self, waited: Duration) -> Running {
        self.queries.inc();
        self.wait_seconds.observe(waited.as_secs_f64());
        self.running.inc();
        Running(self.running.clone())
    }

    pub(crate) fn query_planned(&self, took: Duration) {
        self.planning_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn query_finished(&self, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn query_failed(&self, error: &SqlError) {
        self.failed.with_label_values(&[error.reason()]).inc();
    }

    pub(crate) fn batch_sent(&self, rows: usize) {
        self.batches.inc();
        self.rows.inc_by(rows as u64);
    }

    pub(crate) fn segments_chosen(&self, read: usize, pruned: usize) {
        self.segments_read.inc_by(read as u64);
        self.segments_pruned.inc_by(pruned as u64);
    }

    pub(crate) fn connection_opened(&self) -> Running {
        self.connections.inc();
        Running(self.connections.clone())
    }

    pub(crate) fn connection_refused(&self, reason: &str) {
        self.connections_refused.with_label_values(&[reason]).inc();
    }
}
