//! What can go wrong here, whose fault it is, and what to do.

use std::path::PathBuf;

/// Why a table, a batch or a checkpoint could not be had.
#[derive(Debug, thiserror::Error)]
pub enum AggregateError {
    /// A payload of `feedback.enriched` that is not what [`feedback::schema::ENRICHED`] says.
    #[error(
        "an enriched batch cannot be read: {problem}; the worker that wrote it and this reader disagree: run the same version of both"
    )]
    Batch {
        /// What is wrong.
        problem: String,
    },
    /// A setting that cannot work.
    #[error("configuration of aggregate: {problem}")]
    Config {
        /// Which setting, what it is, what would be right.
        problem: String,
    },
    /// A window that is not a length; the one who asks has to write another.
    #[error("`{written}` is not a window: {problem}")]
    Window {
        /// As it was written.
        written: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A table that could not be computed; trying again on the same snapshot gives the same answer.
    #[error("table {table} could not be computed: {problem}")]
    Table {
        /// The table.
        table: &'static str,
        /// What went wrong.
        problem: String,
    },
    /// Arrow refused: a mistake in this program or memory that ran out.
    #[error("arrow: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The disk refused. Trying again helps once there is space or permission.
    #[error("{action} {path}: {error}; free space or fix permissions, the last good checkpoint stays in use")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A checkpoint file that is torn or not one; an older one is used.
    #[error(
        "checkpoint {path} cannot be used: {problem}; an older one is tried, else the log is read again from its beginning"
    )]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The log refused in a way that waiting does not mend.
    #[error(transparent)]
    Stream(#[from] stream::StreamError),
}
