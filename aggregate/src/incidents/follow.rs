//! Follows the reports from snapshot to snapshot: who is told together, who opened an incident, who joined whom.
//!
//! A report is settled from those before it in (`created_at`, `id`) alone. So what is due is settled in that order, and where
//! that changes what an incident is, everybody who speaks nearby within its span after it becomes due in turn. By induction along
//! the order, all end where settling everybody from scratch would put them.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::cow::FastMap;
use crate::dictionary::NULL;
use crate::incidents::joined::Joined;
use crate::incidents::links::Links;
use crate::incidents::list::Listed;
use crate::incidents::reports::{Change, NOBODY, Number, Reports, closed_us, read};
use crate::incidents::rule::{NO_CLASS, Rule};
use crate::incidents::squares::{List, Squares};
use crate::life::{Life, NO_TIME};
use crate::segment::Place;
use crate::state::State;

/// Incidents of a square and span that a report is compared with: the newest. More than so many of one class within some
/// 160 m and two weeks are a place that stands for something else, such as the middle of the city; there, who comes joins one of the
/// newest or opens another.
pub(crate) const MAX_COMPARED: usize = 64;

/// Reports, links and squares of the snapshot seen last.
pub(crate) struct Followed {
    rule: Arc<Rule>,
    pub(crate) reports: Reports,
    pub(crate) links: Links,
    pub(crate) joined: Joined,
    pub(crate) listed: Listed,
    squares: Squares,
    /// Speakers that must be settled again.
    due: Vec<Number>,
    /// Reports of which it is open who speaks for them.
    parted: Vec<Number>,
}

impl Followed {
    /// Of no snapshot.
    pub(crate) fn new(rule: Arc<Rule>) -> Self {
        Self {
            rule,
            reports: Reports::default(),
            links: Links::default(),
            joined: Joined::default(),
            listed: Listed::default(),
            squares: Squares::default(),
            due: Vec::new(),
            parted: Vec::new(),
        }
    }

    /// Forgets everything but the rule.
    pub(crate) fn forget(&mut self) {
        *self = Self::new(Arc::clone(&self.rule));
    }

    /// Makes everything as of `state`.
    pub(crate) fn follow(&mut self, state: &State) {
        let und = state.words.language.all().iter().position(|word| &**word == "und").map_or(NULL, |code| code as u32);
        let changes = self.reports.compare(state);
        let (mut room_made, mut left) = (false, Vec::new());
        for change in changes {
            if !room_made && !matches!(change, Change::Died(_)) {
                self.reports.make_room(state);
                room_made = true;
            }
            match change {
                Change::Died(place) => left.extend(self.reports.leave(place)),
                Change::Born(place) => self.born(state, place, und),
                Change::Lived(place, life) => {
                    if let Some(number) = self.reports.at(place) {
                        self.lived(number, &life);
                    }
                }
            }
        }
        if !room_made {
            self.reports.make_room(state);
        }
        for number in left {
            if self.reports.is_homeless(number) {
                self.part(self.reports.all[number as usize].speaker);
                self.links.set(number, None);
                self.reports.remove(number);
            }
        }
        self.reunite(state);
        self.settle(state);
    }

    /// A row is new: of a new report, a new version, or only moved.
    fn born(&mut self, state: &State, place: Place, und: u32) {
        let Some(segment) = state.segments.get(place.segment as usize).and_then(Option::as_ref) else { return };
        let row = place.row as usize;
        let (read, life) = (read(&self.rule, &segment.rows, row, und), segment.lives.get(row));
        let number = match self.reports.by_key.get(&read.key).copied() {
            None => {
                let number = self.reports.add(&read, &life);
                self.parted.push(number);
                number
            }
            Some(number) => {
                let known = &self.reports.all[number as usize];
                let is_same = (known.created_us, known.said, known.spot, known.class)
                    == (read.created_us, read.said, read.spot, read.class);
                if is_same && self.links.of(number) == read.repeats.as_ref() {
                    if known.version != read.version {
                        self.reports.all[number as usize].version = read.version;
                        self.touch(number);
                    }
                    self.lived(number, &life);
                    self.reports.settle_in(number, place);
                    return;
                }
                let speaker = known.speaker;
                self.part(speaker);
                let report = &mut self.reports.all[number as usize];
                (report.created_us, report.said, report.spot) = (read.created_us, read.said, read.spot);
                (report.class, report.version) = (read.class, read.version);
                (report.closed_us, report.status) = (closed_us(&life), life.status);
                number
            }
        };
        self.links.set(number, read.repeats);
        self.reports.settle_in(number, place);
    }

