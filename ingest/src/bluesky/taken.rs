//! Which posts and accounts were ever taken: a filter that forgets nothing, so that no deletion of something taken is missed.
//!
//! Jetstream tells of every deletion in the whole network, some dozens a second; only those of posts that we took matter. A Bloom
//! filter (Bloom 1970; blocked by cache line, Putze, Sanders & Singler 2007) never says no wrongly. Its bound is [`FILTER_BYTES`],
//! for ever: at three million entries about one foreign deletion in a hundred passes, and later more. An erasure of something that
//! was never taken changes nothing downstream, so the filter gets less sharp with the years, never wrong.
//!
//! The bits are on disk before the records they stand for are given to the log. Bits are only ever set, so a write that was torn
//! by a crash leaves a filter that is as good.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

/// Size in memory and on disk: 4 MiB.
pub const FILTER_BYTES: usize = 4 << 20;
const BLOCK_BYTES: usize = 64;
const PAGE_BYTES: usize = 4_096;
/// Bits set for one entry, all in one block.
const BITS: u32 = 7;

/// The filter and its file.
#[derive(Debug)]
pub struct Taken {
    bits: Vec<u8>,
    file: File,
    /// Pages with bits that are not on disk yet, in order.
    dirty: Vec<u32>,
}

impl Taken {
    /// Opens or creates the filter's file. A file of another size is refused: it was not written by this build.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        let mut bits = vec![0; FILTER_BYTES];
        if length == 0 {
            file.set_len(FILTER_BYTES as u64)?;
            file.sync_all()?;
            if let Some(folder) = path.parent() {
                File::open(folder)?.sync_all()?;
            }
        } else if length == FILTER_BYTES as u64 {
            file.read_exact(&mut bits)?;
        } else {
            let problem = format!("it has {length} bytes, {FILTER_BYTES} are expected");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Ok(Self { bits, file, dirty: Vec::new() })
    }

    /// Remembers an entry. It is durable after the next [`Self::sync`].
    pub fn insert(&mut self, entry: &str) {
        let (block, bits) = places(entry);
        let mut is_new = false;
        for bit in bits {
            let byte = &mut self.bits[block * BLOCK_BYTES + bit / 8];
            is_new |= *byte & (1 << (bit % 8)) == 0;
            *byte |= 1 << (bit % 8);
        }
        let page = (block * BLOCK_BYTES / PAGE_BYTES) as u32;
        if is_new && let Err(at) = self.dirty.binary_search(&page) {
            self.dirty.insert(at, page);
        }
    }

    /// Whether an entry may have been inserted. `false` is certain.
    pub fn may_contain(&self, entry: &str) -> bool {
        let (block, mut bits) = places(entry);
        bits.all(|bit| self.bits[block * BLOCK_BYTES + bit / 8] & (1 << (bit % 8)) != 0)
    }

    /// Writes what is new to disk. Blocking; returns at once if nothing is new.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.dirty.is_empty() {
            return Ok(());
        }
        for page in &self.dirty {
            let start = *page as usize * PAGE_BYTES;
            self.file.write_all_at(&self.bits[start..start + PAGE_BYTES], start as u64)?;
        }
        self.file.sync_data()?;
        self.dirty.clear();
        Ok(())
    }
}

/// The block and the bits in it: nine hash bits for each.
fn places(entry: &str) -> (usize, impl Iterator<Item = usize>) {
    let hash = xxh3_128(entry.as_bytes());
    let block = (hash >> 64) as usize % (FILTER_BYTES / BLOCK_BYTES);
    (block, (0..BITS).map(move |index| (hash >> (9 * index)) as usize % (BLOCK_BYTES * 8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_never_forgotten_and_little_else_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        let mut taken = Taken::open(&path).unwrap();
        for id in 0..20_000 {
            taken.insert(&format!("did:plc:{id}"));
        }
        taken.sync().unwrap();
        taken.insert("not synced");
        drop(taken);
        let taken = Taken::open(&path).unwrap();
        assert!((0..20_000).all(|id| taken.may_contain(&format!("did:plc:{id}"))));
        assert!(!taken.may_contain("not synced"));
        assert_eq!((20_000..40_000).filter(|id| taken.may_contain(&format!("did:plc:{id}"))).count(), 0);
    }

    #[test]
    fn a_torn_write_loses_nothing_that_was_synced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        let mut taken = Taken::open(&path).unwrap();
        taken.insert("a");
        taken.sync().unwrap();
        let before = std::fs::read(&path).unwrap();
        (0..1_000).for_each(|id| taken.insert(&id.to_string()));
        taken.sync().unwrap();
        let after = std::fs::read(&path).unwrap();
        for cut in [0, 1_000_000, 2_097_153, FILTER_BYTES] {
            std::fs::write(&path, [&after[..cut], &before[cut..]].concat()).unwrap();
            assert!(Taken::open(&path).unwrap().may_contain("a"), "{cut}");
        }
        std::fs::write(&path, b"short").unwrap();
        assert!(Taken::open(&path).is_err());
    }
}
