//! What is worth a second reading.

use feedback::Urgency;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::reader::Heads;
use crate::compact::Reading;

/// Why a text goes to the second reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It may be urgent, and the first reader is unsure of something that the second one reads.
    Worth,
    /// Chosen at random, whatever it says: measures the first reader.
    Audit,
}

/// When a text is worth a second reading. Pure: the same text of the same report gets the same answer in every replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// A text may be urgent from this probability of urgent or emergency on; 0: every text may be.
    pub urgent_from: f32,
    /// A head is unsure when its most probable class is below this.
    pub unsure_below: f32,
    /// Share of all texts that is read twice at random.
    pub audit_share: f64,
    /// Fixes which texts the sample holds.
    pub seed: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { urgent_from: 0.2, unsure_below: 0.6, audit_share: 0.01, seed: 311 }
    }
}

impl Policy {
    /// Whether the text with this first reading goes to a reader of `heads`, and why. `id` and `content_key` are those of the
    /// report's version: the sample depends on them alone, so it is independent of what any model says.
    pub fn reason(&self, first: &Reading, heads: Heads, id: &str, content_key: u64) -> Option<Reason> {
        if self.is_audited(id, content_key) {
            return Some(Reason::Audit);
        }
        (self.may_be_urgent(first) && self.is_unsure(first, heads)).then_some(Reason::Worth)
    }

    fn is_audited(&self, id: &str, content_key: u64) -> bool {
        let draw = xxh3_64_with_seed(id.as_bytes(), self.seed ^ content_key);
        // 53 bits: the most that a f64 holds evenly.
        ((draw >> 11) as f64) < self.audit_share * (1u64 << 53) as f64
    }

    fn may_be_urgent(&self, first: &Reading) -> bool {
        let urgent: f32 = first.urgency[usize::from(Urgency::Urgent.code())..].iter().sum();
        urgent >= self.urgent_from
    }

    fn is_unsure(&self, first: &Reading, heads: Heads) -> bool {
        let unsure = |probabilities: &[f32]| probabilities.iter().copied().fold(0.0, f32::max) < self.unsure_below;
        unsure(&first.tone) || heads == Heads::All && (unsure(&first.signal) || unsure(&first.topic) || unsure(&first.urgency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(tone: [f32; 3], urgency: [f32; 4]) -> Reading {
        let mut reading = Reading { tone, signal: [0.0; 5], topic: [0.0; 33], urgency };
        (reading.signal[0], reading.topic[0]) = (1.0, 1.0);
        reading
    }

    fn no_audit() -> Policy {
        Policy { audit_share: 0.0, ..Policy::default() }
    }

    #[test]
    fn urgent_and_unsure_is_worth_it_and_either_alone_is_not() {
        let (sure, unsure) = ([0.9, 0.05, 0.05], [0.4, 0.35, 0.25]);
        let (urgent, routine) = ([0.1, 0.1, 0.7, 0.1], [0.9, 0.05, 0.03, 0.02]);
        for (tone, urgency, expected) in
            [(unsure, urgent, Some(Reason::Worth)), (sure, urgent, None), (unsure, routine, None), (sure, routine, None)]
        {
            assert_eq!(no_audit().reason(&reading(tone, urgency), Heads::All, "a:1", 1), expected, "{tone:?} {urgency:?}");
        }
    }

    #[test]
    fn a_reader_of_tone_alone_is_not_asked_about_urgency() {
        let doubtful_urgency = reading([0.9, 0.05, 0.05], [0.3, 0.2, 0.3, 0.2]);
        assert_eq!(no_audit().reason(&doubtful_urgency, Heads::All, "a:1", 1), Some(Reason::Worth));
        assert_eq!(no_audit().reason(&doubtful_urgency, Heads::Tone, "a:1", 1), None);
    }

    #[test]
    fn the_sample_has_its_share_and_depends_on_the_version_and_the_seed_alone() {
        let policy = Policy { audit_share: 0.1, ..Policy::default() };
        let calm = reading([0.9, 0.05, 0.05], [0.9, 0.05, 0.03, 0.02]);
        let sample = |policy: &Policy, first: &Reading| -> Vec<usize> {
            (0..20_000)
                .filter(|n| policy.reason(first, Heads::All, &format!("city:{n}"), *n as u64 * 7) == Some(Reason::Audit))
                .collect()
        };
        let chosen = sample(&policy, &calm);
        assert!((1_800..2_200).contains(&chosen.len()), "{}", chosen.len());
        let urgent = reading([0.4, 0.35, 0.25], [0.1, 0.1, 0.7, 0.1]);
        assert_eq!(chosen, sample(&policy, &urgent), "what a model says does not matter");
        assert_ne!(chosen, sample(&Policy { seed: 1, ..policy.clone() }, &calm));
        assert_eq!(sample(&Policy { audit_share: 1.0, ..policy.clone() }, &calm).len(), 20_000);
        assert!(sample(&Policy { audit_share: 0.0, ..policy }, &calm).is_empty());
    }
}
