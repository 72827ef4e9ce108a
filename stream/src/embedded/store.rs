//! The file: blocks, bounds and committed offsets in one redb database, written in whole transactions.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use feedback::Timestamp;
use redb::{
    Builder, Database, DatabaseError, Durability, Error, ReadTransaction, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition,
};

use crate::config::EmbeddedConfig;
use crate::embedded::block::Header;
use crate::error::{Result, StreamError};
use crate::{Fetched, Topic};

/// (topic, partition, offset of the first record) to a block.
const BLOCKS: TableDefinition<(u8, u32, u64), &[u8]> = TableDefinition::new("blocks");
/// (topic, partition) to oldest offset, next offset and stored bytes, so that an empty partition keeps its place.
const PARTITIONS: TableDefinition<(u8, u32), (u64, u64, u64)> = TableDefinition::new("partitions");
/// (topic, group, partition) to the committed offset.
const COMMITTED: TableDefinition<(u8, &str, u32), u64> = TableDefinition::new("committed");
/// What the file is.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

const FORMAT: u64 = 1;
/// Blocks that one transaction removes at most from a partition, so that retention does not hold up appends.
const EXPIRE_BLOCKS: usize = 256;

/// Opens the database, on whatever it is kept.
pub(super) type Opener = Box<dyn Fn(&Builder) -> Result<Database, DatabaseError> + Send + Sync>;

/// An open log file. Reading goes on while one thread writes.
pub(super) struct Store {
    path: PathBuf,
    opener: Opener,
    page_cache_bytes: usize,
    /// `None` from a failed write until the file could be opened again: redb does not go on after an I/O error.
    database: RwLock<Option<Database>>,
}

/// Everything that one transaction adds.
#[derive(Default)]
pub(super) struct Batch {
    /// Blocks, in order within each partition.
    pub(super) blocks: Vec<NewBlock>,
    /// Offsets that groups have committed.
    pub(super) commits: Vec<Commit>,
}

/// A block on its way into the file.
pub(super) struct NewBlock {
    pub(super) topic: Topic,
    pub(super) partition: u32,
    pub(super) offsets: Range<u64>,
    pub(super) value: Vec<u8>,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) topic: Topic,
    pub(super) group: String,
    pub(super) partition: u32,
    pub(super) next: u64,
}

/// What the file holds when it is opened.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Oldest and next offset of each partition, by [`Topic::index`].
    pub(super) bounds: [Vec<Range<u64>>; Topic::ALL.len()],
    /// Every committed offset.
    pub(super) commits: Vec<Commit>,
}

/// Records of a partition that retention removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expired {
    pub(super) topic: Topic,
    pub(super) partition: u32,
    /// How many records went.
    pub(super) records: u64,
    /// The oldest offset now.
    pub(super) oldest: u64,
}

impl Store {
    /// Opens the file in the configured directory, making both when missing, and reads what it holds.
    pub(super) fn open(config: &EmbeddedConfig) -> Result<(Self, Contents)> {
        let path = config.dir.join("log.redb");
        if let Err(error) = fs::create_dir_all(&config.dir) {
            return Err(StreamError::Storage { path, problem: format!("its directory cannot be made: {error}") });
        }
        let file = path.clone();
        Self::open_with(path, config, Box::new(move |builder| builder.create(&file)))
    }

    /// Opens the file by `opener`, again each time it has to be opened again.
    pub(super) fn open_with(path: PathBuf, config: &EmbeddedConfig, opener: Opener) -> Result<(Self, Contents)> {
        let store = Self { path, opener, page_cache_bytes: config.page_cache_bytes, database: RwLock::new(None) };
        store.reopen()?;
        let contents = store.guarded(|| {
            store.initialize(config.partitions)?;
            store.contents(config.partitions)
        })?;
        Ok((store, contents))
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file again after a write failed. What was committed is there, what was not is not.
    pub(super) fn reopen(&self) -> Result<()> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The lock on the file goes with the old handle, so that one goes first.
        self.close(database.take())?;
        let mut builder = Builder::new();
        builder.set_cache_size(self.page_cache_bytes);
        *database = Some(self.guarded(|| (self.opener)(&builder).map_err(|error| self.open_error(error)))?);
        Ok(())
    }