    /// What an incident shows of a report has changed.
    fn touch(&mut self, number: Number) {
        let speaker = self.reports.all[number as usize].speaker;
        self.joined.touch(self.reports.all[speaker as usize].opener);
    }

    /// A report stands elsewhere: it is closed, open again, closed at another moment, or on its way.
    fn lived(&mut self, number: Number, life: &Life) {
        let report = &mut self.reports.all[number as usize];
        let (status, closed_us) = (life.status, closed_us(life));
        if (report.status, report.closed_us) == (status, closed_us) {
            return;
        }
        report.status = status;
        let before = std::mem::replace(&mut report.closed_us, closed_us);
        let speaker = report.speaker;
        self.touch(number);
        if before == closed_us {
            return;
        }
        let (end_us, known) = (self.end_us(speaker), &mut self.reports.all[speaker as usize]);
        let before = std::mem::replace(&mut known.end_us, end_us);
        if known.opener == speaker && before != end_us {
            self.disturb(speaker, before.min(end_us), before.max(end_us));
        }
    }

    /// Until when an incident that this speaker opened could be joined.
    fn end_us(&self, speaker: Number) -> i64 {
        let of = |number: &Number| self.reports.all[*number as usize].closed_us;
        let together = self.links.together(&speaker);
        let closed = together.iter().all(|number| of(number) != NO_TIME);
        let closing = together.iter().map(of).max().filter(|_| closed).unwrap_or(i64::MAX);
        let report = &self.reports.all[speaker as usize];
        let span_us = self.rule.class(report.class).map_or(0, |class| class.span_us);
        closing.min(report.created_us.saturating_add(span_us))
    }

    /// Takes a speaker and those for whom it spoke out of everything; who speaks for them is open.
    fn part(&mut self, speaker: Number) {
        self.lift(speaker);
        for number in self.links.part(speaker) {
            self.reports.all[number as usize].speaker = number;
            self.parted.push(number);
        }
    }

    /// Takes a speaker out of its square; who joined it, or might have joined another, becomes due.
    fn lift(&mut self, speaker: Number) {
        let report = &self.reports.all[speaker as usize];
        if !report.is_placed {
            return;
        }
        let (from_us, until_us) = (report.created_us, report.end_us);
        if report.opener == speaker {
            self.disturb(speaker, from_us, until_us);
            self.squares.remove(&self.rule, &self.reports.all, speaker, List::Openers);
        }
        self.squares.remove(&self.rule, &self.reports.all, speaker, List::Speakers);
        self.joined.join(&mut self.reports.all, speaker, NOBODY);
        self.reports.all[speaker as usize].is_placed = false;
    }

    /// Makes those who speak near a speaker in a stretch of time due.
    fn disturb(&mut self, speaker: Number, from_us: i64, until_us: i64) {
        let all = &mut self.reports.all;
        let report = &all[speaker as usize];
        let class = self.rule.class(report.class).zip(self.rule.grid(report.class));
        let Some((spot, (class, grid))) = report.spot.zip(class) else { return };
        let from_us = from_us.max(report.created_us);
        grid.around(spot, class.far_m, |square| {
            let Some(inside) = self.squares.get(square) else { return };
            let first = inside.speakers.partition_point(|other| all[*other as usize].created_us < from_us);
            for other in &inside.speakers[first..] {
                let near = &mut all[*other as usize];
                if near.created_us > until_us {
                    break;
                }
                if !near.is_due && *other != speaker {
                    near.is_due = true;
                    self.due.push(*other);
                }
            }
        });
    }

    /// Finds who speaks for everybody of whom that is open, and puts the speakers in their squares.
    fn reunite(&mut self, state: &State) {
        let mut next = 0;
        // Parting those found on the way appends to the list.
        while let Some(start) = self.parted.get(next).copied() {
            next += 1;
            if self.reports.is_homeless(start) || !self.is_parted(start) {
                continue;
            }
            let together = self.told_with(start);
            let order = |number: &Number| self.reports.order(state, *number);
            let speaker = together.iter().copied().min_by_key(order).unwrap_or(start);
            together.iter().for_each(|number| self.reports.all[*number as usize].speaker = speaker);
            self.links.join(speaker, together);
            self.put(speaker);
        }
        self.parted.clear();
    }

