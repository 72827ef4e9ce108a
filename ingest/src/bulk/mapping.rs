//! A mapping file: how a city's own table becomes records.
//!
//! ```toml
//! source = "muenster"                       # first part of every id
//! time_zone = "Europe/Berlin"               # of times without offset; default UTC
//! time_formats = ["%d.%m.%Y %H:%M", "iso"]  # tried in order: iso, us, unix, unix_ms or a strftime pattern; default iso
//! separator = ";"                           # of csv; default , (tab for tsv)
//! quote = '"'                               # "" for none; default " for csv, none for tsv
//!
//! [columns]                                 # field = the file's column (for jsonl a key, nested ones as outer.inner)
//! id = "Vorgang"                            # without it the id is a hash of the row
//! created_at = "Eingang"                    # needed
//! text = "Beschreibung"
//!
//! [constants]                               # field = text, where no column has one
//! channel = "web"
//!
//! [values.status]                           # the file's word = civicpulse's word
//! "erledigt" = "closed"
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use feedback::id::is_valid_source;
use feedback::{Channel, FeedbackId, Report, Status};
use xxhash_rust::xxh3::xxh3_128;

use super::case::{self, Case, case_id, excerpt};
use super::layout::{Cells, Column, Conversion, Layout, RowError, nearest};
use super::rows::Dialect;
use super::time::{TimeFormat, TimeReader};
use crate::error::IngestError;

/// The fields that a column or a constant can feed; also the numbers of the logical columns.
#[derive(Clone, Copy)]
enum Field {
    Id,
    CreatedAt,
    UpdatedAt,
    Channel,
    Category,
    Title,
    Text,
    Prompt,
    Status,
    DueAt,
    FirstAnswerAt,
    ClosedAt,
    ClosedReason,
    Agency,
    District,
    Lat,
    Lon,
    Author,
    Votes,
    Url,
    DuplicateOf,
    Language,
}

/// The fields as they are written, in the order of [`Field`].
const FIELDS: [&str; 22] = [
    "id",
    "created_at",
    "updated_at",
    "channel",
    "category",
    "title",
    "text",
    "prompt",
    "status",
    "due_at",
    "first_answer_at",
    "closed_at",
    "closed_reason",
    "agency",
    "district",
    "lat",
    "lon",
    "author",
    "votes",
    "url",
    "duplicate_of",
    "language",
];

const KEYS: [&str; 8] = ["source", "time_zone", "time_formats", "separator", "quote", "columns", "constants", "values"];

/// A checked mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    source: String,
    times: TimeReader,
    separator: Option<u8>,
    /// `Some(None)`: explicitly none.
    quote: Option<Option<u8>>,
    columns: Vec<Column>,
    constants: Vec<Option<String>>,
    statuses: BTreeMap<String, Status>,
    channels: BTreeMap<String, Channel>,
}

#[derive(serde::Deserialize)]
struct Written {
    source: String,
    time_zone: Option<String>,
    time_formats: Option<Vec<String>>,
    separator: Option<String>,
    quote: Option<String>,
    #[serde(default)]
    columns: BTreeMap<String, String>,
    #[serde(default)]
    constants: BTreeMap<String, toml::Value>,
    #[serde(default)]
    values: BTreeMap<String, BTreeMap<String, String>>,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is unknown or impossible; the message names the nearest known word.
    pub fn load(path: &Path) -> Result<Self, IngestError> {
        let refuse = |problem| IngestError::Mapping { path: PathBuf::from(path), problem };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        Self::parse(&text).map_err(refuse)
    }

    /// Reads the text of a mapping file.
    ///
    /// # Errors
    /// As [`Mapping::load`], as text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
        known("key", table.keys(), &KEYS)?;
        let written: Written = table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        known("field", written.columns.keys(), &FIELDS)?;
        known("field", written.constants.keys(), &FIELDS)?;
        known("vocabulary", written.values.keys(), &["status", "channel"])?;
        if !is_valid_source(&written.source) {
            return Err(format!("source `{}` may hold lower-case letters, digits, `_` and `-` only", written.source));
        }
        if !written.columns.contains_key("created_at") {
            return Err("[columns] needs created_at: the column that says when it was said".into());
        }
        let zone: Tz = match &written.time_zone {
            None => chrono_tz::UTC,
            Some(name) => name.parse().map_err(|_| {
                let near = nearest(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
                format!(
                    "time_zone `{name}` is not a zone name; {}",
                    near.map_or("use one such as Europe/Berlin".into(), did_you_mean)
                )
            })?,
        };
        let formats = written.time_formats.unwrap_or_else(|| vec!["iso".into()]);
        let formats = formats.iter().map(|format| format.parse()).collect::<Result<Vec<TimeFormat>, String>>()?;
        let one_byte = |what: &str, text: &str| match text.as_bytes() {
            [byte] if byte.is_ascii() && *byte != b'\n' => Ok(*byte),
            _ => Err(format!("{what} `{text}` must be one ASCII character")),
        };
        let quote = match written.quote.as_deref() {
            None => None,
            Some("") => Some(None),
            Some(mark) => Some(Some(one_byte("quote", mark)?)),
        };
        Ok(Self {
            times: TimeReader::new(zone, formats),
            separator: written.separator.as_deref().map(|text| one_byte("separator", text)).transpose()?,
            quote,
            columns: FIELDS.iter().map(|field| column(field, &written.columns)).collect(),
            constants: FIELDS
                .iter()
                .map(|field| written.constants.get(*field).map(constant).transpose())
                .collect::<Result<_, _>>()?,
            statuses: words(written.values.get("status"))?,
            channels: words(written.values.get("channel"))?,
            source: written.source,
        })
    }

