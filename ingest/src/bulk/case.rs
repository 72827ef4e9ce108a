//! The life of a case as one row tells it: opened, due, changed, closed with a reason. Common to all tables of cases.

use chrono_tz::Tz;
use feedback::time::DAY_US;
use feedback::{Channel, Feedback, FeedbackId, Report, SCHEMA_VERSION, Status, StatusEvent, Timestamp};

use super::layout::{Conversion, Fact, RowError};
use super::time::{Moment, TimeFormat, TimeReader};

/// The zone of Boston and New York.
pub const EASTERN: Tz = chrono_tz::America::New_York;

/// How far ahead of the import's clock a moment may lie: clocks differ, and days end at different hours.
const TOLERATED_AHEAD_US: i64 = DAY_US;

/// What a row says, before it is weighed. Times are the row's texts.
#[derive(Debug)]
pub struct Case<'a> {
    /// `source:native-id`.
    pub id: FeedbackId,
    /// When it was opened.
    pub opened: Option<&'a str>,
    /// When it should be done.
    pub due: Option<&'a str>,
    /// When it was closed.
    pub closed: Option<&'a str>,
    /// When the row was last changed, where the table says so.
    pub updated: Option<&'a str>,
    /// When the city first answered, where the table says so.
    pub answered: Option<&'a str>,
    /// Where it stands.
    pub status: Option<Status>,
    /// What the city said on closing.
    pub reason: Option<String>,
    /// Degrees north.
    pub lat: Option<&'a str>,
    /// Degrees east.
    pub lon: Option<&'a str>,
    /// A point that means "unknown" in this table.
    pub default_point: Option<(f64, f64)>,
}

impl Case<'_> {
    /// Weighs the row and pushes a report, and a status event when it was closed at a known moment. `fill` adds what needs no
    /// weighing (category, title, district and so on).
    ///
    /// # Errors
    /// No readable opening time, coordinates off the planet, or a field too long.
    pub fn into_records(
        self,
        times: &TimeReader,
        conversion: &mut Conversion,
        fill: impl FnOnce(&mut Report),
    ) -> Result<(), RowError> {
        let latest = conversion.now.plus_micros(TOLERATED_AHEAD_US);
        let opened = self.opened(times, latest)?;
        let facts = &mut conversion.facts;
        let mut past = |text: Option<&str>| match optional(times, text, facts) {
            Some(at) if at > latest => {
                facts.note(Fact::InTheFuture);
                None
            }
            at => at,
        };
        let updated = past(self.updated);
        let answered = past(self.answered);
        let mut closed = past(self.closed);
        let due_at = optional(times, self.due, facts);
        let touched = [closed, updated, answered].into_iter().flatten().max();

        if closed.is_some_and(|closed| closed < opened) {
            facts.note(Fact::ClosedBeforeOpened);
            closed = updated.filter(|updated| *updated >= opened);
        }
        let status = self.status.or(closed.is_some().then_some(Status::Closed));
        match (status, closed) {
            (Some(Status::Closed), None) => facts.note(Fact::ClosedWithoutTime),
            (Some(status), Some(_)) if status.is_open() => {
                facts.note(Fact::ClosingTimeOnOpenCase);
                closed = None;
            }
            _ => {}
        }

        let mut report = Report::new(self.id, opened);
        report.updated_at = touched.map_or(opened, |touched| touched.max(opened)).max(closed.unwrap_or(opened));
        report.received_at = conversion.now;
        report.status = status;
        report.due_at = due_at;
        report.first_answer_at = answered.filter(|answered| *answered >= opened);
        report.closed_at = closed;
        if let Some((lat, lon)) = point(self.lat, self.lon, self.default_point, facts)? {
            (report.lat, report.lon) = (Some(lat), Some(lon));
        }
        fill(&mut report);

        let closing = closed.map(|at| {
            Feedback::Status(StatusEvent {
                schema_version: SCHEMA_VERSION,
                id: report.id.clone(),
                at,
                received_at: conversion.now,
                status: Status::Closed,
                reason: self.reason,
                agency: report.agency.clone(),
            })
        });
        let report = Feedback::Report(report);
        for record in std::iter::once(&report).chain(&closing) {
            record.check().map_err(|error| RowError(error.to_string()))?;
        }
        conversion.records.push(report);
        conversion.records.extend(closing);
        Ok(())
    }

    fn opened(&self, times: &TimeReader, latest: Timestamp) -> Result<Timestamp, RowError> {
        let Some(text) = self.opened else { return Err(RowError("no time of opening".into())) };
        match times.read(text) {
            Some(Moment::At(at)) if at <= latest => Ok(at),
            Some(Moment::At(_)) => Err(RowError(format!("opened at `{}`, which is in the future", excerpt(text)))),
            Some(Moment::Placeholder) => Err(RowError(format!("opened at `{}`, which is no real date", excerpt(text)))),
            None => Err(RowError(format!("`{}` is not a time of opening that this format knows", excerpt(text)))),
        }
    }
}

