//! What the whole city says about a window: its level, the periods without any report, the season of each topic.

use feedback::Timestamp;

use super::compare::Kinds;
use super::{Missing, TrendCell};
use crate::statistics::CountSeries;
use crate::statistics::baseline::{HALF_LIFE_PERIODS, Level, SEASONAL_HALF_LIFE, SEASONAL_PERIODS, Weights};
use crate::statistics::same_phase::{Counts, PERIODS, Phase, WEEK_US};
use crate::statistics::season::{MAX_WEEKS, Season};
use crate::statistics::series::Since;

/// Reports that the whole city must be expected to make for their complete absence to mean that a source was down.
const MIN_CITY_REPORTS: f64 = 20.0;

/// All cells of a window together.
pub(super) struct City {
    pub(super) total: Counts,
    pub(super) level: Level,
    /// Earlier periods without any report though many were to be expected.
    silent: Vec<bool>,
    pub(super) gaps: usize,
    pub(super) missing: Option<Missing>,
}

impl City {
    pub(super) fn new<'a>(phase: &Phase, counts: impl Iterator<Item = &'a Counts>) -> Self {
        let mut total = Counts { periods: phase.periods, ..Counts::default() };
        let mut known = false;
        for counts in counts {
            known = true;
            total.observed += counts.observed;
            total.between += counts.between;
            total.earlier.iter_mut().zip(counts.earlier).for_each(|(sum, count)| *sum = sum.saturating_add(count));
        }
        let reports: f64 = total.earlier().iter().map(|count| f64::from(*count)).sum();
        let many = reports / phase.periods.saturating_sub(1).max(1) as f64 >= MIN_CITY_REPORTS;
        let silent: Vec<bool> = total.earlier().iter().map(|count| known && many && *count == 0).collect();
        let weights = Weights::new(phase.periods.min(PERIODS), |period| silent[period]);
        let level = Level::alone(&total, &weights);
        let missing = if phase.periods == 0 {
            Some(Missing::History)
        } else if weights.counting() == 0 {
            Some(Missing::Earlier)
        } else if known && total.observed == 0 && level.mean >= MIN_CITY_REPORTS {
            Some(Missing::Now)
        } else {
            None
        };
        let gaps = silent.iter().filter(|silent| **silent).count();
        Self { total, level, silent, gaps, missing }
    }
}

/// The season of each topic, where the city's reports show one.
#[derive(Clone, Debug, Default)]
pub(super) struct Seasons {
    /// Reports of each topic by week, the latest first.
    weekly: Vec<Vec<u64>>,
    by_topic: Vec<Option<Season>>,
}

impl Seasons {
    /// From the city's weeks that end at `end`; fitted anew where they are not those of `before`.
    pub(super) fn new<S: CountSeries>(
        end: Timestamp,
        first: Option<Timestamp>,
        cells: &[TrendCell<'_, S>],
        kinds: &Kinds,
        before: Option<Self>,
    ) -> Self {
        let history_us = first.map_or(0, |first| end.micros().saturating_sub(first.micros()).max(0));
        let weeks = usize::try_from(history_us / WEEK_US).unwrap_or(0).min(MAX_WEEKS);
        let moments: Vec<Timestamp> = (0..=weeks as i64).map(|week| end.plus_micros(-week * WEEK_US)).collect();
        let mut weekly = vec![vec![0u64; weeks]; kinds.topics];
        let mut since = vec![Since::default(); moments.len()];
        for (cell, topic) in cells.iter().zip(&kinds.topic).filter(|(cell, _)| cell.is_city()) {
            cell.series.counts_since(&moments, &mut since);
            for (count, pair) in weekly[*topic].iter_mut().zip(since.windows(2)) {
                *count = pair[1].count - pair[0].count;
            }
        }
        match before {
            Some(before) if before.weekly == weekly => before,
            _ => Self::fit(weekly, weeks),
        }
    }

    fn fit(weekly: Vec<Vec<u64>>, weeks: usize) -> Self {
        let totals: Vec<u64> = (0..weeks).map(|week| weekly.iter().map(|counts| counts[week]).sum()).collect();
        let many = totals.iter().sum::<u64>() as f64 / weeks.max(1) as f64 >= MIN_CITY_REPORTS;
        // A week in which the whole city is silent is a gap.
        let known = |(count, total): (&u64, &u64)| (!many || *total > 0).then_some(*count);
        let season = |counts: &Vec<u64>| Season::fit(&counts.iter().zip(&totals).map(known).collect::<Vec<_>>());
        Self { by_topic: weekly.iter().map(season).collect(), weekly }
    }

    /// How many earlier periods are worth counting.
    pub(super) fn periods(&self, phase: &Phase) -> usize {
        if phase.is_week() && self.by_topic.iter().any(Option::is_some) { SEASONAL_PERIODS } else { PERIODS }
    }

    /// What the earlier periods of a topic are worth.
    pub(super) fn weights(&self, topic: usize, phase: &Phase, city: &City) -> Weights {
        let silent = |period: usize| city.silent[period];
        match self.by_topic.get(topic).and_then(Option::as_ref) {
            Some(season) => {
                let half_life = if phase.is_week() { SEASONAL_HALF_LIFE } else { HALF_LIFE_PERIODS };
                Weights::halving(phase.periods, half_life, silent).in_season(season, phase.weeks())
            }
            None => Weights::new(phase.periods.min(PERIODS), silent),
        }
    }
}
