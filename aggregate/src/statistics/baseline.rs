//! What the same phase of earlier periods lets expect, and how far a count is from it.
//!
//! The Farrington-flexible method (Farrington et al. 1996; Noufaily et al. 2013; [`farrington`](super::farrington)) needs years
//! of weekly counts. This is its adaptation to rolling windows over weeks: the season is the phase of the week, the guard band one period,
//! the trend is followed by weights that halve every [`HALF_LIFE_PERIODS`], past outbreaks count less by the same Anscombe residuals, the
//! variance is a multiple of the mean, and the tail is negative-binomial.
//! Where the phase's own history is thin it is drawn to what the rest of the city lets guess (a Gamma prior, so that the mean stays Gamma
//! and the count negative-binomial, its variance grown by what is not known of the mean).

use super::negative_binomial::tails;
use super::same_phase::{Counts, MAX_PERIODS};
use super::season::Season;
use super::special::{normal_cdf, normal_quantile, two_sided_z};
use super::{Interval, LEVEL};

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
/// Standardised Anscombe residual above which a period counts as a past outbreak. Noufaily et al. (2013) take 2.58; of a dozen
/// periods that would often be an ordinary one, and the dispersion would come out too small.
pub const OUTBREAK_ABOVE: f64 = 3.0;
/// How much more or less a season may make of a period at most.
const MAX_SEASON: f64 = 20.0;
/// Periods from which on one of them can be told to be an outbreak: of two that differ nobody knows which was.
const DAMPED_FROM: usize = 5;
/// What damping takes off the dispersion of periods without any outbreak, put back: found by simulation, checked in the tests.
const DAMPING_LOSS: f64 = 1.05;
/// At most one period in so many can be an outbreak.
const MAX_OUTBREAKS_OF: usize = 3;
/// Fewest reports in a period that are an outbreak, as in the reference's rule of five: of rare reports, two are none.
const MIN_OUTBREAK: f64 = 5.0;
/// Variance over mean where nothing is known of it.
pub const PRIOR_DISPERSION: f64 = 1.5;
/// Degrees of freedom that [`PRIOR_DISPERSION`] counts for.
const PRIOR_DEGREES: f64 = 6.0;
/// Degrees of freedom that cells which do not differ at all lend one another at most.
const MAX_ALIKE_DEGREES: f64 = 200.0;
/// Standard deviation over median absolute deviation of a normal variable, and how much of the information the latter uses.
const NORMAL_MEDIAN_DEVIATION: f64 = 1.4826;
const MEDIAN_EFFICIENCY: f64 = 0.37;
/// Reports that a guess without any knowledge of the cell is worth.
const VAGUE_EVENTS: f64 = 0.5;

/// How much each earlier period counts, and how much was to be expected in it if the window now is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    weight: [f64; MAX_PERIODS],
    exposure: [f64; MAX_PERIODS],
    periods: usize,
    counting: usize,
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
        let mut weights = Self { weight: [0.0; MAX_PERIODS], exposure: [1.0; MAX_PERIODS], periods, counting: 0 };
        for period in (guard..periods).filter(|period| !missing(*period)) {
            weights.weight[period] = (-(period as f64) / half_life_periods).exp2();
            weights.counting += 1;
        }
        weights
    }

    /// With what the season of the year makes of each period, which are so many weeks apart.
    pub fn in_season(mut self, season: &Season, weeks: f64) -> Self {
        for (period, exposure) in self.exposure.iter_mut().enumerate().take(self.periods) {
            *exposure = season.relative(weeks * (period + 1) as f64).clamp(1.0 / MAX_SEASON, MAX_SEASON);
        }
        self
    }

    /// How many periods count.
    pub fn counting(&self) -> usize {
        self.counting
    }
}

/// One period that counts: reports, weight, exposure.
#[derive(Clone, Copy)]
struct Period {
    count: f64,
    weight: f64,
    exposure: f64,
}

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
}

