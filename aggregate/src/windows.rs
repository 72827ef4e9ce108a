//! Rolling windows, kept by adding the buckets that enter and subtracting those that leave.
//!
//! A window ends at the watermark, floored to its bucket, and covers `[start, end)`. A report that comes, changes or goes inside
//! of it moves its totals at once; a report after its end waits in the cells until its bucket enters. A tick therefore costs the
//! cells of the buckets that cross an edge, whatever the length of the window and the traffic.

use std::ops::Range;
use std::sync::Arc;

use crate::cells::{Cells, Tier, Width};
use crate::config::WindowSpec;
use crate::cow::CowMap;
use crate::dictionary::CITY;
use crate::life::Life;
use crate::measures::Measures;
use crate::rows::Facts;

/// A district (or [`CITY`]) and a topic.
pub(crate) type Group = (u32, u8);

/// Totals by group. A tick reaches most shards and few groups of each: what it does not touch is shared with the snapshot before.
pub(crate) type Totals = CowMap<Group, Arc<Measures>>;

/// One rolling window.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) spec: WindowSpec,
    pub(crate) width: Width,
    /// What it covers now, in microseconds; empty before the first watermark.
    pub(crate) range: Range<i64>,
    pub(crate) totals: Totals,
}

/// Shards of the totals: a tick that touches one topic copies little.
const SHARDS: usize = 64;

impl Window {
    pub(crate) fn new(spec: WindowSpec) -> Self {
        Self { width: spec.width(), spec, range: 0..0, totals: CowMap::new(SHARDS) }
    }

    /// Counts a report in or out, if it lies inside.
    pub(crate) fn count(&mut self, facts: &Facts, life: &Life, sign: i32) {
        self.change(facts, |measures| measures.count(facts, life, sign));
    }

    /// Moves a report from one life to another, if it lies inside.
    pub(crate) fn relive(&mut self, facts: &Facts, before: &Life, after: &Life) {
        self.change(facts, |measures| {
            measures.count_life(facts, before, -1);
            measures.count_life(facts, after, 1);
        });
    }

    fn change(&mut self, facts: &Facts, mut change: impl FnMut(&mut Measures)) {
        if !self.range.contains(&facts.created_at) {
            return;
        }
        for group in [(facts.district, facts.topic), (CITY, facts.topic)] {
            let measures = Arc::make_mut(self.totals.entry(group, Arc::default));
            change(measures);
            if measures.reports == 0 {
                self.totals.remove(&group);
            }
        }
    }

    /// Moves the window's end to the watermark.
    pub(crate) fn advance(&mut self, cells: &Cells, watermark: i64) {
        let end = self.width.floor(watermark);
        let next = end.saturating_sub(self.spec.length_us)..end;
        let tier = cells.tier(self.width);
        if next.start >= self.range.end || self.range.is_empty() {
            self.totals.clear();
            add_all(&mut self.totals, tier, next.clone());
        } else if end > self.range.end {
            add_all(&mut self.totals, tier, self.range.end..next.end);
            for (key, measures) in tier.cells(self.range.start..next.start) {
                for group in [(key.district, key.topic), (CITY, key.topic)] {
                    let total = Arc::make_mut(self.totals.entry(group, Arc::default));
                    total.subtract(&measures);
                    if total.reports == 0 {
                        self.totals.remove(&group);
                    }
                }
            }
        } else {
            return;
        }
        self.range = next;
    }

    /// Bytes held, by formula.
    pub(crate) fn bytes(&self) -> usize {
        // Measures lie behind two counters.
        let measures = |measures: &Measures| size_of::<Measures>() + 2 * size_of::<usize>() + measures.reporters.bytes();
        self.totals.bytes() + self.totals.iter().map(|(_, of_group)| measures(of_group)).sum::<usize>()
    }

    /// The same window ending elsewhere, from the finest cells that still reach back so far; `None` where none do.
    pub(crate) fn as_of(&self, cells: &Cells, moment: i64) -> Option<Self> {
        let reaches = |width: &Width| {
            let start = width.floor(moment).saturating_sub(self.spec.length_us);
            *width >= self.width && self.spec.length_us % width.micros() == 0 && start >= cells.tier(*width).horizon
        };
        let width = Width::ALL.into_iter().find(reaches)?;
        let mut window = Self { width, ..Self::new(self.spec.clone()) };
        window.advance(cells, moment);
        Some(window)
    }
}

fn add_all(totals: &mut Totals, tier: &Tier, range: Range<i64>) {
    for (key, measures) in tier.cells(range) {
        for group in [(key.district, key.topic), (CITY, key.topic)] {
            Arc::make_mut(totals.entry(group, Arc::default)).add(&measures);
        }
    }
}
