//! Table `trends`: what is rising and falling, district by topic, in every rolling window.
//!
//! Observed counts against the mean of the same phase of earlier periods, with an interval for the ratio that accounts for the
//! noise of both, an exact test, and the false-discovery rate over all cells of a window. See [`crate::statistics::same_phase`]
//! for which periods are compared and [`rate_ratio`](crate::statistics::poisson::rate_ratio) for the test.
//!
//! Known limits: phases are weeks of UTC, so local hours move against them by one at a change of daylight saving time; a source
//! that joined within the periods compared looks like a rise.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use feedback::Timestamp;
use feedback::schema::timestamp_type;

use super::columns::{count, number, text, time};
use super::{column, schema_of};
use crate::statistics::CountSeries;
use crate::statistics::benjamini_hochberg::q_values;
use crate::statistics::gamma_poisson::{Prior, Shrunk};
use crate::statistics::poisson::RateRatio;
use crate::statistics::same_phase::{Counts, MIN_PERIODS, Peers, Phase, since};

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

/// What is known of one cell in one window.
#[derive(Clone, Copy, Debug)]
pub struct Trend {
    /// Position of the window in the input.
    pub window: usize,
    /// Position of the cell in the input.
    pub cell: usize,
    /// The window and the periods it is compared with.
    pub phase: Phase,
    /// What was counted.
    pub counts: Counts,
    /// Variance over mean that was allowed for; `None` without enough history, as are the next four.
    pub dispersion: Option<f64>,
    /// The comparison.
    pub comparison: Option<RateRatio>,
    /// False-discovery rate over the cells of the window.
    pub q_value: Option<f64>,
    /// The ratio drawn towards that of all cells of the window.
    pub shrunk: Option<Shrunk>,
    /// Which way it goes.
    pub direction: Direction,
    /// Since when it rises or falls.
    pub since: Option<Timestamp>,
}

