//! Checkpoints: a snapshot on disk, from which a restart continues as if nothing had happened.
//!
//! A checkpoint is a manifest and the part files it names. Part files are written once and never changed; a part that has not changed
//! since the last checkpoint is named again, not written again. Order on disk: every new part, flushed; then the manifest under a
//! temporary name, flushed, renamed, the directory flushed. So a manifest that can be read names only whole parts, and whatever a crash leaves
//! behind is a file that nobody names. Everything carries a checksum; the newest manifest all of whose parts are whole is used. The
//! last two are kept, what neither names is removed.

pub(crate) mod codec;
mod manifest;
mod parts;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_128;

use self::codec::Malformed;
use self::manifest::{Manifest, PartFile, SegmentEntry};
use self::parts::{Kind, PartId};
use crate::config::Config;
use crate::error::AggregateError;
use crate::events::EventStore;
use crate::life::{LifeBlock, Lives};
use crate::rows::Rows;
use crate::segment::Segment;
use crate::state::State;

/// Checkpoints kept: the newest, and one to fall back on.
const KEPT: usize = 2;

/// Bytes written between two flushes. The file system may make a flush of the log wait until everything written before it is on the disk
/// (ext4 does): never more than this.
const FLUSH_BYTES: usize = 2 << 20;

/// Threads that read parts when restoring.
const READERS: usize = 2;

const MANIFEST_PREFIX: &str = "checkpoint-";
const MANIFEST_SUFFIX: &str = ".manifest";

/// The directory, and what this process knows to be whole in it.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    next_sequence: u64,
    /// Oldest first.
    kept: Vec<Manifest>,
}

/// What a restore found.
pub(crate) struct Restored {
    pub(crate) store: Store,
    pub(crate) state: Option<State>,
    /// Manifests that could not be used, with the reason.
    pub(crate) refused: Vec<AggregateError>,
}

impl Store {
    /// Opens the directory, made if need be, and reads the newest checkpoint that is whole.
    pub(crate) fn open(dir: &Path, config: &Config) -> Result<Restored, AggregateError> {
        fs::create_dir_all(dir).map_err(|error| disk("make directory", dir, error))?;
        let entries = fs::read_dir(dir).map_err(|error| disk("list", dir, error))?;
        let mut sequences: Vec<u64> = entries.flatten().filter_map(|entry| sequence_of(entry.file_name().to_str()?)).collect();
        sequences.sort_unstable();
        let next_sequence = sequences.last().map_or(0, |last| last + 1);
        let mut store = Self { dir: dir.to_owned(), next_sequence, kept: Vec::new() };
        let mut refused = Vec::new();
        while let Some(sequence) = sequences.pop() {
            match store.load(sequence, config) {
                Ok((manifest, state)) => {
                    store.kept.push(manifest);
                    return Ok(Restored { store, state: Some(state), refused });
                }
                Err(error) => refused.push(error),
            }
        }
        Ok(Restored { store, state: None, refused })
    }

    fn load(&self, sequence: u64, config: &Config) -> Result<(Manifest, State), AggregateError> {
        let path = self.manifest_path(sequence);
        let bytes = fs::read(&path).map_err(|error| disk("read", &path, error))?;
        let malformed = |Malformed(problem)| AggregateError::Checkpoint { path: path.clone(), problem: problem.into() };
        let (manifest, slots, state) = manifest::decode(&bytes, config).map_err(malformed)?;
        let parts = self.load_parts(&manifest)?;
        let state = assemble(state, &manifest, &slots, parts).map_err(malformed)?;
        Ok((manifest, state))
    }

