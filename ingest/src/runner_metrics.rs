//! What Prometheus sees of the sources' tasks; what they sent is counted by the sink.

use std::time::Duration;

use feedback::Timestamp;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// Counters and gauges of all sources, by source name.
#[derive(Clone, Debug)]
pub struct RunnerMetrics {
    errors: IntCounterVec,
    last_seen_s: GaugeVec,
    lag_s: GaugeVec,
    backoff_s: GaugeVec,
    running: IntGaugeVec,
}

impl RunnerMetrics {
    /// Registers `civicpulse_ingest_source_*`. An error means that they are registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let errors = Opts::new(
            "civicpulse_ingest_source_errors_total",
            "Failed attempts to read from the source or to store what it gave",
        );
        let errors = IntCounterVec::new(errors, &["source"])?;
        registry.register(Box::new(errors.clone()))?;
        let gauge = |name: &str, help: &str| -> Result<GaugeVec, prometheus::Error> {
            let metric = GaugeVec::new(Opts::new(format!("civicpulse_ingest_source_{name}"), help), &["source"])?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let running =
            Opts::new("civicpulse_ingest_source_running", "1 while the source's task runs, 0 once it has ended or failed");
        let running = IntGaugeVec::new(running, &["source"])?;
        registry.register(Box::new(running.clone()))?;
        Ok(Self {
            errors,
            last_seen_s: gauge(
                "last_seen_timestamp_seconds",
                "Unix time of the source's last answer, with or without records",
            )?,
            lag_s: gauge("lag_seconds", "How old the newest record of the last batch with records was when it was stored")?,
            backoff_s: gauge("backoff_seconds", "How long the source waits after its last error; 0 once it works again")?,
            running,
        })
    }

    /// A source's task has begun.
    pub fn started(&self, source: &str) {
        self.running.with_label_values(&[source]).set(1);
        self.errors.with_label_values(&[source]).inc_by(0);
    }

    /// A source's task has ended.
    pub fn stopped(&self, source: &str) {
        self.running.with_label_values(&[source]).set(0);
    }

    /// A batch is in the log and its cursor on disk.
    pub fn batch_stored(&self, source: &str, now: Timestamp, newest: Option<Timestamp>) {
        self.last_seen_s.with_label_values(&[source]).set(now.micros() as f64 / 1e6);
        self.backoff_s.with_label_values(&[source]).set(0.0);
        if let Some(newest) = newest {
            let lag_us = now.micros().saturating_sub(newest.micros()).max(0);
            self.lag_s.with_label_values(&[source]).set(lag_us as f64 / 1e6);
        }
    }

    /// An attempt failed; the source waits.
    pub fn failed(&self, source: &str, wait: Duration) {
        self.errors.with_label_values(&[source]).inc();
        self.backoff_s.with_label_values(&[source]).set(wait.as_secs_f64());
    }
}
