//! A segment: immutable rows and, beside them, their lives.

use std::sync::Arc;

use arrow::array::BooleanArray;

use crate::life::{Life, LifeBlock, Lives};
use crate::rows::Rows;

/// Where a row is: a slot of the segment list, and a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) row: u32,
}

/// Rows and lives.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Never given twice, also over restarts: names the file on disk.
    pub(crate) id: u64,
    pub(crate) rows: Arc<Rows>,
    pub(crate) lives: Lives,
    /// Earliest and latest `created_at` of all rows, dead ones included.
    pub(crate) created: (i64, i64),
    /// Counts changes of `lives`: what a checkpoint has to write again.
    pub(crate) version: u64,
}

impl Segment {
    pub(crate) fn new(id: u64, rows: Rows, lives: Lives) -> Self {
        let created = rows.created_range().unwrap_or((0, 0));
        Self { id, rows: Arc::new(rows), lives, created, version: 0 }
    }

    pub(crate) fn live(&self) -> usize {
        self.lives.live()
    }

    pub(crate) fn dead(&self) -> usize {
        self.rows.len() - self.live()
    }

    pub(crate) fn set(&mut self, row: u32, life: Life) {
        self.version += 1;
        self.lives.set(row as usize, life);
    }

    pub(crate) fn kill(&mut self, row: u32) {
        self.version += 1;
        self.lives.kill(row as usize);
    }

    /// Which rows live; `None` if all do.
    pub(crate) fn filter(&self) -> Option<BooleanArray> {
        (self.dead() > 0).then(|| BooleanArray::from(self.lives.iter().map(|(live, _)| live).collect::<Vec<_>>()))
    }

    /// Bytes held, by formula.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.bytes() + self.rows.len() * LifeBlock::ROW_BYTES
    }
}
