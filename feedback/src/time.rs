//! Event time: UTC microseconds, and the one clock that the rest of the system is handed.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::FeedbackError;

/// A moment in UTC, in microseconds since 1970-01-01T00:00:00Z.
///
/// In JSON it is an RFC 3339 string; in Arrow it is `Timestamp(Microsecond, "UTC")`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(with = "DateTimeString")]
pub struct Timestamp(i64);

/// An RFC 3339 date and time, for example `2026-03-20T09:00:00Z`.
#[derive(JsonSchema)]
#[schemars(transparent)]
#[allow(dead_code, reason = "only its JSON Schema is used")]
struct DateTimeString(#[schemars(extend("format" = "date-time"))] String);

/// Microseconds in one second.
pub const SECOND_US: i64 = 1_000_000;
/// Microseconds in one minute.
pub const MINUTE_US: i64 = 60 * SECOND_US;
/// Microseconds in one hour.
pub const HOUR_US: i64 = 60 * MINUTE_US;
/// Microseconds in one day.
pub const DAY_US: i64 = 24 * HOUR_US;

impl Timestamp {
    /// The earliest moment, before every report.
    pub const MIN: Self = Self(i64::MIN);

    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole seconds since the Unix epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(SECOND_US))
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// This moment moved by `micros`, clamped at the ends of the range.
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// The start of the bucket of `width_us` that holds this moment (also before 1970).
    pub const fn floor(self, width_us: i64) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(width_us)))
    }

    /// As a chrono date, if the calendar reaches that far.
    pub fn to_datetime(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0)
    }
}

impl<Tz: chrono::TimeZone> From<DateTime<Tz>> for Timestamp {
    fn from(datetime: DateTime<Tz>) -> Self {
        Self(datetime.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_datetime() {
            Some(datetime) => f.write_str(&datetime.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{}us", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = FeedbackError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text.trim())
            .map(Self::from)
            .map_err(|_| FeedbackError::Time { text: text.chars().take(64).collect() })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where "now" comes from. Handed in everywhere, so that a test moves time by hand.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock: the only place in the workspace that asks for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    fn now(&self) -> Timestamp {
        Utc::now().into()
    }
}

/// A clock that stands still until told otherwise.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.micros()))
    }

    /// Moves the clock to `now`.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let moment: Timestamp = "2011-08-28T09:30:00.25-04:00".parse().unwrap();
        assert_eq!(moment.to_string(), "2011-08-28T13:30:00.250Z");
        assert_eq!(serde_json::to_string(&moment).unwrap(), "\"2011-08-28T13:30:00.250Z\"");
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn floor_rounds_towards_the_past_on_both_sides_of_the_epoch() {
        assert_eq!(Timestamp(HOUR_US + 1).floor(HOUR_US), Timestamp(HOUR_US));
        assert_eq!(Timestamp(-1).floor(HOUR_US), Timestamp(-HOUR_US));
        assert_eq!(Timestamp::MIN.floor(HOUR_US), Timestamp::MIN);
    }
}
