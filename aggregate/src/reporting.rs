//! Hands the rows to the tables about who reports: `under_reporting`, its model, and `representation`.
//!
//! What staff or a sensor enters is no resident's report: it opens no incident, repeats none, and counts in `representation` by
//! channel only.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use feedback::time::DAY_US;
use feedback::{Channel, Signal, Timestamp};

use crate::derived::{district_of, topic_of};
use crate::error::AggregateError;
use crate::incidents::row_of;
use crate::rows::{Column, Facts, NO_CODE};
use crate::segment::Segment;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::tables::representation::{self, Heard, Voices};
use crate::tables::under_reporting::{self, Estimate, Exposure};
use crate::windows::{Group, Window};

pub(crate) fn under_reporting(snapshot: &Snapshot) -> Result<RecordBatch, AggregateError> {
    Ok(under_reporting::rows(&estimates(snapshot))?)
}

pub(crate) fn under_reporting_model(snapshot: &Snapshot) -> Result<RecordBatch, AggregateError> {
    Ok(under_reporting::model_rows(&under_reporting::terms(&estimates(snapshot), snapshot.reference()))?)
}

/// The estimates behind `under_reporting`.
pub(crate) fn estimates(snapshot: &Snapshot) -> Vec<Estimate<'_>> {
    let named = |(group, counts): &(Group, Exposure)| ((district_of(snapshot, group.0), topic_of(group.1)), *counts);
    under_reporting::estimates(snapshot.exposures().iter().map(named), &snapshot.config().under_reporting)
}

fn is_resident(channel: u8) -> bool {
    channel != Channel::Staff.code() && channel != Channel::Sensor.code()
}

/// The incidents of each district and topic, added up: those that a resident opened with a problem, where others could join.
///
/// Further reports of one author count once: insisting is not another pair of eyes. An incident's end is known without looking at who
/// joined (see `incidents`), which is what makes the count a Poisson one.
pub(crate) fn exposures(snapshot: &Snapshot) -> Vec<(Group, Exposure)> {
    let (state, config) = (snapshot.state(), &snapshot.config().under_reporting);
    let Some(now) = state.watermark else { return Vec::new() };
    // Not before the watermark: in an archive, the last closing may be years after the last report.
    let Some(last) = last_report(state, now) else { return Vec::new() };
    let looked_at = last.saturating_sub(i64::from(config.history_days) * DAY_US)..=now;
    let sums = snapshot.incidents().read(|list| {
        list.sums(looked_at, |sums, incident| {
            let Some((rows, row)) = row_of(state, incident.first()).filter(|_| incident.can_be_joined()) else { return };
            if !is_resident(rows.code(Column::Channel, row)) || !is_problem(rows.code(Column::Signal, row)) {
                return;
            }
            let mut known: Option<HashSet<u64>> = None;
            let later = list.later(incident).filter(|(_, place)| {
                row_of(state, *place).is_some_and(|(further, at)| {
                    let known = known.get_or_insert_with(|| rows.author(row).into_iter().collect());
                    is_resident(further.code(Column::Channel, at))
                        && further.author(at).is_none_or(|author| known.insert(author))
                })
            });
            let later = later.map(|(created_us, _)| Timestamp::from_micros(created_us));
            let (first, gone) = (Timestamp::from_micros(incident.first_us()), Timestamp::from_micros(incident.exposure_end_us));
            let one = Exposure::of(first, gone, later, config.max_exposure_days);
            sums.entry((list.district(incident), incident.topic())).or_default().add(&one);
        })
    });
    sums.into_iter().collect()
}

/// When the newest report up to a moment was made.
fn last_report(state: &State, now: i64) -> Option<i64> {
    let of_segment = |segment: &Arc<Segment>| {
        let live = segment.lives.iter().enumerate().filter(|(_, (live, _))| *live);
        live.filter_map(|(row, _)| segment.rows.time(Column::CreatedAt, row)).filter(|created_at| *created_at <= now).max()
    };
    // A segment whose newest row is no newer than what was found has nothing to add: mostly only the last few are read.
    let mut segments: Vec<&Arc<Segment>> = state.segments().collect();
    segments.sort_unstable_by_key(|segment| std::cmp::Reverse(segment.created.1));
    segments.into_iter().fold(None, |newest: Option<i64>, segment| match newest {
        Some(known) if segment.created.1 <= known => newest,
        _ => newest.max(of_segment(segment)),
    })
}

