//! Reading the times that exports hold: many spellings, mostly in the city's own local time.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use feedback::Timestamp;

/// How a column spells its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2011-07-01 01:32:33`, with `T`, fraction, `Z` or offset where present; a date alone is its midnight.
    Iso,
    /// Month first: `02/28/2023 11:45:00 PM`, `10/21/18 0:59`, `1/2/2018`. Two digits of a year mean 1969 to 2068.
    Us,
    /// Seconds since 1970-01-01T00:00:00Z, with or without fraction.
    Unix,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    UnixMs,
    /// A strftime pattern, for example `%d.%m.%Y %H:%M`.
    Pattern(String),
}

/// What a text turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A moment.
    At(Timestamp),
    /// A date that means "none": the year 1901 or before, or 9000 or after (1900-01-01, 9999-12-31).
    Placeholder,
}

/// Reads times that are local to a zone unless they carry an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeReader {
    zone: Tz,
    formats: Vec<TimeFormat>,
}

impl std::str::FromStr for TimeFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "iso" => Ok(Self::Iso),
            "us" => Ok(Self::Us),
            "unix" => Ok(Self::Unix),
            "unix_ms" => Ok(Self::UnixMs),
            pattern if pattern.contains('%') => {
                let broken = chrono::format::StrftimeItems::new(pattern).any(|item| item == chrono::format::Item::Error);
                if broken { Err(format!("`{pattern}` is not a strftime pattern")) } else { Ok(Self::Pattern(pattern.into())) }
            }
            other => {
                Err(format!("`{other}` is not a time format: use iso, us, unix, unix_ms, or a pattern such as %d.%m.%Y %H:%M"))
            }
        }
    }
}

impl TimeReader {
    /// A reader that tries the formats in order.
    pub fn new(zone: Tz, formats: impl Into<Vec<TimeFormat>>) -> Self {
        Self { zone, formats: formats.into() }
    }

    /// The moment that `text` names, or nothing if no format fits.
    pub fn read(&self, text: &str) -> Option<Moment> {
        self.formats.iter().find_map(|format| self.read_as(format, text.trim()))
    }

    fn read_as(&self, format: &TimeFormat, text: &str) -> Option<Moment> {
        match format {
            TimeFormat::Iso => {
                let mut scan = Scan(text.as_bytes());
                let date = iso_date(&mut scan)?;
                self.with_time_of_day(date, scan)
            }
            TimeFormat::Us => {
                let mut scan = Scan(text.as_bytes());
                let date = us_date(&mut scan)?;
                self.with_time_of_day(date, scan)
            }
            TimeFormat::Unix => {
                let seconds: f64 = text.parse().ok()?;
                (seconds.abs() < 1e12).then(|| Moment::At(Timestamp::from_micros((seconds * 1e6).round() as i64)))
            }
            TimeFormat::UnixMs => {
                let millis: i64 = text.parse().ok()?;
                Some(Moment::At(Timestamp::from_micros(millis.checked_mul(1_000)?)))
            }
            TimeFormat::Pattern(pattern) => {
                if let Ok(moment) = DateTime::parse_from_str(text, pattern) {
                    return Some(Moment::At(moment.into()));
                }
                let local = NaiveDateTime::parse_from_str(text, pattern)
                    .or_else(|_| NaiveDate::parse_from_str(text, pattern).map(|date| date.and_time(NaiveTime::MIN)));
                Some(self.local(local.ok()?))
            }
        }
    }