/// An optional time: what cannot be read is unknown, and counted.
fn optional(times: &TimeReader, text: Option<&str>, facts: &mut super::layout::Facts) -> Option<Timestamp> {
    match times.read(text?) {
        Some(Moment::At(at)) => return Some(at),
        Some(Moment::Placeholder) => facts.note(Fact::PlaceholderTime),
        None => facts.note(Fact::UnreadableTime),
    }
    None
}

/// The point, unless it means "unknown".
fn point(
    lat: Option<&str>,
    lon: Option<&str>,
    default_point: Option<(f64, f64)>,
    facts: &mut super::layout::Facts,
) -> Result<Option<(f64, f64)>, RowError> {
    let (lat, lon) = match (lat, lon) {
        (Some(lat), Some(lon)) => (degrees("latitude", lat, 90.0)?, degrees("longitude", lon, 180.0)?),
        (None, None) => return Ok(None),
        _ => {
            facts.note(Fact::HalfAPoint);
            return Ok(None);
        }
    };
    // Exports round to four decimals or more: half a unit of the fourth is the same point.
    let is = |(other_lat, other_lon): (f64, f64)| (lat - other_lat).abs() < 6e-5 && (lon - other_lon).abs() < 6e-5;
    if is((0.0, 0.0)) || default_point.is_some_and(is) {
        facts.note(Fact::PlaceholderPoint);
        return Ok(None);
    }
    Ok(Some((lat, lon)))
}

fn degrees(what: &str, text: &str, limit: f64) -> Result<f64, RowError> {
    match text.parse::<f64>() {
        Ok(value) if value.abs() <= limit => Ok(value),
        _ => Err(RowError(format!("{what} `{}` is not a number between -{limit} and {limit} degrees", excerpt(text)))),
    }
}

/// The id of a case, if the portal's own id survived the tools it went through.
///
/// # Errors
/// No id, or one that a spreadsheet has rounded.
pub fn case_id(source: &str, text: Option<&str>, what: &str) -> Result<FeedbackId, RowError> {
    let Some(text) = text else { return Err(RowError(format!("no {what}"))) };
    // Tools that read the column as a number append ".0"; spreadsheets write long numbers as 1.01E+11 and lose digits.
    let text = text.strip_suffix(".0").filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())).unwrap_or(text);
    if text.parse::<f64>().is_ok() && text.contains(['e', 'E']) {
        return Err(RowError(format!("{what} `{}` was rounded by a spreadsheet: export it as text", excerpt(text))));
    }
    FeedbackId::new(source, text).map_err(|error| RowError(format!("{what}: {error}")))
}

