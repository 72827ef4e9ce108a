//! How far each raw partition has been applied: the whole of exactly-once in this crate.
//!
//! The argument. A worker reads raw records from the offset its group committed, writes enriched batches in raw order to the
//! enriched partition of the same number, each naming the stretch `[first, next)` of raw offsets that it covers, and commits raw
//! offset `n` only after every batch up to `n` is acknowledged. Hence in the enriched log, in front of any batch that begins at `first`,
//! there are batches that together cover everything before `first` - written by this worker or by those before it. What
//! the log may hold too many are repetitions: of a worker that died between writing and committing, of one that lost its partition and
//! did not know it yet, of a producer that retried. They carry the same raw offsets, so:
//!
//! - `next <= applied_next`: a repetition; skipped whole.
//! - `first <= applied_next < next`: new from `applied_next` on; rows before it are skipped.
//! - `first > applied_next`: a gap. By the argument it cannot arise from crashes; it would mean lost records, so it is not applied,
//!   but counted and shown in `pipeline`, and the partition waits for the stretch to be written again, which workers do
//!   from their commit. Three exceptions continue behind the gap, loudly: the partition has never been seen (the raw log may begin
//!   anywhere), the reader reports that retention removed enriched records, or a record in between could not be decoded
//!   (waiting for bytes that are there and broken would wait for ever).
//!
//! Position in the enriched log, `applied_next` and everything counted are saved in one checkpoint and restored together. After a
//! crash the log is read again from the saved position: what comes is judged by the same three rules against the same state, so it
//! ends as if there had been no crash. Order between partitions does not matter, since all tables are functions of sets.

use crate::input::Coverage;

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Apply the rows whose raw offset is at least this.
    Apply(u64),
    /// Nothing in it is new.
    Replay,
    /// Something before it is missing.
    Gap,
}

/// One partition of the log.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Partition {
    /// Raw records before this offset are applied; `None` if none has come.
    pub(crate) applied_next: Option<u64>,
    /// Where reading of the enriched partition of the same number goes on.
    pub(crate) enriched_next: u64,
    /// Highest event time seen, in microseconds.
    pub(crate) highest_event: Option<i64>,
    /// Enriched records are known to be lost: the next gap is accepted.
    pub(crate) records_lost: bool,
    pub(crate) batches: u64,
    pub(crate) rows: u64,
    pub(crate) replayed_batches: u64,
    pub(crate) gaps: u64,
    pub(crate) gaps_accepted: u64,
    pub(crate) undecodable_batches: u64,
    pub(crate) late_rows: u64,
    pub(crate) expired_rows: u64,
}

impl Partition {
    /// Judges a batch, and notes it as applied if it is to be.
    pub(crate) fn step(&mut self, coverage: &Coverage) -> Step {
        let Coverage { first, next, .. } = *coverage;
        let applied = self.applied_next.unwrap_or(first);
        if self.applied_next.is_some() && next <= applied {
            self.replayed_batches += 1;
            return Step::Replay;
        }
        if first > applied {
            if !self.records_lost {
                self.gaps += 1;
                return Step::Gap;
            }
            self.gaps_accepted += 1;
        }
        self.records_lost = false;
        self.applied_next = Some(next);
        self.batches += 1;
        Step::Apply(applied.max(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(partition: &mut Partition, first: u64, next: u64) -> Step {
        partition.step(&Coverage { partition: 0, first, next })
    }

    #[test]
    fn new_repeated_overlapping_missing() {
        let mut partition = Partition::default();
        assert_eq!(step(&mut partition, 5, 10), Step::Apply(5));
        assert_eq!(step(&mut partition, 5, 10), Step::Replay);
        assert_eq!(step(&mut partition, 7, 12), Step::Apply(10));
        assert_eq!(step(&mut partition, 13, 20), Step::Gap);
        assert_eq!((partition.applied_next, partition.gaps), (Some(12), 1));
        partition.records_lost = true;
        assert_eq!(step(&mut partition, 13, 20), Step::Apply(13));
        assert_eq!(step(&mut partition, 21, 22), Step::Gap);
        assert_eq!((partition.gaps, partition.gaps_accepted), (2, 1));
    }
}
