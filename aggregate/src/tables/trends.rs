//! Table `trends`: what is rising and falling, district by topic, in every rolling window.
//!
//! Observed counts against what the same phase of earlier periods lets expect, with an interval for the ratio, a negative-binomial test,
//! the false-discovery rate over all cells of a window, and since when. See [`same_phase`](crate::statistics::same_phase) for which
//! periods are compared, [`baseline`](crate::statistics::baseline) for the expectation and the test, [`episode`](crate::statistics::episode)
//! for what is announced.
//!
//! Known limits: phases are weeks of UTC, so local hours move against them by one at a change of daylight saving time; a source
//! that joined within the periods compared looks like a rise; without two years of reports the season is followed late.

mod city;
mod compare;
mod follow;

use std::fmt;
use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use feedback::Timestamp;
use feedback::schema::timestamp_type;

use super::columns::Columns;
use super::{column, schema_of};
use crate::statistics::baseline::{Baseline, Comparison};
use crate::statistics::gamma_poisson::Shrunk;
use crate::statistics::same_phase::Phase;
use crate::statistics::{CountSeries, Interval};

pub(crate) use follow::Follower;
pub use follow::{FOLLOW_P_VALUE, trends};

/// When a difference is called a trend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrendConfig {
    /// Highest false-discovery rate.
    pub max_q_value: f64,
    /// Smallest ratio of a rise; its inverse is the largest of a fall.
    pub min_ratio: f64,
    /// Smallest difference between observed and expected, in reports.
    pub min_change: f64,
}

impl Default for TrendConfig {
    fn default() -> Self {
        Self { max_q_value: 0.05, min_ratio: 1.2, min_change: 3.0 }
    }
}

/// A rolling window as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrendWindow<'a> {
    /// As analysts write it, for example `24 hours`.
    pub name: &'a str,
    /// Length in microseconds.
    pub length_us: i64,
    /// End, excluded: the watermark, or wherever somebody asks for.
    pub end: Timestamp,
}

/// A history to look at.
#[derive(Clone, Copy, Debug)]
pub struct TrendCell<'a, S> {
    /// The district; `None` is unknown, `*` the whole city.
    pub district: Option<&'a str>,
    /// The topic; `None` is unknown.
    pub topic: Option<&'a str>,
    /// Its counts.
    pub series: S,
}

impl<S> TrendCell<'_, S> {
    /// Whether this is a topic in the whole city.
    fn is_city(&self) -> bool {
        self.district == Some("*")
    }
}

/// Which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More than expected.
    Rising,
    /// Less than expected.
    Falling,
    /// No difference that noise would not explain, or one too small to matter.
    Steady,
    /// Not enough history.
    Unknown,
}

impl Direction {
    /// All, in this order.
    const ALL: [Self; 4] = [Self::Rising, Self::Falling, Self::Steady, Self::Unknown];

    /// As the table shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rising => "rising",
            Self::Falling => "falling",
            Self::Steady => "steady",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why there is no comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The city's data does not reach back far enough.
    History,
    /// The whole city has no report in any earlier period.
    Earlier,
    /// The whole city has no report in the window, though many were expected.
    Now,
}

