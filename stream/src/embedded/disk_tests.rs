//! The disk fills up, and has room again.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use feedback::SystemClock;
use prometheus::Registry;
use redb::StorageBackend;
use redb::backends::FileBackend;

use crate::embedded::EmbeddedLog;
use crate::embedded::store::Store;
use crate::{Ack, EmbeddedConfig, Event, Log, Record, StreamError, StreamMetrics, Target, Topic};

const PATIENCE: Duration = Duration::from_secs(60);

/// A file on a disk that can be full.
#[derive(Debug)]
struct Disk {
    file: FileBackend,
    full: Arc<AtomicBool>,
}

impl Disk {
    fn room(&self) -> Result<(), Error> {
        if self.full.load(Ordering::SeqCst) { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.room()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.room()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.room()?;
        self.file.write(offset, data)
    }
}

struct World {
    config: EmbeddedConfig,
    full: Arc<AtomicBool>,
    registry: Registry,
}

impl World {
    fn new(dir: &Path) -> Self {
        let config = EmbeddedConfig {
            dir: dir.into(),
            partitions: 1,
            queue_bytes: 4000,
            queue_wait_ms: 50,
            ..EmbeddedConfig::default()
        };
        Self { config, full: Arc::default(), registry: Registry::new() }
    }

    fn open(&self) -> EmbeddedLog {
        let (path, full) = (self.config.dir.join("log.redb"), self.full.clone());
        let file = path.clone();
        let open_file = move || -> Result<File, Error> {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file)
        };
        let opener = Box::new(move |builder: &redb::Builder| {
            builder.create_with_backend(Disk { file: FileBackend::new(open_file()?)?, full: full.clone() })
        });
        let opened = Store::open_with(path, &self.config, opener).unwrap();
        let metrics = StreamMetrics::register(&self.registry).unwrap();
        EmbeddedLog::with_store(&self.config, Arc::new(SystemClock), metrics, opened).unwrap()
    }

    fn storage_errors(&self) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == "civicpulse_stream_storage_errors_total").unwrap();
        family.get_metric()[0].get_counter().get_value()
    }
}

fn append(log: &EmbeddedLog, payload: &str) -> Ack {
    let record = Record { target: Target::Partition(0), key: Vec::new(), payload: payload.as_bytes().to_vec() };
    log.producer().unwrap().append(Topic::Raw, vec![record])
}

fn read(log: &EmbeddedLog) -> Vec<String> {
    let mut reader = log.reader(Topic::Raw, &[(0, 0)]).unwrap();
    let (end, mut next, mut payloads) = (log.bounds(Topic::Raw).unwrap()[0].end, 0, Vec::new());
    while next < end {
        if let Event::Fetched(fetched) = reader.poll(PATIENCE).unwrap() {
            next = fetched.next;
            payloads.extend(fetched.records().map(|(_, payload)| String::from_utf8(payload.to_vec()).unwrap()));
        }
    }
    payloads
}

#[test]
fn appends_wait_for_room_and_then_are_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.config.cache_bytes = 0;
    let log = world.open();
    append(&log, "before").wait(PATIENCE).unwrap();
    world.full.store(true, Ordering::SeqCst);
    let waiting = append(&log, "while full");
    while world.storage_errors() < 2.0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(matches!(waiting.wait(Duration::ZERO), Err(StreamError::Timeout { .. })));
    let queued = append(&log, &"x".repeat(3000));
    let refused = append(&log, &"y".repeat(3000)).wait(PATIENCE);
    assert_eq!(refused, Err(StreamError::Full { limit_bytes: 4000, waited_ms: 50 }), "the caller is held back, then told");
    world.full.store(false, Ordering::SeqCst);
    waiting.wait(PATIENCE).unwrap();
    queued.wait(PATIENCE).unwrap();
    append(&log, "after").wait(PATIENCE).unwrap();
    let expected = ["before".to_owned(), "while full".into(), "x".repeat(3000), "after".into()];
    assert_eq!(read(&log), expected);
    drop(log);
    world.registry = Registry::new();
    assert_eq!(read(&world.open()), expected);
}

#[test]
fn closing_a_full_disk_fails_what_waits_and_keeps_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    let log = world.open();
    append(&log, "before").wait(PATIENCE).unwrap();
    world.full.store(true, Ordering::SeqCst);
    let lost = append(&log, "while full");
    drop(log);
    let error = lost.wait(PATIENCE).unwrap_err();
    assert!(error.is_retriable() && error.to_string().contains("make room on the disk"), "{error}");
    world.full.store(false, Ordering::SeqCst);
    world.registry = Registry::new();
    let log = world.open();
    assert_eq!(read(&log), ["before"]);
    append(&log, "again").wait(PATIENCE).unwrap();
    assert_eq!(read(&log), ["before", "again"]);
}
