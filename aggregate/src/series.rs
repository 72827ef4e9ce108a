//! Counts of reports over time for each district and topic: what trends compare with.
//!
//! Counts are by the minute as long as hour cells are kept, by the hour as long as day cells are, and gone after that. A stretch
//! is answered from the buckets that start in it: exact where its ends are whole minutes (hours in the older part).

use std::ops::Range;
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
#[derive(Clone, Debug, PartialEq)]
enum Block {
    /// Every minute has one report, as in most blocks of most cells: its place says as much as a sum, in half the memory.
    Even(Vec<i32>),
    /// Minutes and sums side by side: who looks a minute up wants its sum, and most histories are not in the processor's cache.
    Summed(Vec<(i32, u32)>),
}

impl Block {
    fn of(entries: &[(i32, u32)]) -> Self {
        let summed = |sum: &mut u32, (minute, count): &(i32, u32)| {
            *sum = sum.wrapping_add(*count);
            Some((*minute, *sum))
        };
        if entries.iter().all(|entry| entry.1 == 1) {
            Self::Even(entries.iter().map(|entry| entry.0).collect())
        } else {
            Self::Summed(entries.iter().scan(0, summed).collect())
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Even(minutes) => minutes.len(),
            Self::Summed(sums) => sums.len(),
        }
    }

    fn minute(&self, place: usize) -> Option<i32> {
        match self {
            Self::Even(minutes) => minutes.get(place).copied(),
            Self::Summed(sums) => sums.get(place).map(|entry| entry.0),
        }
    }

    fn last(&self) -> Option<i32> {
        self.minute(self.len().checked_sub(1)?)
    }

    /// How many of the first `among` minutes, which lie in `range`, are before one.
    fn before(&self, among: usize, range: Range<i32>, minute: i32) -> usize {
        match self {
            Self::Even(minutes) => before(&minutes[..among], |before| *before, range, minute),
            Self::Summed(sums) => before(&sums[..among], |before| before.0, range, minute),
        }
    }

    /// Reports in the first `place` minutes.
    fn up_to(&self, place: usize) -> u32 {
        match self {
            Self::Even(_) => place as u32,
            Self::Summed(sums) => place.checked_sub(1).map_or(0, |last| sums[last].1),
        }
    }

    fn total(&self) -> u32 {
        self.up_to(self.len())
    }

    fn entries(&self) -> impl Iterator<Item = (i32, u32)> + '_ {
        let count = |place: usize| self.up_to(place + 1).wrapping_sub(self.up_to(place));
        (0..self.len()).filter_map(move |place| Some((self.minute(place)?, count(place))))
    }

    /// Counts `delta` at a minute; where, if it is a new one.
    fn count_at(&mut self, minute: i32, delta: i32) -> Option<usize> {
        if let Self::Even(minutes) = self {
            match minutes.binary_search(&minute) {
                Err(place) if delta == 1 => {
                    minutes.insert(place, minute);
                    return Some(place);
                }
                _ => *self = Self::Summed(minutes.iter().copied().zip(1..).collect()),
            }
        }
        let Self::Summed(sums) = self else { return None };
        let found = sums.binary_search_by_key(&minute, |entry| entry.0);
        let place = found.unwrap_or_else(|place| place);
        let earlier = place.checked_sub(1).map_or(0, |last| sums[last].1);
        if found.is_err() {
            sums.insert(place, (minute, earlier));
        }
        sums[place..].iter_mut().for_each(|(_, sum)| *sum = sum.wrapping_add_signed(delta));
        if sums[place].1 == earlier {
            sums.remove(place);
        }
        found.is_err().then_some(place)
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Even(minutes) => minutes.capacity() * size_of::<i32>(),
            Self::Summed(sums) => sums.capacity() * size_of::<(i32, u32)>(),
        }
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
        Self { first: entries[0].0, total: block.total(), block: Arc::new(block) }
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
        let Some(first) = block.minute(0) else {
            self.blocks.remove(at);
            return;
        };
        (link.first, link.total) = (first, block.total());
        if let Some(place) = inserted.filter(|_| block.len() > BLOCK) {
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

    /// Bytes held, by formula: what is allocated for minutes and sums, a block's own fields and two counters, and what leads to it.
    pub fn bytes(&self) -> usize {
        let own = size_of::<Link>() + size_of::<Block>() + 2 * size_of::<usize>();
        self.blocks.iter().map(|link| own + link.block.bytes()).sum()
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
        let Some((Link { block, first, .. }, whole)) = self.blocks[..at].split_last() else { return 0 };
        let end = self.blocks.get(at).map(|next| next.first).or(block.last()).unwrap_or(*first);
        let inside = block.up_to(block.before(block.len(), *first..end, minute));
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
        // The blocks up to the one that the last moment lay in, what came after that block and from which minute on; of its minutes,
        // those before that moment, and which one all of them are before.
        let mut blocks = self.blocks.as_slice();
        let (mut later, mut following) = (0u64, None);
        let (mut place, mut until) = (usize::MAX, None);
        for (since, moment) in since.iter_mut().zip(moments) {
            let minute = minute_of(moment.micros());
            while let Some((link, rest)) = blocks.split_last().filter(|(link, _)| link.first >= minute) {
                later += u64::from(link.total);
                (blocks, following) = (rest, Some(link.first));
                (place, until) = (usize::MAX, Some(link.first));
            }
            (since.count, since.next) = (later, start_of(following));
            if let Some(Link { block, total, first }) = blocks.last() {
                let among = place.min(block.len());
                let end = until.or(block.last()).unwrap_or(*first);
                place = block.before(among, *first..end, minute);
                until = Some(minute);
                since.count += u64::from(total - block.up_to(place));
                since.next = start_of(block.minute(place).or(following));
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

/// Entries that are looked at all at once: a cache line or two.
const NEAR: usize = 16;

/// How many of the ordered entries are before a minute: looked for from where it would be if they lay evenly in `range`, by steps that double,
/// then counted. Halving alone would wait for one line of memory after the other.
fn before<E>(entries: &[E], minute_of: impl Fn(&E) -> i32, range: Range<i32>, minute: i32) -> usize {
    let (from, span) = (i64::from(range.start), i64::from(range.end) - i64::from(range.start));
    let share = (i64::from(minute) - from).clamp(0, span.max(0));
    let guess = (entries.len() as i64 * share / span.max(1)) as usize;
    let is_before = |entry: &E| minute_of(entry) < minute;
    let (mut low, mut high) = (guess.saturating_sub(NEAR / 2), (guess + NEAR / 2).min(entries.len()));
    let mut step = NEAR;
    while low > 0 && !is_before(&entries[low - 1]) {
        (low, high) = (low.saturating_sub(step), low - 1);
        step *= 2;
    }
    while high < entries.len() && is_before(&entries[high]) {
        (low, high) = (high + 1, (high + step).min(entries.len()));
        step *= 2;
    }
    low + entries[low..high].iter().filter(|entry| is_before(entry)).count()
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

/// Shards of the histories: a tick touches few groups, and copies the histories' lists of blocks in the shards of those.
const SHARDS: usize = 1024;

impl Default for AllSeries {
    fn default() -> Self {
        Self { groups: CowMap::new(SHARDS), fine: i32::MIN, kept: i32::MIN, version: 0 }
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
