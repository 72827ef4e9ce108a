//! Enriched rows under construction: one builder a column, in the order of [`schema::ENRICHED`].

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Builder, Float64Builder, Int64Builder, RecordBatch, StringBuilder, StringDictionaryBuilder,
    TimestampMicrosecondBuilder, UInt8Builder, UInt32Builder, UInt64Builder,
};
use arrow::datatypes::Int32Type;
use feedback::{Channel, Kind, Status, Timestamp, schema};
use models::compact::Reading;

use crate::error::EnrichError;

/// Declares the columns once: their name, their builder, and so their order.
macro_rules! columns {
    ($($name:ident: $builder:ty = $new:expr),+ $(,)?) => {
        /// The builders.
        pub(crate) struct Rows { $($name: $builder),+ }

        impl Rows {
            /// Builders with room for `capacity` rows.
            pub fn with_capacity(capacity: usize) -> Self {
                $(let $name = $new(capacity);)+
                Self { $($name),+ }
            }

            /// The rows so far as a batch in [`schema::ENRICHED`]; the builders are empty again.
            pub fn finish(&mut self) -> Result<RecordBatch, EnrichError> {
                let columns: Vec<ArrayRef> = vec![$(Arc::new(self.$name.finish())),+];
                Ok(RecordBatch::try_new(schema::ENRICHED.clone(), columns)?)
            }
        }
    };
}

columns! {
    kind: UInt8Builder = UInt8Builder::with_capacity,
    raw_offset: Int64Builder = Int64Builder::with_capacity,
    id: StringBuilder = |n| StringBuilder::with_capacity(n, n * 24),
    source: Dictionary = dictionary,
    at: TimestampMicrosecondBuilder = times,
    created_at: TimestampMicrosecondBuilder = times,
    updated_at: TimestampMicrosecondBuilder = times,
    received_at: TimestampMicrosecondBuilder = times,
    clock_ahead: UInt8Builder = UInt8Builder::with_capacity,
    content_key: UInt64Builder = UInt64Builder::with_capacity,
    channel: UInt8Builder = UInt8Builder::with_capacity,
    category: Dictionary = dictionary,
    title: StringBuilder = |n| StringBuilder::with_capacity(n, n * 32),
    text: StringBuilder = |n| StringBuilder::with_capacity(n, n * 128),
    status: UInt8Builder = UInt8Builder::with_capacity,
    due_at: TimestampMicrosecondBuilder = times,
    first_answer_at: TimestampMicrosecondBuilder = times,
    closed_at: TimestampMicrosecondBuilder = times,
    reason: StringBuilder = |n| StringBuilder::with_capacity(n, n * 8),
    agency: Dictionary = dictionary,
    district: Dictionary = dictionary,
    lat: Float64Builder = Float64Builder::with_capacity,
    lon: Float64Builder = Float64Builder::with_capacity,
    language: Dictionary = dictionary,
    tone: UInt8Builder = UInt8Builder::with_capacity,
    tone_negative: Float32Builder = Float32Builder::with_capacity,
    tone_neutral: Float32Builder = Float32Builder::with_capacity,
    tone_positive: Float32Builder = Float32Builder::with_capacity,
    signal: UInt8Builder = UInt8Builder::with_capacity,
    topic: UInt8Builder = UInt8Builder::with_capacity,
    topic_score: Float32Builder = Float32Builder::with_capacity,
    urgency: UInt8Builder = UInt8Builder::with_capacity,
    urgency_score: Float32Builder = Float32Builder::with_capacity,
    author: UInt64Builder = UInt64Builder::with_capacity,
    votes: UInt32Builder = UInt32Builder::with_capacity,
    url: StringBuilder = |n| StringBuilder::with_capacity(n, n * 8),
    duplicate_of: StringBuilder = |n| StringBuilder::with_capacity(n, 64),
    fingerprint: UInt64Builder = UInt64Builder::with_capacity,
    model_version: Dictionary = dictionary,
}

type Dictionary = StringDictionaryBuilder<Int32Type>;

fn dictionary(capacity: usize) -> Dictionary {
    StringDictionaryBuilder::with_capacity(capacity, 64, 1024)
}

