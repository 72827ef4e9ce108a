//! The key that makes pseudonyms of authors: from a file, from the environment, or made once and kept in the data directory.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use crate::config::secrets;

/// The environment variable that may hold the key.
pub const VARIABLE: &str = "CIVICPULSE_PSEUDONYM_KEY";

/// Reads the key, making one where none is configured.
///
/// # Errors
/// What is configured is not 32 bytes in hexadecimal, or the key cannot be kept.
pub fn key(file: Option<&Path>, data_dir: &Path) -> Result<[u8; 32]> {
    if let Some(secret) = secrets::read("enrich.pseudonym_key_file", file, VARIABLE)? {
        return parse(secret.expose()).context("enrich.pseudonym_key_file");
    }
    let kept = data_dir.join("pseudonym.key");
    if !kept.exists() {
        make(&kept)?;
    }
    let text = std::fs::read_to_string(&kept).with_context(|| format!("cannot read {}", kept.display()))?;
    parse(text.trim()).with_context(|| kept.display().to_string())
}

fn make(path: &Path) -> Result<()> {
    let key: [u8; 32] = rand::random();
    let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let dir = path.parent().context("the key lies in a directory")?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    // Whole or not at all: half a key would make half of all pseudonyms wrong.
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .with_context(|| format!("cannot write {}", fresh.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path).with_context(|| format!("cannot write {}", path.display()))
}

fn parse(text: &str) -> Result<[u8; 32]> {
    let wrong = || anyhow!("the key is not 64 hexadecimal digits (32 bytes)");
    if text.len() != 64 || !text.is_ascii() {
        return Err(wrong());
    }
    let mut key = [0; 32];
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_kept_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let first = key(None, dir.path()).unwrap();
        assert_eq!(key(None, dir.path()).unwrap(), first);
        let mode = std::fs::metadata(dir.path().join("pseudonym.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }

    #[test]
    fn a_wrong_key_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        for bad in ["abc", &"g".repeat(64), &"é".repeat(32)] {
            std::fs::write(&file, bad).unwrap();
            let error = format!("{:#}", key(Some(&file), dir.path()).unwrap_err());
            assert!(error.contains("64 hexadecimal digits") && !error.contains(bad), "{error}");
        }
        std::fs::write(&file, "0f".repeat(32)).unwrap();
        assert_eq!(key(Some(&file), dir.path()).unwrap(), [15; 32]);
    }
}