fn is_problem(signal: u8) -> bool {
    signal == NO_CODE || signal == Signal::Problem.code()
}

/// Shortest window that `representation` shows: an hour says nothing about who takes part.
const SHORTEST_US: i64 = DAY_US;

pub(crate) fn representation(snapshot: &Snapshot, windows: &[Window]) -> Result<RecordBatch, AggregateError> {
    let estimates = estimates(snapshot);
    let windows = windows.iter().filter(|window| window.spec.length_us >= SHORTEST_US);
    let rows: Vec<_> = windows
        .flat_map(|window| representation::compare(&heard(snapshot, window), snapshot.reference(), &estimates))
        .collect();
    Ok(representation::rows(&rows)?)
}

/// Reports and their authors while they are counted.
#[derive(Default)]
struct Tally {
    reports: u64,
    authors: HashSet<u64>,
}

impl Tally {
    fn count(&mut self, facts: &Facts) {
        self.reports += 1;
        self.authors.extend(facts.author);
    }

    fn voices(&self) -> Voices {
        Voices { reports: self.reports, reporters: (!self.authors.is_empty()).then_some(self.authors.len() as u64) }
    }
}

/// Who is heard in a window, counted from the rows: sketches of single cells cannot tell how many people two cells share.
fn heard<'a>(snapshot: &'a Snapshot, window: &'a Window) -> Heard<'a> {
    let state = snapshot.state();
    let bands = snapshot.reference().bands();
    let mut of_band: HashMap<u32, Option<usize>> = HashMap::new();
    let (mut city, mut by_band) = (Tally::default(), BTreeMap::<usize, Tally>::new());
    let (mut districts, mut languages) = (HashMap::<u32, Tally>::new(), HashMap::<u32, Tally>::new());
    let mut channels = HashMap::<u8, Tally>::new();
    let inside = |created: (i64, i64)| created.1 >= window.range.start && created.0 < window.range.end;
    for segment in state.segments().filter(|segment| inside(segment.created)) {
        for (row, _) in segment.lives.iter().enumerate().filter(|(_, (live, _))| *live) {
            if !segment.rows.time(Column::CreatedAt, row).is_some_and(|created_at| window.range.contains(&created_at)) {
                continue;
            }
            let facts = segment.rows.facts(row);
            channels.entry(facts.channel).or_default().count(&facts);
            if !is_resident(facts.channel) {
                continue;
            }
            city.count(&facts);
            districts.entry(facts.district).or_default().count(&facts);
            languages.entry(facts.language).or_default().count(&facts);
            let band = of_band
                .entry(facts.district)
                .or_insert_with(|| district_of(snapshot, facts.district).and_then(|name| bands.get(name).copied()));
            if let Some(band) = *band {
                by_band.entry(band).or_default().count(&facts);
            }
        }
    }
    let word = |code: u32| state.words.language.word(code).map(|word| &**word).filter(|word| *word != "und");
    let mut of_language: BTreeMap<Option<&str>, Tally> = BTreeMap::new();
    for (code, tally) in languages {
        let known = of_language.entry(word(code)).or_default();
        known.reports += tally.reports;
        known.authors.extend(tally.authors);
    }
    Heard {
        window: &window.spec.name,
        city: city.voices(),
        districts: districts.iter().map(|(code, tally)| (district_of(snapshot, *code), tally.voices())).collect(),
        bands: by_band.iter().map(|(band, tally)| (*band, tally.voices())).collect(),
        languages: of_language.iter().map(|(language, tally)| (*language, tally.voices())).collect(),
        channels: channels
            .iter()
            .map(|(code, tally)| (Channel::from_code(*code).map(Channel::as_str), tally.voices()))
            .collect(),
    }
}
