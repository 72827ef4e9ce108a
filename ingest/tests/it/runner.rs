//! Sources under the runner: acknowledged before stored, retried, resumed, and never each other's problem.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use feedback::{Feedback, ManualClock, Report, Timestamp};
use ingest::cursor::CursorStore;
use ingest::runner::{Deliver, Runner, RunnerConfig, SourceState, SourceStatus, StatusBoard};
use ingest::runner_metrics::RunnerMetrics;
use ingest::source::{Source, SourceBatch, SourceError};
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use crate::support::{NOW, World};

fn record(number: usize) -> Feedback {
    Feedback::Report(Report::new(format!("script:{number}").parse().unwrap(), Timestamp::from_secs(number as i64)))
}

/// Counts upwards from its cursor to an end; each call first does what the script says.
struct Counter {
    name: &'static str,
    next: usize,
    end: usize,
    script: VecDeque<Step>,
}

enum Step {
    Fail,
    Busy,
    Terminal,
    Panic,
}

fn counter(name: &'static str, end: usize, script: Vec<Step>) -> Box<Counter> {
    Box::new(Counter { name, next: 0, end, script: script.into() })
}

#[async_trait::async_trait]
impl Source for Counter {
    fn name(&self) -> &str {
        self.name
    }

    fn resume(&mut self, cursor: Option<&str>) -> Result<(), SourceError> {
        self.next = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<SourceBatch>, SourceError> {
        match self.script.pop_front() {
            Some(Step::Fail) => return Err(SourceError::upstream("there", "down")),
            Some(Step::Busy) => return Err(SourceError::Busy { upstream: "there".into(), wait: Duration::from_millis(20) }),
            Some(Step::Terminal) => return Err(SourceError::unusable("wrong key", "set another")),
            Some(Step::Panic) => panic!("a bug in a source"),
            None => {}
        }
        if self.next == self.end {
            return Ok(None);
        }
        let records = (self.next..(self.next + 3).min(self.end)).map(record).collect::<Vec<_>>();
        self.next += records.len();
        Ok(Some(SourceBatch { records, rejected: Vec::new(), cursor: Some(self.next.to_string()) }))
    }
}

/// A log that fails as told, and looks at the cursor before it takes a batch.
struct FlakyLog {
    failures: AtomicUsize,
    store: CursorStore,
    taken: Mutex<Vec<Feedback>>,
}

#[async_trait::async_trait]
impl Deliver for FlakyLog {
    async fn deliver(&self, source: &str, batch: &Arc<SourceBatch>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let stored = self.store.load(source)?.map_or(0, |cursor| cursor.parse::<usize>().unwrap());
        assert_eq!(stored, self.taken.lock().unwrap().len(), "the cursor is stored after the log has the batch, never before");
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err("the log is away".into());
        }
        self.taken.lock().unwrap().extend(batch.records.clone());
        Ok(())
    }
}

fn runner(sink: Arc<dyn Deliver>, cursors: CursorStore, registry: &Registry) -> Runner {
    Runner {
        config: RunnerConfig { backoff_first_ms: 1, backoff_ceiling_ms: 4, ..Default::default() },
        sink,
        cursors,
        clock: Arc::new(ManualClock::at(NOW)),
        metrics: RunnerMetrics::register(registry).unwrap(),
        board: StatusBoard::default(),
        stop: CancellationToken::new(),
    }
}

fn status(runner: &Runner, name: &str) -> SourceStatus {
    runner.board.snapshot().into_iter().find(|status| status.name == name).unwrap()
}

