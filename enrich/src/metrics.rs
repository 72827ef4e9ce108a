//! What an operator sees of enrichment.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

/// The worker's metrics, shared by all workers of a process.
#[derive(Clone)]
pub struct EnrichMetrics {
    rows: IntCounterVec,
    rejected: IntCounter,
    clock_ahead: IntCounter,
    masked: IntCounter,
    step_seconds: HistogramVec,
    batch_rows: Histogram,
    rewinds: IntCounter,
}

/// A step of the work on one batch.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// JSON to columns.
    Decode,
    /// Masking, language, tone, signal, topic, urgency, district.
    Understand,
    /// Columns to Arrow IPC.
    Encode,
}

impl EnrichMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let rows = IntCounterVec::new(Opts::new("civicpulse_enrich_rows_total", "Rows enriched, by kind"), &["kind"])?;
        let rejected = IntCounter::new("civicpulse_enrich_rejected_total", "Records sent to the dead letters by enrichment")?;
        let clock_ahead = IntCounter::new(
            "civicpulse_enrich_clock_ahead_total",
            "Rows whose event time lay in the future of their arrival and was clamped to it",
        )?;
        let masked = IntCounter::new("civicpulse_enrich_masked_total", "Personal data items masked in texts")?;
        let step_seconds = HistogramVec::new(
            HistogramOpts::new("civicpulse_enrich_step_seconds", "Time a batch spent in a step, in seconds")
                .buckets(prometheus::exponential_buckets(0.0005, 2.0, 12)?),
            &["step"],
        )?;
        let batch_rows = Histogram::with_opts(
            HistogramOpts::new("civicpulse_enrich_batch_rows", "Records in a fetched batch")
                .buckets(prometheus::exponential_buckets(1.0, 4.0, 9)?),
        )?;
        let rewinds = IntCounter::new(
            "civicpulse_enrich_rewinds_total",
            "Times a worker went back to its last commit because the log had refused its output",
        )?;
        registry.register(Box::new(rows.clone()))?;
        registry.register(Box::new(rejected.clone()))?;
        registry.register(Box::new(clock_ahead.clone()))?;
        registry.register(Box::new(masked.clone()))?;
        registry.register(Box::new(step_seconds.clone()))?;
        registry.register(Box::new(batch_rows.clone()))?;
        registry.register(Box::new(rewinds.clone()))?;
        Ok(Self { rows, rejected, clock_ahead, masked, step_seconds, batch_rows, rewinds })
    }

    pub(crate) fn batch_enriched(&self, tally: &Tally) {
        for (kind, rows) in feedback::Kind::WORDS.iter().zip(tally.rows) {
            self.rows.with_label_values(&[kind]).inc_by(rows);
        }
        self.rejected.inc_by(tally.rejected);
        self.clock_ahead.inc_by(tally.clock_ahead);
        self.masked.inc_by(tally.masked);
        self.batch_rows.observe((tally.rows.iter().sum::<u64>() + tally.rejected) as f64);
    }

    pub(crate) fn step_took(&self, step: Step, elapsed: Duration) {
        let label = match step {
            Step::Decode => "decode",
            Step::Understand => "understand",
            Step::Encode => "encode",
        };
        self.step_seconds.with_label_values(&[label]).observe(elapsed.as_secs_f64());
    }

    pub(crate) fn rewound(&self) {
        self.rewinds.inc();
    }
}

/// What one batch held, added up before a metric is touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows by kind: report, status, erase.
    pub rows: [u64; 3],
    /// Records sent to the dead letters.
    pub rejected: u64,
    /// Rows whose clock ran ahead.
    pub clock_ahead: u64,
    /// Personal data items masked.
    pub masked: u64,
}
