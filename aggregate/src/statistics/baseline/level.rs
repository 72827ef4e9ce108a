//! A cell's history summed up: its mean, how much it tells, how much it varies. Past outbreaks are weighed down.

use super::dispersion::{PRIOR_DEGREES, PRIOR_DISPERSION, Peers};
use super::guess::VAGUE_EVENTS;
use super::weights::{Period, Sums, Weights};
use crate::statistics::negative_binomial::upper_tail;
use crate::statistics::same_phase::{Counts, MAX_PERIODS};

/// Standardised Anscombe residual above which a period counts as a past outbreak. Noufaily et al. (2013) take 2.58; of a dozen
/// periods that would often be an ordinary one, and the dispersion would come out too small.
pub const OUTBREAK_ABOVE: f64 = 3.0;
/// Probability of a count this high above which it is no outbreak however large its residual: counts that are rare and vary much have
/// long tails, which the residuals of Poisson counts do not know of. That of [`OUTBREAK_ABOVE`] standard deviations.
const OUTBREAK_BELOW: f64 = 0.00135;
/// Periods from which on one of them can be told to be an outbreak: of two that differ nobody knows which was.
const DAMPED_FROM: usize = 5;
/// What damping takes off the dispersion beyond that of Poisson counts, of periods without any outbreak, put back: found by simulation,
/// checked in the tests.
const DAMPING_LOSS: f64 = 1.04;
/// At most one period in so many can be an outbreak.
const MAX_OUTBREAKS_OF: usize = 3;
/// Fewest reports in a period that are an outbreak, as in the reference's rule of five: of rare reports, two are none.
const MIN_OUTBREAK: u32 = 5;
/// Standard deviation over median absolute deviation of a normal variable, and how much of the information the latter uses.
const NORMAL_MEDIAN_DEVIATION: f64 = 1.4826;
const MEDIAN_EFFICIENCY: f64 = 0.37;

/// A cell's history summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Level {
    /// What the earlier periods let expect now: their weighted mean, each taken to the season of the window.
    pub mean: f64,
    /// Equally weighted periods like the window that would say as much.
    pub periods: f64,
    /// Variance over mean times [`Level::degrees`]; 0 where the history is.
    pub spread: f64,
    /// Degrees of freedom of the spread.
    pub degrees: f64,
    /// Whether no period would be called an outbreak however little counts vary. Most cells are calm, and stay as they are whatever
    /// others say of the dispersion: it is never below that of Poisson counts.
    pub(super) is_calm: bool,
}

impl Level {
    /// Sums up the periods as they are.
    pub fn plain(counts: &Counts, weights: &Weights) -> Self {
        let (mut sum, mut square) = (0.0, 0.0);
        let periods = counts.earlier[..weights.periods].iter().zip(&weights.weight).zip(&weights.per_exposure);
        for ((count, weight), per_exposure) in periods {
            let count = f64::from(*count);
            sum += weight * count;
            square += per_exposure * count * count;
        }
        Self::summed(weights.counting(), weights.sums, sum, square)
    }

    /// Sums up the periods, past outbreaks weighed down: those far above the mean of `self`, a first idea of the same periods, given how
    /// much counts vary.
    pub fn damped(&self, counts: &Counts, weights: &Weights, dispersion: f64) -> Self {
        if self.is_calm && dispersion >= 1.0 {
            return *self;
        }
        if !self.is_exceeded(counts, weights, dispersion) {
            return Self::plain(counts, weights);
        }
        let damping = |period: &Period| {
            let mean = self.mean * period.exposure;
            let error = (dispersion * (1.0 - period.weight * period.exposure / weights.sums.total)).sqrt();
            if period.count < f64::from(MIN_OUTBREAK) || !is_above(period.count, mean.sqrt(), OUTBREAK_ABOVE * error) {
                return 1.0;
            }
            if upper_tail(period.count as u64, mean, dispersion) > OUTBREAK_BELOW {
                return 1.0;
            }
            (1.5 * (period.count.cbrt().powi(2) * mean.powf(-1.0 / 6.0) - mean.sqrt()) / error).powi(-2)
        };
        // A cell that is high every other week has no outbreaks: it varies.
        let outbreaks = weights.of_counts(counts).filter(|period| damping(period) < 1.0).count();
        if outbreaks * MAX_OUTBREAKS_OF > weights.counting() {
            return Self::plain(counts, weights);
        }
        let (mut sums, mut sum, mut square) = (Sums::default(), 0.0, 0.0);
        for period in weights.of_counts(counts) {
            let weight = period.weight * damping(&period);
            sums.add(weight, period.exposure);
            sum += weight * period.count;
            square += weight * period.count * period.count / period.exposure;
        }
        Self::summed(weights.counting(), sums, sum, square)
    }

    /// The history of a cell that is looked at alone: damped by its own dispersion.
    pub fn alone(counts: &Counts, weights: &Weights) -> Self {
        let plain = Self::plain(counts, weights);
        if !plain.is_exceeded(counts, weights, 1.0) {
            return Self { is_calm: true, ..plain };
        }
        // An outbreak among few periods swells the dispersion that it would be measured by: begin with what it cannot move.
        let (start, dispersion) = plain.robust(counts, weights);
        let damped = start.damped(counts, weights, dispersion);
        damped.damped(counts, weights, Peers::default().dispersion(&damped).value)
    }

