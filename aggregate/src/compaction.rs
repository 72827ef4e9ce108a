//! Keeps segments few and dense: small ones are merged by size class, those with many dead rows rewritten.

use std::sync::Arc;

use crate::apply::Writer;
use crate::error::AggregateError;
use crate::life::{Life, Lives};
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
        // Somewhere else than its parts, so that no row's new place is another's old one.
        let target = self.state.free_slot();
        let mut parts: Vec<(usize, Arc<Segment>)> =
            slots.iter().filter_map(|slot| Some((*slot, self.state.segments[*slot].take()?))).collect();
        parts.sort_by_key(|(_, segment)| segment.id);
        let filtered: Vec<_> = parts.iter().map(|(_, segment)| (&*segment.rows, segment.filter())).collect();
        let rows = Rows::merge(&filtered)?;
        let lives = parts.iter().flat_map(|(_, segment)| segment.lives.iter());
        let lives: Vec<Life> = lives.filter(|(live, _)| *live).map(|(_, life)| life).collect();
        let before = parts.iter().flat_map(|(slot, segment)| {
            let places = (0..).map(|row| Place { segment: *slot as u32, row });
            segment.lives.iter().zip(places).filter(|((live, _), _)| *live).map(|(_, place)| place)
        });
        for (row, before) in before.enumerate() {
            self.index.relocate(rows.key(row), before, Place { segment: target as u32, row: row as u32 });
        }
        let segment = Segment::new(self.state.next_segment_id, rows, Lives::from_lives(&lives));
        self.state.next_segment_id += 1;
        self.put_segment(target, segment);
        Ok(())
    }
}
