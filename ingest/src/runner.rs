//! Runs sources: one task each, the same loop for all.
//!
//! next batch -> log acknowledges -> cursor is durable -> next. A crash between two arrows repeats the batch, never skips it.
//! An error waits with back-off and tries again for ever; a source that only a person can heal stops alone and says why.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use feedback::{Clock, Feedback, Timestamp};
use futures::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::cursor::CursorStore;
use crate::runner_metrics::RunnerMetrics;
use crate::sink::Sink;
use crate::source::{Source, SourceBatch, SourceError};

/// How a source waits after errors.
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    /// The wait after the first error, in milliseconds; doubles with each further one.
    pub backoff_first_ms: u64,
    /// No wait is longer, except where the upstream asks for it.
    pub backoff_ceiling_ms: u64,
    /// The longest wait that an upstream may ask for.
    pub busy_ceiling_ms: u64,
    /// How long a batch that is on its way to the log may still be waited for after the stop signal.
    pub stop_grace_ms: u64,
}

impl Default for RunnerConfig {
    fn default() -> Self {
        Self { backoff_first_ms: 500, backoff_ceiling_ms: 60_000, busy_ceiling_ms: 3_600_000, stop_grace_ms: 5_000 }
    }
}

/// Where batches go: the sink into the log, or a test's double of it.
#[async_trait::async_trait]
pub trait Deliver: Send + Sync {
    /// Returns once everything in the batch is durable. After an error the same batch is delivered again.
    async fn deliver(&self, source: &str, batch: &Arc<SourceBatch>) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

#[async_trait::async_trait]
impl Deliver for Sink {
    async fn deliver(&self, source: &str, batch: &Arc<SourceBatch>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (door, batch) = (self.door(source), batch.clone());
        let receipt = tokio::task::spawn_blocking(move || door.submit(&batch.records, &batch.rejected)).await??;
        receipt.await?;
        Ok(())
    }
}

/// What a source does at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceState {
    /// Asked for its first batch.
    #[default]
    Starting,
    /// The last batch is in the log.
    Running,
    /// Waits after an error.
    BackingOff,
    /// Has nothing more, or was told to stop.
    Ended,
    /// Needs a person; see the last error.
    Failed,
}

/// One row of the table `sources`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceStatus {
    /// The source.
    pub name: String,
    /// What it does.
    pub state: SourceState,
    /// When it last answered, with or without records.
    pub last_seen_at: Option<Timestamp>,
    /// Event time of the newest record so far.
    pub newest_event_at: Option<Timestamp>,
    /// Records in the log since the program started.
    pub records: u64,
    /// Dead letters since the program started.
    pub rejected: u64,
    /// Errors since the program started.
    pub errors: u64,
    /// The last error and when it happened.
    pub last_error: Option<(Timestamp, String)>,
    /// The beginning of the last stored cursor, at most [`CURSOR_SHOWN_CHARS`].
    pub cursor: Option<String>,
}

/// How much of a cursor a person is shown.
pub const CURSOR_SHOWN_CHARS: usize = 200;

/// The status of every source, readable by everybody.
#[derive(Clone, Debug, Default)]
pub struct StatusBoard(Arc<Mutex<BTreeMap<String, SourceStatus>>>);

impl StatusBoard {
    /// A copy of every status, by name.
    pub fn snapshot(&self) -> Vec<SourceStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn claim(&self, name: &str) -> bool {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !board.contains_key(name);
        board.entry(name.to_owned()).or_insert_with(|| SourceStatus { name: name.to_owned(), ..Default::default() });
        is_new
    }

    fn update(&self, name: &str, change: impl FnOnce(&mut SourceStatus)) {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = board.get_mut(name) {
            change(status);
        }
    }
}

/// Two sources of one name would share ids and a cursor file.
#[derive(Debug, thiserror::Error)]
#[error("there are two sources named `{0}`: give each a name of its own")]
pub struct NameTaken(pub String);

/// Everything that sources share.
#[derive(Clone)]
pub struct Runner {
    /// How to wait.
    pub config: RunnerConfig,
    /// Where batches go.
    pub sink: Arc<dyn Deliver>,
    /// Where cursors are kept.
    pub cursors: CursorStore,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What Prometheus sees.
    pub metrics: RunnerMetrics,
    /// What analysts see.
    pub board: StatusBoard,
    /// When to end.
    pub stop: CancellationToken,
}

impl Runner {
    /// Starts a source in a task of its own, which ends with the stop signal, the source's end or a failure that needs a person.
    pub fn spawn(&self, source: Box<dyn Source>) -> Result<JoinHandle<()>, NameTaken> {
        let name = source.name().to_owned();
        if !self.board.claim(&name) {
            return Err(NameTaken(name));
        }
        let run = Run { shared: self.clone(), name, failures: 0 };
        Ok(tokio::spawn(run.guarded(source)))
    }
}

/// One source being run.
struct Run {
    shared: Runner,
    name: String,
    /// Errors since the last success: the exponent of the back-off.
    failures: u32,
}

/// The stop signal came.
struct Stopped;

impl Run {
    /// A bug in one source must not take the others along: a panic is that source's failure.
    async fn guarded(mut self, mut source: Box<dyn Source>) {
        let ended = AssertUnwindSafe(self.run(source.as_mut())).catch_unwind().await;
        let state = match ended {
            Ok(Ok(())) => SourceState::Ended,
            Ok(Err(problem)) => self.fail(&problem),
            Err(_) => self.fail("the source panicked, which is a bug; its task has ended, all others go on"),
        };
        self.shared.metrics.stopped(&self.name);
        self.shared.board.update(&self.name, |status| status.state = state);
    }

