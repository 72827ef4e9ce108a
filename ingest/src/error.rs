//! Why a bulk import could not start or stopped. What concerns one file is in its outcome; what concerns one row is a dead letter.

use std::path::PathBuf;

use stream::StreamError;

/// The error of an import.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// The mapping cannot be used; nothing was imported.
    #[error("mapping {}: {problem}", path.display())]
    Mapping {
        /// The mapping file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The options do not fit together; nothing was imported.
    #[error("{0}")]
    Options(String),
    /// One file could not be read, or not to its end. Rows before the break are in the log.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was found, and what to do.
        problem: String,
    },
    /// The log did not take the records. What was acknowledged stays; importing again is harmless.
    #[error("the import stopped: {0}")]
    Log(#[from] StreamError),
}
