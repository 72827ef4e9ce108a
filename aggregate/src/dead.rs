//! What could not be understood: the newest dead letters, and exact counts of all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use feedback::Timestamp;
use serde::{Deserialize, Serialize};

/// Dead letters shown; older ones are only counted.
pub(crate) const MAX_LETTERS: usize = 10_000;

/// Reasons counted apart; what comes after is counted as [`OTHER_REASONS`].
const MAX_REASONS: usize = 1_000;

const OTHER_REASONS: &str = "(other reasons)";

/// Bytes of the original shown of one letter.
const MAX_SHOWN_BYTES: usize = 16 << 10;

/// A dead letter as it lies in `feedback.dead`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DeadLetter {
    pub(crate) stage: String,
    pub(crate) source: Option<String>,
    pub(crate) reason: String,
    pub(crate) at: Option<Timestamp>,
    pub(crate) raw_partition: Option<u32>,
    pub(crate) raw_offset: Option<u64>,
    pub(crate) length: Option<u64>,
    pub(crate) bytes: Option<String>,
    pub(crate) truncated: bool,
}

/// The state behind table `dead_letters`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeadLetters {
    /// Newest last.
    pub(crate) newest: VecDeque<Arc<DeadLetter>>,
    /// How many by stage and reason.
    pub(crate) counts: BTreeMap<String, BTreeMap<String, u64>>,
    /// Letters about raw records are written in raw order; those before this offset, by stage and raw partition, are known.
    pub(crate) known: BTreeMap<String, BTreeMap<u32, u64>>,
    /// Where reading of the dead topic goes on, by partition.
    pub(crate) positions: BTreeMap<u32, u64>,
}

impl DeadLetters {
    /// Takes a payload. What is not JSON of the expected form is a dead letter about a dead letter.
    pub(crate) fn take(&mut self, payload: &[u8]) {
        let mut letter: DeadLetter = serde_json::from_slice(payload).unwrap_or_else(|error| DeadLetter {
            stage: "aggregate".into(),
            reason: format!("dead letter that cannot be read: {error}"),
            length: Some(payload.len() as u64),
            bytes: Some(String::from_utf8_lossy(payload).into_owned()),
            ..DeadLetter::default()
        });
        if let (Some(partition), Some(offset)) = (letter.raw_partition, letter.raw_offset) {
            // A worker that starts again repeats what it wrote since its commit.
            let next = self.known.entry(letter.stage.clone()).or_default().entry(partition).or_default();
            if offset < *next {
                return;
            }
            *next = offset.saturating_add(1);
        }
        if let Some(bytes) = &mut letter.bytes
            && bytes.len() > MAX_SHOWN_BYTES
        {
            let end = (0..=MAX_SHOWN_BYTES).rev().find(|end| bytes.is_char_boundary(*end)).unwrap_or(0);
            bytes.truncate(end);
            letter.truncated = true;
        }
        let reasons: usize = self.counts.values().map(BTreeMap::len).sum();
        let counts = self.counts.entry(letter.stage.clone()).or_default();
        let known = counts.contains_key(&letter.reason) || reasons < MAX_REASONS;
        *counts.entry(if known { letter.reason.clone() } else { OTHER_REASONS.into() }).or_default() += 1;
        self.newest.push_back(Arc::new(letter));
        if self.newest.len() > MAX_LETTERS {
            self.newest.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_letters_count_once_and_rubbish_is_shown() {
        let mut dead = DeadLetters::default();
        let letter = |offset: u64| {
            format!(
                r#"{{"stage":"enrich","reason":"not JSON","raw_partition":1,"raw_offset":{offset},"bytes":"x","truncated":false}}"#
            )
        };
        for offset in [3, 5, 3, 5, 9] {
            dead.take(letter(offset).as_bytes());
        }
        dead.take(b"\xFF");
        assert_eq!(dead.counts["enrich"]["not JSON"], 3);
        assert_eq!(dead.newest.len(), 4);
        assert!(dead.newest[3].reason.starts_with("dead letter that cannot be read"));
    }
}
