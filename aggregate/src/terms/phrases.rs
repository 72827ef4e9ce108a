//! Texts as phrases of one to three words.

use std::collections::HashSet;

use unicode_segmentation::UnicodeSegmentation;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Longest phrase, words.
pub(crate) const MAX_WORDS: usize = 3;

/// Words of a text that are looked at.
const MAX_TEXT_WORDS: usize = 64;

/// Letters of a word; what is longer is no word.
const MAX_WORD_CHARS: usize = 40;

/// A phrase of a language as 64 bits.
pub(crate) type PhraseKey = u64;

/// Words of a language that say nothing by themselves. The lists are those of Snowball and NLTK in the crate `stop-words`: short ones, of
/// grammar alone. (The longer lists of stopwords-iso call "fire", "help" and "fix" stop words, which are what a city is told.)
pub(crate) struct StopWords(HashSet<&'static str>);

impl StopWords {
    /// Of a language by its ISO 639-1 code; none for a language without a list.
    pub(crate) fn of(language: &str) -> Self {
        Self(stop_words::lookup(language).unwrap_or_default().iter().copied().collect())
    }

    fn contains(&self, word: &str) -> bool {
        self.0.contains(word)
    }
}

/// A stretch of words with nothing between them.
#[derive(Default)]
struct Stretch {
    words: Vec<(String, bool)>,
}

/// Visits every phrase of a text with its words: neither its first nor its last is a stop word, no word holds a digit, and nothing but space
/// stands between them. A phrase that occurs twice is visited twice.
pub(crate) fn phrases(text: &str, stop: &StopWords, mut visit: impl FnMut(&str, usize)) {
    let (mut stretch, mut looked_at, mut skip_to) = (Stretch::default(), 0, 0);
    for (at, piece) in text.split_word_bound_indices() {
        if at < skip_to || piece.chars().all(char::is_whitespace) && !piece.contains('\n') {
            continue;
        }
        let is_word = piece.chars().next().is_some_and(char::is_alphanumeric);
        let is_usable = is_word && !piece.chars().any(char::is_numeric) && piece.chars().count() <= MAX_WORD_CHARS;
        if is_usable {
            let word = piece.to_lowercase().replace('\u{2019}', "'");
            let is_stop = stop.contains(&word);
            stretch.words.push((word, is_stop));
            looked_at += 1;
        } else {
            stretch.end(&mut visit);
            skip_to = at + placeholder(&text[at..]).max(piece.len());
        }
        if looked_at >= MAX_TEXT_WORDS {
            break;
        }
    }
    stretch.end(&mut visit);
}

/// The length of the placeholder with which a text begins, such as `<phone>`; 0 if it begins with none.
fn placeholder(text: &str) -> usize {
    let inner = text.strip_prefix('<').and_then(|rest| rest.split_once('>')).map_or("", |(inner, _)| inner);
    let is_one = (1..=8).contains(&inner.len()) && inner.bytes().all(|byte| byte.is_ascii_lowercase());
    if is_one { inner.len() + 2 } else { 0 }
}

impl Stretch {
    fn end(&mut self, visit: &mut impl FnMut(&str, usize)) {
        let mut phrase = String::new();
        for first in 0..self.words.len() {
            phrase.clear();
            if self.words[first].1 {
                continue;
            }
            for (more, (word, is_stop)) in self.words[first..].iter().take(MAX_WORDS).enumerate() {
                if more > 0 && !(is_written_together(&phrase) && is_written_together(word)) {
                    phrase.push(' ');
                }
                phrase.push_str(word);
                // One letter is no word, one ideograph may be.
                let says_nothing = *is_stop || more == 0 && word.chars().count() < 2 && !is_written_together(word);
                if !says_nothing {
                    visit(&phrase, more + 1);
                }
            }
        }
        self.words.clear();
    }
}

/// Whether a text ends in a script that writes words together.
fn is_written_together(text: &str) -> bool {
    let last = text.chars().next_back().map_or(0, u32::from);
    matches!(last, 0x0E01..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3041..=0x30FF | 0x3400..=0x9FFF | 0xF900..=0xFAFF)
}

/// The key of a phrase in a language, which is given by a hash of its code.
pub(crate) fn key(language: u64, phrase: &str) -> PhraseKey {
    xxh3_64_with_seed(phrase.as_bytes(), language)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        phrases(text, &StopWords::of("en"), |phrase, words| {
            assert_eq!(phrase.split(' ').count(), words, "{phrase}");
            all.push(phrase.to_owned());
        });
        all
    }

    #[test]
    fn phrases_neither_begin_nor_end_with_stop_words() {
        assert_eq!(of("The Lights are OUT of order"), ["lights", "order"]);
        assert_eq!(of("Water main break"), ["water", "water main", "water main break", "main", "main break", "break"]);
        assert_eq!(of("smell of gas"), ["smell", "smell of gas", "gas"]);
    }

    #[test]
    fn placeholders_numbers_and_punctuation_end_a_phrase() {
        assert_eq!(of("call <phone> please"), ["call", "please"]);
        assert_eq!(of("rats, mice"), ["rats", "mice"]);
        assert_eq!(of("bus 39 late"), ["bus", "late"]);
        assert_eq!(of("x <not a placeholder> y"), ["placeholder"]);
        assert!(!of("mail <email> or <name>").iter().any(|phrase| phrase.contains("email") || phrase.contains("name")));
    }

    #[test]
    fn other_scripts_have_phrases_too() {
        let mut all = Vec::new();
        phrases("路灯坏了", &StopWords::of("xx"), |phrase, _| all.push(phrase.to_owned()));
        assert!(all.contains(&"路灯坏".to_owned()), "{all:?}");
        assert_ne!(key(0, "bus"), key(1, "bus"));
    }

    proptest! {
        #[test]
        fn any_text_gives_bounded_phrases(text in "\\PC{0,400}") {
            let mut visits = 0;
            phrases(&text, &StopWords::of("en"), |phrase, words| {
                assert!(!phrase.is_empty() && (1..=MAX_WORDS).contains(&words));
                visits += 1;
            });
            prop_assert!(visits <= MAX_TEXT_WORDS * MAX_WORDS);
        }
    }
}
