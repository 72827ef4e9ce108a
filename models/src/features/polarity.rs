//! Words and emoji that people use to praise, to blame and to cry for help, in a dozen languages.
//!
//! A few thousand entries, written by hand for this project, in four strengths. They become features that all languages
//! share ("a strong word of blame, negated"), so that a word which training has hardly seen counts like those of its
//! kind. How much a kind says is learned. Words that mean something else in a neighbouring language (German "die", Italian
//! "fine") are left out.

use std::sync::LazyLock;

use super::hash::Hash;
use super::listed::{Listed, earlier};
use super::word::Word;

/// Letters of the shortest and of the longest stem; other beginnings are not looked up.
const STEM_CHARS: std::ops::RangeInclusive<usize> = 3..=14;

/// Words and stems with strengths from -2 (strong blame) to 2 (strong praise).
struct Entries {
    words: Listed<i8>,
    stems: Listed<i8>,
}

/// Lines of a file on their way there.
#[derive(Default)]
struct Lines {
    words: Vec<(u32, i8)>,
    stems: Vec<(u32, i8)>,
}

impl Lines {
    fn add(&mut self, text: &str, strength: i8, word: &mut Word) {
        match text.strip_suffix('*') {
            Some(stem) => self.stems.push((word.read(stem), strength)),
            None => self.words.push((word.read(text), strength)),
        }
    }

    /// The earlier of two lines wins.
    fn listed(self) -> Entries {
        Entries { words: Listed::new(self.words, earlier), stems: Listed::new(self.stems, earlier) }
    }
}

impl Entries {
    /// The strength of a word by itself or by its longest listed stem; 0 for one that is not listed.
    fn of(&self, word: &Word, unigram: u32) -> i8 {
        let by_stem = || word.beginnings(STEM_CHARS).iter().rev().find_map(|hash| self.stems.get(*hash));
        self.words.get(unigram).or_else(by_stem).unwrap_or(0)
    }
}

static POLARITY: LazyLock<Entries> = LazyLock::new(|| {
    let (mut entries, mut word) = (Lines::default(), Word::default());
    for line in include_str!("polarity.tsv").lines() {
        let mut fields = line.split('\t');
        let (Some(language), Some(strength), Some(listed)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let Ok(strength) = strength.parse::<i8>() else { continue };
        for text in listed.split(' ') {
            match text.chars().next() {
                Some(c) if language == "zz" => entries.words.push((emoji(c), strength)),
                _ => entries.add(text, strength, &mut word),
            }
        }
    }
    entries.listed()
});

/// Words of fire, injury and violence: alarming where they are not denied and not past.
static ALARM: LazyLock<Entries> = LazyLock::new(|| {
    let (mut entries, mut word) = (Lines::default(), Word::default());
    include_str!("alarm.txt").split_whitespace().for_each(|text| entries.add(text, 1, &mut word));
    entries.listed()
});

/// The token of an emoji or symbol.
pub(super) const fn emoji(c: char) -> u32 {
    Hash::salted(b'e').char(c).finish()
}

/// The strength of a whole token; 0 for one that is not listed.
pub(super) fn of_token(hash: u32) -> i8 {
    POLARITY.words.get(hash).unwrap_or(0)
}

/// The strength of a word; 0 for one that is not listed.
pub(super) fn of_word(word: &Word, unigram: u32) -> i8 {
    POLARITY.of(word, unigram)
}

/// Whether a word tells of fire, injury or violence.
pub(super) fn is_alarm(word: &Word, unigram: u32) -> bool {
    ALARM.of(word, unigram) != 0
}

/// What the words of a text say together.
#[derive(Debug, Default)]
pub(super) struct Tally {
    praise: u32,
    blame: u32,
    last: i8,
    alarms: u32,
}

impl Tally {
    /// Counts an alarming word.
    pub(super) fn alarm(&mut self) {
        self.alarms += 1;
    }

    /// Counts a listed word as it is meant.
    pub(super) fn add(&mut self, strength: i8, negated: bool) {
        let meant = if negated { -strength } else { strength };
        if meant > 0 {
            self.praise += 1
        } else {
            self.blame += 1
        }
        self.last = meant;
    }

    /// The features of the whole text.
    pub(super) fn features(&self) -> [u32; 3] {
        let (praise, blame) = (self.praise.min(4), self.blame.min(4));
        [
            Hash::salted(b'T').number(praise * 8 + blame).finish(),
            Hash::salted(b'U').number(self.last as u32).finish(),
            Hash::salted(b'V').number(self.alarms.min(4)).finish(),
        ]
    }
}
