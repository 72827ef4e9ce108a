//! How words are usually written, counted in the training texts: what is written with a capital and is no common word is
//! read as somebody's name.

use std::collections::HashMap;

use super::hash_of;
use super::word::Word;

/// Times that a word must have been seen in small letters to be common.
const MIN_SMALL: u32 = 3;
/// Share of a word's occurrences inside sentences that must be in small letters.
const MIN_SMALL_SHARE: f32 = 0.3;

/// Times after which a word is known however it is written: months, cities, brands, and people whom everybody writes about.
const KNOWN: u32 = 15;

/// Counts of each word in small letters and with a capital inside a sentence.
#[derive(Debug, Default)]
pub(crate) struct Casing {
    counts: HashMap<u32, (u32, u32)>,
    word: Word,
}

impl Casing {
    /// Counts the words of `text`. In German, where every noun has a capital, a capital inside a sentence says nothing and
    /// counts as a small letter.
    pub(crate) fn count(&mut self, text: &str, language: &str) {
        let mut sentence_begins = true;
        for part in text.split_whitespace() {
            let tagged = part.starts_with(['@', '#', '<']);
            for text in part.split(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '’')).filter(|text| !text.is_empty())
            {
                let capital = text.starts_with(char::is_uppercase);
                let shouted = capital && !text.contains(char::is_lowercase);
                if !(tagged || shouted || capital && sentence_begins) {
                    let unigram = hash_of(text, &mut self.word);
                    let (small, large) = self.counts.entry(unigram).or_default();
                    *(if capital && language != "de" { large } else { small }) += 1;
                }
                sentence_begins = false;
            }
            sentence_begins = sentence_begins || part.ends_with(['.', '!', '?', ':', '…', '"', '”']);
        }
    }

    /// The unigrams of common words.
    pub(crate) fn common(&self) -> impl Iterator<Item = u32> {
        let usual = |(small, large): (u32, u32)| {
            small >= MIN_SMALL && small as f32 >= MIN_SMALL_SHARE * (small + large) as f32 || small + large >= KNOWN
        };
        self.counts.iter().filter(move |(_, counts)| usual(**counts)).map(|(unigram, _)| *unigram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_common_by_how_it_is_written_inside_sentences() {
        let mut casing = Casing::default();
        for _ in 0..4 {
            casing.count("The bin is full. Bin day was moved, said Brannagh to the bin man.", "en");
            casing.count("Die Laterne ist aus.", "de");
        }
        let common: Vec<u32> = casing.common().collect();
        let is = |text: &str| common.contains(&hash_of(text, &mut Word::default()));
        assert!(is("bin") && is("laterne") && is("day"));
        assert!(!is("Brannagh"));
    }
}