impl Level {
    /// Sums up the periods as they are.
    pub fn plain(counts: &Counts, weights: &Weights) -> Self {
        Self::weighted(weights.counting(), periods(counts, weights))
    }

    /// Sums up the periods, past outbreaks weighed down: those far above the mean of `self`, given how much counts vary.
    pub fn damped(&self, counts: &Counts, weights: &Weights, dispersion: f64) -> Self {
        if self.mean == 0.0 || weights.counting() < DAMPED_FROM || !self.is_exceeded(counts, weights, dispersion) {
            return Self::plain(counts, weights);
        }
        let total: f64 = periods(counts, weights).map(|period| period.weight * period.exposure).sum();
        let damping = |period: Period| {
            let mean = self.mean * period.exposure;
            let residual = 1.5 * (period.count.cbrt().powi(2) * mean.powf(-1.0 / 6.0) - mean.sqrt());
            let standardised = residual / (dispersion * (1.0 - period.weight * period.exposure / total)).sqrt();
            let outbreak = standardised > OUTBREAK_ABOVE && period.count >= MIN_OUTBREAK;
            if outbreak { standardised.powi(-2) } else { 1.0 }
        };
        // A cell that is high every other week has no outbreaks: it varies.
        let outbreaks = periods(counts, weights).filter(|period| damping(*period) < 1.0).count();
        if outbreaks * MAX_OUTBREAKS_OF > weights.counting() {
            return Self::plain(counts, weights);
        }
        let damp = |period: Period| Period { weight: period.weight * damping(period), ..period };
        Self::weighted(weights.counting(), periods(counts, weights).map(damp))
    }

    /// The history of a cell that is looked at alone: damped by its own dispersion.
    pub fn alone(counts: &Counts, weights: &Weights) -> Self {
        let plain = Self::plain(counts, weights);
        if plain.mean == 0.0 || weights.counting() < DAMPED_FROM || !plain.is_exceeded(counts, weights, 1.0) {
            return plain;
        }
        // An outbreak among few periods swells the dispersion that it would be measured by: begin with what it cannot move.
        let (start, dispersion) = plain.robust(counts, weights);
        let damped = start.damped(counts, weights, dispersion);
        damped.damped(counts, weights, Peers::default().dispersion(&damped).value)
    }

    /// Whether any count would be called an outbreak if the periods varied by this much around the mean: without a root a period.
    fn is_exceeded(&self, counts: &Counts, weights: &Weights, dispersion: f64) -> bool {
        let shares = || periods(counts, weights).map(|period| period.weight * period.exposure);
        let free = 1.0 - shares().fold(0.0, f64::max) / shares().sum::<f64>();
        // The count at which the residual of the best determined period reaches the threshold.
        let suspicious = |mean: f64| {
            let root = mean.sqrt() + OUTBREAK_ABOVE / 1.5 * (dispersion * free).sqrt();
            mean.sqrt().sqrt() * root * root.sqrt()
        };
        let usual = suspicious(self.mean);
        periods(counts, weights)
            .any(|period| period.count > if period.exposure == 1.0 { usual } else { suspicious(self.mean * period.exposure) })
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
        let values = &mut values[..weights.counting().min(counts.periods)];
        values
            .iter_mut()
            .zip(periods(counts, weights))
            .for_each(|(root, period)| *root = (period.count / period.exposure).sqrt());
        let centre = median(values);
        let deviations = periods(counts, weights).map(|p| (p.count.sqrt() - centre * p.exposure.sqrt()).abs());
        values.iter_mut().zip(deviations).for_each(|(value, deviation)| *value = deviation);
        let deviation = 2.0 * NORMAL_MEDIAN_DEVIATION * median(values);
        let degrees = MEDIAN_EFFICIENCY * self.degrees;
        let dispersion = (deviation * deviation * degrees + PRIOR_DISPERSION * PRIOR_DEGREES) / (degrees + PRIOR_DEGREES);
        (Self { mean: (centre * centre).max(VAGUE_EVENTS / self.periods), ..*self }, dispersion.max(1.0))
    }

