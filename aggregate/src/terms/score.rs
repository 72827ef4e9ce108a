//! Compares what is said in a window with what was said before, and keeps what stands out.

use crate::cow::FastMap;
use crate::dictionary::CITY;
use crate::segment::Place;
use crate::state::State;
use crate::statistics::benjamini_hochberg::q_values;
use crate::statistics::log_odds::{Difference, Prior, Said, difference};
use crate::terms::count::{Readers, days, distinct, mentions};
use crate::terms::phrases::{PhraseKey, key};
use crate::terms::sample::{Sample, Text, sample};
use crate::terms::{MAX_BEFORE, MAX_NOW, MAX_Q_VALUE, MAX_SHOWN, MIN_BEFORE, MIN_REPORTERS, PRIOR_DAYS, SWALLOWED, before_us};
use crate::windows::Window;

/// Reports shown of a phrase.
const EXAMPLES: usize = 3;

/// A phrase that is said much more than before.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub(crate) district: u32,
    pub(crate) language: u32,
    pub(crate) phrase: String,
    pub(crate) words: usize,
    /// Reports of the sample that say it in the window.
    pub(crate) reports: usize,
    pub(crate) reporters: usize,
    /// Authors' days that say it, of all.
    pub(crate) now: (usize, usize),
    pub(crate) before: (usize, usize),
    pub(crate) difference: Difference,
    pub(crate) q_value: f64,
    /// The topic of most of its reports; of equals the first of the vocabulary.
    pub(crate) topic: u8,
    /// The newest reports that say it, of different people.
    pub(crate) examples: Vec<Place>,
    /// Reports with words in the window, where not all were read.
    pub(crate) sampled_of: Option<usize>,
}

/// What is compared: a phrase in a district.
struct Candidate {
    phrase: PhraseKey,
    district: u32,
    /// Positions of the reports that say it in the window.
    of: Vec<u32>,
    now: (usize, usize),
    before: (usize, usize),
    reporters: usize,
    difference: Difference,
}

/// The emerging terms of a window, the clearest first.
pub(crate) fn emerging(state: &State, window: &Window) -> Vec<Term> {
    let range = window.range.clone();
    let earlier = range.start.saturating_sub(before_us(window.spec.length_us))..range.start;
    let (now, before) = (sample(state, range, MAX_NOW), sample(state, earlier, MAX_BEFORE));
    let mut readers = Readers::default();
    let candidates = candidates(state, &mut readers, &now, &before);
    let p_values: Vec<f64> = candidates.iter().map(|candidate| candidate.difference.p_value).collect();
    let q_values = q_values(&p_values);
    let shown = candidates.into_iter().zip(q_values).filter(|(_, q_value)| *q_value <= MAX_Q_VALUE);
    let sampled_of = (now.of > now.texts.len()).then_some(now.of);
    let terms = shown.filter_map(|(candidate, q_value)| term(state, &mut readers, &now.texts, candidate, q_value, sampled_of));
    let mut terms: Vec<Term> = terms.collect();
    // Codes depend on who came first, words do not.
    let names = |term: &Term| (state.words.district.word(term.district), state.words.language.word(term.language));
    terms.sort_by(|a, b| {
        let order = b.difference.z.total_cmp(&a.difference.z);
        order.then_with(|| (names(a), &a.phrase, a.district == CITY).cmp(&(names(b), &b.phrase, b.district == CITY)))
    });
    without_swallowed(terms)
}

