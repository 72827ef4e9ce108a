//! Names of persons, so that a model cannot learn anything from which name it reads.
//!
//! Twelve hundred given names and some family names of many origins. A name that is on no list is recognised by its
//! capital: a capitalised word which is not usually written small is read as a name, whatever it is. The word that is a
//! name ("Hope", "Grace") is one where it stands with a capital inside a sentence.

use std::sync::LazyLock;

use super::word::Word;

/// Names that are words as well.
const DOUBTFUL: &str = "Amber Angel April Art Ash August Autumn Baker Bill Bishop Black Blessing Brown Carter Chance Charity Chase \
    Christian Clay Cook Cooper Crystal Daisy Dawn Dean Destiny Diamond Drew Duke Ebony Essence Faith Fatima Fisher Frank Gene Ginger \
    Glory Grace Grant Green Guy Harmony Hazel Heaven Holly Honor Hope Hunter Imani Iris Ivy Jack Jade Jasmine Jewel Jordan Joy June \
    Justice Kenya King Lance Lee Lily Long Lucky Mark Mason Max May Melody Mercy Miles Miller Min Mo Pat Patience Pearl Precious \
    Prince Princess Promise Queen Rich Robin Rose Ruby Sage Sky Star Sue Summer Sunny Tiny Trinity Unique Victor Violet Walker \
    White Will Winter Wong Young Yan";

static NAMES: LazyLock<Vec<u32>> = LazyLock::new(|| hashes(include_str!("names.txt")));
static DOUBTFUL_NAMES: LazyLock<Vec<u32>> = LazyLock::new(|| hashes(DOUBTFUL));

fn hashes(names: &str) -> Vec<u32> {
    let mut word = Word::default();
    let mut hashes: Vec<u32> = names.split_whitespace().map(|name| word.read(name)).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

/// Whether the unigram is that of a name on the list.
pub(super) fn is_name(unigram: u32) -> bool {
    NAMES.binary_search(&unigram).is_ok()
}

/// Whether the unigram is that of a name which is a word as well.
pub(super) fn is_doubtful(unigram: u32) -> bool {
    DOUBTFUL_NAMES.binary_search(&unigram).is_ok()
}