    /// Closing walks the file's pages too.
    fn close(&self, database: Option<Database>) -> Result<()> {
        self.guarded(|| {
            drop(database);
            Ok(())
        })
    }

    /// Runs what walks the file's pages. redb trusts those that its checksums do not cover, and panics on nonsense: that is the
    /// file's fault, and no reason to fall over.
    fn guarded<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            let problem = format!("it cannot be made sense of ({})", said.unwrap_or("no reason given"));
            Err(StreamError::Corrupt { path: self.path.clone(), place: "a page".into(), problem })
        })
    }

    /// Writes all of the batch, durably, or nothing. Writing the same batch again is harmless.
    pub(super) fn write(&self, batch: &Batch) -> Result<()> {
        self.guarded(|| self.write_blocks(batch))
    }

    fn write_blocks(&self, batch: &Batch) -> Result<()> {
        self.transact(|transaction| {
            let mut blocks = transaction.open_table(BLOCKS)?;
            let mut partitions = transaction.open_table(PARTITIONS)?;
            let mut touched = HashMap::new();
            for block in &batch.blocks {
                let at = (block.topic.index() as u8, block.partition);
                let state = match touched.get_mut(&at) {
                    Some(state) => state,
                    None => {
                        let stored = partitions.get(at)?.map_or((0, 0, 0), |state| state.value());
                        touched.entry(at).or_insert(stored)
                    }
                };
                let replaced =
                    blocks.insert((at.0, at.1, block.offsets.start), &block.value[..])?.map_or(0, |old| old.value().len());
                *state = (state.0, block.offsets.end, state.2 + block.value.len() as u64 - replaced as u64);
            }
            for (at, state) in touched {
                partitions.insert(at, state)?;
            }
            let mut committed = transaction.open_table(COMMITTED)?;
            for commit in &batch.commits {
                committed.insert((commit.topic.index() as u8, &*commit.group, commit.partition), commit.next)?;
            }
            Ok(())
        })
    }

    /// Removes blocks that retention no longer keeps, oldest first, a bounded number at a time. The newest block of a
    /// partition stays, as in Kafka the segment that is being written does.
    pub(super) fn expire(&self, config: &EmbeddedConfig, now: Timestamp) -> Result<Vec<Expired>> {
        self.guarded(|| self.expire_blocks(config, now))
    }

    fn expire_blocks(&self, config: &EmbeddedConfig, now: Timestamp) -> Result<Vec<Expired>> {
        let mut due = Vec::new();
        let reading = self.begin_read()?;
        let partitions = reading.open_table(PARTITIONS).map_err(|error| self.error(error))?;
        let blocks = reading.open_table(BLOCKS).map_err(|error| self.error(error))?;
        for topic in Topic::ALL {
            let retention = config.retention.of(topic);
            let age_us = i64::try_from(retention.max_age_ms.saturating_mul(1000)).unwrap_or(i64::MAX);
            for partition in 0..config.partitions {
                let at = (topic.index() as u8, partition);
                let Some(state) = partitions.get(at).map_err(|error| self.error(error))? else { continue };
                let (mut oldest, next, mut bytes) = state.value();
                let (first_oldest, mut keys) = (oldest, Vec::new());
                let range = blocks.range((at.0, at.1, 0)..(at.0, at.1, u64::MAX)).map_err(|error| self.error(error))?;
                for entry in range.take(EXPIRE_BLOCKS) {
                    let (key, value) = entry.map_err(|error| self.error(error))?;
                    let (base, value) = (key.value().2, value.value());
                    let header = Header::read(value).map_err(|problem| self.corrupt(topic, partition, base, problem))?;
                    let end = base + header.records as u64;
                    let too_old = retention.max_age_ms > 0 && header.appended.plus_micros(age_us) <= now;
                    let too_many = retention.max_partition_bytes > 0 && bytes > retention.max_partition_bytes;
                    if end >= next || !(too_old || too_many) {
                        break;
                    }
                    bytes = bytes.saturating_sub(value.len() as u64);
                    oldest = end;
                    keys.push((at.0, at.1, base));
                }
                if !keys.is_empty() {
                    let expired = Expired { topic, partition, records: oldest - first_oldest, oldest };
                    due.push((expired, keys, (at, (oldest, next, bytes))));
                }
            }
        }
        drop((partitions, blocks, reading));
        if !due.is_empty() {
            self.transact(|transaction| {
                let mut blocks = transaction.open_table(BLOCKS)?;
                let mut partitions = transaction.open_table(PARTITIONS)?;
                for (_, keys, (at, state)) in &due {
                    for key in keys {
                        blocks.remove(*key)?;
                    }
                    partitions.insert(*at, *state)?;
                }
                Ok(())
            })?;
        }
        Ok(due.into_iter().map(|(expired, ..)| expired).collect())
    }

    /// Appends records from offset `from` on to `fetched`, whole blocks until it holds `limit_bytes`. The caller says
    /// where reading stands; this moves `next` past what was read.
    pub(super) fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        limit_bytes: usize,
        fetched: &mut Fetched,
    ) -> Result<()> {
        self.guarded(|| self.read_blocks(topic, partition, from, limit_bytes, fetched))
    }

    fn read_blocks(&self, topic: Topic, partition: u32, from: u64, limit_bytes: usize, fetched: &mut Fetched) -> Result<()> {
        let reading = self.begin_read()?;
        let blocks = reading.open_table(BLOCKS).map_err(|error| self.error(error))?;
        let partitions = reading.open_table(PARTITIONS).map_err(|error| self.error(error))?;
        let (topic_key, last) = (topic.index() as u8, u64::MAX);
        let state = partitions.get((topic_key, partition)).map_err(|error| self.error(error))?;
        let oldest = state.map_or(0, |state| state.value().0);
        let mut expected = from.max(oldest);
        // The block that holds `from` may begin before it.
        let start = blocks
            .range((topic_key, partition, 0)..=(topic_key, partition, from))
            .map_err(|error| self.error(error))?
            .next_back()
            .transpose()
            .map_err(|error| self.error(error))?
            .map_or(from, |(key, _)| key.value().2);
        for entry in
            blocks.range((topic_key, partition, start)..(topic_key, partition, last)).map_err(|error| self.error(error))?
        {
            let (key, value) = entry.map_err(|error| self.error(error))?;
            let (base, value) = (key.value().2, value.value());
            let corrupt = |problem| self.corrupt(topic, partition, base, problem);
            let header = Header::read(value).map_err(corrupt)?;
            let end = base + header.records as u64;
            if end <= from {
                continue;
            }
            if base > expected {
                return Err(corrupt(format!("the records {expected} to {} before it are missing", base - 1)));
            }
            let begin = (fetched.payloads.len(), fetched.ends.len());
            header.unpack(value, &mut fetched.payloads, &mut fetched.ends).map_err(corrupt)?;
            drop_front(fetched, begin, from.saturating_sub(base) as usize);
            fetched.offsets.extend(base.max(from)..end);
            (fetched.next, expected) = (end, end);
            if fetched.payloads.len() >= limit_bytes {
                break;
            }
        }
        Ok(())
    }

    fn initialize(&self, partitions: u32) -> Result<()> {
        let mut existing = (None, None);
        self.transact(|transaction| {
            transaction.open_table(BLOCKS)?;
            transaction.open_table(PARTITIONS)?;
            transaction.open_table(COMMITTED)?;
            let mut meta = transaction.open_table(META)?;
            existing = (meta.get("format")?.map(|v| v.value()), meta.get("partitions")?.map(|v| v.value()));
            if existing == (None, None) {
                meta.insert("format", FORMAT)?;
                meta.insert("partitions", u64::from(partitions))?;
            }
            Ok(())
        })?;
        match existing {
            (None, None) => Ok(()),
            (Some(FORMAT), Some(stored)) if stored == u64::from(partitions) => Ok(()),
            (Some(FORMAT), Some(stored)) => Err(StreamError::Config {
                field: "partitions".into(),
                problem: format!(
                    "is {partitions}, but the log {} was made with {stored}: set it to {stored}, or choose another directory",
                    self.path.display()
                ),
            }),
            (format, _) => Err(StreamError::Corrupt {
                path: self.path.clone(),
                place: "its header".into(),
                problem: format!("format {format:?}, but this program knows format {FORMAT}"),
            }),
        }
    }

    fn contents(&self, partitions: u32) -> Result<Contents> {
        let reading = self.begin_read()?;
        let mut contents = Contents::default();
        let stored = reading.open_table(PARTITIONS).map_err(|error| self.error(error))?;
        for topic in Topic::ALL {
            for partition in 0..partitions {
                let state = stored.get((topic.index() as u8, partition)).map_err(|error| self.error(error))?;
                let (oldest, next, _) = state.map_or((0, 0, 0), |state| state.value());
                contents.bounds[topic.index()].push(oldest..next);
            }
        }
        let committed = reading.open_table(COMMITTED).map_err(|error| self.error(error))?;
        for entry in committed.iter().map_err(|error| self.error(error))? {
            let (key, next) = entry.map_err(|error| self.error(error))?;
            let (topic, group, partition) = key.value();
            let Some(topic) = Topic::ALL.get(usize::from(topic)) else { continue };
            contents.commits.push(Commit { topic: *topic, group: group.to_owned(), partition, next: next.value() });
        }
        Ok(contents)
    }

    /// Runs `work` in one durable transaction. Whatever fails, nothing of it stays.
    fn transact(&self, work: impl FnOnce(&redb::WriteTransaction) -> Result<(), Error>) -> Result<()> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = &*database else { return Err(self.closed()) };
        let write = || {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            // Keeps opening after a kill instant: without it, redb reads the whole file to find what is free.
            transaction.set_quick_repair(true);
            work(&transaction)?;
            transaction.commit()?;
            Ok(())
        };
        write().map_err(|error: Error| self.error(error))
    }

    fn begin_read(&self) -> Result<ReadTransaction> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = &*database else { return Err(self.closed()) };
        database.begin_read().map_err(|error| self.error(error))
    }

    fn closed(&self) -> StreamError {
        let problem = "is not open since a write failed; it is tried again by and by".into();
        StreamError::Storage { path: self.path.clone(), problem }
    }

    fn corrupt(&self, topic: Topic, partition: u32, base: u64, problem: String) -> StreamError {
        StreamError::Corrupt { path: self.path.clone(), place: format!("{topic} partition {partition} offset {base}"), problem }
    }

    fn open_error(&self, error: DatabaseError) -> StreamError {
        match error {
            DatabaseError::DatabaseAlreadyOpen => StreamError::Locked { path: self.path.clone() },
            // What redb says of a file that is something else.
            DatabaseError::Storage(StorageError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                StreamError::Corrupt { path: self.path.clone(), place: "its header".into(), problem: error.to_string() }
            }
            error => self.error(error),
        }
    }

    fn error(&self, error: impl Into<Error>) -> StreamError {
        let path = self.path.clone();
        match error.into() {
            Error::Corrupted(problem) => StreamError::Corrupt { path, place: "a page".into(), problem },
            // The program always names its tables in one way: what differs was not written by it, or not as it stands there now.
            error @ (Error::TableTypeMismatch { .. }
            | Error::TypeDefinitionChanged { .. }
            | Error::TableIsMultimap { .. }
            | Error::TableIsNotMultimap { .. }) => {
                StreamError::Corrupt { path, place: "the list of tables".into(), problem: error.to_string() }
            }
            Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
                StreamError::Corrupt { path, place: "its end".into(), problem: "the file is shorter than what it holds".into() }
            }
            Error::Io(error) => {
                let advice = match error.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => "make room on the disk",
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "make it writable",
                    _ => "check the disk",
                };
                StreamError::Storage { path, problem: format!("{error}; {advice}") }
            }
            error => StreamError::Storage { path, problem: error.to_string() },
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let database = self.database.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Err(error) = self.close(database) {
            tracing::error!(%error, "the log could not be closed in order; what was acknowledged is in it");
        }
    }
}

/// Drops the first `records` of a block that was unpacked behind `begin` (payload bytes, ends).
fn drop_front(fetched: &mut Fetched, begin: (usize, usize), records: usize) {
    if records == 0 {
        return;
    }
    let cut = fetched.ends[begin.1 + records - 1] - begin.0;
    fetched.payloads.drain(begin.0..begin.0 + cut);
    fetched.ends.drain(begin.1..begin.1 + records);
    fetched.ends[begin.1..].iter_mut().for_each(|end| *end -= cut);
}
