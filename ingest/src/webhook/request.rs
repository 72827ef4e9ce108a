//! From a body to records: what the sender left out is filled in so that a retry means the same.

use std::borrow::Cow;

use feedback::{Feedback, FeedbackId, MAX_RECORD_BYTES, Timestamp};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use xxhash_rust::xxh3::Xxh3;

use crate::bulk::json::{Element, Elements};

/// Records in one request.
pub const MAX_RECORDS: usize = 10_000;

/// What fills the gaps.
pub struct Defaults<'a> {
    /// The source of records that name none.
    pub source: &'a str,
    /// The server's clock: `received_at` always, other times where they are missing.
    pub now: Timestamp,
    /// The request's name, if its sender gave one.
    pub idempotency_key: Option<&'a [u8]>,
}

/// Reads a body: NDJSON where the content type says so, else by its first character an array, or one or more objects.
///
/// Each record is read by itself: a wrong one spoils no other, and only one at a time is unfolded in memory.
///
/// # Errors
/// The body as a whole is not JSON, is empty, or holds more than [`MAX_RECORDS`].
pub fn read_records(
    body: &[u8],
    content_type: Option<&str>,
    defaults: &Defaults<'_>,
) -> Result<Vec<Result<Feedback, String>>, String> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    let is_lines = content_type.is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines"].contains(&kind)
    });
    let is_whole = serde_json::from_slice::<IgnoredAny>(text);
    let texts: Vec<Cow<'_, [u8]>> = match text.first() {
        None => return Err("the body is empty: send a JSON object, an array of objects, or one object a line".into()),
        Some(b'[') if !is_lines => {
            is_whole.map_err(|error| format!("the body is not a JSON array: {error}"))?;
            elements(text)
        }
        Some(b'{') if !is_lines && is_whole.is_ok() => vec![text.into()],
        Some(b'{') => lines(text).take(MAX_RECORDS + 1).map(Cow::Borrowed).collect(),
        Some(_) => return Err("the body is not JSON: send an object, an array of objects, or one object a line".into()),
    };
    if texts.len() > MAX_RECORDS {
        return Err(format!("the body holds more than {MAX_RECORDS} records: send fewer at a time"));
    }
    let parsed = texts.iter().map(|text| parse(text));
    if let ([_], Some(Err(reason))) = (&texts[..], parsed.clone().next()) {
        return Err(reason);
    }
    Ok(parsed.enumerate().map(|(index, value)| value.and_then(|value| record(value, index, defaults))).collect())
}

/// The elements of a well-formed array, one more than allowed at most.
fn elements(array: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut elements = Elements::new(array);
    let whole = std::iter::from_fn(|| match elements.next_element() {
        Ok(Some(Element::Whole(bytes) | Element::TooLong(bytes))) => Some(Cow::Owned(bytes)),
        _ => None,
    });
    whole.take(MAX_RECORDS + 1).collect()
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// One record's JSON. Longer than a record may be is refused before it is unfolded.
fn parse(text: &[u8]) -> Result<Value, String> {
    if text.len() > MAX_RECORD_BYTES {
        return Err(format!("the record has {} bytes: at most {MAX_RECORD_BYTES}", text.len()));
    }
    serde_json::from_slice(text).map_err(|error| format!("not JSON: {error}"))
}

/// One record, its gaps filled.
fn record(value: Value, index: usize, defaults: &Defaults<'_>) -> Result<Feedback, String> {
    let Value::Object(mut fields) = value else { return Err("a record is a JSON object".into()) };
    // Before anything is filled in: the hash of what was sent must not depend on when it was sent.
    let content = content_hash(&fields, index, defaults);
    let kind = fields.entry("kind").or_insert_with(|| "report".into()).as_str().unwrap_or_default().to_owned();
    if kind != "erase" || fields.contains_key("id") {
        let source: Cow<'_, str> = match fields.remove("source") {
            Some(Value::String(source)) => source.into(),
            _ => defaults.source.into(),
        };
        let native = match fields.get("id") {
            None | Some(Value::Null) if kind == "report" => Some(format!("h{content:032x}")),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::String(id)) if !id.contains(':') => Some(id.clone()),
            _ => None,
        };
        if let Some(native) = native {
            let id = FeedbackId::new(&source, &native).map_err(|error| error.to_string())?;
            fields.insert("id".into(), id.as_str().into());
        }
    }
    if kind == "report" {
        default_time(&mut fields, "created_at", defaults.now);
        let created = fields["created_at"].clone();
        if fields.get("updated_at").is_none_or(Value::is_null) {
            fields.insert("updated_at".into(), created);
        }
    } else {
        default_time(&mut fields, "at", defaults.now);
    }
    fields.insert("received_at".into(), defaults.now.to_string().into());
    let record: Feedback = serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
    record.check().map_err(|error| error.to_string())?;
    let mut json = Vec::new();
    record.write_json(&mut json).map_err(|error| error.to_string())?;
    if json.len() > MAX_RECORD_BYTES {
        return Err(format!("the record has {} bytes: at most {MAX_RECORD_BYTES}", json.len()));
    }
    Ok(record)
}

fn default_time(fields: &mut Map<String, Value>, name: &str, now: Timestamp) {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.into(), now.to_string().into());
    }
}