    /// `[T| ]HH:MM[:SS[.fraction]] [AM|PM] [Z|offset]` to the end of the text.
    fn with_time_of_day(&self, date: NaiveDate, mut scan: Scan<'_>) -> Option<Moment> {
        if scan.is_empty() {
            return Some(self.local(date.and_time(NaiveTime::MIN)));
        }
        if !scan.eat(b'T') && !scan.eat(b' ') {
            return None;
        }
        scan.spaces();
        let mut hour = scan.number(1, 2)?;
        scan.expect(b':')?;
        let minute = scan.number(2, 2)?;
        let (mut second, mut micro) = (0, 0);
        if scan.eat(b':') {
            second = scan.number(2, 2)?;
            if scan.eat(b'.') {
                micro = scan.fraction_us()?;
            }
        }
        scan.spaces();
        if let Some(afternoon) = scan.meridiem() {
            hour = match hour {
                12 => 0,
                1..12 => hour,
                _ => return None,
            } + if afternoon { 12 } else { 0 };
            scan.spaces();
        }
        // A leap second is the last microsecond of its minute: later than the second before, never in the next minute.
        let (second, micro) = if second == 60 { (59, 999_999) } else { (second, micro) };
        let local = date.and_time(NaiveTime::from_hms_micro_opt(hour, minute, second, micro)?);
        if scan.is_empty() {
            return Some(self.local(local));
        }
        let offset_s = scan.offset_s()?;
        if !scan.is_empty() {
            return None;
        }
        if is_placeholder(local) {
            return Some(Moment::Placeholder);
        }
        Some(Moment::At(Timestamp::from(local.and_utc()).plus_micros(-i64::from(offset_s) * 1_000_000)))
    }

    /// Local time to UTC. When clocks go back an hour happens twice: the first is meant. When they go forward an hour does not
    /// happen: the time is read by the clock that was not yet put forward, so it lands as far behind the jump as it was written.
    fn local(&self, local: NaiveDateTime) -> Moment {
        if is_placeholder(local) {
            return Moment::Placeholder;
        }
        let utc = match self.zone.from_local_datetime(&local).earliest() {
            Some(moment) => moment.naive_utc(),
            None => {
                let before = self.zone.offset_from_local_datetime(&(local - TimeDelta::hours(3))).earliest();
                local - TimeDelta::seconds(before.map_or(0, |offset| i64::from(offset.fix().local_minus_utc())))
            }
        };
        Moment::At(utc.and_utc().into())
    }
}

fn is_placeholder(local: NaiveDateTime) -> bool {
    local.year() <= 1901 || local.year() >= 9000
}

fn iso_date(scan: &mut Scan<'_>) -> Option<NaiveDate> {
    let year = scan.number(4, 4)?;
    scan.expect(b'-')?;
    let month = scan.number(1, 2)?;
    scan.expect(b'-')?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, scan.number(1, 2)?)
}

