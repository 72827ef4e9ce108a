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

/// End and start of the window and of every earlier period.
const MAX_EDGES: usize = 2 + 2 * MAX_PERIODS;

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
        let (mut edges, mut since) = ([self.end; MAX_EDGES], [Since::default(); MAX_EDGES]);
        let asked = self.edges().zip(&mut edges).map(|(edge, place)| *place = edge).count();
        series.counts_since(&edges[..asked], &mut since[..asked]);
        self.counted(|edge| since[edge].count)
    }

    /// Whether the two differ by nothing but where the window ends.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.length_us(), self.shift_us, self.periods) == (other.length_us(), other.shift_us, other.periods)
    }

    /// Edges from one period to the one before: where no time is left between them, the start of one is the end of the other.
    fn edges_a_period(&self) -> usize {
        if self.is_gapless() { 1 } else { 2 }
    }

    /// Where the window and each earlier period end and start, the latest first, none twice.
    fn edges(&self) -> impl Iterator<Item = Timestamp> {
        let Self { start, end, shift_us, periods } = *self;
        let each = self.edges_a_period();
        (0..each * periods + 2).map(move |edge| {
            let back_us = shift_us.saturating_mul((edge / each) as i64).saturating_neg();
            if edge % each == 0 { end.plus_micros(back_us) } else { start.plus_micros(back_us) }
        })
    }

    /// The counts, where `since` says how many reports there are at or after each of [`Phase::edges`].
    fn counted(&self, since: impl Fn(usize) -> u64) -> Counts {
        let each = self.edges_a_period();
        let mut counts = Counts { observed: since(1) - since(0), periods: self.periods, ..Counts::default() };
        for (period, earlier) in counts.earlier.iter_mut().enumerate().take(self.periods) {
            let (after, end) = (since(each * period + 1), since(each * (period + 1)));
            *earlier = narrow(since(each * (period + 1) + 1) - end);
            counts.between += end - after;
        }
        counts
    }
}

/// The phases of several windows, for many series: each is gone through once for all of them, and from one tick to the next only at
/// the edges that a report of it has crossed.
#[derive(Clone, Debug, Default)]
pub struct Phases {
    phases: Vec<Phase>,
    /// Those of all phases, one phase after the other.
    edges: Vec<Timestamp>,
    /// Positions in `edges`, the latest first.
    latest_first: Vec<usize>,
    /// Where the edges of each phase begin.
    begins: Vec<usize>,
}

impl Phases {
    /// Of the windows in this order.
    pub fn new(phases: Vec<Phase>) -> Self {
        let (mut edges, mut begins) = (Vec::new(), Vec::with_capacity(phases.len()));
        for phase in &phases {
            begins.push(edges.len());
            edges.extend(phase.edges());
        }
        let mut latest_first: Vec<usize> = (0..edges.len()).collect();
        latest_first.sort_by_key(|edge| std::cmp::Reverse(edges[*edge]));
        Self { phases, edges, latest_first, begins }
    }

    /// The phases.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// How many edges a series is counted at.
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// Whether these are windows like others, none of which ends later.
    pub fn follow(&self, before: &Self) -> bool {
        let follows = |(now, before): (&Phase, &Phase)| now.is_like(before) && before.end <= now.end;
        self.phases.len() == before.phases.len() && self.phases.iter().zip(&before.phases).all(follows)
    }

    /// Counts a series at the edges that are not `known`: a place for each edge, filled by this function alone, for the same series and for
    /// phases that these [follow](Phases::follow). Says whether there was any.
    pub fn count(&self, series: &impl CountSeries, known: &mut [Since], asked: &mut Asked) -> bool {
        let is_crossed = |(since, edge): (&Since, &Timestamp)| since.next < *edge;
        if !known.iter().zip(&self.edges).fold(false, |found, pair| found | is_crossed(pair)) {
            return false;
        }
        let Asked { edges, since } = asked;
        edges.clear();
        let crossed = || self.latest_first.iter().copied().filter(|&edge| known[edge].next < self.edges[edge]);
        edges.extend(crossed().map(|edge| self.edges[edge]));
        edges.dedup();
        since.resize(edges.len(), Since::default());
        series.counts_since(edges, since);
        let mut at = 0;
        for &edge in &self.latest_first {
            if known[edge].next < self.edges[edge] {
                at += usize::from(edges[at] > self.edges[edge]);
                known[edge] = since[at];
            }
        }
        true
    }

    /// What is counted in one of the phases, of what is known at the edges of all.
    pub fn counted(&self, phase: usize, known: &[Since]) -> Counts {
        let known = &known[self.begins[phase]..];
        self.phases[phase].counted(|edge| known[edge].count)
    }
}

/// Room to ask a series in, the same for one after the other.
#[derive(Debug, Default)]
pub struct Asked {
    edges: Vec<Timestamp>,
    since: Vec<Since>,
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
            moves in prop::collection::vec(prop_oneof![Just(0), 1..300i64, 1..7 * 24 * 60i64], 1..5),
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
            // From window to window, some of them where the last one was: as counted anew.
            let phases = |moved_us: i64| {
                let moved = |phase: Phase| {
                    let (start, end) = (phase.start.plus_micros(moved_us), phase.end.plus_micros(moved_us));
                    Phase { start, end, ..phase }
                };
                Phases::new(vec![Phase::new(at_hour(end - 1), HOUR_US, Some(at_hour(0))), moved(phase)])
            };
            let (mut known, mut asked) = (vec![Since::UNKNOWN; phases(0).edges()], Asked::default());
            let mut last = phases(0);
            for moved_us in moves.iter().scan(0, |sum, minutes| { *sum += minutes * MINUTE_US; Some(*sum) }) {
                let now = phases(moved_us);
                prop_assert!(now.follow(&last));
                now.count(&series, &mut known, &mut asked);
                for (position, phase) in now.phases().iter().enumerate() {
                    prop_assert_eq!(now.counted(position, &known), phase.count(&series));
                }
                last = now;
            }
            prop_assert!(!last.count(&series, &mut known, &mut asked));
            prop_assert_eq!(phases(0).follow(&last), last.phases()[1].end == phase.end);
            let all = series.count(phase.start.plus_micros(-(phase.periods as i64) * phase.shift_us), phase.start);
            prop_assert_eq!(counts.between + counts.earlier().iter().map(|count| u64::from(*count)).sum::<u64>(), all);
        }
    }
}
