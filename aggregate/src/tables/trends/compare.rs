//! How the cells of a window are compared, and which of them are called rising or falling.

use std::collections::{BTreeMap, BTreeSet};

use feedback::Timestamp;
use feedback::time::DAY_US;

use super::city::{City, Seasons};
use super::{Direction, Trend, TrendCell, TrendConfig, TrendWindow};
use crate::statistics::CountSeries;
use crate::statistics::baseline::{Baseline, Dispersion, Guess, Level, Means, Peers, Weights};
use crate::statistics::benjamini_hochberg::q_values;
use crate::statistics::episode::{Rule, episode};
use crate::statistics::gamma_poisson::Prior;
use crate::statistics::same_phase::{Counts, Phase, Phases};

/// Two-sided p-value up to which an announced change still goes on.
pub const FOLLOW_P_VALUE: f64 = 0.05;

/// How far one district's week may differ from the city's, and one topic's from that of all, as in [`Guess::share`]: by a half.
const PROFILE_EVENTS: f64 = 4.0;

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
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_by_key(|&i| (cells[i].district, cells[i].topic));
    let kinds = Kinds::new(cells);
    // The year moves by the day: windows that end on one day share it.
    let days: BTreeSet<Timestamp> = windows.iter().map(|window| window.end.floor(DAY_US)).collect();
    let seasons: BTreeMap<Timestamp, Seasons> =
        days.into_iter().map(|day| (day, Seasons::new(day, first, cells, &kinds))).collect();
    let of_window = |window: &TrendWindow<'_>| {
        let phase = Phase::new(window.end, window.length_us, first);
        phase.with_periods(seasons[&window.end.floor(DAY_US)].periods(&phase), first)
    };
    let phases = Phases::new(windows.iter().map(of_window).collect());
    let counted = phases.count(order.iter().map(|&cell| &cells[cell].series));
    let mut trends = Vec::with_capacity(windows.len() * cells.len());
    for (position, (phase, counts)) in phases.phases().iter().zip(&counted).enumerate() {
        let counted: Vec<(usize, &Counts)> =
            order.iter().copied().zip(counts).filter(|(_, counts)| !counts.is_empty()).collect();
        let (seasons, before) = (&seasons[&windows[position].end.floor(DAY_US)], trends.len());
        compare_window(position, phase, &counted, &kinds, seasons, &mut trends);
        call(&mut trends[before..], cells, first, config);
    }
    trends
}

/// Topics and kinds of cells by number: a table of tens of thousands of rows compares no names.
pub(super) struct Kinds {
    /// The topic of each cell, numbered in their order.
    pub(super) topic: Vec<usize>,
    /// How many topics there are.
    pub(super) topics: usize,
    is_city: Vec<bool>,
}

impl Kinds {
    fn new<S>(cells: &[TrendCell<'_, S>]) -> Self {
        let mut numbers: BTreeMap<Option<&str>, usize> = cells.iter().map(|cell| (cell.topic, 0)).collect();
        numbers.values_mut().enumerate().for_each(|(position, number)| *number = position);
        let topic = cells.iter().map(|cell| numbers[&cell.topic]).collect();
        Self { topic, topics: numbers.len(), is_city: cells.iter().map(TrendCell::is_city).collect() }
    }

    /// Cells of one kind are a topic's districts, or all topics in the whole city.
    fn kind(&self, cell: usize) -> usize {
        if self.is_city[cell] { self.topics } else { self.topic[cell] }
    }

    /// What the cells of a kind let guess of one another, by kind: for windows whose periods leave no time between them, at which
    /// else a cell could be looked at. Cells that hold nothing are not among those counted, and count as silent.
    fn guesses<'a>(
        &self,
        counted: &[(usize, &Counts)],
        levels: &[Level],
        peers: &[Dispersion],
        weights: impl Fn(usize) -> &'a Weights,
    ) -> Vec<Option<Guess>> {
        let mut silent = vec![0usize; self.topics + 1];
        (0..self.topic.len()).for_each(|cell| silent[self.kind(cell)] += 1);
        let mut means = vec![Means::default(); self.topics + 1];
        let mut periods = vec![0.0; self.topics + 1];
        for ((cell, _), level) in counted.iter().zip(levels) {
            let kind = self.kind(*cell);
            means[kind].add(level, peers[kind].moderated(level).value);
            silent[kind] -= 1;
            periods[kind] = weights(*cell).equal_periods();
        }
        means.iter_mut().zip(silent).zip(periods).for_each(|((means, silent), periods)| means.add_silent(silent, periods));
        means.iter().map(Means::guess).collect()
    }
}

