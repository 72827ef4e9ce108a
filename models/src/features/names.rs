//! Names of persons, so that a model cannot learn anything from which name it reads.
//!
//! Twelve hundred given names and some family names of many origins. A name that is on no list is recognised by its
//! capital: a capitalised word which is not usually written small is read as a name, whatever it is. The word that is a
//! name ("Hope", "Grace") is one where it stands with a capital inside a sentence.

use std::sync::LazyLock;

use super::listed::{Listed, earlier};
use super::word::Word;

/// Names that are words as well.
const DOUBTFUL: &str = "Amber Angel April Art Ash August Autumn Baker Bill Bishop Black Blessing Brown Carter Chance Charity Chase \
    Christian Clay Cook Cooper Crystal Daisy Dawn Dean Destiny Diamond Drew Duke Ebony Essence Faith Fatima Fisher Frank Gene Ginger \
    Glory Grace Grant Green Guy Harmony Hazel Heaven Holly Honor Hope Hunter Imani Iris Ivy Jack Jade Jasmine Jewel Jordan Joy June \
    Justice Kenya King Lance Lee Lily Long Lucky Mark Mason Max May Melody Mercy Miles Miller Min Mo Pat Patience Pearl Precious \
    Prince Princess Promise Queen Rich Robin Rose Ruby Sage Sky Star Sue Summer Sunny Tiny Trinity Unique Victor Violet Walker \
    White Will Winter Wong Young Yan";

/// Names, and whether each is a word as well.
static NAMES: LazyLock<Listed<bool>> = LazyLock::new(|| {
    let mut word = Word::default();
    let mut list = |names: &'static str, doubtful: bool| -> Vec<(u32, bool)> {
        names.split_whitespace().map(|name| (word.read(name), doubtful)).collect()
    };
    Listed::new([list(include_str!("names.txt"), false), list(DOUBTFUL, true)].concat(), earlier)
});

/// Whether the unigram is that of a name: `Some(true)` for one that is a word as well.
pub(super) fn doubt(unigram: u32) -> Option<bool> {
    NAMES.get(unigram)
}
