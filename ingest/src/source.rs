//! What a door is: something that yields records and is told when they are safe.
//!
//! Adding a door is one file: implement [`Source`], hand it to the [`crate::runner::Runner`]. The runner brings log, cursor
//! store, back-off, metrics and the stop signal.

use std::time::Duration;

use feedback::Feedback;

/// Records in order, and the cursor at which the source stands once they are in the log.
#[derive(Clone, Debug, Default)]
pub struct SourceBatch {
    /// What was seen.
    pub records: Vec<Feedback>,
    /// What could not be understood: goes to the dead letters.
    pub rejected: Vec<Rejected>,
    /// Where to resume; stored only after the log has acknowledged the records. `None`: unchanged.
    pub cursor: Option<String>,
}

/// Something that was not a record, with the reason and the original bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Why, in words that the sender understands.
    pub reason: String,
    /// What came.
    pub bytes: Vec<u8>,
}

/// Why a source could not yield a batch, and whether trying again helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The upstream could not be reached or answered nonsense: tried again with back-off.
    #[error("{upstream}: {problem}")]
    Upstream {
        /// Whom we asked, without secrets.
        upstream: String,
        /// What happened.
        problem: String,
    },
    /// The upstream asked for patience: tried again after its own wait, or the back-off's if that is longer.
    #[error("{upstream} asks to wait {} s", wait.as_secs())]
    Busy {
        /// Whom we asked, without secrets.
        upstream: String,
        /// How long it wants us to wait.
        wait: Duration,
    },
    /// Trying again gives the same answer until a person changes something: the source stops, all others go on.
    #[error("{problem}: {remedy}")]
    Unusable {
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
}

impl SourceError {
    /// An error that time may heal.
    pub fn upstream(upstream: impl Into<String>, problem: impl ToString) -> Self {
        Self::Upstream { upstream: upstream.into(), problem: problem.to_string() }
    }

    /// An error that only a person can heal.
    pub fn unusable(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Unusable { problem: problem.into(), remedy: remedy.into() }
    }

    /// Whether trying again is pointless.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Unusable { .. })
    }

    /// The wait that the upstream asked for.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Busy { wait, .. } => Some(*wait),
            _ => None,
        }
    }
}

/// One door.
#[async_trait::async_trait]
pub trait Source: Send {
    /// The source's name: the first part of every id it yields, and the name of its cursor file.
    fn name(&self) -> &str;

    /// Called once, before the first [`Self::next`], with the cursor of the last batch that the log acknowledged.
    fn resume(&mut self, cursor: Option<&str>) -> Result<(), SourceError>;

    /// Waits for the next batch. `Ok(None)`: the source has ended. A batch without records but with a cursor moves the cursor
    /// over what was of no interest. After an error the source is asked again and goes on where it stood.
    ///
    /// Cancel-safe: dropping the future loses nothing that a later call (or a resume from the last stored cursor) would not
    /// yield again.
    async fn next(&mut self) -> Result<Option<SourceBatch>, SourceError>;
}
