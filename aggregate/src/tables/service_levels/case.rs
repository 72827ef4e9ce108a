//! A case, and cases added up.

use feedback::Timestamp;
use feedback::time::HOUR_US;

use crate::statistics::kaplan_meier::Duration;

/// What became of a closed case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Again {
    /// Not closed, without a place, or closed too recently to tell.
    #[default]
    Unknown,
    /// Nobody has reported the same topic at the same place since.
    Quiet,
    /// Somebody has.
    Reported,
}

/// A report that the city deals with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// When it was said. A case said after the moment of counting is not looked at.
    pub created_at: Timestamp,
    /// When the city first answered.
    pub first_answer_at: Option<Timestamp>,
    /// When it was closed, if it is.
    pub closed_at: Option<Timestamp>,
    /// When the city promised to be done.
    pub due_at: Option<Timestamp>,
    /// Whether it was opened again after having been closed.
    pub reopened: bool,
    /// Whether the closing text says that nothing was done; `None` without a text.
    pub nothing_done: Option<bool>,
    /// Whether it came up again after it was closed.
    pub again: Again,
    /// Negative tone of the report, and of the one at the same place after the closing, both in millionths.
    pub negative: Option<(u32, u32)>,
}

/// A time since creation in microseconds with, in the lowest bit, whether it ended: eight bytes a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packed(u64);

impl Packed {
    /// From creation to `end`, or to `as_of` if it has not ended by then. An end before creation is one at creation.
    fn new(created_at: Timestamp, end: Option<Timestamp>, as_of: Timestamp) -> Self {
        let ended = end.filter(|end| *end <= as_of);
        let micros = ended.unwrap_or(as_of).micros().saturating_sub(created_at.micros()).max(0);
        Self((micros as u64) << 1 | u64::from(ended.is_some()))
    }

    fn duration(self) -> Duration {
        Duration { time: (self.0 >> 1) as f64 / HOUR_US as f64, ended: self.0 & 1 == 1 }
    }
}

/// The cases of one group.
#[derive(Default)]
pub(super) struct Group {
    pub(super) answers: Vec<Packed>,
    pub(super) closings: Vec<Packed>,
    pub(super) tally: Tally,
}

/// Counts, and integer sums that add in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) cases: u64,
    pub(super) answered: u64,
    pub(super) closed: u64,
    pub(super) promised: u64,
    pub(super) overdue: u64,
    pub(super) reopened: u64,
    pub(super) explained: u64,
    pub(super) nothing_done: u64,
    pub(super) watched: u64,
    pub(super) again: u64,
    pub(super) pairs: u64,
    /// In millionths: before, after, and the square of the difference.
    pub(super) before: i128,
    pub(super) after: i128,
    pub(super) squares: i128,
}

impl Group {
    pub(super) fn add(&mut self, case: &Case, as_of: Timestamp) {
        let done = |end: Option<Timestamp>| end.is_some_and(|end| end <= as_of);
        self.answers.push(Packed::new(case.created_at, case.first_answer_at, as_of));
        self.closings.push(Packed::new(case.created_at, case.closed_at, as_of));
        // A date still ahead is neither kept nor missed.
        let due = case.due_at.filter(|due| *due < as_of || done(case.closed_at));
        let late = due.is_some_and(|due| case.closed_at.filter(|end| *end <= as_of).unwrap_or(as_of) > due);
        let closed = done(case.closed_at);
        let explained = case.nothing_done.filter(|_| closed);
        let (before, after) = case.negative.map_or((0, 0), |(before, after)| (i128::from(before), i128::from(after)));
        self.tally.add(&Tally {
            cases: 1,
            answered: done(case.first_answer_at).into(),
            closed: closed.into(),
            promised: due.is_some().into(),
            overdue: late.into(),
            reopened: case.reopened.into(),
            explained: explained.is_some().into(),
            nothing_done: explained.unwrap_or(false).into(),
            watched: (case.again != Again::Unknown).into(),
            again: (case.again == Again::Reported).into(),
            pairs: case.negative.is_some().into(),
            before,
            after,
            squares: (after - before) * (after - before),
        });
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.answers.extend_from_slice(&other.answers);
        self.closings.extend_from_slice(&other.closings);
        self.tally.add(&other.tally);
    }

    /// In order of time: what medians and comparisons need. Of runs that are in order, the stable sort only merges.
    pub(super) fn sort(&mut self) {
        self.answers.sort();
        self.closings.sort();
    }
}

/// Hours, ascending.
pub(super) fn hours(sorted: &[Packed]) -> Vec<Duration> {
    sorted.iter().map(|packed| packed.duration()).collect()
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.answered += other.answered;
        self.closed += other.closed;
        self.promised += other.promised;
        self.overdue += other.overdue;
        self.reopened += other.reopened;
        self.explained += other.explained;
        self.nothing_done += other.nothing_done;
        self.watched += other.watched;
        self.again += other.again;
        self.pairs += other.pairs;
        self.before += other.before;
        self.after += other.after;
        self.squares += other.squares;
    }
}
