//! The present window against the same phase of earlier periods: the same hour of the week in earlier weeks, the last 28 days
//! and the 28 days before them, and so on. What is counted; [`baseline`](super::baseline) says what to expect from it.

use feedback::Timestamp;
use feedback::time::DAY_US;

use super::CountSeries;
use super::series::Since;

/// Earlier periods that a window is compared with: twelve weeks, or about a year of 28 days.
pub const PERIODS: usize = 12;

/// Earlier weeks that one of a week is compared with where the season of the year is known.
pub const MAX_PERIODS: usize = 52;

/// Fewest earlier periods that say anything.
pub const MIN_PERIODS: usize = 1;

pub(crate) const WEEK_US: i64 = 7 * DAY_US;

/// Ends of the window, of every earlier period, and of the stretch that all of them lie in.
const MAX_MOMENTS: usize = 2 + 2 * MAX_PERIODS;

/// A window that ends at a moment, and the earlier periods in the same phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Start of the window, included.
    pub start: Timestamp,
    /// End of the window, excluded.
    pub end: Timestamp,
    /// From one period to the one before: the window's length in whole weeks, rounded up.
    pub shift_us: i64,
    /// Earlier periods that lie wholly after the beginning of the data, at most [`PERIODS`].
    pub periods: usize,
}

impl Phase {
    /// The phase of a window of `length_us` that ends at `end`, in data that begins at `first`. A length that is not
    /// positive gives no period.
    pub fn new(end: Timestamp, length_us: i64, first: Option<Timestamp>) -> Self {
        let start = end.plus_micros(-length_us.max(0));
        let weeks = (length_us.max(1) - 1) / WEEK_US + 1;
        let shift_us = weeks.saturating_mul(WEEK_US);
        let history_us = first.map_or(0, |first| start.micros().saturating_sub(first.micros()).max(0));
        let periods = if length_us > 0 { usize::try_from(history_us / shift_us).unwrap_or(0).min(PERIODS) } else { 0 };
        Self { start, end, shift_us, periods }
    }

    /// The same with up to so many earlier periods, at most [`MAX_PERIODS`].
    pub fn with_periods(self, most: usize, first: Option<Timestamp>) -> Self {
        let history_us = first.map_or(0, |first| self.start.micros().saturating_sub(first.micros()).max(0));
        let periods = usize::try_from(history_us / self.shift_us).unwrap_or(0).min(most).min(MAX_PERIODS);
        Self { periods: if self.periods == 0 { 0 } else { periods }, ..self }
    }

    /// Weeks from one period to the one before.
    pub fn weeks(&self) -> f64 {
        (self.shift_us / WEEK_US) as f64
    }

    /// Length of the window in microseconds.
    pub fn length_us(&self) -> i64 {
        self.end.micros().saturating_sub(self.start.micros())
    }

    /// Whether the periods leave no time between them, as those of whole weeks do.
    pub fn is_gapless(&self) -> bool {
        self.length_us() == self.shift_us
    }

    /// Whether the window is one week.
    pub fn is_week(&self) -> bool {
        self.length_us() == WEEK_US
    }

    /// The beginning of the data that [`MIN_PERIODS`] would need.
    pub fn needs_from(&self) -> Timestamp {
        self.start.plus_micros(self.shift_us.saturating_mul(MIN_PERIODS as i64).saturating_neg())
    }

    /// Counts a series in the window, in every earlier period, and between them.
    pub fn count(&self, series: &impl CountSeries) -> Counts {
        let (mut moments, mut since) = ([self.end; MAX_MOMENTS], [Since::default(); MAX_MOMENTS]);
        let asked = 2 + 2 * self.periods;
        moments.iter_mut().zip(self.moments()).for_each(|(place, moment)| *place = moment);
        series.counts_since(&moments[..asked], &mut since[..asked]);
        self.counted(|moment| since[moment].count)
    }

    /// Whether the two differ by nothing but where the window ends.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.length_us(), self.shift_us, self.periods) == (other.length_us(), other.shift_us, other.periods)
    }

    /// End and start of the window, then of each earlier period: the latest first.
    fn moments(&self) -> impl Iterator<Item = Timestamp> {
        let Self { start, end, shift_us, periods } = *self;
        (0..=periods).flat_map(move |period| {
            let back_us = shift_us.saturating_mul(period as i64).saturating_neg();
            [end.plus_micros(back_us), start.plus_micros(back_us)]
        })
    }

    /// The counts, where `since` says how many reports there are at or after each of [`Phase::moments`].
    fn counted(&self, since: impl Fn(usize) -> u64) -> Counts {
        let mut counts = Counts { observed: since(1) - since(0), periods: self.periods, ..Counts::default() };
        for (period, earlier) in counts.earlier.iter_mut().enumerate().take(self.periods) {
            let (after, end, start) = (since(2 * period + 1), since(2 * period + 2), since(2 * period + 3));
            *earlier = narrow(start - end);
            counts.between += end - after;
        }
        counts
    }
}

/// The phases of several windows, which have most of their moments in common: a series is gone through once for all of them.
#[derive(Clone, Debug)]
pub struct Phases {
    phases: Vec<Phase>,
    /// Every moment once, the latest first.
    moments: Vec<Timestamp>,
    /// Where the moments of each phase are among them.
    places: Vec<Vec<usize>>,
}

impl Phases {
    /// Of the windows in this order.
    pub fn new(phases: Vec<Phase>) -> Self {
        let mut moments: Vec<Timestamp> = phases.iter().flat_map(Phase::moments).collect();
        moments.sort_unstable_by(|a, b| b.cmp(a));
        moments.dedup();
        let place = |moment: Timestamp| moments.partition_point(|later| *later > moment);
        let places = phases.iter().map(|phase| phase.moments().map(place).collect()).collect();
        Self { phases, moments, places }
    }

