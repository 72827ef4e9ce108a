//! The present window against the same phase of earlier periods: the same hour of the week against that hour of earlier weeks,
//! the last 28 days against the 28 days before them, and so on.

use feedback::Timestamp;
use feedback::time::{DAY_US, MINUTE_US};

use super::poisson::{RateRatio, rate_ratio};
use super::{CountSeries, LEVEL};

/// Most earlier periods that a window is compared with.
pub const MAX_PERIODS: usize = 12;

/// Earlier periods of a window of up to a week.
const WEEKLY_PERIODS: usize = 8;

/// Fewest earlier periods that say anything.
pub const MIN_PERIODS: usize = 2;

/// Degrees of freedom that the dispersion of a cell's peers counts for against the cell's own.
const PEER_DEGREES: f64 = 8.0;

const WEEK_US: i64 = 7 * DAY_US;

/// A window that ends at a moment, and the earlier periods in the same phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Start of the window, included.
    pub start: Timestamp,
    /// End of the window, excluded.
    pub end: Timestamp,
    /// From one period to the one before: the window's length in whole weeks, rounded up.
    pub shift_us: i64,
    /// Earlier periods that lie wholly after the beginning of the data: at most 8 for windows up to a week, else 12.
    pub periods: usize,
}

impl Phase {
    /// The phase of a window of `length_us` that ends at `end`, in data that begins at `first`. A length that is not
    /// positive gives no period.
    pub fn new(end: Timestamp, length_us: i64, first: Option<Timestamp>) -> Self {
        let start = end.plus_micros(-length_us.max(0));
        let weeks = (length_us.max(1) - 1) / WEEK_US + 1;
        let shift_us = weeks.saturating_mul(WEEK_US);
        let wanted = if length_us <= WEEK_US { WEEKLY_PERIODS } else { MAX_PERIODS };
        let history_us = first.map_or(0, |first| start.micros().saturating_sub(first.micros()).max(0));
        let periods = if length_us > 0 { usize::try_from(history_us / shift_us).unwrap_or(0).min(wanted) } else { 0 };
        Self { start, end, shift_us, periods }
    }

    /// Counts a series in the window and in every earlier period.
    pub fn count(&self, series: &impl CountSeries) -> Counts {
        let mut earlier = [0; MAX_PERIODS];
        series.earlier_counts(self.start, self.end, self.shift_us, &mut earlier[..self.periods]);
        Counts::new(series.count(self.start, self.end), &earlier[..self.periods])
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counts {
    /// In the window.
    pub observed: u64,
    /// In all earlier periods together.
    pub earlier: u64,
    /// How many earlier periods there are.
    pub periods: usize,
    /// Pearson's chi-squared of the earlier periods against their mean; 0 where they hold nothing.
    pub chi_squared: f64,
}

impl Counts {
    /// Sums up the earlier periods.
    pub fn new(observed: u64, earlier: &[u64]) -> Self {
        let total: u64 = earlier.iter().sum();
        let periods = earlier.len();
        // In whole numbers as far as it goes: n * sum of squares - (sum)^2, over the sum.
        let squares: u128 = earlier.iter().map(|count| u128::from(*count).pow(2)).sum();
        let spread = (squares * periods as u128).saturating_sub(u128::from(total).pow(2));
        let chi_squared = if total > 0 { spread as f64 / total as f64 } else { 0.0 };
        Self { observed, earlier: total, periods, chi_squared }
    }

    /// What the earlier periods let expect: their mean. `None` with fewer than [`MIN_PERIODS`].
    pub fn expected(&self) -> Option<f64> {
        (self.periods >= MIN_PERIODS).then(|| self.earlier as f64 / self.periods as f64)
    }

    /// Whether there is nothing, neither now nor earlier.
    pub fn is_empty(&self) -> bool {
        self.observed == 0 && self.earlier == 0
    }

    /// The comparison, given how much counts vary around their mean. `None` with fewer than [`MIN_PERIODS`].
    pub fn compare(&self, dispersion: f64) -> Option<RateRatio> {
        (self.periods >= MIN_PERIODS).then(|| rate_ratio(self.observed, self.earlier, self.periods as f64, dispersion, LEVEL))
    }
}

/// How much the counts of cells of one kind vary around their means, against Poisson counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Peers {
    chi_squared: f64,
    degrees: f64,
}

impl Peers {
    /// Adds a cell. The sum is one of floating-point numbers: add cells in a stable order.
    pub fn add(&mut self, counts: &Counts) {
        if counts.earlier > 0 {
            self.chi_squared += counts.chi_squared;
            self.degrees += counts.periods as f64 - 1.0;
        }
    }