fn times(capacity: usize) -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::with_capacity(capacity).with_timezone("UTC")
}

/// What every row has. The other columns default to null.
pub(crate) struct Head<'a> {
    pub kind: Kind,
    pub raw_offset: u64,
    pub id: &'a str,
    pub source: &'a str,
    pub at: Timestamp,
    pub received_at: Timestamp,
    pub clock_ahead: bool,
    pub content_key: u64,
}

/// What a report or a status states beyond the head, and what was understood of it.
#[derive(Default)]
pub(crate) struct Body<'a> {
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub channel: Option<Channel>,
    pub category: Option<&'a str>,
    pub title: Option<&'a str>,
    pub text: Option<&'a str>,
    pub status: Option<Status>,
    pub due_at: Option<Timestamp>,
    pub first_answer_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    pub reason: Option<&'a str>,
    pub agency: Option<&'a str>,
    pub district: Option<&'a str>,
    pub position: Option<(f64, f64)>,
    pub language: Option<&'a str>,
    pub author: Option<u64>,
    pub votes: Option<u32>,
    pub url: Option<&'a str>,
    pub duplicate_of: Option<&'a str>,
    pub fingerprint: Option<u64>,
    pub model_version: Option<&'a str>,
    /// What the model reads in it; null for anything that is not a report.
    pub reading: Option<&'a Reading>,
    /// Whether `reading` saw words of the sender: without them the tone is unknown.
    pub has_words: bool,
}

impl Rows {
    /// Appends one row.
    pub fn push(&mut self, head: &Head<'_>, body: &Body<'_>) {
        let micros = |time: Option<Timestamp>| time.map(Timestamp::micros);
        self.kind.append_value(head.kind.code());
        self.raw_offset.append_value(head.raw_offset as i64);
        self.id.append_value(head.id);
        self.source.append_value(head.source);
        self.at.append_value(head.at.micros());
        self.created_at.append_option(micros(body.created_at));
        self.updated_at.append_option(micros(body.updated_at));
        self.received_at.append_value(head.received_at.micros());
        self.clock_ahead.append_value(u8::from(head.clock_ahead));
        self.content_key.append_value(head.content_key);
        self.channel.append_option(body.channel.map(Channel::code));
        self.category.append_option(body.category);
        self.title.append_option(body.title);
        self.text.append_option(body.text);
        self.status.append_option(body.status.map(Status::code));
        self.due_at.append_option(micros(body.due_at));
        self.first_answer_at.append_option(micros(body.first_answer_at));
        self.closed_at.append_option(micros(body.closed_at));
        self.reason.append_option(body.reason);
        self.agency.append_option(body.agency);
        self.district.append_option(body.district);
        self.lat.append_option(body.position.map(|(lat, _)| lat));
        self.lon.append_option(body.position.map(|(_, lon)| lon));
        self.language.append_option(body.language);
        self.push_reading(body);
        self.author.append_option(body.author);
        self.votes.append_option(body.votes);
        self.url.append_option(body.url);
        self.duplicate_of.append_option(body.duplicate_of);
        self.fingerprint.append_option(body.fingerprint);
        self.model_version.append_option(body.model_version);
    }

    fn push_reading(&mut self, body: &Body<'_>) {
        let tone = body.reading.filter(|_| body.has_words);
        self.tone.append_option(tone.map(|reading| reading.tone_label().code()));
        self.tone_negative.append_option(tone.map(|reading| reading.tone[0]));
        self.tone_neutral.append_option(tone.map(|reading| reading.tone[1]));
        self.tone_positive.append_option(tone.map(|reading| reading.tone[2]));
        self.signal.append_option(body.reading.map(|reading| reading.signal_label().code()));
        self.topic.append_option(body.reading.map(|reading| reading.topic_label().code()));
        self.topic_score.append_option(body.reading.map(|reading| reading.topic_score()));
        self.urgency.append_option(body.reading.map(|reading| reading.urgency_label().code()));
        self.urgency_score.append_option(body.reading.map(Reading::urgency_score));
    }
}
