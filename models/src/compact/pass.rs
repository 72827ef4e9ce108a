//! From a message to its embedding: rows looked up, added up, and remembered by word.

use super::file::Weights;
use super::network::{EMBEDDING, Embedding, TONE_EMBEDDING};
use super::table::{MAX_ADDED, bag_weight};
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
    found: Found,
    rows: Vec<u32>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            extractor: Extractor::remembering(REMEMBERED_WORDS),
            words: vec![Grams::NONE; REMEMBERED_WORDS],
            model: None,
            found: Found::default(),
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

/// What a message has, before anything is looked up: looking everything up at once waits for memory twice a text rather than
/// twice a word.
#[derive(Debug, Default)]
struct Found {
    /// Features of the word bag.
    hashes: Vec<u32>,
    words: Vec<Seen>,
    /// n-grams of the words that were not remembered, word after word.
    grams: Vec<u32>,
}

/// A word of a message.
#[derive(Clone, Copy, Debug)]
struct Seen {
    slot: usize,
    /// Tone may see its n-grams.
    tone: bool,
    /// How many n-grams it has, where they are to be added up and to be remembered.
    fresh: Option<usize>,
}

impl Scratch {
    /// The embedding of a message: the word bag and the gram bag, each by its own size, added. `model` is the checksum of
    /// `weights`.
    pub(super) fn embed(&mut self, input: &Input<'_>, weights: &Weights, model: u64) -> Embedding {
        if self.model != Some(model) {
            self.extractor.forget();
            self.model = Some(model);
        }
        let Self { extractor, words, found, rows, .. } = self;
        found.clear();
        extractor.extract(input, &mut Pass { weights, found });
        weights.slots.touch(&found.grams);
        weights.slots.touch(&found.hashes);
        std::hint::black_box(found.words.iter().fold(0, |touched, seen| touched ^ words[seen.slot].found));
        rows.clear();
        let mut from = 0;
        for fresh in found.words.iter_mut().filter_map(|seen| seen.fresh.as_mut()) {
            let to = from + *fresh;
            *fresh = weights.slots.append_rows(&found.grams[from..to], rows);
            from = to;
        }
        let of_grams = rows.len();
        let of_words = weights.slots.append_rows(&found.hashes, rows);
        weights.rows.touch(rows);
        // Grams that every head may see, and those that tone may not see. In the order of the text: a word may have taken the
        // place of an earlier one.
        let (mut open, mut closed) = (Bag::EMPTY, Bag::EMPTY);
        let mut from = 0;
        for seen in &found.words {
            let word = &mut words[seen.slot];
            if let Some(fresh) = seen.fresh {
                *word = Grams { found: fresh as u16, sum: weights.rows.sum_of_few(&rows[from..from + fresh]) };
                from += fresh;
            }
            let bag = if seen.tone { &mut open } else { &mut closed };
            bag.add(word);
        }
        let (open, mut closed) = (open.sum(), closed.sum());
        let mut words = Sum { sum: [0; EMBEDDING], found: of_words as u32 };
        weights.rows.add_rows(&rows[of_grams..], &mut words.sum);
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

/// Rows added up.
#[derive(Clone, Copy, Debug)]
struct Sum {
    sum: [i32; EMBEDDING],
    found: u32,
}

/// Words added up: in 16 bits as long as they hold the sum, and carried over from there.
struct Bag {
    carried: Sum,
    part: Grams,
}

impl Bag {
    const EMPTY: Self = Self { carried: Sum { sum: [0; EMBEDDING], found: 0 }, part: Grams::NONE };

    #[inline]
    fn add(&mut self, word: &Grams) {
        if usize::from(self.part.found + word.found) > MAX_ADDED {
            self.carry();
        }
        self.part.sum.iter_mut().zip(&word.sum).for_each(|(sum, value)| *sum += value);
        self.part.found += word.found;
    }

    fn carry(&mut self) {
        self.carried.sum.iter_mut().zip(&self.part.sum).for_each(|(sum, part)| *sum += i32::from(*part));
        self.carried.found += u32::from(self.part.found);
        self.part = Grams::NONE;
    }

    fn sum(mut self) -> Sum {
        self.carry();
        self.carried
    }
}

impl Found {
    fn clear(&mut self) {
        self.hashes.clear();
        self.words.clear();
        self.grams.clear();
    }
}

/// One message on its way.
struct Pass<'a> {
    weights: &'a Weights,
    found: &'a mut Found,
}

impl Sink for Pass<'_> {
    fn is_common(&self, unigram: u32) -> bool {
        self.weights.is_common(unigram)
    }

    fn word(&mut self, hash: u32) {
        self.found.hashes.push(hash);
    }

    fn grams(&mut self, slot: usize, fresh: Option<&[u32]>, tone: bool) {
        self.found.grams.extend_from_slice(fresh.unwrap_or_default());
        self.found.words.push(Seen { slot, tone, fresh: fresh.map(<[u32]>::len) });
    }
}
