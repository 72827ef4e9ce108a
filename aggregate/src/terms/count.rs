//! Counts who says what: authors' days by phrase and district.

use std::collections::{HashMap, HashSet};

use crate::cow::FastMap;
use crate::dictionary::CITY;
use crate::rows::Column;
use crate::state::State;
use crate::terms::phrases::{PhraseKey, StopWords, key, phrases};
use crate::terms::sample::Text;

/// Stop words by code of the language, made when first needed.
#[derive(Default)]
pub(crate) struct Readers(HashMap<u32, StopWords>);

impl Readers {
    /// Visits the phrases of a report's title and text.
    pub(crate) fn read(&mut self, state: &State, text: &Text, mut visit: impl FnMut(&str, usize)) {
        let code = text.language;
        let language = || state.words.language.word(code).map_or("und", |word| &**word);
        let stop = self.0.entry(code).or_insert_with(|| StopWords::of(language()));
        let Some(segment) = state.segments.get(text.place.segment as usize).and_then(Option::as_ref) else { return };
        for column in [Column::Title, Column::Text] {
            if let Some(said) = segment.rows.text(column, text.place.row as usize) {
                phrases(said, stop, &mut visit);
            }
        }
    }
}

/// Authors' days that were read: by language and district, [`CITY`] included.
pub(crate) fn days(texts: &[Text]) -> FastMap<(u32, u32), usize> {
    let mut seen: HashSet<(u32, u32, u64)> = HashSet::with_capacity(texts.len());
    let mut days: FastMap<(u32, u32), usize> = FastMap::default();
    for text in texts {
        for district in [text.district, CITY] {
            if seen.insert((text.language, district, text.day)) {
                *days.entry((text.language, district)).or_default() += 1;
            }
        }
    }
    days
}

/// That a report says a phrase: the phrase and the report's position among those read.
type Mention = (PhraseKey, u32);

/// Who says what, by phrase, then by position.
pub(crate) fn mentions(
    state: &State,
    readers: &mut Readers,
    texts: &[Text],
    wanted: impl Fn(PhraseKey) -> bool,
) -> Vec<Mention> {
    let mut mentions: Vec<Mention> = Vec::new();
    for (position, text) in texts.iter().enumerate() {
        readers.read(state, text, |phrase, _| {
            let phrase = key(text.language_key, phrase);
            if wanted(phrase) {
                mentions.push((phrase, position as u32));
            }
        });
    }
    mentions.sort_unstable();
    mentions.dedup();
    mentions
}

/// Distinct values over the reports that say a phrase.
pub(crate) fn distinct(texts: &[Text], of: &[u32], value: impl Fn(&Text) -> u64) -> usize {
    let mut values: Vec<u64> = of.iter().map(|position| value(&texts[*position as usize])).collect();
    values.sort_unstable();
    values.dedup();
    values.len()
}