    fn weighted(counting: usize, periods: impl Iterator<Item = Period> + Clone) -> Self {
        let (mut weights, mut total, mut squares, mut sum) = (0.0, 0.0, 0.0, 0.0);
        for Period { count, weight, exposure } in periods.clone() {
            weights += weight;
            total += weight * exposure;
            squares += weight * weight * exposure;
            sum += weight * count;
        }
        if total == 0.0 {
            return Self::default();
        }
        let (mean, equal) = (sum / total, total * total / squares);
        let degrees = equal.min(counting as f64) - 1.0;
        if mean == 0.0 || degrees < 1e-9 {
            return Self { mean, periods: equal, spread: 0.0, degrees: 0.0 };
        }
        let pearson: f64 = periods.map(|p| p.weight * (p.count - mean * p.exposure).powi(2) / p.exposure).sum();
        // Weights that add up to the number of periods, and the expectation of the sum under them.
        let (used, loss) = (counting as f64, if counting >= DAMPED_FROM { DAMPING_LOSS } else { 1.0 });
        let dispersion = loss * pearson / mean * used / weights / (used - used / (degrees + 1.0));
        Self { mean, periods: equal, spread: dispersion * degrees, degrees }
    }
}

/// The periods that count.
fn periods(counts: &Counts, weights: &Weights) -> impl Iterator<Item = Period> + Clone {
    let all = counts.earlier().iter().zip(&weights.weight[..weights.periods]).zip(&weights.exposure);
    let period = |((count, weight), exposure): ((&u32, &f64), &f64)| {
        (*weight > 0.0).then(|| Period { count: f64::from(*count), weight: *weight, exposure: *exposure })
    };
    all.filter_map(period)
}

/// Variance over mean of a cell's counts, and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dispersion {
    /// Variance over mean, at least 1.
    pub value: f64,
    /// Degrees of freedom that it was estimated with.
    pub degrees: f64,
}

impl Dispersion {
    /// Moderated by a cell's own.
    pub fn moderated(self, level: &Level) -> Self {
        let degrees = level.degrees + self.degrees;
        Self { value: ((level.spread + self.degrees * self.value) / degrees).max(1.0), degrees }
    }
}

/// How much the counts of cells of one kind vary around their means, against Poisson counts, and how much cells differ in that.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Peers {
    degrees: f64,
    spread: f64,
    /// Sum of degrees times the squared dispersion, ...
    squares: f64,
    /// ... how many cells there are, and the sum of 1 / mean, for the share of it that chance explains.
    cells: f64,
    inverse_means: f64,
}

impl Peers {
    /// Adds a cell. The sum is one of floating-point numbers: add cells in a stable order.
    pub fn add(&mut self, level: &Level) {
        if level.degrees > 0.0 {
            self.degrees += level.degrees;
            self.spread += level.spread;
            self.squares += level.spread * level.spread / level.degrees;
            self.cells += 1.0;
            self.inverse_means += 1.0 / level.mean;
        }
    }

    /// What is thought of the dispersion of a cell of this kind: the kind's own, where there is enough of it, and degrees of
    /// freedom that say how alike cells are (the moderation of variances of Smyth 2004, by moments).
    pub fn prior(&self) -> Dispersion {
        let all = self.degrees + PRIOR_DEGREES;
        let value = ((self.spread + PRIOR_DEGREES * PRIOR_DISPERSION) / all).max(1.0);
        if self.degrees == 0.0 {
            return Dispersion { value, degrees: PRIOR_DEGREES };
        }
        let own = (self.spread / self.degrees).max(1.0);
        let observed = self.squares / self.degrees / (own * own) - 1.0;
        // Chance: twice over the degrees for normal counts, and more for few reports (the kurtosis of the negative binomial).
        let kurtosis = 6.0 * (own - 1.0) + 1.0 / own;
        let by_chance = (2.0 * self.cells + kurtosis * self.inverse_means) / self.degrees;
        let alike = 4.0 + 2.0 / (observed - by_chance).max(2.0 / MAX_ALIKE_DEGREES);
        Dispersion { value, degrees: 1.0 / (1.0 / alike + 1.0 / all) }
    }

