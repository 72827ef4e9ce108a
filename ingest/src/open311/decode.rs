//! What GeoReport servers really send: JSON and XML, bare arrays, wrapped lists and single objects, numbers or strings as ids, `lon`
//! for `long`, the words "null" and "true" where a time should be, times without a zone.

use chrono::{NaiveDate, NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use feedback::{Status, Timestamp};
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// Fields that a page may nest deeper than this are not looked at: no server does, and an attacker gets no deep stack.
const MAX_XML_DEPTH: usize = 32;

/// One request as a server shows it, in civicpulse's terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// `service_request_id`.
    pub id: String,
    /// `None`: a word that says nothing about open or closed.
    pub status: Option<Status>,
    /// What the city says about it.
    pub notes: Option<String>,
    /// The category's code.
    pub service_code: Option<String>,
    /// The category's name.
    pub service_name: Option<String>,
    /// What was said.
    pub description: Option<String>,
    /// Who is responsible.
    pub agency: Option<String>,
    /// When it was made.
    pub requested_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// When the city promised to be done.
    pub expected_at: Option<Timestamp>,
    /// Degrees (lat, lon), if both make sense.
    pub point: Option<(f64, f64)>,
    /// Where a picture can be seen.
    pub media_url: Option<String>,
}

/// A page of answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The objects that have an id.
    pub requests: Vec<Seen>,
    /// The others: reason and JSON text.
    pub rejected: Vec<(String, String)>,
}

impl Page {
    /// How many objects the server sent: what decides whether a page is full.
    pub fn len(&self) -> usize {
        self.requests.len() + self.rejected.len()
    }

    /// Whether the server sent nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads an answer to `GET /requests`; XML if the first sign is `<`. Times without a zone are in `zone`.
///
/// An error is a message for people: the answer was no list of requests.
pub fn page(body: &[u8], zone: Tz) -> Result<Page, String> {
    let mut page = Page::default();
    for object in objects(body, &["requests", "service_requests", "request", "service_request"], "service_request_id")? {
        match seen(&object, zone) {
            Some(seen) => page.requests.push(seen),
            None => page.rejected.push(("a request without service_request_id".into(), Value::Object(object).to_string())),
        }
    }
    Ok(page)
}

/// Reads an answer to `GET /services` into (code, name).
pub fn services(body: &[u8]) -> Result<Vec<(String, String)>, String> {
    let objects = objects(body, &["services", "service"], "service_code")?;
    Ok(objects.iter().filter_map(|object| Some((text(object, &["service_code"])?, text(object, &["service_name"])?))).collect())
}

/// The objects of an answer, however they are wrapped. `lists` are names of lists, `mark` a field that makes an object one of them.
fn objects(body: &[u8], lists: &[&str], mark: &str) -> Result<Vec<Map<String, Value>>, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    let value = match body.first() {
        None => return Err("the answer is empty".into()),
        Some(b'<') => xml(body)?,
        Some(_) => serde_json::from_slice(body).map_err(|error| format!("the answer is neither JSON nor XML: {error}"))?,
    };
    let mut found = Vec::new();
    if !collect(value, lists, mark, &mut found) {
        return Err("the answer holds no list of the kind that was asked for".into());
    }
    Ok(found)
}

/// Whether `value` is a list of this kind, one object of it, or something that wraps it.
fn collect(value: Value, lists: &[&str], mark: &str, found: &mut Vec<Map<String, Value>>) -> bool {
    match value {
        Value::Array(items) => {
            let is_error =
                |item: &Value| item.get("code").is_some() && item.get("description").is_some() && item.get(mark).is_none();
            if !items.is_empty() && items.iter().all(is_error) {
                return false;
            }
            for item in items {
                match item {
                    Value::Object(object) => {
                        let inner = lists.iter().find(|name| object.len() == 1 && object.contains_key(**name));
                        match inner.and_then(|name| object.get(*name).cloned()) {
                            Some(inner) => _ = collect(inner, lists, mark, found),
                            None => found.push(object),
                        }
                    }
                    other => found.push(Map::from_iter([("value".to_owned(), other)])),
                }
            }
            true
        }
        Value::Object(mut object) => {
            if object.contains_key(mark) {
                found.push(object);
                return true;
            }
            match lists.iter().find_map(|name| object.remove(*name)) {
                Some(Value::Null) => true,
                Some(Value::String(text)) if text.trim().is_empty() => true,
                Some(inner) => collect(inner, lists, mark, found),
                None => false,
            }
        }
        _ => false,
    }
}

