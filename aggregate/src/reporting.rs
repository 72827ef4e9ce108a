//! Hands the rows to the tables about who reports: `under_reporting`, its model, and `representation`.
//!
//! What staff or a sensor enters is no resident's report: it opens no incident, repeats none, and counts in `representation` by
//! channel only.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use feedback::time::DAY_US;
use feedback::{Channel, IdKey, Signal, Status, Timestamp};

use crate::derived::{district_of, topic_of};
use crate::error::AggregateError;
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

/// The incidents of each district and topic: reports of problems, joined where the portal links them as duplicates.
///
/// An incident begins with its earliest report and ends with the closing of the report that the others are linked to: a portal
/// closes a duplicate when it finds it, which ends nothing. A link to a report that is not here leads nowhere, and such an incident
/// is left out, for nobody knows when it ended.
pub(crate) fn exposures(snapshot: &Snapshot) -> Vec<(Group, Exposure)> {
    let (state, config) = (snapshot.state(), &snapshot.config().under_reporting);
    let Some(now) = state.watermark else { return Vec::new() };
    // Not before the watermark: in an archive, the last closing may be years after the last report.
    let Some(last) = last_report(state, now) else { return Vec::new() };
    let since = last.saturating_sub(i64::from(config.history_days) * DAY_US);
    let links = Links::of(state);
    let roots: HashSet<IdKey> = links.0.keys().map(|key| links.root(*key)).collect();
    let mut linked: HashMap<IdKey, Vec<Timestamp>> = HashMap::new();
    // Incidents that others may be linked to wait until all links are seen; the others are counted at once.
    let mut heads: Vec<(Group, i64, i64, IdKey)> = Vec::new();
    let mut exposures: BTreeMap<Group, Exposure> = BTreeMap::new();
    for segment in state.segments().filter(|segment| segment.created.1 >= since) {
        for (row, (_, life)) in segment.lives.iter().enumerate().filter(|(_, (live, _))| *live) {
            let facts = segment.rows.facts(row);
            if facts.created_at > now || !is_resident(facts.channel) {
                continue;
            }
            let key = (!links.0.is_empty()).then(|| segment.rows.key(row));
            if let Some(key) = key.filter(|key| links.0.contains_key(key)) {
                linked.entry(links.root(key)).or_default().push(Timestamp::from_micros(facts.created_at));
                continue;
            }
            if is_problem(&facts) && facts.created_at >= since {
                let closings = state.events.chain(life.events).filter(|event| event.status == Status::Closed.code());
                let gone = closings.map(|event| event.at).chain(life.closed_at()).chain(facts.closed_at).min();
                let (group, gone) = ((facts.district, facts.topic), gone.unwrap_or(now).min(now));
                match key.filter(|key| roots.contains(key)) {
                    Some(key) => heads.push((group, facts.created_at, gone, key)),
                    None => {
                        let (first, gone) = (Timestamp::from_micros(facts.created_at), Timestamp::from_micros(gone));
                        exposures.entry(group).or_default().add(&Exposure::of(first, gone, [], config.max_exposure_days));
                    }
                }
            }
        }
    }
    for (group, created_at, gone, key) in heads {
        let later = linked.get(&key).map_or(&[][..], Vec::as_slice);
        let own = Timestamp::from_micros(created_at);
        let first = later.iter().copied().fold(own, Timestamp::min);
        // All but the first: which one that is does not matter, for only how many and when is counted.
        let mut repeats: Vec<Timestamp> = later.iter().copied().chain([own]).collect();
        repeats.sort_unstable();
        let one = Exposure::of(first, Timestamp::from_micros(gone), repeats.into_iter().skip(1), config.max_exposure_days);
        exposures.entry(group).or_default().add(&one);
    }
    exposures.into_iter().collect()
}

/// When the newest report up to a moment was made.
fn last_report(state: &State, now: i64) -> Option<i64> {
    let of_segment = |segment: &Arc<Segment>| {
        let live = segment.lives.iter().enumerate().filter(|(_, (live, _))| *live);
        live.filter_map(|(row, _)| segment.rows.time(Column::CreatedAt, row)).filter(|created_at| *created_at <= now).max()
    };
    state.segments().filter_map(of_segment).max()
}

fn is_problem(facts: &Facts) -> bool {
    facts.signal == NO_CODE || facts.signal == Signal::Problem.code()
}

/// Which report repeats which.
struct Links(HashMap<IdKey, IdKey>);

/// Longest chain of links that is followed.
const MAX_CHAIN: usize = 16;

impl Links {
    fn of(state: &State) -> Self {
        let mut links = HashMap::new();
        for segment in state.segments().filter(|segment| segment.rows.column(Column::DuplicateOf).is_some()) {
            for (row, _) in segment.lives.iter().enumerate().filter(|(_, (live, _))| *live) {
                if let Some(of) = segment.rows.text(Column::DuplicateOf, row) {
                    links.insert(segment.rows.key(row), IdKey::of(of));
                }
            }
        }
        Self(links)
    }

    /// The report at the end of the links; of a circle, its smallest key, which is linked itself and so heads nothing.
    fn root(&self, key: IdKey) -> IdKey {
        let mut seen = vec![key];
        while let Some(next) = seen.last().and_then(|last| self.0.get(last)) {
            if let Some(from) = seen.iter().position(|known| known == next) {
                return seen[from..].iter().min_by_key(|key| key.0).copied().unwrap_or(key);
            }
            if seen.len() > MAX_CHAIN {
                return *next;
            }
            seen.push(*next);
        }
        seen.last().copied().unwrap_or(key)
    }
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