    /// Variance over mean of a cell: its own over the earlier periods, moderated by its peers', which a handful of periods needs.
    pub fn dispersion(&self, level: &Level) -> Dispersion {
        self.prior().moderated(level)
    }
}

/// What is thought of a cell's mean before its own phase is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// Reports a period.
    pub mean: f64,
    /// Reports that the guess is worth.
    pub events: f64,
}

impl Guess {
    /// Next to nothing: the cell's own mean, half a report added.
    pub fn vague(level: &Level) -> Self {
        Self { mean: level.mean + VAGUE_EVENTS / level.periods.max(1.0), events: VAGUE_EVENTS }
    }

    /// A share of a mean: `elsewhere` of `of` reports at other phases came from the cell, `mean` is that of all of them at this
    /// phase. `profile_events` says how far one cell's week may differ from that of all: by a standard deviation of 1 over
    /// its root.
    pub fn share((elsewhere, of): (u64, u64), mean: f64, profile_events: f64, dispersion: f64) -> Self {
        let share = (elsewhere as f64 + 0.5) / (of as f64 + 1.0);
        let events = 1.0 / (1.0 / profile_events + dispersion / (elsewhere as f64 + 0.5));
        Self { mean: share * mean, events }
    }
}

/// What to expect of a count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Expected count.
    pub mean: f64,
    /// Variance over mean of counts around a known mean.
    pub dispersion: Dispersion,
    /// Squared relative standard error of the mean.
    pub relative_variance: f64,
}

impl Baseline {
    /// From a history, its dispersion and a guess. `None` without a period that counts, or a guess above zero.
    pub fn new(level: &Level, dispersion: Dispersion, guess: Guess) -> Option<Self> {
        let usable = level.periods > 0.0 && guess.mean > 0.0 && guess.mean.is_finite() && guess.events > 0.0;
        let known = level.periods / dispersion.value;
        let events = guess.events + known * level.mean;
        usable.then(|| Self {
            mean: guess.mean * events / (guess.events + known * guess.mean),
            dispersion,
            relative_variance: 1.0 / events,
        })
    }

    /// Variance over mean of a count at `ratio` times the expected mean, what is not known of the mean included.
    fn dispersion_at(&self, ratio: f64) -> f64 {
        self.dispersion.value + ratio * self.mean * self.relative_variance
    }

    /// The comparison with a count.
    pub fn compare(&self, observed: u64) -> Comparison {
        let tails = tails(observed, self.mean, self.dispersion_at(1.0));
        let ratio = observed as f64 / self.mean;
        let heavier = |tail: f64| if tail < 0.5 { heavier(tail, self.dispersion.degrees) } else { tail };
        Comparison { ratio, at_most: heavier(tails.at_most), at_least: heavier(tails.at_least) }
    }

    /// The interval of the ratio at [`LEVEL`]: the ratios that the same test does not refuse, so that it holds 1 exactly where the
    /// p-value is above `1 - LEVEL`.
    pub fn interval(&self, observed: u64) -> Interval {
        let tail = lighter(0.5 * (1.0 - LEVEL), self.dispersion.degrees);
        let excess = |ln_ratio: f64, upper: bool| {
            let ratio = ln_ratio.exp();
            let tails = tails(observed, ratio * self.mean, self.dispersion_at(ratio));
            let ln = if upper { tails.at_most } else { tails.at_least }.max(f64::MIN_POSITIVE).ln() - tail.ln();
            if upper { -ln } else { ln }
        };
        let low =
            if observed == 0 { 0.0 } else { increasing_root(self.guess(observed as f64, -1.0), |x| excess(x, false)).exp() };
        Interval { low, high: increasing_root(self.guess(observed as f64 + 1.0, 1.0), |x| excess(x, true)).exp() }
    }

