//! Hands the state to the statistics: trends as their pure functions want to be asked.

use arrow::array::RecordBatch;
use feedback::{Timestamp, Topic};

use crate::dictionary::CITY;
use crate::error::AggregateError;
use crate::series::Series;
use crate::snapshot::Snapshot;
use crate::statistics::CountSeries;
use crate::tables::trends::{self, TrendCell, TrendWindow};
use crate::windows::{Group, Window};

pub(crate) fn district_of(snapshot: &Snapshot, code: u32) -> Option<&str> {
    if code == CITY { Some("*") } else { snapshot.state().words.district.word(code).map(|word| &**word) }
}

pub(crate) fn topic_of(code: u8) -> Option<&'static str> {
    Topic::from_code(code).map(Topic::as_str)
}

pub(crate) fn trend_windows(windows: &[Window]) -> Vec<TrendWindow<'_>> {
    let as_trend = |window: &'_ Window| Timestamp::from_micros(window.range.end);
    windows.iter().map(|w| TrendWindow { name: &w.spec.name, length_us: w.spec.length_us, end: as_trend(w) }).collect()
}

pub(crate) fn trend_cells(snapshot: &Snapshot) -> (Vec<Group>, Vec<TrendCell<'_, &Series>>) {
    let groups = snapshot.state().series.groups.iter();
    groups
        .map(|(group, series)| {
            (*group, TrendCell { district: district_of(snapshot, group.0), topic: topic_of(group.1), series })
        })
        .unzip()
}

/// Where the city's data begins.
pub(crate) fn first_report(snapshot: &Snapshot) -> Option<Timestamp> {
    let city = snapshot.state().series.groups.iter().filter(|(group, _)| group.0 == CITY);
    city.filter_map(|(_, series)| series.first()).min()
}

pub(crate) fn trends(snapshot: &Snapshot, windows: &[Window]) -> Result<RecordBatch, AggregateError> {
    let (_, cells) = trend_cells(snapshot);
    let config = &snapshot.config().trends;
    Ok(trends::rows(&trend_windows(windows), &cells, first_report(snapshot), config)?)
}
