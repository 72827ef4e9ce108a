//! One process a role and data directory: a file lock that the system releases, however the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Holds the data directory until dropped.
#[derive(Debug)]
pub struct DataDirLock(#[allow(dead_code, reason = "held for its drop")] File);

impl DataDirLock {
    /// Makes the directory when missing and takes the lock of `role` in it.
    ///
    /// # Errors
    /// Another process holds it, or it cannot be made.
    pub fn take(dir: &Path, role: &str) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make the data directory {}", dir.display()))?;
        let path = dir.join(format!("{role}.lock"));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who holds it is a courtesy; the answer is the same without.
                let _ = file.read_to_string(&mut holder);
                bail!(
                    "the data directory {} is in use by process {}: ask that server with `civicpulse sql --url \
                     postgres://127.0.0.1:5433`, stop it, or name another directory with --data-dir",
                    dir.display(),
                    holder.trim()
                );
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDirLock::take(dir.path(), "serve").unwrap();
        let error = DataDirLock::take(dir.path(), "serve").unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        DataDirLock::take(dir.path(), "ingest").unwrap();
        drop(first);
        DataDirLock::take(dir.path(), "serve").unwrap();
    }
}