    /// The source's name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// How a delimited file is written, given what its format does by default.
    pub fn dialect(&self, default: Dialect) -> Dialect {
        Dialect { separator: self.separator.unwrap_or(default.separator), quote: self.quote.unwrap_or(default.quote) }
    }

    fn text<'a>(&'a self, cells: &'a dyn Cells, field: Field) -> Option<&'a str> {
        cells.get(field as usize).or(self.constants[field as usize].as_deref())
    }
}

impl Layout for Mapping {
    fn source(&self) -> &str {
        &self.source
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn convert(&self, cells: &dyn Cells, conversion: &mut Conversion) -> Result<(), RowError> {
        let get = |field| self.text(cells, field);
        let owned = |field| self.text(cells, field).map(str::to_owned);
        let id = match get(Field::Id) {
            Some(id) => case_id(&self.source, Some(id), "id")?,
            None if self.columns[Field::Id as usize].names.is_empty() => self.hashed_id(cells)?,
            None => return Err(RowError(format!("column `{}` is blank: no id", self.columns[Field::Id as usize].names[0]))),
        };
        let facts = &mut conversion.facts;
        let status = get(Field::Status).and_then(|word| self.statuses.get(word).copied().or_else(|| case::status(word, facts)));
        let channel =
            get(Field::Channel).and_then(|word| self.channels.get(word).copied().or_else(|| case::channel(word, facts)));
        let votes = match get(Field::Votes) {
            Some(text) => Some(text.parse().map_err(|_| RowError(format!("votes `{}` is not a whole number", excerpt(text))))?),
            None => None,
        };
        let duplicate_of = get(Field::DuplicateOf).map(|native| match native.contains(':') {
            true => native.to_owned(),
            false => format!("{}:{native}", self.source),
        });
        let case = Case {
            id,
            opened: get(Field::CreatedAt),
            due: get(Field::DueAt),
            closed: get(Field::ClosedAt),
            updated: get(Field::UpdatedAt),
            answered: get(Field::FirstAnswerAt),
            status,
            reason: owned(Field::ClosedReason),
            lat: get(Field::Lat),
            lon: get(Field::Lon),
            default_point: None,
        };
        case.into_records(&self.times, conversion, |report: &mut Report| {
            report.channel = channel;
            report.category = owned(Field::Category);
            report.title = owned(Field::Title);
            report.text = owned(Field::Text);
            report.prompt = owned(Field::Prompt);
            report.agency = owned(Field::Agency);
            report.district = owned(Field::District);
            report.author = owned(Field::Author);
            report.votes = votes;
            report.url = owned(Field::Url);
            report.duplicate_of = duplicate_of;
            report.language = owned(Field::Language);
        })
    }
}

impl Mapping {
    /// An id for a row without one: the same row always has the same.
    fn hashed_id(&self, cells: &dyn Cells) -> Result<FeedbackId, RowError> {
        let mut content = Vec::with_capacity(512);
        for column in 0..self.columns.len() {
            let text = cells.get(column).unwrap_or("");
            content.extend_from_slice(&(text.len() as u64).to_le_bytes());
            content.extend_from_slice(text.as_bytes());
        }
        FeedbackId::new(&self.source, &format!("h{:032x}", xxh3_128(&content))).map_err(|error| RowError(error.to_string()))
    }
}

fn column(field: &str, written: &BTreeMap<String, String>) -> Column {
    let names: Vec<String> = written.get(field).cloned().into_iter().collect();
    Column { label: format!("for field {field}"), required: !names.is_empty(), names, exact: true }
}

fn constant(value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        _ => Err("a constant must be a text or a number".into()),
    }
}

