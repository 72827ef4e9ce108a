//! When a report is about the same thing as the report that opened an incident.

use feedback::Topic;
use feedback::fingerprint::{Fingerprint, similarity};
use feedback::time::DAY_US;

use crate::dictionary::NULL;
use crate::incidents::config::{IncidentClass, IncidentConfig};
use crate::incidents::place::Grid;

/// What of a report decides whom it joins, beside place and time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) topic: u8,
    /// The source's own category; [`NULL`] if it has none.
    pub(crate) category: u32,
    /// [`NULL`] where unknown.
    pub(crate) language: u32,
    /// Of the sender's words; 0 where there are none.
    pub(crate) words: Fingerprint,
}

/// How unlike words count that are not there.
const UNKNOWN: f64 = 0.5;

/// What cannot be joined by place.
pub(crate) const NO_CLASS: u8 = u8::MAX;

/// How near in place and time reports of one class are about the same thing; see [`IncidentClass`](super::IncidentClass).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Class {
    pub(crate) near_m: f64,
    pub(crate) far_m: f64,
    pub(crate) span_us: i64,
}

/// The configured rule, ready to be asked. How much of what Boston's clerks marked as duplicates the default one finds:
/// docs/methods/incidents.md. Of the pairs of reports in `models/tests/data/paraphrases.tsv`, 64 % of those about one incident have
/// words alike by it, and 1.4 % of the others; words that fit, 90 % and 12 % (`cargo test -p models --test it -- fingerprint
/// --nocapture` prints them).
#[derive(Debug)]
pub(crate) struct Rule {
    words_alike: f32,
    words_fit: f32,
    classes: Vec<Class>,
    by_topic: [u8; Topic::ALL.len()],
}

impl Rule {
    /// From a configuration that was checked.
    pub(crate) fn new(config: &IncidentConfig) -> Self {
        let mut by_topic = [NO_CLASS; Topic::ALL.len()];
        for (position, class) in config.classes.values().enumerate() {
            class.topics.iter().for_each(|topic| by_topic[usize::from(topic.code())] = position as u8);
        }
        let class = |class: &IncidentClass| Class {
            near_m: class.near_m,
            far_m: class.far_m,
            span_us: i64::from(class.span_days) * DAY_US,
        };
        let classes = config.classes.values().map(class).collect();
        Self { words_alike: config.words_alike, words_fit: config.words_fit, classes, by_topic }
    }

    /// The class of a topic's code; [`NO_CLASS`] if it has none.
    pub(crate) fn class_of(&self, topic: u8) -> u8 {
        self.by_topic.get(usize::from(topic)).copied().unwrap_or(NO_CLASS)
    }

    /// A class by its number; `None` for [`NO_CLASS`].
    pub(crate) fn class(&self, number: u8) -> Option<&Class> {
        self.classes.get(usize::from(number))
    }

    /// Where reports of a class lie, so that those within its reach are found.
    pub(crate) fn grid(&self, number: u8) -> Option<Grid> {
        self.class(number).map(|class| Grid::new(number, class.far_m))
    }

    /// How badly two reports `metres` apart fit, from 0 (same place and words) to 20,000: distance in parts of [`Class::far_m`] and
    /// unlikeness of the words, in ten-thousandths, so that equal means equal. `None` if they are not about the same thing.
    ///
    /// Where one of them has no words of its sender, the source's category stands for them: near and of the same category (or without one).
    /// With words in one language, they must fit when near and be alike when farther away. Across languages only names, numbers and common
    /// concepts can be compared, so there unlike words say nothing.
    pub(crate) fn misfit(&self, class: &Class, first: &Said, other: &Said, metres: f64) -> Option<u32> {
        if metres > class.far_m {
            return None;
        }
        let (is_near, same_topic) = (metres <= class.near_m, first.topic == other.topic);
        let cost = |unlike: f64| ((metres / class.far_m + unlike) * 1e4).round() as u32;
        if first.words == 0 || other.words == 0 {
            let same_category = first.category == other.category || first.category == NULL || other.category == NULL;
            return (is_near && same_topic && same_category).then(|| cost(UNKNOWN));
        }
        let alike = similarity(first.words, other.words);
        let one_language = first.language == other.language && first.language != NULL;
        let fits = match (is_near, same_topic) {
            (true, true) => alike >= self.words_fit || !one_language,
            (true, false) | (false, true) => alike >= self.words_alike,
            (false, false) => false,
        };
        fits.then(|| cost(f64::from(1.0 - alike)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_in_its_class_or_in_none() {
        let rule = Rule::new(&IncidentConfig::default());
        assert_eq!((rule.class_of(Topic::TaxesBilling.code()), rule.class_of(200)), (NO_CLASS, NO_CLASS));
        assert_eq!(rule.class_of(Topic::Power.code()), rule.class_of(Topic::StreetLighting.code()));
        let noise = rule.class(rule.class_of(Topic::Noise.code())).unwrap();
        assert_eq!(*noise, Class { near_m: 60.0, far_m: 150.0, span_us: DAY_US });
        assert!(rule.class(NO_CLASS).is_none() && rule.grid(NO_CLASS).is_none());
    }

    #[test]
    fn words_decide_where_both_have_some_and_the_category_where_not() {
        let rule = Rule::new(&IncidentConfig::default());
        let class = rule.class(rule.class_of(Topic::Roads.code())).unwrap();
        let said = |category, language, words| Said { topic: Topic::Roads.code(), category, language, words };
        let fits = |a: Said, b: Said, metres| rule.misfit(class, &a, &b, metres).is_some();
        let (this, alike, unlike) = (u64::MAX, u64::MAX << 8, u64::from(u32::MAX));
        assert!(fits(said(1, 0, this), said(2, 0, alike), 79.0));
        assert!(!fits(said(1, 0, this), said(1, 0, unlike), 1.0), "one language, other words");
        assert!(fits(said(1, 0, this), said(1, 1, unlike), 1.0), "another language says nothing against");
        assert!(!fits(said(1, 0, this), said(1, 1, unlike), 41.0));
        assert!(fits(said(1, 0, 0), said(1, 0, this), 39.0));
        assert!(fits(said(1, 0, 0), said(NULL, 0, 0), 39.0));
        assert!(!fits(said(1, 0, 0), said(2, 0, 0), 1.0), "another category");
        assert!(!fits(said(1, 0, 0), said(1, 0, 0), 41.0), "nothing but the place, and that is too far");
        let sidewalk = Said { topic: Topic::Sidewalks.code(), ..said(1, 0, alike) };
        assert!(fits(said(1, 0, this), sidewalk, 39.0) && !fits(said(1, 0, this), sidewalk, 41.0));
        assert!(!fits(said(1, 0, 0), Said { words: 0, ..sidewalk }, 1.0));
    }
}
