//! What a consumer reads: where it stands in each partition, and the records it has gathered but not handed out.

use crate::Fetched;

/// The partitions of one consumer, by number.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    slots: Vec<Option<Slot>>,
    staged_bytes: usize,
    /// Where the next look for gathered records begins, so that every partition has its turn.
    turn: usize,
}

#[derive(Debug)]
struct Slot {
    /// Offset to be read next; everything before it was handed out or gathered.
    position: u64,
    staged: Fetched,
}

/// What one gathered record costs besides its bytes.
const RECORD_OVERHEAD_BYTES: usize = 16;

impl Assignment {
    /// Reads `partition` from `offset` on, forgetting what was gathered.
    pub(super) fn start(&mut self, partition: u32, offset: u64) {
        self.stop(partition);
        let index = partition as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(Slot { position: offset, staged: empty(partition, offset) });
    }

    /// Reads `partition` no more; what was gathered is dropped. Whether it was read.
    pub(super) fn stop(&mut self, partition: u32) -> bool {
        let slot = self.slots.get_mut(partition as usize).and_then(Option::take);
        self.staged_bytes -= slot.as_ref().map_or(0, |slot| size(&slot.staged));
        slot.is_some()
    }

    /// Offset to be read next, if the partition is read.
    pub(super) fn position(&self, partition: u32) -> Option<u64> {
        Some(self.slots.get(partition as usize)?.as_ref()?.position)
    }

    /// Every partition that is read, and the offset to be read next.
    pub(super) fn positions(&self) -> impl Iterator<Item = (u32, u64)> {
        (0..).zip(&self.slots).filter_map(|(partition, slot)| Some((partition, slot.as_ref()?.position)))
    }

    /// Gathers a record. One that is not wanted (another's partition, read before) is left out.
    pub(super) fn stage(&mut self, partition: u32, offset: u64, payload: &[u8]) {
        let Some(Some(slot)) = self.slots.get_mut(partition as usize) else { return };
        if offset < slot.position {
            return;
        }
        slot.staged.payloads.extend_from_slice(payload);
        slot.staged.ends.push(slot.staged.payloads.len());
        slot.staged.offsets.push(offset);
        slot.staged.next = offset + 1;
        slot.position = offset + 1;
        self.staged_bytes += payload.len() + RECORD_OVERHEAD_BYTES;
    }

    /// Bytes gathered.
    pub(super) fn staged_bytes(&self) -> usize {
        self.staged_bytes
    }

    /// Hands out what was gathered of one partition, the next one in turn.
    pub(super) fn take(&mut self) -> Option<Fetched> {
        if self.staged_bytes == 0 {
            return None;
        }
        let count = self.slots.len();
        let index = (self.turn..self.turn + count).map(|index| index % count).find(|index| {
            let slot = self.slots[*index].as_ref();
            slot.is_some_and(|slot| !slot.staged.is_empty())
        })?;
        self.turn = index + 1;
        let slot = self.slots[index].as_mut()?;
        let next = empty(slot.staged.partition, slot.position);
        self.staged_bytes -= size(&slot.staged);
        Some(std::mem::replace(&mut slot.staged, next))
    }
}

fn empty(partition: u32, first: u64) -> Fetched {
    Fetched { partition, first, next: first, ..Fetched::default() }
}

fn size(staged: &Fetched) -> usize {
    staged.payloads.len() + RECORD_OVERHEAD_BYTES * staged.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_of_one_partition_and_leave_no_gap() {
        let mut assignment = Assignment::default();
        assignment.start(2, 5);
        assignment.start(0, 0);
        for (partition, offset) in [(2, 7), (0, 0), (2, 7), (2, 8), (1, 0)] {
            assignment.stage(partition, offset, b"xy");
        }
        assert_eq!(assignment.staged_bytes(), 3 * (2 + RECORD_OVERHEAD_BYTES));
        let batches: Vec<_> = std::iter::from_fn(|| assignment.take()).collect();
        assert_eq!(batches.iter().map(|b| (b.partition, b.first, b.next)).collect::<Vec<_>>(), [(0, 0, 1), (2, 5, 9)]);
        assert_eq!(batches[1].records().collect::<Vec<_>>(), [(7, &b"xy"[..]), (8, b"xy")], "a doubled message is left out");
        assignment.stage(2, 12, b"z");
        assert_eq!(assignment.take().map(|batch| (batch.first, batch.next)), Some((9, 13)), "what retention took is covered");
        assert_eq!(assignment.staged_bytes(), 0);
    }

    #[test]
    fn what_is_gathered_goes_with_the_partition() {
        let mut assignment = Assignment::default();
        assignment.start(1, 0);
        assignment.stage(1, 0, b"gone");
        assert!(assignment.stop(1) && !assignment.stop(1));
        assert_eq!((assignment.take(), assignment.staged_bytes(), assignment.position(1)), (None, 0, None));
        assignment.start(1, 9);
        assignment.stage(1, 3, b"late");
        assert_eq!(assignment.take(), None);
        assert_eq!(assignment.positions().collect::<Vec<_>>(), [(1, 9)]);
    }
}