fn candidates(state: &State, readers: &mut Readers, now: &Sample, before: &Sample) -> Vec<Candidate> {
    let (days_now, days_before) = (days(&now.texts), days(&before.texts));
    let said_now = mentions(state, readers, &now.texts, |_| true);
    let by_phrase = said_now.chunk_by(|a, b| a.0 == b.0);
    let enough = by_phrase.filter_map(|said| {
        let of: Vec<u32> = said.iter().map(|(_, position)| *position).collect();
        (distinct(&now.texts, &of, |text| text.reporter) >= MIN_REPORTERS).then_some((said[0].0, of))
    });
    let enough: Vec<(PhraseKey, Vec<u32>)> = enough.collect();
    let wanted: FastMap<PhraseKey, ()> = enough.iter().map(|(phrase, _)| (*phrase, ())).collect();
    let said_before = mentions(state, readers, &before.texts, |phrase| wanted.contains_key(&phrase));
    let mut before_of: FastMap<PhraseKey, Vec<u32>> = FastMap::default();
    for said in said_before.chunk_by(|a, b| a.0 == b.0) {
        before_of.insert(said[0].0, said.iter().map(|(_, position)| *position).collect());
    }
    let mut candidates = Vec::new();
    for (phrase, of) in enough {
        let language = now.texts[of[0] as usize].language;
        let of_before = before_of.get(&phrase).map_or(&[][..], Vec::as_slice);
        let total = |days: &FastMap<(u32, u32), usize>, district| days.get(&(language, district)).copied().unwrap_or(0);
        let (city_now, city_before) = (total(&days_now, CITY), total(&days_before, CITY));
        if city_before < MIN_BEFORE {
            continue;
        }
        let said = |texts: &[Text], of: &[u32]| distinct(texts, of, |text| text.day);
        let general = said(&now.texts, &of) + said(&before.texts, of_before);
        // Half a day more on both sides, so that no share is 0 or 1.
        let share = (general as f64 + 0.5) / ((city_now + city_before) as f64 + 1.0);
        let prior = Prior { count: share * PRIOR_DAYS, of: PRIOR_DAYS };
        let mut districts: Vec<u32> = of.iter().map(|position| now.texts[*position as usize].district).collect();
        districts.sort_unstable();
        districts.dedup();
        districts.push(CITY);
        for district in districts {
            let inside = |texts: &[Text], of: &[u32]| -> Vec<u32> {
                of.iter().copied().filter(|at| district == CITY || texts[*at as usize].district == district).collect()
            };
            let (here, here_before) = (inside(&now.texts, &of), inside(&before.texts, of_before));
            let reporters = distinct(&now.texts, &here, |text| text.reporter);
            if reporters < MIN_REPORTERS {
                continue;
            }
            let now_days = (said(&now.texts, &here), total(&days_now, district));
            let before_days = (said(&before.texts, &here_before), total(&days_before, district));
            let as_said = |(count, of): (usize, usize)| Said { count: count as f64, of: of as f64 };
            if let Some(difference) = difference(as_said(now_days), as_said(before_days), prior) {
                candidates.push(Candidate {
                    phrase,
                    district,
                    of: here,
                    now: now_days,
                    before: before_days,
                    reporters,
                    difference,
                });
            }
        }
    }
    candidates
}

/// Writes a candidate out. Its words are found again in a report that says it.
fn term(
    state: &State,
    readers: &mut Readers,
    texts: &[Text],
    candidate: Candidate,
    q_value: f64,
    sampled_of: Option<usize>,
) -> Option<Term> {
    let mut of: Vec<&Text> = candidate.of.iter().map(|position| &texts[*position as usize]).collect();
    let id = |text: &Text| {
        state.segments[text.place.segment as usize].as_ref().map_or("", |segment| segment.rows.id(text.place.row as usize))
    };
    of.sort_unstable_by(|a, b| (b.created_us, id(b)).cmp(&(a.created_us, id(a))));
    let newest = *of.first()?;
    let mut found = None;
    readers.read(state, newest, |phrase, words| {
        if found.is_none() && key(newest.language_key, phrase) == candidate.phrase {
            found = Some((phrase.to_owned(), words));
        }
    });
    let (phrase, words) = found?;
    let mut topics: FastMap<u8, usize> = FastMap::default();
    of.iter().for_each(|text| *topics.entry(text.topic).or_default() += 1);
    let topic = topics.into_iter().max_by_key(|(topic, reports)| (*reports, std::cmp::Reverse(*topic))).map(|(topic, _)| topic);
    let mut examples: Vec<&Text> = Vec::with_capacity(EXAMPLES);
    for text in &of {
        if examples.len() < EXAMPLES && examples.iter().all(|known| known.reporter != text.reporter) {
            examples.push(text);
        }
    }
    Some(Term {
        district: candidate.district,
        language: newest.language,
        phrase,
        words,
        reports: of.len(),
        reporters: candidate.reporters,
        now: candidate.now,
        before: candidate.before,
        difference: candidate.difference,
        q_value,
        topic: topic?,
        examples: examples.into_iter().map(|text| text.place).collect(),
        sampled_of,
    })
}

/// Leaves out what a longer phrase of the same place and language tells better, and what is beyond [`MAX_SHOWN`].
fn without_swallowed(terms: Vec<Term>) -> Vec<Term> {
    let mut by_place: FastMap<(u32, u32), Vec<usize>> = FastMap::default();
    for (position, term) in terms.iter().enumerate() {
        by_place.entry((term.district, term.language)).or_default().push(position);
    }
    let mut kept = vec![false; terms.len()];
    for positions in by_place.values() {
        let swallows = |longer: &Term, term: &Term| {
            longer.words > term.words
                && longer.now.0 as f64 >= SWALLOWED * term.now.0 as f64
                && format!(" {} ", longer.phrase).contains(&format!(" {} ", term.phrase))
        };
        // The clearest few hundred: beyond them nothing would be shown anyway.
        let looked_at = &positions[..positions.len().min(8 * MAX_SHOWN)];
        let left = looked_at.iter().filter(|position| {
            let term = &terms[**position];
            !looked_at.iter().any(|other| swallows(&terms[*other], term))
        });
        left.take(MAX_SHOWN).for_each(|position| kept[*position] = true);
    }
    terms.into_iter().zip(kept).filter_map(|(term, kept)| kept.then_some(term)).collect()
}
