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
    /// Usually written without a capital; false where that makes no difference.
    common: bool,
}

impl Facts {
    /// Reads `text`, which `word` holds afterwards. `is_common` knows which unigrams are usually written small.
    fn of(text: &str, word: &mut Word, is_common: impl Fn(u32) -> bool) -> Self {
        let unigram = word.read(text);
        let name = names::doubt(unigram);
        let case = word.case();
        Self {
            unigram,
            case,
            role: if text.contains(['\'', '’']) && word.ends_in_nt() { Role::Negation } else { scope::role(unigram) },
            strength: polarity::of_word(word, unigram),
            alarm: polarity::is_alarm(word, unigram),
            signs: Signs::of(word, unigram),
            empty: word.is_empty(),
            elongated: word.elongated,
            link: word.is_link(),
            listed_name: name == Some(false),
            doubtful_name: name == Some(true),
            // Asked only where it matters to `is_name`.
            common: (case == Case::Capital || name == Some(false)) && is_common(unigram),
        }
    }

    /// Whether its letters are read where it stands in a text; those of a listed name say nothing to any head.
    pub(super) fn has_letters(&self) -> bool {
        !self.empty && !self.link && !self.listed_name
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
    /// A word is in one of the places of one set; no sets: nothing is remembered.
    sets: Vec<Set>,
    /// The place that a new word takes next where all are taken. In turn, whichever set it is: of words that come once and
    /// words that come again, most of the latter stay.
    next: usize,
    word: Word,
    grams: Vec<u32>,
}

/// Places of a set. With one, words that come again would push each other out wherever two share it.
const WAYS: usize = 4;

/// 64 bits of each written word, 0 for an empty place, and what is known about it.
#[derive(Clone, Debug, Default)]
struct Set {
    keys: [u64; WAYS],
    facts: [Facts; WAYS],
}

/// What a word is remembered by as it stands in a text: never 0, which is the empty place.
pub(super) fn key(text: &[u8]) -> u64 {
    xxh3_64(text) | 1
}

/// A word looked up.
pub(super) struct Found<'a> {
    /// Where it is remembered.
    pub(super) slot: usize,
    pub(super) facts: Facts,
    /// Its n-grams and classes, where it was not remembered.
    pub(super) grams: Option<&'a [u32]>,
}

impl Memory {
    /// Remembers up to `slots` words, a power of two and four or more; 0: none.
    pub(super) fn new(slots: usize) -> Self {
        Self { sets: vec![Set::default(); slots / WAYS], ..Self::default() }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.sets.fill(Set::default());
    }

    /// The buffer for words of the context.
    pub(super) fn word(&mut self) -> &mut Word {
        &mut self.word
    }

    /// Touches the place of a word that will be looked up: what is far away is on its way until then.
    pub(super) fn touch(&self, key: u64) -> u64 {
        self.sets.get(self.number(key)).map_or(0, |set| set.keys[0])
    }

    /// The number of the set that a word belongs to.
    fn number(&self, key: u64) -> usize {
        (key >> 32) as usize & self.sets.len().saturating_sub(1)
    }

    /// Looks up a word as it stands in the text, with its [`key`], for who takes n-grams only of what [`Facts::has_letters`].
    #[inline]
    pub(super) fn find(&mut self, text: &str, key: u64, is_common: impl Fn(u32) -> bool) -> Found<'_> {
        match self.remembered(key) {
            Some((slot, facts)) => Found { slot, facts, grams: None },
            None => self.learn(text, key, is_common),
        }
    }

    /// The same for who takes the n-grams of every word: they come anew where the other may not have taken them.
    pub(super) fn find_whole(&mut self, text: &str, key: u64, is_common: impl Fn(u32) -> bool) -> Found<'_> {
        match self.remembered(key) {
            Some((slot, facts)) if facts.has_letters() => Found { slot, facts, grams: None },
            _ => self.learn(text, key, is_common),
        }
    }

    #[inline]
    fn remembered(&self, key: u64) -> Option<(usize, Facts)> {
        let number = self.number(key);
        let set = self.sets.get(number)?;
        let way = set.keys.iter().position(|remembered| *remembered == key)?;
        Some((number * WAYS + way, set.facts[way]))
    }

    /// Finds out about a word and remembers it.
    #[inline(never)]
    fn learn(&mut self, text: &str, key: u64, is_common: impl Fn(u32) -> bool) -> Found<'_> {
        let facts = Facts::of(text, &mut self.word, is_common);
        self.grams.clear();
        self.word.grams(&mut self.grams);
        self.grams.extend(kinds::of(facts.unigram).into_iter().flatten());
        let (number, mut way) = (self.number(key), 0);
        if let Some(set) = self.sets.get_mut(number) {
            let place_of = |wanted: u64| set.keys.iter().position(|remembered| *remembered == wanted);
            way = place_of(key).or_else(|| place_of(0)).unwrap_or_else(|| {
                self.next = (self.next + 1) % WAYS;
                self.next
            });
            (set.keys[way], set.facts[way]) = (key, facts);
        }
        Found { slot: number * WAYS + way, facts, grams: Some(&self.grams) }
    }
}
