//! What happens to a report after it was said: the part of a row that changes while its text does not.

use std::sync::Arc;

use feedback::Status;

use crate::events::{EventStore, NO_EVENT};
use crate::rows::Facts;

/// The code of an unknown status.
pub(crate) const NO_STATUS: u8 = u8::MAX;

/// An unknown moment.
pub(crate) const NO_TIME: i64 = i64::MIN;

/// Where a report stands now, derived from its own version and its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) status: u8,
    pub(crate) first_answer_us: i64,
    pub(crate) closed_us: i64,
    /// The first of its events, or [`NO_EVENT`].
    pub(crate) events: u32,
}

impl Life {
    /// Derives the present from the whole set, so that the order of arrival cannot matter.
    ///
    /// Current status: the latest by time among the report's own (updated_at, status) and its events; of two at the same moment
    /// the one with the higher code (reopened over closed). First answer: the earliest of what the source states and of events
    /// that are an answer. Closed at: the earliest closing since the report was last open; none unless it is closed now.
    pub(crate) fn derive(facts: &Facts, events: u32, store: &EventStore) -> Self {
        let own = match (facts.status, facts.closed_at) {
            (NO_STATUS, None) => None,
            (NO_STATUS, Some(closed_at)) => Some((facts.updated_at, Status::Closed.code(), closed_at)),
            (status, closed_at) => Some((facts.updated_at, status, closed_at.unwrap_or(facts.updated_at))),
        };
        let points = || own.into_iter().chain(store.chain(events).map(|event| (event.at, event.status(), event.at)));
        let closed = Status::Closed.code();
        let status = points().map(|(at, status, _)| (at, status)).max().map_or(NO_STATUS, |(_, status)| status);
        let last_open = points().filter(|point| point.1 != closed).map(|(at, status, _)| (at, status)).max();
        let closings = points().filter(|point| point.1 == closed && last_open.is_none_or(|open| (point.0, point.1) > open));
        let closed_us = if status == closed { closings.map(|point| point.2).min() } else { None };
        let answers = store.chain(events).filter(|event| Status::from_code(event.status()).is_some_and(Status::is_answer));
        let first_answer_us = answers.map(|event| event.at).chain(facts.first_answer_at).min();
        Self { status, first_answer_us: first_answer_us.unwrap_or(NO_TIME), closed_us: closed_us.unwrap_or(NO_TIME), events }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.status == Status::Closed.code()
    }

    pub(crate) fn first_answer_at(&self) -> Option<i64> {
        (self.first_answer_us != NO_TIME).then_some(self.first_answer_us)
    }

    pub(crate) fn closed_at(&self) -> Option<i64> {
        (self.closed_us != NO_TIME).then_some(self.closed_us)
    }
}

/// Rows a block of lives covers: 5.5 KiB, which are copied whenever one of them changes that a snapshot still reads.
pub(crate) const BLOCK_ROWS: usize = 256;

/// The lives of consecutive rows, column by column.
#[derive(Clone, Debug, Default)]
pub(crate) struct LifeBlock {
    pub(crate) live: Vec<bool>,
    pub(crate) status: Vec<u8>,
    pub(crate) first_answer_us: Vec<i64>,
    pub(crate) closed_us: Vec<i64>,
    pub(crate) events: Vec<u32>,
}

impl LifeBlock {
    /// Bytes a row takes.
    pub(crate) const ROW_BYTES: usize = 1 + 1 + 8 + 8 + 4;

    fn with_capacity(rows: usize) -> Self {
        Self {
            live: Vec::with_capacity(rows),
            status: Vec::with_capacity(rows),
            first_answer_us: Vec::with_capacity(rows),
            closed_us: Vec::with_capacity(rows),
            events: Vec::with_capacity(rows),
        }
    }

    pub(crate) fn push(&mut self, live: bool, life: Life) {
        self.live.push(live);
        self.status.push(life.status);
        self.first_answer_us.push(life.first_answer_us);
        self.closed_us.push(life.closed_us);
        self.events.push(life.events);
    }

    pub(crate) fn get(&self, row: usize) -> Life {
        Life {
            status: self.status[row],
            first_answer_us: self.first_answer_us[row],
            closed_us: self.closed_us[row],
            events: self.events[row],
        }
    }

    fn set(&mut self, row: usize, life: Life) {
        self.status[row] = life.status;
        self.first_answer_us[row] = life.first_answer_us;
        self.closed_us[row] = life.closed_us;
        self.events[row] = life.events;
    }

    /// Whether the columns belong together: what a checkpoint must show.
    pub(crate) fn is_sound(&self) -> bool {
        let rows = self.live.len();
        rows <= BLOCK_ROWS
            && [self.status.len(), self.first_answer_us.len(), self.closed_us.len(), self.events.len()] == [rows; 4]
    }
}

/// The lives of a segment's rows, copied block by block when written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lives {
    pub(crate) blocks: Vec<Arc<LifeBlock>>,
    live: usize,
}

impl Lives {
    pub(crate) fn from_lives(lives: &[Life]) -> Self {
        let blocks = lives.chunks(BLOCK_ROWS).map(|chunk| {
            let mut block = LifeBlock::with_capacity(chunk.len());
            chunk.iter().for_each(|life| block.push(true, *life));
            Arc::new(block)
        });
        Self { blocks: blocks.collect(), live: lives.len() }
    }

    pub(crate) fn from_blocks(blocks: Vec<Arc<LifeBlock>>) -> Self {
        let live = blocks.iter().map(|block| block.live.iter().filter(|live| **live).count()).sum();
        Self { blocks, live }
    }

    /// How many rows live.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn is_live(&self, row: usize) -> bool {
        self.blocks[row / BLOCK_ROWS].live[row % BLOCK_ROWS]
    }

    pub(crate) fn get(&self, row: usize) -> Life {
        self.blocks[row / BLOCK_ROWS].get(row % BLOCK_ROWS)
    }

    pub(crate) fn set(&mut self, row: usize, life: Life) {
        Arc::make_mut(&mut self.blocks[row / BLOCK_ROWS]).set(row % BLOCK_ROWS, life);
    }

    /// Marks a row dead; its events are the caller's to move or free.
    pub(crate) fn kill(&mut self, row: usize) {
        let block = Arc::make_mut(&mut self.blocks[row / BLOCK_ROWS]);
        self.live -= usize::from(block.live[row % BLOCK_ROWS]);
        block.live[row % BLOCK_ROWS] = false;
        block.events[row % BLOCK_ROWS] = NO_EVENT;
    }

    /// All rows in order, with whether they live.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (bool, Life)> + '_ {
        self.blocks.iter().flat_map(|block| (0..block.live.len()).map(|row| (block.live[row], block.get(row))))
    }
}