    /// The phases.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// Counts a series in every phase; `since` is room to work in, the same for one series after the other.
    pub fn count(&self, series: &impl CountSeries, since: &mut Vec<Since>) -> impl Iterator<Item = Counted> {
        since.resize(self.moments.len(), Since::default());
        series.counts_since(&self.moments, since);
        let since = &*since;
        self.phases.iter().zip(&self.places).map(move |(phase, places)| {
            let steady_us =
                places.iter().map(|place| since[*place].next.micros().saturating_sub(self.moments[*place].micros()));
            Counted {
                counts: phase.counted(|moment| since[places[moment]].count),
                from: phase.end,
                until: phase.end.plus_micros(steady_us.min().unwrap_or(0).max(0)),
            }
        })
    }
}

/// What was counted, and for how long it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// The counts.
    pub counts: Counts,
    /// They are the same for every window like this one that ends between here ...
    pub from: Timestamp,
    /// ... and here: no report of the same series crosses an edge meanwhile.
    pub until: Timestamp,
}

impl Counted {
    /// Whether a window like the one counted would count the same if it ended here.
    pub fn stands_at(&self, end: Timestamp) -> bool {
        self.from <= end && end <= self.until
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// In the window.
    pub observed: u64,
    /// In each earlier period, the latest first; the first `periods` are meant.
    pub earlier: [u32; MAX_PERIODS],
    /// How many earlier periods there are.
    pub periods: usize,
    /// Between the periods: in the same weeks, at any other phase.
    pub between: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self { observed: 0, earlier: [0; MAX_PERIODS], periods: 0, between: 0 }
    }
}

/// Counts of a period fit into 32 bits; what does not is shown as the largest that does.
fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Counts {
    /// Counts that came from elsewhere, the latest period first; periods beyond [`MAX_PERIODS`] are left out.
    pub fn new(observed: u64, earlier: &[u64]) -> Self {
        let periods = earlier.len().min(MAX_PERIODS);
        let mut counts = Self { observed, periods, ..Self::default() };
        counts.earlier.iter_mut().zip(earlier).for_each(|(narrowed, count)| *narrowed = narrow(*count));
        counts
    }

    /// The earlier periods.
    pub fn earlier(&self) -> &[u32] {
        &self.earlier[..self.periods]
    }

    /// Whether there is nothing, neither now nor earlier.
    pub fn is_empty(&self) -> bool {
        self.observed == 0 && self.earlier().iter().all(|count| *count == 0)
    }
}

#[cfg(test)]
mod tests {
    use feedback::time::{HOUR_US, MINUTE_US};
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::series::Moments;

    fn at_hour(hour: i64) -> Timestamp {
        Timestamp::from_micros(hour * HOUR_US)
    }

    #[test]
    fn only_complete_periods_count() {
        let phase = |end, length, first| Phase::new(at_hour(end), length * HOUR_US, Some(at_hour(first)));
        assert_eq!(phase(20 * 168, 1, 0).periods, 12);
        assert_eq!(phase(3 * 168 + 1, 1, 0).periods, 3);
        assert_eq!(phase(3 * 168, 1, 0).periods, 2, "the third would begin an hour too early");
        let month = phase(28 * 24 * 20, 28 * 24, 0);
        assert_eq!((month.periods, month.shift_us, month.is_gapless()), (12, 28 * DAY_US, true));
        assert_eq!(phase(1000, 8 * 24, 0).shift_us, 14 * DAY_US);
        assert_eq!(Phase::new(at_hour(1), HOUR_US, None).periods, 0);
        assert_eq!(Phase::new(at_hour(1), 0, Some(Timestamp::MIN)).periods, 0);
        let needs = phase(500, 1, 0).needs_from();
        assert_eq!(needs, at_hour(500 - 1 - 168));
        assert_eq!(Phase::new(at_hour(500), HOUR_US, Some(needs)).periods, 1);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_the_stretches(
            minutes in prop::collection::vec(0..40 * 24 * 60i64, 0..400),
            end in 20 * 24..45 * 24i64,
            length in prop::sample::select(vec![1, 24, 7 * 24, 10 * 24i64]),
        ) {
            let series: Moments = minutes.iter().map(|minute| Timestamp::from_micros(minute * MINUTE_US)).collect();
            let phase = Phase::new(at_hour(end), length * HOUR_US, Some(at_hour(0)));
            let counts = phase.count(&series);
            let within = |back: usize| {
                let back_us = -(back as i64) * phase.shift_us;
                series.count(phase.start.plus_micros(back_us), phase.end.plus_micros(back_us))
            };
            prop_assert_eq!(counts.observed, within(0));
            for back in 1..=phase.periods {
                prop_assert_eq!(u64::from(counts.earlier[back - 1]), within(back));
            }
            let both = Phases::new(vec![Phase::new(at_hour(end - 1), HOUR_US, Some(at_hour(0))), phase]);
            let counted = both.count(&series, &mut Vec::new()).nth(1).unwrap();
            prop_assert_eq!((counted.counts, counted.from), (counts, phase.end));
            let moved_us = (counted.until.micros() - phase.end.micros()).min(7 * DAY_US);
            for moved_us in [0, moved_us / 2, moved_us] {
                let (start, end) = (phase.start.plus_micros(moved_us), phase.end.plus_micros(moved_us));
                prop_assert_eq!(Phase { start, end, ..phase }.count(&series), counts);
            }
            let all = series.count(phase.start.plus_micros(-(phase.periods as i64) * phase.shift_us), phase.start);
            prop_assert_eq!(counts.between + counts.earlier().iter().map(|count| u64::from(*count)).sum::<u64>(), all);
        }
    }
}
