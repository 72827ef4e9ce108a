//! Table `feedback`: one row a report, masked text and everything that was understood of it.

use std::sync::LazyLock;

use arrow::datatypes::{DataType, SchemaRef};
use feedback::schema::timestamp_type;

use super::{column, schema_of};
use crate::rows::Column;

/// Where a column's values come from, and how they are shown.
#[derive(Clone, Debug)]
pub(crate) enum Show {
    /// As held.
    Plain(Column),
    /// Text, zero-copy.
    Text(Column),
    /// An interned word.
    Word(Column),
    /// A word of a closed vocabulary.
    Code(Column),
    /// A pseudonym as 16 hexadecimal digits.
    Hex(Column),
    /// A number in a type that every client knows.
    Number(Column, DataType),
    /// From the lives.
    Status,
    FirstAnswerAt,
    ClosedAt,
    /// Joined with others; see [`crate::incidents`].
    Incident,
}

impl Show {
    /// The type in the table.
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Plain(column) => Column::all()[*column as usize].2.clone(),
            Self::Number(_, data_type) => data_type.clone(),
            Self::FirstAnswerAt | Self::ClosedAt => timestamp_type(),
            Self::Text(_) | Self::Word(_) | Self::Code(_) | Self::Hex(_) | Self::Status | Self::Incident => DataType::Utf8View,
        }
    }
}

type Definition = (&'static str, Show, bool, &'static str);

static COLUMNS: LazyLock<Vec<Definition>> = LazyLock::new(|| {
    use Column as C;
    use Show::{Code, Hex, Number, Plain, Text, Word};
    vec![
        ("id", Text(C::Id), false, "source:native-id; one row each"),
        ("source", Word(C::Source), false, "which source; the part of the id before the colon"),
        (
            "channel",
            Code(C::Channel),
            true,
            "door at the city's side: app, web, phone, email, social, in_person, staff, sensor or other",
        ),
        ("category", Word(C::Category), true, "the source's own category"),
        ("title", Text(C::Title), true, "headline, personal data masked"),
        ("text", Text(C::Text), true, "what was said, personal data masked"),
        ("created_at", Plain(C::CreatedAt), false, "when it was said: event time; UTC"),
        ("updated_at", Plain(C::UpdatedAt), false, "version of the report that is shown; UTC"),
        ("received_at", Plain(C::ReceivedAt), false, "when civicpulse first had this version; UTC"),
        (
            "status",
            Show::Status,
            true,
            "where it stands now: open, acknowledged, in_progress, closed or reopened; null is unknown",
        ),
        ("due_at", Plain(C::DueAt), true, "when the city promised to be done; UTC"),
        ("first_answer_at", Show::FirstAnswerAt, true, "when the city first answered; UTC; null is not yet"),
        ("closed_at", Show::ClosedAt, true, "when it was closed, if it is closed now; UTC"),
        ("agency", Word(C::Agency), true, "who is responsible"),
        ("district", Word(C::District), true, "district; null is unknown"),
        ("lat", Plain(C::Lat), true, "degrees north, WGS 84"),
        ("lon", Plain(C::Lon), true, "degrees east, WGS 84"),
        ("language", Word(C::Language), true, "ISO 639-1, und where unsure"),
        ("tone", Code(C::Tone), true, "most probable tone: negative, neutral or positive"),
        ("tone_negative", Plain(C::ToneNegative), true, "calibrated probability of negative tone, 0 to 1"),
        ("tone_neutral", Plain(C::ToneNeutral), true, "calibrated probability of neutral tone, 0 to 1"),
        ("tone_positive", Plain(C::TonePositive), true, "calibrated probability of positive tone, 0 to 1"),
        ("signal", Code(C::Signal), true, "what the sender wants: problem, request, question, praise or other"),
        ("topic", Code(C::Topic), true, "most probable topic; see table topics"),
        ("topic_score", Plain(C::TopicScore), true, "calibrated probability of the topic, 0 to 1"),
        ("urgency", Number(C::Urgency, DataType::Int16), true, "0 routine, 1 soon, 2 urgent, 3 emergency"),
        ("urgency_score", Plain(C::UrgencyScore), true, "urgency between 0 and 1"),
        ("author", Hex(C::Author), true, "keyed pseudonym of the author within the source"),
        ("votes", Number(C::Votes, DataType::Int64), true, "supporting votes"),
        ("url", Text(C::Url), true, "where the original can be seen"),
        ("duplicate_of", Text(C::DuplicateOf), true, "id of the report that the source says this one repeats"),
        (
            "incident_id",
            Show::Incident,
            true,
            "the incident that it tells of, named by its first report; see table incidents. Null for praise, questions and chat, unless \
             the source links them to others",
        ),
        (
            "fingerprint",
            Number(C::Fingerprint, DataType::Int64),
            true,
            "similarity hash of the text, 64 bits: reports about the same thing differ in few",
        ),
        ("model_version", Word(C::ModelVersion), true, "which model read the text"),
    ]
});

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema_of(COLUMNS.iter().map(|(name, show, nullable, doc)| column(name, show.data_type(), *nullable, doc)))
});

static SHOWS: LazyLock<Vec<Show>> = LazyLock::new(|| COLUMNS.iter().map(|(_, show, _, _)| show.clone()).collect());

/// The schema of [`crate::SegmentView::read`] with every column projected.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// How each column is made, in the order of the schema.
pub(crate) fn shows() -> &'static [Show] {
    &SHOWS
}
