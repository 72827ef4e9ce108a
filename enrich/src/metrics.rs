//! What an operator sees of enrichment.

use std::time::Duration;

use models::cascade::SecondReading;
use models::compact::Reading;
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
    second_texts: IntCounterVec,
    audit: IntCounterVec,
}

/// What became of texts that the second reader was to read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// It read them.
    Read,
    /// There was no budget left.
    OverBudget,
    /// Its mailbox was full.
    Busy,
    /// It did not answer in time.
    Late,
    /// It failed, or has ended.
    Failed,
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Read, Self::OverBudget, Self::Busy, Self::Late, Self::Failed];

    fn label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::OverBudget => "over_budget",
            Self::Busy => "busy",
            Self::Late => "late",
            Self::Failed => "failed",
        }
    }
}

/// A step of the work on one batch.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// JSON to columns.
    Decode,
    /// Masking, language, tone, signal, topic, urgency, district.
    Understand,
    /// Both readings of texts, where there is a second reader.
    Second,
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
        let second_texts = IntCounterVec::new(
            Opts::new(
                "civicpulse_models_second_texts_total",
                "Texts that were worth the transformer, by what became of them; all but \"read\" kept the compact tier's reading",
            ),
            &["outcome"],
        )?;
        for outcome in Outcome::ALL {
            second_texts.with_label_values(&[outcome.label()]).inc_by(0);
        }
        let audit = IntCounterVec::new(
            Opts::new(
                "civicpulse_models_audit_total",
                "Texts of the random sample that both tiers read, by language, head and whether they agree on the class",
            ),
            &["language", "head", "agrees"],
        )?;
        registry.register(Box::new(second_texts.clone()))?;
        registry.register(Box::new(audit.clone()))?;
        registry.register(Box::new(rows.clone()))?;
        registry.register(Box::new(rejected.clone()))?;
        registry.register(Box::new(clock_ahead.clone()))?;
        registry.register(Box::new(masked.clone()))?;
        registry.register(Box::new(step_seconds.clone()))?;
        registry.register(Box::new(batch_rows.clone()))?;
        registry.register(Box::new(rewinds.clone()))?;
        Ok(Self { rows, rejected, clock_ahead, masked, step_seconds, batch_rows, rewinds, second_texts, audit })
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
            Step::Second => "second",
            Step::Encode => "encode",
        };
        self.step_seconds.with_label_values(&[label]).observe(elapsed.as_secs_f64());
    }

    pub(crate) fn second_texts(&self, outcome: Outcome, texts: usize) {
        self.second_texts.with_label_values(&[outcome.label()]).inc_by(texts as u64);
    }

    /// Two readings of a text of the sample. The labels are bounded: languages are those that are recognised.
    pub(crate) fn audited(&self, language: &str, first: &Reading, second: &SecondReading) {
        let agrees = |head: &str, agrees: bool| {
            self.audit.with_label_values(&[language, head, if agrees { "yes" } else { "no" }]).inc();
        };
        let over = second.over(first);
        agrees("tone", first.tone_label() == over.tone_label());
        if matches!(second, SecondReading::All(_)) {
            agrees("signal", first.signal_label() == over.signal_label());
            agrees("topic", first.topic_label() == over.topic_label());
            agrees("urgency", first.urgency_label() == over.urgency_label());
        }
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
