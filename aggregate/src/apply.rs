//! Settles what a batch means. Grouped by id, so that everything a batch says about one report costs one look-up and one write.
//!
//! What a report is, is a function of the set of records about it, never of their order:
//!
//! - its version is the greatest (updated_at, content_key) among those not erased; equal in both is the same record again, of
//!   which the first to arrive is shown;
//! - its events are a set by (at, status, reason);
//! - an erasure at a moment removes versions and events up to it, those that are still to come included;
//! - an erasure by author is one of every report that the author had made by then. A report is assumed to keep its author and its
//!   moment over its versions, so that any version tells. It is applied to all partitions at once: the copies in the other partitions
//!   then find nothing new.
//!
//! Cells, windows and series move by exactly what the report counted before and counts now.

use std::sync::Arc;

use arrow::array::Array;
use feedback::time::HOUR_US;
use feedback::{IdKey, Kind, Timestamp};

use crate::config::Config;
use crate::cow::FastMap;
use crate::error::AggregateError;
use crate::events::{Added, Event, NO_EVENT, Reasons};
use crate::index::Index;
use crate::input::Batch;
use crate::life::{Life, Lives, NO_STATUS};
use crate::rows::{Column, Rows, Version};
use crate::segment::{Place, Segment};
use crate::state::State;

/// Events kept of reports that have not come; beyond it new ones are refused and counted.
pub(crate) const MAX_PENDING_EVENTS: usize = 1 << 18;

/// Erasures remembered, by id and by author each; beyond it the oldest half is forgotten.
const MAX_TOMBSTONES: usize = 1 << 20;

/// The one writer: the state, and what only writing needs.
pub(crate) struct Writer {
    pub(crate) config: Arc<Config>,
    pub(crate) state: State,
    pub(crate) index: Index,
    reasons: Reasons,
}

/// What a batch came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) rows: u64,
    pub(crate) late: u64,
    pub(crate) expired: u64,
}

/// A batch on its way in.
struct Work<'a> {
    batch: &'a Batch,
    /// Erasures by author, turned into erasures of these reports: behind the batch's own rows.
    implied: Vec<i64>,
    new_rows: Vec<u32>,
    new_lives: Vec<Life>,
    /// The slot that the new rows will have.
    slot: u32,
    outcome: Outcome,
}

/// Whether a report was there by a moment.
fn made_by(rows: &Rows, row: usize, moment: i64) -> bool {
    rows.version(row).updated_at <= moment || rows.time(Column::CreatedAt, row).is_some_and(|created_at| created_at <= moment)
}

/// Authors whose reports go, by source and pseudonym, each with the moment up to which.
///
/// Every row is asked for its author: a million rows must not hold up what comes behind them. So twelve bits of the pseudonym, which is a
/// hash, are looked at first; all but one in thousands of the rows need no more.
struct ErasedAuthors {
    moments: FastMap<(u32, u64), i64>,
    filter: [u64; 64],
}

impl Default for ErasedAuthors {
    fn default() -> Self {
        Self { moments: FastMap::default(), filter: [0; 64] }
    }
}

impl ErasedAuthors {
    fn add(&mut self, source: u32, author: u64, at: i64) {
        let moment = self.moments.entry((source, author)).or_insert(i64::MIN);
        *moment = (*moment).max(at);
        self.filter[(author >> 6) as usize % 64] |= 1 << (author % 64);
    }

    fn may_hold(&self, author: u64) -> bool {
        self.filter[(author >> 6) as usize % 64] >> (author % 64) & 1 == 1
    }
}