/// A hash that a retry repeats: of the request's name and the record's place in it, or else of the record's content.
fn content_hash(fields: &Map<String, Value>, index: usize, defaults: &Defaults<'_>) -> u128 {
    let mut hasher = Xxh3::new();
    match defaults.idempotency_key {
        Some(key) => {
            hasher.update(b"key");
            hasher.update(key);
            hasher.update(&(index as u64).to_le_bytes());
        }
        None => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            for name in names {
                // As JSON, so that no two different contents are the same bytes.
                hasher.update(Value::from(name.as_str()).to_string().as_bytes());
                hasher.update(fields[name].to_string().as_bytes());
            }
        }
    }
    hasher.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn read(body: &str) -> Result<Vec<Result<Feedback, String>>, String> {
        read_records(body.as_bytes(), None, &Defaults { source: "api", now: NOW, idempotency_key: None })
    }

    fn one(body: &str) -> feedback::Report {
        match read(body).unwrap().remove(0).unwrap() {
            Feedback::Report(report) => report,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_missing_is_filled_in() {
        let report = one(r#"{"id":"17","text":"pothole","received_at":"2001-01-01T00:00:00Z"}"#);
        assert_eq!(report.id.as_str(), "api:17");
        assert_eq!((report.created_at, report.updated_at, report.received_at), (NOW, NOW, NOW));
        let report = one(r#"{"source":"app","id":5,"created_at":"2020-01-01T00:00:00Z"}"#);
        assert_eq!((report.id.as_str(), report.updated_at.to_string().as_str()), ("app:5", "2020-01-01T00:00:00Z"));
        assert_eq!(one(r#"{"id":"x:1"}"#).id.as_str(), "x:1");
    }

    #[test]
    fn erasures_by_id_and_by_author() {
        let records =
            read(r#"[{"kind":"erase","id":"7"},{"kind":"erase","source":"api","author":"x"},{"kind":"erase"}]"#).unwrap();
        assert!(
            matches!(&records[0], Ok(Feedback::Erase(erase)) if erase.id.as_ref().unwrap().as_str() == "api:7" && erase.at == NOW)
        );
        assert!(matches!(&records[1], Ok(Feedback::Erase(erase)) if erase.source.as_deref() == Some("api")));
        assert!(records[2].as_ref().unwrap_err().contains("either id"));
    }

    #[test]
    fn an_id_left_out_is_the_same_for_the_same_content_or_key() {
        let id = |body: &str| one(body).id;
        assert_eq!(id(r#"{"text":"a","title":"b"}"#), id(r#"{"title":"b","text":"a"}"#));
        assert_ne!(id(r#"{"text":"a"}"#), id(r#"{"text":"b"}"#));
        let keyed = |key: &[u8], body: &str| {
            let defaults = Defaults { source: "api", now: NOW, idempotency_key: Some(key) };
            read_records(body.as_bytes(), None, &defaults)
                .unwrap()
                .into_iter()
                .map(|r| r.unwrap().key().unwrap().clone())
                .collect::<Vec<_>>()
        };
        let ids = keyed(b"k", r#"[{"text":"a"},{"text":"a"}]"#);
        assert!(
            ids == keyed(b"k", r#"[{"text":"a"},{"text":"a"}]"#)
                && ids[0] != ids[1]
                && ids != keyed(b"l", r#"[{"text":"a"},{"text":"a"}]"#)
        );
    }

    #[test]
    fn objects_arrays_and_lines() {
        assert_eq!(read("{\"text\":\n\"a\"}").unwrap().len(), 1);
        assert_eq!(read(r#"[{"text":"a"},{"text":"b"}]"#).unwrap().len(), 2);
        let lines = read("{\"text\":\"a\"}\r\n\n{\"text\":\n{\"text\":\"c\"}").unwrap();
        assert_eq!(lines.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(read("[]").unwrap().len(), 0);
        assert!(read(&format!("[{}1]", "1,".repeat(MAX_RECORDS))).unwrap_err().contains("more than"));
        assert!(read(&format!("{{\"text\":\"{}\"}}", "x".repeat(MAX_RECORD_BYTES))).unwrap_err().contains("at most"));
        for bad in ["", "  ", "hello", "[1,", "{\"a\":"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_wrong_record_says_why_and_spoils_no_other() {
        let records = read(
            r#"[5, {"lat":912,"lon":1}, {"created_at":"soon"}, {"kind":"status","id":"1","status":"closed"}, {"kind":"x"}, {"id":"A B:1"}]"#,
        );
        let records = records.unwrap();
        assert!(records[0].as_ref().unwrap_err().contains("object"));
        assert!(records[1].as_ref().unwrap_err().contains("degrees"));
        assert!(records[2].as_ref().unwrap_err().contains("RFC 3339"));
        assert!(matches!(&records[3], Ok(Feedback::Status(event)) if event.at == NOW && event.id.as_str() == "api:1"));
        assert!(records[4].as_ref().unwrap_err().contains("unknown variant"));
        assert!(records[5].as_ref().unwrap_err().contains("source:native-id"));
    }

    proptest! {
        #[test]
        fn any_body_is_answered_and_never_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_records(&body, None, &Defaults { source: "api", now: NOW, idempotency_key: None });
        }

        #[test]
        fn any_nearly_valid_body_is_answered(body in "[\\[{]{0,2}(\"(id|kind|source|created_at|at|lat)\":(null|1|\"a\"|\\{\\}|\\[\\])[,}\\]\n]){0,5}") {
            let _ = read(&body);
        }
    }
}
