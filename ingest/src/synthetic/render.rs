//! A record as `Feedback` and as its JSON, from the same life. The JSON writer allocates nothing and agrees with serde's byte for byte.

use std::ops::Range;

use feedback::time::HOUR_US;
use feedback::{Erase, Feedback, FeedbackError, FeedbackId, Kind, Report, SCHEMA_VERSION, Status, StatusEvent, Timestamp};

use super::grammar::{LANGUAGES, PHRASES};
use super::life::{Action, Life, LifeKey, Moment, Place};
use super::model::Model;
use super::topics::TRAITS;

/// What the city says with a status.
fn reason(action: Action) -> Option<&'static str> {
    match action {
        Action::Acknowledge => Some("Your report has been received and assigned."),
        Action::Close => Some("Case closed. Work completed."),
        Action::Reopen => Some("Reopened: the problem was reported as not fixed."),
        Action::CloseAgain => Some("Case closed. Inspected again, no further action."),
        Action::Report | Action::Edit | Action::Erase | Action::EraseAuthor => None,
    }
}

fn status(action: Action) -> Status {
    match action {
        Action::Acknowledge => Status::Acknowledged,
        Action::Close | Action::CloseAgain => Status::Closed,
        Action::Reopen => Status::Reopened,
        Action::Report | Action::Edit | Action::Erase | Action::EraseAuthor => Status::Open,
    }
}

/// The kind of record that an action sends.
pub fn kind(action: Action) -> Kind {
    match action {
        Action::Report | Action::Edit => Kind::Report,
        Action::Acknowledge | Action::Close | Action::Reopen | Action::CloseAgain => Kind::Status,
        Action::Erase | Action::EraseAuthor => Kind::Erase,
    }
}

/// The record of an action as a value.
pub fn feedback(model: &Model, life: &Life, action: Action, moment: Moment) -> Result<Feedback, FeedbackError> {
    let id = |key: LifeKey| -> Result<FeedbackId, FeedbackError> {
        let mut text = Vec::with_capacity(48);
        write_id(&model.config.name, key, &mut text);
        String::from_utf8_lossy(&text).parse()
    };
    let (at, received_at) = (Timestamp::from_micros(moment.at_us), Timestamp::from_micros(moment.received_us));
    let traits = &TRAITS[usize::from(life.speech.topic.code())];
    Ok(match kind(action) {
        Kind::Report => {
            let created_at = Timestamp::from_micros(life.created_us());
            let is_edit = action == Action::Edit;
            let point = (life.place == Place::Point).then_some(life.point_e6);
            let mut text = Vec::with_capacity(256);
            speak(model, life, is_edit, &mut text);
            Feedback::Report(Report {
                updated_at: at,
                received_at,
                channel: Some(life.channel),
                category: Some(traits.category.to_owned()),
                text: Some(String::from_utf8_lossy(&text).into_owned()),
                status: (!is_edit).then_some(Status::Open),
                due_at: Some(due_at(life)),
                agency: Some(traits.agency.to_owned()),
                district: (life.place == Place::Name).then(|| model.districts[life.district].name.clone()),
                lat: point.map(|(lat, _)| lat as f64 / 1e6),
                lon: point.map(|(_, lon)| lon as f64 / 1e6),
                author: author(life),
                votes: life.votes,
                duplicate_of: life
                    .is_linked
                    .then(|| id(LifeKey { follower: 0, ..life.key }))
                    .transpose()?
                    .map(|id| id.to_string()),
                language: life.declares_language.then(|| LANGUAGES[life.language].to_owned()),
                ..Report::new(id(life.key)?, created_at)
            })
        }
        Kind::Status => Feedback::Status(StatusEvent {
            schema_version: SCHEMA_VERSION,
            id: id(life.key)?,
            at,
            received_at,
            status: status(action),
            reason: reason(action).map(str::to_owned),
            agency: Some(traits.agency.to_owned()),
        }),
        Kind::Erase => {
            let is_author = action == Action::EraseAuthor;
            Feedback::Erase(Erase {
                schema_version: SCHEMA_VERSION,
                id: if is_author { None } else { Some(id(life.key)?) },
                source: is_author.then(|| model.config.name.clone()),
                author: if is_author { author(life) } else { None },
                at,
                received_at,
            })
        }
    })
}