    /// Variance over mean of a cell, at least 1 and at least its peers': its own over the earlier periods, moderated by its peers',
    /// which a handful of periods needs (the moderation of variances of Smyth 2004, with fixed prior degrees of freedom). A
    /// quiet history is mostly luck: in simulated bursty cells without any change, taking its dispersion as it is gave five
    /// times the nominal share of p-values below 0.001.
    pub fn dispersion(&self, counts: &Counts) -> f64 {
        let peers = if self.degrees > 0.0 { (self.chi_squared / self.degrees).max(1.0) } else { 1.0 };
        let (own, degrees) = if counts.earlier > 0 { (counts.chi_squared, counts.periods as f64 - 1.0) } else { (0.0, 0.0) };
        ((own + PEER_DEGREES * peers) / (degrees + PEER_DEGREES)).max(peers)
    }
}

/// Grid moments to a window's length at which [`since`] looks.
const STEPS_PER_WINDOW: i64 = 12;

/// Grid moments that [`since`] looks back at most: 28 lengths of the window.
pub const MAX_STEPS_BACK: usize = 28 * STEPS_PER_WINDOW as usize;

/// Since when the change goes on: the last moment of a fixed grid (12 to a window's length, whole minutes) at which the window
/// that ended there did not yet differ in this direction at `level`; the beginning of the look-back where it always did.
///
/// A function of this series alone, at moments that do not move with the tick: neither earlier ticks, nor a restart, nor what
/// other cells do changes it, so a change that goes on keeps the moment it was announced with. For that, the dispersion is the
/// series' own.
pub fn since(series: &impl CountSeries, phase: &Phase, first: Option<Timestamp>, rising: bool, level: f64) -> Timestamp {
    let length_us = phase.end.micros().saturating_sub(phase.start.micros());
    let step_us = (length_us / STEPS_PER_WINDOW / MINUTE_US).max(1) * MINUTE_US;
    let alone = Peers::default();
    let mut moment = phase.end.floor(step_us);
    for _ in 0..MAX_STEPS_BACK {
        let counts = Phase::new(moment, length_us, first).count(series);
        let goes_on =
            counts.compare(alone.dispersion(&counts)).is_some_and(|c| c.p_value <= level && (c.ratio > 1.0) == rising);
        if !goes_on {
            break;
        }
        moment = moment.plus_micros(-step_us);
    }
    moment
}

#[cfg(test)]
mod tests {
    use feedback::time::HOUR_US;
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::series::Moments;

    fn at_hour(hour: i64) -> Timestamp {
        Timestamp::from_micros(hour * HOUR_US)
    }

    #[test]
    fn only_complete_periods_count() {
        let phase = |end, length, first| Phase::new(at_hour(end), length * HOUR_US, Some(at_hour(first)));
        assert_eq!(phase(10 * 168, 1, 0).periods, 8);
        assert_eq!(phase(3 * 168 + 1, 1, 0).periods, 3);
        assert_eq!(phase(3 * 168, 1, 0).periods, 2, "the third would begin an hour too early");
        let month = phase(28 * 24 * 20, 28 * 24, 0);
        assert_eq!((month.periods, month.shift_us), (12, 28 * DAY_US));
        assert_eq!(phase(1000, 8 * 24, 0).shift_us, 14 * DAY_US);
        assert_eq!(Phase::new(at_hour(1), HOUR_US, None).periods, 0);
        assert_eq!(Phase::new(at_hour(1), 0, Some(Timestamp::MIN)).periods, 0);
    }

    #[test]
    fn chi_squared_by_hand() {
        // mean 4: (4 + 0 + 4) / 4
        let counts = Counts::new(9, &[2, 4, 6]);
        assert_eq!((counts.expected(), counts.chi_squared), (Some(4.0), 2.0));
        assert_eq!(Counts::new(9, &[3]).compare(1.0), None);
        assert!(Counts::new(0, &[0, 0]).is_empty());
    }

    #[test]
    fn since_stays_where_it_is_while_the_burst_goes_on() {
        // One report an hour for ten weeks, then ten an hour from hour 1680 on.
        let steady = (0..1690).map(at_hour);
        let burst = (1680..1690).flat_map(|h| (1..10).map(move |m| at_hour(h).plus_micros(m * MINUTE_US)));
        let series: Moments = steady.chain(burst).collect();
        let first = Some(at_hour(0));
        let since_at = |minute: i64| {
            let phase = Phase::new(Timestamp::from_micros(minute * MINUTE_US), HOUR_US, first);
            since(&series, &phase, first, true, 0.05)
        };
        let announced = since_at(1681 * 60);
        assert!(announced >= at_hour(1680) && announced < at_hour(1681), "{announced}");
        for minute in 1681 * 60..1682 * 60 {
            assert_eq!(since_at(minute), announced);
        }
    }

    proptest! {
        #[test]
        fn the_mean_of_equal_periods_is_what_is_expected(count in 0u64..1000, periods in 2usize..12) {
            let counts = Counts::new(count, &vec![count; periods]);
            prop_assert_eq!(counts.expected(), Some(count as f64));
            prop_assert_eq!(counts.chi_squared, 0.0);
            let mut peers = Peers::default();
            peers.add(&counts);
            prop_assert_eq!(peers.dispersion(&counts), 1.0);
            prop_assert!(counts.compare(1.0).unwrap().p_value > 0.5);
        }
    }
}
