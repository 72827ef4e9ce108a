//! Trends from one tick to the next: what was computed stands for as long as that of which it was computed.
//!
//! A minute moves few reports over the edges of a window, and windows of weeks move by the hour. Each step below is a function of what is
//! kept beside its result, and asked anew only where that has changed; whoever starts with nothing gets the same, bit by bit:
//!
//! - the counts of a cell: the version of its series, the shape of the windows, and the edges that no report has crossed ([`Phases`]);
//! - its history summed up: its counts, and what its topic's periods are worth;
//! - the comparison of a window, where one cell bears on all others: its end, the counts of all its cells, the weights of all topics;
//! - an episode: the version of the series, the last moment of its grid, the direction, the rule, where the data begins.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use feedback::Timestamp;
use feedback::time::DAY_US;

use super::city::{City, Seasons};
use super::compare::{Kinds, Seen, compare, large_change};
use super::{Direction, Trend, TrendCell, TrendConfig, TrendWindow};
use crate::statistics::CountSeries;
use crate::statistics::baseline::{Level, Weights};
use crate::statistics::episode::{self, Episode, Rule, episode};
use crate::statistics::same_phase::{Asked, Counts, Phase, Phases};
use crate::statistics::series::Since;

/// Two-sided p-value up to which an announced change still goes on.
pub const FOLLOW_P_VALUE: f64 = 0.05;

/// Compares every cell in every window. `first` is where the city's data begins: earlier periods count from there, so that a
/// cell without early reports has a history of zeros, not none.
///
/// Cells that hold nothing in a window and all its periods are left out. The result is ordered by window as given, district and
/// topic; the order of `cells` changes no bit of it.
pub fn trends<S: CountSeries>(
    windows: &[TrendWindow<'_>],
    cells: &[TrendCell<'_, S>],
    first: Option<Timestamp>,
    config: &TrendConfig,
) -> Vec<Trend> {
    let mut follower = Follower::default();
    follower.follow(windows, cells, first, config);
    follower.windows.into_iter().flat_map(|window| window.trends).collect()
}

/// Trends as somebody asked for them last, and what they were computed of.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    /// Names of the cells, ordered: a place among them is a cell's place in everything below.
    names: Vec<Name>,
    /// Position of each in the input.
    order: Vec<usize>,
    kinds: Kinds,
    histories: Vec<History>,
    phases: Phases,
    /// What each history holds at each edge of the phases, one cell after the other.
    known: Vec<Since>,
    /// By the day that the windows end on: the year moves by the day.
    seasons: BTreeMap<Timestamp, Seasons>,
    windows: Vec<Window>,
}

/// District and topic.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name(Option<Box<str>>, Option<Box<str>>);

impl Name {
    fn of<S>(cell: &TrendCell<'_, S>) -> Self {
        Self(cell.district.map(Into::into), cell.topic.map(Into::into))
    }

    fn is_of<S>(&self, cell: &TrendCell<'_, S>) -> bool {
        (self.0.as_deref(), self.1.as_deref()) == (cell.district, cell.topic)
    }
}

/// The series of a cell as it was counted.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    /// `None` is to be counted again.
    version: Option<u64>,
    first: Option<Timestamp>,
}

/// One window.
#[derive(Debug, Default)]
struct Window {
    phase: Option<Phase>,
    /// What the periods of each topic are worth.
    weights: Vec<Weights>,
    cells: Vec<Cell>,
    /// Whether a cell's counts are others than those that were compared.
    has_changed: bool,
    /// Of the cells that hold anything: their places, and what is known of them.
    places: Vec<usize>,
    trends: Vec<Trend>,
    /// What every episode was looked for by.
    rule: Option<(Rule, Option<Timestamp>)>,
}

/// A cell in a window.
#[derive(Clone, Debug, Default)]
struct Cell {
    counts: Counts,
    alone: Option<Level>,
    episode: Option<(Looked, Episode)>,
}