/// What is known of one cell in one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Position of the window in the input.
    pub window: usize,
    /// Position of the cell in the input.
    pub cell: usize,
    /// The window and the periods it is compared with.
    pub phase: Phase,
    /// Reports in the window.
    pub observed: u64,
    /// Earlier periods that were compared.
    pub compared: usize,
    /// Earlier periods that were left out because nothing came from the whole city.
    pub gaps: usize,
    /// What was expected; `None` without enough history, as are the next five.
    pub baseline: Option<Baseline>,
    /// The comparison.
    pub comparison: Option<Comparison>,
    /// The interval of the ratio.
    pub interval: Option<Interval>,
    /// False-discovery rate over the cells of the window.
    pub q_value: Option<f64>,
    /// The ratio drawn towards that of all cells of the window.
    pub shrunk: Option<Shrunk>,
    /// Why there is none.
    pub missing: Option<Missing>,
    /// Which way it goes.
    pub direction: Direction,
    /// Since when it rises or falls.
    pub since: Option<Timestamp>,
    /// When that was announced.
    pub announced_at: Option<Timestamp>,
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::{Float64, Int64, Utf8View};
    schema_of([
        column("window", Utf8View, false, "rolling window, for example '24 hours'"),
        column("district", Utf8View, true, "district; null is unknown, '*' the whole city"),
        column("topic", Utf8View, true, "topic; null is unknown"),
        column("observed", Int64, false, "reports in the window"),
        column(
            "expected",
            Float64,
            true,
            "reports that the same phase of earlier periods lets expect; null is explained in note",
        ),
        column("ratio", Float64, true, "observed / expected"),
        column("ratio_low", Float64, true, "lower end of the 95% interval of the ratio, noise of both sides included"),
        column("ratio_high", Float64, true, "upper end of the 95% interval of the ratio"),
        column("p_value", Float64, true, "two-sided p-value of no change, negative-binomial"),
        column("q_value", Float64, true, "false-discovery rate (Benjamini-Hochberg) over all cells of the window"),
        column("direction", Utf8View, false, "rising, falling, steady, or unknown where there is nothing to compare with"),
        column(
            "since",
            timestamp_type(),
            true,
            "last moment at which the window did not yet differ (to 1/24 of its length, at least 10 minutes); UTC",
        ),
        column(
            "announced_at",
            timestamp_type(),
            true,
            "first moment at which the change was evident by itself, the same for as long as it goes on; null is not yet, or too long ago; UTC",
        ),
        column("window_start", timestamp_type(), false, "start of the window, included; UTC"),
        column("window_end", timestamp_type(), false, "end of the window, excluded; UTC"),
        column(
            "periods",
            Int64,
            false,
            "earlier periods compared, a week or more apart: up to 12, or 52 weeks where the topic's season is known; the latest is left out from six on",
        ),
        column(
            "dispersion",
            Float64,
            true,
            "variance over mean allowed for, at least 1: of the earlier periods, moderated by the topic's other districts",
        ),
        column(
            "shrunk_ratio",
            Float64,
            true,
            "ratio drawn towards that of all cells (Gamma-Poisson); 1 observed for 0.1 expected is no tenfold rise",
        ),
        column("method", Utf8View, true, "same_phase: negative-binomial against the same phase of earlier weeks"),
        column("note", Utf8View, true, "why numbers are missing, or what was left out"),
    ])
});

