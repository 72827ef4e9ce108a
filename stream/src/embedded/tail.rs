//! The ends of the partitions: their bounds, and the newest records in memory for consumers that keep up.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::embedded::block::Block;
use crate::{Fetched, Topic};

/// Bounds of every partition and a bounded number of recent blocks, oldest out first whichever partition they are of.
#[derive(Debug)]
pub(super) struct Tails {
    partitions: [Vec<Tail>; Topic::ALL.len()],
    /// Where the cached blocks are, in the order they came.
    order: VecDeque<(Topic, u32)>,
    cached_bytes: usize,
    limit_bytes: usize,
}

#[derive(Debug)]
struct Tail {
    bounds: Range<u64>,
    recent: VecDeque<Recent>,
}

/// A block in memory.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    pub(super) offsets: Range<u64>,
    pub(super) block: Arc<Block>,
}

/// Where records from an offset on are to be found.
#[derive(Debug)]
pub(super) enum Place {
    /// There are none yet.
    End,
    /// Here.
    Memory(Vec<Recent>),
    /// In the file.
    File,
}

impl Tails {
    /// No block in memory yet.
    pub(super) fn new(bounds: [Vec<Range<u64>>; Topic::ALL.len()], limit_bytes: usize) -> Self {
        let tail = |bounds| Tail { bounds, recent: VecDeque::new() };
        let partitions = bounds.map(|bounds| bounds.into_iter().map(tail).collect());
        Self { partitions, order: VecDeque::new(), cached_bytes: 0, limit_bytes }
    }

    /// Oldest and next offset of each partition.
    pub(super) fn bounds(&self, topic: Topic) -> Vec<Range<u64>> {
        self.partitions[topic.index()].iter().map(|tail| tail.bounds.clone()).collect()
    }

    /// Oldest and next offset of one partition.
    pub(super) fn bounds_of(&self, topic: Topic, partition: u32) -> Range<u64> {
        self.partitions[topic.index()][partition as usize].bounds.clone()
    }

    /// A block became durable.
    pub(super) fn publish(&mut self, topic: Topic, partition: u32, recent: Recent) {
        self.cached_bytes += recent.bytes();
        let tail = &mut self.partitions[topic.index()][partition as usize];
        tail.bounds.end = recent.offsets.end;
        tail.recent.push_back(recent);
        self.order.push_back((topic, partition));
        while self.cached_bytes > self.limit_bytes {
            let Some((topic, partition)) = self.order.pop_front() else { break };
            if let Some(gone) = self.partitions[topic.index()][partition as usize].recent.pop_front() {
                self.cached_bytes -= gone.bytes();
            }
        }
    }

    /// Retention moved the oldest offset. Blocks in memory may outlive their record on disk by a little.
    pub(super) fn expire(&mut self, topic: Topic, partition: u32, oldest: u64) {
        self.partitions[topic.index()][partition as usize].bounds.start = oldest;
    }

    /// Finds records from `from` on, about `limit_bytes` of them.
    pub(super) fn find(&self, topic: Topic, partition: u32, from: u64, limit_bytes: usize) -> Place {
        let tail = &self.partitions[topic.index()][partition as usize];
        let from = from.max(tail.bounds.start);
        if from >= tail.bounds.end {
            return Place::End;
        }
        let index = tail.recent.partition_point(|recent| recent.offsets.end <= from);
        match tail.recent.get(index) {
            Some(recent) if recent.offsets.start <= from => {
                let mut bytes = 0;
                let fits = |recent: &&Recent| {
                    let fits = bytes < limit_bytes;
                    bytes += recent.block.payloads.len();
                    fits
                };
                Place::Memory(tail.recent.range(index..).take_while(fits).cloned().collect())
            }
            _ => Place::File,
        }
    }
}

impl Recent {
    /// Appends its records from `from` on.
    pub(super) fn copy_to(&self, from: u64, fetched: &mut Fetched) {
        let skip = from.saturating_sub(self.offsets.start) as usize;
        let (skipped, ends) = self.block.ends.split_at(skip.min(self.block.ends.len()));
        let cut = skipped.last().copied().unwrap_or(0);
        let start = fetched.payloads.len();
        fetched.payloads.extend_from_slice(&self.block.payloads[cut..]);
        fetched.ends.extend(ends.iter().map(|end| end - cut + start));
        fetched.offsets.extend(self.offsets.start + skip as u64..self.offsets.end);
        fetched.next = self.offsets.end;
    }

    fn bytes(&self) -> usize {
        const BLOCK_OVERHEAD_BYTES: usize = 128;
        self.block.payloads.len() + size_of::<usize>() * self.block.ends.len() + BLOCK_OVERHEAD_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(offsets: Range<u64>) -> Recent {
        let mut block = Block::default();
        offsets.clone().for_each(|offset| block.push(format!("record {offset}").as_bytes()));
        Recent { offsets, block: Arc::new(block) }
    }

    fn read(tails: &Tails, from: u64) -> Option<Fetched> {
        let Place::Memory(recents) = tails.find(Topic::Raw, 0, from, usize::MAX) else { return None };
        let mut fetched = Fetched { first: from, next: from, ..Fetched::default() };
        recents.iter().for_each(|recent| recent.copy_to(from, &mut fetched));
        Some(fetched)
    }

    #[test]
    fn a_consumer_that_keeps_up_reads_from_memory_and_the_rest_from_the_file() {
        let mut tails = Tails::new(std::array::from_fn(|_| std::iter::once(0..0).collect()), 2 * recent(10..20).bytes());
        assert!(matches!(tails.find(Topic::Raw, 0, 0, 1), Place::End));
        for base in [0, 10, 20] {
            tails.publish(Topic::Raw, 0, recent(base..base + 10));
        }
        assert!(matches!(tails.find(Topic::Raw, 0, 9, 1), Place::File), "the oldest block made room");
        for from in 10..30 {
            let fetched = read(&tails, from).unwrap();
            assert_eq!(fetched.next, 30);
            let expected: Vec<_> = (from..30).map(|offset| (offset, format!("record {offset}").into_bytes())).collect();
            let read: Vec<_> = fetched.records().map(|(offset, payload)| (offset, payload.to_vec())).collect();
            assert_eq!(read, expected);
        }
        assert!(matches!(tails.find(Topic::Raw, 0, 30, 1), Place::End));
        assert!(matches!(tails.find(Topic::Raw, 0, 10, 1), Place::Memory(blocks) if blocks.len() == 1));
        assert_eq!(tails.bounds(Topic::Raw), [Range { start: 0, end: 30 }]);
    }

    #[test]
    fn nothing_is_kept_when_nothing_may_be() {
        let mut tails = Tails::new(std::array::from_fn(|_| std::iter::once(0..0).collect()), 0);
        tails.publish(Topic::Raw, 0, recent(0..10));
        assert!(matches!(tails.find(Topic::Raw, 0, 0, 1), Place::File));
        assert!(matches!(tails.find(Topic::Raw, 0, 10, 1), Place::End));
    }
}