/// Appends the record of an action as JSON; returns where in `out` its id stands (empty for an erasure by author).
pub fn write_json(model: &Model, life: &Life, action: Action, moment: Moment, out: &mut Vec<u8>) -> Range<usize> {
    let mut json = Json { out, name: &model.config.name };
    let traits = &TRAITS[usize::from(life.speech.topic.code())];
    let mut key = 0..0;
    match kind(action) {
        Kind::Report => {
            let is_edit = action == Action::Edit;
            json.text("{\"kind\":\"report\",\"schema_version\":1,");
            key = json.id("\"id\":\"", life.key);
            json.time(",\"created_at\":\"", life.created_us());
            json.time(",\"updated_at\":\"", moment.at_us);
            json.time(",\"received_at\":\"", moment.received_us);
            json.quoted(",\"channel\":\"", life.channel.as_str());
            json.quoted(",\"category\":\"", traits.category);
            json.text(",\"text\":\"");
            speak(model, life, is_edit, json.out);
            json.text(if is_edit { "\"" } else { "\",\"status\":\"open\"" });
            json.time(",\"due_at\":\"", due_at(life).micros());
            json.quoted(",\"agency\":\"", traits.agency);
            match life.place {
                Place::Point => {
                    json.degrees(",\"lat\":", life.point_e6.0);
                    json.degrees(",\"lon\":", life.point_e6.1);
                }
                Place::Name => json.quoted(",\"district\":\"", &model.districts[life.district].name),
                Place::Nothing => {}
            }
            json.author(life);
            if let Some(votes) = life.votes {
                json.text(",\"votes\":");
                write_number(u64::from(votes), json.out);
            }
            if life.is_linked {
                json.id(",\"duplicate_of\":\"", LifeKey { follower: 0, ..life.key });
            }
            if life.declares_language {
                json.quoted(",\"language\":\"", LANGUAGES[life.language]);
            }
        }
        Kind::Status => {
            json.text("{\"kind\":\"status\",\"schema_version\":1,");
            key = json.id("\"id\":\"", life.key);
            json.time(",\"at\":\"", moment.at_us);
            json.time(",\"received_at\":\"", moment.received_us);
            json.quoted(",\"status\":\"", status(action).as_str());
            if let Some(reason) = reason(action) {
                json.quoted(",\"reason\":\"", reason);
            }
            json.quoted(",\"agency\":\"", traits.agency);
        }
        Kind::Erase => {
            json.text("{\"kind\":\"erase\",\"schema_version\":1,");
            if action == Action::EraseAuthor {
                json.quoted("\"source\":\"", &model.config.name);
                json.author(life);
            } else {
                key = json.id("\"id\":\"", life.key);
            }
            json.time(",\"at\":\"", moment.at_us);
            json.time(",\"received_at\":\"", moment.received_us);
        }
    }
    json.text("}");
    key
}

fn due_at(life: &Life) -> Timestamp {
    let promise_h = TRAITS[usize::from(life.speech.topic.code())].promise_h;
    Timestamp::from_micros(life.created_us() + i64::from(promise_h) * HOUR_US)
}

fn author(life: &Life) -> Option<String> {
    life.author.map(|number| format!("r{}-{number}", life.district))
}

fn speak(model: &Model, life: &Life, is_edited: bool, out: &mut Vec<u8>) {
    let speech = super::grammar::Speech { is_edited, ..life.speech };
    PHRASES[life.language].speak(&speech, &mut life.voice(model), out);
}

/// `name:slot.lane.index.follower`.
fn write_id(name: &str, key: LifeKey, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    let parts = [(b':', key.slot), (b'.', key.lane), (b'.', key.index), (b'.', u32::from(key.follower))];
    for (mark, number) in parts {
        out.push(mark);
        write_number(u64::from(number), out);
    }
}

/// Reads an id of the city `name` back.
pub fn parse_id(name: &str, id: &str) -> Option<LifeKey> {
    let mut parts = id.strip_prefix(name)?.strip_prefix(':')?.split('.');
    let mut next = || parts.next()?.parse::<u32>().ok();
    let key = LifeKey { slot: next()?, lane: next()?, index: next()?, follower: u8::try_from(next()?).ok()? };
    parts.next().is_none().then_some(key)
}

