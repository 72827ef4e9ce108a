//! Hands the state to the tables that decisions are made from: priorities and allocation.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use feedback::time::MINUTE_US;

use crate::derived::{district_of, read_trends, topic_of, trend_cells};
use crate::dictionary::CITY;
use crate::error::AggregateError;
use crate::measures::{Measures, PROBABILITY_UNIT};
use crate::rows::Column;
use crate::snapshot::Snapshot;
use crate::statistics::LEVEL;
use crate::statistics::special::two_sided_z;
use crate::tables::allocation;
use crate::tables::priorities::{self, PriorityConfig, PriorityError, PriorityInput, Reporting};
use crate::tables::trends::Trend;
use crate::tables::under_reporting::Adjustment;
use crate::windows::{Group, Window};

pub(crate) fn priorities(
    snapshot: &Snapshot,
    windows: &[Window],
    config: &PriorityConfig,
) -> Result<RecordBatch, AggregateError> {
    let inputs = inputs(snapshot, windows);
    let inputs: Vec<(&str, &[PriorityInput<'_>])> = inputs.iter().map(|(name, inputs)| (*name, inputs.as_slice())).collect();
    priorities::rows(&inputs, config).map_err(|error| refused("priorities", &error))
}

/// What to fund of one window; nothing where it does not exist yet.
pub(crate) fn allocation(
    snapshot: &Snapshot,
    window: Option<&Window>,
    total: Option<f64>,
    config: &PriorityConfig,
) -> Result<RecordBatch, AggregateError> {
    let inputs = inputs(snapshot, window.map_or(&[][..], std::slice::from_ref));
    let (name, inputs) = inputs.first().map_or(("", [].as_slice()), |(name, inputs)| (*name, inputs.as_slice()));
    let ranked = priorities::priorities(name, inputs, config).map_err(|error| refused("allocation", &error))?;
    allocation::table(name, &ranked, &snapshot.reference().budgets, total, &snapshot.config().allocation)
}

fn refused(table: &'static str, error: &PriorityError) -> AggregateError {
    AggregateError::Table { table, problem: error.to_string() }
}

/// What is known of every district and topic, by window.
fn inputs<'a>(snapshot: &'a Snapshot, windows: &'a [Window]) -> Vec<(&'a str, Vec<PriorityInput<'a>>)> {
    let (groups, cells) = trend_cells(snapshot);
    let of_group = |trend: &&Trend| Some(((trend.window, groups[trend.cell]), trend.shrunk?));
    let shrunk: HashMap<(usize, Group), _> =
        read_trends(snapshot, windows, &cells, |trends| trends.iter().filter_map(of_group).collect());
    let (deprivation, adjustments) = (snapshot.reference().deprivation_places(), snapshot.adjustments());
    let of = |(position, window): (usize, &'a Window)| {
        let rows = from_rows(snapshot, window);
        let of_window = window.totals.iter().filter(|(group, _)| group.0 != CITY).map(|(group, measures)| {
            let (district, topic) = (district_of(snapshot, group.0), topic_of(group.1));
            let rows = rows.get(group).copied().unwrap_or_default();
            PriorityInput {
                district,
                topic,
                reporting: adjustments.get(&(district, topic)).map(reporting),
                votes: rows.votes,
                population: district.and_then(|name| snapshot.reference().population(name)),
                deprivation_place: district.and_then(|name| deprivation.get(name).copied()),
                promised_overdue: (rows.promised > 0).then_some((rows.promised, rows.overdue)),
                trend: shrunk.get(&(position, *group)).copied(),
                ..counts(measures)
            }
        });
        (window.spec.name.as_str(), of_window.collect())
    };
    windows.iter().enumerate().map(of).collect()
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

/// The share of incidents that is reported, and its standard error from the interval of the factor that it is the inverse of.
fn reporting(adjustment: &Adjustment) -> Reporting {
    let (low, high) = (adjustment.factor_interval.high.recip(), adjustment.factor_interval.low.recip());
    Reporting { share: adjustment.factor.recip(), error: (high - low) / (2.0 * two_sided_z(LEVEL)) }
}

/// What no cell counts.
#[derive(Clone, Copy, Debug, Default)]
struct FromRows {
    /// Reports whose promised date has come or that are closed.
    promised: u64,
    /// Of these, late.
    overdue: u64,
    votes: u64,
}

/// Votes and promises of a window, by group. Read from the rows: whether a promise is broken depends on the time of asking, so no
/// cell can count it.
fn from_rows(snapshot: &Snapshot, window: &Window) -> HashMap<Group, FromRows> {
    let now = snapshot.state().watermark.unwrap_or(window.range.end).min(window.range.end.saturating_add(MINUTE_US));
    let mut found: HashMap<Group, FromRows> = HashMap::new();
    for segment in snapshot.state().segments() {
        let rows = &segment.rows;
        let outside = segment.created.1 < window.range.start || segment.created.0 >= window.range.end;
        if outside || (rows.column(Column::DueAt).is_none() && rows.column(Column::Votes).is_none()) {
            continue;
        }
        for (row, (live, life)) in segment.lives.iter().enumerate() {
            let created_at = rows.time(Column::CreatedAt, row).filter(|created_at| window.range.contains(created_at));
            if !live || created_at.is_none() {
                continue;
            }
            let (due, votes) = (rows.time(Column::DueAt, row), rows.votes(row));
            if due.is_none() && votes == 0 {
                continue;
            }
            let group = (rows.word(Column::District, row), rows.code(Column::Topic, row));
            let found = found.entry(group).or_default();
            found.votes = found.votes.saturating_add(votes.into());
            let closed_at = life.closed_at().filter(|closed_at| *closed_at <= now);
            if let Some(due) = due.filter(|due| *due < now || closed_at.is_some()) {
                found.promised += 1;
                found.overdue += u64::from(closed_at.unwrap_or(now) > due);
            }
        }
    }
    found
}