/// The door that a portal's word for it means. Nothing: the word says nothing ("unknown").
pub fn channel(word: &str, facts: &mut super::layout::Facts) -> Option<Channel> {
    let word = word.to_ascii_lowercase();
    if let Ok(channel) = word.parse() {
        return Some(channel);
    }
    let has = |needles: &[&str]| needles.iter().any(|needle| word.contains(needle));
    Some(match () {
        () if has(&["unknown", "unspecified"]) => return None,
        () if has(&["worker", "employee", "staff", "maximo", "internal", "agency"]) => Channel::Staff,
        () if has(&["twitter", "facebook", "social", "instagram", "mastodon", "bluesky"]) => Channel::Social,
        () if has(&["mail"]) => Channel::Email,
        () if has(&["call", "phone", "voice", "hotline"]) => Channel::Phone,
        () if has(&["app", "mobile"]) => Channel::App,
        () if has(&["self service", "self-service", "online", "web", "portal", "chat", "internet"]) => Channel::Web,
        () if has(&["walk", "person", "counter", "desk"]) => Channel::InPerson,
        () if has(&["sensor", "meter"]) => Channel::Sensor,
        () => {
            if word != "other" {
                facts.note(Fact::UnknownWord);
            }
            Channel::Other
        }
    })
}

/// Where a portal's word for the status means that a case stands. Nothing: unknown.
pub fn status(word: &str, facts: &mut super::layout::Facts) -> Option<Status> {
    let word = word.to_ascii_lowercase();
    Some(match word.as_str() {
        "closed" | "resolved" | "completed" | "cancelled" | "canceled" | "archived" | "fixed" => Status::Closed,
        "open" | "new" | "unassigned" | "submitted" => Status::Open,
        "assigned" | "acknowledged" | "pending" | "email sent" | "received" => Status::Acknowledged,
        "in progress" | "in_progress" | "started" | "scheduled" => Status::InProgress,
        "reopened" | "re-opened" => Status::Reopened,
        _ => {
            facts.note(Fact::UnknownWord);
            return None;
        }
    })
}

/// The time formats of the portals.
pub fn portal_times(zone: Tz) -> TimeReader {
    TimeReader::new(zone, [TimeFormat::Iso, TimeFormat::Us])
}

