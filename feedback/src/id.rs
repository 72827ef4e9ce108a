//! Identity: `source:native-id`. The same thing seen twice is one thing.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::error::FeedbackError;

/// Longest id in bytes: keys stay small in every index.
pub const MAX_ID_BYTES: usize = 512;

/// `source:native-id`, for example `boston311:101000295613`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct FeedbackId(#[schemars(regex(pattern = r"^[a-z0-9_-]+:.+$"), length(max = 512))] String);

/// A 128-bit hash of an id: what indexes hold instead of the text. Two ids of ten million collide with probability 1e-25.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdKey(pub u128);

impl IdKey {
    /// The key of an id given as text.
    pub fn of(id: &str) -> Self {
        Self(xxh3_128(id.as_bytes()))
    }
}

impl FeedbackId {
    /// Joins a source and the id that the source itself uses.
    pub fn new(source: &str, native_id: &str) -> Result<Self, FeedbackError> {
        format!("{source}:{native_id}").parse()
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first colon.
    pub fn source(&self) -> &str {
        source_of(&self.0)
    }

    /// The part after the first colon.
    pub fn native_id(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, native)| native)
    }

    /// What indexes hold.
    pub fn key(&self) -> IdKey {
        IdKey::of(&self.0)
    }
}

/// The source in an id given as text: what stands before the first colon.
pub fn source_of(id: &str) -> &str {
    id.split_once(':').map_or("", |(source, _)| source)
}

/// Whether `text` is a valid id, without keeping it.
pub fn is_valid_id(text: &str) -> bool {
    let Some((source, native)) = text.split_once(':') else { return false };
    text.len() <= MAX_ID_BYTES && is_valid_source(source) && !native.is_empty() && !native.bytes().any(|b| b.is_ascii_control())
}

/// Whether `text` can name a source.
pub fn is_valid_source(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

impl FromStr for FeedbackId {
    type Err = FeedbackError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_valid_id(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(FeedbackError::Id { id: text.chars().take(64).collect() })
        }
    }
}

impl<'de> Deserialize<'de> for FeedbackId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for FeedbackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_source_and_a_native_id() {
        let id = FeedbackId::new("bluesky", "did:plc:abc/3k").unwrap();
        assert_eq!((id.source(), id.native_id()), ("bluesky", "did:plc:abc/3k"));
        for bad in ["", "x", ":1", "Boston:1", "a b:1", "boston311:", "a:\n"] {
            assert!(bad.parse::<FeedbackId>().is_err(), "{bad:?}");
        }
        assert!(format!("a:{}", "x".repeat(MAX_ID_BYTES)).parse::<FeedbackId>().is_err());
    }
}
