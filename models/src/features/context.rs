//! What surrounds a text: the title, the portal's category, the question that was asked.

use super::facts::{Memory, key};
use super::hash::Hash;
use super::word::Word;
use super::{MAX_CONTEXT_BYTES, MAX_WORD_CHARS, Sink, head};

/// One message as a model sees it. Only `text` is needed; everything else helps when it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// What was written, personal data masked or not; the first [`super::MAX_TEXT_BYTES`] are read.
    pub text: &'a str,
    /// The title, read like the text.
    pub title: Option<&'a str>,
    /// The portal's own category.
    pub category: Option<&'a str>,
    /// The question that the text answers: "Nothing." to "What could we improve?" is praise.
    pub prompt: Option<&'a str>,
    /// ISO 639-1 or `und`. It only chooses how probabilities are calibrated, never whether a text is read.
    pub language: &'a str,
}

impl<'a> Input<'a> {
    /// A text about which nothing else is known.
    pub const fn text(text: &'a str) -> Self {
        Self { text, title: None, category: None, prompt: None, language: "und" }
    }
}

/// What a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Answer {
    /// "What could we do better?"
    Improve = 1,
    /// "What was good?"
    Like,
    /// "Why did you give this score?"
    Explain,
    /// Anything else.
    Say,
}

/// Beginnings of words that tell what a question asks for; the first kind found decides.
const IMPROVE: [&str; 18] = [
    "improv", "better", "change", "wrong", "dislike", "bad", "worst", "missing", "problem", "verbess", "besser", "mejor",
    "cambi", "amélior", "amelior", "miglior", "melhor", "kötü",
];
const LIKE: [&str; 12] = ["good", "best", "like", "well", "enjoy", "satisf", "gut", "gefall", "bien", "gust", "bom", "plais"];
const EXPLAIN: [&str; 6] = ["why", "reason", "warum", "pourquoi", "perch", "motiv"];

/// Gives the features of the prompt, and says which kind of answer the text is.
pub(super) fn prompt<S: Sink>(input: &Input<'_>, word: &mut Word, sink: &mut S) -> Option<Answer> {
    let prompt = head(input.prompt?.trim(), MAX_CONTEXT_BYTES);
    if prompt.is_empty() {
        return None;
    }
    let begins = |list: &[&str]| {
        prompt.split(|c: char| !c.is_alphabetic()).any(|word| {
            list.iter().any(|beginning| {
                let mut letters = word.chars().flat_map(char::to_lowercase);
                beginning.chars().all(|c| letters.next() == Some(c))
            })
        })
    };
    let answer = match () {
        () if begins(&IMPROVE) && !begins(&["satisf"]) => Answer::Improve,
        () if begins(&LIKE) => Answer::Like,
        () if begins(&EXPLAIN) => Answer::Explain,
        () => Answer::Say,
    };
    sink.word(Hash::salted(b'Q').number(answer as u32).finish());
    sink.word(Hash::salted(b'q').number(answer as u32).and(word.read(head(input.text.trim(), MAX_WORD_CHARS))).finish());
    Some(answer)
}

/// Gives the features of the category: its words as such, and as words of a category.
pub(super) fn category<S: Sink>(input: &Input<'_>, memory: &mut Memory, sink: &mut S) {
    let Some(category) = input.category else { return };
    let mut before = 0;
    for text in head(category, MAX_CONTEXT_BYTES).split(|c: char| !c.is_alphanumeric()).filter(|text| !text.is_empty()) {
        let found = memory.find_whole(text, key(text.as_bytes()), |unigram| sink.is_common(unigram));
        let unigram = found.facts.unigram;
        sink.grams(found.slot, found.grams, true);
        sink.word(unigram);
        sink.word(Hash::salted(b'C').and(unigram).finish());
        sink.word(Hash::salted(b'c').and(before).and(unigram).finish());
        before = unigram;
    }
}
