//! From a text to hashed features, in one pass and in bounded time.
//!
//! A text becomes two bags of 32-bit hashes: **words** (unigrams, bigrams, marked unigrams, the context of a message) and
//! **grams** (character n-grams within words). What a bag of plain words would lose is written into the features themselves:
//! negation and "used to" (marked unigrams, as in Pang, Lee & Vaithyanathan 2002), contrast ("but"), capitals, elongation
//! ("soooo"), emoji and emoticons, words of praise and blame in eleven languages, and the question that a text answers.
//! What may be a person's name is one and the same feature, and the letters of such a word are kept from the tone head.

mod casing;
mod context;
mod danger;
mod facts;
mod hash;
mod kinds;
mod listed;
mod names;
mod polarity;
mod scan;
mod scope;
mod word;

pub(crate) use casing::Casing;
pub use context::Input;
use hash::Hash;
use word::Word;

/// Bytes of a text that are read; what follows is ignored. Bounds the time for one text to well under a millisecond.
pub const MAX_TEXT_BYTES: usize = 4096;
/// Bytes of a title, a prompt and a category that are read, each.
pub const MAX_CONTEXT_BYTES: usize = 512;
/// Letters of a word that are looked at; a longer word is read as its beginning.
pub const MAX_WORD_CHARS: usize = 40;

/// What takes the features of a message as they are found.
pub(crate) trait Sink {
    /// Whether the word with this unigram is usually written without a capital.
    fn is_common(&self, unigram: u32) -> bool;
    /// A feature of the word bag.
    fn word(&mut self, hash: u32);
    /// The n-grams of a word that is remembered in `slot`: `fresh` when the word was not remembered, otherwise those that
    /// the slot got last. `tone`: the tone head may see them; it may not see those of what may be a name.
    fn grams(&mut self, slot: usize, fresh: Option<&[u32]>, tone: bool);
}

/// Gives the features of messages to a [`Sink`]. Owns the buffers of a pass; one per thread.
#[derive(Debug, Default)]
pub(crate) struct Extractor {
    scan: scan::Scanner,
}

impl Extractor {
    /// Remembers up to `slots` words from message to message, a power of two, so that the sink must remember as many. All
    /// messages must then go to sinks with the same common words, or [`Self::forget`] be called between.
    pub(crate) fn remembering(slots: usize) -> Self {
        Self { scan: scan::Scanner::new(slots) }
    }

    /// Forgets the words of the messages before.
    pub(crate) fn forget(&mut self) {
        self.scan.memory.clear();
    }

    /// Gives the features of `input` to `sink`.
    pub(crate) fn extract<S: Sink>(&mut self, input: &Input<'_>, sink: &mut S) {
        let answer = context::prompt(input, self.scan.memory.word(), sink);
        context::category(input, &mut self.scan.memory, sink);
        if let Some(title) = input.title {
            self.scan.text(head(title, MAX_CONTEXT_BYTES), answer, sink);
        }
        let tokens = self.scan.text(head(input.text, MAX_TEXT_BYTES), answer, sink);
        sink.word(Hash::salted(b'L').number(length_class(tokens)).finish());
    }
}

/// The unigram of a word.
fn hash_of(text: &str, word: &mut Word) -> u32 {
    word.read(text)
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

    /// The features of one message; every word is common but those in `rare`.
    #[derive(Debug, Default, Clone, PartialEq)]
    struct Bags {
        words: Vec<u32>,
        grams: Vec<u32>,
        civic_grams: Vec<u32>,
        rare: Vec<u32>,
    }

    impl Sink for Bags {
        fn is_common(&self, unigram: u32) -> bool {
            !self.rare.contains(&unigram)
        }

        fn word(&mut self, hash: u32) {
            self.words.push(hash);
        }

        fn grams(&mut self, _: usize, fresh: Option<&[u32]>, tone: bool) {
            let grams = fresh.expect("this extractor remembers nothing");
            if tone { self.grams.extend(grams) } else { self.civic_grams.extend(grams) }
        }
    }

    fn rare(words: &str) -> Bags {
        let rare = words.split(' ').map(|text| hash_of(text, &mut Word::default())).collect();
        Bags { rare, ..Bags::default() }
    }

    fn read(input: &Input<'_>) -> Bags {
        let mut bags = rare("Siegbert Xochitl Olumide McTavish D'Andre");
        Extractor::default().extract(input, &mut bags);
        bags
    }

    fn bags(text: &str) -> Bags {
        read(&Input::text(text))
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
        assert_eq!(bags("@anna thanks").words, bags("@zoe thanks").words, "a handle is a handle");
    }

    #[test]
    fn a_name_is_a_name_whoever_bears_it() {
        let masked = bags("I met <name> today");
        for name in ["Aisha", "Siegbert", "Olumide", "McTavish", "D'Andre", "Hope", "Xochitl Siegbert", "Anne-Marie"] {
            let named = bags(&format!("I met {name} today"));
            assert_eq!((&named.words, &named.grams), (&masked.words, &masked.grams), "{name}");
        }
        assert!(!bags("I met Siegbert today").civic_grams.is_empty(), "other heads may read the letters");
        assert_ne!(bags("Hope it works").words, bags("<name> it works").words, "a word at the beginning is a word");
    }

    #[test]
    fn a_prompt_changes_what_nothing_means() {
        let asked = read(&Input { prompt: Some("What could we improve?"), ..Input::text("Nothing.") });
        assert!(asked.words.len() > bags("Nothing.").words.len());
    }

    #[test]
    fn a_megabyte_of_one_word_is_bounded() {
        let long = "a".repeat(1 << 20);
        let bags = bags(&long);
        assert!(bags.words.len() < 20, "{}", bags.words.len());
        assert!(bags.grams.len() <= 3 * MAX_WORD_CHARS);
    }

    #[test]
    fn listed_words_of_one_strength_share_a_feature() {
        let (german, english) = (bags("schrecklich"), bags("terrible"));
        assert!(german.words.iter().any(|hash| english.words.contains(hash)));
        assert_ne!(bags("it is not terrible").words, bags("it is quite terrible").words);
    }

    proptest! {
        #[test]
        fn any_text_gives_bounded_features(text in "\\PC{0,200}", title in proptest::option::of("\\PC{0,40}")) {
            let input = Input { title: title.as_deref(), ..Input::text(&text) };
            let mut extractor = Extractor::default();
            let (mut first, mut bags) = (Bags::default(), Bags::default());
            extractor.extract(&input, &mut first);
            extractor.extract(&input, &mut bags);
            prop_assert_eq!(&first, &bags, "an extractor remembers nothing");
            prop_assert!(bags.words.len() + bags.grams.len() <= 14 * (MAX_TEXT_BYTES + 3 * MAX_CONTEXT_BYTES));
        }
    }
}
