//! Keeps segments few and dense: small ones are merged by size class, those with many dead rows rewritten.

use std::sync::Arc;

use crate::apply::Writer;
use crate::error::AggregateError;
use crate::life::Lives;
use crate::rows::Rows;
use crate::segment::{Place, Segment};

/// Segments of one size class that are merged into one of the next: every row is copied once per class, at most five times.
const FAN_IN: usize = 8;

/// A segment of more bytes is left alone whatever its rows, so that a merge stays far below what 32-bit text offsets reach.
const MAX_MERGED_BYTES: usize = 32 << 20;

impl Writer {
    /// Merges and rewrites where it is due.
    pub(crate) fn compact(&mut self) -> Result<(), AggregateError> {
        for slot in &mut self.state.segments {
            slot.take_if(|segment| segment.live() == 0);
        }
        // A merge can fill the next class: go on until nothing is due.
        while let Some(slots) = self.due() {
            self.merge(&slots)?;
        }
        Ok(())
    }

    fn due(&self) -> Option<Vec<usize>> {
        let mut classes: [Vec<usize>; 16] = Default::default();
        for (slot, segment) in self.state.segments.iter().enumerate() {
            let Some(segment) = segment else { continue };
            if segment.dead() > segment.live() && segment.rows.len() >= 1024 {
                return Some(vec![slot]);
            }
            let small = segment.rows.len() * 2 <= self.config.segment_rows && segment.rows.bytes() < MAX_MERGED_BYTES;
            if small {
                classes[(segment.rows.len().max(1).ilog2() / 3) as usize % 16].push(slot);
            }
        }
        classes.into_iter().find(|slots| slots.len() >= FAN_IN)
    }

    fn merge(&mut self, slots: &[usize]) -> Result<(), AggregateError> {
        let mut parts: Vec<Arc<Segment>> = slots.iter().filter_map(|slot| self.state.segments[*slot].clone()).collect();
        parts.sort_by_key(|segment| segment.id);
        let filtered: Vec<_> = parts.iter().map(|segment| (&*segment.rows, segment.filter())).collect();
        let rows = Rows::merge(&filtered)?;
        let lives = parts.iter().flat_map(|segment| segment.lives.iter()).filter(|(live, _)| *live).map(|(_, life)| life);
        let lives = Lives::from_lives(&lives.collect::<Vec<_>>());
        for slot in slots {
            self.state.segments[*slot] = None;
        }
        let target = slots[0];
        for row in 0..rows.len() {
            self.index.insert(rows.key(row).into(), Place { segment: target as u32, row: row as u32 });
        }
        let segment = Segment::new(self.state.next_segment_id, rows, lives);
        self.state.next_segment_id += 1;
        self.put_segment(target, segment);
        Ok(())
    }
}
