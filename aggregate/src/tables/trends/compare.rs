//! How the cells of a window are compared with their earlier periods, and with one another.

use std::collections::BTreeMap;

use super::city::City;
use super::{Direction, Trend, TrendCell, TrendConfig};
use crate::statistics::baseline::{Baseline, Deviates, Dispersion, Guess, Level, Means, Peers, Weights};
use crate::statistics::benjamini_hochberg::q_values;
use crate::statistics::gamma_poisson::Prior;
use crate::statistics::same_phase::{Counts, Phase};

/// How far one district's week may differ from the city's, and one topic's from that of all, as in [`Guess::share`]: by a half.
const PROFILE_EVENTS: f64 = 4.0;

/// Topics and kinds of cells by number: a table of tens of thousands of rows compares no names.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    /// The topic of each cell, numbered in their order.
    pub(super) topic: Vec<usize>,
    /// How many topics there are.
    pub(super) topics: usize,
    /// Which cells are a topic in the whole city.
    pub(super) is_city: Vec<bool>,
}

impl Kinds {
    pub(super) fn new<S>(cells: &[TrendCell<'_, S>]) -> Self {
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
        seen: &[Seen<'_>],
        levels: &[Level],
        peers: &[Dispersion],
        weights: impl Fn(usize) -> &'a Weights,
    ) -> Vec<Option<Guess>> {
        let mut silent = vec![0usize; self.topics + 1];
        (0..self.topic.len()).for_each(|cell| silent[self.kind(cell)] += 1);
        let mut means = vec![Means::default(); self.topics + 1];
        let mut periods = vec![0.0; self.topics + 1];
        for (Seen { cell, .. }, level) in seen.iter().zip(levels) {
            let kind = self.kind(*cell);
            means[kind].add(level, peers[kind].moderated(level).value);
            silent[kind] -= 1;
            periods[kind] = weights(*cell).equal_periods();
        }
        means.iter_mut().zip(silent).zip(periods).for_each(|((means, silent), periods)| means.add_silent(silent, periods));
        means.iter().map(Means::guess).collect()
    }
}

/// A cell that holds anything in a window.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    /// Its position in the input.
    pub(super) cell: usize,
    pub(super) counts: &'a Counts,
    /// What it makes of its history alone.
    pub(super) alone: &'a Level,
}

/// The cells of one window with their expectations and tests, in the order in which they were seen. `weights` are those of each topic.
/// Which of them are rising is not said yet.
pub(super) fn compare(
    (window, phase): (usize, &Phase),
    city: &City,
    weights: &[Weights],
    seen: &[Seen<'_>],
    kinds: &Kinds,
    trends: &mut Vec<Trend>,
) {
    let weights = |cell: usize| &weights[kinds.topic[cell]];
    let pooled = |levels: &mut dyn Iterator<Item = &Level>| {
        let mut peers = vec![Peers::default(); kinds.topics + 1];
        seen.iter().zip(levels).for_each(|(seen, level)| peers[kinds.kind(seen.cell)].add(level));
        peers.iter().map(Peers::prior).collect::<Vec<Dispersion>>()
    };
    // Outbreaks stand out by each cell's own dispersion first, then by that of its kind, which the worst no longer swell.
    let peers = pooled(&mut seen.iter().map(|seen| seen.alone));
    let damped = |Seen { cell, counts, alone }: &Seen<'_>| {
        alone.damped(counts, weights(*cell), peers[kinds.kind(*cell)].moderated(alone).value)
    };
    let levels: Vec<Level> = seen.iter().map(damped).collect();
    let peers = pooled(&mut levels.iter());

    let guesses = kinds.guesses(seen, &levels, &peers, weights);
    let baseline = |cell: usize, counts: &Counts, level: &Level, of: Option<(f64, u64)>| {
        let dispersion = peers[kinds.kind(cell)].moderated(level);
        let guess = match of.filter(|(mean, between)| *mean > 0.0 && *between > 0) {
            Some((mean, between)) => Guess::share((counts.between, between), mean, PROFILE_EVENTS, dispersion.value),
            None => guesses[kinds.kind(cell)].unwrap_or_else(Guess::vague),
        };
        Baseline::new(level, dispersion, guess)
    };
    // What a topic makes in the whole city at this phase, and at any other: the city's rows first, the districts' from those.
    let all = Some((city.level.mean, city.total.between));
    let mut topics: Vec<Option<(f64, u64)>> = vec![None; kinds.topics];
    for (Seen { cell, counts, .. }, level) in seen.iter().zip(&levels) {
        if kinds.is_city[*cell] {
            topics[kinds.topic[*cell]] = baseline(*cell, counts, level, all).map(|found| (found.mean, counts.between));
        }
    }
    let mut deviates = Deviates::default();
    let compare = |(Seen { cell, counts, .. }, level): (&Seen<'_>, &Level)| {
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
            interval: baseline.map(|baseline| baseline.interval_among(counts.observed, &mut deviates)),
            q_value: None,
            shrunk: None,
            missing: city.missing,
            direction: Direction::Unknown,
            since: None,
            announced_at: None,
        }
    };
    trends.clear();
    trends.extend(seen.iter().zip(&levels).map(compare));
    let p_values: Vec<f64> = trends.iter().map(|trend| trend.comparison.map_or(f64::NAN, |c| c.p_value())).collect();
    let in_districts = trends.iter().filter(|trend| !kinds.is_city[trend.cell]);
    let prior = Prior::fit(in_districts.filter_map(|trend| Some((trend.observed, trend.baseline?.mean))));
    for (trend, q_value) in trends.iter_mut().zip(q_values(&p_values)) {
        let expected = trend.baseline.map(|baseline| baseline.mean);
        trend.shrunk = prior.as_ref().zip(expected).map(|(prior, mean)| prior.shrink(trend.observed, mean));
        trend.q_value = trend.comparison.map(|_| q_value);
    }
}

/// Which way it goes, if far enough to matter.
pub(super) fn large_change(trend: &Trend, config: &TrendConfig) -> Option<Direction> {
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
