//! What can go wrong around the worker. A bad record is none of these: it becomes a dead letter.

/// Why enrichment cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum EnrichError {
    /// The districts file cannot be read or is not what it should be. The operator's to correct.
    #[error("districts file {file}: {problem}")]
    Districts {
        /// The file as configured.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The log refused. Trying again can help.
    #[error(transparent)]
    Stream(#[from] stream::StreamError),
    /// The tier that should read every text does not answer. The cascade would go on without it.
    #[error("the transformer does not read: {0}; choose models.tier = \"cascade\" to go on without it when that happens")]
    Second(String),
    /// Arrow refused a batch that this program built: a defect here.
    #[error("cannot build an enriched batch, which is a defect in civicpulse: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}