    /// Reads and decodes all parts, in two threads, in the order of the manifest.
    fn load_parts(&self, manifest: &Manifest) -> Result<Vec<(PartId, Part)>, AggregateError> {
        let files: Vec<(&PartId, &PartFile)> = manifest.parts.iter().collect();
        let next = AtomicUsize::new(0);
        let read = || {
            let mut parts = Vec::new();
            while let Some((id, file)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                parts.push((**id, self.load_part(**id, file)?));
            }
            Ok(parts)
        };
        let mut parts: Vec<(PartId, Part)> = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(read)).collect();
            let joined = readers.into_iter().map(|reader| {
                let stopped =
                    || AggregateError::Checkpoint { path: self.dir.clone(), problem: "a reading thread stopped".into() };
                reader.join().unwrap_or_else(|_| Err(stopped()))
            });
            joined.collect::<Result<Vec<_>, AggregateError>>().map(|parts| parts.into_iter().flatten().collect())
        })?;
        parts.sort_by_key(|(id, _)| *id);
        Ok(parts)
    }

    fn load_part(&self, (kind, number): PartId, file: &PartFile) -> Result<Part, AggregateError> {
        let path = self.dir.join(&file.name);
        let bytes = fs::read(&path).map_err(|error| disk("read", &path, error))?;
        let malformed = |Malformed(problem)| AggregateError::Checkpoint { path: path.clone(), problem: problem.into() };
        if bytes.len() as u64 != file.bytes || xxh3_128(&bytes) != file.checksum {
            return Err(malformed(Malformed("it is not what was written: its length or checksum is wrong")));
        }
        Ok(match kind {
            Kind::Rows => Part::Rows(parts::decode_rows(&bytes).map_err(malformed)?),
            Kind::Lives => Part::Lives(parts::decode_lives(&bytes).map_err(malformed)?),
            Kind::Cells => {
                let width = crate::cells::Width::ALL[(number & 3).min(2) as usize];
                Part::Cells(width as usize, parts::decode_buckets(&bytes, width.shards()).map_err(malformed)?)
            }
            Kind::Events | Kind::Series => Part::Bytes(bytes),
        })
    }

    /// Writes what changed; `rest` is told after every part how long it took. On an error the last checkpoint stays whole and in use, and
    /// the next attempt begins anew. Returns the bytes written.
    pub(crate) fn save(&mut self, state: &State, rest: impl Fn(Duration)) -> Result<u64, AggregateError> {
        let sequence = self.next_sequence;
        let mut manifest = Manifest { sequence, ..Manifest::default() };
        let mut written = 0;
        for (id, version) in parts::list(state) {
            let known = self.kept.last().and_then(|last| last.parts.get(&id)).filter(|file| file.version == version);
            let file = match known {
                Some(file) => file.clone(),
                None => {
                    let started = Instant::now();
                    let bytes = parts::encode(state, id)?;
                    let name = format!("{}-{:x}-{sequence}.part", id.0.as_str(), id.1);
                    write_flushed(&self.dir.join(&name), &bytes)?;
                    written += bytes.len() as u64;
                    let file = PartFile { version, name, bytes: bytes.len() as u64, checksum: xxh3_128(&bytes) };
                    rest(started.elapsed());
                    file
                }
            };
            manifest.parts.insert(id, file);
        }
        let bytes = manifest::encode(&manifest, state);
        written += bytes.len() as u64;
        let (path, temporary) = (self.manifest_path(sequence), self.dir.join(format!("{MANIFEST_PREFIX}{sequence}.tmp")));
        write_flushed(&temporary, &bytes)?;
        fs::rename(&temporary, &path).map_err(|error| disk("rename", &temporary, error))?;
        let flushed = File::open(&self.dir).and_then(|dir| dir.sync_all());
        flushed.map_err(|error| disk("flush directory", &self.dir, error))?;
        self.next_sequence = sequence + 1;
        self.kept.push(manifest);
        self.prune();
        Ok(written)
    }

    /// Removes what no kept manifest names. A failure to remove is only untidy.
    fn prune(&mut self) {
        let surplus = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..surplus);
        let mut named: BTreeSet<PathBuf> = BTreeSet::new();
        for manifest in &self.kept {
            named.insert(self.manifest_path(manifest.sequence));
            named.extend(manifest.parts.values().map(|file| self.dir.join(&file.name)));
        }
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let ours = path
                .extension()
                .and_then(|extension| extension.to_str())
                .is_some_and(|e| ["part", "manifest", "tmp"].contains(&e));
            if ours
                && !named.contains(&path)
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!(path = %path.display(), %error, "a checkpoint file that nobody needs cannot be removed");
            }
        }
    }

    fn manifest_path(&self, sequence: u64) -> PathBuf {
        self.dir.join(format!("{MANIFEST_PREFIX}{sequence}{MANIFEST_SUFFIX}"))
    }
}