impl Writer {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        let state = State::new(&config);
        Self { config, state, index: Index::default(), reasons: Reasons::default() }
    }

    /// A writer over a restored state: builds the index of ids.
    pub(crate) fn over(config: Arc<Config>, state: State) -> Self {
        let mut index = Index::with_capacity(state.live_rows());
        for (slot, segment) in state.segments.iter().enumerate() {
            let Some(segment) = segment else { continue };
            for (row, (live, _)) in segment.lives.iter().enumerate() {
                if live {
                    index.insert(segment.rows.key(row), Place { segment: slot as u32, row: row as u32 });
                }
            }
        }
        Self { config, state, index, reasons: Reasons::default() }
    }

    /// Applies the rows whose raw offset is at least `from`.
    pub(crate) fn apply(&mut self, batch: &Batch, from: u64) -> Result<Outcome, AggregateError> {
        let rows = 0..batch.rows.len() as u32;
        let offsets = from..batch.coverage.next;
        let fresh =
            |row: &u32| u64::try_from(batch.raw_offset.value(*row as usize)).is_ok_and(|offset| offsets.contains(&offset));
        let fresh: Vec<u32> = rows.filter(fresh).collect();
        let slot = self.state.free_slot() as u32;
        let outcome = Outcome { rows: fresh.len() as u64, ..Outcome::default() };
        let mut work = Work { batch, implied: Vec::new(), new_rows: Vec::new(), new_lives: Vec::new(), slot, outcome };
        self.note_arrivals(&mut work, &fresh);

        let mut members: Vec<(IdKey, u32)> = Vec::with_capacity(fresh.len());
        let mut authors = ErasedAuthors::default();
        for row in fresh {
            let at = row as usize;
            if !batch.rows.id(at).is_empty() {
                members.push((batch.rows.key(at), row));
            } else if let Some(author) = batch.rows.author(at) {
                authors.add(batch.rows.word(Column::Source, at), author, batch.at.value(at));
            }
        }
        self.imply_erasures(&authors, &mut work, &mut members);
        members.sort_unstable();
        for group in members.chunk_by(|a, b| a.0 == b.0) {
            self.settle(group, &mut work);
        }
        self.bound_tombstones();
        self.add_segment(&work)?;
        self.compact()?;
        Ok(work.outcome)
    }

    /// Keeps the books of partition and sources, whatever becomes of the rows.
    fn note_arrivals(&mut self, work: &mut Work<'_>, fresh: &[u32]) {
        let batch = work.batch;
        let watermark = self.state.watermark.unwrap_or(i64::MIN);
        let partition = Arc::make_mut(&mut self.state.partitions).entry(batch.coverage.partition).or_default();
        let sources = Arc::make_mut(&mut self.state.sources);
        for row in fresh {
            let row = *row as usize;
            let at = batch.at.value(row);
            let late = at < watermark;
            partition.highest_event = partition.highest_event.max(Some(at));
            work.outcome.late += u64::from(late);
            let source = sources.entry(batch.rows.word(Column::Source, row)).or_default();
            if let Some(count) = source.records.get_mut(usize::from(batch.kind.value(row))) {
                *count += 1;
            }
            source.late += u64::from(late);
            source.clock_ahead += u64::from(batch.clock_ahead.value(row) != 0);
            source.last_event = source.last_event.max(Some(at));
            source.last_received = source.last_received.max(batch.rows.time(Column::ReceivedAt, row));
        }
        partition.rows += work.outcome.rows;
        partition.late_rows += work.outcome.late;
    }

    /// Finds the reports of erased authors, and remembers the erasures for those that are still to come.
    fn imply_erasures(&mut self, authors: &ErasedAuthors, work: &mut Work<'_>, members: &mut Vec<(IdKey, u32)>) {
        if authors.moments.is_empty() {
            return;
        }
        for (author, at) in &authors.moments {
            let moment = self.state.author_tombstones.entry(*author, || i64::MIN);
            *moment = (*moment).max(*at);
        }
        for segment in self.state.segments() {
            let rows = &segment.rows;
            let Some(column) = rows.authors() else { continue };
            for (row, author) in column.values().iter().enumerate().filter(|(_, author)| authors.may_hold(**author)) {
                let Some(at) = authors.moments.get(&(rows.word(Column::Source, row), *author)) else { continue };
                if column.is_valid(row) && segment.lives.is_live(row) && made_by(rows, row, *at) {
                    members.push((rows.key(row), (work.batch.rows.len() + work.implied.len()) as u32));
                    work.implied.push(*at);
                }
            }
        }
    }

    /// Settles one report, given everything that the batch says about it.
    fn settle(&mut self, group: &[(IdKey, u32)], work: &mut Work<'_>) {
        let (key, batch) = (group[0].0, work.batch);
        let kind = |row: u32| Kind::from_code(batch.kind.value(row as usize));
        let own_rows = || group.iter().map(|(_, row)| *row).filter(|row| (*row as usize) < batch.rows.len());

        let known_erasure = if self.state.tombstones.is_empty() { None } else { self.state.tombstones.get(&key).copied() };
        let mut erased = known_erasure.unwrap_or(i64::MIN);
        for (_, row) in group {
            erased = match (*row as usize).checked_sub(batch.rows.len()) {
                Some(implied) => erased.max(work.implied[implied]),
                None => erased.max(self.erasure_in(batch, *row)),
            };
        }
        if Some(erased) > known_erasure && erased > i64::MIN {
            self.state.tombstones.insert(key, erased);
        }

        let mut newest: Option<(Version, u32)> = None;
        for row in own_rows().filter(|row| kind(*row) == Some(Kind::Report)) {
            let version = batch.rows.version(row as usize);
            let created_at = batch.rows.time(Column::CreatedAt, row as usize);
            let superseded = version.updated_at <= erased || newest.is_some_and(|(known, _)| version <= known);
            if created_at.is_none_or(|created_at| created_at < self.state.horizon) {
                self.expire(work, row);
            } else if superseded {
                self.supersede(batch, row);
            } else {
                newest = Some((version, row));
            }
        }

        let place = self.index.get(key, |place| self.id_at(place));
        let pending = if place.is_some() || self.state.pending.is_empty() { None } else { self.state.pending.remove(&key) };
        let held = place.and_then(|place| {
            let segment = self.state.segments.get(place.segment as usize)?.as_ref()?;
            Some((place, segment.clone(), segment.lives.get(place.row as usize)))
        });
        let mut events = held.as_ref().map_or(pending.unwrap_or(NO_EVENT), |held| held.2.events);
        if pending.is_some() {
            self.state.pending_events -= self.state.events.chain(events).count();
        }
        if erased > i64::MIN {
            events = self.state.events.retain(events, |event| event.at > erased);
        }
        let expected = held.is_some() || newest.is_some();
        for row in own_rows().filter(|row| kind(*row) == Some(Kind::Status)) {
            self.add_event(&mut events, row, erased, expected, work);
        }

        if let Some((place, segment, life)) = held {
            let facts = segment.rows.facts(place.row as usize);
            let held_version = segment.rows.version(place.row as usize);
            drop(segment);
            let replaced = newest.is_some_and(|(version, _)| version > held_version);
            if facts.updated_at > erased && !replaced {
                if let Some((_, row)) = newest {
                    self.supersede(batch, row);
                }
                let after = Life::derive(&facts, events, &self.state.events);
                if after != life {
                    self.state.relive(&facts, &life, &after);
                    self.segment_mut(place, |segment| segment.set(place.row, after));
                }
                return;
            }
            self.state.count(&facts, &life, -1);
            self.segment_mut(place, |segment| segment.kill(place.row));
            self.index.remove(key, place);
        }
        match newest {
            Some((_, row)) => {
                let facts = batch.rows.facts(row as usize);
                let life = Life::derive(&facts, events, &self.state.events);
                self.state.count(&facts, &life, 1);
                self.index.insert(key, Place { segment: work.slot, row: work.new_rows.len() as u32 });
                work.new_rows.push(row);
                work.new_lives.push(life);
            }
            None if events != NO_EVENT => {
                self.state.pending_events += self.state.events.chain(events).count();
                self.state.pending.insert(key, events);
            }
            None => {}
        }
    }

    /// The moment up to which a row erases its report; `i64::MIN` if it does not.
    fn erasure_in(&self, batch: &Batch, row: u32) -> i64 {
        let row = row as usize;
        match Kind::from_code(batch.kind.value(row)) {
            Some(Kind::Erase) => batch.at.value(row),
            Some(Kind::Report) if !self.state.author_tombstones.is_empty() => {
                let by = batch.rows.author(row).map(|author| (batch.rows.word(Column::Source, row), author));
                let at = by.and_then(|by| self.state.author_tombstones.get(&by)).copied();
                at.filter(|at| made_by(&batch.rows, row, *at)).unwrap_or(i64::MIN)
            }
            _ => i64::MIN,
        }
    }

    fn add_event(&mut self, events: &mut u32, row: u32, erased: i64, expected: bool, work: &mut Work<'_>) {
        let (batch, row_at) = (work.batch, row as usize);
        let at = batch.at.value(row_at);
        let status = batch.rows.code(Column::Status, row_at);
        if at <= erased || status == NO_STATUS {
            return self.supersede(batch, row);
        }
        if !expected && at < self.state.horizon {
            return self.expire(work, row);
        }
        if !expected && self.state.pending_events >= MAX_PENDING_EVENTS {
            self.state.events_refused += 1;
            return;
        }
        let received_at = batch.rows.time(Column::ReceivedAt, row_at).unwrap_or(at);
        let reason = batch.reason(row_at).map(|reason| self.reasons.share(reason));
        let event = Event::new(at, received_at, status, reason, batch.rows.word(Column::Agency, row_at));
        let agencies = &self.state.words.agency;
        match self.state.events.add(events, event, |a, b| agencies.word(a).cmp(&agencies.word(b))) {
            Added::New => {}
            Added::Known => self.supersede(batch, row),
            Added::TooMany => self.state.events_refused += 1,
        }
    }

    fn supersede(&mut self, batch: &Batch, row: u32) {
        let source = batch.rows.word(Column::Source, row as usize);
        Arc::make_mut(&mut self.state.sources).entry(source).or_default().superseded += 1;
    }

    /// A row that is older than anything kept: counted, not applied. History has it.
    fn expire(&mut self, work: &mut Work<'_>, row: u32) {
        work.outcome.expired += 1;
        let source = work.batch.rows.word(Column::Source, row as usize);
        Arc::make_mut(&mut self.state.sources).entry(source).or_default().expired += 1;
        let partition = work.batch.coverage.partition;
        Arc::make_mut(&mut self.state.partitions).entry(partition).or_default().expired_rows += 1;
    }

    /// Which report a place holds; `None` while its segment is still being made: rows of the same batch, each of another report.
    fn id_at(&self, place: Place) -> Option<IdKey> {
        let segment = self.state.segments.get(place.segment as usize)?.as_ref()?;
        Some(segment.rows.key(place.row as usize))
    }

    pub(crate) fn segment_mut(&mut self, place: Place, change: impl FnOnce(&mut Segment)) {
        if let Some(segment) = self.state.segments.get_mut(place.segment as usize).and_then(Option::as_mut) {
            change(Arc::make_mut(segment));
        }
    }

    fn add_segment(&mut self, work: &Work<'_>) -> Result<(), AggregateError> {
        if work.new_rows.is_empty() {
            return Ok(());
        }
        let rows = work.batch.rows.take(&work.new_rows.clone().into())?;
        let segment = Segment::new(self.state.next_segment_id, rows, Lives::from_lives(&work.new_lives));
        self.state.next_segment_id += 1;
        self.put_segment(work.slot as usize, segment);
        Ok(())
    }

    pub(crate) fn put_segment(&mut self, slot: usize, segment: Segment) {
        if slot == self.state.segments.len() {
            self.state.segments.push(None);
        }
        self.state.segments[slot] = Some(Arc::new(segment));
    }

    /// Moves everything that follows the watermark. Returns whether it moved.
    pub(crate) fn advance(&mut self, watermark: i64) -> bool {
        if self.state.watermark.is_some_and(|known| known >= watermark) {
            return false;
        }
        self.state.watermark = Some(watermark);
        for window in &mut self.state.windows {
            window.advance(&self.state.cells, watermark);
        }
        self.state.cells.evict(watermark, &self.config);
        self.state.series.age(watermark, &self.config);
        let horizon = Timestamp::from_micros(watermark.saturating_sub(self.config.retention_us)).floor(HOUR_US).micros();
        if horizon > self.state.horizon {
            self.state.horizon = horizon;
            self.retire(horizon);
        }
        true
    }

    /// Lets go of what lies before the horizon. Cells stay: they outlive the rows that they counted.
    fn retire(&mut self, horizon: i64) {
        for slot in 0..self.state.segments.len() {
            let Some(segment) = self.state.segments[slot].clone() else { continue };
            if segment.created.0 >= horizon {
                continue;
            }
            let mut remaining = (*segment).clone();
            for row in 0..segment.rows.len() {
                let created_at = segment.rows.time(Column::CreatedAt, row).unwrap_or(i64::MIN);
                if created_at >= horizon || !segment.lives.is_live(row) {
                    continue;
                }
                self.state.events.free_chain(segment.lives.get(row).events);
                self.index.remove(segment.rows.key(row), Place { segment: slot as u32, row: row as u32 });
                let source = segment.rows.word(Column::Source, row);
                Arc::make_mut(&mut self.state.sources).entry(source).or_default().live_reports -= 1;
                remaining.kill(row as u32);
            }
            remaining.created.0 = horizon.min(remaining.created.1);
            self.state.segments[slot] = (remaining.live() > 0).then(|| Arc::new(remaining));
        }
        self.state.tombstones.retain(|_, at| *at >= horizon);
        self.state.author_tombstones.retain(|_, at| *at >= horizon);
        let waiting: Vec<IdKey> = self.state.pending.iter().map(|(key, _)| *key).collect();
        for key in waiting {
            let Some(before) = self.state.pending.get(&key).copied() else { continue };
            let count = self.state.events.chain(before).count();
            let events = self.state.events.retain(before, |event| event.at >= horizon);
            self.state.pending_events -= count - self.state.events.chain(events).count();
            if events == NO_EVENT {
                self.state.pending.remove(&key);
            } else if events != before {
                self.state.pending.insert(key, events);
            }
        }
    }

    fn bound_tombstones(&mut self) {
        fn halve<K: std::hash::Hash + Eq + Clone>(tombstones: &mut crate::cow::CowMap<K, i64>) {
            if tombstones.len() > MAX_TOMBSTONES {
                let mut moments: Vec<i64> = tombstones.iter().map(|(_, at)| *at).collect();
                let (_, middle, _) = moments.select_nth_unstable(MAX_TOMBSTONES / 2);
                let middle = *middle;
                tracing::warn!(kept = MAX_TOMBSTONES / 2, "too many erasures remembered: the oldest half is forgotten");
                tombstones.retain(|_, at| *at > middle);
            }
        }
        halve(&mut self.state.tombstones);
        halve(&mut self.state.author_tombstones);
    }
}
