//! What the same phase of earlier periods lets expect, and how far a count is from it.
//!
//! The Farrington-flexible method (Farrington et al. 1996; Noufaily et al. 2013; [`farrington`](super::farrington)) needs years
//! of weekly counts. This is its adaptation to rolling windows over weeks: the season is the phase of the week, the guard band one period,
//! the trend is followed by weights that halve every [`HALF_LIFE_PERIODS`], past outbreaks count less by the same Anscombe residuals, the
//! variance is a multiple of the mean, and the tail is negative-binomial.
//! Where the phase's own history is thin it is drawn to what the rest of the city lets guess (a Gamma prior, so that the mean stays Gamma
//! and the count negative-binomial, its variance grown by what is not known of the mean).

mod dispersion;
mod guess;
mod interval;
mod level;
mod student;
mod weights;

use super::negative_binomial::tails;

pub use dispersion::{Dispersion, PRIOR_DISPERSION, Peers};
pub use guess::{Guess, Means};
pub use level::{Level, OUTBREAK_ABOVE};
pub use student::Deviates;
pub use weights::{GUARD_FROM, GUARD_PERIODS, HALF_LIFE_PERIODS, SEASONAL_HALF_LIFE, SEASONAL_PERIODS, Weights};

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
        let usable = level.periods > 0.0 && guess.mean > 0.0 && guess.events > 0.0;
        let known = level.periods / dispersion.value;
        let events = guess.events + known * level.mean;
        usable.then(|| Self { mean: events / (guess.events / guess.mean + known), dispersion, relative_variance: 1.0 / events })
    }

    /// Variance over mean of a count at `ratio` times the expected mean, what is not known of the mean included.
    fn dispersion_at(&self, ratio: f64) -> f64 {
        self.dispersion.value + ratio * self.mean * self.relative_variance
    }

    /// The comparison with a count.
    pub fn compare(&self, observed: u64) -> Comparison {
        let tails = tails(observed, self.mean, self.dispersion_at(1.0));
        let ratio = observed as f64 / self.mean;
        let heavier = |tail: f64| if tail < 0.5 { student::heavier(tail, self.dispersion.degrees) } else { tail };
        Comparison { ratio, at_most: heavier(tails.at_most), at_least: heavier(tails.at_least) }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::same_phase::Counts;
    use crate::statistics::special::normal_cdf;

    fn level(earlier: &[u64]) -> Level {
        Level::alone(&Counts::new(0, earlier), &Weights::new(earlier.len(), |_| false))
    }

    /// A dispersion that is known.
    fn known(value: f64) -> Dispersion {
        Dispersion { value, degrees: 1e9 }
    }

    #[test]
    fn nothing_is_expected_of_nothing() {
        let nothing = level(&[]);
        assert_eq!(Baseline::new(&nothing, known(1.0), Guess::vague()), None);
        let silent = level(&[0; 8]);
        let baseline = Baseline::new(&silent, known(1.0), Guess::vague()).unwrap();
        assert!(baseline.mean > 0.0 && baseline.mean < 0.1, "{baseline:?}");
        assert!(baseline.compare(0).p_value() > 0.9 && baseline.compare(9).p_value() < 1e-4);
    }

    #[test]
    fn by_hand_with_a_prior() {
        // Four equal periods without dispersion: 4 * 3 reports, prior worth 2 reports at mean 1: (2 + 12) / (2 / 1 + 4).
        let level = Level { mean: 3.0, periods: 4.0, degrees: 3.0, ..Level::default() };
        let baseline = Baseline::new(&level, known(1.0), Guess { mean: 1.0, events: 2.0 }).unwrap();
        assert!((baseline.mean - 14.0 / 6.0).abs() < 1e-12 && (baseline.relative_variance - 1.0 / 14.0).abs() < 1e-12);
        // Gamma(14) / 6 mixed over Poisson: negative binomial of size 14.
        assert!((baseline.compare(0).at_most - (6.0f64 / 7.0).powi(14)).abs() < 1e-6);
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
            let baseline = Baseline::new(&level, dispersion, Guess::vague()).unwrap();
            let (comparison, interval) = (baseline.compare(observed), baseline.interval(observed));
            prop_assert!(interval.contains(comparison.ratio), "{baseline:?} {comparison:?} {interval:?}");
            let p_value = comparison.p_value();
            prop_assert!((p_value - 0.05).abs() < 1e-6 || (p_value < 0.05) != interval.contains(1.0), "{p_value} {interval:?}");
            let tail = normal_cdf(-student::Deviate::of(degrees).z);
            let at_end = |ratio: f64| tails(observed, ratio * baseline.mean, baseline.dispersion_at(ratio));
            prop_assert!((at_end(interval.high).at_most - tail).abs() < 1e-6);
            prop_assert!(observed == 0 || (at_end(interval.low).at_least - tail).abs() < 1e-6);
        }
    }
}