/// Adds the cells of one window with their expectations and tests.
fn compare_window(
    window: usize,
    phase: &Phase,
    counted: &[(usize, &Counts)],
    kinds: &Kinds,
    seasons: &Seasons,
    trends: &mut Vec<Trend>,
) {
    let of_city = counted.iter().filter(|(cell, _)| kinds.is_city[*cell]);
    let city = City::new(phase, of_city.map(|(_, counts)| *counts));
    let weights: Vec<Weights> = (0..kinds.topics).map(|topic| seasons.weights(topic, phase, &city)).collect();
    let weights = |cell: usize| &weights[kinds.topic[cell]];
    let pooled = |levels: &[Level]| {
        let mut peers = vec![Peers::default(); kinds.topics + 1];
        counted.iter().zip(levels).for_each(|((cell, _), level)| peers[kinds.kind(*cell)].add(level));
        peers.iter().map(Peers::prior).collect::<Vec<Dispersion>>()
    };
    // Outbreaks stand out by each cell's own dispersion first, then by that of its kind, which the worst no longer swell.
    let alone: Vec<Level> = counted.iter().map(|(cell, counts)| Level::alone(counts, weights(*cell))).collect();
    let peers = pooled(&alone);
    let damped = |((cell, counts), level): (&(usize, &Counts), &Level)| {
        level.damped(counts, weights(*cell), peers[kinds.kind(*cell)].moderated(level).value)
    };
    let levels: Vec<Level> = counted.iter().zip(&alone).map(damped).collect();
    let peers = pooled(&levels);

    let guesses = kinds.guesses(counted, &levels, &peers, weights);
    let baseline = |cell: usize, counts: &Counts, level: &Level, of: Option<(f64, u64)>| {
        let dispersion = peers[kinds.kind(cell)].moderated(level);
        let guess = match of.filter(|(mean, between)| *mean > 0.0 && *between > 0) {
            Some((mean, between)) => Guess::share((counts.between, between), mean, PROFILE_EVENTS, dispersion.value),
            None => guesses[kinds.kind(cell)].unwrap_or_else(|| Guess::vague(level)),
        };
        Baseline::new(level, dispersion, guess)
    };
    // What a topic makes in the whole city at this phase, and at any other: the city's rows first, the districts' from those.
    let all = Some((city.level.mean, city.total.between));
    let mut topics: Vec<Option<(f64, u64)>> = vec![None; kinds.topics];
    for ((cell, counts), level) in counted.iter().zip(&levels) {
        if kinds.is_city[*cell] {
            topics[kinds.topic[*cell]] = baseline(*cell, counts, level, all).map(|found| (found.mean, counts.between));
        }
    }
    let compare = |((cell, counts), level): (&(usize, &Counts), &Level)| {
        let of = if kinds.is_city[*cell] { all } else { topics[kinds.topic[*cell]] };
        let baseline = if city.missing.is_none() { baseline(*cell, counts, level, of) } else { None };
        Trend {
            window,
            cell: *cell,
            phase: *phase,
            observed: counts.observed,
            compared: weights(*cell).counting(),
            gaps: city.gaps,
            baseline,
            comparison: baseline.map(|baseline| baseline.compare(counts.observed)),
            interval: baseline.map(|baseline| baseline.interval(counts.observed)),
            q_value: None,
            shrunk: None,
            missing: city.missing,
            direction: Direction::Unknown,
            since: None,
            announced_at: None,
        }
    };
    let before = trends.len();
    trends.extend(counted.iter().zip(&levels).map(compare));
    let trends = &mut trends[before..];
    let in_districts = trends.iter().filter(|trend| !kinds.is_city[trend.cell]);
    let prior = Prior::fit(in_districts.filter_map(|trend| Some((trend.observed, trend.baseline?.mean))));
    for trend in trends {
        let expected = trend.baseline.map(|baseline| baseline.mean);
        trend.shrunk = prior.as_ref().zip(expected).map(|(prior, mean)| prior.shrink(trend.observed, mean));
    }
}

/// Which cells of a window are called rising or falling, and since when.
fn call<S: CountSeries>(trends: &mut [Trend], cells: &[TrendCell<'_, S>], first: Option<Timestamp>, config: &TrendConfig) {
    let Some(end) = trends.first().map(|trend| trend.phase.end) else { return };
    // A cell is announced where it would be significant alone among all cells that there are; their number in powers of two,
    // so that one cell more moves no announcement.
    let known = cells.iter().filter(|cell| cell.series.first().is_some_and(|first| first < end)).count();
    let rule = Rule {
        announce: config.max_q_value / known.next_power_of_two() as f64,
        follow: FOLLOW_P_VALUE,
        min_ratio: config.min_ratio,
        min_change: config.min_change,
    };
    let p_values: Vec<f64> = trends.iter().map(|trend| trend.comparison.map_or(f64::NAN, |c| c.p_value())).collect();
    for (trend, q_value) in trends.iter_mut().zip(q_values(&p_values)) {
        let Some(comparison) = trend.comparison else { continue };
        trend.q_value = Some(q_value);
        trend.direction = Direction::Steady;
        let significant = q_value <= config.max_q_value;
        let Some(direction) = large_change(trend, config) else { continue };
        if !significant && comparison.p_value() > FOLLOW_P_VALUE {
            continue;
        }
        let rising = direction == Direction::Rising;
        let episode = episode(&cells[trend.cell].series, &trend.phase, first, rising, &rule);
        if significant || episode.announced_at.is_some() {
            trend.direction = direction;
            trend.since = Some(episode.since);
            trend.announced_at = episode.announced_at;
        }
    }
}

/// Which way it goes, if far enough to matter.
fn large_change(trend: &Trend, config: &TrendConfig) -> Option<Direction> {
    let (ratio, expected) = (trend.comparison?.ratio, trend.baseline?.mean);
    if (trend.observed as f64 - expected).abs() < config.min_change {
        None
    } else if ratio >= config.min_ratio {
        Some(Direction::Rising)
    } else if ratio <= 1.0 / config.min_ratio {
        Some(Direction::Falling)
    } else {
        None
    }
}
