//! Words that mean something alike, so that "sofa" profits from what training has learned about "mattress".
//!
//! 22,000 English words in classes, fine and coarse, made by k-means from the word vectors of GloVe 6B with 50 dimensions
//! (Pennington, Socher & Manning 2014, in the public domain by PDDL 1.0); `models/seeds/kinds.py` makes the file again. That
//! classes from unlabelled text help where labelled texts are few was shown by Miller et al. (2004) and Turian et al. (2010). A
//! class is one more n-gram of the word: it is found once and remembered with the word, and costs nothing after that.

use std::sync::LazyLock;

use super::hash::Hash;
use super::listed::{Listed, earlier};
use super::word::Word;

/// The features of the words' classes, fine and coarse. A line of the file is a fine class; its first field is the number of the
/// coarse class. Of two words with one spelling after folding, the first counts.
static KINDS: LazyLock<Listed<[u32; 2]>> = LazyLock::new(|| {
    let mut word = Word::default();
    let mut kinds = Vec::new();
    for (fine, line) in (0u32..).zip(include_str!("kinds.txt").lines()) {
        let mut fields = line.split(' ');
        let Some(coarse) = fields.next().and_then(|number| number.parse::<u32>().ok()) else { continue };
        let features = [Hash::salted(b'k').number(fine).finish(), Hash::salted(b'K').number(coarse).finish()];
        kinds.extend(fields.map(|text| (word.read(text), features)));
    }
    Listed::new(kinds, earlier)
});

/// The features of a word's classes, by its unigram; `None` for a word without one.
pub(super) fn of(unigram: u32) -> Option<[u32; 2]> {
    KINDS.get(unigram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_kind_share_their_classes() {
        let kinds = |text: &str| of(Word::default().read(text));
        assert!(kinds("sofa").is_some());
        assert_eq!(kinds("sofa"), kinds("mattress"));
        assert_ne!(kinds("sofa"), kinds("mayor"));
        assert_eq!(kinds("xqzzt"), None);
        assert!(KINDS.len() > 10_000);
    }
}