    /// ln of about where an end of the interval lies: the Gamma quantile of Wilson & Hilferty (1931) at as many independent events.
    fn guess(&self, count: f64, side: f64) -> f64 {
        let events = count / self.dispersion_at(count / self.mean);
        let cube = 1.0 - 1.0 / (9.0 * events) + side * two_sided_z(LEVEL) / (3.0 * events.sqrt());
        (count / self.mean).ln() + 3.0 * cube.max(0.2).ln()
    }
}

/// How a count compares with what was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Observed over expected.
    pub ratio: f64,
    /// Probability of a count this low.
    pub at_most: f64,
    /// Probability of a count this high.
    pub at_least: f64,
}

impl Comparison {
    /// Twice the smaller tail.
    pub fn p_value(&self) -> f64 {
        (2.0 * self.at_most.min(self.at_least)).min(1.0)
    }

    /// Whether the count is above what was expected rather than below.
    pub fn is_rise(&self) -> bool {
        self.at_least < self.at_most
    }
}

/// A tail as it is where the variance was estimated with so many degrees of freedom: Student's instead of the normal one, by
/// the deviates of Wallace (1959), good to 2% of a standard deviation for all of them.
fn heavier(tail: f64, degrees: f64) -> f64 {
    let z = -normal_quantile(tail.max(f64::MIN_POSITIVE));
    normal_cdf(-wallace(degrees) * (degrees * (z * z / degrees).ln_1p()).sqrt())
}

/// The tail that [`heavier`] makes `tail` of.
fn lighter(tail: f64, degrees: f64) -> f64 {
    let z = -normal_quantile(tail) / wallace(degrees);
    normal_cdf(-(degrees * (z * z / degrees).exp_m1()).sqrt())
}

fn wallace(degrees: f64) -> f64 {
    (8.0 * degrees + 1.0) / (8.0 * degrees + 3.0)
}

