//! Hands the rows to `service_levels` and `service_levels_by_band`.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use feedback::time::DAY_US;
use feedback::{Channel, Status, Timestamp};

use crate::derived::{district_of, topic_of};
use crate::error::AggregateError;
use crate::events::Reason;
use crate::rows::{Column, NO_CODE};
use crate::snapshot::Snapshot;
use crate::tables::service_levels::{self, Again, Case, Key, Sighting, came_up_again};

pub(crate) fn service_levels(snapshot: &Snapshot) -> Result<RecordBatch, AggregateError> {
    let (cases, as_of) = cases(snapshot);
    let (keys, cases) = keyed(&cases, |(agency, topic, district)| {
        Some((agency_of(snapshot, agency), topic_of(topic), district_of(snapshot, district)))
    });
    Ok(service_levels::rows(&keys, cases, as_of, snapshot.config().min_cases)?)
}

pub(crate) fn service_levels_by_band(snapshot: &Snapshot) -> Result<RecordBatch, AggregateError> {
    const NUMBERS: [&str; crate::reference::BANDS] = ["1", "2", "3", "4", "5"];
    let bands = snapshot.reference().bands();
    if bands.is_empty() {
        return Ok(service_levels::band_rows(&[], [], Timestamp::MIN, snapshot.config().min_cases)?);
    }
    let (cases, as_of) = cases(snapshot);
    let (keys, cases) = keyed(&cases, |(agency, topic, district)| {
        let band = bands.get(district_of(snapshot, district)?)?;
        Some((agency_of(snapshot, agency), topic_of(topic), Some(*NUMBERS.get(band - 1)?)))
    });
    Ok(service_levels::band_rows(&keys, cases, as_of, snapshot.config().min_cases)?)
}

/// Agency, topic and district, as codes.
type Codes = (u32, u8, u32);

fn agency_of(snapshot: &Snapshot, code: u32) -> Option<&str> {
    snapshot.state().words.agency.word(code).map(|word| &**word)
}

/// The cases with the position of their key; those whose codes have none are left out.
fn keyed<'a>(
    cases: &[(Codes, Case)],
    key: impl Fn(Codes) -> Option<Key<'a>>,
) -> (Vec<Key<'a>>, impl Iterator<Item = (usize, Case)>) {
    let (mut keys, mut places) = (Vec::new(), HashMap::new());
    for (codes, _) in cases {
        places.entry(*codes).or_insert_with(|| {
            let key = key(*codes)?;
            keys.push(key);
            Some(keys.len() - 1)
        });
    }
    (keys, cases.iter().filter_map(move |(codes, case)| Some((places.get(codes).copied().flatten()?, *case))))
}

/// Every case and what became of it, and the moment of counting.
fn cases(snapshot: &Snapshot) -> (Vec<(Codes, Case)>, Timestamp) {
    let state = snapshot.state();
    let now = state.watermark.unwrap_or(i64::MIN);
    let within_us = i64::from(snapshot.config().again_within_days) * DAY_US;
    let moment = |micros: Option<i64>| micros.map(Timestamp::from_micros);
    let mut cases: Vec<(Codes, Case)> = Vec::with_capacity(state.live_rows());
    let mut sightings: Vec<Sighting> = Vec::new();
    let mut verdicts = Verdicts::default();
    for segment in state.segments() {
        let rows = &segment.rows;
        for (row, (_, life)) in segment.lives.iter().enumerate().filter(|(_, (live, _))| *live) {
            let Some(created_at) = rows.time(Column::CreatedAt, row).filter(|created_at| *created_at <= now) else { continue };
            let topic = rows.code(Column::Topic, row);
            let (mut reopened, mut last): (bool, Option<(i64, &Reason)>) = (false, None);
            for event in state.events.chain(life.events) {
                reopened |= event.status() == Status::Reopened.code();
                if let Some(reason) = event.reason.as_ref().filter(|_| event.status() == Status::Closed.code()) {
                    last = last.max(Some((event.at, reason)));
                }
            }
            let closed_at = life.closed_at();
            let watched = closed_at.filter(|closed_at| closed_at.saturating_add(within_us) <= now);
            let place = rows.position(row).filter(|_| topic != NO_CODE);
            if let Some((lat, lon)) = place {
                let channel = rows.code(Column::Channel, row);
                let is_resident = channel != Channel::Staff.code() && channel != Channel::Sensor.code();
                let negative = rows.facts(row).tones.map(|tones| tones[0]);
                let case = cases.len() as u32;
                sightings.push(Sighting { topic, lat, lon, created_at, negative, is_resident, closed_at: watched, case });
            }
            let case = Case {
                created_at: Timestamp::from_micros(created_at),
                first_answer_at: moment(life.first_answer_at()),
                closed_at: moment(closed_at),
                due_at: moment(rows.time(Column::DueAt, row)),
                reopened,
                nothing_done: last.map(|(_, reason)| verdicts.of(reason)),
                again: Again::Unknown,
                negative: None,
            };
            cases.push(((rows.word(Column::Agency, row), topic, rows.word(Column::District, row)), case));
        }
    }
    // Of the case itself, for pairs of tones.
    let negative: HashMap<u32, u32> =
        sightings.iter().filter_map(|s| Some((s.case, s.negative.filter(|_| s.closed_at.is_some())?))).collect();
    for (case, next) in came_up_again(sightings, within_us) {
        let Some((_, known)) = cases.get_mut(case as usize) else { continue };
        known.again = if next.is_some() { Again::Reported } else { Again::Quiet };
        known.negative = negative.get(&case).copied().zip(next.and_then(|next| next.negative));
    }
    (cases, Timestamp::from_micros(now))
}

/// What closing texts say, read once each: equal texts are mostly shared.
#[derive(Default)]
struct Verdicts(HashMap<usize, bool>);

/// Texts remembered, by address: the state holds them for as long as this lives; the memory is emptied when full.
const MAX_VERDICTS: usize = 1 << 16;

impl Verdicts {
    fn of(&mut self, reason: &Reason) -> bool {
        if self.0.len() >= MAX_VERDICTS {
            self.0.clear();
        }
        *self.0.entry(reason.address()).or_insert_with(|| service_levels::says_nothing_done(reason))
    }
}