#[tokio::test]
async fn a_batch_is_repeated_until_the_log_has_it_and_then_its_cursor_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let store = CursorStore::open(dir.path()).unwrap();
    let log = Arc::new(FlakyLog { failures: AtomicUsize::new(5), store: store.clone(), taken: Mutex::default() });
    let registry = Registry::new();
    let runner = runner(log.clone(), store.clone(), &registry);
    runner.spawn(counter("script", 10, vec![Step::Fail, Step::Busy, Step::Fail])).unwrap().await.unwrap();
    assert_eq!(*log.taken.lock().unwrap(), (0..10).map(record).collect::<Vec<_>>());
    assert_eq!(store.load("script").unwrap().as_deref(), Some("10"));
    let status = status(&runner, "script");
    assert_eq!((status.state, status.errors, status.records), (SourceState::Ended, 8, 10));
    assert_eq!((status.cursor.as_deref(), status.last_seen_at), (Some("10"), Some(NOW)));
    assert!(status.last_error.unwrap().1.contains("the log is away"));
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(text.contains("civicpulse_ingest_source_errors_total{source=\"script\"} 8"), "{text}");
    assert!(text.contains("civicpulse_ingest_source_running{source=\"script\"} 0"), "{text}");
}

#[tokio::test]
async fn one_sources_failure_touches_no_other() {
    let world = World::new();
    let store = CursorStore::open(world.dir.path()).unwrap();
    let registry = Registry::new();
    let runner = runner(Arc::new(world.sink.clone()), store.clone(), &registry);
    let bad = runner.spawn(counter("panics", 10, vec![Step::Fail, Step::Panic])).unwrap();
    let wrong = runner.spawn(counter("terminal", 10, vec![Step::Terminal])).unwrap();
    std::fs::write(store.folder().join("damaged.json"), "{").unwrap();
    let damaged = runner.spawn(counter("damaged", 10, vec![])).unwrap();
    let good = runner.spawn(counter("good", 10, vec![Step::Fail])).unwrap();
    assert!(runner.spawn(counter("good", 10, vec![])).is_err(), "two sources of one name");
    for task in [bad, wrong, damaged, good] {
        task.await.unwrap();
    }
    assert_eq!(status(&runner, "good").state, SourceState::Ended);
    assert_eq!(world.reports().len(), 10);
    for (name, words) in [("panics", "panicked"), ("terminal", "wrong key: set another"), ("damaged", "delete it")] {
        let status = status(&runner, name);
        assert_eq!(status.state, SourceState::Failed, "{name}");
        assert!(status.last_error.unwrap().1.contains(words), "{name}");
    }
}

#[tokio::test]
async fn a_stopped_source_resumes_without_a_gap() {
    let world = World::new();
    let store = CursorStore::open(world.dir.path()).unwrap();
    let first = runner(Arc::new(world.sink.clone()), store.clone(), &Registry::new());
    let task = first.spawn(counter("script", usize::MAX, vec![])).unwrap();
    while status(&first, "script").records < 30 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    first.stop.cancel();
    task.await.unwrap();
    assert_eq!(status(&first, "script").state, SourceState::Ended);
    let stored: usize = store.load("script").unwrap().unwrap().parse().unwrap();
    assert!(stored >= 30);

    let second = runner(Arc::new(world.sink.clone()), store.clone(), &Registry::new());
    second.spawn(counter("script", stored + 20, vec![])).unwrap().await.unwrap();
    let seen: std::collections::BTreeSet<String> = world.reports().iter().map(|report| report.id.to_string()).collect();
    assert_eq!(seen, (0..stored + 20).map(|number| format!("script:{number}")).collect());
}

#[tokio::test]
async fn a_source_that_waits_stops_at_once() {
    let world = World::new();
    let store = CursorStore::open(world.dir.path()).unwrap();
    let mut runner = runner(Arc::new(world.sink.clone()), store, &Registry::new());
    runner.config = RunnerConfig { backoff_first_ms: 3_600_000, backoff_ceiling_ms: 3_600_000, ..Default::default() };
    let task = runner.spawn(counter("script", 10, vec![Step::Fail])).unwrap();
    while status(&runner, "script").state != SourceState::BackingOff {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    runner.stop.cancel();
    task.await.unwrap();
}
