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
use crate::statistics::series::{END_OF_TIME, Since};
use crate::windows::Group;

/// Entries a block holds at most: what is copied when a snapshot still reads the old one.
const BLOCK: usize = 256;

const MINUTES_PER_HOUR: i32 = 60;

/// Non-empty minutes (or hours) in order, and how many reports the block holds up to the end of each: what lies between two moments
/// is a difference of two sums, however many minutes it has.
#[derive(Clone, Debug, Default, PartialEq)]
struct Block {
    minutes: Vec<i32>,
    /// Empty while every minute has one report, as in most blocks of most cells: then its place says as much, in half the memory.
    sums: Vec<u32>,
}

impl Block {
    fn of(entries: &[(i32, u32)]) -> Self {
        let summed = |sum: &mut u32, entry: &(i32, u32)| {
            *sum = sum.wrapping_add(entry.1);
            Some(*sum)
        };
        let is_even = entries.iter().all(|entry| entry.1 == 1);
        let sums = if is_even { Vec::new() } else { entries.iter().scan(0, summed).collect() };
        Self { minutes: entries.iter().map(|entry| entry.0).collect(), sums }
    }

    /// Reports in the first `place` minutes.
    fn up_to(&self, place: usize) -> u32 {
        if self.sums.is_empty() { place as u32 } else { place.checked_sub(1).map_or(0, |last| self.sums[last]) }
    }

    fn total(&self) -> u32 {
        self.up_to(self.minutes.len())
    }

    fn entries(&self) -> impl Iterator<Item = (i32, u32)> + '_ {
        let count = |place: usize| self.up_to(place + 1).wrapping_sub(self.up_to(place));
        self.minutes.iter().enumerate().map(move |(place, minute)| (*minute, count(place)))
    }

    /// Counts `delta` at a minute; where, if it is a new one.
    fn count_at(&mut self, minute: i32, delta: i32) -> Option<usize> {
        let found = self.minutes.binary_search(&minute);
        let place = found.unwrap_or_else(|place| place);
        if self.sums.is_empty() && (found.is_ok() || delta != 1) {
            self.sums = (1..=self.minutes.len() as u32).collect();
        }
        if found.is_err() {
            self.minutes.insert(place, minute);
        }
        if !self.sums.is_empty() {
            if found.is_err() {
                self.sums.insert(place, self.up_to(place));
            }
            self.sums[place..].iter_mut().for_each(|sum| *sum = sum.wrapping_add_signed(delta));
            if self.sums[place] == self.up_to(place) {
                self.minutes.remove(place);
                self.sums.remove(place);
            }
        }
        found.is_err().then_some(place)
    }
}

/// A block, with what a walk over blocks needs of it: whoever passes by does not follow the pointer.
#[derive(Clone, Debug)]
struct Link {
    first: i32,
    total: u32,
    block: Arc<Block>,
}

impl Link {
    fn of(entries: &[(i32, u32)]) -> Self {
        let block = Block::of(entries);
        Self { first: block.minutes[0], total: block.total(), block: Arc::new(block) }
    }
}

/// Counts of reports over time of one district and topic, non-empty minutes only.
#[derive(Clone, Debug, Default)]
pub struct Series {
    blocks: Vec<Link>,
    /// The [`AllSeries::version`] that changed it last: what was computed of it stands for as long as this does. 0 outside of them.
    version: u64,
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
        let at = self.blocks.partition_point(|link| link.first <= minute).saturating_sub(1);
        let Some(link) = self.blocks.get_mut(at) else {
            self.blocks.push(Link::of(&[(minute, delta as u32)]));
            return;
        };
        let block = Arc::make_mut(&mut link.block);
        let inserted = block.count_at(minute, delta);
        let Some(first) = block.minutes.first() else {
            self.blocks.remove(at);
            return;
        };
        (link.first, link.total) = (*first, block.total());
        if let Some(place) = inserted.filter(|_| block.minutes.len() > BLOCK) {
            // A history grows at its end: leave the first part full there, halve it elsewhere.
            let cut = if place == BLOCK { BLOCK } else { BLOCK / 2 };
            let entries: Vec<(i32, u32)> = block.entries().collect();
            *link = Link::of(&entries[..cut]);
            self.blocks.insert(at + 1, Link::of(&entries[cut..]));
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
        self.blocks = aged.chunks(BLOCK).map(Link::of).collect();
        true
    }

