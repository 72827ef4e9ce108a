//! The records of `feedback.raw`: one JSON object each, flat, so that a columnar decoder reads a batch in one pass.
//!
//! Unknown fields are ignored, so that a newer writer does not stop an older reader; [`SCHEMA_VERSION`] travels in every record.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::FeedbackError;
use crate::id::{FeedbackId, is_valid_source};
use crate::time::Timestamp;
use crate::vocabulary::{Channel, Status};

/// The version that this build writes. A reader accepts every version and reads the fields it knows.
pub const SCHEMA_VERSION: u32 = 1;

/// Longest record in bytes. Anything longer is refused at the door or goes to the dead letters.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Longest text in bytes; longer than any report seen, short enough that one record cannot stall a worker.
pub const MAX_TEXT_BYTES: usize = 256 << 10;

/// One record of `feedback.raw`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "reports are nearly all of the traffic")]
pub enum Feedback {
    /// A report, new or edited.
    Report(Report),
    /// Something happened to a report.
    Status(StatusEvent),
    /// Forget a report, or everything by an author.
    Erase(Erase),
}

/// A report in the version of `updated_at`. A later version replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// See [`SCHEMA_VERSION`].
    #[serde(default = "current_version")]
    pub schema_version: u32,
    /// `source:native-id`.
    pub id: FeedbackId,
    /// When it was said: event time.
    pub created_at: Timestamp,
    /// The version. A source that publishes none sets the latest moment at which it knows the report to have changed.
    pub updated_at: Timestamp,
    /// When civicpulse first had it.
    pub received_at: Timestamp,
    /// The door at the city's side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// The source's own category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The headline, where a source has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The question that this answers, where a survey asked one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Where the report stands, as far as the source says with this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// When the city promised to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// When the city first answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_answer_at: Option<Timestamp>,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Who is responsible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency: Option<String>,
    /// The district as the source names it; used where no polygon decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
    /// Degrees north, WGS 84.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// Degrees east, WGS 84.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
    /// Who said it, as the source identifies them; becomes a keyed pseudonym before anything is stored beyond the raw log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Supporting votes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub votes: Option<u32>,
    /// Where the original can be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The id of the report that the source says this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<String>,
    /// The language as the source declares it, ISO 639-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// Something happened to a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusEvent {
    /// See [`SCHEMA_VERSION`].
    #[serde(default = "current_version")]
    pub schema_version: u32,
    /// The report.
    pub id: FeedbackId,
    /// When it happened: event time.
    pub at: Timestamp,
    /// When civicpulse first had it.
    pub received_at: Timestamp,
    /// What the report became.
    pub status: Status,
    /// What the city said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency: Option<String>,
}

/// Forget: one report by `id`, or everything that `author` of `source` said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Erase {
    /// See [`SCHEMA_VERSION`].
    #[serde(default = "current_version")]
    pub schema_version: u32,
    /// The report to forget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<FeedbackId>,
    /// With `author`: the source that knows the author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// With `source`: the author whose reports to forget. Written to every partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When the deletion happened. Versions up to this moment are forgotten; a later one may come.
    pub at: Timestamp,
    /// When civicpulse first had it.
    pub received_at: Timestamp,
}

fn current_version() -> u32 {
    SCHEMA_VERSION
}

impl Report {
    /// A report with nothing but identity and time; `updated_at` and `received_at` start as `created_at`.
    pub fn new(id: FeedbackId, created_at: Timestamp) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            id,
            created_at,
            updated_at: created_at,
            received_at: created_at,
            channel: None,
            category: None,
            title: None,
            text: None,
            prompt: None,
            status: None,
            due_at: None,
            first_answer_at: None,
            closed_at: None,
            agency: None,
            district: None,
            lat: None,
            lon: None,
            author: None,
            votes: None,
            url: None,
            duplicate_of: None,
            language: None,
        }
    }
}

impl Feedback {
    /// The key in the log: the id, so that one report's life stays in one partition in order. An erasure by author has
    /// none: it goes to every partition.
    pub fn key(&self) -> Option<&FeedbackId> {
        match self {
            Self::Report(report) => Some(&report.id),
            Self::Status(event) => Some(&event.id),
            Self::Erase(erase) => erase.id.as_ref(),
        }
    }

    /// When civicpulse first had it.
    pub fn received_at_mut(&mut self) -> &mut Timestamp {
        match self {
            Self::Report(report) => &mut report.received_at,
            Self::Status(event) => &mut event.received_at,
            Self::Erase(erase) => &mut erase.received_at,
        }
    }