/// Where an increasing function crosses zero: secant steps, halving where they leave the bracket.
fn increasing_root(start: f64, function: impl Fn(f64) -> f64) -> f64 {
    const MAX_STEPS: usize = 100;
    const MAX_STRIDE: f64 = 3.0;
    const ACCURACY: f64 = 1e-10;
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let (mut before, mut at) = (start, start);
    let (mut value_before, mut value) = (0.0, function(at));
    for step in 0..MAX_STEPS {
        if value > 0.0 {
            high = at
        } else {
            low = at
        }
        let stride = if step == 0 { -0.05 * value.signum() } else { -value * (at - before) / (value - value_before) };
        let stride = if stride.is_finite() { stride.clamp(-MAX_STRIDE, MAX_STRIDE) } else { -MAX_STRIDE * value.signum() };
        // Before the bracket is asked: at the root itself a step is too small to leave the place, and no step is outside.
        if stride.abs() < ACCURACY {
            break;
        }
        let mut next = at + stride;
        if !(next > low && next < high) {
            let middle = 0.5 * (low + high);
            next = if middle.is_finite() { middle } else { at - MAX_STRIDE * value.signum() };
        }
        (before, value_before) = (at, value);
        at = next;
        value = function(at);
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn level(earlier: &[u64]) -> Level {
        Level::alone(&Counts::new(0, earlier), &Weights::new(earlier.len(), |_| false))
    }

    /// A dispersion that is known.
    fn known(value: f64) -> Dispersion {
        Dispersion { value, degrees: 1e9 }
    }

    #[test]
    fn recent_periods_count_more_and_the_latest_not_at_all() {
        let weights = Weights::new(12, |period| period == 3);
        assert_eq!(weights.counting(), 10);
        assert_eq!((weights.weight[0], weights.weight[3], weights.weight[8]), (0.0, 0.0, 0.5));
        assert_eq!(Weights::new(2, |_| false).counting(), 2, "a short history is used whole");
        assert_eq!(Weights::new(0, |_| false).counting(), 0);
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
    fn nothing_is_expected_of_nothing() {
        let nothing = level(&[]);
        assert_eq!(Baseline::new(&nothing, known(1.0), Guess::vague(&nothing)), None);
        let silent = level(&[0; 8]);
        let baseline = Baseline::new(&silent, known(1.0), Guess::vague(&silent)).unwrap();
        assert!(baseline.mean > 0.0 && baseline.mean < 0.1, "{baseline:?}");
        assert!(baseline.compare(0).p_value() > 0.9 && baseline.compare(9).p_value() < 1e-4);
    }

    #[test]
    fn by_hand_with_a_prior() {
        // Four equal periods without dispersion: 4 * 3 reports, prior worth 2 reports at mean 1: (2 + 12) / (2 / 1 + 4).
        let level = Level { mean: 3.0, periods: 4.0, spread: 0.0, degrees: 3.0 };
        let baseline = Baseline::new(&level, known(1.0), Guess { mean: 1.0, events: 2.0 }).unwrap();
        assert!((baseline.mean - 14.0 / 6.0).abs() < 1e-12 && (baseline.relative_variance - 1.0 / 14.0).abs() < 1e-12);
        // Gamma(14) / 6 mixed over Poisson: negative binomial of size 14.
        assert!((baseline.compare(0).at_most - (6.0f64 / 7.0).powi(14)).abs() < 1e-6);
    }

    #[test]
    fn a_variance_that_is_guessed_makes_tails_heavier_as_students() {
        // P(T > 2.5758) with 17 degrees of freedom, against 0.005 of the normal.
        assert!((heavier(0.005, 17.0) - 0.0098).abs() < 4e-4, "{}", heavier(0.005, 17.0));
        assert!((heavier(0.005, 1e9) - 0.005).abs() < 1e-7);
    }

    #[test]
    fn cells_that_are_alike_lend_one_another_more() {
        let peers_of = |spreads: &[f64]| {
            let mut peers = Peers::default();
            let level = |spread: &f64| Level { mean: 50.0, periods: 11.0, spread: 10.0 * spread, degrees: 10.0 };
            spreads.iter().cycle().take(400).for_each(|spread| peers.add(&level(spread)));
            peers.prior()
        };
        let (alike, different) = (peers_of(&[1.8, 2.0, 2.2]), peers_of(&[1.0, 1.0, 1.0, 9.0]));
        assert!(alike.degrees > 100.0 && different.degrees < 10.0, "{alike:?} {different:?}");
        assert!((alike.value - 2.0).abs() < 0.01);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn interval_and_p_value_say_the_same(
            earlier in prop::collection::vec(0u64..80, 1..13),
            observed in 0u64..300,
            value in 1.0..6.0f64,
            degrees in 6.0..500.0f64,
        ) {
            let level = level(&earlier);
            let dispersion = Dispersion { value, degrees };
            let baseline = Baseline::new(&level, dispersion, Guess::vague(&level)).unwrap();
            let (comparison, interval) = (baseline.compare(observed), baseline.interval(observed));
            prop_assert!(interval.contains(comparison.ratio), "{baseline:?} {comparison:?} {interval:?}");
            let p_value = comparison.p_value();
            prop_assert!((p_value - 0.05).abs() < 1e-6 || (p_value < 0.05) != interval.contains(1.0), "{p_value} {interval:?}");
            let tail = lighter(0.025, degrees);
            prop_assert!((heavier(tail, degrees) - 0.025).abs() < 1e-9);
            let at_end = |ratio: f64| tails(observed, ratio * baseline.mean, baseline.dispersion_at(ratio));
            prop_assert!((at_end(interval.high).at_most - tail).abs() < 1e-6);
            prop_assert!(observed == 0 || (at_end(interval.low).at_least - tail).abs() < 1e-6);
        }
    }
}
