//! A real embedded log in a temporary directory, and what lies in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use feedback::DeadLetter;
use feedback::{Feedback, ManualClock, Report, StatusEvent, Timestamp};
use ingest::{IngestMetrics, Sink, SinkConfig};
use prometheus::Registry;
use stream::{EmbeddedConfig, EmbeddedLog, Event, Log, StreamMetrics, Topic};

/// 2026-01-01T00:00:00Z: after every row of the real files.
pub const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

pub struct World {
    pub dir: tempfile::TempDir,
    pub log: EmbeddedLog,
    pub sink: Sink,
    pub registry: Registry,
}

impl World {
    pub fn new() -> Self {
        Self::with(SinkConfig::default())
    }

    pub fn with(config: SinkConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::new();
        let clock = Arc::new(ManualClock::at(NOW));
        let embedded = EmbeddedConfig { dir: dir.path().join("log"), linger_ms: 0, ..EmbeddedConfig::default() };
        let log = EmbeddedLog::open(&embedded, clock.clone(), StreamMetrics::register(&registry).unwrap()).unwrap();
        let metrics = IngestMetrics::new(&registry).unwrap();
        let sink = Sink::new(log.producer().unwrap(), clock, metrics, config);
        Self { dir, log, sink, registry }
    }

    /// Writes a file beside the log.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn payloads(&self, topic: Topic) -> Vec<Vec<u8>> {
        let bounds = self.log.bounds(topic).unwrap();
        let total: u64 = bounds.iter().map(|range| range.end - range.start).sum();
        let from: Vec<(u32, u64)> = (0..).zip(&bounds).map(|(partition, range)| (partition, range.start)).collect();
        let mut reader = self.log.reader(topic, &from).unwrap();
        let mut payloads = Vec::new();
        while (payloads.len() as u64) < total {
            if let Event::Fetched(fetched) = reader.poll(Duration::from_secs(10)).unwrap() {
                payloads.extend(fetched.records().map(|(_, payload)| payload.to_vec()));
            }
        }
        payloads
    }

    pub fn records(&self) -> Vec<Feedback> {
        self.payloads(Topic::Raw).iter().map(|payload| Feedback::from_json(payload).unwrap()).collect()
    }

    pub fn reports(&self) -> Vec<Report> {
        let report = |record| if let Feedback::Report(report) = record { Some(report) } else { None };
        self.records().into_iter().filter_map(report).collect()
    }

    pub fn statuses(&self) -> Vec<StatusEvent> {
        let status = |record| if let Feedback::Status(status) = record { Some(status) } else { None };
        self.records().into_iter().filter_map(status).collect()
    }

    pub fn dead(&self) -> Vec<DeadLetter> {
        self.payloads(Topic::Dead).iter().map(|payload| DeadLetter::from_json(payload).unwrap()).collect()
    }
}

/// Files of `../shared/data` below `folder` whose names begin with `prefix`; prints a line and yields none where they are missing.
pub fn shared(folder: &str, prefix: &str) -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .collect();
    files.sort();
    if files.is_empty() {
        println!("skipped: no {prefix}* in {}", dir.display());
    }
    files
}
