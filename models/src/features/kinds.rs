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

/// The words with the number of their fine class, and the features of each fine class: its own, and that of the coarse class that
/// it belongs to.
struct Kinds {
    words: Listed<u16>,
    features: Vec<[u32; 2]>,
}

/// A line of the file is a fine class; its first field is the number of the coarse class. Of two words with one spelling after
/// folding, the first counts.
static KINDS: LazyLock<Kinds> = LazyLock::new(|| {
    let mut word = Word::default();
    let (mut words, mut features) = (Vec::new(), Vec::new());
    for (fine, line) in (0..=u16::MAX).zip(include_str!("kinds.txt").lines()) {
        let mut fields = line.split(' ');
        let coarse = fields.next().and_then(|number| number.parse::<u32>().ok());
        let of_coarse = Hash::salted(b'K').number(coarse.unwrap_or_default()).finish();
        features.push([Hash::salted(b'k').number(u32::from(fine)).finish(), of_coarse]);
        if coarse.is_some() {
            words.extend(fields.map(|text| (word.read(text), fine)));
        }
    }
    Kinds { words: Listed::new(words, earlier), features }
});

/// The features of a word's classes, by its unigram; `None` for a word without one.
pub(super) fn of(unigram: u32) -> Option<[u32; 2]> {
    KINDS.words.get(unigram).map(|fine| KINDS.features[usize::from(fine)])
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
        assert!(KINDS.words.len() > 10_000);
        assert_eq!(KINDS.features.len(), include_str!("kinds.txt").lines().count());
    }
}
