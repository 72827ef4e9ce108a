//! From a text to hashed features, in one pass and in bounded time.
//!
//! A text becomes two bags of 32-bit hashes: **words** (unigrams, bigrams, marked unigrams, the context of a message) and
//! **grams** (character n-grams within words). What a bag of plain words would lose is written into the features themselves:
//! negation and "used to" (marked unigrams, as in Pang, Lee & Vaithyanathan 2002), contrast ("but"), capitals, elongation
//! ("soooo"), emoji and emoticons, and the question that a text answers.

mod context;
mod hash;
mod names;
mod scan;
mod scope;
mod word;

pub use context::Input;
use hash::Hash;

/// Bytes of a text that are read; what follows is ignored. Bounds the time for one text to well under a millisecond.
pub const MAX_TEXT_BYTES: usize = 4096;
/// Bytes of a title, a prompt and a category that are read, each.
pub const MAX_CONTEXT_BYTES: usize = 512;
/// Letters of a word that are looked at; a longer word is read as its beginning.
pub const MAX_WORD_CHARS: usize = 40;

/// The two bags of one message. Reused from message to message, so that reading a text allocates nothing once warm.
#[derive(Debug, Default, Clone)]
pub struct Bags {
    /// Hashes of unigrams, bigrams, marked unigrams and context.
    pub words: Vec<u32>,
    /// Hashes of character n-grams within words.
    pub grams: Vec<u32>,
}

/// Turns messages into [`Bags`]. Owns the buffers of a pass; one per thread.
#[derive(Debug, Default)]
pub struct Extractor {
    scan: scan::Scanner,
    word: word::Word,
}

impl Extractor {
    /// Fills `bags` with the features of `input`, replacing what they held.
    pub fn extract(&mut self, input: &Input<'_>, bags: &mut Bags) {
        bags.words.clear();
        bags.grams.clear();
        let answer = context::prompt(input, &mut self.word, bags);
        context::category(input, &mut self.word, bags);
        if let Some(title) = input.title {
            self.scan.text(head(title, MAX_CONTEXT_BYTES), answer, bags);
        }
        let tokens = self.scan.text(head(input.text, MAX_TEXT_BYTES), answer, bags);
        bags.words.push(Hash::salted(b'L').number(length_class(tokens)).finish());
    }
}

/// 0, 1, 2, 3, 4-5, 6-9, 10-17, 18-33, ... tokens: the scale on which a text's length says something.
fn length_class(tokens: usize) -> u32 {
    if tokens < 4 { tokens as u32 } else { 3 + (tokens - 2).ilog2() }
}

/// The longest beginning of at most `bytes` bytes that ends between two characters.
fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bags(text: &str) -> Bags {
        let mut bags = Bags::default();
        Extractor::default().extract(&Input::text(text), &mut bags);
        bags
    }

    fn shared(a: &str, b: &str) -> f32 {
        let (a, b) = (bags(a).words, bags(b).words);
        a.iter().filter(|hash| b.contains(hash)).count() as f32 / a.len().max(b.len()) as f32
    }

    #[test]
    fn what_a_bag_of_words_loses_is_visible() {
        for (a, b) in [
            ("the light is good", "the light is not good"),
            ("this park was lovely", "this park used to be lovely"),
            ("terrible bus", "TERRIBLE bus"),
            ("so late", "sooooo late"),
            ("thanks", "thanks 🙄"),
            ("thanks :)", "thanks :("),
            ("good but slow", "slow but good"),
        ] {
            let (mut a, mut b) = (bags(a).words, bags(b).words);
            a.sort_unstable();
            b.sort_unstable();
            assert_ne!(a, b);
        }
    }

    #[test]
    fn spelling_that_means_nothing_is_folded() {
        for (a, b) in [("Waste COLLECTION", "waste collection"), ("calle dañada", "calle danada"), ("don’t", "don't")] {
            assert!(shared(a, b) >= 0.6, "{a} {b} share {}", shared(a, b));
        }
        assert_eq!(bags("I met Aisha today").words, bags("I met <name> today").words, "a name is a name");
        assert_eq!(bags("@anna thanks").words, bags("@zoe thanks").words, "a handle is a handle");
    }

    #[test]
    fn a_prompt_changes_what_nothing_means() {
        let mut extractor = Extractor::default();
        let (mut plain, mut asked) = (Bags::default(), Bags::default());
        extractor.extract(&Input::text("Nothing."), &mut plain);
        extractor.extract(&Input { prompt: Some("What could we improve?"), ..Input::text("Nothing.") }, &mut asked);
        assert!(asked.words.len() > plain.words.len());
    }

    #[test]
    fn a_megabyte_of_one_word_is_bounded() {
        let long = "a".repeat(1 << 20);
        let bags = bags(&long);
        assert!(bags.words.len() < 16, "{}", bags.words.len());
        assert!(bags.grams.len() <= 3 * MAX_WORD_CHARS);
    }

    proptest! {
        #[test]
        fn any_text_gives_bounded_features(text in "\\PC{0,200}", title in proptest::option::of("\\PC{0,40}")) {
            let mut bags = Bags::default();
            let mut extractor = Extractor::default();
            let input = Input { title: title.as_deref(), ..Input::text(&text) };
            extractor.extract(&input, &mut bags);
            let first = bags.clone();
            extractor.extract(&input, &mut bags);
            prop_assert_eq!(&first.words, &bags.words, "an extractor remembers nothing");
            prop_assert!(bags.words.len() + bags.grams.len() <= 12 * (MAX_TEXT_BYTES + 3 * MAX_CONTEXT_BYTES));
        }
    }
}
