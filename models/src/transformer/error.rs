//! Why there is no transformer.

use std::path::{Path, PathBuf};

/// What can be wrong with a model directory, or go wrong while it works. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TransformerError {
    /// A file is not there. Whoever named the directory can help.
    #[error(
        "{dir} has no {wanted}: a model directory holds config.json, the tokenizer's files and the weights (see docs/transformer.md)"
    )]
    Missing {
        /// The directory.
        dir: String,
        /// What was looked for.
        wanted: String,
    },
    /// A file cannot be read or written. The system's to say why.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// Read or write.
        action: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it should be: another model, or a damaged download.
    #[error("{path}: {problem}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The weights do not fit the configuration.
    #[error("{path} does not fit its config.json: {problem}; were the two files made for each other?")]
    Shapes {
        /// The weights file.
        path: String,
        /// Which tensors.
        problem: String,
    },
    /// libtorch refused to do something with a model that was loaded: a defect here, or no memory.
    #[error("libtorch failed while {doing}: {problem}")]
    Torch {
        /// What it was doing.
        doing: &'static str,
        /// What it said.
        problem: String,
    },
    /// A training run that cannot be. Whoever set it up can help.
    #[error("a training run cannot be set up so: {0}")]
    Setting(&'static str),
    /// The training data is not there or not as it should be.
    #[error(transparent)]
    Train(#[from] crate::train::TrainError),
    /// What the hub said, or that it cannot be reached.
    #[error("cannot fetch {name} from {endpoint}: {problem}")]
    Fetch {
        /// The model.
        name: String,
        /// The hub.
        endpoint: String,
        /// What happened and what to do.
        problem: String,
    },
}

impl TransformerError {
    pub(super) fn missing(dir: &Path, wanted: impl Into<String>) -> Self {
        Self::Missing { dir: dir.display().to_string(), wanted: wanted.into() }
    }

    pub(super) fn content(path: &Path, problem: impl Into<String>) -> Self {
        Self::Content { path: path.display().to_string(), problem: problem.into() }
    }

    /// For `map_err` of what reads a file.
    pub(super) fn reading(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path: PathBuf = path.to_owned();
        move |source| Self::File { action: "read", path: path.display().to_string(), source }
    }

    /// For `map_err` of what writes a file.
    pub(super) fn writing(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path: PathBuf = path.to_owned();
        move |source| Self::File { action: "write", path: path.display().to_string(), source }
    }

    /// For `map_err` of what libtorch does.
    pub(super) fn torch<E: std::fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Torch { doing, problem: first_line(&error.to_string()) }
    }
}

/// libtorch appends a C++ stack trace to what it says.
pub(super) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}
