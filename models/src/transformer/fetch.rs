//! A model from the hub into a directory, by `hf-hub`: only the files that are read here, whole or not at all.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

use super::config::{CONFIG, Config};
use super::error::TransformerError;
use super::tokens::{MERGES, SENTENCE_PIECE, TOKENIZER_CONFIG, VOCAB_JSON, VOCAB_TXT};
use super::weights;

/// Where models come from unless told otherwise.
pub const HUB: &str = "https://huggingface.co";

/// Times that a broken transfer is taken up again.
const RETRIES: usize = 3;

/// What to fetch, from where, to where.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// `owner/name`.
    pub name: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// The hub, for example [`HUB`].
    pub endpoint: String,
    /// For models that ask for one.
    pub token: Option<String>,
    /// The directory to make. It must not exist.
    pub dir: PathBuf,
}

/// Fetches and checks that the result can be read here; gives the commit that it is. `progress` hears of each file.
///
/// # Errors
/// The hub cannot be reached or does not have it, the directory exists, or what came is not a model of three tones.
pub fn fetch(fetch: &Fetch, progress: &mut dyn FnMut(&str)) -> Result<String, TransformerError> {
    let refused =
        |problem: String| TransformerError::Fetch { name: fetch.name.clone(), endpoint: fetch.endpoint.clone(), problem };
    if !is_name(&fetch.name) {
        return Err(refused("a model's name is owner/name, of letters, digits, `.`, `_` and `-`".to_owned()));
    }
    if fetch.dir.exists() {
        return Err(refused(format!("{} exists: name a new directory", fetch.dir.display())));
    }
    let part = part_of(&fetch.dir);
    let (hub, ready) = (part.join("hub"), part.join("ready"));
    let repo = Repo::with_revision(fetch.name.clone(), RepoType::Model, fetch.revision.clone());
    // Of an attempt that broke off only the transfers are of use; its files may be those of another model.
    for stale in [ready.clone(), hub.join(repo.folder_name()).join("snapshots")] {
        if stale.exists() {
            std::fs::remove_dir_all(&stale).map_err(TransformerError::writing(&stale))?;
        }
    }
    std::fs::create_dir_all(&ready).map_err(TransformerError::writing(&ready))?;
    let api = ApiBuilder::from_cache(Cache::new(hub))
        .with_endpoint(fetch.endpoint.clone())
        .with_token(fetch.token.clone())
        .with_retries(RETRIES)
        .with_progress(false)
        .build()
        .map_err(|error| refused(explain(&error)))?
        .repo(repo);
    let info = api.info().map_err(|error| refused(explain(&error)))?;
    let there: Vec<&str> = info.siblings.iter().map(|sibling| sibling.rfilename.as_str()).collect();
    let weights = weights::FILES.iter().find(|name| there.contains(name));
    let Some(weights) = weights else {
        return Err(refused(format!("it has none of {}: other formats are not read here", weights::FILES.join(", "))));
    };
    let small = [CONFIG, TOKENIZER_CONFIG, VOCAB_TXT, VOCAB_JSON, MERGES, SENTENCE_PIECE];
    for name in small.iter().filter(|name| there.contains(*name)) {
        get(&api, name, &ready).map_err(refused)?;
        progress(name);
    }
    // Before the large file: what cannot be read here is not worth it.
    Config::read(&ready)?;
    progress(&format!("{weights} ..."));
    get(&api, weights, &ready).map_err(refused)?;
    std::fs::rename(&ready, &fetch.dir).map_err(TransformerError::writing(&fetch.dir))?;
    // What is left is the downloader's own bookkeeping.
    let _ = std::fs::remove_dir_all(&part);
    Ok(info.sha)
}

/// Where a directory is prepared. It stays after a failure, and the next try takes up the transfer where it broke off.
fn part_of(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    dir.with_file_name(name)
}

/// Hears how large a file is said to be.
struct Size<'a>(&'a Cell<usize>);

impl Progress for Size<'_> {
    fn init(&mut self, size: usize, _filename: &str) {
        self.0.set(size);
    }
    fn update(&mut self, _size: usize) {}
    fn finish(&mut self) {}
}

fn get(api: &ApiRepo, name: &str, ready: &Path) -> Result<(), String> {
    let said = Cell::new(0);
    let cached = api.download_with_progress(name, Size(&said)).map_err(|error| format!("{name}: {}", explain(&error)))?;
    // The downloader keeps blobs and links to them; the directory gets the blob itself.
    let blob = std::fs::canonicalize(&cached).map_err(|error| format!("{name}: {error}"))?;
    let bytes = std::fs::metadata(&blob).map_err(|error| format!("{name}: {error}"))?.len();
    if bytes != said.get() as u64 {
        let _ = std::fs::remove_file(&blob);
        return Err(format!("{name} came with {bytes} of {} bytes: try again", said.get()));
    }
    std::fs::rename(&blob, ready.join(name)).map_err(|error| format!("{name}: {error}"))
}

fn explain(error: &ApiError) -> String {
    let text = error.to_string();
    let hint = if text.contains("404") {
        "; is the name right, and the revision?"
    } else if text.contains("401") || text.contains("403") {
        "; it wants a token: set HF_TOKEN"
    } else {
        "; without a way to the hub, copy the model's files into a directory on this machine and name that"
    };
    text + hint
}

fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    let parts: Vec<&str> = name.split('/').collect();
    parts.len() <= 2 && parts.into_iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_hub() {
        for name in ["cardiffnlp/twitter-roberta-base-sentiment", "bert-base-uncased", "a/b.c_d"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "/", "a/", "a/b/c", "../b", "a/..", "a b", "a/b?c", "https://x"] {
            assert!(!is_name(name), "{name}");
        }
        assert_eq!(part_of(Path::new("models/tweets")), Path::new("models/tweets.part"));
    }
}