    fn is_parted(&self, number: Number) -> bool {
        let report = &self.reports.all[number as usize];
        report.speaker == number && !report.is_placed
    }

    /// Everybody who is told together with a report, itself first, all parted from whom they were told with before.
    fn told_with(&mut self, start: Number) -> Vec<Number> {
        let mut together = vec![start];
        let (mut known, mut keys) = (FastMap::default(), FastMap::default());
        let mut position = 0;
        while let Some(number) = together.get(position).copied() {
            position += 1;
            let mut beside = Vec::new();
            self.links.beside(&self.reports, number, &mut keys, |other| beside.push(other));
            for other in beside {
                if other != start && known.insert(other, ()).is_none() {
                    if !self.is_parted(other) {
                        self.part(self.reports.all[other as usize].speaker);
                    }
                    together.push(other);
                }
            }
        }
        together
    }

    /// Puts a speaker in its square, to be settled.
    fn put(&mut self, speaker: Number) {
        let end_us = self.end_us(speaker);
        let report = &mut self.reports.all[speaker as usize];
        (report.end_us, report.is_placed) = (end_us, true);
        if report.class == NO_CLASS {
            self.joined.join(&mut self.reports.all, speaker, speaker);
            return;
        }
        if !report.is_due {
            report.is_due = true;
            self.due.push(speaker);
        }
        self.squares.add(&self.rule, &self.reports.all, speaker, List::Speakers);
    }

    /// Settles everybody who is due, the earliest first.
    fn settle(&mut self, state: &State) {
        let mut due: BinaryHeap<Reverse<(i64, &str, Number)>> = BinaryHeap::new();
        loop {
            for number in self.due.drain(..) {
                let report = &mut self.reports.all[number as usize];
                let is_there = report.is_placed && report.class != NO_CLASS;
                report.is_due &= is_there;
                if is_there {
                    let (created_us, id) = self.reports.order(state, number);
                    due.push(Reverse((created_us, id, number)));
                }
            }
            let Some(Reverse((.., number))) = due.pop() else { break };
            self.reports.all[number as usize].is_due = false;
            let opener = self.find(state, number).unwrap_or(number);
            let known = self.reports.all[number as usize].opener;
            if known == opener {
                continue;
            }
            self.joined.join(&mut self.reports.all, number, opener);
            let report = &self.reports.all[number as usize];
            let (from_us, until_us) = (report.created_us, report.end_us);
            if known == number {
                self.squares.remove(&self.rule, &self.reports.all, number, List::Openers);
                self.disturb(number, from_us, until_us);
            } else if opener == number {
                self.squares.add(&self.rule, &self.reports.all, number, List::Openers);
                self.disturb(number, from_us, until_us);
            }
        }
    }

    /// The incident that a speaker joins: the one that fits best, of equals the earliest.
    fn find(&self, state: &State, number: Number) -> Option<Number> {
        let all = &self.reports.all;
        let report = &all[number as usize];
        let (spot, class) = (report.spot?, self.rule.class(report.class)?);
        let earliest_us = report.created_us.saturating_sub(class.span_us);
        let before = |a: Number, b: Number| self.reports.precedence(state, a, b) == Ordering::Less;
        let mut best: Option<(u32, Number)> = None;
        self.rule.grid(report.class)?.around(spot, class.far_m, |square| {
            let Some(inside) = self.squares.get(square) else { return };
            let end = inside.openers.partition_point(|other| all[*other as usize].created_us <= report.created_us);
            let newest = inside.openers[..end].iter().rev().copied();
            let newest = newest.take_while(|other| all[*other as usize].created_us >= earliest_us);
            for opener in newest.filter(|other| before(*other, number)).take(MAX_COMPARED) {
                let first = &all[opener as usize];
                let open = first.spot.filter(|_| first.end_us >= report.created_us);
                let Some(metres) = open.map(|other| other.metres_to(spot)) else { continue };
                let Some(cost) = self.rule.misfit(class, &first.said, &report.said, metres) else { continue };
                if best.is_none_or(|(least, known)| cost < least || (cost == least && before(opener, known))) {
                    best = Some((cost, opener));
                }
            }
        });
        best.map(|(_, opener)| opener)
    }

    /// Bytes held, by formula.
    pub(crate) fn bytes(&self) -> usize {
        let waiting = (self.due.capacity() + self.parted.capacity()) * size_of::<Number>();
        self.reports.bytes() + self.links.bytes() + self.squares.bytes() + self.joined.bytes() + self.listed.bytes() + waiting
    }
}