struct Json<'a> {
    out: &'a mut Vec<u8>,
    name: &'a str,
}

impl Json<'_> {
    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// What holds neither quotation marks nor backslashes nor control characters.
    fn quoted(&mut self, before: &str, text: &str) {
        self.text(before);
        self.text(text);
        self.out.push(b'"');
    }

    fn id(&mut self, before: &str, key: LifeKey) -> Range<usize> {
        self.text(before);
        let start = self.out.len();
        write_id(self.name, key, self.out);
        let end = self.out.len();
        self.out.push(b'"');
        start..end
    }

    fn author(&mut self, life: &Life) {
        if let Some(number) = life.author {
            self.text(",\"author\":\"r");
            write_number(life.district as u64, self.out);
            self.out.push(b'-');
            write_number(u64::from(number), self.out);
            self.out.push(b'"');
        }
    }

    fn time(&mut self, before: &str, us: i64) {
        self.text(before);
        write_time(us, self.out);
        self.out.push(b'"');
    }

    /// The shortest decimal of a double that is a whole number of millionths is that number with trailing zeros removed.
    fn degrees(&mut self, before: &str, e6: i64) {
        self.text(before);
        if e6 < 0 {
            self.out.push(b'-');
        }
        let e6 = e6.unsigned_abs();
        write_number(e6 / 1_000_000, self.out);
        self.out.push(b'.');
        let start = self.out.len();
        write_digits((e6 % 1_000_000) as u32, 6, self.out);
        while self.out.len() > start + 1 && self.out.last() == Some(&b'0') {
            self.out.pop();
        }
    }
}

fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn write_digits(number: u32, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        out.push(b'0' + (number / 10u32.pow(place) % 10) as u8);
    }
}

/// RFC 3339 as `Timestamp` shows it, for the years 0 to 9999: days to a civil date in the proleptic Gregorian calendar, by eras of
/// 400 years that begin in March (Hinnant 2013).
fn write_time(us: i64, out: &mut Vec<u8>) {
    let (seconds, us) = (us.div_euclid(1_000_000), us.rem_euclid(1_000_000) as u32);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) as u32);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    let year = (year_of_era + era * 400 + i64::from(month <= 2)) as u32;
    write_digits(year, 4, out);
    let two = [(b'-', month), (b'-', day), (b'T', second / 3_600), (b':', second / 60 % 60), (b':', second % 60)];
    for (mark, number) in two {
        out.extend_from_slice(&[mark, b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
    }
    if us > 0 {
        out.push(b'.');
        if us.is_multiple_of(1_000) { write_digits(us / 1_000, 3, out) } else { write_digits(us, 6, out) }
    }
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn times_are_written_as_timestamps_show_them(us in -62_167_219_200_000_000i64..253_402_300_800_000_000) {
            for us in [us, us - us.rem_euclid(1_000), us - us.rem_euclid(1_000_000)] {
                let mut text = Vec::new();
                write_time(us, &mut text);
                prop_assert_eq!(String::from_utf8(text).unwrap(), Timestamp::from_micros(us).to_string());
            }
        }

        #[test]
        fn degrees_are_written_as_serde_writes_them(e6 in -180_000_000i64..180_000_000, whole in -180i64..180) {
            for e6 in [e6, whole * 1_000_000, whole * 1_000_000 + 10] {
                prop_assume!(e6.abs() >= 10);
                let mut text = Vec::new();
                Json { out: &mut text, name: "" }.degrees("", e6);
                prop_assert_eq!(String::from_utf8(text).unwrap(), serde_json::to_string(&(e6 as f64 / 1e6)).unwrap());
            }
        }

        #[test]
        fn ids_are_read_back(slot: u32, lane: u32, index: u32, follower: u8) {
            let key = LifeKey { slot, lane, index, follower };
            let mut text = Vec::new();
            write_id("town", key, &mut text);
            prop_assert_eq!(parse_id("town", std::str::from_utf8(&text).unwrap()), Some(key));
            prop_assert_eq!(parse_id("tow", std::str::from_utf8(&text).unwrap()), None);
        }
    }
}
