//! What joining needs of every live report, kept beside the segments of the snapshot that was seen last.

use std::cmp::Ordering;

use feedback::IdKey;

use crate::cow::{FastMap, table_bytes};
use crate::dictionary::NULL;
use crate::incidents::place::Place as Spot;
use crate::incidents::rule::{NO_CLASS, Rule, Said};
use crate::life::{Life, Lives, NO_TIME};
use crate::rows::{Column, Rows};
use crate::segment::Place;
use crate::state::State;

/// An id's key in 16 bytes that need no alignment of 16: a third less in every table here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct IndexKey([u64; 2]);

impl From<IdKey> for IndexKey {
    fn from(key: IdKey) -> Self {
        Self([key.0 as u64, (key.0 >> 64) as u64])
    }
}

/// A report by its number here; numbers are used again.
pub(crate) type Number = u32;

/// No report.
pub(crate) const NOBODY: Number = u32::MAX;

/// Where a report is whose row is gone.
const NOWHERE: Place = Place { segment: u32::MAX, row: 0 };

/// A report.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) key: IndexKey,
    pub(crate) place: Place,
    pub(crate) created_us: i64,
    /// [`NO_TIME`] while it is not closed.
    pub(crate) closed_us: i64,
    /// Tells versions apart; a row that only moved has the same.
    pub(crate) version: u64,
    pub(crate) said: Said,
    pub(crate) spot: Option<Spot>,
    /// [`NO_CLASS`] if it cannot be joined by place: by its topic, its signal or because it has no place.
    pub(crate) class: u8,
    /// Code of where it stands; see [`crate::life`].
    pub(crate) status: u8,
    /// Who speaks for it: the first of those told together with it.
    pub(crate) speaker: Number,
    /// Of a speaker: the first report of its incident.
    pub(crate) opener: Number,
    /// Of a speaker who joined another's incident: its place among those who did.
    pub(crate) seat: u32,
    /// Of a speaker: until when its incident could be joined if it opened one.
    pub(crate) end_us: i64,
    /// Of a speaker: whether it stands in its square.
    pub(crate) is_placed: bool,
    /// Whether it waits to be settled.
    pub(crate) is_due: bool,
}

/// A segment as it was seen last.
struct Seen {
    id: u64,
    lives: Lives,
    /// By row; [`NOBODY`] where a row is dead.
    numbers: Vec<Number>,
}

/// The reports of one snapshot.
#[derive(Default)]
pub(crate) struct Reports {
    pub(crate) all: Vec<Report>,
    free: Vec<Number>,
    pub(crate) by_key: FastMap<IndexKey, Number>,
    segments: Vec<Option<Seen>>,
}

/// What of a report is read from its row.
pub(crate) struct Read {
    pub(crate) key: IndexKey,
    pub(crate) version: u64,
    pub(crate) created_us: i64,
    pub(crate) said: Said,
    pub(crate) spot: Option<Spot>,
    pub(crate) class: u8,
    /// The report that its source says it repeats.
    pub(crate) repeats: Option<IndexKey>,
}

/// Differences between two snapshots, in the order in which they must be taken: rows that died, rows that are new, reports of which
/// no row is left (see [`Reports::homeless`]).
pub(crate) enum Change {
    Died(Place),
    Born(Place),
    Lived(Place, Life),
}

impl Reports {
    /// What changed since the last snapshot, which from here on is `state`.
    pub(crate) fn compare(&mut self, state: &State) -> Vec<Change> {
        let (mut died, mut other) = (Vec::new(), Vec::new());
        let slots = self.segments.len().max(state.segments.len());
        self.segments.resize_with(slots, || None);
        for slot in 0..slots {
            let new = state.segments.get(slot).and_then(Option::as_ref);
            let at = |row: usize| Place { segment: slot as u32, row: row as u32 };
            if let Some(seen) = self.segments[slot].as_mut().filter(|seen| new.is_some_and(|new| new.id == seen.id)) {
                let Some(new) = new else { continue };
                for (block, (old, now)) in seen.lives.blocks.iter().zip(&new.lives.blocks).enumerate() {
                    if std::sync::Arc::ptr_eq(old, now) {
                        continue;
                    }
                    for row in 0..now.live.len() {
                        let place = at(block * crate::life::BLOCK_ROWS + row);
                        match (old.live[row], now.live[row]) {
                            (true, false) => died.push(Change::Died(place)),
                            (false, true) => other.push(Change::Born(place)),
                            (true, true) if old.get(row) != now.get(row) => other.push(Change::Lived(place, now.get(row))),
                            _ => {}
                        }
                    }
                }
                seen.lives = new.lives.clone();
                continue;
            }
            if let Some(seen) = &self.segments[slot] {
                let known = seen.numbers.iter().enumerate().filter(|(_, number)| **number != NOBODY);
                died.extend(known.map(|(row, _)| Change::Died(at(row))));
            }
            if let Some(new) = new {
                let born = new.lives.iter().enumerate().filter(|(_, (live, _))| *live);
                other.extend(born.map(|(row, _)| Change::Born(at(row))));
            }
        }
        died.extend(other);
        died
    }

    /// The report of a row leaves it; it may have another one by the end.
    pub(crate) fn leave(&mut self, place: Place) -> Option<Number> {
        let seen = self.segments.get_mut(place.segment as usize)?.as_mut()?;
        let number = std::mem::replace(seen.numbers.get_mut(place.row as usize)?, NOBODY);
        let report = self.all.get_mut(number as usize)?;
        report.place = NOWHERE;
        Some(number)
    }

