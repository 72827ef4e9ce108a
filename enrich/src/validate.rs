//! A decoded row as a record, or the reason why it is none. The same rules as [`feedback::Feedback::check`], without building one.

use arrow::array::{Array, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array};
use feedback::id::{is_valid_id, is_valid_source, source_of};
use feedback::{Channel, MAX_TEXT_BYTES, Status, Timestamp};

/// The columns of a decoded batch, by name and type.
pub(crate) struct RawColumns<'a> {
    kind: &'a StringArray,
    id: &'a StringArray,
    created_at: &'a TimestampMicrosecondArray,
    updated_at: &'a TimestampMicrosecondArray,
    received_at: &'a TimestampMicrosecondArray,
    channel: &'a StringArray,
    category: &'a StringArray,
    title: &'a StringArray,
    text: &'a StringArray,
    prompt: &'a StringArray,
    status: &'a StringArray,
    due_at: &'a TimestampMicrosecondArray,
    first_answer_at: &'a TimestampMicrosecondArray,
    closed_at: &'a TimestampMicrosecondArray,
    agency: &'a StringArray,
    district: &'a StringArray,
    lat: &'a Float64Array,
    lon: &'a Float64Array,
    author: &'a StringArray,
    votes: &'a UInt32Array,
    url: &'a StringArray,
    duplicate_of: &'a StringArray,
    language: &'a StringArray,
    at: &'a TimestampMicrosecondArray,
    reason: &'a StringArray,
    source: &'a StringArray,
}

/// A valid record, borrowed from the batch.
#[allow(clippy::large_enum_variant, reason = "it lives on the stack for one row, and reports are nearly all of them")]
pub(crate) enum Row<'a> {
    Report(ReportRow<'a>),
    Status(StatusRow<'a>),
    Erase(EraseRow<'a>),
}

pub(crate) struct ReportRow<'a> {
    pub id: &'a str,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub received_at: Timestamp,
    pub channel: Option<Channel>,
    pub category: Option<&'a str>,
    pub title: Option<&'a str>,
    pub text: Option<&'a str>,
    pub prompt: Option<&'a str>,
    pub status: Option<Status>,
    pub due_at: Option<Timestamp>,
    pub first_answer_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    pub agency: Option<&'a str>,
    pub district: Option<&'a str>,
    pub position: Option<(f64, f64)>,
    pub author: Option<&'a str>,
    pub votes: Option<u32>,
    pub url: Option<&'a str>,
    pub duplicate_of: Option<&'a str>,
    pub language: Option<&'a str>,
}

pub(crate) struct StatusRow<'a> {
    pub id: &'a str,
    pub at: Timestamp,
    pub received_at: Timestamp,
    pub status: Status,
    pub reason: Option<&'a str>,
    pub agency: Option<&'a str>,
}

pub(crate) struct EraseRow<'a> {
    /// Whom or what to forget.
    pub target: EraseTarget<'a>,
    pub at: Timestamp,
    pub received_at: Timestamp,
}

pub(crate) enum EraseTarget<'a> {
    Report(&'a str),
    Author { source: &'a str, author: &'a str },
}

impl<'a> RawColumns<'a> {
    /// The columns of a batch in [`feedback::schema::RAW`].
    pub fn of(batch: &'a RecordBatch) -> Self {
        let text = |name: &str| column::<StringArray>(batch, name);
        let time = |name: &str| column::<TimestampMicrosecondArray>(batch, name);
        let number = |name: &str| column::<Float64Array>(batch, name);
        Self {
            kind: text("kind"),
            id: text("id"),
            created_at: time("created_at"),
            updated_at: time("updated_at"),
            received_at: time("received_at"),
            channel: text("channel"),
            category: text("category"),
            title: text("title"),
            text: text("text"),
            prompt: text("prompt"),
            status: text("status"),
            due_at: time("due_at"),
            first_answer_at: time("first_answer_at"),
            closed_at: time("closed_at"),
            agency: text("agency"),
            district: text("district"),
            lat: number("lat"),
            lon: number("lon"),
            author: text("author"),
            votes: column(batch, "votes"),
            url: text("url"),
            duplicate_of: text("duplicate_of"),
            language: text("language"),
            at: time("at"),
            reason: text("reason"),
            source: text("source"),
        }
    }

