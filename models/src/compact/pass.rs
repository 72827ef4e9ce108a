//! From a message to its embedding: rows looked up, added up, and remembered by word.

use super::file::Weights;
use super::network::{EMBEDDING, Embedding, TONE_EMBEDDING};
use super::table::bag_weight;
use crate::features::{Extractor, Input, Sink};

/// Words that a thread remembers: four megabytes, of which the words that everybody uses stay near the core.
const REMEMBERED_WORDS: usize = 1 << 15;

/// Buffers of one thread that reads texts. Reading allocates nothing once they have grown to the longest text seen.
#[derive(Debug)]
pub struct Scratch {
    extractor: Extractor,
    /// The n-grams of the words that the extractor remembers, added up.
    words: Vec<Grams>,
    /// The model that they were added up with, by its checksum.
    model: Option<u64>,
    hashes: Vec<u32>,
    rows: Vec<u32>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            extractor: Extractor::remembering(REMEMBERED_WORDS),
            words: vec![Grams::NONE; REMEMBERED_WORDS],
            model: None,
            hashes: Vec::new(),
            rows: Vec::new(),
        }
    }
}

/// The rows of a word's n-grams, added up: at most 120 of them, so 16 bits are enough.
#[derive(Clone, Copy, Debug)]
struct Grams {
    sum: [i16; EMBEDDING],
    found: u16,
}

impl Grams {
    const NONE: Self = Self { sum: [0; EMBEDDING], found: 0 };
}

impl Scratch {
    /// The embedding of a message: the word bag and the gram bag, each by its own size, added. `model` is the checksum of
    /// `weights`.
    pub(super) fn embed(&mut self, input: &Input<'_>, weights: &Weights, model: u64) -> Embedding {
        if self.model != Some(model) {
            self.extractor.forget();
            self.model = Some(model);
        }
        self.hashes.clear();
        let mut pass = Pass {
            weights,
            words: &mut self.words,
            rows: &mut self.rows,
            hashes: &mut self.hashes,
            open: Sum::NONE,
            closed: Sum::NONE,
        };
        self.extractor.extract(input, &mut pass);
        let (open, mut closed) = (pass.open, pass.closed);
        weights.slots.rows(&self.hashes, &mut self.rows);
        let mut words = Sum { found: self.rows.len() as u32, ..Sum::NONE };
        weights.rows.add_rows(&self.rows, &mut words.sum);
        closed.found += open.found;
        closed.sum.iter_mut().zip(&open.sum).for_each(|(closed, open)| *closed += open);
        let (of_words, of_open, of_all) = (bag_weight(words.found), bag_weight(open.found), bag_weight(closed.found));
        let mut embedding = Embedding::default();
        for (d, value) in embedding.tone.iter_mut().enumerate() {
            *value = (words.sum[d] as f32 * of_words + open.sum[d] as f32 * of_open) * weights.rows.scales[d];
        }
        for (d, value) in (TONE_EMBEDDING..).zip(&mut embedding.civic) {
            *value = (words.sum[d] as f32 * of_words + closed.sum[d] as f32 * of_all) * weights.rows.scales[d];
        }
        embedding
    }
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    sum: [i32; EMBEDDING],
    found: u32,
}

impl Sum {
    const NONE: Self = Self { sum: [0; EMBEDDING], found: 0 };
}

/// One message on its way.
struct Pass<'a> {
    weights: &'a Weights,
    words: &'a mut [Grams],
    rows: &'a mut Vec<u32>,
    hashes: &'a mut Vec<u32>,
    /// Grams that every head may see.
    open: Sum,
    /// Grams that tone may not see.
    closed: Sum,
}

impl Sink for Pass<'_> {
    fn is_common(&self, unigram: u32) -> bool {
        self.weights.is_common(unigram)
    }

    fn word(&mut self, hash: u32) {
        self.hashes.push(hash);
    }

    fn grams(&mut self, slot: usize, fresh: Option<&[u32]>, tone: bool) {
        let word = &mut self.words[slot];
        if let Some(hashes) = fresh {
            self.weights.slots.rows(hashes, self.rows);
            let mut sum = [0; EMBEDDING];
            self.weights.rows.add_rows(self.rows, &mut sum);
            *word = Grams { sum: sum.map(|value| value as i16), found: self.rows.len() as u16 };
        }
        let bag = if tone { &mut self.open } else { &mut self.closed };
        bag.sum.iter_mut().zip(&word.sum).for_each(|(sum, value)| *sum += i32::from(*value));
        bag.found += u32::from(word.found);
    }
}
