//! The Arrow schemas: of a decoded raw record, and of an enriched row as it lies in `feedback.enriched`.
//!
//! Closed vocabularies are `UInt8` codes (see [`crate::vocabulary`]); open ones are dictionaries; `sql` shows both as text.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// UTC microseconds.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Text that repeats.
pub fn dictionary_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// A raw record as the columnar JSON decoder reads it: every field of every kind, all nullable.
pub static RAW: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let time = |name| Field::new(name, timestamp_type(), true);
    Arc::new(Schema::new(vec![
        text("kind"),
        text("id"),
        time("created_at"),
        time("updated_at"),
        time("received_at"),
        text("channel"),
        text("category"),
        text("title"),
        text("text"),
        text("prompt"),
        text("status"),
        time("due_at"),
        time("first_answer_at"),
        time("closed_at"),
        text("agency"),
        text("district"),
        Field::new("lat", DataType::Float64, true),
        Field::new("lon", DataType::Float64, true),
        text("author"),
        Field::new("votes", DataType::UInt32, true),
        text("url"),
        text("duplicate_of"),
        text("language"),
        time("at"),
        text("reason"),
        text("source"),
    ]))
});

/// Metadata keys of an enriched batch: which stretch of which raw partition it covers.
pub mod coverage {
    /// The raw partition.
    pub const PARTITION: &str = "raw_partition";
    /// The first raw offset covered: the position at which the worker's reading stood.
    pub const FIRST: &str = "raw_first";
    /// The raw offset after the last one covered.
    pub const NEXT: &str = "raw_next";
}

/// The metadata key under which a field's documentation lies.
pub const DOC: &str = "doc";

/// An enriched row.
pub static ENRICHED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let f = |name: &str, data_type: DataType, nullable: bool, doc: &str| {
        Field::new(name, data_type, nullable).with_metadata(HashMap::from([(DOC.to_owned(), doc.to_owned())]))
    };
    let time = timestamp_type;
    let dict = dictionary_type;
    use DataType::{Float32, Float64, Int64, UInt8, UInt32, UInt64, Utf8};
    Arc::new(Schema::new(vec![
        f("kind", UInt8, false, "report, status or erase; code of feedback::Kind"),
        f("raw_offset", Int64, false, "offset of the raw record in its partition"),
        f("id", Utf8, false, "source:native-id; empty for an erasure by author"),
        f("source", dict(), false, "which source; the part of the id before the colon"),
        f("at", time(), false, "event time: created_at of a report, the moment of a status or erasure; UTC"),
        f("created_at", time(), true, "when it was said, clamped to received_at where a clock ran ahead; UTC; reports only"),
        f("updated_at", time(), true, "version of the report; UTC; reports only"),
        f("received_at", time(), false, "when civicpulse first had it; UTC"),
        f("clock_ahead", UInt8, false, "1 where the event time lay in the future of received_at and was clamped to it"),
        f("content_key", UInt64, false, "hash of what was sent, without received_at; decides between equal versions"),
        f("channel", UInt8, true, "door at the city's side; code of feedback::Channel"),
        f("category", dict(), true, "the source's own category"),
        f("title", Utf8, true, "headline, personal data masked"),
        f("text", Utf8, true, "what was said, personal data masked"),
        f("status", UInt8, true, "status that this record states; code of feedback::Status"),
        f("due_at", time(), true, "when the city promised to be done; UTC"),
        f("first_answer_at", time(), true, "when the city first answered, as the source states it; UTC"),
        f("closed_at", time(), true, "when it was closed, as the source states it; UTC"),
        f("reason", Utf8, true, "what the city said with a status, personal data masked"),
        f("agency", dict(), true, "who is responsible"),
        f("district", dict(), true, "district by point in polygon, else as the source names it; null is unknown"),
        f("lat", Float64, true, "degrees north, WGS 84"),
        f("lon", Float64, true, "degrees east, WGS 84"),
        f("language", dict(), true, "ISO 639-1, und where unsure; reports only"),
        f("tone", UInt8, true, "most probable tone; code of feedback::Tone"),
        f("tone_negative", Float32, true, "calibrated probability of negative tone, 0 to 1"),
        f("tone_neutral", Float32, true, "calibrated probability of neutral tone, 0 to 1"),
        f("tone_positive", Float32, true, "calibrated probability of positive tone, 0 to 1"),
        f("signal", UInt8, true, "what the sender wants; code of feedback::Signal"),
        f("topic", UInt8, true, "most probable topic; code of feedback::Topic"),
        f("topic_score", Float32, true, "calibrated probability of the topic, 0 to 1"),
        f("urgency", UInt8, true, "0 routine, 1 soon, 2 urgent, 3 emergency"),
        f("urgency_score", Float32, true, "urgency between 0 and 1"),
        f("author", UInt64, true, "keyed pseudonym of the author within the source"),
        f("votes", UInt32, true, "supporting votes"),
        f("url", Utf8, true, "where the original can be seen"),
        f("duplicate_of", Utf8, true, "id of the report that the source says this one repeats"),
        f("fingerprint", UInt64, true, "similarity hash of the text: reports about the same thing differ in few bits"),
        f("model_version", dict(), true, "which model read the text"),
    ]))
});
