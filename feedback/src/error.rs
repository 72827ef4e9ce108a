//! What can be wrong with a record. Always the sender's fault: trying again with the same bytes gives the same answer.

/// Why a record was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedbackError {
    /// A time that is not RFC 3339.
    #[error("`{text}` is not a time: write it as RFC 3339, for example 2026-03-20T09:00:00Z")]
    Time {
        /// The beginning of what was given.
        text: String,
    },
    /// An identity that is not `source:native-id`.
    #[error("`{id}` is not an id: write it as source:native-id, a source being lower-case letters, digits, `_` or `-`")]
    Id {
        /// The beginning of what was given.
        id: String,
    },
    /// A word outside a closed vocabulary.
    #[error("`{word}` is not a {vocabulary}: use one of {known}")]
    Word {
        /// Which vocabulary.
        vocabulary: &'static str,
        /// What was given.
        word: String,
        /// What would have been understood.
        known: String,
    },
    /// A field that is out of its range.
    #[error("field `{field}` {problem}")]
    Field {
        /// The JSON name of the field.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// JSON that is not a record.
    #[error("not a feedback record: {0}")]
    Json(String),
}
