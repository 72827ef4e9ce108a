//! Counts of reports over time for each district and topic: what trends compare with.
//!
//! Counts are by the minute as long as hour cells are kept, by the hour as long as day cells are, and gone after that. A stretch
//! is answered from the buckets that start in it: exact where its ends are whole minutes (hours in the older part).

use std::sync::Arc;

use feedback::Timestamp;
use feedback::time::{DAY_US, MINUTE_US};

use crate::config::Config;
use crate::cow::CowMap;
use crate::dictionary::CITY;
use crate::rows::Facts;
use crate::statistics::CountSeries;
use crate::windows::Group;

/// Entries a block holds at most: what is copied when a snapshot still reads the old one.
const BLOCK: usize = 256;

const MINUTES_PER_HOUR: i32 = 60;

/// Non-empty minutes (or hours) in order, with their counts.
#[derive(Clone, Debug, Default, PartialEq)]
struct Block {
    entries: Vec<(i32, u32)>,
    total: u64,
}

/// Counts of reports over time of one district and topic, non-empty minutes only.
#[derive(Clone, Debug, Default)]
pub struct Series {
    blocks: Vec<Arc<Block>>,
}

impl FromIterator<Timestamp> for Series {
    fn from_iter<I: IntoIterator<Item = Timestamp>>(moments: I) -> Self {
        let mut series = Self::default();
        moments.into_iter().for_each(|moment| series.count_at(minute_of(moment.micros()), 1));
        series
    }
}

impl Series {
    fn count_at(&mut self, minute: i32, delta: i32) {
        let at = self.blocks.partition_point(|block| block.entries[0].0 <= minute).saturating_sub(1);
        let Some(block) = self.blocks.get_mut(at) else {
            self.blocks.push(Arc::new(Block { entries: vec![(minute, delta as u32)], total: delta as u64 }));
            return;
        };
        let block = Arc::make_mut(block);
        block.total = block.total.wrapping_add_signed(i64::from(delta));
        match block.entries.binary_search_by_key(&minute, |entry| entry.0) {
            Ok(found) => {
                let count = &mut block.entries[found].1;
                *count = count.wrapping_add_signed(delta);
                if *count == 0 {
                    block.entries.remove(found);
                    if block.entries.is_empty() {
                        self.blocks.remove(at);
                    }
                }
            }
            Err(place) => {
                block.entries.insert(place, (minute, delta as u32));
                if block.entries.len() > BLOCK {
                    // A history grows at its end: leave the first part full there, halve it elsewhere.
                    let cut = if place == BLOCK { BLOCK } else { BLOCK / 2 };
                    let rest = Block::of(block.entries.split_off(cut));
                    block.total -= rest.total;
                    self.blocks.insert(at + 1, Arc::new(rest));
                }
            }
        }
    }

    /// Makes hours of the minutes before `fine` and forgets what is before `kept`.
    fn age(&mut self, kept: i32, fine: i32) -> bool {
        let old = |minute: i32| minute < kept || (minute < fine && minute.rem_euclid(MINUTES_PER_HOUR) != 0);
        if !self.entries().take_while(|entry| entry.0 < fine).any(|entry| old(entry.0)) {
            return false;
        }
        let mut aged: Vec<(i32, u32)> = Vec::new();
        for (minute, count) in self.entries().filter(|entry| entry.0 >= kept) {
            let minute = if minute < fine { hour_of(minute) } else { minute };
            match aged.last_mut() {
                Some(last) if last.0 == minute => last.1 = last.1.wrapping_add(count),
                _ => aged.push((minute, count)),
            }
        }
        self.blocks = aged.chunks(BLOCK).map(|chunk| Arc::new(Block::of(chunk.to_vec()))).collect();
        true
    }

    /// Bytes held, by formula: a full block for every [`BLOCK`] minutes, and its counters.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * (64 + BLOCK * size_of::<(i32, u32)>())
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (i32, u32)> + '_ {
        self.blocks.iter().flat_map(|block| block.entries.iter().copied())
    }

    /// A history from what [`Series::entries`] gave; `None` if it is out of order.
    pub(crate) fn from_entries(entries: &[(i32, u32)]) -> Option<Self> {
        let ordered = entries.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let blocks = entries.chunks(BLOCK).map(|chunk| Arc::new(Block::of(chunk.to_vec()))).collect();
        ordered.then_some(Self { blocks })
    }

    /// Reports in minutes `< minute`.
    fn before(&self, minute: i32) -> u64 {
        let at = self.blocks.partition_point(|block| block.entries[0].0 < minute);
        let Some((last, whole)) = self.blocks[..at].split_last() else { return 0 };
        let inside = last.entries.partition_point(|entry| entry.0 < minute);
        let part: u64 = last.entries[..inside].iter().map(|entry| u64::from(entry.1)).sum();
        whole.iter().map(|block| block.total).sum::<u64>() + part
    }
}

impl Block {
    fn of(entries: Vec<(i32, u32)>) -> Self {
        Self { total: entries.iter().map(|entry| u64::from(entry.1)).sum(), entries }
    }
}

impl CountSeries for Series {
    fn count(&self, from: Timestamp, to: Timestamp) -> u64 {
        self.before(minute_of(to.micros())).saturating_sub(self.before(minute_of(from.micros())))
    }

