//! Hands the state to the statistics: trends and priorities as their pure functions want to be asked.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use feedback::time::MINUTE_US;
use feedback::{Timestamp, Topic};

use crate::dictionary::CITY;
use crate::error::AggregateError;
use crate::measures::{Measures, PROBABILITY_UNIT};
use crate::rows::Column;
use crate::series::Series;
use crate::snapshot::Snapshot;
use crate::statistics::CountSeries;
use crate::tables::priorities::{self, PriorityInput, PriorityWeights};
use crate::tables::trends::{self, TrendCell, TrendWindow};
use crate::windows::{Group, Window};

pub(crate) fn district_of(snapshot: &Snapshot, code: u32) -> Option<&str> {
    if code == CITY { Some("*") } else { snapshot.state().words.district.word(code).map(|word| &**word) }
}

pub(crate) fn topic_of(code: u8) -> Option<&'static str> {
    Topic::from_code(code).map(Topic::as_str)
}

fn trend_windows(windows: &[Window]) -> Vec<TrendWindow<'_>> {
    let as_trend = |window: &'_ Window| Timestamp::from_micros(window.range.end);
    windows.iter().map(|w| TrendWindow { name: &w.spec.name, length_us: w.spec.length_us, end: as_trend(w) }).collect()
}

fn trend_cells(snapshot: &Snapshot) -> (Vec<Group>, Vec<TrendCell<'_, &Series>>) {
    let groups = snapshot.state().series.groups.iter();
    groups
        .map(|(group, series)| {
            (*group, TrendCell { district: district_of(snapshot, group.0), topic: topic_of(group.1), series })
        })
        .unzip()
}

/// Where the city's data begins.
fn first_report(snapshot: &Snapshot) -> Option<Timestamp> {
    let city = snapshot.state().series.groups.iter().filter(|(group, _)| group.0 == CITY);
    city.filter_map(|(_, series)| series.first()).min()
}

pub(crate) fn trends(snapshot: &Snapshot, windows: &[Window]) -> Result<RecordBatch, AggregateError> {
    let (_, cells) = trend_cells(snapshot);
    let config = &snapshot.config().trends;
    Ok(trends::rows(&trend_windows(windows), &cells, first_report(snapshot), config)?)
}

pub(crate) fn priorities(
    snapshot: &Snapshot,
    windows: &[Window],
    weights: &PriorityWeights,
) -> Result<RecordBatch, AggregateError> {
    let (groups, cells) = trend_cells(snapshot);
    let found = trends::trends(&trend_windows(windows), &cells, first_report(snapshot), &snapshot.config().trends);
    let mut shrunk: HashMap<(usize, Group), _> = HashMap::with_capacity(found.len());
    shrunk.extend(found.iter().filter_map(|trend| Some(((trend.window, groups[trend.cell]), trend.shrunk?))));
    let mut inputs: Vec<(&str, Vec<PriorityInput<'_>>)> = Vec::with_capacity(windows.len());
    for (position, window) in windows.iter().enumerate() {
        let promises = promises(snapshot, window);
        let of_window = window.totals.iter().filter(|(group, _)| group.0 != CITY).map(|(group, measures)| {
            let district = district_of(snapshot, group.0);
            PriorityInput {
                district,
                topic: topic_of(group.1),
                population: district.and_then(|name| snapshot.reference().population(name)),
                promised_overdue: promises.get(group).copied(),
                trend: shrunk.get(&(position, *group)).copied(),
                ..counts(measures)
            }
        });
        inputs.push((&window.spec.name, of_window.collect()));
    }
    let inputs: Vec<(&str, &[PriorityInput<'_>])> = inputs.iter().map(|(name, inputs)| (*name, inputs.as_slice())).collect();
    let refused = |error: priorities::PriorityError| AggregateError::Table { table: "priorities", problem: error.to_string() };
    priorities::rows(&inputs, weights).map_err(refused)
}

fn counts(measures: &Measures) -> PriorityInput<'static> {
    PriorityInput {
        reports: measures.reports.into(),
        reporters: measures.reporters(),
        urgencies: measures.urgencies.map(u64::from),
        toned: measures.toned.into(),
        negative: measures.tones[0] as f64 / PROBABILITY_UNIT,
        signalled: measures.signals.iter().map(|n| u64::from(*n)).sum(),
        problems: measures.signals[0].into(),
        open: (measures.tracked > 0).then(|| measures.tracked.saturating_sub(measures.closed).into()),
        ..PriorityInput::default()
    }
}

/// Reports of a window whose promised date has come or that are closed, and how many of them were late, by group. Read from the
/// rows: whether a promise is broken depends on the time of asking, so no cell can count it.
fn promises(snapshot: &Snapshot, window: &Window) -> HashMap<Group, (u64, u64)> {
    let now = snapshot.state().watermark.unwrap_or(window.range.end).min(window.range.end.saturating_add(MINUTE_US));
    let mut promises: HashMap<Group, (u64, u64)> = HashMap::new();
    for segment in snapshot.state().segments() {
        let rows = &segment.rows;
        let outside = segment.created.1 < window.range.start || segment.created.0 >= window.range.end;
        if outside || rows.column(Column::DueAt).is_none() {
            continue;
        }
        for (row, (live, life)) in segment.lives.iter().enumerate() {
            let Some(due) = rows.time(Column::DueAt, row).filter(|_| live) else { continue };
            let inside = rows.time(Column::CreatedAt, row).is_some_and(|created_at| window.range.contains(&created_at));
            let closed_at = life.closed_at().filter(|closed_at| *closed_at <= now);
            if inside && (due < now || closed_at.is_some()) {
                let group = (rows.word(Column::District, row), rows.code(Column::Topic, row));
                let (promised, overdue) = promises.entry(group).or_default();
                *promised += 1;
                *overdue += u64::from(closed_at.unwrap_or(now) > due);
            }
        }
    }
    promises
}
