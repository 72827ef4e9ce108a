//! What a cell holds, small as long as it can be: most cells see a handful of reports and no more.

use std::borrow::Cow;

use crate::measures::Measures;
use crate::reporters::{FewReporters, Reporters};

/// Measures of one cell.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// Counts below 256 of at most four people, in 52 bytes.
    Few(Few),
    /// Everything else. A cell that has come to this stays so.
    Many(Box<Measures>),
}

/// [`Measures`] in narrower numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Few {
    /// Reports, tracked, closed, toned, answered, closings; by signal; by urgency.
    counts: [u8; 15],
    reporters: FewReporters,
    tones: [u32; 3],
    answer_ms: Narrow,
    close_ms: Narrow,
}

/// A whole number from 0 to 2^48 - 1: in milliseconds, 8,900 years.
#[derive(Clone, Copy, Debug, Default)]
struct Narrow([u16; 3]);

impl Narrow {
    fn of(number: i64) -> Option<Self> {
        (0..1 << 48).contains(&number).then_some(Self([number as u16, (number >> 16) as u16, (number >> 32) as u16]))
    }

    fn get(self) -> i64 {
        i64::from(self.0[0]) | i64::from(self.0[1]) << 16 | i64::from(self.0[2]) << 32
    }
}

impl Few {
    fn of(m: &Measures) -> Option<Self> {
        let mut few = Self { reporters: m.reporters.few()?, ..Self::default() };
        let [a, b, c, d, e] = m.signals;
        let [f, g, h, i] = m.urgencies;
        let counts = [m.reports, m.tracked, m.closed, m.toned, m.answered, m.closings, a, b, c, d, e, f, g, h, i];
        for (narrow, count) in few.counts.iter_mut().zip(counts) {
            *narrow = u8::try_from(count).ok()?;
        }
        for (narrow, sum) in few.tones.iter_mut().zip(m.tones) {
            *narrow = u32::try_from(sum).ok()?;
        }
        (few.answer_ms, few.close_ms) = (Narrow::of(m.answer_ms)?, Narrow::of(m.close_ms)?);
        Some(few)
    }

    fn measures(&self) -> Measures {
        let [reports, tracked, closed, toned, answered, closings, a, b, c, d, e, f, g, h, i] = self.counts.map(u32::from);
        Measures {
            reports,
            tracked,
            closed,
            signals: [a, b, c, d, e],
            urgencies: [f, g, h, i],
            toned,
            tones: self.tones.map(i64::from),
            answered,
            answer_ms: self.answer_ms.get(),
            closings,
            close_ms: self.close_ms.get(),
            reporters: Reporters::Few(self.reporters),
        }
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self::Few(Few::default())
    }
}

impl From<Measures> for Cell {
    fn from(measures: Measures) -> Self {
        Few::of(&measures).map_or_else(|| Self::Many(Box::new(measures)), Self::Few)
    }
}

impl Cell {
    /// The measures at full width.
    pub(crate) fn measures(&self) -> Cow<'_, Measures> {
        match self {
            Self::Few(few) => Cow::Owned(few.measures()),
            Self::Many(measures) => Cow::Borrowed(measures),
        }
    }

    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Measures)) {
        match self {
            Self::Few(few) => {
                let mut measures = few.measures();
                change(&mut measures);
                *self = measures.into();
            }
            Self::Many(measures) => change(measures),
        }
    }

    /// Whether no report is left.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Few(few) => few.counts[0] == 0,
            Self::Many(measures) => measures.reports == 0,
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Few(_) => 0,
            Self::Many(measures) => size_of::<Measures>() + measures.reporters.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measures() -> impl Strategy<Value = Measures> {
        let count = || prop_oneof![0..4u32, 250..260u32, any::<u32>()];
        let sum = || prop_oneof![0..1000i64, (1i64 << 32) - 2..(1 << 32) + 2, (1i64 << 48) - 2..(1 << 48) + 2, any::<i64>()];
        let people = proptest::collection::vec((0..6u64, 1..3i32), 0..6);
        let counts =
            (proptest::array::uniform6(count()), proptest::array::uniform5(count()), proptest::array::uniform4(count()));
        (counts, proptest::array::uniform5(sum()), people).prop_map(|((counts, signals, urgencies), sums, people)| {
            let [reports, tracked, closed, toned, answered, closings] = counts;
            let [answer_ms, close_ms, negative, neutral, positive] = sums;
            let mut reporters = Reporters::default();
            people.iter().for_each(|(author, times)| reporters.count(author << 50, *times));
            let tones = [negative, neutral, positive];
            Measures {
                reports,
                tracked,
                closed,
                signals,
                urgencies,
                toned,
                tones,
                answered,
                answer_ms,
                closings,
                close_ms,
                reporters,
            }
        })
    }

    proptest! {
        #[test]
        fn no_number_is_lost_however_it_is_held(before in measures(), more in measures()) {
            let mut cell = Cell::from(before.clone());
            prop_assert_eq!(&*cell.measures(), &before);
            cell.change(|m| m.add(&more));
            let mut sum = before.clone();
            sum.add(&more);
            prop_assert_eq!(&*cell.measures(), &sum);
            cell.change(|m| m.subtract(&more));
            prop_assert_eq!(&*cell.measures(), &before);
        }
    }

    #[test]
    fn a_handful_of_reports_takes_no_heap() {
        assert_eq!(size_of::<Cell>(), 56);
        let mut cell = Cell::default();
        for author in 0..4 {
            cell.change(|m| {
                m.reports += 1;
                m.reporters.count(author, 1);
            });
        }
        assert_eq!((cell.heap_bytes(), cell.measures().reports), (0, 4));
    }
}