    /// Makes room for the rows of segments that are new.
    pub(crate) fn make_room(&mut self, state: &State) {
        for (slot, seen) in self.segments.iter_mut().enumerate() {
            let new = state.segments.get(slot).and_then(Option::as_ref);
            if new.map(|new| new.id) != seen.as_ref().map(|seen| seen.id) {
                *seen = new.map(|new| Seen { id: new.id, lives: new.lives.clone(), numbers: vec![NOBODY; new.rows.len()] });
            }
        }
    }

    /// The report of a row.
    pub(crate) fn at(&self, place: Place) -> Option<Number> {
        let number = *self.segments.get(place.segment as usize)?.as_ref()?.numbers.get(place.row as usize)?;
        (number != NOBODY).then_some(number)
    }

    /// Says where the row of a report is.
    pub(crate) fn settle_in(&mut self, number: Number, place: Place) {
        self.all[number as usize].place = place;
        if let Some(seen) = self.segments.get_mut(place.segment as usize).and_then(Option::as_mut) {
            seen.numbers[place.row as usize] = number;
        }
    }

    /// A new report, told together with nobody, settled nowhere.
    pub(crate) fn add(&mut self, read: &Read, life: &Life) -> Number {
        let number = self.free.pop().unwrap_or(self.all.len() as Number);
        let report = Report {
            key: read.key,
            place: NOWHERE,
            created_us: read.created_us,
            closed_us: closed_us(life),
            version: read.version,
            said: read.said,
            spot: read.spot,
            class: read.class,
            status: life.status,
            speaker: number,
            opener: NOBODY,
            seat: 0,
            end_us: i64::MIN,
            is_placed: false,
            is_due: false,
        };
        match self.all.get_mut(number as usize) {
            Some(free) => *free = report,
            None => self.all.push(report),
        }
        self.by_key.insert(read.key, number);
        number
    }

    /// The id of a report whose row is in `state`.
    pub(crate) fn id<'s>(&self, state: &'s State, number: Number) -> &'s str {
        row_of(state, self.all[number as usize].place).map_or("", |(rows, row)| rows.id(row))
    }

    /// By what reports are ordered: when they were made, and their ids.
    pub(crate) fn order<'s>(&self, state: &'s State, number: Number) -> (i64, &'s str) {
        (self.all[number as usize].created_us, self.id(state, number))
    }

    /// Which of two is before the other in [`Reports::order`]. Ids are looked up only where the moments are equal.
    pub(crate) fn precedence(&self, state: &State, a: Number, b: Number) -> Ordering {
        let created_us = |number: Number| self.all[number as usize].created_us;
        created_us(a).cmp(&created_us(b)).then_with(|| self.id(state, a).cmp(self.id(state, b)))
    }

    /// Whether a report opened an incident, or stands for itself.
    pub(crate) fn opens(&self, number: Number) -> bool {
        self.all.get(number as usize).is_some_and(|report| report.opener == number && report.speaker == number)
    }

    /// Whether no row of a report is left.
    pub(crate) fn is_homeless(&self, number: Number) -> bool {
        self.all[number as usize].place == NOWHERE
    }

    pub(crate) fn remove(&mut self, number: Number) {
        let report = &mut self.all[number as usize];
        (report.opener, report.is_placed) = (NOBODY, false);
        self.by_key.remove(&report.key);
        self.free.push(number);
    }

    pub(crate) fn bytes(&self) -> usize {
        let rows: usize = self.segments.iter().flatten().map(|seen| seen.numbers.len() * size_of::<Number>()).sum();
        self.all.capacity() * size_of::<Report>()
            + table_bytes::<(IndexKey, Number)>(self.by_key.capacity())
            + self.free.capacity() * size_of::<Number>()
            + rows
    }
}

/// The rows that a place is in, and which of them it is.
pub(crate) fn row_of(state: &State, place: Place) -> Option<(&Rows, usize)> {
    let segment = state.segments.get(place.segment as usize)?.as_ref()?;
    Some((&segment.rows, place.row as usize))
}

/// When a report was closed, if it is.
pub(crate) fn closed_us(life: &Life) -> i64 {
    if life.is_closed() { life.closed_us } else { NO_TIME }
}

/// Reads a row. `und` is the code of the language that stands for unknown.
pub(crate) fn read(rule: &Rule, rows: &Rows, row: usize, und: u32) -> Read {
    let topic = rows.code(Column::Topic, row);
    let spot = rows.position(row).and_then(|(lat, lon)| Spot::new(lat, lon));
    let language = rows.word(Column::Language, row);
    Read {
        key: rows.key(row).into(),
        version: version(rows, row),
        created_us: rows.time(Column::CreatedAt, row).unwrap_or(i64::MIN),
        said: Said {
            topic,
            category: rows.word(Column::Category, row),
            language: if language == und { NULL } else { language },
            words: if rows.text(Column::Text, row).is_some() { rows.fingerprint(row) } else { 0 },
        },
        spot,
        class: if spot.is_some() && tells_of_a_thing(rows, row) { rule.class_of(topic) } else { NO_CLASS },
        repeats: rows.text(Column::DuplicateOf, row).map(|id| feedback::IdKey::of(id).into()),
    }
}

/// A hash of which version of its report a row is: two rows of one report with one version say the same.
fn version(rows: &Rows, row: usize) -> u64 {
    let version = rows.version(row);
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&version.updated_at.to_le_bytes());
    bytes[8..16].copy_from_slice(&version.content_key.to_le_bytes());
    bytes[16..].copy_from_slice(&version.received.0.to_le_bytes());
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

/// Whether a report tells of something that others could tell of too: a problem or a request, or unknown. Praise, questions and
/// chat open no incident.
pub(crate) fn tells_of_a_thing(rows: &Rows, row: usize) -> bool {
    use feedback::Signal;
    !matches!(Signal::from_code(rows.code(Column::Signal, row)), Some(Signal::Question | Signal::Praise | Signal::Other))
}