/// The beginning of a text, for a message.
pub fn excerpt(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::layout::Facts;

    fn weigh(case: Case<'_>) -> Result<(Vec<Feedback>, Facts), String> {
        let now = "2024-01-01T00:00:00Z".parse().unwrap();
        let mut conversion = Conversion { now, records: Vec::new(), facts: Facts::default() };
        let result = case.into_records(&portal_times(chrono_tz::UTC), &mut conversion, |_| ());
        result.map(|()| (conversion.records, conversion.facts)).map_err(|error| error.0)
    }

    fn case<'a>(opened: &'a str, closed: &'a str, status: Option<Status>) -> Case<'a> {
        Case {
            id: "a:1".parse().unwrap(),
            opened: Some(opened),
            due: None,
            closed: Some(closed),
            updated: None,
            answered: None,
            status,
            reason: Some("done".into()),
            lat: None,
            lon: None,
            default_point: None,
        }
    }

    fn report(records: &[Feedback]) -> &Report {
        let Feedback::Report(report) = &records[0] else { panic!("{records:?}") };
        report
    }

    #[test]
    fn a_closed_case_is_a_report_and_its_closing() {
        let (records, facts) = weigh(case("2023-02-01", "2023-02-03", Some(Status::Closed))).unwrap();
        assert_eq!(report(&records).updated_at, report(&records).closed_at.unwrap());
        assert!(matches!(&records[1], Feedback::Status(event) if event.reason.as_deref() == Some("done")));
        assert_eq!(facts.met().count(), 0);
    }

    #[test]
    fn closed_before_opened_takes_the_last_update_or_stays_unknown() {
        let (records, facts) = weigh(case("2023-02-28", "2023-01-01", Some(Status::Closed))).unwrap();
        assert_eq!((records.len(), report(&records).closed_at, report(&records).status), (1, None, Some(Status::Closed)));
        assert_eq!((facts.count(Fact::ClosedBeforeOpened), facts.count(Fact::ClosedWithoutTime)), (1, 1));
        let known = Case { updated: Some("2023-03-01"), ..case("2023-02-28", "2023-01-01", Some(Status::Closed)) };
        let (records, _) = weigh(known).unwrap();
        assert_eq!(report(&records).closed_at.unwrap().to_string(), "2023-03-01T00:00:00Z");
        assert_eq!(records.len(), 2);
    }

    #[test]
    fn an_open_case_is_open_whatever_its_closing_time_says() {
        let (records, facts) = weigh(case("2023-02-01", "2023-02-03", Some(Status::Open))).unwrap();
        assert_eq!((records.len(), report(&records).closed_at), (1, None));
        assert_eq!(report(&records).updated_at.to_string(), "2023-02-03T00:00:00Z");
        assert_eq!(facts.count(Fact::ClosingTimeOnOpenCase), 1);
    }

    #[test]
    fn the_future_and_the_year_9999() {
        assert!(weigh(case("9999-12-31", "", None)).unwrap_err().contains("no real date"));
        assert!(weigh(case("2031-01-01", "", None)).unwrap_err().contains("in the future"));
        let (records, facts) = weigh(case("2023-01-01", "9999-12-31", Some(Status::Open))).unwrap();
        assert_eq!((records.len(), facts.count(Fact::PlaceholderTime)), (1, 1));
        let (records, facts) = weigh(case("2023-01-01", "2050-01-01", Some(Status::Closed))).unwrap();
        assert_eq!((records.len(), facts.count(Fact::InTheFuture)), (1, 1));
        assert_eq!(
            report(&records).updated_at,
            report(&records).created_at,
            "a version from the future would never be replaced"
        );
    }

    #[test]
    fn points() {
        let mut facts = Facts::default();
        let boston = Some((42.3594, -71.0587));
        assert_eq!(point(Some("42.35940"), Some("-71.0587"), boston, &mut facts), Ok(None));
        assert_eq!(point(Some("0"), Some("0.0"), None, &mut facts), Ok(None));
        assert_eq!(point(Some("42.3"), None, None, &mut facts), Ok(None));
        assert_eq!(point(Some("42.3"), Some("-71.1"), boston, &mut facts), Ok(Some((42.3, -71.1))));
        assert_eq!((facts.count(Fact::PlaceholderPoint), facts.count(Fact::HalfAPoint)), (2, 1));
        for bad in ["912", "NaN", "inf", "north"] {
            assert!(point(Some(bad), Some("1"), None, &mut facts).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_that_tools_have_bent() {
        assert_eq!(case_id("boston311", Some("101000295613.0"), "case id").unwrap().native_id(), "101000295613");
        assert!(case_id("boston311", Some("1.01E+11"), "case id").unwrap_err().0.contains("rounded"));
        assert!(case_id("boston311", None, "case id").is_err());
        assert_eq!(case_id("x", Some("BCS-1e"), "case id").unwrap().native_id(), "BCS-1e");
    }

    #[test]
    fn doors() {
        let mut facts = Facts::default();
        for (word, door) in [
            ("Constituent Call", Channel::Phone),
            ("Employee Generated", Channel::Staff),
            ("Self Service", Channel::Web),
            ("Citizens Connect App", Channel::App),
            ("City Worker App", Channel::Staff),
            ("Maximo Integration", Channel::Staff),
            ("Twitter", Channel::Social),
            ("ONLINE", Channel::Web),
            ("PHONE", Channel::Phone),
            ("MOBILE", Channel::App),
            ("OTHER", Channel::Other),
            ("in_person", Channel::InPerson),
        ] {
            assert_eq!(channel(word, &mut facts), Some(door), "{word}");
        }
        assert_eq!(channel("UNKNOWN", &mut facts), None);
        assert_eq!(facts.count(Fact::UnknownWord), 0);
    }
}
