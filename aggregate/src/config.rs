//! What a city can set, and the reference data it supplies.

use std::path::PathBuf;

use feedback::time::{DAY_US, HOUR_US, MINUTE_US};

use crate::cells::Width;
use crate::error::AggregateError;
use crate::incidents::IncidentConfig;
use crate::tables::allocation::AllocationConfig;
use crate::tables::priorities::PriorityConfig;
use crate::tables::service_levels::{DEFAULT_AGAIN_WITHIN_DAYS, DEFAULT_MIN_CASES};
use crate::tables::trends::TrendConfig;
use crate::tables::under_reporting::UnderReportingConfig;

pub use crate::reference::{District, Reference};

/// A rolling window: its name in the tables and its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowSpec {
    /// As analysts write it, for example `24 hours`.
    pub name: String,
    /// Length in microseconds; a whole number of its buckets (see [`WindowSpec::width`]).
    pub length_us: i64,
}

impl WindowSpec {
    /// A window of so many microseconds.
    pub fn new(name: &str, length_us: i64) -> Self {
        Self { name: name.to_owned(), length_us }
    }

    /// The buckets that it moves by: minutes up to a day, hours up to 28 days, days beyond.
    pub fn width(&self) -> Width {
        match self.length_us {
            length_us if length_us <= DAY_US => Width::Minute,
            length_us if length_us <= FOUR_WEEKS_US => Width::Hour,
            _ => Width::Day,
        }
    }
}

const FOUR_WEEKS_US: i64 = 28 * DAY_US;

/// Settings of the aggregating role.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How far behind the newest event of its partition an event may come without being late.
    pub allowed_disorder_us: i64,
    /// A partition that brought nothing for so long stops holding the watermark back.
    pub idle_after_us: i64,
    /// Reports older than this against the watermark leave memory (their day cells stay).
    pub retention_us: i64,
    /// How long minute cells are kept against the watermark; at least as long as every window that moves by minutes.
    pub minute_cells_us: i64,
    /// How long hour cells, and counts by the minute for trends, are kept; at least as long as every window that moves by hours.
    pub hour_cells_us: i64,
    /// How long day cells, and counts by the hour for trends, are kept; at least [`Config::retention_us`].
    pub day_cells_us: i64,
    /// The rolling windows.
    pub windows: Vec<WindowSpec>,
    /// When a difference is called a trend.
    pub trends: TrendConfig,
    /// How priorities are ranked.
    pub priorities: PriorityConfig,
    /// How plans are made.
    pub allocation: AllocationConfig,
    /// Fewest cases of which service levels show a median or a share.
    pub min_cases: u64,
    /// A case is reported again when the same topic comes up at the same place within so many days of its closing.
    pub again_within_days: u32,
    /// When reports are about the same thing.
    pub incidents: IncidentConfig,
    /// How reporting rates are estimated, and what is assumed of what nobody reports.
    pub under_reporting: UnderReportingConfig,
    /// Rows at which a segment is sealed: large enough to compress dictionaries, small enough to rewrite in milliseconds.
    pub segment_rows: usize,
    /// Shortest time between two published snapshots.
    pub publish_interval_us: i64,
    /// Identifies everything that was configured, for whoever traces a figure back; see table `provenance`.
    pub configuration_hash: String,
    /// Where checkpoints lie; `None` keeps none and starts from the log's beginning.
    pub checkpoint_dir: Option<PathBuf>,
    /// Time between checkpoints.
    pub checkpoint_interval_us: i64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allowed_disorder_us: 10 * MINUTE_US,
            idle_after_us: MINUTE_US,
            retention_us: 20 * 366 * DAY_US,
            minute_cells_us: 2 * DAY_US,
            hour_cells_us: 63 * DAY_US,
            day_cells_us: 20 * 366 * DAY_US,
            windows: vec![
                WindowSpec::new("1 hour", HOUR_US),
                WindowSpec::new("24 hours", DAY_US),
                WindowSpec::new("7 days", 7 * DAY_US),
                WindowSpec::new("28 days", FOUR_WEEKS_US),
            ],
            trends: TrendConfig::default(),
            priorities: PriorityConfig::default(),
            allocation: AllocationConfig::default(),
            min_cases: DEFAULT_MIN_CASES,
            again_within_days: DEFAULT_AGAIN_WITHIN_DAYS,
            incidents: IncidentConfig::default(),
            under_reporting: UnderReportingConfig::default(),
            segment_rows: 64 << 10,
            publish_interval_us: 50_000,
            configuration_hash: String::new(),
            checkpoint_dir: None,
            checkpoint_interval_us: 30_000_000,
        }
    }
}

impl Config {
    /// Whether the settings can work together.
    pub fn check(&self) -> Result<(), AggregateError> {
        let refuse = |problem: String| Err(AggregateError::Config { problem });
        for (name, value) in [
            ("retention_us", self.retention_us),
            ("minute_cells_us", self.minute_cells_us),
            ("hour_cells_us", self.hour_cells_us),
            ("day_cells_us", self.day_cells_us),
            ("publish_interval_us", self.publish_interval_us),
            ("checkpoint_interval_us", self.checkpoint_interval_us),
        ] {
            if value <= 0 {
                return refuse(format!("{name} is {value}: more than 0"));
            }
        }
        if self.allowed_disorder_us < 0 || self.idle_after_us < 0 {
            return refuse("allowed_disorder_us and idle_after_us are 0 or more".into());
        }
        if self.day_cells_us < self.retention_us {
            return refuse(format!("day_cells_us is {}: at least retention_us, {}", self.day_cells_us, self.retention_us));
        }
        self.priorities.check().map_err(|error| AggregateError::Config { problem: error.to_string() })?;
        self.allocation.check().map_err(|problem| AggregateError::Config { problem })?;
        if !(1..=1 << 20).contains(&self.segment_rows) {
            return refuse(format!("segment_rows is {}: between 1 and 1048576", self.segment_rows));
        }
        self.incidents.check().map_err(|problem| AggregateError::Config { problem })?;
        self.under_reporting.check().map_err(|problem| AggregateError::Config { problem })?;
        if !(1..=366).contains(&self.again_within_days) {
            return refuse(format!("again_within_days is {}: between 1 and 366", self.again_within_days));
        }
        for window in &self.windows {
            let (width_us, kept_us) = (window.width().micros(), self.kept_us(window.width()));
            if window.length_us <= 0 || window.length_us % width_us != 0 {
                return refuse(format!("window `{}` is {} us long: a multiple of {width_us}", window.name, window.length_us));
            }
            if kept_us < window.length_us.saturating_add(width_us) {
                return refuse(format!(
                    "window `{}` needs cells for {} us, kept are {kept_us}",
                    window.name,
                    window.length_us + width_us
                ));
            }
        }
        Ok(())
    }

    /// How long cells of a width are kept.
    pub fn kept_us(&self, width: Width) -> i64 {
        match width {
            Width::Minute => self.minute_cells_us,
            Width::Hour => self.hour_cells_us,
            Width::Day => self.day_cells_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_and_contradictions_are_named() {
        Config::default().check().unwrap();
        let short = Config { minute_cells_us: HOUR_US, ..Config::default() };
        assert!(short.check().unwrap_err().to_string().contains("`1 hour`"));
        let odd = Config { windows: vec![WindowSpec::new("odd", MINUTE_US + 1)], ..Config::default() };
        assert!(odd.check().is_err());
    }
}
