//! What a door is: something that yields records and is told when they are safe.

use std::path::Path;
use std::time::Duration;

use feedback::{Clock, Feedback};

/// Records in order, and the cursor at which the source stands once they are in the log.
#[derive(Clone, Debug, Default)]
pub struct SourceBatch {
    /// What was seen.
    pub records: Vec<Feedback>,
    /// What could not be understood: goes to the dead letters.
    pub rejected: Vec<Rejected>,
    /// Where to resume; stored only after the log has acknowledged the records.
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

/// One door. One file per source implements it; the runner brings log, cursor store, back-off and metrics.
#[async_trait::async_trait]
pub trait Source: Send {
    /// The source's name: the first part of every id it yields.
    fn name(&self) -> &str;
    /// Waits for the next batch, starting after `cursor` on the first call. `Ok(None)`: the source has ended.
    /// Cancel-safe: a dropped call loses nothing that a later call would not yield again.
    async fn next(&mut self, cursor: Option<&str>) -> Result<Option<SourceBatch>, SourceError>;
}
