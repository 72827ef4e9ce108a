//! The incidents of one snapshot as a whole: what the tables and the estimates are made of.

use std::collections::HashSet;
use std::ops::Range;

use crate::dictionary::NULL;
use crate::incidents::follow::Followed;
use crate::incidents::reports::{Number, tells_of_a_thing};
use crate::incidents::rule::NO_CLASS;
use crate::life::Life;
use crate::rows::{Column, Rows};
use crate::segment::Place;
use crate::state::State;

/// A report of an incident.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Member {
    /// When it was made, microseconds.
    pub(crate) created_us: i64,
    /// Keyed pseudonym of its author within its source.
    pub(crate) author: Option<u64>,
    /// Where its row is in the snapshot.
    pub(crate) place: Place,
}

/// Reports about the same thing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Incident {
    /// The row of the first report, whose id is the incident's.
    pub(crate) first: Place,
    /// Code of the first report's topic.
    pub(crate) topic: u8,
    /// Code of the district of the first report that has one.
    pub(crate) district: u32,
    /// When it was first reported, microseconds.
    pub(crate) first_us: i64,
    /// When it was last reported.
    pub(crate) last_us: i64,
    /// Until when further reports were joined to it: it was closed, its topic's span ran out, or the watermark stands there. Never
    /// before `first_us`. Reports that only the portal's links joined may be later.
    pub(crate) exposure_end_us: i64,
    /// Whether others can join by place; if not (its topic or place does not allow it), it has no exposure.
    pub(crate) can_be_joined: bool,
    /// Its reports in [`Incidents::members`], by (`created_at`, `id`); the first is the one that opened it.
    pub(crate) members: Range<usize>,
    /// Reports after the first, made until `exposure_end_us`.
    pub(crate) further: u32,
    /// Of `further`, those by somebody who had not reported this incident before. A report without an author counts as one of its own.
    pub(crate) further_by_others: u32,
    /// Reports that the portal links to another of it.
    pub(crate) linked: u32,
}

/// Every incident of a snapshot.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Incidents {
    /// By (`first_us`, id).
    pub(crate) all: Vec<Incident>,
    /// The reports of all incidents, incident by incident.
    pub(crate) members: Vec<Member>,
}

/// The row and its number.
fn row_of(state: &State, place: Place) -> Option<(&Rows, usize, Life)> {
    let segment = state.segments.get(place.segment as usize)?.as_ref()?;
    let row = place.row as usize;
    Some((&segment.rows, row, segment.lives.get(row)))
}

impl Incidents {
    /// The reports of an incident.
    pub(crate) fn members(&self, incident: &Incident) -> &[Member] {
        &self.members[incident.members.clone()]
    }

    /// Gathers what was followed to `state`.
    pub(crate) fn gather(followed: &Followed, state: &State) -> Self {
        let reports = &followed.reports;
        let opener = |number: Number| reports.all[reports.all[number as usize].speaker as usize].opener;
        let order = |number: Number| reports.order(state, number);
        let mut joined: Vec<(Number, Number)> = reports.numbers().map(|number| (opener(number), number)).collect();
        joined.sort_unstable_by(|a, b| order(a.0).cmp(&order(b.0)).then_with(|| order(a.1).cmp(&order(b.1))));
        let watermark = state.watermark.unwrap_or(i64::MAX);
        let mut incidents = Self { all: Vec::new(), members: Vec::with_capacity(joined.len()) };
        for group in joined.chunk_by(|a, b| a.0 == b.0) {
            let Some(incident) = incidents.one(followed, state, watermark, group) else { continue };
            incidents.all.push(incident);
        }
        incidents
    }

    /// One incident, its members appended; `None` for a single report that tells of no thing.
    fn one(&mut self, followed: &Followed, state: &State, watermark: i64, group: &[(Number, Number)]) -> Option<Incident> {
        let opener = &followed.reports.all[group.first()?.0 as usize];
        let (rows, row, _) = row_of(state, opener.place)?;
        if group.len() == 1 && !tells_of_a_thing(rows, row) {
            return None;
        }
        let start = self.members.len();
        let exposure_end_us = opener.end_us.min(watermark).max(opener.created_us);
        let mut incident = Incident {
            first: opener.place,
            topic: opener.said.topic,
            district: NULL,
            first_us: opener.created_us,
            last_us: opener.created_us,
            exposure_end_us,
            can_be_joined: opener.class != NO_CLASS,
            members: start..start + group.len(),
            further: 0,
            further_by_others: 0,
            linked: 0,
        };
        let mut authors = HashSet::new();
        for (position, (_, number)) in group.iter().enumerate() {
            let report = &followed.reports.all[*number as usize];
            let (rows, row, _) = row_of(state, report.place)?;
            let author = rows.author(row);
            if incident.district == NULL {
                incident.district = rows.word(Column::District, row);
            }
            let is_new =
                group.len() == 1 || author.is_none_or(|author| authors.insert((rows.word(Column::Source, row), author)));
            if position > 0 && report.created_us <= exposure_end_us {
                incident.further += 1;
                incident.further_by_others += u32::from(is_new);
            }
            incident.last_us = report.created_us;
            incident.linked += u32::from(followed.links.of(*number).is_some());
            self.members.push(Member { created_us: report.created_us, author, place: report.place });
        }
        Some(incident)
    }
}
