//! When a report is about the same thing as the report that opened an incident.

use feedback::Topic;
use feedback::fingerprint::{Fingerprint, similarity};
use feedback::time::DAY_US;

use crate::dictionary::NULL;

/// Words of at least this similarity tell the same thing: such reports may lie [`Class::far_m`] apart, or have another topic of
/// the class. Of the pairs of reports in `models/tests/data/paraphrases.tsv`, 64 % of those about one incident reach it and 1.4 % of
/// the others; [`WORDS_FIT`] 90 % and 12 % (`cargo test -p models --test it -- fingerprint --nocapture` prints them).
pub(crate) const WORDS_ALIKE: f32 = 0.6;

/// Words in one language of less similarity than this tell different things, however near.
pub(crate) const WORDS_FIT: f32 = 0.3;

/// How unlike words count that are not there.
const UNKNOWN: f64 = 0.5;

/// What cannot be joined by place.
pub(crate) const NO_CLASS: u8 = u8::MAX;

/// Topics whose reports may be about the same thing, and how near in place and time such reports are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Class {
    pub(crate) topics: &'static [Topic],
    /// Metres between reports whose words do not speak against it.
    pub(crate) near_m: f64,
    /// Metres between reports whose words are alike.
    pub(crate) far_m: f64,
    /// Days after the first report in which others can join, if it is not closed before.
    pub(crate) span_days: i64,
}

const fn class(topics: &'static [Topic], near_m: f64, far_m: f64, span_days: i64) -> Class {
    Class { topics, near_m, far_m, span_days }
}

/// Every class. A topic that is in none (bills, staff, permits, ...) is about the sender's own case: only the portal's links
/// join its reports. Things that stand until somebody comes have two weeks, what passes by itself a day.
///
/// 40 m is the width of a junction, and twice what coordinates of four decimals and telephones in a street are off. How much of what
/// Boston's clerks marked as duplicates is found so: docs/methods/incidents.md.
pub(crate) const CLASSES: &[Class] = {
    use Topic::*;
    &[
        class(&[Roads, Sidewalks, CyclingWalking, Accessibility], 40.0, 80.0, 14),
        class(&[StreetLighting, Power], 40.0, 80.0, 14),
        class(&[TrafficSignals], 40.0, 80.0, 14),
        class(&[WasteCollection, StreetCleaning], 40.0, 80.0, 14),
        class(&[Graffiti], 40.0, 80.0, 14),
        class(&[WaterSupply, DrainageFlooding], 40.0, 120.0, 14),
        class(&[ParksTrees], 40.0, 80.0, 14),
        class(&[AnimalsPests], 40.0, 80.0, 14),
        class(&[HousingBuildings], 25.0, 40.0, 14),
        class(&[Homelessness], 60.0, 120.0, 14),
        class(&[Parking], 40.0, 60.0, 7),
        class(&[Noise], 60.0, 150.0, 1),
        class(&[AirEnvironment, Emergencies], 60.0, 150.0, 1),
        class(&[PublicSafety], 40.0, 80.0, 1),
        class(&[PublicTransport], 40.0, 80.0, 1),
    ]
};

impl Class {
    pub(crate) fn span_us(&self) -> i64 {
        self.span_days * DAY_US
    }
}

/// The class of a topic's code; [`NO_CLASS`] if it has none.
pub(crate) fn class_of(topic: u8) -> u8 {
    static BY_TOPIC: std::sync::LazyLock<[u8; Topic::ALL.len()]> = std::sync::LazyLock::new(|| {
        let mut classes = [NO_CLASS; Topic::ALL.len()];
        for (position, class) in CLASSES.iter().enumerate() {
            class.topics.iter().for_each(|topic| classes[usize::from(topic.code())] = position as u8);
        }
        classes
    });
    BY_TOPIC.get(usize::from(topic)).copied().unwrap_or(NO_CLASS)
}

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

/// How badly two reports `metres` apart fit, from 0 (same place and words) to 20,000: distance in parts of [`Class::far_m`] and
/// unlikeness of the words, in ten-thousandths, so that equal means equal. `None` if they are not about the same thing.
///
/// Where one of them has no words of its sender, the source's category stands for them: near and of the same category (or without one).
/// With words in one language, they must fit when near and be alike when farther away. Across languages only names, numbers and common
/// concepts can be compared, so there unlike words say nothing.
pub(crate) fn misfit(class: &Class, first: &Said, other: &Said, metres: f64) -> Option<u32> {
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
        (true, true) => alike >= WORDS_FIT || !one_language,
        (true, false) | (false, true) => alike >= WORDS_ALIKE,
        (false, false) => false,
    };
    fits.then(|| cost(f64::from(1.0 - alike)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_in_one_class_at_most_and_far_is_farther_than_near() {
        let mut topics: Vec<Topic> = CLASSES.iter().flat_map(|class| class.topics).copied().collect();
        let all = topics.len();
        topics.sort();
        topics.dedup();
        assert_eq!(topics.len(), all);
        assert!(CLASSES.iter().all(|class| class.far_m >= class.near_m && class.near_m > 0.0 && class.span_days > 0));
        assert_eq!((class_of(Topic::TaxesBilling.code()), class_of(200)), (NO_CLASS, NO_CLASS));
        assert_eq!(class_of(Topic::Power.code()), class_of(Topic::StreetLighting.code()));
    }

    #[test]
    fn words_decide_where_both_have_some_and_the_category_where_not() {
        let class = &CLASSES[0];
        let said = |category, language, words| Said { topic: Topic::Roads.code(), category, language, words };
        let fits = |a: Said, b: Said, metres| misfit(class, &a, &b, metres).is_some();
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
