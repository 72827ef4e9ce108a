//! What a cell counts. Integers and fixed point only: adding in any order and taking back are exact to the bit.

use crate::life::{Life, NO_STATUS};
use crate::reporters::Reporters;
use crate::rows::Facts;

/// Probabilities are summed in millionths.
pub(crate) const PROBABILITY_UNIT: f64 = 1e6;

/// Durations are summed in milliseconds.
const MILLISECOND_US: i64 = 1_000;

/// Additive measures of a set of reports. Arithmetic wraps, so that even absurd input can be taken back exactly.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Measures {
    /// Live reports.
    pub(crate) reports: u32,
    /// Of these, with a known status.
    pub(crate) tracked: u32,
    /// Of these, closed now.
    pub(crate) closed: u32,
    /// By signal code.
    pub(crate) signals: [u32; 5],
    /// By urgency code.
    pub(crate) urgencies: [u32; 4],
    /// Reports that have tone probabilities.
    pub(crate) toned: u32,
    /// Sums of the probabilities negative, neutral, positive, in millionths.
    pub(crate) tones: [i64; 3],
    /// Reports that have been answered, and the sum of their times to it in milliseconds.
    pub(crate) answered: u32,
    pub(crate) answer_ms: i64,
    /// Reports with a known moment of closing, and the sum of their times to it in milliseconds.
    pub(crate) closings: u32,
    pub(crate) close_ms: i64,
    /// Different authors.
    pub(crate) reporters: Reporters,
}

impl Measures {
    /// Counts a report in (`sign` 1) or out (`sign` -1).
    pub(crate) fn count(&mut self, facts: &Facts, life: &Life, sign: i32) {
        let step = sign as u32;
        let bump = |counter: &mut u32| *counter = counter.wrapping_add(step);
        bump(&mut self.reports);
        if let Some(counter) = self.signals.get_mut(usize::from(facts.signal)) {
            bump(counter);
        }
        if let Some(counter) = self.urgencies.get_mut(usize::from(facts.urgency)) {
            bump(counter);
        }
        if let Some(tones) = facts.tones {
            bump(&mut self.toned);
            for (sum, tone) in self.tones.iter_mut().zip(tones) {
                *sum = sum.wrapping_add(i64::from(sign) * i64::from(tone));
            }
        }
        if let Some(author) = facts.author {
            self.reporters.count(author, sign);
        }
        self.count_life(facts, life, sign);
    }

    /// Counts in or out only what depends on the life of a report.
    pub(crate) fn count_life(&mut self, facts: &Facts, life: &Life, sign: i32) {
        let step = sign as u32;
        let since = |moment: i64| moment.saturating_sub(facts.created_at).max(0) / MILLISECOND_US;
        if life.status != NO_STATUS {
            self.tracked = self.tracked.wrapping_add(step);
        }
        if life.is_closed() {
            self.closed = self.closed.wrapping_add(step);
        }
        if let Some(moment) = life.first_answer_at() {
            self.answered = self.answered.wrapping_add(step);
            self.answer_ms = self.answer_ms.wrapping_add(since(moment).wrapping_mul(i64::from(sign)));
        }
        if let Some(moment) = life.closed_at() {
            self.closings = self.closings.wrapping_add(step);
            self.close_ms = self.close_ms.wrapping_add(since(moment).wrapping_mul(i64::from(sign)));
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.merge(other, 1);
        self.reporters.add(&other.reporters);
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.merge(other, -1);
        self.reporters.subtract(&other.reporters);
    }

    fn merge(&mut self, other: &Self, sign: i32) {
        let step = |mine: &mut u32, theirs: u32| *mine = mine.wrapping_add(theirs.wrapping_mul(sign as u32));
        let sum = |mine: &mut i64, theirs: i64| *mine = mine.wrapping_add(theirs.wrapping_mul(i64::from(sign)));
        step(&mut self.reports, other.reports);
        step(&mut self.tracked, other.tracked);
        step(&mut self.closed, other.closed);
        self.signals.iter_mut().zip(other.signals).for_each(|(mine, theirs)| step(mine, theirs));
        self.urgencies.iter_mut().zip(other.urgencies).for_each(|(mine, theirs)| step(mine, theirs));
        step(&mut self.toned, other.toned);
        self.tones.iter_mut().zip(other.tones).for_each(|(mine, theirs)| sum(mine, theirs));
        step(&mut self.answered, other.answered);
        sum(&mut self.answer_ms, other.answer_ms);
        step(&mut self.closings, other.closings);
        sum(&mut self.close_ms, other.close_ms);
    }

    /// Urgent reports and emergencies.
    pub(crate) fn urgent(&self) -> u32 {
        self.urgencies[2].wrapping_add(self.urgencies[3])
    }

    /// Mean probability of a tone, by its code; `None` where no report has one.
    pub(crate) fn tone_share(&self, tone: usize) -> Option<f64> {
        (self.toned > 0).then(|| (self.tones[tone] as f64 / PROBABILITY_UNIT / f64::from(self.toned)).clamp(0.0, 1.0))
    }

    /// Distinct authors; `None` where no report names one.
    pub(crate) fn reporters(&self) -> Option<u64> {
        (!self.reporters.is_empty()).then(|| self.reporters.estimate())
    }
}
