//! Whether somebody is in danger now, as far as single words can tell it together.
//!
//! An emergency is seldom told by one word: "gas" is on every bill, and "fell" is what leaves do. What tells it is that grave
//! words or a hazard meet a person, that it happens now, and that nobody asks about rules, remembers last year or says
//! thanks. Six kinds of words, listed by hand for this project, are counted over a text, and the counts become features
//! together, so that a combination which training has seen in other words counts like those of its kind.

use std::sync::LazyLock;

use super::hash::Hash;
use super::listed::Listed;
use super::scope::Cover;
use super::word::Word;

/// Letters of the shortest and of the longest listed stem.
const STEM_CHARS: std::ops::RangeInclusive<usize> = 3..=12;

/// What a word may be a sign of, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs(u8);

impl Signs {
    /// Injury, violence, being trapped.
    const GRAVE: Self = Self(1);
    /// What the living do: "breathing". Grave where it is denied.
    const LIFE: Self = Self(2);
    /// What may hurt: fire, gas, deep water, wires, heights.
    const HAZARD: Self = Self(4);
    /// Somebody who may come to harm.
    const PERSON: Self = Self(8);
    /// Haste, and calls for help.
    const NOW: Self = Self(16);
    /// Past, habit, rules, thanks, questions: what is told at leisure.
    const CALM: Self = Self(32);

    fn named(kind: &str) -> Option<Self> {
        Some(match kind {
            "grave" => Self::GRAVE,
            "life" => Self::LIFE,
            "hazard" => Self::HAZARD,
            "person" => Self::PERSON,
            "now" => Self::NOW,
            "calm" => Self::CALM,
            _ => return None,
        })
    }

    /// Whether these are among the signs.
    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The signs of a word, which `word` holds.
    pub(super) fn of(word: &Word, unigram: u32) -> Self {
        let stems = word.beginnings(STEM_CHARS).iter();
        let listed = LISTED.words.get(unigram).into_iter().chain(stems.filter_map(|stem| LISTED.stems.get(*stem)));
        listed.fold(Self::default(), Self::and)
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

struct Lists {
    words: Listed<Signs>,
    stems: Listed<Signs>,
}

static LISTED: LazyLock<Lists> = LazyLock::new(|| {
    let (mut words, mut stems, mut word) = (Vec::new(), Vec::new(), Word::default());
    for line in include_str!("danger.tsv").lines() {
        let mut fields = line.split('\t');
        let (Some(signs), Some(_), Some(listed)) = (fields.next().and_then(Signs::named), fields.next(), fields.next()) else {
            continue;
        };
        for text in listed.split(' ') {
            match text.strip_suffix('*') {
                Some(stem) => stems.push((word.read(stem), signs)),
                None => words.push((word.read(text), signs)),
            }
        }
    }
    // A word that is listed twice has the signs of both.
    Lists { words: Listed::new(words, Signs::and), stems: Listed::new(stems, Signs::and) }
});

/// The signs of a text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    grave: u32,
    hazards: u32,
    seen: Signs,
    asks: bool,
}

impl Tally {
    /// Takes in a word.
    pub(super) fn add(&mut self, signs: Signs, cover: Cover) {
        let denied = cover.negated || cover.past;
        self.grave += u32::from(signs.has(Signs::GRAVE) && !denied || signs.has(Signs::LIFE) && cover.negated);
        self.hazards += u32::from(signs.has(Signs::HAZARD) && !denied);
        self.seen = self.seen.and(signs);
    }

    /// Takes in a question mark.
    pub(super) fn asks(&mut self) {
        self.asks = true;
    }

    /// The features of the whole text; none where nothing is grave and nothing a hazard.
    pub(super) fn features(&self) -> impl Iterator<Item = u32> + use<> {
        let (grave, hazards) = (self.grave.min(3), self.hazards.min(2));
        let all = (self.grave + self.hazards).min(4);
        let seen = |signs: Signs| u32::from(self.seen.has(signs));
        let (person, now, calm, asks) = (seen(Signs::PERSON), seen(Signs::NOW), seen(Signs::CALM), u32::from(self.asks));
        let feature =
            |kind: u32, numbers: [u32; 4]| numbers.into_iter().fold(Hash::salted(b'D').number(kind), Hash::number).finish();
        let features = [
            feature(0, [grave, hazards, 0, 0]),
            feature(1, [grave, hazards, person, calm]),
            feature(2, [all, person, now, calm]),
            feature(3, [all, now, calm, asks]),
        ];
        features.into_iter().take(if all > 0 { features.len() } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(words: &[(&str, bool)]) -> Tally {
        let (mut tally, mut word) = (Tally::default(), Word::default());
        for (text, negated) in words {
            let unigram = word.read(text);
            tally.add(Signs::of(&word, unigram), Cover { negated: *negated, ..Cover::default() });
        }
        tally
    }

    #[test]
    fn what_is_denied_is_not_grave_and_life_denied_is() {
        assert_eq!(tally(&[("injured", false)]).grave, 1);
        assert_eq!(tally(&[("injured", true)]).grave, 0);
        assert_eq!(tally(&[("breathing", true)]).grave, 1);
        assert_eq!(tally(&[("breathing", false)]).grave, 0);
        assert_eq!(tally(&[("atrapadas", false)]).grave, 1, "a stem");
    }

    #[test]
    fn the_same_danger_in_other_words_has_the_same_features() {
        let features = |words: &[(&str, bool)]| tally(words).features().collect::<Vec<u32>>();
        let (one, other) = ([("gas", false), ("kids", false)], [("smoke", false), ("woman", false)]);
        assert_eq!(features(&one), features(&other));
        assert_ne!(features(&one), features(&[("gas", false), ("bill", false)]));
        assert!(features(&[("lovely", false), ("park", false)]).is_empty());
    }

    #[test]
    fn every_line_of_the_list_is_understood() {
        for line in include_str!("danger.tsv").lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            assert!(fields.len() == 3 && Signs::named(fields[0]).is_some() && !fields[2].contains("  "), "{line}");
        }
    }
}