/// A part as far as it can be decoded alone.
enum Part {
    Rows(Rows),
    Lives(Vec<Arc<LifeBlock>>),
    Cells(usize, Vec<(i64, crate::cells::Bucket)>),
    Bytes(Vec<u8>),
}

/// Puts the parts into the state, and checks that they belong together.
fn assemble(
    mut state: State,
    manifest: &Manifest,
    slots: &[Option<SegmentEntry>],
    parts: Vec<(PartId, Part)>,
) -> Result<State, Malformed> {
    let mut rows = std::collections::HashMap::new();
    let mut lives = std::collections::HashMap::new();
    let free = state.events.free;
    state.events = EventStore::default();
    for ((kind, number), part) in parts {
        match part {
            Part::Rows(part) => drop(rows.insert(number, part)),
            Part::Lives(part) => drop(lives.insert(number, part)),
            Part::Cells(tier, buckets) => {
                let buckets = buckets.into_iter().map(|(start, bucket)| (start, Arc::new(bucket)));
                state.cells.tiers[tier].buckets.extend(buckets);
            }
            Part::Bytes(bytes) if kind == Kind::Events => {
                parts::decode_events(&bytes, &mut state.events)?;
                state.events.versions.push(version_of(manifest, (kind, number)));
            }
            Part::Bytes(bytes) => parts::decode_series(&bytes, &mut state.series)?,
        }
    }
    for slot in slots {
        let Some((id, created)) = slot else {
            state.segments.push(None);
            continue;
        };
        let (Some(rows), Some(blocks)) = (rows.remove(id), lives.remove(id)) else {
            return Err(Malformed("a segment is missing"));
        };
        let lives = Lives::from_blocks(blocks);
        if lives.blocks.iter().any(|block| !block.is_sound()) || lives.iter().count() != rows.len() {
            return Err(Malformed("a segment's rows and lives do not belong together"));
        }
        let mut segment = Segment::new(*id, rows, lives);
        (segment.created, segment.version) = (*created, version_of(manifest, (Kind::Lives, *id)));
        state.segments.push(Some(Arc::new(segment)));
    }
    let heads =
        state.segments().flat_map(|segment| segment.lives.iter().filter(|(live, _)| *live).map(|(_, life)| life.events));
    let heads: Vec<u32> = heads.chain(state.pending.iter().map(|(_, events)| *events)).collect();
    state.events.recount(free, heads.into_iter()).ok_or(Malformed("events are chained wrongly"))?;
    state.pending_events = state.pending.iter().map(|(_, events)| state.events.chain(*events).count()).sum();
    if let Some(watermark) = state.watermark {
        for window in &mut state.windows {
            window.advance(&state.cells, watermark);
        }
    }
    Ok(state)
}

fn version_of(manifest: &Manifest, id: PartId) -> u64 {
    manifest.parts.get(&id).map_or(0, |file| file.version.0)
}

fn sequence_of(name: &str) -> Option<u64> {
    name.strip_prefix(MANIFEST_PREFIX)?.strip_suffix(MANIFEST_SUFFIX)?.parse().ok()
}

fn write_flushed(path: &Path, bytes: &[u8]) -> Result<(), AggregateError> {
    let write = || -> io::Result<()> {
        let mut file = File::create(path)?;
        for (number, chunk) in bytes.chunks(FLUSH_BYTES).enumerate() {
            if number > 0 {
                file.sync_data()?;
            }
            file.write_all(chunk)?;
        }
        file.sync_all()
    };
    write().map_err(|error| disk("write", path, error))
}

fn disk(action: &'static str, path: &Path, error: io::Error) -> AggregateError {
    AggregateError::Disk { action, path: path.to_owned(), error }
}