    /// Reads and checks one JSON object.
    pub fn from_json(bytes: &[u8]) -> Result<Self, FeedbackError> {
        let record: Self = serde_json::from_slice(bytes).map_err(|error| FeedbackError::Json(error.to_string()))?;
        record.check()?;
        Ok(record)
    }

    /// Appends the record as one JSON object without a line break.
    pub fn write_json(&self, buffer: &mut Vec<u8>) -> Result<(), FeedbackError> {
        serde_json::to_writer(buffer, self).map_err(|error| FeedbackError::Json(error.to_string()))
    }

    /// What the types do not say: ranges, sizes and which fields belong together.
    pub fn check(&self) -> Result<(), FeedbackError> {
        match self {
            Self::Report(report) => report.check(),
            Self::Status(event) => check_size("reason", event.reason.as_deref()),
            Self::Erase(erase) => erase.check(),
        }
    }
}

impl Report {
    fn check(&self) -> Result<(), FeedbackError> {
        check_size("text", self.text.as_deref())?;
        check_size("title", self.title.as_deref())?;
        check_size("prompt", self.prompt.as_deref())?;
        check_coordinate("lat", self.lat, 90.0)?;
        check_coordinate("lon", self.lon, 180.0)?;
        if self.lat.is_some() != self.lon.is_some() {
            let field = if self.lat.is_some() { "lon" } else { "lat" };
            return Err(FeedbackError::Field { field, problem: "is missing: give both lat and lon, or neither".into() });
        }
        Ok(())
    }
}

impl Erase {
    fn check(&self) -> Result<(), FeedbackError> {
        match (&self.id, &self.source, &self.author) {
            (Some(_), None, None) => Ok(()),
            (None, Some(source), Some(_)) if is_valid_source(source) => Ok(()),
            _ => Err(FeedbackError::Field { field: "id", problem: "give either id, or source and author".into() }),
        }
    }
}

fn check_size(field: &'static str, text: Option<&str>) -> Result<(), FeedbackError> {
    match text {
        Some(text) if text.len() > MAX_TEXT_BYTES => {
            Err(FeedbackError::Field { field, problem: format!("has {} bytes: at most {MAX_TEXT_BYTES}", text.len()) })
        }
        _ => Ok(()),
    }
}

fn check_coordinate(field: &'static str, degrees: Option<f64>, limit: f64) -> Result<(), FeedbackError> {
    match degrees {
        Some(value) if !(-limit..=limit).contains(&value) => {
            Err(FeedbackError::Field { field, problem: format!("is {value}: between -{limit} and {limit} degrees") })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::new("app:1".parse().unwrap(), Timestamp::from_secs(1_300_000_000))
    }

    #[test]
    fn json_and_back_with_unknown_fields_ignored() {
        let record = Feedback::Report(Report { text: Some("pothole".into()), ..report() });
        let mut json = Vec::new();
        record.write_json(&mut json).unwrap();
        assert_eq!(Feedback::from_json(&json).unwrap(), record);
        let newer = String::from_utf8(json).unwrap().replacen('{', "{\"schema_version\":7,\"mood\":3,", 1);
        let newer = newer.replacen(",\"schema_version\":1", "", 1);
        assert!(matches!(Feedback::from_json(newer.as_bytes()).unwrap(), Feedback::Report(r) if r.schema_version == 7));
    }

    #[test]
    fn what_the_types_do_not_say_is_checked() {
        let far = Feedback::Report(Report { lat: Some(912.0), lon: Some(0.0), ..report() });
        assert_eq!(far.check().unwrap_err().to_string(), "field `lat` is 912: between -90 and 90 degrees");
        let half = Feedback::Report(Report { lat: Some(9.0), ..report() });
        assert!(half.check().is_err());
        let long = Feedback::Report(Report { text: Some("x".repeat(MAX_TEXT_BYTES + 1)), ..report() });
        assert!(long.check().is_err());
        let both = Erase {
            schema_version: 1,
            id: Some("a:1".parse().unwrap()),
            source: Some("a".into()),
            author: None,
            at: Timestamp::MIN,
            received_at: Timestamp::MIN,
        };
        assert!(Feedback::Erase(both).check().is_err());
        assert!(
            Feedback::from_json(br#"{"kind":"report","id":5}"#).unwrap_err().to_string().starts_with("not a feedback record")
        );
    }
}
