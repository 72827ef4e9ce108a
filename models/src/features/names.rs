//! Names of persons, so that a model cannot learn anything from which name it reads.
//!
//! Twelve hundred given names and some family names of many origins, written with a capital. Names that are also common
//! words (Hope, Amber) are left out. A name that is not on the list is read as an unknown word.

use std::sync::LazyLock;

use super::word::Word;

static NAMES: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut word = Word::default();
    let mut hashes: Vec<u32> = include_str!("names.txt").split_whitespace().map(|name| word.read(name)).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
});

/// Whether the unigram is that of a name on the list.
pub(super) fn is_name(hash: u32) -> bool {
    NAMES.binary_search(&hash).is_ok()
}