/// Compares every cell in every window. `first` is where the city's data begins: earlier periods count from there, so that a
/// cell without early reports has a history of zeros, not none.
///
/// Cells that hold nothing in a window and all its periods are left out. The result is ordered by window as given, district and
/// topic; the order of `cells` changes no bit of it.
pub fn trends<S: CountSeries>(
    windows: &[TrendWindow<'_>],
    cells: &[TrendCell<'_, S>],
    first: Option<Timestamp>,
    config: &TrendConfig,
) -> Vec<Trend> {
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_by_key(|&i| (cells[i].district, cells[i].topic));
    let mut trends = Vec::new();
    for (position, window) in windows.iter().enumerate() {
        let phase = Phase::new(window.end, window.length_us, first);
        trends.extend(window_trends(position, &phase, cells, &order, first, config));
    }
    trends
}

fn window_trends<S: CountSeries>(
    window: usize,
    phase: &Phase,
    cells: &[TrendCell<'_, S>],
    order: &[usize],
    first: Option<Timestamp>,
    config: &TrendConfig,
) -> Vec<Trend> {
    let counted: Vec<(usize, Counts)> =
        order.iter().map(|&cell| (cell, phase.count(&cells[cell].series))).filter(|(_, counts)| !counts.is_empty()).collect();
    let is_city = |cell: usize| cells[cell].district == Some("*");
    let kind = |cell: usize| (is_city(cell), cells[cell].topic);
    let mut peers: BTreeMap<_, Peers> = BTreeMap::new();
    for (cell, counts) in &counted {
        peers.entry(kind(*cell)).or_default().add(counts);
    }
    let in_districts = counted.iter().filter(|(cell, _)| !is_city(*cell));
    let prior = Prior::fit(in_districts.filter_map(|(_, counts)| Some((counts.observed, counts.expected()?))));

    let mut trends: Vec<Trend> = Vec::with_capacity(counted.len());
    for (cell, counts) in counted {
        let dispersion = counts.expected().map(|_| peers[&kind(cell)].dispersion(&counts));
        let comparison = dispersion.and_then(|dispersion| counts.compare(dispersion));
        let shrunk = counts.expected().and_then(|expected| Some(prior.as_ref()?.shrink(counts.observed, expected)));
        let direction = Direction::Unknown;
        trends.push(Trend {
            window,
            cell,
            phase: *phase,
            counts,
            dispersion,
            comparison,
            q_value: None,
            shrunk,
            direction,
            since: None,
        });
    }
    let p_values: Vec<f64> = trends.iter().map(|trend| trend.comparison.map_or(f64::NAN, |c| c.p_value)).collect();
    for (trend, q_value) in trends.iter_mut().zip(q_values(&p_values)) {
        trend.q_value = trend.comparison.map(|_| q_value);
        trend.direction = direction_of(trend, config);
        let rising = trend.direction == Direction::Rising;
        if rising || trend.direction == Direction::Falling {
            trend.since = Some(since(&cells[trend.cell].series, phase, first, rising, config.max_q_value));
        }
    }
    trends
}

fn direction_of(trend: &Trend, config: &TrendConfig) -> Direction {
    let (Some(comparison), Some(expected), Some(q_value)) = (trend.comparison, trend.counts.expected(), trend.q_value) else {
        return Direction::Unknown;
    };
    let change = trend.counts.observed as f64 - expected;
    if q_value > config.max_q_value || change.abs() < config.min_change {
        Direction::Steady
    } else if comparison.ratio >= config.min_ratio {
        Direction::Rising
    } else if comparison.ratio <= 1.0 / config.min_ratio {
        Direction::Falling
    } else {
        Direction::Steady
    }
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::{Float64, Int64, Utf8View};
    schema_of([
        column("window", Utf8View, false, "rolling window, for example '24 hours'"),
        column("district", Utf8View, true, "district; null is unknown, '*' the whole city"),
        column("topic", Utf8View, true, "topic; null is unknown"),
        column("observed", Int64, false, "reports in the window"),
        column("expected", Float64, true, "mean reports in the same phase of earlier periods; null is not enough history"),
        column("ratio", Float64, true, "observed / expected; null where nothing was expected or history is short"),
        column("ratio_low", Float64, true, "lower end of the 95% interval of the ratio, noise of both counts included"),
        column("ratio_high", Float64, true, "upper end of the 95% interval of the ratio; null is without bound"),
        column("p_value", Float64, true, "two-sided p-value of no change, conditional on the sum of both counts"),
        column("q_value", Float64, true, "false-discovery rate (Benjamini-Hochberg) over all cells of the window"),
        column("direction", Utf8View, false, "rising, falling, steady, or unknown where history is short"),
        column(
            "since",
            timestamp_type(),
            true,
            "last moment at which the window did not yet differ (to a twelfth of its length; looks back 28 lengths); UTC",
        ),
        column("window_start", timestamp_type(), false, "start of the window, included; UTC"),
        column("window_end", timestamp_type(), false, "end of the window, excluded; UTC"),
        column(
            "periods",
            Int64,
            false,
            "earlier periods compared: up to 8 weekly ones for windows up to 7 days, else up to 12 of the window's length",
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
        column("method", Utf8View, true, "exact_poisson, or quasi_poisson where counts vary more than Poisson's"),
        column("note", Utf8View, true, "why numbers are missing"),
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
    table(windows, cells, &trends(windows, cells, first, config))
}

/// The table of trends already computed from the same windows and cells.
pub fn table<S>(windows: &[TrendWindow<'_>], cells: &[TrendCell<'_, S>], trends: &[Trend]) -> Result<RecordBatch, ArrowError> {
    let notes: Vec<String> =
        (0..MIN_PERIODS).map(|n| format!("not enough history: {n} of {MIN_PERIODS} earlier periods")).collect();
    RecordBatch::try_new(
        schema(),
        vec![
            text(trends, |trend| Some(windows[trend.window].name)),
            text(trends, |trend| cells[trend.cell].district),
            text(trends, |trend| cells[trend.cell].topic),
            count(trends, |trend| Some(trend.counts.observed)),
            number(trends, |trend| trend.counts.expected()),
            number(trends, |trend| trend.comparison.map(|c| c.ratio)),
            number(trends, |trend| trend.comparison.map(|c| c.interval.low)),
            number(trends, |trend| trend.comparison.map(|c| c.interval.high)),
            number(trends, |trend| trend.comparison.map(|c| c.p_value)),
            number(trends, |trend| trend.q_value),
            text(trends, |trend| Some(trend.direction.as_str())),
            time(trends, |trend| trend.since),
            time(trends, |trend| Some(trend.phase.start)),
            time(trends, |trend| Some(trend.phase.end)),
            count(trends, |trend| Some(trend.phase.periods as u64)),
            number(trends, |trend| trend.dispersion),
            number(trends, |trend| trend.shrunk.map(|s| s.mean)),
            text(trends, method_of),
            text(trends, |trend| notes.get(trend.counts.periods).map(String::as_str)),
        ],
    )
}

fn method_of(trend: &Trend) -> Option<&str> {
    trend.dispersion.map(|dispersion| if dispersion > 1.0 { "quasi_poisson" } else { "exact_poisson" })
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
        assert_eq!(words("method"), ["exact_poisson"; 4]);
        assert_eq!(floats(&batch, "expected"), [Some(10.0), Some(60.0), Some(20.0), Some(0.0)]);
        assert_eq!(floats(&batch, "ratio")[..3], [Some(6.0), Some(10.0 / 60.0), Some(1.05)]);
        assert_eq!((floats(&batch, "ratio")[3], floats(&batch, "ratio_high")[3]), (None, None), "nothing was expected");
        assert!(floats(&batch, "ratio_low")[3].unwrap() > 1.0);
        let since = batch.column_by_name("since").unwrap().as_primitive::<TimestampMicrosecondType>();
        assert!(since.value(0) > 5 * WEEK_US && since.value(0) < 6 * WEEK_US && since.is_null(2));
    }

    #[test]
    fn short_history_is_said_and_silent_cells_are_left_out() {
        let (series, nothing) = (weekly(&[5, 5]), Moments::default());
        let cells = [cell("a", "roads", &series), cell("b", "roads", &nothing)];
        let batch = rows(&seven_days(2), &cells, Some(at(0)), &TrendConfig::default()).unwrap();
        assert_eq!(batch.num_rows(), 1);
        assert_eq!(texts(&batch, "direction"), [Some("unknown".to_owned())]);
        assert_eq!(texts(&batch, "note"), [Some("not enough history: 1 of 2 earlier periods".to_owned())]);
        assert_eq!((floats(&batch, "expected"), floats(&batch, "p_value")), (vec![None], vec![None]));
        let none = rows::<&Moments>(&seven_days(2), &[], None, &TrendConfig::default()).unwrap();
        assert_eq!(none.num_rows(), 0);
    }

    #[test]
    fn a_cell_that_always_varies_needs_more() {
        let (wild, calm) = (weekly(&[2, 40, 5, 35, 1, 38, 4, 36, 45]), weekly(&[20, 21, 19, 20, 20, 22, 18, 20, 45]));
        let of = |series| trends(&seven_days(9), &[cell("a", "roads", series)], Some(at(0)), &TrendConfig::default());
        let (wild, calm) = (of(&wild)[0], of(&calm)[0]);
        assert_eq!((wild.direction, calm.direction), (Direction::Steady, Direction::Rising));
        assert!(wild.dispersion > Some(5.0) && calm.dispersion == Some(1.0));
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
                let Some(c) = trend.comparison else { continue };
                prop_assert!(c.interval.contains(c.ratio) && trend.q_value.unwrap() >= c.p_value, "{trend:?}");
            }
            cells.rotate_left(turn % names.len());
            prop_assert_eq!(rows(&windows, &cells, Some(at(0)), &config).unwrap(), batch);
        }
    }
}
