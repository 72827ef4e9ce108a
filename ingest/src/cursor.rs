//! Where each source stands: one small file per source, replaced atomically.
//!
//! A crash at any point leaves either the old or the new cursor, never a mixture: the new text is written beside the old file,
//! synced, renamed over it, and the directory is synced.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use feedback::Timestamp;
use feedback::id::is_valid_source;
use serde::{Deserialize, Serialize};

/// The layout of a cursor file that this build writes and reads.
pub const CURSOR_VERSION: u32 = 1;

/// Largest cursor in bytes: sources keep bounded state, and a file that is larger was not written by one.
pub const MAX_CURSOR_BYTES: u64 = 32 << 20;

/// Why a cursor could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    /// The disk refused.
    #[error("cannot {action} {}: {error}; check the data directory's permissions and free space", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is not a cursor of this version and source.
    #[error("{} is not a cursor of `{name}`: {problem}; restore it, or delete it to let the source start afresh", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The source.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A name that cannot name a source, and so no file.
    #[error("`{name}` cannot name a source: use lower-case letters, digits, `_` or `-`")]
    Name {
        /// What was given.
        name: String,
    },
}

/// What a cursor file holds.
#[derive(Serialize, Deserialize)]
struct CursorFile {
    version: u32,
    source: String,
    saved_at: Timestamp,
    cursor: String,
}

/// The cursors of all sources, in `<data_dir>/cursors/`. Blocking: call it off the async threads.
#[derive(Clone, Debug)]
pub struct CursorStore {
    folder: PathBuf,
}

impl CursorStore {
    /// Opens (and creates) `<data_dir>/cursors/`.
    pub fn open(data_dir: &Path) -> Result<Self, CursorError> {
        let folder = data_dir.join("cursors");
        fs::create_dir_all(&folder).map_err(|error| CursorError::Io { action: "create", path: folder.clone(), error })?;
        Ok(Self { folder })
    }

    /// The folder, where a source may keep state of its own under its name.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The last cursor saved for a source; `None` if it never ran.
    pub fn load(&self, name: &str) -> Result<Option<String>, CursorError> {
        let path = self.path(name)?;
        let damaged = |problem: String| CursorError::Damaged { path: path.clone(), name: name.to_owned(), problem };
        let failed = |error| CursorError::Io { action: "read", path: path.clone(), error };
        let bytes = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(metadata) if metadata.len() > MAX_CURSOR_BYTES => {
                return Err(damaged(format!("it has {} bytes, at most {MAX_CURSOR_BYTES} are possible", metadata.len())));
            }
            Ok(_) => fs::read(&path).map_err(failed)?,
        };
        let file: CursorFile = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if file.version != CURSOR_VERSION {
            return Err(damaged(format!("its version is {}, this build knows {CURSOR_VERSION}", file.version)));
        }
        if file.source != name {
            return Err(damaged(format!("it belongs to `{}`", file.source)));
        }
        Ok(Some(file.cursor))
    }

    /// Replaces a source's cursor. Durable when it returns.
    pub fn save(&self, name: &str, cursor: &str, now: Timestamp) -> Result<(), CursorError> {
        let path = self.path(name)?;
        let file = CursorFile { version: CURSOR_VERSION, source: name.to_owned(), saved_at: now, cursor: cursor.to_owned() };
        let failed = |action| {
            let path = path.clone();
            move |error| CursorError::Io { action, path, error }
        };
        let bytes = serde_json::to_vec(&file).map_err(|error| failed("write")(io::Error::other(error)))?;
        let beside = path.with_extension("json.new");
        let mut new = File::create(&beside).map_err(failed("create a file beside"))?;
        new.write_all(&bytes).and_then(|()| new.sync_all()).map_err(failed("write"))?;
        fs::rename(&beside, &path).map_err(failed("replace"))?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed("sync the folder of"))
    }

    fn path(&self, name: &str) -> Result<PathBuf, CursorError> {
        if is_valid_source(name) {
            Ok(self.folder.join(format!("{name}.json")))
        } else {
            Err(CursorError::Name { name: name.chars().take(64).collect() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_saved_cursor_is_loaded_and_sources_do_not_mix() {
        let dir = tempfile::tempdir().unwrap();
        let store = CursorStore::open(dir.path()).unwrap();
        assert_eq!(store.load("a").unwrap(), None);
        for cursor in ["1", "{\"x\":\"\u{1f600}\"}"] {
            store.save("a", cursor, Timestamp::from_secs(5)).unwrap();
            assert_eq!(CursorStore::open(dir.path()).unwrap().load("a").unwrap().as_deref(), Some(cursor));
        }
        assert_eq!(store.load("b").unwrap(), None);
    }

    #[test]
    fn a_torn_write_beside_the_file_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = CursorStore::open(dir.path()).unwrap();
        store.save("a", "1", Timestamp::from_secs(5)).unwrap();
        fs::write(store.folder().join("a.json.new"), "{\"versi").unwrap();
        assert_eq!(store.load("a").unwrap().as_deref(), Some("1"));
        store.save("a", "2", Timestamp::from_secs(6)).unwrap();
        assert_eq!(store.load("a").unwrap().as_deref(), Some("2"));
    }

    #[test]
    fn what_is_not_a_cursor_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = CursorStore::open(dir.path()).unwrap();
        for bad in ["", "{", "{\"version\":2,\"source\":\"a\",\"saved_at\":\"2026-01-01T00:00:00Z\",\"cursor\":\"1\"}"] {
            fs::write(store.folder().join("a.json"), bad).unwrap();
            let message = store.load("a").unwrap_err().to_string();
            assert!(message.contains("is not a cursor of `a`") && message.contains("delete it"), "{message}");
        }
        store.save("b", "1", Timestamp::MIN.plus_micros(i64::MAX)).unwrap();
        fs::copy(store.folder().join("b.json"), store.folder().join("a.json")).unwrap();
        assert!(store.load("a").unwrap_err().to_string().contains("belongs to `b`"));
        for name in ["", "../a", "A", "a/b"] {
            assert!(matches!(store.load(name), Err(CursorError::Name { .. })), "{name:?}");
        }
    }
}
