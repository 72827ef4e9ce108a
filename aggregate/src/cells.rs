//! Additive cells in three widths: minutes for hours, hours for weeks, days for years.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use feedback::time::{DAY_US, HOUR_US, MINUTE_US};

use crate::cell::Cell;
use crate::config::Config;
use crate::cow::CowMap;
use crate::life::Life;
use crate::measures::Measures;
use crate::rows::Facts;

/// How long a cell's bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// One minute.
    Minute,
    /// One hour.
    Hour,
    /// One day, in UTC.
    Day,
}

impl Width {
    /// Every width, finest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Length in microseconds.
    pub const fn micros(self) -> i64 {
        match self {
            Self::Minute => MINUTE_US,
            Self::Hour => HOUR_US,
            Self::Day => DAY_US,
        }
    }

    /// As the table `cells` writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The start of the bucket that holds a moment.
    pub(crate) fn floor(self, micros: i64) -> i64 {
        feedback::Timestamp::from_micros(micros).floor(self.micros()).micros()
    }

    /// Shards of a bucket: more where a bucket holds more cells.
    pub(crate) const fn shards(self) -> usize {
        match self {
            Self::Minute => 1,
            Self::Hour => 4,
            Self::Day => 16,
        }
    }
}

/// A cell's key within its bucket; codes of the dictionaries and vocabularies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CellKey {
    pub(crate) district: u32,
    pub(crate) language: u32,
    pub(crate) topic: u8,
    pub(crate) channel: u8,
}

impl CellKey {
    pub(crate) fn of(facts: &Facts) -> Self {
        Self { district: facts.district, language: facts.language, topic: facts.topic, channel: facts.channel }
    }
}

/// The cells of one bucket.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) cells: CowMap<CellKey, Cell>,
    /// The number of its last change, of all changes to cells: what a checkpoint has to write again.
    pub(crate) version: u64,
}

/// A bucket without its cells.
const BUCKET_BYTES: usize = 160;

/// The buckets of one width.
#[derive(Clone, Debug)]
pub(crate) struct Tier {
    pub(crate) width: Width,
    pub(crate) buckets: BTreeMap<i64, Arc<Bucket>>,
    /// Buckets that start before this are not kept.
    pub(crate) horizon: i64,
}

/// All cells.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    pub(crate) tiers: [Tier; 3],
    /// How many changes there have been.
    pub(crate) changes: u64,
}

impl Default for Cells {
    fn default() -> Self {
        Self { tiers: Width::ALL.map(|width| Tier { width, buckets: BTreeMap::new(), horizon: i64::MIN }), changes: 0 }
    }
}

impl Cells {
    pub(crate) fn tier(&self, width: Width) -> &Tier {
        &self.tiers[width as usize]
    }

    /// Counts a report into every bucket that is kept, or out of it.
    pub(crate) fn count(&mut self, facts: &Facts, life: &Life, sign: i32) {
        self.change(facts, |measures| measures.count(facts, life, sign));
    }

    /// Moves a report from one life to another.
    pub(crate) fn relive(&mut self, facts: &Facts, before: &Life, after: &Life) {
        self.change(facts, |measures| {
            measures.count_life(facts, before, -1);
            measures.count_life(facts, after, 1);
        });
    }

    fn change(&mut self, facts: &Facts, mut change: impl FnMut(&mut Measures)) {
        let key = CellKey::of(facts);
        self.changes += 1;
        for tier in &mut self.tiers {
            let start = tier.width.floor(facts.created_at);
            if start < tier.horizon {
                continue;
            }
            let shards = tier.width.shards();
            let bucket =
                tier.buckets.entry(start).or_insert_with(|| Arc::new(Bucket { cells: CowMap::new(shards), version: 0 }));
            let bucket = Arc::make_mut(bucket);
            bucket.version = self.changes;
            let cell = bucket.cells.entry(key, Cell::default);
            cell.change(&mut change);
            if cell.is_empty() {
                bucket.cells.remove(&key);
                if bucket.cells.is_empty() {
                    tier.buckets.remove(&start);
                }
            }
        }
    }

    /// Drops buckets that are older than what the configuration keeps.
    pub(crate) fn evict(&mut self, watermark: i64, config: &Config) {
        for tier in &mut self.tiers {
            let horizon = tier.width.floor(watermark.saturating_sub(config.kept_us(tier.width)));
            if horizon > tier.horizon {
                tier.horizon = horizon;
                if tier.buckets.first_key_value().is_some_and(|(start, _)| *start < horizon) {
                    tier.buckets = tier.buckets.split_off(&horizon);
                }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tiers.iter().flat_map(|tier| tier.buckets.values()).map(|bucket| bucket.cells.len()).sum()
    }

    /// Bytes held, by formula: room for entries, and what those of many reports take beside it.
    pub(crate) fn bytes(&self) -> usize {
        let buckets = self.tiers.iter().flat_map(|tier| tier.buckets.values());
        let heap = |bucket: &Bucket| bucket.cells.iter().map(|(_, cell)| cell.heap_bytes()).sum::<usize>();
        buckets.map(|bucket| BUCKET_BYTES + bucket.cells.bytes() + heap(bucket)).sum()
    }
}

impl Tier {
    /// The cells of all buckets that start within a range.
    pub(crate) fn cells(&self, range: Range<i64>) -> impl Iterator<Item = (&CellKey, Cow<'_, Measures>)> {
        let range = if range.start < range.end { range } else { 0..0 };
        let cells = self.buckets.range(range).flat_map(|(_, bucket)| bucket.cells.iter());
        cells.map(|(key, cell)| (key, cell.measures()))
    }
}