    fn first(&self) -> Option<Timestamp> {
        let first = self.blocks.first()?.entries[0].0;
        Some(Timestamp::from_micros(i64::from(first) * MINUTE_US))
    }

    /// One walk back over the entries, by whole blocks where nothing is asked for inside of them.
    fn counts_since(&self, moments: &[Timestamp], counts: &mut [u64]) {
        let mut blocks = self.blocks.iter().rev();
        let mut block: &[(i32, u32)] = &[];
        let mut later = 0u64;
        let mut next = blocks.next();
        for (count, moment) in counts.iter_mut().zip(moments) {
            let minute = minute_of(moment.micros());
            // Blocks that lie wholly at or after the moment; the entries of one that was begun are counted one by one.
            loop {
                while let Some((entry, rest)) = block.split_last().filter(|(entry, _)| entry.0 >= minute) {
                    later += u64::from(entry.1);
                    block = rest;
                }
                let Some(whole) = next.filter(|_| block.is_empty()) else { break };
                if whole.entries[0].0 >= minute {
                    later += whole.total;
                } else {
                    block = &whole.entries;
                }
                next = blocks.next();
            }
            *count = later;
        }
    }
}

fn minute_of(micros: i64) -> i32 {
    let minute = micros.div_euclid(MINUTE_US);
    i32::try_from(minute).unwrap_or(if minute < 0 { i32::MIN } else { i32::MAX })
}

fn hour_of(minute: i32) -> i32 {
    minute.saturating_sub(minute.rem_euclid(MINUTES_PER_HOUR))
}

/// The histories of all groups, the whole city included.
#[derive(Clone, Debug)]
pub(crate) struct AllSeries {
    pub(crate) groups: CowMap<Group, Series>,
    /// Minutes before this are held by the hour.
    pub(crate) fine: i32,
    /// Minutes before this are not held.
    pub(crate) kept: i32,
    /// Counts changes: what a checkpoint has to write again.
    pub(crate) version: u64,
}

impl Default for AllSeries {
    fn default() -> Self {
        Self { groups: CowMap::new(64), fine: i32::MIN, kept: i32::MIN, version: 0 }
    }
}

impl AllSeries {
    /// Counts a report in (`delta` 1) or out (-1).
    pub(crate) fn count(&mut self, facts: &Facts, delta: i32) {
        let minute = minute_of(facts.created_at);
        let minute = if minute < self.fine { hour_of(minute) } else { minute };
        if minute < self.kept {
            return;
        }
        self.version += 1;
        for group in [(facts.district, facts.topic), (CITY, facts.topic)] {
            let series = self.groups.entry(group, Series::default);
            series.count_at(minute, delta);
            if series.blocks.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    /// Follows the watermark, a day at a time.
    pub(crate) fn age(&mut self, watermark: i64, config: &Config) {
        let horizon =
            |kept_us: i64| minute_of(Timestamp::from_micros(watermark.saturating_sub(kept_us)).floor(DAY_US).micros());
        let (fine, kept) = (horizon(config.hour_cells_us), horizon(config.day_cells_us));
        if fine <= self.fine && kept <= self.kept {
            return;
        }
        (self.fine, self.kept) = (fine.max(self.fine), kept.max(self.kept));
        self.version += 1;
        let groups: Vec<Group> = self.groups.iter().map(|(group, _)| *group).collect();
        for group in groups {
            let mut aged = self.groups.get(&group).cloned().unwrap_or_default();
            if aged.age(self.kept, self.fine) {
                if aged.blocks.is_empty() {
                    self.groups.remove(&group);
                } else {
                    self.groups.insert(group, aged);
                }
            }
        }
    }

    /// Bytes held, by formula.
    pub(crate) fn bytes(&self) -> usize {
        let blocks: usize = self.groups.iter().map(|(_, series)| series.bytes()).sum();
        self.groups.bytes() + blocks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::series::Moments;

    proptest! {
        #[test]
        fn counts_as_plain_moments_do(
            minutes in proptest::collection::vec(0..2000i32, 0..1500),
            taken_back in 0..1500usize,
            from in -10..2010i64,
            to in -10..2010i64,
        ) {
            let mut series = Series::default();
            minutes.iter().for_each(|minute| series.count_at(*minute, 1));
            let gone = taken_back.min(minutes.len());
            minutes[..gone].iter().for_each(|minute| series.count_at(*minute, -1));
            let at = |minute: i64| Timestamp::from_micros(minute * MINUTE_US);
            let moments: Moments = minutes[gone..].iter().map(|minute| at(i64::from(*minute))).collect();
            prop_assert_eq!(series.count(at(from), at(to)), moments.count(at(from), at(to)));
            prop_assert_eq!(series.first(), moments.first());
            let asked = [at(from.max(to)), at(from.max(to)), at(from.min(to)), at(-11)];
            let (mut ours, mut plain) = ([0; 4], [0; 4]);
            series.counts_since(&asked, &mut ours);
            moments.counts_since(&asked, &mut plain);
            prop_assert_eq!(ours, plain);
            // By the hour, whole hours still agree.
            series.age(0, 1200);
            prop_assert_eq!(series.count(at(60), at(600)), moments.count(at(60), at(600)));
            let again = Series::from_entries(&series.entries().collect::<Vec<_>>()).unwrap();
            prop_assert_eq!(again.count(at(0), at(2000)), moments.count(at(0), at(2000)));
        }
    }
}
