//! What quantification needs to remember of many texts: how often which tone probabilities were read, in bounded memory.

use std::collections::BTreeMap;

use crate::compact::{LANGUAGE_GROUPS, language_group};

/// Number of tones: negative, neutral, positive, the order of `feedback::Tone`.
pub const TONES: usize = 3;

/// Steps into which the probabilities of negative and of positive are cut. A cell keeps the mean of what fell into it, so
/// means are exact and only the spread inside a step is lost.
const STEPS: usize = 32;

/// Most cells that a sketch can hold, whatever the number of texts: the triangle of two probabilities whose sum is at most
/// 1, times the tone that is counted.
pub const MAX_CELLS: usize = (STEPS + 1) * (STEPS + 2) / 2 * TONES;

/// Parts of one in which sums of probabilities are kept: integers, so that the order of adding never matters and what was
/// added can be taken back to the bit.
const UNIT: f64 = (1u64 << 24) as f64;

/// Texts that have nearly the same tone probabilities and the same most probable tone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Mean probabilities.
    pub tone: [f64; TONES],
    /// The most probable tone.
    pub counted: usize,
    /// How many texts; a fraction where points are weighted.
    pub texts: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    texts: u64,
    negative: u64,
    positive: u64,
}

/// How often which tone probabilities were read. A function of the multiset of texts, not of their order: sketches can be
/// merged, and a text can be taken out again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    cells: BTreeMap<u16, Cell>,
    languages: [u64; LANGUAGE_GROUPS],
}

impl Sketch {
    /// The sketch of plain probabilities, all of texts in `language` (ISO 639-1).
    pub fn of(probabilities: &[[f32; TONES]], language: &str) -> Self {
        let mut sketch = Self::default();
        probabilities.iter().for_each(|tone| sketch.add(tone, language));
        sketch
    }

    /// Adds a text.
    pub fn add(&mut self, tone: &[f32; TONES], language: &str) {
        let (key, negative, positive) = place(tone);
        let cell = self.cells.entry(key).or_default();
        cell.texts += 1;
        cell.negative += negative;
        cell.positive += positive;
        self.languages[language_group(language)] += 1;
    }

    /// Takes back a text that was added with the same probabilities and language. One that never was changes nothing.
    pub fn remove(&mut self, tone: &[f32; TONES], language: &str) {
        let (key, negative, positive) = place(tone);
        let Some(cell) = self.cells.get_mut(&key) else { return };
        let of_language = &mut self.languages[language_group(language)];
        if *of_language == 0 || cell.negative < negative || cell.positive < positive {
            return;
        }
        *of_language -= 1;
        cell.texts -= 1;
        cell.negative -= negative;
        cell.positive -= positive;
        if cell.texts == 0 {
            self.cells.remove(&key);
        }
    }

    /// Adds every text of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (key, from) in &other.cells {
            let cell = self.cells.entry(*key).or_default();
            cell.texts += from.texts;
            cell.negative += from.negative;
            cell.positive += from.positive;
        }
        self.languages.iter_mut().zip(other.languages).for_each(|(texts, more)| *texts += more);
    }

    /// How many texts.
    pub fn texts(&self) -> u64 {
        self.languages.iter().sum()
    }

    /// How many texts of each group of languages that shares calibration.
    pub(super) fn languages(&self) -> [u64; LANGUAGE_GROUPS] {
        self.languages
    }

    /// The occupied cells, in a fixed order; [`MAX_CELLS`] at most.
    pub fn points(&self) -> Vec<Point> {
        self.cells
            .iter()
            .map(|(key, cell)| {
                let texts = cell.texts as f64;
                let (negative, positive) = (cell.negative as f64 / UNIT / texts, cell.positive as f64 / UNIT / texts);
                let tone = [negative, (1.0 - negative - positive).max(0.0), positive];
                Point { tone, counted: usize::from(*key) % TONES, texts }
            })
            .collect()
    }
}

/// The most probable tone, the first of equals.
pub(super) fn most_probable(tone: &[f32; TONES]) -> usize {
    (1..TONES).fold(0, |best, class| if tone[class] > tone[best] { class } else { best })
}

/// The cell of a text, and its probabilities of negative and positive in units.
fn place(tone: &[f32; TONES]) -> (u16, u64, u64) {
    let part = |value: f32| if value.is_finite() { f64::from(value).clamp(0.0, 1.0) } else { 0.0 };
    let (negative, positive) = (part(tone[0]), part(tone[2]));
    let counted = most_probable(tone);
    let row = (negative * STEPS as f64) as usize;
    let column = ((positive * STEPS as f64) as usize).min(STEPS - row);
    let key = (row * (STEPS + 1) + column) * TONES + counted;
    (key as u16, (negative * UNIT).round() as u64, (positive * UNIT).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone() -> impl Strategy<Value = [f32; TONES]> {
        (0.0f32..=1.0, 0.0f32..=1.0).prop_map(|(a, b)| [a * b, 1.0 - a, a * (1.0 - b)])
    }

    proptest! {
        #[test]
        fn order_and_parts_do_not_matter_and_what_is_taken_back_is_gone(
            first in prop::collection::vec(tone(), 0..60),
            second in prop::collection::vec(tone(), 0..60),
        ) {
            let mut all = Sketch::of(&first, "en");
            all.merge(&Sketch::of(&second, "de"));
            let mut mixed = Sketch::default();
            second.iter().rev().for_each(|tone| mixed.add(tone, "fr"));
            first.iter().rev().for_each(|tone| mixed.add(tone, "en"));
            prop_assert_eq!(&mixed, &all);
            second.iter().for_each(|tone| all.remove(tone, "it"));
            prop_assert_eq!(all, Sketch::of(&first, "en"));
        }

        #[test]
        fn means_and_counts_are_those_of_the_texts(texts in prop::collection::vec(tone(), 1..200)) {
            let points = Sketch::of(&texts, "en").points();
            prop_assert!(points.len() <= MAX_CELLS);
            for class in 0..TONES {
                let mean = points.iter().map(|point| point.tone[class] * point.texts).sum::<f64>() / texts.len() as f64;
                let exact = texts.iter().map(|tone| f64::from(tone[class])).sum::<f64>() / texts.len() as f64;
                prop_assert!((mean - exact).abs() < 1e-5, "{mean} {exact}");
            }
        }
    }

    #[test]
    fn numbers_that_are_none_do_no_harm() {
        let mut sketch = Sketch::of(&[[f32::NAN, 2.0, -1.0], [1.0, 1.0, 1.0]], "und");
        sketch.remove(&[0.2, 0.6, 0.2], "en");
        assert_eq!(sketch.texts(), 2);
        assert!(sketch.points().iter().all(|point| point.tone.iter().all(|p| (0.0..=1.0).contains(p))));
    }
}
