//! Which features get a row, and examples as row numbers.

use std::collections::HashMap;

use super::Example;
use super::example::Labels;
use crate::compact::{MAX_ROWS, Slots};
use crate::features::{Bags, Extractor};

/// An example ready for arithmetic.
pub(super) struct Indexed {
    /// Rows of the word bag.
    pub(super) words: Vec<u32>,
    /// Rows of the gram bag.
    pub(super) grams: Vec<u32>,
    pub(super) labels: Labels,
}

/// The features seen in at least `min_count` texts, the most frequent first, as many as there is room for.
pub(super) fn select(examples: &[&Example], min_count: u32) -> Vec<u32> {
    let mut counts: HashMap<u32, u32> = HashMap::new();
    let (mut extractor, mut bags) = (Extractor::default(), Bags::default());
    for example in examples {
        extractor.extract(&example.input(), &mut bags);
        let mut seen: Vec<u32> = bags.words.iter().chain(&bags.grams).copied().collect();
        seen.sort_unstable();
        seen.dedup();
        seen.into_iter().for_each(|hash| *counts.entry(hash).or_default() += 1);
    }
    let mut kept: Vec<(u32, u32)> = counts.into_iter().filter(|(_, count)| *count >= min_count).collect();
    kept.sort_unstable_by_key(|(hash, count)| (std::cmp::Reverse(*count), *hash));
    kept.truncate(MAX_ROWS);
    kept.into_iter().map(|(hash, _)| hash).collect()
}

/// Examples with their features looked up.
pub(super) fn indexed(examples: &[&Example], slots: &Slots) -> Vec<Indexed> {
    let (mut extractor, mut bags) = (Extractor::default(), Bags::default());
    let rows = |hashes: &[u32]| hashes.iter().filter_map(|hash| slots.row(*hash)).collect();
    examples
        .iter()
        .map(|example| {
            extractor.extract(&example.input(), &mut bags);
            Indexed { words: rows(&bags.words), grams: rows(&bags.grams), labels: example.labels }
        })
        .collect()
}
