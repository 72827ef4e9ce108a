//! Hands the state to the statistics: trends as their pure functions want to be asked.

use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use feedback::{Timestamp, Topic};

use crate::dictionary::CITY;
use crate::error::AggregateError;
use crate::series::Series;
use crate::snapshot::Snapshot;
use crate::statistics::CountSeries;
use crate::tables::trends::{self, Follower, Trend, TrendCell, TrendWindow};
use crate::windows::{Group, Window};

/// Keeps trends between snapshots: a tick costs what changed since somebody asked last. Whoever asks an older snapshot after a newer one
/// gets what belongs to it; others wait meanwhile.
#[derive(Debug, Default)]
pub(crate) struct TrendKeeper(Mutex<Follower>);

impl TrendKeeper {
    fn at<T>(&self, ask: impl FnOnce(&mut Follower) -> T) -> T {
        let mut follower = self.0.lock().unwrap_or_else(|poisoned| {
            // Somebody stopped half way: what is there cannot be trusted.
            self.0.clear_poison();
            let mut follower = PoisonError::into_inner(poisoned);
            *follower = Follower::default();
            follower
        });
        ask(&mut follower)
    }

    /// Bytes held, by formula; 0 while somebody is asking.
    pub(crate) fn bytes(&self) -> usize {
        self.0.try_lock().map_or(0, |follower| follower.bytes())
    }
}

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
    let groups = &snapshot.state().series.groups;
    (0..=u8::MAX).filter_map(|topic| groups.get(&(CITY, topic))?.first()).min()
}

/// Reads the trends of some windows. Those that stand now are followed from tick to tick; whoever asks for others does not disturb them.
pub(crate) fn read_trends<T>(
    snapshot: &Snapshot,
    windows: &[Window],
    cells: &[TrendCell<'_, &Series>],
    read: impl FnOnce(&[&Trend]) -> T,
) -> T {
    let (asked, first, config) = (trend_windows(windows), first_report(snapshot), &snapshot.config().trends);
    if asked == trend_windows(snapshot.ended()) {
        snapshot.trends().at(|follower| {
            follower.follow(&asked, cells, first, config);
            read(&follower.trends().collect::<Vec<_>>())
        })
    } else {
        read(&trends::trends(&asked, cells, first, config).iter().collect::<Vec<_>>())
    }
}

pub(crate) fn trends(snapshot: &Snapshot, windows: &[Window]) -> Result<RecordBatch, AggregateError> {
    let (_, cells) = trend_cells(snapshot);
    let table = |trends: &[&Trend]| trends::table(&trend_windows(windows), &cells, first_report(snapshot), trends);
    Ok(read_trends(snapshot, windows, &cells, table)?)
}
