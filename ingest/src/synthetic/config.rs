//! What a synthetic city is made of.

use feedback::Timestamp;
use feedback::id::is_valid_source;
use feedback::time::{DAY_US, HOUR_US, SECOND_US};
use serde::Deserialize;

use super::city::MAX_DISTRICTS;
use crate::source::SourceError;

/// The parameters of a synthetic city. Same parameters, same records, byte for byte.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyntheticConfig {
    /// The source's name: the first part of every id.
    pub name: String,
    /// Everything random follows from it.
    pub seed: u64,
    /// The first simulated moment; rounded down to the hour.
    pub start: Timestamp,
    /// Reports (first and further ones, bursts left out) per simulated second that the whole city sends on average.
    pub rate: f64,
    /// How many districts, 1 to [`MAX_DISTRICTS`].
    pub districts: u32,
    /// How many of them, the poorest, report far less than they have reason to.
    pub under_reporting: u32,
    /// South-west corner of the city, degrees north.
    pub origin_lat: f64,
    /// South-west corner of the city, degrees east.
    pub origin_lon: f64,
    /// Within this many seconds after it happened, nearly everything arrives, in no particular order.
    pub disorder_s: u32,
    /// Share of records that arrive an hour to three days after they happened.
    pub very_late_share: f64,
    /// How many bursts begin in an average week.
    pub bursts_per_week: f64,
    /// Share of reports that are edited later.
    pub edited_share: f64,
    /// Share of reports that are erased later.
    pub erased_share: f64,
    /// Share of messages with personal data in the text.
    pub personal_share: f64,
}

impl Default for SyntheticConfig {
    fn default() -> Self {
        Self {
            name: "synthetic".into(),
            seed: 1,
            start: Timestamp::from_secs(1_767_225_600),
            rate: 0.2,
            districts: 24,
            under_reporting: 4,
            origin_lat: 42.30,
            origin_lon: -71.15,
            disorder_s: 600,
            very_late_share: 0.003,
            bursts_per_week: 6.0,
            edited_share: 0.03,
            erased_share: 0.003,
            personal_share: 0.03,
        }
    }
}

/// Highest report rate, per simulated second: a minute's reports are held in memory.
pub const MAX_RATE: f64 = 20_000.0;

impl SyntheticConfig {
    /// Refuses what cannot be simulated.
    pub fn check(&self) -> Result<(), SourceError> {
        let share = |value: f64| (0.0..=0.5).contains(&value);
        let years = (0, 130 * 365 * DAY_US);
        let problem = if !is_valid_source(&self.name) || self.name.len() > 64 {
            "name: use 1 to 64 lower-case letters, digits, `_` or `-`"
        } else if !(1..=MAX_DISTRICTS).contains(&self.districts) || self.under_reporting > self.districts {
            "districts: 1 to 512, of which at most all under-report"
        } else if !(self.rate > 0.0 && self.rate <= MAX_RATE) {
            "rate: above 0 and at most 20,000 reports per simulated second"
        } else if !(years.0..years.1).contains(&self.start.micros()) {
            "start: between 1970 and 2099"
        } else if !((-80.0..=75.0).contains(&self.origin_lat) && (-170.0..=160.0).contains(&self.origin_lon)) {
            "origin_lat -80 to 75, origin_lon -170 to 160 degrees, so that the city stays on the map"
        } else if !(1..=43_200).contains(&self.disorder_s) {
            "disorder_s: 1 to 43,200"
        } else if !(0.0..=1_000.0).contains(&self.bursts_per_week) {
            "bursts_per_week: 0 to 1,000"
        } else if ![self.very_late_share, self.edited_share, self.erased_share, self.personal_share].into_iter().all(share) {
            "very_late_share, edited_share, erased_share and personal_share: 0 to 0.5"
        } else {
            return Ok(());
        };
        Err(SourceError::unusable("the synthetic city cannot be built", problem))
    }

    /// The first simulated moment, on the hour, in microseconds.
    pub(super) fn start_us(&self) -> i64 {
        self.start.floor(HOUR_US).micros()
    }

    /// Names everything that decides the records: two cities with the same print send the same.
    pub fn fingerprint(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(format!("1 {self:?}").as_bytes())
    }

    pub(super) fn disorder_us(&self) -> f64 {
        f64::from(self.disorder_s) * SECOND_US as f64
    }
}