    async fn run(&mut self, source: &mut dyn Source) -> Result<(), String> {
        let cursors = self.shared.cursors.clone();
        let name = self.name.clone();
        let cursor = tokio::task::spawn_blocking(move || cursors.load(&name)).await.map_err(|error| error.to_string())?;
        let cursor = cursor.map_err(|error| error.to_string())?;
        self.shared.board.update(&self.name, |status| status.cursor = cursor.as_deref().map(shown));
        source.resume(cursor.as_deref()).map_err(|error| error.to_string())?;
        info!(source = self.name, resumes = cursor.is_some(), "source starts");
        self.shared.metrics.started(&self.name);
        let stop = self.shared.stop.clone();
        loop {
            let answer = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                answer = source.next() => answer,
            };
            let batch = match answer {
                Ok(Some(batch)) => Arc::new(batch),
                Ok(None) => return Ok(()),
                Err(error) if error.is_terminal() => return Err(error.to_string()),
                Err(error) => match self.back_off(&error, error.wait()).await {
                    Ok(()) => continue,
                    Err(Stopped) => return Ok(()),
                },
            };
            if let Err(Stopped) = self.deliver(&batch).await {
                return Ok(());
            }
            if let Err(Stopped) = self.keep(&batch).await {
                return Ok(());
            }
            self.succeeded(&batch);
        }
    }

    /// Until the log has the batch. After the stop signal the attempt in hand may finish within the grace.
    async fn deliver(&mut self, batch: &Arc<SourceBatch>) -> Result<(), Stopped> {
        if batch.records.is_empty() && batch.rejected.is_empty() {
            return Ok(());
        }
        loop {
            let (stop, grace) = (self.shared.stop.clone(), Duration::from_millis(self.shared.config.stop_grace_ms));
            let patience = async move {
                stop.cancelled().await;
                tokio::time::sleep(grace).await;
            };
            let sink = self.shared.sink.clone();
            let answer = tokio::select! {
                biased;
                answer = sink.deliver(&self.name, batch) => answer,
                () = patience => return Err(Stopped),
            };
            match answer {
                Ok(()) => return Ok(()),
                Err(problem) => self.back_off(&SourceError::upstream("the log", problem), None).await?,
            }
        }
    }

    /// Until the cursor is durable.
    async fn keep(&mut self, batch: &SourceBatch) -> Result<(), Stopped> {
        let Some(cursor) = &batch.cursor else { return Ok(()) };
        loop {
            let (store, name, text, now) =
                (self.shared.cursors.clone(), self.name.clone(), cursor.clone(), self.shared.clock.now());
            let saved = tokio::task::spawn_blocking(move || store.save(&name, &text, now)).await;
            let problem = match saved {
                Ok(Ok(())) => {
                    self.shared.board.update(&self.name, |status| status.cursor = Some(shown(cursor)));
                    return Ok(());
                }
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            self.back_off(&SourceError::upstream("the cursor store", problem), None).await?;
        }
    }

    fn succeeded(&mut self, batch: &SourceBatch) {
        if self.failures > 0 {
            info!(source = self.name, after_errors = self.failures, "source is back");
            self.failures = 0;
        }
        let now = self.shared.clock.now();
        let newest = batch.records.iter().map(event_time).max();
        self.shared.metrics.batch_stored(&self.name, now, newest);
        self.shared.board.update(&self.name, |status| {
            status.state = SourceState::Running;
            status.last_seen_at = Some(now);
            status.newest_event_at = status.newest_event_at.max(newest);
            status.records += batch.records.len() as u64;
            status.rejected += batch.rejected.len() as u64;
        });
    }

    /// Notes an error and waits: doubling from the first wait to the ceiling, between half and all of it (so that sources which
    /// failed together do not return together), or as long as the upstream asked for.
    async fn back_off(&mut self, error: &SourceError, asked: Option<Duration>) -> Result<(), Stopped> {
        self.failures = self.failures.saturating_add(1);
        let config = &self.shared.config;
        let now = self.shared.clock.now();
        let full_ms = config.backoff_first_ms.saturating_mul(1 << (self.failures - 1).min(20)).min(config.backoff_ceiling_ms);
        let dice = xxh3_64_with_seed(self.name.as_bytes(), (now.micros() as u64) ^ u64::from(self.failures));
        let wait = Duration::from_millis(full_ms / 2 + dice % (full_ms / 2 + 1));
        let asked = asked.map(|wait| wait.min(Duration::from_millis(config.busy_ceiling_ms)));
        let wait = asked.map_or(wait, |asked| asked.max(wait));
        self.shared.metrics.failed(&self.name, wait);
        self.note(error.to_string(), SourceState::BackingOff);
        if self.failures.is_power_of_two() {
            warn!(source = self.name, errors = self.failures, wait_ms = wait.as_millis() as u64, "source fails: {error}");
        }
        tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => Err(Stopped),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    fn fail(&self, problem: &str) -> SourceState {
        error!(source = self.name, "source has stopped: {problem}");
        self.shared.metrics.failed(&self.name, Duration::ZERO);
        self.note(problem.to_owned(), SourceState::Failed);
        SourceState::Failed
    }

    fn note(&self, problem: String, state: SourceState) {
        let now = self.shared.clock.now();
        self.shared.board.update(&self.name, |status| {
            status.state = state;
            status.errors += 1;
            status.last_error = Some((now, problem));
        });
    }
}

fn event_time(record: &Feedback) -> Timestamp {
    match record {
        Feedback::Report(report) => report.created_at,
        Feedback::Status(event) => event.at,
        Feedback::Erase(erase) => erase.at,
    }
}

fn shown(cursor: &str) -> String {
    cursor.chars().take(CURSOR_SHOWN_CHARS).collect()
}