    /// Bytes held, by formula: what is allocated for minutes and sums, and a block's own fields.
    pub fn bytes(&self) -> usize {
        let of = |link: &Link| 96 + (link.block.minutes.capacity() + link.block.sums.capacity()) * size_of::<i32>();
        self.blocks.iter().map(of).sum()
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (i32, u32)> + '_ {
        self.blocks.iter().flat_map(|link| link.block.entries())
    }

    /// A history from what [`Series::entries`] gave; `None` if it is out of order.
    pub(crate) fn from_entries(entries: &[(i32, u32)]) -> Option<Self> {
        let ordered = entries.windows(2).all(|pair| pair[0].0 < pair[1].0);
        ordered.then(|| Self { blocks: entries.chunks(BLOCK).map(Link::of).collect(), version: 0 })
    }

    /// Reports in minutes `< minute`.
    fn before(&self, minute: i32) -> u64 {
        let at = self.blocks.partition_point(|link| link.first < minute);
        let Some((Link { block, .. }, whole)) = self.blocks[..at].split_last() else { return 0 };
        let inside = block.up_to(block.minutes.partition_point(|before| *before < minute));
        whole.iter().map(|link| u64::from(link.total)).sum::<u64>() + u64::from(inside)
    }
}

impl CountSeries for Series {
    fn count(&self, from: Timestamp, to: Timestamp) -> u64 {
        self.before(minute_of(to.micros())).saturating_sub(self.before(minute_of(from.micros())))
    }

    fn first(&self) -> Option<Timestamp> {
        Some(start_of(Some(self.blocks.first()?.first)))
    }

    /// One walk back over the blocks, with a search in each that a moment lies in.
    fn counts_since(&self, moments: &[Timestamp], since: &mut [Since]) {
        // The block that the last moment lay in and those before it, how many of its minutes were before that moment, what came
        // after the block, and from which minute on.
        let mut blocks = self.blocks.as_slice();
        let (mut place, mut later, mut following) = (usize::MAX, 0u64, None);
        for (since, moment) in since.iter_mut().zip(moments) {
            let minute = minute_of(moment.micros());
            while let Some((link, rest)) = blocks.split_last().filter(|(link, _)| link.first >= minute) {
                later += u64::from(link.total);
                (blocks, place, following) = (rest, usize::MAX, Some(link.first));
            }
            (since.count, since.next) = (later, start_of(following));
            if let Some(Link { block, total, .. }) = blocks.last() {
                place = before(&block.minutes[..place.min(block.minutes.len())], minute);
                since.count += u64::from(total - block.up_to(place));
                since.next = start_of(block.minutes.get(place).copied().or(following));
            }
        }
    }

    fn version(&self) -> Option<u64> {
        (self.version > 0).then_some(self.version)
    }
}

/// The moment at which a minute begins.
fn start_of(minute: Option<i32>) -> Timestamp {
    minute.map_or(END_OF_TIME, |minute| Timestamp::from_micros(i64::from(minute) * MINUTE_US))
}

/// Minutes that are looked at all at once, without a branch: a cache line of them.
const NEAR: usize = 16;

/// How many of the ordered minutes are before one that most likely is near their end: there by counting, further back by steps that
/// double, then by halving.
fn before(minutes: &[i32], minute: i32) -> usize {
    let (mut end, mut step) = (minutes.len(), 1);
    if let Some(near) = minutes.last_chunk::<NEAR>() {
        let after: u32 = near.iter().map(|near| u32::from(*near >= minute)).sum();
        end -= after as usize;
        if after < NEAR as u32 {
            return end;
        }
        step = NEAR;
    }
    while end >= step && minutes[end - step] >= minute {
        end -= step;
        step *= 2;
    }
    let start = end.saturating_sub(step);
    start + minutes[start..end].partition_point(|before| *before < minute)
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
    /// Counts changes: what a checkpoint has to write again. One writer counts them, so a group has one history for each.
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
            series.version = self.version;
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
                    aged.version = self.version;
                    self.groups.insert(group, aged);
                }
            }
        }
    }

    /// Takes in a history that a checkpoint held.
    pub(crate) fn restore(&mut self, group: Group, series: Series) {
        self.groups.insert(group, Series { version: self.version, ..series });
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
            let (mut ours, mut plain) = ([Since::default(); 4], [Since::default(); 4]);
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