fn us_date(scan: &mut Scan<'_>) -> Option<NaiveDate> {
    let month = scan.number(1, 2)?;
    scan.expect(b'/')?;
    let day = scan.number(1, 2)?;
    scan.expect(b'/')?;
    let left = scan.0.len();
    let mut year = scan.number(2, 4)?;
    match left - scan.0.len() {
        2 => year += if year < 69 { 2000 } else { 1900 },
        4 => {}
        _ => return None,
    }
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

/// A cursor over the bytes of a time.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let matches = self.0.first() == Some(&byte);
        self.0 = &self.0[usize::from(matches)..];
        matches
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    fn spaces(&mut self) {
        while self.eat(b' ') {}
    }

    /// A number of `least` to `most` digits (`most` at most 9).
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let digits = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if digits < least {
            return None;
        }
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        Some(number.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
    }

    /// Digits behind the point, as microseconds; what is finer is cut off.
    fn fraction_us(&mut self) -> Option<u32> {
        let left = self.0.len();
        let value = self.number(1, 6)?;
        let digits = left - self.0.len();
        while self.0.first().is_some_and(u8::is_ascii_digit) {
            self.0 = &self.0[1..];
        }
        Some(value * 10_u32.pow(6 - digits as u32))
    }

    /// Whether an `AM` or `PM` stands here, and if so whether it is `PM`.
    fn meridiem(&mut self) -> Option<bool> {
        let afternoon = match self.0.get(..2)?.to_ascii_uppercase().as_slice() {
            b"AM" => false,
            b"PM" => true,
            _ => return None,
        };
        self.0 = &self.0[2..];
        Some(afternoon)
    }

    /// `Z`, `UTC`, `+00`, `-0400` or `+05:30`, in seconds east of UTC.
    fn offset_s(&mut self) -> Option<i32> {
        if self.eat(b'Z') || self.eat(b'z') {
            return Some(0);
        }
        if let Some(rest) = self.0.strip_prefix(b"UTC") {
            self.0 = rest;
            return Some(0);
        }
        let sign = match self.0.first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.0 = &self.0[1..];
        let hours = self.number(2, 2)?;
        let minutes = if self.eat(b':') || !self.is_empty() { self.number(2, 2)? } else { 0 };
        (hours <= 18 && minutes < 60).then(|| sign * (hours * 3_600 + minutes * 60) as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<String> {
        let reader = TimeReader::new(chrono_tz::America::New_York, [TimeFormat::Iso, TimeFormat::Us]);
        reader.read(text).map(|moment| match moment {
            Moment::At(at) => at.to_string(),
            Moment::Placeholder => "placeholder".into(),
        })
    }

    #[test]
    fn the_spellings_of_the_portals() {
        for (text, utc) in [
            ("2011-07-01 01:32:33", "2011-07-01T05:32:33Z"),
            ("2026-03-20 09:00:00+00", "2026-03-20T09:00:00Z"),
            ("2026-03-20T09:00:00.5-04:00", "2026-03-20T13:00:00.500Z"),
            ("2026-03-20T09:00:00Z", "2026-03-20T09:00:00Z"),
            ("2011-01-02", "2011-01-02T05:00:00Z"),
            ("02/28/2023 11:45:00 PM", "2023-03-01T04:45:00Z"),
            ("02/28/2023 12:05:00 AM", "2023-02-28T05:05:00Z"),
            ("02/28/2023 12:05:00 PM", "2023-02-28T17:05:00Z"),
            ("10/21/18 0:59", "2018-10-21T04:59:00Z"),
            ("1/2/2018", "2018-01-02T05:00:00Z"),
            ("2016-12-31 23:59:60Z", "2016-12-31T23:59:59.999999Z"),
            ("9999-12-31 00:00:00", "placeholder"),
            ("01/01/1900 12:00:00 AM", "placeholder"),
            ("9999-12-31T00:00:00Z", "placeholder"),
        ] {
            assert_eq!(read(text).as_deref(), Some(utc), "{text}");
        }
        for text in [
            "",
            "true",
            "2011-13-01 00:00",
            "2011-07-01 25:00",
            "2011-07-01 01:32:33 foo",
            "13:00 PM",
            "07/01/2011 13:00 PM",
            "1/2/018",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn an_hour_that_happens_twice_is_the_first_and_one_that_does_not_is_carried_over_the_jump() {
        assert_eq!(read("2011-11-06 01:30:00").unwrap(), "2011-11-06T05:30:00Z", "still daylight time");
        assert_eq!(read("2011-03-13 02:30:00").unwrap(), "2011-03-13T07:30:00Z", "03:30 daylight time");
    }

    #[test]
    fn a_city_may_bring_its_own_formats() {
        let formats: Vec<TimeFormat> =
            ["%d.%m.%Y %H:%M", "%d.%m.%Y", "unix", "unix_ms"].iter().map(|f| f.parse().unwrap()).collect();
        let reader = TimeReader::new(chrono_tz::Europe::Berlin, formats);
        let at = |text: &str| match reader.read(text) {
            Some(Moment::At(at)) => at.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(at("20.03.2026 09:00"), "2026-03-20T08:00:00Z");
        assert_eq!(at("20.03.2026"), "2026-03-19T23:00:00Z");
        assert_eq!(at("1300000000"), "2011-03-13T07:06:40Z");
        assert!("german".parse::<TimeFormat>().is_err() && "%Q %".parse::<TimeFormat>().is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".{0,40}") {
            let _ = read(&text);
        }

        #[test]
        fn every_utc_second_survives_its_local_spelling_up_to_the_doubled_hour(secs in 0_i64..4_000_000_000) {
            let zone = chrono_tz::America::New_York;
            let local = zone.timestamp_opt(secs, 0).unwrap();
            let text = local.format("%Y-%m-%d %H:%M:%S").to_string();
            let Some(Moment::At(at)) = TimeReader::new(zone, [TimeFormat::Iso]).read(&text) else { panic!("{text}") };
            let off = secs * 1_000_000 - at.micros();
            prop_assert!(off == 0 || off == 3_600_000_000, "{} {}", text, off);
        }
    }
}