    /// Whether any count would be called an outbreak if the periods varied by this much around the mean. Asked of every cell, and
    /// seldom so: no root is taken for a period.
    fn is_exceeded(&self, counts: &Counts, weights: &Weights, dispersion: f64) -> bool {
        let earlier = &counts.earlier[..weights.periods];
        if weights.counting() < DAMPED_FROM || self.mean == 0.0 || earlier.iter().max().is_none_or(|most| *most < MIN_OUTBREAK)
        {
            return false;
        }
        let (root, threshold) = (self.mean.sqrt(), OUTBREAK_ABOVE * (dispersion * weights.free).sqrt());
        let periods = earlier.iter().zip(&weights.weight).zip(&weights.root_exposure);
        periods.fold(false, |found, ((count, weight), root_exposure)| {
            let is_large = (*weight > 0.0) & (*count >= MIN_OUTBREAK);
            found | (is_large & is_above(f64::from(*count), root * root_exposure, threshold))
        })
    }

    /// The median of the periods that count, and a dispersion from their median deviation on the scale of roots, on which the
    /// variance of counts is a quarter of it whatever the mean.
    fn robust(&self, counts: &Counts, weights: &Weights) -> (Self, f64) {
        let median = |values: &mut [f64]| {
            values.sort_unstable_by(f64::total_cmp);
            let half = values.len() / 2;
            if values.len() % 2 == 1 { values[half] } else { 0.5 * (values[half] + values[half - 1]) }
        };
        let mut values = [0.0; MAX_PERIODS];
        let values = &mut values[..weights.counting()];
        let periods = || weights.of_counts(counts);
        values.iter_mut().zip(periods()).for_each(|(root, period)| *root = (period.count / period.exposure).sqrt());
        let centre = median(values);
        let deviations = periods().map(|p| (p.count.sqrt() - centre * p.exposure.sqrt()).abs());
        values.iter_mut().zip(deviations).for_each(|(value, deviation)| *value = deviation);
        let deviation = 2.0 * NORMAL_MEDIAN_DEVIATION * median(values);
        let degrees = MEDIAN_EFFICIENCY * self.degrees;
        let dispersion = (deviation * deviation * degrees + PRIOR_DISPERSION * PRIOR_DEGREES) / (degrees + PRIOR_DEGREES);
        (Self { mean: (centre * centre).max(VAGUE_EVENTS / self.periods), ..*self }, dispersion.max(1.0))
    }

    /// From the sum of weighted counts, and that of weighted squares over exposures.
    fn summed(counting: usize, Sums { weights, total, squares }: Sums, sum: f64, square: f64) -> Self {
        if total == 0.0 {
            return Self::default();
        }
        let (mean, equal) = (sum / total, total * total / squares);
        let degrees = equal.min(counting as f64) - 1.0;
        if mean == 0.0 || degrees < 1e-9 {
            return Self { mean, periods: equal, ..Self::default() };
        }
        let pearson = (square - mean * sum).max(0.0);
        // Weights that add up to the number of periods, and the expectation of the sum under them.
        let used = counting as f64;
        let seen = pearson / mean * used / weights / (used - used / (degrees + 1.0));
        let dispersion = if counting >= DAMPED_FROM { (1.0 + DAMPING_LOSS * (seen - 1.0)).max(0.0) } else { seen };
        Self { mean, periods: equal, spread: dispersion * degrees, degrees, is_calm: false }
    }
}

/// Whether the Anscombe residual of a count around the mean whose root is given, 3/2 (count^(2/3) mean^(-1/6) - mean^(1/2)), is above a
/// threshold: without taking roots.
fn is_above(count: f64, root: f64, threshold: f64) -> bool {
    let above = root + threshold / 1.5;
    count * count > root * above * above * above
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(earlier: &[u64]) -> Level {
        Level::alone(&Counts::new(0, earlier), &Weights::new(earlier.len(), |_| false))
    }

    #[test]
    fn equal_periods_are_their_own_mean() {
        let level = level(&[7; 12]);
        assert!((level.mean - 7.0).abs() < 1e-12 && level.spread < 1e-12);
        assert!(level.periods > 9.5 && level.periods < 11.0, "{}", level.periods);
    }

    #[test]
    fn an_old_outbreak_hardly_counts() {
        let [with, without] = [[10, 9, 11, 60, 10, 10, 9, 11], [10, 9, 11, 10, 10, 10, 9, 11]].map(|counts| level(&counts));
        assert!((with.mean - without.mean).abs() < 1.5, "{} {}", with.mean, without.mean);
        assert!(with.periods < without.periods);
    }

    #[test]
    fn residuals_are_compared_without_roots() {
        for (count, mean) in [(20.0f64, 6.0f64), (12.0, 6.0), (400.0, 310.0), (3.0, 0.2)] {
            let residual = 1.5 * (count.powf(2.0 / 3.0) * mean.powf(-1.0 / 6.0) - mean.sqrt());
            assert!(is_above(count, mean.sqrt(), residual - 1e-9) && !is_above(count, mean.sqrt(), residual + 1e-9));
        }
    }
}
