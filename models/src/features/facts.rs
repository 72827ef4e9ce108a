//! What is known about a word by itself, found once and remembered: language repeats itself, and hashing the n-grams of a
//! word costs more than everything else that is done with it.

use xxhash_rust::xxh3::xxh3_64;

use super::danger::Signs;
use super::kinds;
use super::names;
use super::polarity;
use super::scope::{self, Role};
use super::word::Word;

/// How a word is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Case {
    /// No capital in front.
    #[default]
    Lower,
    /// A capital in front, small letters after it.
    Capital,
    /// Capitals only, two or more.
    Shouted,
}

/// A word by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    pub(super) unigram: u32,
    pub(super) case: Case,
    /// What it does to the words after it.
    pub(super) role: Role,
    /// From strong blame to strong praise, -2 to 2.
    pub(super) strength: i8,
    /// Tells of fire, injury or violence.
    pub(super) alarm: bool,
    /// What it is a sign of, where somebody may be in danger.
    pub(super) signs: Signs,
    /// Nothing but marks.
    pub(super) empty: bool,
    pub(super) elongated: bool,
    /// Begins a link.
    pub(super) link: bool,
    /// Stands on the list of names.
    pub(super) listed_name: bool,
    /// A name that is also a word ("Hope").
    pub(super) doubtful_name: bool,
    /// Usually written without a capital.
    pub(super) common: bool,
}

impl Facts {
    /// Reads `text`, which `word` holds afterwards. `is_common` knows which unigrams are usually written small.
    fn of(text: &str, word: &mut Word, is_common: impl Fn(u32) -> bool) -> Self {
        let unigram = word.read(text);
        let name = names::doubt(unigram);
        Self {
            unigram,
            case: word.case(),
            role: if text.contains(['\'', '’']) && word.ends_in_nt() { Role::Negation } else { scope::role(unigram) },
            strength: polarity::of_word(word, unigram),
            alarm: polarity::is_alarm(word, unigram),
            signs: Signs::of(word, unigram),
            empty: word.is_empty(),
            elongated: word.elongated,
            link: word.is_link(),
            listed_name: name == Some(false),
            doubtful_name: name == Some(true),
            common: is_common(unigram),
        }
    }

    /// Whether the word is a person's name, or may be one for all that is known: listed, or written with a capital though
    /// it is no common word. `first` in its sentence; `tag` after a `#`.
    pub(super) fn is_name(&self, first: bool, tag: bool) -> bool {
        match self.case {
            Case::Lower => self.listed_name && !self.common,
            Case::Shouted => self.listed_name,
            Case::Capital if tag => self.listed_name,
            Case::Capital => self.listed_name || !self.common || self.doubtful_name && !first,
        }
    }
}

/// The words that were read last, by a hash of how they are written. Bounded: a new word takes the place of another.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// 64 bits of a written word and what is known about it; no entries: nothing is remembered.
    entries: Vec<(u64, Facts)>,
    word: Word,
    grams: Vec<u32>,
}

/// A word looked up.
pub(super) struct Found<'a> {
    /// Where it is remembered.
    pub(super) slot: usize,
    pub(super) facts: Facts,
    /// Its n-grams and classes, when they were looked up just now.
    pub(super) grams: Option<&'a [u32]>,
}

impl Memory {
    /// Remembers up to `slots` words, a power of two; 0: none.
    pub(super) fn new(slots: usize) -> Self {
        Self { entries: vec![(0, Facts::default()); slots], ..Self::default() }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.entries.fill((0, Facts::default()));
    }

    /// The buffer for words of the context.
    pub(super) fn word(&mut self) -> &mut Word {
        &mut self.word
    }

    /// Looks up a word as it stands in the text.
    pub(super) fn find(&mut self, text: &str, is_common: impl Fn(u32) -> bool) -> Found<'_> {
        // 0 is the empty entry.
        let key = xxh3_64(text.as_bytes()) | 1;
        let slot = (key >> 32) as usize & self.entries.len().saturating_sub(1);
        if let Some((remembered, facts)) = self.entries.get(slot)
            && *remembered == key
        {
            return Found { slot, facts: *facts, grams: None };
        }
        let facts = Facts::of(text, &mut self.word, is_common);
        self.grams.clear();
        self.word.grams(&mut self.grams);
        self.grams.extend(kinds::of(facts.unigram).into_iter().flatten());
        if let Some(entry) = self.entries.get_mut(slot) {
            *entry = (key, facts);
        }
        Found { slot, facts, grams: Some(&self.grams) }
    }
}
