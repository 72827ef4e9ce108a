//! What could not be understood, with its reason and its bytes: nothing is dropped in silence.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::FeedbackError;
use crate::time::Timestamp;

/// Most bytes of the original that a dead letter keeps: a whole record at its largest.
pub const MAX_DEAD_BYTES: usize = crate::record::MAX_RECORD_BYTES;

/// One record of `feedback.dead`: a JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Where it was refused.
    pub stage: Stage,
    /// Which source it came from, as far as is known.
    pub source: Option<String>,
    /// Why, in words that the sender understands.
    pub reason: String,
    /// When it was refused.
    pub at: Timestamp,
    /// Its partition in `feedback.raw`, where it got that far.
    pub raw_partition: Option<u32>,
    /// Its offset in that partition.
    pub raw_offset: Option<u64>,
    /// How many bytes it had.
    pub length: u64,
    /// The original, or its first [`MAX_DEAD_BYTES`]; base64 in JSON.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub bytes: Vec<u8>,
    /// Whether `bytes` is only the beginning.
    pub truncated: bool,
}

/// Where a record was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// At a door: it never reached `feedback.raw`.
    Ingest,
    /// In enrichment: it lies in `feedback.raw` and could not be decoded.
    Enrich,
}

impl Stage {
    /// The stage as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Enrich => "enrich",
        }
    }
}

impl DeadLetter {
    /// A letter about `original`, cut to [`MAX_DEAD_BYTES`].
    pub fn new(stage: Stage, source: Option<&str>, reason: impl Into<String>, at: Timestamp, original: &[u8]) -> Self {
        let kept = original.len().min(MAX_DEAD_BYTES);
        Self {
            stage,
            source: source.map(str::to_owned),
            reason: reason.into(),
            at,
            raw_partition: None,
            raw_offset: None,
            length: original.len() as u64,
            bytes: original[..kept].to_vec(),
            truncated: kept < original.len(),
        }
    }

    /// Notes where in `feedback.raw` it lies.
    #[must_use]
    pub fn found_at(self, partition: u32, offset: u64) -> Self {
        Self { raw_partition: Some(partition), raw_offset: Some(offset), ..self }
    }

    /// As one JSON object.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a dead letter has only strings, numbers and booleans")
    }

    /// Reads one JSON object.
    pub fn from_json(bytes: &[u8]) -> Result<Self, FeedbackError> {
        serde_json::from_slice(bytes).map_err(|error| FeedbackError::Json(error.to_string()))
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    STANDARD.decode(text.as_bytes()).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive_and_long_ones_say_so() {
        let letter = DeadLetter::new(Stage::Enrich, Some("api"), "no id", Timestamp::from_secs(1), b"\xff\x00{").found_at(3, 9);
        assert_eq!(DeadLetter::from_json(&letter.to_json()).unwrap(), letter);
        let long = DeadLetter::new(Stage::Ingest, None, "too long", Timestamp::from_secs(1), &vec![b'x'; MAX_DEAD_BYTES + 1]);
        assert_eq!((long.bytes.len(), long.length, long.truncated), (MAX_DEAD_BYTES, MAX_DEAD_BYTES as u64 + 1, true));
    }
}
