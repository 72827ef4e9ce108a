//! Counts that everybody may see: a table of districts by topics with its margins, in which no small cell can be worked out.
//!
//! A release covers a calendar month that is over. Nothing else is public: no text, no id, no rolling window. So there are no two
//! overlapping stretches of time to subtract, and because a month is released once and never computed again (the caller keeps it),
//! no two states of the same month either.
//!
//! Within a month, cells of few contributors are withheld (*primary suppression*), and as many others as it takes that the margins
//! do not give them away (*complementary suppression*; Willenborg & de Waal 2001, Hundepool et al. 2012). Each withheld small cell
//! is audited: from everything that is shown, nobody can narrow its count down to an interval of less than the threshold. The bounds
//! are exact, by maximum flow through the withheld cells; they assume that an attacker knows the rule, and so that every
//! withheld cell holds at least 1. Districts and topics that cannot be protected otherwise are put together with others.

mod flow;
mod suppress;

use std::collections::{BTreeMap, BTreeSet};

use feedback::Timestamp;

use crate::derived::{district_of, topic_of};
use crate::rows::Column;
use crate::snapshot::Snapshot;

pub use suppress::{Release, Withheld, release};

/// Fewest contributors of a cell that is shown, where nobody says otherwise.
pub const DEFAULT_THRESHOLD: u64 = 10;

/// Reports of a cell, and who contributed them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contributions {
    /// Reports.
    pub reports: u64,
    /// Of these, without an author: each counts as a contributor of its own.
    pub anonymous: u64,
    /// The authors of the others.
    pub authors: BTreeSet<u64>,
}

impl Contributions {
    /// One report.
    pub fn add(&mut self, author: Option<u64>) {
        self.reports += 1;
        match author {
            Some(author) => {
                self.authors.insert(author);
            }
            None => self.anonymous += 1,
        }
    }

    /// All of another cell.
    pub fn absorb(&mut self, other: &Self) {
        self.reports += other.reports;
        self.anonymous += other.anonymous;
        self.authors.extend(&other.authors);
    }

    /// How many people, at most, are behind the reports.
    pub fn contributors(&self) -> u64 {
        self.anonymous + self.authors.len() as u64
    }
}

/// The contributions of a stretch of time, by district and topic; what is unknown is called `unknown`. An error where the rows no
/// longer reach back so far.
pub fn contributions(
    snapshot: &Snapshot,
    from: Timestamp,
    until: Timestamp,
) -> Result<BTreeMap<(String, String), Contributions>, Withheld> {
    let range = from.micros()..until.micros();
    let horizon = snapshot.state().horizon;
    if range.start < horizon {
        return Err(Withheld::Forgotten { horizon: Timestamp::from_micros(horizon) });
    }
    let mut cells: BTreeMap<(u32, u8), Contributions> = BTreeMap::new();
    let inside = |created: (i64, i64)| created.1 >= range.start && created.0 < range.end;
    for segment in snapshot.state().segments().filter(|segment| inside(segment.created)) {
        let rows = &segment.rows;
        for (row, _) in segment.lives.iter().enumerate().filter(|(_, (live, _))| *live) {
            if rows.time(Column::CreatedAt, row).is_some_and(|created_at| range.contains(&created_at)) {
                let key = (rows.word(Column::District, row), rows.code(Column::Topic, row));
                cells.entry(key).or_default().add(rows.author(row));
            }
        }
    }
    let name = |word: Option<&str>| word.unwrap_or("unknown").to_owned();
    let mut named: BTreeMap<(String, String), Contributions> = BTreeMap::new();
    for ((district, topic), cell) in &cells {
        named.entry((name(district_of(snapshot, *district)), name(topic_of(*topic)))).or_default().absorb(cell);
    }
    Ok(named)
}
