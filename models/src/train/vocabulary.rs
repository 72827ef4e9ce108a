//! Which features get a row, and examples as row numbers.

use std::collections::{HashMap, HashSet};

use super::Example;
use super::example::Labels;
use crate::compact::{MAX_ROWS, Slots};
use crate::features::{Casing, Extractor, Sink};

/// The features that have a row.
pub(super) struct Vocabulary {
    /// By row; the first `common_rows` are common words.
    pub(super) hashes: Vec<u32>,
    pub(super) common_rows: u32,
}

/// An example ready for arithmetic.
pub(super) struct Indexed {
    pub(super) source: &'static str,
    /// Rows of the word bag.
    pub(super) words: Vec<u32>,
    /// Rows of the gram bag: first those that every head may see.
    pub(super) grams: Vec<u32>,
    /// How many grams every head may see.
    pub(super) open_grams: usize,
    pub(super) labels: Labels,
}

/// The features of one text.
struct Bags<'a> {
    common: &'a HashSet<u32>,
    words: Vec<u32>,
    grams: Vec<u32>,
    closed_grams: Vec<u32>,
}

impl<'a> Bags<'a> {
    fn new(common: &'a HashSet<u32>) -> Self {
        Self { common, words: Vec::new(), grams: Vec::new(), closed_grams: Vec::new() }
    }

    fn fill(&mut self, example: &Example, extractor: &mut Extractor) {
        [&mut self.words, &mut self.grams, &mut self.closed_grams].into_iter().for_each(Vec::clear);
        extractor.extract(&example.input(), self);
    }
}

impl Sink for Bags<'_> {
    fn is_common(&self, unigram: u32) -> bool {
        self.common.contains(&unigram)
    }

    fn word(&mut self, hash: u32) {
        self.words.push(hash);
    }

    fn grams(&mut self, _: usize, fresh: Option<&[u32]>, tone: bool) {
        let bag = if tone { &mut self.grams } else { &mut self.closed_grams };
        bag.extend(fresh.into_iter().flatten());
    }
}

/// The features seen in at least `min_count` texts, the most frequent first, as many as there is room for; then those of
/// them that are common words to the front. Texts that repeat the one before count once: counted each time, what a single
/// repeated message says would take the place of what several tweets say.
pub(super) fn select(examples: &[&Example], min_count: u32) -> Vocabulary {
    let mut casing = Casing::default();
    for example in examples {
        let texts = [Some(&example.text), example.title.as_ref(), example.category.as_ref()];
        texts.into_iter().flatten().for_each(|text| casing.count(text, example.language));
    }
    let common: HashSet<u32> = casing.common().collect();
    let mut counts: HashMap<u32, u32> = HashMap::new();
    let (mut extractor, mut bags) = (Extractor::default(), Bags::new(&common));
    let repeats = |place: usize| {
        let before = examples[..place].last();
        before.is_some_and(|before| (&before.text, &before.title) == (&examples[place].text, &examples[place].title))
    };
    for (_, example) in examples.iter().enumerate().filter(|(place, _)| !repeats(*place)) {
        bags.fill(example, &mut extractor);
        let mut seen: Vec<u32> = bags.words.iter().chain(&bags.grams).chain(&bags.closed_grams).copied().collect();
        seen.sort_unstable();
        seen.dedup();
        seen.into_iter().for_each(|hash| *counts.entry(hash).or_default() += 1);
    }
    let mut kept: Vec<(u32, u32)> = counts.into_iter().filter(|(_, count)| *count >= min_count).collect();
    kept.sort_unstable_by_key(|(hash, count)| (std::cmp::Reverse(*count), *hash));
    kept.truncate(MAX_ROWS);
    let (front, back): (Vec<u32>, Vec<u32>) = kept.into_iter().map(|(hash, _)| hash).partition(|hash| common.contains(hash));
    let common_rows = front.len() as u32;
    Vocabulary { hashes: [front, back].concat(), common_rows }
}

impl Vocabulary {
    /// Examples with their features looked up.
    pub(super) fn indexed(&self, examples: &[&Example], slots: &Slots) -> Vec<Indexed> {
        let common: HashSet<u32> = self.hashes[..self.common_rows as usize].iter().copied().collect();
        let (mut extractor, mut bags) = (Extractor::default(), Bags::new(&common));
        let rows = |hashes: &[u32]| -> Vec<u32> { hashes.iter().filter_map(|hash| slots.row(*hash)).collect() };
        examples
            .iter()
            .map(|example| {
                bags.fill(example, &mut extractor);
                let open = rows(&bags.grams);
                let (source, words, open_grams) = (example.source, rows(&bags.words), open.len());
                let grams = [open, rows(&bags.closed_grams)].concat();
                Indexed { source, words, grams, open_grams, labels: example.labels }
            })
            .collect()
    }
}
