//! What a table is asked for: which window, ending where.

use std::str::FromStr;

use feedback::Timestamp;
use feedback::time::{DAY_US, HOUR_US, MINUTE_US};

use crate::config::WindowSpec;
use crate::error::AggregateError;

/// What `windows`, `trends`, `tone_shifts`, `priorities` or `allocation` are asked for. The default asks for the tables as they stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// Only this window, configured or not; every configured one where none is named.
    pub window: Option<WindowSpec>,
    /// Where windows end; the watermark where nothing is given.
    pub as_of: Option<Timestamp>,
    /// For `priorities` and `allocation`: weights as [`PriorityWeights::parse`](crate::tables::priorities::PriorityWeights::parse)
    /// reads them, in place of the configured ones.
    pub weights: Option<String>,
    /// For `priorities`: how many places the top has, in place of the configured number.
    pub top_k: Option<usize>,
    /// For `allocation`: the money that there is.
    pub total: Option<f64>,
}

/// The longest window that can be asked for. Bounds what one question makes the cells add up.
pub const MAX_WINDOW_US: i64 = 366 * DAY_US;

/// Units of a length as they are written, the last one of each being how tables write it.
const UNITS: &[(&[&str], i64)] = &[
    (&["m", "min", "mins", "minute", "minutes"], MINUTE_US),
    (&["h", "hr", "hrs", "hour", "hours"], HOUR_US),
    (&["d", "day", "days"], DAY_US),
    (&["w", "week", "weeks"], 7 * DAY_US),
];

impl FromStr for WindowSpec {
    type Err = AggregateError;

    /// Reads `24 hours`, `90 minutes`, `7 days`, `4 weeks` or short `24h`, `28d`; names it as tables write it.
    fn from_str(text: &str) -> Result<Self, AggregateError> {
        let refuse = |why: &str| AggregateError::Window {
            written: text.to_owned(),
            problem: format!("{why}: write it as '24 hours', '90 minutes' or '7 days'"),
        };
        let lower = text.trim().to_lowercase();
        let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
        let number: i64 = lower[..digits].parse().map_err(|_| refuse("it does not begin with a whole number"))?;
        let written = lower[digits..].trim();
        let (names, unit_us) =
            UNITS.iter().find(|(names, _)| names.contains(&written)).ok_or_else(|| refuse("its unit is not known"))?;
        let length_us = number.checked_mul(*unit_us).filter(|length_us| *length_us <= MAX_WINDOW_US);
        let length_us = length_us.ok_or_else(|| refuse("it is longer than 366 days"))?;
        let unit = names[names.len() - if number == 1 { 2 } else { 1 }];
        Self::of_length(length_us, format!("{number} {unit}")).map_err(|problem| refuse(&problem))
    }
}

impl WindowSpec {
    /// A window of a length that its buckets can make up; otherwise why not.
    fn of_length(length_us: i64, name: String) -> Result<Self, String> {
        let spec = Self { name, length_us };
        let width = spec.width();
        if length_us <= 0 {
            Err("it has no length".to_owned())
        } else if length_us % width.micros() != 0 {
            Err(format!("a window of this length moves by the {} and must be a whole number of them", width.as_str()))
        } else {
            Ok(spec)
        }
    }

    /// From a length in microseconds, for callers that have no text: named in the largest unit that divides it.
    pub fn from_micros(length_us: i64) -> Result<Self, AggregateError> {
        let units = [("day", DAY_US), ("hour", HOUR_US), ("minute", MINUTE_US)];
        let (unit, unit_us) = units.into_iter().find(|(_, unit_us)| length_us % unit_us == 0).unwrap_or(("minute", MINUTE_US));
        // A day is written as its hours, as the configured window is.
        let (unit, unit_us) = if length_us == DAY_US { ("hour", HOUR_US) } else { (unit, unit_us) };
        let number = length_us / unit_us;
        if length_us % unit_us != 0 {
            let problem = "it is no whole number of minutes".to_owned();
            return Err(AggregateError::Window { written: format!("{length_us} microseconds"), problem });
        }
        format!("{number} {unit}{}", if number == 1 { "" } else { "s" }).parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_in_the_usual_spellings() {
        let read = |text: &str| text.parse::<WindowSpec>().map(|spec| (spec.name, spec.length_us)).unwrap();
        assert_eq!(read("24 hours"), ("24 hours".to_owned(), DAY_US));
        assert_eq!(read(" 24H "), read("24 hours"));
        assert_eq!(read("1h"), ("1 hour".to_owned(), HOUR_US));
        assert_eq!(read("28d"), ("28 days".to_owned(), 28 * DAY_US));
        assert_eq!(read("90 min"), ("90 minutes".to_owned(), 90 * MINUTE_US));
        assert_eq!(WindowSpec::from_micros(3 * HOUR_US).unwrap(), WindowSpec::new("3 hours", 3 * HOUR_US));
        assert_eq!(WindowSpec::from_micros(DAY_US).unwrap(), WindowSpec::new("24 hours", DAY_US));
    }

    #[test]
    fn what_is_no_length_is_said() {
        for (text, why) in [
            ("", "whole number"),
            ("day", "whole number"),
            ("-3 hours", "whole number"),
            ("3 moons", "unit"),
            ("3", "unit"),
            ("0 hours", "no length"),
            ("1441 minutes", "moves by the hour"),
            ("673 hours", "moves by the day"),
            ("367 days", "366 days"),
            ("99999999999999999999 days", "whole number"),
            ("9223372036854775807 days", "366 days"),
        ] {
            let error = text.parse::<WindowSpec>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(WindowSpec::from_micros(1).is_err() && WindowSpec::from_micros(0).is_err());
    }
}
