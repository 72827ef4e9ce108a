//! What each earlier period is worth, and how much was to be expected in it.

use crate::statistics::same_phase::{Counts, MAX_PERIODS};
use crate::statistics::season::Season;

/// Periods after which an earlier one counts half.
pub const HALF_LIFE_PERIODS: f64 = 8.0;
/// Weeks that one is compared with where the season of the year is known, and the half-life of their weights: a level that is
/// taken through the year can be looked for further back.
pub const SEASONAL_PERIODS: usize = 52;
/// See [`SEASONAL_PERIODS`].
pub const SEASONAL_HALF_LIFE: f64 = 52.0;
/// The latest periods that are left out, so that what has just begun does not explain itself ...
pub const GUARD_PERIODS: usize = 1;
/// ... once there are this many.
pub const GUARD_FROM: usize = 6;
/// How much more or less a season may make of a period at most.
const MAX_SEASON: f64 = 20.0;

/// How much each earlier period counts, and how much was to be expected in it if the window now is 1.
///
/// A table of tens of thousands of rows asks a few weights of the same periods, so what does not depend on the counts is summed
/// up here, once. A period that does not count has weight zero, and loops over periods have no branches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    pub(super) weight: [f64; MAX_PERIODS],
    pub(super) exposure: [f64; MAX_PERIODS],
    /// Weight over exposure, ...
    pub(super) per_exposure: [f64; MAX_PERIODS],
    /// ... and the roots of the exposures, for what is compared on the scale of roots.
    pub(super) root_exposure: [f64; MAX_PERIODS],
    pub(super) periods: usize,
    counting: usize,
    pub(super) sums: Sums,
    /// The share of the exposure that the period with most of it does not have.
    pub(super) free: f64,
}

/// Sums over periods that need no counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) weights: f64,
    /// Of weight times exposure, ...
    pub(super) total: f64,
    /// ... and of weight squared times exposure.
    pub(super) squares: f64,
}

impl Sums {
    pub(super) fn add(&mut self, weight: f64, exposure: f64) {
        self.weights += weight;
        self.total += weight * exposure;
        self.squares += weight * weight * exposure;
    }
}

/// One period that counts: reports, weight, exposure.
#[derive(Clone, Copy)]
pub(super) struct Period {
    pub(super) count: f64,
    pub(super) weight: f64,
    pub(super) exposure: f64,
}

impl Weights {
    /// Weights of `periods` earlier periods, the latest first, without those that are `missing` and those of the guard band.
    pub fn new(periods: usize, missing: impl Fn(usize) -> bool) -> Self {
        Self::halving(periods, HALF_LIFE_PERIODS, missing)
    }

    /// The same with another half-life.
    pub fn halving(periods: usize, half_life_periods: f64, missing: impl Fn(usize) -> bool) -> Self {
        let periods = periods.min(MAX_PERIODS);
        let guard = if periods >= GUARD_FROM { GUARD_PERIODS } else { 0 };
        let mut weight = [0.0; MAX_PERIODS];
        for period in (guard..periods).filter(|period| !missing(*period)) {
            weight[period] = (-(period as f64) / half_life_periods).exp2();
        }
        Self::of(weight, [1.0; MAX_PERIODS], periods)
    }

    /// With what the season of the year makes of each period, which are so many weeks apart.
    pub fn in_season(self, season: &Season, weeks: f64) -> Self {
        let mut exposure = [1.0; MAX_PERIODS];
        for (period, exposure) in exposure.iter_mut().enumerate().take(self.periods) {
            *exposure = season.relative(weeks * (period + 1) as f64).clamp(1.0 / MAX_SEASON, MAX_SEASON);
        }
        Self::of(self.weight, exposure, self.periods)
    }

    fn of(weight: [f64; MAX_PERIODS], exposure: [f64; MAX_PERIODS], periods: usize) -> Self {
        let mut sums = Sums::default();
        weight.iter().zip(exposure).for_each(|(weight, exposure)| sums.add(*weight, exposure));
        let most = weight.iter().zip(exposure).map(|(weight, exposure)| weight * exposure).fold(0.0, f64::max);
        let counting = weight.iter().filter(|weight| **weight > 0.0).count();
        Self {
            per_exposure: std::array::from_fn(|period| weight[period] / exposure[period]),
            root_exposure: exposure.map(f64::sqrt),
            free: 1.0 - most / sums.total,
            weight,
            exposure,
            periods,
            counting,
            sums,
        }
    }

    /// How many periods count.
    pub fn counting(&self) -> usize {
        self.counting
    }

    /// Equally weighted periods like the window that would say as much.
    pub fn equal_periods(&self) -> f64 {
        if self.counting == 0 { 0.0 } else { self.sums.total * self.sums.total / self.sums.squares }
    }

    /// The periods that count.
    pub(super) fn of_counts(&self, counts: &Counts) -> impl Iterator<Item = Period> + Clone {
        let all = counts.earlier[..self.periods].iter().zip(&self.weight).zip(&self.exposure);
        let period = |((count, weight), exposure): ((&u32, &f64), &f64)| {
            (*weight > 0.0).then(|| Period { count: f64::from(*count), weight: *weight, exposure: *exposure })
        };
        all.filter_map(period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_periods_count_more_and_the_latest_not_at_all() {
        let weights = Weights::new(12, |period| period == 3);
        assert_eq!(weights.counting(), 10);
        assert_eq!((weights.weight[0], weights.weight[3], weights.weight[8]), (0.0, 0.0, 0.5));
        assert_eq!(Weights::new(2, |_| false).counting(), 2, "a short history is used whole");
        assert_eq!(Weights::new(0, |_| false).counting(), 0);
    }
}