/// XML as JSON: an element with elements becomes an object (repeated names a list), one with text a string. Attributes and
/// namespaces say nothing here.
fn xml(body: &[u8]) -> Result<Value, String> {
    let broken = |error: &dyn std::fmt::Display| format!("the answer is not well-formed XML: {error}");
    let mut reader = quick_xml::Reader::from_reader(body);
    let mut open: Vec<(String, Map<String, Value>, String)> = vec![(String::new(), Map::new(), String::new())];
    loop {
        let event = reader.read_event().map_err(|error| broken(&error))?;
        let depth = open.len();
        let (_, parent, text) = open.last_mut().ok_or_else(|| broken(&"an element ends that did not begin"))?;
        match event {
            Event::Start(start) if depth > MAX_XML_DEPTH => {
                return Err(broken(&format!(
                    "{depth} elements deep at `{}`",
                    String::from_utf8_lossy(start.local_name().as_ref())
                )));
            }
            Event::Start(start) => {
                open.push((String::from_utf8_lossy(start.local_name().as_ref()).into_owned(), Map::new(), String::new()))
            }
            Event::Empty(empty) => {
                attach(parent, String::from_utf8_lossy(empty.local_name().as_ref()).into_owned(), Value::Null)
            }
            Event::End(_) => {
                let (name, children, text) = open.pop().ok_or_else(|| broken(&"an element ends that did not begin"))?;
                let value = if children.is_empty() { Value::String(text.trim().to_owned()) } else { Value::Object(children) };
                let (_, parent, _) = open.last_mut().ok_or_else(|| broken(&"an element ends that did not begin"))?;
                attach(parent, name, value);
            }
            Event::Text(part) => text.push_str(&part.decode().map_err(|error| broken(&error))?),
            Event::CData(part) => text.push_str(&part.decode().map_err(|error| broken(&error))?),
            Event::GeneralRef(entity) => match entity.resolve_char_ref() {
                Ok(Some(character)) => text.push(character),
                _ => text.push_str(match entity.decode().map_err(|error| broken(&error))?.as_ref() {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    "apos" => "'",
                    "nbsp" => " ",
                    _ => "\u{fffd}",
                }),
            },
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    match <[_; 1]>::try_from(open) {
        // The document's element is unwrapped if it only names the list.
        Ok([(_, document, _)]) => Ok(Value::Object(document)),
        Err(_) => Err(broken(&"an element does not end")),
    }
}

fn attach(parent: &mut Map<String, Value>, name: String, value: Value) {
    match parent.get_mut(&name) {
        None => _ = parent.insert(name, value),
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

fn seen(object: &Map<String, Value>, zone: Tz) -> Option<Seen> {
    let time = |names: &[&str]| text(object, names).and_then(|text| moment(&text, zone));
    let lat = number(object, &["lat", "latitude"]).filter(|lat| (-90.0..=90.0).contains(lat));
    let lon = number(object, &["long", "lon", "lng", "longitude"]).filter(|lon| (-180.0..=180.0).contains(lon));
    Some(Seen {
        id: text(object, &["service_request_id", "service_request_Id"])
            .filter(|id| !id.bytes().any(|b| b.is_ascii_control()))?,
        status: text(object, &["status"]).and_then(|word| status(&word)),
        notes: text(object, &["status_notes"]),
        service_code: text(object, &["service_code"]),
        service_name: text(object, &["service_name"]),
        description: text(object, &["description"]),
        agency: text(object, &["agency_responsible"]),
        requested_at: time(&["requested_datetime"]),
        updated_at: time(&["updated_datetime"]),
        expected_at: time(&["expected_datetime"]),
        // 0, 0 lies in the Gulf of Guinea and means that a form was left empty.
        point: lat.zip(lon).filter(|point| *point != (0.0, 0.0)),
        media_url: text(object, &["media_url"]).filter(|url| url.starts_with("http")),
    })
}

/// A field as text: numbers become text, emptiness in its many spellings becomes nothing.
fn text(object: &Map<String, Value>, names: &[&str]) -> Option<String> {
    let text = names.iter().find_map(|name| match object.get(*name)? {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })?;
    (!text.is_empty() && !["null", "nil", "none"].iter().any(|nothing| text.eq_ignore_ascii_case(nothing))).then_some(text)
}

fn number(object: &Map<String, Value>, names: &[&str]) -> Option<f64> {
    text(object, names)?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The many words for open and closed.
fn status(word: &str) -> Option<Status> {
    match word.to_ascii_lowercase().replace([' ', '-'], "_").as_str() {
        "open" | "opened" | "new" | "submitted" | "received" | "registered" | "confirmed" | "pending" => Some(Status::Open),
        "acknowledged" | "accepted" => Some(Status::Acknowledged),
        "in_progress" | "assigned" | "in_process" | "investigating" | "under_review" | "planned" | "started" => {
            Some(Status::InProgress)
        }
        "closed" | "resolved" | "fixed" | "completed" | "complete" | "done" | "archived" | "rejected" | "duplicate"
        | "cancelled" | "canceled" => Some(Status::Closed),
        "reopened" => Some(Status::Reopened),
        _ => None,
    }
}

/// RFC 3339, the same without a colon in the zone, or without a zone (then in `zone`; the earlier of two, where clocks go back).
fn moment(text: &str, zone: Tz) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f %z"] {
        if let Ok(moment) = chrono::DateTime::parse_from_str(text, format) {
            return Some(moment.into());
        }
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    // An hour that the clocks skipped is read as the one before.
    let hour = chrono::TimeDelta::hours(1);
    let resolved =
        zone.from_local_datetime(&local).earliest().or_else(|| zone.from_local_datetime(&(local - hour)).earliest())?;
    Some(resolved.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: &str =
        r#"{"service_request_id":5,"lat":"1.5","lon":2,"status":"Open","updated_datetime":"true","description":"null"}"#;

    #[test]
    fn json_in_every_wrapping_is_the_same_request() {
        let expected = page(format!("[{ONE}]").as_bytes(), Tz::UTC).unwrap();
        assert_eq!(expected.requests[0].id, "5");
        assert_eq!(expected.requests[0].point, Some((1.5, 2.0)));
        assert_eq!((expected.requests[0].updated_at, &expected.requests[0].description), (None, &None));
        for wrapping in
            ["#", "{\"requests\":[#]}", "{\"service_requests\":{\"request\":#}}", "[{\"service_request\":#}]", "\u{feff} [#]"]
        {
            let body = wrapping.replace('#', ONE);
            assert_eq!(page(body.as_bytes(), Tz::UTC).unwrap(), expected, "{wrapping}");
        }
        assert!(page(b"[]", Tz::UTC).unwrap().is_empty());
        assert!(page(b"{\"requests\":null}", Tz::UTC).unwrap().is_empty());
    }

    #[test]
    fn xml_in_every_wrapping_is_the_same_request() {
        let one = "<request><service_request_id>5</service_request_id><status>closed</status><description>a &lt; b &#233; &amp; c\
                   <![CDATA[ <d>]]></description><long/><requested_datetime>2010-04-14T06:37:38-08:00</requested_datetime></request>";
        for body in [
            format!("<?xml version=\"1.0\"?><service_requests>{one}</service_requests>"),
            format!(
                "<service_requests xmlns:x=\"y\" type=\"array\">{one}<request><status>open</status></request></service_requests>"
            ),
            one.to_owned(),
        ] {
            let page = page(body.as_bytes(), Tz::UTC).unwrap();
            assert_eq!(page.requests.len(), 1);
            assert_eq!(page.rejected.len(), usize::from(body.contains("array")));
            assert_eq!(page.requests[0].description.as_deref(), Some("a < b é & c <d>"));
            assert_eq!(page.requests[0].requested_at, Some("2010-04-14T14:37:38Z".parse().unwrap()));
            assert_eq!(page.requests[0].status, Some(Status::Closed));
        }
        assert!(page(b"<service_requests/>", Tz::UTC).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_list_of_requests_is_an_error() {
        for body in [
            "",
            "hello",
            "{\"a\":1}",
            "<html><body>Sorry</body></html>",
            "[{\"code\":403,\"description\":\"bad key\"}]",
            "<a><b></a>",
        ] {
            assert!(page(body.as_bytes(), Tz::UTC).is_err(), "{body}");
        }
        assert!(page("<a>".repeat(10_000).as_bytes(), Tz::UTC).is_err());
    }

    #[test]
    fn times_without_a_zone_are_local() {
        let zone = Tz::America__Los_Angeles;
        let expect = |text: &str, utc: &str| assert_eq!(moment(text, zone), Some(utc.parse().unwrap()), "{text}");
        expect("2010-11-15 01:05:25.727", "2010-11-15T09:05:25.727Z");
        expect("2026-07-01T00:00:00", "2026-07-01T07:00:00Z");
        expect("2026-03-08 02:30:00", "2026-03-08T09:30:00Z");
        expect("2026-11-01 01:30:00", "2026-11-01T08:30:00Z");
        expect("2026-07-01T00:00:00+0200", "2026-06-30T22:00:00Z");
        expect("2026-07-01", "2026-07-01T07:00:00Z");
        assert_eq!(moment("true", zone), None);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body: Vec<u8>, text in "[\\[{<a>\"/:}\\] ]{0,40}") {
            let _ = page(&body, Tz::UTC);
            let _ = page(text.as_bytes(), Tz::UTC);
        }
    }
}
