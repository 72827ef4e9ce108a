//! Enriched batches made by hand, as a worker would write them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt8Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Int32Type, Schema};
use arrow::ipc::writer::StreamWriter;
use feedback::schema::{ENRICHED, coverage};
use feedback::{Channel, Kind, Signal, Status, Tone, Topic};
use stream::Fetched;

/// A row of an enriched batch; times in microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub kind: Kind,
    pub raw_offset: u64,
    pub id: String,
    pub source: String,
    pub at: i64,
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
    pub received_at: i64,
    pub content_key: u64,
    pub channel: Option<Channel>,
    pub category: Option<String>,
    pub title: Option<String>,
    pub text: Option<String>,
    pub status: Option<Status>,
    pub due_at: Option<i64>,
    pub first_answer_at: Option<i64>,
    pub closed_at: Option<i64>,
    pub reason: Option<String>,
    pub agency: Option<String>,
    pub district: Option<String>,
    pub place: Option<(f64, f64)>,
    pub language: Option<String>,
    /// Negative, neutral, positive.
    pub tones: Option<[f32; 3]>,
    pub signal: Option<Signal>,
    pub topic: Option<Topic>,
    pub urgency: Option<u8>,
    pub author: Option<u64>,
    pub votes: Option<u32>,
    pub duplicate_of: Option<String>,
    /// Of the text's words.
    pub fingerprint: Option<u64>,
}

impl Row {
    pub fn new(kind: Kind, source: &str, native_id: &str, at: i64) -> Self {
        Self {
            kind,
            raw_offset: 0,
            id: if native_id.is_empty() { String::new() } else { format!("{source}:{native_id}") },
            source: source.to_owned(),
            at,
            created_at: (kind == Kind::Report).then_some(at),
            updated_at: (kind == Kind::Report).then_some(at),
            received_at: at,
            content_key: 0,
            channel: None,
            category: None,
            title: None,
            text: None,
            status: None,
            due_at: None,
            first_answer_at: None,
            closed_at: None,
            reason: None,
            agency: None,
            district: None,
            place: None,
            language: None,
            tones: None,
            signal: None,
            topic: None,
            urgency: None,
            author: None,
            votes: None,
            duplicate_of: None,
            fingerprint: None,
        }
    }
}

/// The payload of a batch that covers `[first, next)` of a raw partition.
pub fn payload(partition: u32, first: u64, next: u64, rows: &[Row]) -> Vec<u8> {
    fn time<'a>(rows: &'a [Row], of: impl Fn(&'a Row) -> Option<i64>) -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    }
    fn text<'a>(rows: &'a [Row], of: impl Fn(&'a Row) -> Option<&'a str>) -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    }
    fn word<'a>(rows: &'a [Row], of: impl Fn(&'a Row) -> Option<&'a str>) -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<DictionaryArray<Int32Type>>())
    }
    fn code<'a>(rows: &'a [Row], of: impl Fn(&'a Row) -> Option<u8>) -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<UInt8Array>())
    }
    fn real<'a>(rows: &'a [Row], of: impl Fn(&'a Row) -> Option<f32>) -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Float32Array>())
    }
    let columns = ENRICHED.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "kind" => code(rows, |r| Some(r.kind.code())),
            "raw_offset" => Arc::new(rows.iter().map(|r| Some(r.raw_offset as i64)).collect::<Int64Array>()),
            "id" => text(rows, |r| Some(&r.id)),
            "source" => word(rows, |r| Some(&r.source)),
            "at" => time(rows, |r| Some(r.at)),
            "created_at" => time(rows, |r| r.created_at),
            "updated_at" => time(rows, |r| r.updated_at),
            "received_at" => time(rows, |r| Some(r.received_at)),
            "clock_ahead" => code(rows, |_| Some(0)),
            "content_key" => Arc::new(rows.iter().map(|r| Some(r.content_key)).collect::<UInt64Array>()),
            "channel" => code(rows, |r| r.channel.map(Channel::code)),
            "category" => word(rows, |r| r.category.as_deref()),
            "title" => text(rows, |r| r.title.as_deref()),
            "text" => text(rows, |r| r.text.as_deref()),
            "status" => code(rows, |r| r.status.map(Status::code)),
            "due_at" => time(rows, |r| r.due_at),
            "first_answer_at" => time(rows, |r| r.first_answer_at),
            "closed_at" => time(rows, |r| r.closed_at),
            "reason" => text(rows, |r| r.reason.as_deref()),
            "agency" => word(rows, |r| r.agency.as_deref()),
            "district" => word(rows, |r| r.district.as_deref()),
            "lat" => Arc::new(rows.iter().map(|r| r.place.map(|place| place.0)).collect::<Float64Array>()),
            "lon" => Arc::new(rows.iter().map(|r| r.place.map(|place| place.1)).collect::<Float64Array>()),
            "language" => word(rows, |r| r.language.as_deref()),
            "tone" => code(rows, |r| r.tones.map(|t| if t[0] > t[2] { Tone::Negative } else { Tone::Positive }.code())),
            "tone_negative" => real(rows, |r| r.tones.map(|tones| tones[0])),
            "tone_neutral" => real(rows, |r| r.tones.map(|tones| tones[1])),
            "tone_positive" => real(rows, |r| r.tones.map(|tones| tones[2])),
            "signal" => code(rows, |r| r.signal.map(Signal::code)),
            "topic" => code(rows, |r| r.topic.map(Topic::code)),
            "topic_score" => real(rows, |r| r.topic.map(|_| 0.75)),
            "urgency" => code(rows, |r| r.urgency),
            "urgency_score" => real(rows, |r| r.urgency.map(|level| f32::from(level) / 3.0)),
            "author" => Arc::new(rows.iter().map(|r| r.author).collect::<UInt64Array>()),
            "votes" => Arc::new(rows.iter().map(|r| r.votes).collect::<UInt32Array>()),
            "fingerprint" => Arc::new(rows.iter().map(|r| r.fingerprint).collect::<UInt64Array>()),
            "duplicate_of" => text(rows, |r| r.duplicate_of.as_deref()),
            "model_version" => word(rows, |r| (r.kind == Kind::Report).then_some("compact-1")),
            _ => arrow::array::new_null_array(field.data_type(), rows.len()),
        }
    });
    let columns: Vec<ArrayRef> = columns.collect();
    let metadata = [(coverage::PARTITION, u64::from(partition)), (coverage::FIRST, first), (coverage::NEXT, next)];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_string())).into();
    let schema = Arc::new(Schema::new_with_metadata(ENRICHED.fields().clone(), metadata));
    assert!(schema.fields().iter().all(|f| f.data_type() != &DataType::Null));
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Records of one enriched partition at consecutive offsets.
pub fn fetched(partition: u32, first: u64, payloads: &[Vec<u8>]) -> Fetched {
    let mut fetched = Fetched { partition, first, next: first, ..Fetched::default() };
    for payload in payloads {
        fetched.offsets.push(fetched.next);
        fetched.payloads.extend_from_slice(payload);
        fetched.ends.push(fetched.payloads.len());
        fetched.next += 1;
    }
    fetched
}