    /// Row `row` as a record, or the reason why it is none.
    pub fn row(&self, row: usize) -> Result<Row<'a>, String> {
        match text(self.kind, row) {
            Some("report") => self.report(row).map(Row::Report),
            Some("status") => self.status(row).map(Row::Status),
            Some("erase") => self.erase(row).map(Row::Erase),
            Some(kind) => Err(format!("kind is `{}`: use report, status or erase", clip(kind))),
            None => Err(missing("kind")),
        }
    }

    /// The source that the row's id names, if it gets that far: where a dead letter came from.
    pub fn source(&self, row: usize) -> Option<&'a str> {
        text(self.id, row).map(source_of).filter(|source| is_valid_source(source))
    }

    fn report(&self, row: usize) -> Result<ReportRow<'a>, String> {
        let created_at = required_time(self.created_at, row, "created_at")?;
        let report = ReportRow {
            id: self.id(row)?,
            created_at,
            updated_at: time(self.updated_at, row).unwrap_or(created_at),
            received_at: required_time(self.received_at, row, "received_at")?,
            channel: word(self.channel, row)?,
            category: trimmed(self.category, row),
            title: sized(self.title, row, "title")?,
            text: sized(self.text, row, "text")?,
            prompt: sized(self.prompt, row, "prompt")?,
            status: word(self.status, row)?,
            due_at: time(self.due_at, row),
            first_answer_at: time(self.first_answer_at, row),
            closed_at: time(self.closed_at, row),
            agency: trimmed(self.agency, row),
            district: trimmed(self.district, row),
            position: self.position(row)?,
            author: trimmed(self.author, row),
            votes: self.votes.is_valid(row).then(|| self.votes.value(row)),
            url: trimmed(self.url, row),
            duplicate_of: trimmed(self.duplicate_of, row),
            language: trimmed(self.language, row),
        };
        Ok(report)
    }

    fn status(&self, row: usize) -> Result<StatusRow<'a>, String> {
        Ok(StatusRow {
            id: self.id(row)?,
            at: required_time(self.at, row, "at")?,
            received_at: required_time(self.received_at, row, "received_at")?,
            status: word(self.status, row)?.ok_or_else(|| missing("status"))?,
            reason: sized(self.reason, row, "reason")?,
            agency: trimmed(self.agency, row),
        })
    }

    fn erase(&self, row: usize) -> Result<EraseRow<'a>, String> {
        let target = match (text(self.id, row), trimmed(self.source, row), trimmed(self.author, row)) {
            (Some(_), None, None) => EraseTarget::Report(self.id(row)?),
            (None, Some(source), Some(author)) if is_valid_source(source) => EraseTarget::Author { source, author },
            _ => return Err("an erasure has either id, or source and author".to_owned()),
        };
        Ok(EraseRow {
            target,
            at: required_time(self.at, row, "at")?,
            received_at: required_time(self.received_at, row, "received_at")?,
        })
    }

    fn id(&self, row: usize) -> Result<&'a str, String> {
        match text(self.id, row) {
            Some(id) if is_valid_id(id) => Ok(id),
            Some(id) => Err(format!("id is `{}`: write it as source:native-id", clip(id))),
            None => Err(missing("id")),
        }
    }

    fn position(&self, row: usize) -> Result<Option<(f64, f64)>, String> {
        match (self.lat.is_valid(row).then(|| self.lat.value(row)), self.lon.is_valid(row).then(|| self.lon.value(row))) {
            (Some(lat), Some(lon)) if (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon) => Ok(Some((lat, lon))),
            (Some(lat), Some(lon)) => Err(format!("lat {lat}, lon {lon} is off the planet")),
            (None, None) => Ok(None),
            _ => Err("only one of lat and lon is given: give both, or neither".to_owned()),
        }
    }
}

/// A column by name. Both sides come from [`feedback::schema::RAW`].
fn column<'a, A: 'static>(batch: &'a RecordBatch, name: &str) -> &'a A {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_any().downcast_ref())
        .expect("the decoder fills feedback::schema::RAW, which has this column")
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

/// Text without surrounding blanks; blank is absent.
fn trimmed(column: &StringArray, row: usize) -> Option<&str> {
    text(column, row).map(str::trim).filter(|text| !text.is_empty())
}

fn sized<'a>(column: &'a StringArray, row: usize, field: &str) -> Result<Option<&'a str>, String> {
    match trimmed(column, row) {
        Some(text) if text.len() > MAX_TEXT_BYTES => Err(format!("{field} has {} bytes: at most {MAX_TEXT_BYTES}", text.len())),
        text => Ok(text),
    }
}

fn word<T: std::str::FromStr<Err = feedback::FeedbackError>>(column: &StringArray, row: usize) -> Result<Option<T>, String> {
    trimmed(column, row).map(|word| word.parse().map_err(|error: T::Err| error.to_string())).transpose()
}

fn time(column: &TimestampMicrosecondArray, row: usize) -> Option<Timestamp> {
    column.is_valid(row).then(|| Timestamp::from_micros(column.value(row)))
}

fn required_time(column: &TimestampMicrosecondArray, row: usize, field: &str) -> Result<Timestamp, String> {
    /// 1900-01-01T00:00:00Z: whatever claims to be older is a parsing accident at the sender.
    const OLDEST: Timestamp = Timestamp::from_secs(-2_208_988_800);
    match time(column, row) {
        Some(moment) if moment >= OLDEST => Ok(moment),
        Some(moment) => Err(format!("{field} is {moment}: before 1900")),
        None => Err(missing(field)),
    }
}

fn missing(field: &str) -> String {
    format!("{field} is missing")
}

fn clip(text: &str) -> String {
    text.chars().take(64).collect()
}
