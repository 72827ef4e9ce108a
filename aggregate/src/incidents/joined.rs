//! Who joined whose incident, and which incidents may be other than when they were listed last.

use crate::cow::{FastMap, table_bytes};
use crate::incidents::reports::{NOBODY, Number, Report};

/// Reports whose incident may be another than before, each once.
#[derive(Default)]
pub(crate) struct Touched {
    list: Vec<Number>,
    /// One for every number: whether it is in `list`.
    bits: Vec<u64>,
}

impl Touched {
    fn add(&mut self, number: Number) {
        let (word, bit) = (number as usize / 64, 1 << (number % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        if self.bits[word] & bit == 0 {
            self.bits[word] |= bit;
            self.list.push(number);
        }
    }

    pub(crate) fn contains(&self, number: Number) -> bool {
        self.bits.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub(crate) fn numbers(&self) -> &[Number] {
        &self.list
    }
}

/// The speakers of every incident that more than one joined, and what changed.
#[derive(Default)]
pub(crate) struct Joined {
    /// Those who joined, by who opened; the opener is not among them.
    others: FastMap<Number, Vec<Number>>,
    touched: Touched,
}

impl Joined {
    /// A speaker joins the incident of `opener`: its own, another's, or none ([`NOBODY`]).
    pub(crate) fn join(&mut self, all: &mut [Report], speaker: Number, opener: Number) {
        let report = &mut all[speaker as usize];
        let (before, seat) = (std::mem::replace(&mut report.opener, opener), report.seat);
        if before != NOBODY && before != speaker {
            self.leave(all, before, seat);
        }
        if opener != NOBODY && opener != speaker {
            let others = self.others.entry(opener).or_default();
            all[speaker as usize].seat = others.len() as u32;
            others.push(speaker);
        }
        self.touch(before);
        self.touch(opener);
    }

    /// Frees a seat for whoever sits last, so that leaving costs the same however many have joined.
    fn leave(&mut self, all: &mut [Report], opener: Number, seat: u32) {
        let Some(others) = self.others.get_mut(&opener) else { return };
        others.swap_remove(seat as usize);
        if let Some(moved) = others.get(seat as usize) {
            all[*moved as usize].seat = seat;
        } else if others.is_empty() {
            self.others.remove(&opener);
        }
    }

    /// Something that an incident shows has changed.
    pub(crate) fn touch(&mut self, opener: Number) {
        if opener != NOBODY {
            self.touched.add(opener);
        }
    }

    /// The speakers who joined an incident beside the one who opened it.
    pub(crate) fn others(&self, opener: Number) -> &[Number] {
        self.others.get(&opener).map_or(&[], Vec::as_slice)
    }

    /// What changed since this was called last.
    pub(crate) fn take_touched(&mut self) -> Touched {
        std::mem::take(&mut self.touched)
    }

    pub(crate) fn bytes(&self) -> usize {
        let seats: usize = self.others.values().map(Vec::capacity).sum();
        table_bytes::<(Number, Vec<Number>)>(self.others.capacity())
            + (seats + self.touched.list.capacity()) * size_of::<Number>()
            + self.touched.bits.capacity() * size_of::<u64>()
    }
}