/// Where an episode was looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Looked {
    version: u64,
    latest: Timestamp,
    rising: bool,
}

impl Follower {
    /// As [`trends`], of series that count their versions.
    pub(crate) fn follow<S: CountSeries>(
        &mut self,
        windows: &[TrendWindow<'_>],
        cells: &[TrendCell<'_, S>],
        first: Option<Timestamp>,
        config: &TrendConfig,
    ) {
        self.meet(cells);
        let day_of = |window: &TrendWindow<'_>| window.end.floor(DAY_US);
        let days: BTreeSet<Timestamp> = windows.iter().map(day_of).collect();
        let mut before = mem::take(&mut self.seasons);
        let season = |day| (day, Seasons::new(day, first, cells, &self.kinds, before.remove(&day)));
        self.seasons = days.into_iter().map(season).collect();
        let phase = |window: &TrendWindow<'_>| {
            let phase = Phase::new(window.end, window.length_us, first);
            phase.with_periods(self.seasons[&day_of(window)].periods(&phase), first)
        };
        self.move_to(Phases::new(windows.iter().map(phase).collect()));
        self.count(cells);
        let Self { order, kinds, histories, phases, seasons, windows: kept, .. } = self;
        for (position, (window, phase)) in kept.iter_mut().zip(phases.phases()).enumerate() {
            window.compare((position, phase), order, kinds, &seasons[&day_of(&windows[position])]);
            window.call(histories, cells, first, config);
        }
    }

    /// By window as given, district and topic.
    pub(crate) fn trends(&self) -> impl Iterator<Item = &Trend> {
        self.windows.iter().flat_map(|window| &window.trends)
    }

    /// Bytes held, by formula: mostly those of every cell in every window.
    pub(crate) fn bytes(&self) -> usize {
        let of = |window: &Window| {
            window.cells.capacity() * size_of::<Cell>()
                + window.trends.capacity() * size_of::<Trend>()
                + window.weights.capacity() * size_of::<Weights>()
                + window.places.capacity() * size_of::<usize>()
        };
        let name = |Name(district, topic): &Name| [district, topic].into_iter().flatten().map(|word| word.len()).sum::<usize>();
        let by_place = size_of::<Name>() + size_of::<usize>() + size_of::<History>();
        let names = self.names.iter().map(name).sum::<usize>() + self.names.capacity() * by_place;
        let known = self.known.capacity() * size_of::<Since>();
        names + known + self.windows.iter().map(of).sum::<usize>()
    }

    /// Gives every cell its place; one that was known takes along what is kept of it.
    fn meet<S>(&mut self, cells: &[TrendCell<'_, S>]) {
        let are_known =
            self.order.len() == cells.len() && self.order.iter().zip(&self.names).all(|(cell, name)| name.is_of(&cells[*cell]));
        if are_known {
            return;
        }
        let mut order: Vec<usize> = (0..cells.len()).collect();
        order.sort_by_key(|&cell| (cells[cell].district, cells[cell].topic));
        let names: Vec<Name> = order.iter().map(|cell| Name::of(&cells[*cell])).collect();
        let before: Vec<Option<usize>> = names.iter().map(|name| self.names.binary_search(name).ok()).collect();
        let moved = |place: &Option<usize>| place.map_or_else(History::default, |place| self.histories[place]);
        self.histories = before.iter().map(moved).collect();
        let edges = self.phases.edges();
        let unknown = vec![Since::UNKNOWN; edges];
        let moved = |place: &Option<usize>| place.map_or(&*unknown, |place| &self.known[place * edges..][..edges]);
        self.known = before.iter().flat_map(moved).copied().collect();
        for window in &mut self.windows {
            let moved = |place: &Option<usize>| place.map_or_else(Cell::default, |place| mem::take(&mut window.cells[place]));
            (window.cells, window.has_changed) = (before.iter().map(moved).collect(), true);
        }
        (self.names, self.order, self.kinds) = (names, order, Kinds::new(cells));
    }

    /// Moves the windows on; begins anew where they are others, or end earlier.
    fn move_to(&mut self, phases: Phases) {
        let like = |(now, before): (&Phase, &Phase)| now.is_like(before);
        let before = self.phases.phases();
        if before.len() != phases.phases().len() || !phases.phases().iter().zip(before).all(like) {
            let empty = || Window { cells: vec![Cell::default(); self.order.len()], ..Window::default() };
            self.windows = phases.phases().iter().map(|_| empty()).collect();
        }
        if !phases.follow(&self.phases) {
            self.histories.fill(History::default());
        }
        self.known.resize(self.order.len() * phases.edges(), Since::UNKNOWN);
        self.phases = phases;
    }

    /// Counts the cells that are not as they were counted, in all windows at once.
    fn count<S: CountSeries>(&mut self, cells: &[TrendCell<'_, S>]) {
        let mut asked = Asked::default();
        let known = self.known.chunks_exact_mut(self.phases.edges().max(1));
        for (place, ((cell, history), known)) in self.order.iter().zip(&mut self.histories).zip(known).enumerate() {
            let series = &cells[*cell].series;
            let version = series.version();
            if version.is_none() || version != history.version {
                known.fill(Since::UNKNOWN);
                *history = History { version, first: series.first() };
            }
            if !self.phases.count(series, known, &mut asked) {
                continue;
            }
            for (position, window) in self.windows.iter_mut().enumerate() {
                let counts = self.phases.counted(position, known);
                let cell = &mut window.cells[place];
                if cell.counts != counts {
                    (cell.counts, cell.alone, window.has_changed) = (counts, None, true);
                }
            }
        }
    }
}

impl Window {
    /// Compares the cells as they are counted, where they are not those that were compared.
    fn compare(&mut self, (position, phase): (usize, &Phase), order: &[usize], kinds: &Kinds, seasons: &Seasons) {
        let holds = |place: &usize| !self.cells[*place].counts.is_empty();
        let places: Vec<usize> = (0..self.cells.len()).filter(holds).collect();
        let of_city = places.iter().filter(|place| kinds.is_city[order[**place]]);
        let city = City::new(phase, of_city.map(|place| &self.cells[*place].counts));
        let weights: Vec<Weights> = (0..kinds.topics).map(|topic| seasons.weights(topic, phase, &city)).collect();
        if weights != self.weights {
            self.cells.iter_mut().for_each(|cell| cell.alone = None);
            (self.weights, self.has_changed) = (weights, true);
        }
        if self.phase == Some(*phase) && !self.has_changed {
            return;
        }
        for place in &places {
            let Cell { counts, alone, .. } = &mut self.cells[*place];
            alone.get_or_insert_with(|| Level::alone(counts, &self.weights[kinds.topic[order[*place]]]));
        }
        let seen = |place: &usize| {
            let Cell { counts, alone, .. } = &self.cells[*place];
            Some(Seen { cell: order[*place], counts, alone: alone.as_ref()? })
        };
        let seen: Vec<Seen<'_>> = places.iter().filter_map(seen).collect();
        compare((position, phase), &city, &self.weights, &seen, kinds, &mut self.trends);
        (self.phase, self.has_changed, self.places) = (Some(*phase), false, places);
    }

    /// Which cells are called rising or falling, and since when.
    fn call<S: CountSeries>(
        &mut self,
        histories: &[History],
        cells: &[TrendCell<'_, S>],
        first: Option<Timestamp>,
        config: &TrendConfig,
    ) {
        let Some(phase) = self.phase else { return };
        // A cell is announced where it would be significant alone among all cells that there are; their number in powers of two,
        // so that one cell more moves no announcement.
        let known = histories.iter().filter(|history| history.first.is_some_and(|first| first < phase.end)).count();
        let rule = Rule {
            announce: config.max_q_value / known.next_power_of_two() as f64,
            follow: FOLLOW_P_VALUE,
            min_ratio: config.min_ratio,
            min_change: config.min_change,
        };
        if self.rule != Some((rule, first)) {
            self.cells.iter_mut().for_each(|cell| cell.episode = None);
            self.rule = Some((rule, first));
        }
        let latest = episode::latest(&phase);
        for (trend, place) in self.trends.iter_mut().zip(&self.places) {
            let Some((comparison, q_value)) = trend.comparison.zip(trend.q_value) else { continue };
            (trend.direction, trend.since, trend.announced_at) = (Direction::Steady, None, None);
            let significant = q_value <= config.max_q_value;
            let Some(direction) = large_change(trend, config) else { continue };
            if !significant && comparison.p_value() > FOLLOW_P_VALUE {
                continue;
            }
            let rising = direction == Direction::Rising;
            let looked = histories[*place].version.map(|version| Looked { version, latest, rising });
            let kept = &mut self.cells[*place].episode;
            let episode = match *kept {
                Some((before, episode)) if Some(before) == looked => episode,
                _ => episode(&cells[trend.cell].series, &phase, first, rising, &rule),
            };
            *kept = looked.map(|looked| (looked, episode));
            if significant || episode.announced_at.is_some() {
                (trend.direction, trend.since) = (direction, Some(episode.since));
                trend.announced_at = episode.announced_at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use feedback::time::{HOUR_US, MINUTE_US};
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::config::Config;
    use crate::dictionary::CITY;
    use crate::rows::Facts;
    use crate::series::{AllSeries, Series};

    const WEEK_US: i64 = 7 * DAY_US;
    /// Weeks of history, enough for a season.
    const WEEKS: i64 = 108;
    const DISTRICTS: u32 = 4;

    fn facts(created_at: i64, district: u32, topic: u8) -> Facts {
        Facts {
            created_at,
            updated_at: created_at,
            source: 0,
            district,
            language: 0,
            topic,
            channel: 0,
            signal: 0,
            urgency: 0,
            status: 0,
            tones: None,
            author: None,
            first_answer_at: None,
            closed_at: None,
        }
    }

    /// A city with a report of topic 0 every few hours in each of its districts but the last.
    struct City {
        series: AllSeries,
        reports: Vec<Facts>,
        watermark: i64,
    }

    impl City {
        fn new() -> Self {
            let mut city = Self { series: AllSeries::default(), reports: Vec::new(), watermark: WEEKS * WEEK_US };
            for district in 0..DISTRICTS - 1 {
                let step_us = (3 + 4 * i64::from(district)) * HOUR_US + 7 * MINUTE_US;
                (0..city.watermark / step_us).for_each(|step| city.count(facts(step * step_us, district, 0), 1));
            }
            city
        }

        fn count(&mut self, facts: Facts, delta: i32) {
            self.series.count(&facts, delta);
            if delta > 0 {
                self.reports.push(facts);
            }
        }

        fn cells(&self) -> Vec<TrendCell<'_, &Series>> {
            const NAMES: [&str; DISTRICTS as usize] = ["a", "b", "c", "d"];
            let name = |district: u32| if district == CITY { "*" } else { NAMES[district as usize] };
            let topic = |topic: u8| ["roads", "trees"][usize::from(topic)];
            let groups = self.series.groups.iter();
            groups
                .map(|((district, of), series)| TrendCell { district: Some(name(*district)), topic: Some(topic(*of)), series })
                .collect()
        }

        fn windows(&self, config: &Config) -> Vec<(i64, Timestamp)> {
            let end = |spec: &crate::config::WindowSpec| Timestamp::from_micros(spec.width().floor(self.watermark));
            config.windows.iter().map(|spec| (spec.length_us, end(spec))).collect()
        }
    }

    /// What happens between two ticks.
    #[derive(Clone, Debug)]
    enum Event {
        /// So many reports, a minute apart, the first so many minutes before the watermark.
        Burst { district: u32, topic: u8, reports: i64, minutes_ago: i64 },
        /// A report is erased.
        Erased(Index),
        /// A report turns out to be from another time.
        Moved(Index, i64),
        /// The watermark moves on.
        Passed { minutes: i64 },
        /// Old minutes become hours.
        Aged,
    }

    fn events() -> impl Strategy<Value = Event> {
        let minutes = || prop_oneof![3 => 0..40i64, 2 => 0..3 * 24 * 60i64, 1 => 0..100 * 7 * 24 * 60i64];
        let burst = (0..DISTRICTS, 0..2u8, 1..60i64, minutes())
            .prop_map(|(district, topic, reports, minutes_ago)| Event::Burst { district, topic, reports, minutes_ago });
        prop_oneof![
            4 => burst,
            1 => any::<Index>().prop_map(Event::Erased),
            1 => (any::<Index>(), minutes()).prop_map(|(report, minutes)| Event::Moved(report, minutes)),
            4 => minutes().prop_map(|minutes| Event::Passed { minutes: minutes.min(30 * 24 * 60) }),
            1 => Just(Event::Aged),
        ]
    }

    #[test]
    fn memory_is_as_the_documentation_states_it() {
        let (config, city, mut follower) = (Config::default(), City::new(), Follower::default());
        let cells = city.cells();
        let window = |(length_us, end): (i64, Timestamp)| TrendWindow { name: "", length_us, end };
        let windows: Vec<TrendWindow<'_>> = city.windows(&config).into_iter().map(window).collect();
        follower.follow(&windows, &cells, cells[0].series.first(), &config.trends);
        // Of a topic, not of its districts.
        let weights = windows.len() * size_of::<Weights>();
        let each = (follower.bytes() - weights) / (windows.len() * cells.len());
        assert!((1000..1200).contains(&each), "{each} bytes");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn trends_that_are_followed_are_those_found_from_scratch(
            ticks in prop::collection::vec(prop::collection::vec(events(), 0..4), 1..14),
            back in any::<Index>(),
        ) {
            let config = Config::default();
            let (mut city, mut follower) = (City::new(), Follower::default());
            let mut seen: Vec<(AllSeries, i64)> = Vec::new();
            for tick in &ticks {
                for event in tick {
                    let last = city.reports.len().saturating_sub(1);
                    match *event {
                        Event::Burst { district, topic, reports, minutes_ago } => {
                            let from = city.watermark - minutes_ago * MINUTE_US;
                            (0..reports).for_each(|n| city.count(facts(from + n * MINUTE_US, district, topic), 1));
                        }
                        Event::Erased(report) => {
                            let report = city.reports.swap_remove(report.index(last + 1));
                            city.count(report, -1);
                        }
                        Event::Moved(report, minutes) => {
                            let report = city.reports.swap_remove(report.index(last + 1));
                            city.count(report, -1);
                            city.count(facts(report.created_at - minutes * MINUTE_US, report.district, report.topic), 1);
                        }
                        Event::Passed { minutes } => city.watermark += minutes * MINUTE_US,
                        Event::Aged => city.series.age(city.watermark, &config),
                    }
                }
                seen.push((city.series.clone(), city.watermark));
                // Now, and as whoever still holds an older snapshot asks.
                let (older, watermark) = seen[back.index(seen.len())].clone();
                let older = City { series: older, reports: Vec::new(), watermark };
                for city in [&city, &older, &city, &city] {
                    let (windows, cells) = (city.windows(&config), city.cells());
                    let window = |(length_us, end): &(i64, Timestamp)| TrendWindow { name: "", length_us: *length_us, end: *end };
                    let windows: Vec<TrendWindow<'_>> = windows.iter().map(window).collect();
                    let first = cells.iter().filter(|cell| cell.is_city()).filter_map(|cell| cell.series.first()).min();
                    follower.follow(&windows, &cells, first, &config.trends);
                    let followed: Vec<Trend> = follower.trends().copied().collect();
                    prop_assert_eq!(followed, trends(&windows, &cells, first, &config.trends));
                }
            }
        }
    }
}