fn words<T: std::str::FromStr<Err = feedback::FeedbackError>>(
    written: Option<&BTreeMap<String, String>>,
) -> Result<BTreeMap<String, T>, String> {
    let pairs = written.into_iter().flatten();
    pairs
        .map(|(word, meaning)| Ok((word.clone(), meaning.parse().map_err(|error: feedback::FeedbackError| error.to_string())?)))
        .collect()
}

fn known<'a>(what: &str, written: impl Iterator<Item = &'a String>, known: &[&str]) -> Result<(), String> {
    for word in written {
        if !known.contains(&word.as_str()) {
            let hint =
                nearest(word, known.iter().copied()).map_or_else(|| format!("use one of {}", known.join(", ")), did_you_mean);
            return Err(format!("unknown {what} `{word}`; {hint}"));
        }
    }
    Ok(())
}

fn did_you_mean(near: &str) -> String {
    format!("did you mean `{near}`?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::layout::{Facts, bind};
    use feedback::Feedback;

    const MAPPING: &str = r#"
        source = "muenster"
        time_zone = "Europe/Berlin"
        time_formats = ["%d.%m.%Y %H:%M"]
        separator = ";"
        [columns]
        created_at = "Eingang"
        text = "Beschreibung"
        status = "Stand"
        [constants]
        channel = "web"
        [values.status]
        erledigt = "closed"
    "#;

    struct Row(Vec<(usize, &'static str)>);

    impl Cells for Row {
        fn get(&self, column: usize) -> Option<&str> {
            self.0.iter().find(|(position, _)| *position == column).map(|(_, text)| *text)
        }
    }

    #[test]
    fn a_row_becomes_a_record_with_constants_words_and_a_stable_id() {
        let mapping = Mapping::parse(MAPPING).unwrap();
        let mut ids = Vec::new();
        for _ in 0..2 {
            let mut conversion =
                Conversion { now: feedback::Timestamp::from_secs(1_800_000_000), records: vec![], facts: Facts::default() };
            let row = Row(vec![
                (Field::CreatedAt as usize, "20.03.2026 09:00"),
                (Field::Text as usize, "Laterne aus"),
                (Field::Status as usize, "erledigt"),
            ]);
            mapping.convert(&row, &mut conversion).unwrap();
            let [Feedback::Report(report)] = &conversion.records[..] else { panic!("{conversion:?}") };
            assert_eq!(report.created_at.to_string(), "2026-03-20T08:00:00Z");
            assert_eq!((report.channel, report.status), (Some(Channel::Web), Some(Status::Closed)));
            assert_eq!(report.text.as_deref(), Some("Laterne aus"));
            ids.push(report.id.clone());
        }
        assert!(ids[0] == ids[1] && ids[0].as_str().starts_with("muenster:h"));
        assert_eq!(mapping.dialect(Dialect { separator: b',', quote: None }), Dialect { separator: b';', quote: None });
    }

    #[test]
    fn what_is_unknown_is_named_with_the_nearest() {
        let error = |text: &str| Mapping::parse(text).unwrap_err();
        assert_eq!(error("sorce = 'x'"), "unknown key `sorce`; did you mean `source`?");
        assert_eq!(error("source = 'x'\n[columns]\ncreated = 'a'"), "unknown field `created`; did you mean `created_at`?");
        assert!(error("source = 'x'").contains("needs created_at"));
        assert!(error("source = 'X y'\n[columns]\ncreated_at = 'a'").contains("lower-case"));
        assert!(
            error("source = 'x'\ntime_zone = 'Europe/Berln'\n[columns]\ncreated_at = 'a'")
                .contains("did you mean `Europe/Berlin`?")
        );
        assert!(error("source = 'x'\ntime_formats = ['dd.mm']\n[columns]\ncreated_at = 'a'").contains("not a time format"));
        assert!(
            error("source = 'x'\n[columns]\ncreated_at = 'a'\n[values.status]\ndone = 'over'")
                .contains("`over` is not a status")
        );
        assert!(error("source = 'x'\n[columns]\ncreated_at = 'a'\n[values.topic]\na = 'b'").contains("unknown vocabulary"));
        assert!(error("source = ").contains("string") || !error("source = ").is_empty());
    }

    #[test]
    fn a_column_missing_from_the_file_is_told_with_the_nearest() {
        let mapping = Mapping::parse(MAPPING).unwrap();
        let header: Vec<String> = ["Eingang", "Beschreibng", "Stand"].iter().map(|name| (*name).to_owned()).collect();
        let error = bind(mapping.columns(), &header).unwrap_err();
        assert_eq!(error, "no column `Beschreibung` (for field text); did you mean `Beschreibng`?");
    }
}
