//! Who speaks and who opened an incident, by square, in order of time.

use crate::cow::{FastMap, table_bytes};
use crate::incidents::place::Square;
use crate::incidents::reports::{Number, Report};
use crate::incidents::rule::Rule;

/// The reports of a square, each list by `created_us`.
#[derive(Default)]
pub(crate) struct Inside {
    pub(crate) speakers: Vec<Number>,
    pub(crate) openers: Vec<Number>,
}

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Speakers,
    Openers,
}

impl Inside {
    fn list(&mut self, list: List) -> &mut Vec<Number> {
        match list {
            List::Speakers => &mut self.speakers,
            List::Openers => &mut self.openers,
        }
    }
}

/// All squares in which somebody speaks.
#[derive(Default)]
pub(crate) struct Squares(FastMap<Square, Inside>);

/// Where a report stands; `None` for one that cannot be joined by place.
fn square(rule: &Rule, report: &Report) -> Option<Square> {
    Some(rule.grid(report.class)?.square(report.spot?))
}

impl Squares {
    pub(crate) fn get(&self, square: Square) -> Option<&Inside> {
        self.0.get(&square)
    }

    pub(crate) fn add(&mut self, rule: &Rule, all: &[Report], number: Number, list: List) {
        let report = &all[number as usize];
        let Some(square) = square(rule, report) else { return };
        let list = self.0.entry(square).or_default().list(list);
        let position = list.partition_point(|other| all[*other as usize].created_us <= report.created_us);
        list.insert(position, number);
    }

    pub(crate) fn remove(&mut self, rule: &Rule, all: &[Report], number: Number, list: List) {
        let report = &all[number as usize];
        let Some(square) = square(rule, report) else { return };
        let Some(inside) = self.0.get_mut(&square) else { return };
        let list = inside.list(list);
        let from = list.partition_point(|other| all[*other as usize].created_us < report.created_us);
        if let Some(position) = list[from..].iter().position(|other| *other == number) {
            list.remove(from + position);
        }
        if inside.speakers.is_empty() && inside.openers.is_empty() {
            self.0.remove(&square);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let lists: usize = self.0.values().map(|inside| inside.speakers.capacity() + inside.openers.capacity()).sum();
        table_bytes::<(Square, Inside)>(self.0.capacity()) + lists * size_of::<Number>()
    }
}