/// The schema of [`rows`].
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The table, as [`trends`] orders it.
pub fn rows<S: CountSeries>(
    windows: &[TrendWindow<'_>],
    cells: &[TrendCell<'_, S>],
    first: Option<Timestamp>,
    config: &TrendConfig,
) -> Result<RecordBatch, ArrowError> {
    let trends = trends(windows, cells, first, config);
    table(windows, cells, first, &trends.iter().collect::<Vec<_>>())
}

/// The table of trends already computed from the same windows and cells.
pub fn table<S>(
    windows: &[TrendWindow<'_>],
    cells: &[TrendCell<'_, S>],
    first: Option<Timestamp>,
    trends: &[&Trend],
) -> Result<RecordBatch, ArrowError> {
    // What is missing is missing in all cells of a window.
    let notes: Vec<Option<String>> =
        (0..windows.len()).map(|window| note(trends.iter().find(|trend| trend.window == window)?, first)).collect();
    Columns::of(trends)
        .shared_text(windows.iter().map(|window| Some(window.name)), |trend| trend.window)?
        .shared_text(cells.iter().map(|cell| cell.district), |trend| trend.cell)?
        .shared_text(cells.iter().map(|cell| cell.topic), |trend| trend.cell)?
        .count(|trend| Some(trend.observed))
        .number(|trend| trend.baseline.map(|b| b.mean))
        .number(|trend| trend.comparison.map(|c| c.ratio))
        .interval(|trend| trend.interval)
        .number(|trend| trend.comparison.map(|c| c.p_value()))
        .number(|trend| trend.q_value)
        .shared_text(Direction::ALL.map(|direction| Some(direction.as_str())), |trend| trend.direction as usize)?
        .time(|trend| trend.since)
        .time(|trend| trend.announced_at)
        .time(|trend| Some(trend.phase.start))
        .time(|trend| Some(trend.phase.end))
        .count(|trend| Some(trend.compared as u64))
        .number(|trend| trend.baseline.map(|b| b.dispersion.value))
        .number(|trend| trend.shrunk.map(|s| s.mean))
        .shared_text([None, Some("same_phase")], |trend| usize::from(trend.baseline.is_some()))?
        .shared_text(notes.iter().map(Option::as_deref), |trend| trend.window)?
        .batch(schema())
}

fn note(trend: &Trend, first: Option<Timestamp>) -> Option<String> {
    match trend.missing {
        Some(Missing::History) => {
            let from = first.map_or("none".to_owned(), |first| format!("from {first} on"));
            let needed = trend.phase.needs_from();
            Some(format!("not enough history: comparing needs reports from {needed} on, there are reports {from}"))
        }
        Some(Missing::Earlier) => {
            Some("no report from the whole city in any earlier period: there is nothing to compare with".into())
        }
        Some(Missing::Now) => Some("no report from the whole city in this window: a source may be down".into()),
        None if trend.gaps > 0 => {
            let (gaps, periods) = (trend.gaps, trend.phase.periods);
            Some(format!("{gaps} of {periods} earlier periods without any report from the whole city were left out"))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
    use feedback::time::{DAY_US, HOUR_US};
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::series::Moments;

    const WEEK_US: i64 = 7 * DAY_US;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    /// `counts[i]` reports spread over the `i`-th week.
    fn weekly(counts: &[u64]) -> Moments {
        let week = |(i, n): (usize, u64)| (0..n as i64).map(move |k| at(i as i64 * WEEK_US + k * WEEK_US / n as i64));
        counts.iter().copied().enumerate().flat_map(week).collect()
    }

    fn seven_days(end_week: i64) -> [TrendWindow<'static>; 1] {
        [TrendWindow { name: "7 days", length_us: WEEK_US, end: at(end_week * WEEK_US) }]
    }

    fn cell<'a>(district: &'a str, topic: &'a str, series: &'a Moments) -> TrendCell<'a, &'a Moments> {
        TrendCell { district: Some(district), topic: Some(topic), series }
    }

    fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
        let column = batch.column_by_name(name).unwrap();
        column.as_string_view().iter().map(|text| text.map(str::to_owned)).collect()
    }

    fn floats(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
        batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().iter().collect()
    }

    #[test]
    fn rising_falling_steady_and_new() {
        let [up, down, flat, new] =
            [[10, 10, 10, 10, 10, 60], [60, 60, 60, 60, 60, 10], [20, 20, 20, 20, 20, 21], [0, 0, 0, 0, 0, 9]]
                .map(|c| weekly(&c));
        let cells = [cell("a", "roads", &up), cell("b", "roads", &down), cell("c", "roads", &flat), cell("d", "roads", &new)];
        let batch = rows(&seven_days(6), &cells, Some(at(0)), &TrendConfig::default()).unwrap();
        let words = |column| texts(&batch, column).into_iter().map(Option::unwrap).collect::<Vec<_>>();
        assert_eq!(words("direction"), ["rising", "falling", "steady", "rising"]);
        assert_eq!(words("method"), ["same_phase"; 4]);
        for (found, about) in floats(&batch, "expected").into_iter().zip([10.0, 60.0, 20.0, 0.1]) {
            assert!((found.unwrap() - about).abs() < 0.2, "{found:?} {about}");
        }
        assert!((floats(&batch, "ratio")[0].unwrap() - 6.0).abs() < 0.1);
        assert!(floats(&batch, "ratio_low")[3].unwrap() > 1.0);
        let since = batch.column_by_name("since").unwrap().as_primitive::<TimestampMicrosecondType>();
        assert!(since.value(0) > 5 * WEEK_US && since.value(0) < 6 * WEEK_US && since.is_null(2));
        let announced = batch.column_by_name("announced_at").unwrap().as_primitive::<TimestampMicrosecondType>();
        assert!(announced.value(0) > since.value(0) && announced.value(0) <= 6 * WEEK_US && announced.is_null(2));
    }

    #[test]
    fn short_history_is_said_and_silent_cells_are_left_out() {
        let (series, nothing) = (weekly(&[5, 5]), Moments::default());
        let cells = [cell("a", "roads", &series), cell("b", "roads", &nothing)];
        let end = at(2 * WEEK_US - HOUR_US);
        let windows = [TrendWindow { name: "7 days", length_us: WEEK_US, end }];
        let batch = rows(&windows, &cells, Some(at(0)), &TrendConfig::default()).unwrap();
        assert_eq!(batch.num_rows(), 1);
        assert_eq!(texts(&batch, "direction"), [Some("unknown".to_owned())]);
        let note = texts(&batch, "note")[0].clone().unwrap();
        assert!(note.starts_with("not enough history: comparing needs reports from 1969-12-31T23:00:00"), "{note}");
        assert_eq!((floats(&batch, "expected"), floats(&batch, "p_value")), (vec![None], vec![None]));
        let none = rows::<&Moments>(&seven_days(2), &[], None, &TrendConfig::default()).unwrap();
        assert_eq!(none.num_rows(), 0);
        // One earlier week is enough to say something, carefully.
        let batch = rows(&seven_days(2), &cells, Some(at(0)), &TrendConfig::default()).unwrap();
        assert_eq!(texts(&batch, "direction"), [Some("steady".to_owned())]);
        assert!(floats(&batch, "ratio_high")[0].unwrap() > 3.0);
    }

    #[test]
    fn a_cell_that_always_varies_needs_more() {
        let (wild, calm) = (weekly(&[2, 40, 5, 35, 1, 38, 4, 36, 45]), weekly(&[20, 21, 19, 20, 20, 22, 18, 20, 45]));
        let of = |series| trends(&seven_days(9), &[cell("a", "roads", series)], Some(at(0)), &TrendConfig::default());
        let (wild, calm) = (of(&wild)[0], of(&calm)[0]);
        assert_eq!((wild.direction, calm.direction), (Direction::Steady, Direction::Rising));
        let dispersion = |trend: Trend| trend.baseline.unwrap().dispersion.value;
        assert!(dispersion(wild) > 5.0 && dispersion(calm) < 1.5);
    }

    #[test]
    fn a_week_without_any_report_is_a_gap_and_not_a_quiet_week() {
        let city = weekly(&[50, 51, 0, 49, 52, 50, 48, 50, 50]);
        let of = |counts: &[u64], end| {
            let series = weekly(counts);
            rows(&seven_days(end), &[cell("*", "roads", &series)], Some(at(0)), &TrendConfig::default()).unwrap()
        };
        let batch = rows(&seven_days(9), &[cell("*", "roads", &city)], Some(at(0)), &TrendConfig::default()).unwrap();
        assert!((floats(&batch, "expected")[0].unwrap() - 50.0).abs() < 1.0);
        assert_eq!(
            texts(&batch, "note"),
            [Some("1 of 8 earlier periods without any report from the whole city were left out".to_owned())]
        );
        let down = of(&[50, 51, 49, 52, 50, 48, 50, 0], 8);
        assert_eq!(texts(&down, "direction"), [Some("unknown".to_owned())]);
        assert!(texts(&down, "note")[0].as_ref().unwrap().contains("a source may be down"));
    }

    #[test]
    fn one_report_is_no_trend() {
        let (city, new, usual) = (weekly(&[50; 9]), weekly(&[0, 0, 0, 0, 0, 0, 0, 0, 1]), weekly(&[5; 9]));
        let cells = [cell("*", "roads", &city), cell("a", "noise", &new), cell("b", "noise", &usual)];
        let batch = rows(&seven_days(9), &cells, Some(at(0)), &TrendConfig::default()).unwrap();
        assert_eq!(texts(&batch, "direction"), [(); 3].map(|()| Some("steady".to_owned())));
        assert!(floats(&batch, "shrunk_ratio")[1].unwrap() < 0.5 * floats(&batch, "ratio")[1].unwrap());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn order_changes_no_bit_and_intervals_hold(
            histories in prop::collection::vec(prop::collection::vec(0u64..30, 9), 1..12),
            turn in 0usize..12,
            hours in 0i64..48,
        ) {
            let series: Vec<Moments> = histories.iter().map(|h| weekly(h)).collect();
            let names: Vec<String> = (0..series.len()).map(|i| format!("d{i}")).collect();
            let mut cells: Vec<_> = series.iter().zip(&names).map(|(s, name)| cell(name, "noise", s)).collect();
            let windows = [
                TrendWindow { name: "24 hours", length_us: DAY_US, end: at(9 * WEEK_US - hours * HOUR_US) },
                seven_days(9)[0],
            ];
            let config = TrendConfig::default();
            let batch = rows(&windows, &cells, Some(at(0)), &config).unwrap();
            for trend in trends(&windows, &cells, Some(at(0)), &config) {
                let (Some(c), Some(interval)) = (trend.comparison, trend.interval) else { continue };
                prop_assert!(interval.contains(c.ratio) && trend.q_value.unwrap() >= c.p_value(), "{trend:?}");
            }
            cells.rotate_left(turn % names.len());
            prop_assert_eq!(rows(&windows, &cells, Some(at(0)), &config).unwrap(), batch);
        }
    }
}
