//! What the reports of an incident say together, whatever the time of asking.

use std::collections::HashSet;

use feedback::{Channel, Status, Urgency};

use crate::dictionary::NULL;
use crate::incidents::follow::Followed;
use crate::incidents::reports::{Number, Report, row_of};
use crate::life::{NO_STATUS, NO_TIME};
use crate::rows::{Column, NO_CODE, Rows};
use crate::state::State;

/// How far a case has come, for the words of [`Status`]: the greatest of those not closed is shown.
const COME: [Status; 4] = [Status::Open, Status::Acknowledged, Status::InProgress, Status::Reopened];

/// Everything that is added up over an incident's reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    /// Code of the district of the first report that has one.
    pub(crate) district: u32,
    /// Distinct authors.
    pub(crate) reporters: u32,
    /// Reports that the portal links to another of it.
    pub(crate) linked: u32,
    /// When the last of its reports was closed; [`NO_TIME`] if it is not closed.
    pub(crate) closed_us: i64,
    /// A bit for the code of every channel.
    pub(crate) channels: u16,
    /// Highest urgency; [`NO_CODE`] if none is known.
    pub(crate) urgency: u8,
    /// Code of what it has come to; [`NO_STATUS`] if that is unknown.
    pub(crate) status: u8,
}

impl Summary {
    const NONE: Self =
        Self { district: NULL, reporters: 0, linked: 0, closed_us: NO_TIME, channels: 0, urgency: NO_CODE, status: NO_STATUS };

    /// What one report says; authors are for the caller to count.
    fn add(&mut self, report: &Report, rows: &Rows, row: usize) {
        if self.district == NULL {
            self.district = rows.word(Column::District, row);
        }
        if let Some(channel) = Channel::from_code(rows.code(Column::Channel, row)) {
            self.channels |= 1 << channel.code();
        }
        let urgency = rows.code(Column::Urgency, row);
        if usize::from(urgency) < Urgency::ALL.len() && (self.urgency == NO_CODE || urgency > self.urgency) {
            self.urgency = urgency;
        }
        self.status = further_come(self.status, report.status);
        self.closed_us = self.closed_us.max(report.closed_us);
    }

    /// What is not closed has no moment of closing, though some of its reports may have.
    fn finish(mut self) -> Self {
        if self.status != Status::Closed.code() {
            self.closed_us = NO_TIME;
        }
        self
    }

    /// Of a report that nobody repeated.
    pub(crate) fn of_one(followed: &Followed, number: Number, rows: &Rows, row: usize) -> Self {
        let mut summary = Self::NONE;
        summary.add(&followed.reports.all[number as usize], rows, row);
        summary.reporters = u32::from(rows.author(row).is_some());
        summary.linked = u32::from(followed.links.of(number).is_some());
        summary.finish()
    }
}

/// Of two statuses the one that says more of a whole: anything that is not closed over closed, anything over nothing.
fn further_come(a: u8, b: u8) -> u8 {
    let rank = |status: u8| match COME.iter().position(|come| come.code() == status) {
        Some(come) => come + 2,
        None => usize::from(status == Status::Closed.code()),
    };
    if rank(b) > rank(a) { b } else { a }
}

/// A report of an incident.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Teller {
    pub(crate) number: Number,
    /// Whether its author had not reported the incident before; true without an author.
    pub(crate) is_new: bool,
}

/// What several reports say of one thing.
#[derive(Debug)]
pub(crate) struct Told {
    /// By (`created_at`, `id`); the first is the one that opened the incident.
    pub(crate) tellers: Box<[Teller]>,
    /// The first that has a headline, and the first that has words; the first of all where none has.
    pub(crate) title: Number,
    pub(crate) text: Number,
    pub(crate) summary: Summary,
}

impl Told {
    /// Of reports in any order, more than one.
    pub(crate) fn of(followed: &Followed, state: &State, mut numbers: Vec<Number>) -> Self {
        let reports = &followed.reports;
        numbers.sort_unstable_by(|a, b| reports.precedence(state, *a, *b));
        let first = numbers.first().copied().unwrap_or_default();
        let (mut title, mut text, mut summary) = (None, None, Summary::NONE);
        let mut authors: HashSet<(u32, u64)> = HashSet::new();
        let mut tellers = Vec::with_capacity(numbers.len());
        for number in numbers {
            let report = &reports.all[number as usize];
            let Some((rows, row)) = row_of(state, report.place) else { continue };
            let author = rows.author(row).map(|author| (rows.word(Column::Source, row), author));
            tellers.push(Teller { number, is_new: author.is_none_or(|author| authors.insert(author)) });
            summary.add(report, rows, row);
            summary.linked += u32::from(followed.links.of(number).is_some());
            title = title.or_else(|| rows.text(Column::Title, row).map(|_| number));
            text = text.or_else(|| rows.text(Column::Text, row).map(|_| number));
        }
        summary.reporters = authors.len() as u32;
        Self { tellers: tellers.into(), title: title.unwrap_or(first), text: text.unwrap_or(first), summary: summary.finish() }
    }
}
