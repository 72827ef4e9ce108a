//! Which reports are read of a stretch of time, and what counting needs of each.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use crate::rows::{Column, Rows};
use crate::segment::Place;
use crate::state::State;

/// A report that is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) place: Place,
    pub(crate) created_us: i64,
    pub(crate) district: u32,
    pub(crate) language: u32,
    /// A hash of the language's word: the code depends on which language came first.
    pub(crate) language_key: u64,
    pub(crate) topic: u8,
    /// Who said it; a report without an author is somebody of its own.
    pub(crate) reporter: u64,
    /// An author's day: what is counted.
    pub(crate) day: u64,
}

/// The reports read of a stretch of time.
pub(crate) struct Sample {
    pub(crate) texts: Vec<Text>,
    /// How many reports with words there are.
    pub(crate) of: usize,
}

/// At most `most` of the live reports with words that were made in `range`: those whose ids hash lowest.
pub(crate) fn sample(state: &State, range: Range<i64>, most: usize) -> Sample {
    let mut found: Vec<(u128, Place)> = Vec::new();
    let mut of = 0;
    for (slot, segment) in state.segments.iter().enumerate() {
        let Some(segment) = segment else { continue };
        let rows = &segment.rows;
        let is_outside = segment.created.1 < range.start || segment.created.0 >= range.end;
        if is_outside || rows.column(Column::Text).is_none() {
            continue;
        }
        for row in 0..rows.len() {
            let is_inside = rows.time(Column::CreatedAt, row).is_some_and(|created_at| range.contains(&created_at));
            if is_inside && segment.lives.is_live(row) && rows.text(Column::Text, row).is_some() {
                of += 1;
                found.push((rows.key(row).0, Place { segment: slot as u32, row: row as u32 }));
                if found.len() >= 4 * most.max(1) {
                    lowest(&mut found, most);
                }
            }
        }
    }
    lowest(&mut found, most);
    found.sort_unstable_by_key(|(key, _)| *key);
    let texts = found.into_iter().filter_map(|(key, place)| {
        let segment = state.segments[place.segment as usize].as_ref()?;
        Some(text(state, &segment.rows, key, place))
    });
    Sample { texts: texts.collect(), of }
}

fn lowest(found: &mut Vec<(u128, Place)>, most: usize) {
    if found.len() > most {
        found.select_nth_unstable_by_key(most, |(key, _)| *key);
        found.truncate(most);
    }
}

fn text(state: &State, rows: &Rows, key: u128, place: Place) -> Text {
    let row = place.row as usize;
    let created_us = rows.time(Column::CreatedAt, row).unwrap_or(0);
    let by = |author: u64| {
        let mut name = [0; 12];
        name[..8].copy_from_slice(&author.to_le_bytes());
        name[8..].copy_from_slice(&rows.word(Column::Source, row).to_le_bytes());
        xxh3_64(&name)
    };
    let author = rows.author(row).map(by);
    let reporter = author.unwrap_or(key as u64);
    let language = rows.word(Column::Language, row);
    let date = created_us.div_euclid(feedback::time::DAY_US);
    let day = author.map_or(reporter, |author| author ^ xxh3_64(&date.to_le_bytes()));
    Text {
        place,
        created_us,
        district: rows.word(Column::District, row),
        language,
        language_key: state.words.language.word(language).map_or(0, |word| xxh3_64(word.as_bytes())),
        topic: rows.code(Column::Topic, row),
        reporter,
        day,
    }
}
