//! A small city with known contents, made through `aggregate`'s public interface as the enriching worker would.

use std::collections::HashMap;
use std::sync::Arc;

use aggregate::tables::budgets::Budget;
use aggregate::{Aggregator, Config, District, Metrics, Reference, Snapshot};
use arc_swap::ArcSwap;
use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt8Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{Int32Type, Schema};
use arrow::ipc::writer::StreamWriter;
use feedback::schema::{ENRICHED, coverage};
use feedback::time::{DAY_US, HOUR_US};
use feedback::{Channel, Clock, IdKey, Kind, ManualClock, Signal, Status, Timestamp, Tone, Topic, Urgency};
use prometheus::Registry;
use sql::{Engine, Limits};
use stream::Fetched;

/// One record as enrichment would write it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub kind: Option<Kind>,
    pub id: String,
    pub at: &'static str,
    pub channel: Option<Channel>,
    pub category: Option<&'static str>,
    pub text: Option<String>,
    pub status: Option<Status>,
    pub reason: Option<&'static str>,
    pub agency: Option<&'static str>,
    pub district: Option<&'static str>,
    pub place: Option<(f64, f64)>,
    pub tone: Option<[f32; 3]>,
    pub signal: Option<Signal>,
    pub topic: Option<Topic>,
    pub urgency: Option<Urgency>,
    pub author: Option<u64>,
    pub votes: Option<u32>,
    pub duplicate_of: Option<&'static str>,
    /// Instead of `at`, for tests with many records.
    pub micros: Option<i64>,
}

impl Record {
    pub fn report(id: impl Into<String>, at: &'static str, text: &str) -> Self {
        Self { kind: Some(Kind::Report), id: id.into(), at, text: Some(text.to_owned()), ..Self::default() }
    }

    pub fn status(id: &str, at: &'static str, status: Status, reason: &'static str) -> Self {
        Self { kind: Some(Kind::Status), id: id.to_owned(), at, status: Some(status), reason: Some(reason), ..Self::default() }
    }

    fn at_us(&self) -> i64 {
        self.micros.unwrap_or_else(|| time(self.at).micros())
    }
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// One payload of `feedback.enriched` that covers `first..first + records.len()` of raw partition 0.
pub fn payload(records: &[Record], first: u64) -> Vec<u8> {
    let is_report = |r: &&Record| r.kind == Some(Kind::Report);
    let times = |of: &dyn Fn(&Record) -> Option<i64>| -> ArrayRef {
        Arc::new(records.iter().map(of).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let words = |of: &dyn Fn(&Record) -> Option<String>| -> ArrayRef {
        let texts: Vec<Option<String>> = records.iter().map(of).collect();
        Arc::new(texts.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
    };
    let texts =
        |of: &dyn Fn(&Record) -> Option<String>| -> ArrayRef { Arc::new(records.iter().map(of).collect::<StringArray>()) };
    let codes = |of: &dyn Fn(&Record) -> Option<u8>| -> ArrayRef { Arc::new(records.iter().map(of).collect::<UInt8Array>()) };
    let shares =
        |of: &dyn Fn(&Record) -> Option<f32>| -> ArrayRef { Arc::new(records.iter().map(of).collect::<Float32Array>()) };
    let places =
        |of: &dyn Fn(&Record) -> Option<f64>| -> ArrayRef { Arc::new(records.iter().map(of).collect::<Float64Array>()) };
    let numbers =
        |of: &dyn Fn(&Record) -> Option<u64>| -> ArrayRef { Arc::new(records.iter().map(of).collect::<UInt64Array>()) };
    let created = |r: &Record| is_report(&r).then(|| r.at_us());
    let column = |name: &str| -> ArrayRef {
        match name {
            "kind" => codes(&|r| r.kind.map(Kind::code)),
            "raw_offset" => Arc::new((0..records.len()).map(|row| Some((first + row as u64) as i64)).collect::<Int64Array>()),
            "id" => texts(&|r| Some(r.id.clone())),
            "source" => words(&|r| Some(r.id.split(':').next().unwrap().to_owned())),
            "at" | "received_at" => times(&|r| Some(r.at_us())),
            "created_at" | "updated_at" => times(&created),
            "clock_ahead" => codes(&|_| Some(0)),
            "content_key" => numbers(&|r| Some(IdKey::of(&r.id).0 as u64)),
            "channel" => codes(&|r| r.channel.map(Channel::code)),
            "category" => words(&|r| r.category.map(str::to_owned)),
            "text" => texts(&|r| r.text.clone()),
            "status" => codes(&|r| r.status.map(Status::code)),
            "reason" => texts(&|r| r.reason.map(str::to_owned)),
            "agency" => words(&|r| r.agency.map(str::to_owned)),
            "district" => words(&|r| r.district.map(str::to_owned)),
            "lat" => places(&|r| r.place.map(|place| place.0)),
            "lon" => places(&|r| r.place.map(|place| place.1)),
            "language" => words(&|r| is_report(&r).then(|| "en".to_owned())),
            "tone" => codes(&|r| {
                let tones = r.tone?;
                let most = (0..3).max_by(|a, b| tones[*a].total_cmp(&tones[*b]))?;
                Some([Tone::Negative, Tone::Neutral, Tone::Positive][most].code())
            }),
            "tone_negative" => shares(&|r| Some(r.tone?[0])),
            "tone_neutral" => shares(&|r| Some(r.tone?[1])),
            "tone_positive" => shares(&|r| Some(r.tone?[2])),
            "signal" => codes(&|r| r.signal.map(Signal::code)),
            "topic" => codes(&|r| r.topic.map(Topic::code)),
            "topic_score" => shares(&|r| r.topic.map(|_| 0.75)),
            "urgency" => codes(&|r| r.urgency.map(Urgency::code)),
            "urgency_score" => shares(&|r| r.urgency.map(|urgency| f32::from(urgency.code()) / 4.0)),
            "author" => numbers(&|r| r.author),
            "votes" => Arc::new(records.iter().map(|r| r.votes).collect::<UInt32Array>()),
            "fingerprint" => numbers(&|r| r.text.as_ref().map(|text| IdKey::of(text).0 as u64)),
            "model_version" => words(&|r| is_report(&r).then(|| "test-1".to_owned())),
            "due_at" | "first_answer_at" | "closed_at" => times(&|_| None),
            "duplicate_of" => texts(&|r| r.duplicate_of.map(str::to_owned)),
            "title" | "url" => texts(&|_| None),
            other => panic!("the enriched schema has a new column `{other}`: teach this test to fill it"),
        }
    };
    let columns = ENRICHED.fields().iter().map(|field| column(field.name())).collect();
    let next = first + records.len() as u64;
    let metadata = [(coverage::PARTITION, 0), (coverage::FIRST, first), (coverage::NEXT, next)];
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), value.to_string())).collect();
    let schema = Arc::new(Schema::new_with_metadata(ENRICHED.fields().clone(), metadata));
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Wraps one payload as the log would give it.
pub fn fetched(payload: Vec<u8>, offset: u64) -> Fetched {
    Fetched {
        partition: 0,
        first: offset,
        next: offset + 1,
        ends: vec![payload.len()],
        payloads: payload,
        offsets: vec![offset],
    }
}

fn budget(topic: &str, unit_cost: f64, capacity: Option<u64>, fixed_minimum: u64) -> Budget {
    Budget { topic: topic.to_owned(), district: None, unit: None, unit_cost, capacity, fixed_minimum }
}

/// A city whose tables can be asked.
pub struct City {
    pub aggregator: Aggregator,
    pub clock: Arc<ManualClock>,
    raw_next: u64,
    enriched_next: u64,
}

impl City {
    /// Empty, with segments of `segment_rows`.
    pub fn new(segment_rows: usize) -> Self {
        Self::with_budgets(
            segment_rows,
            vec![budget("parks_trees", 500.0, None, 0), budget("drainage_flooding", 200.0, Some(1), 1)],
        )
    }

    fn with_budgets(segment_rows: usize, budgets: Vec<Budget>) -> Self {
        let clock = Arc::new(ManualClock::at(time("2011-08-29T12:00:00Z")));
        let district = |name: &str, population| District { name: name.to_owned(), population, ..District::default() };
        let reference =
            Reference { districts: vec![district("Dorchester", Some(90_000.0)), district("Roxbury", Some(50_000.0))], budgets };
        let config = Config { segment_rows, ..Config::default() };
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let aggregator = Aggregator::open(config, reference, clock.clone(), metrics, 1).unwrap();
        Self { aggregator, clock, raw_next: 0, enriched_next: 0 }
    }

    /// Applies and publishes records.
    pub fn take(&mut self, records: &[Record]) {
        let payload = payload(records, self.raw_next);
        self.raw_next += records.len() as u64;
        self.aggregator.take_enriched(&fetched(payload, self.enriched_next)).unwrap();
        self.enriched_next += 1;
        self.aggregator.follow_watermark();
        self.aggregator.publish();
    }

    pub fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        self.aggregator.snapshots()
    }

    pub fn engine(&self, limits: Limits) -> Engine {
        let clock: Arc<dyn Clock> = self.clock.clone();
        Engine::new(self.snapshots(), limits, clock, &Registry::new()).unwrap()
    }
}

/// The day after a hurricane: twelve reports of three districts, one without, and what became of some.
pub fn hurricane() -> City {
    let mut city = City::new(4);
    let report = |number: u32, at, text: &str, district, topic, tone| Record {
        channel: Some(if number.is_multiple_of(3) { Channel::App } else { Channel::Phone }),
        category: Some("Tree Emergencies"),
        agency: Some("Parks"),
        district,
        topic: Some(topic),
        tone: Some(tone),
        signal: Some(Signal::Problem),
        urgency: Some(if number.is_multiple_of(2) { Urgency::Urgent } else { Urgency::Routine }),
        author: Some(u64::from(number % 5)),
        place: Some((f64::from(4_230 + number) / 100.0, -71.05)),
        votes: number.is_multiple_of(4).then_some(number),
        ..Record::report(format!("boston311:{number:03}"), at, text)
    };
    const SAD: [f32; 3] = [0.75, 0.25, 0.0];
    const CALM: [f32; 3] = [0.25, 0.5, 0.25];
    const GLAD: [f32; 3] = [0.0, 0.25, 0.75];
    city.take(&[
        report(1, "2011-08-21T09:00:00Z", "pothole on Dot Ave", Some("Dorchester"), Topic::Roads, CALM),
        report(2, "2011-08-27T22:10:00Z", "street light out", Some("Roxbury"), Topic::StreetLighting, CALM),
        report(3, "2011-08-28T13:05:00Z", "tree down on Adams St", Some("Dorchester"), Topic::ParksTrees, SAD),
        report(4, "2011-08-28T13:20:00Z", "tree on a car, \"blocked\"", Some("Dorchester"), Topic::ParksTrees, SAD),
        report(5, "2011-08-28T13:40:00Z", "branch on the sidewalk", Some("Roxbury"), Topic::ParksTrees, SAD),
        report(6, "2011-08-28T14:00:00Z", "wires down", None, Topic::Power, SAD),
    ]);
    city.take(&[
        report(7, "2011-08-28T15:00:00Z", "street flooded", Some("Roxbury"), Topic::DrainageFlooding, SAD),
        report(8, "2011-08-28T16:30:00Z", "tree, tree, tree", Some("Dorchester"), Topic::ParksTrees, SAD),
        report(9, "2011-08-28T17:45:00Z", "thank you, crews", Some("Roxbury"), Topic::ParksTrees, GLAD),
        Record {
            duplicate_of: Some("boston311:008"),
            ..report(10, "2011-08-28T18:15:00Z", "tree blocks the door", Some("Dorchester"), Topic::ParksTrees, SAD)
        },
        Record::status("boston311:003", "2011-08-28T17:00:00Z", Status::Acknowledged, "crew sent"),
        Record::status("boston311:003", "2011-08-28T19:00:00Z", Status::Closed, "removed"),
        Record::status("boston311:001", "2011-08-23T10:00:00Z", Status::Closed, "filled"),
        report(11, "2011-08-28T19:30:00Z", "leaves in the drain", Some("Back Bay"), Topic::DrainageFlooding, CALM),
        report(12, "2011-08-28T20:00:00Z", "smell of gas", Some("Dorchester"), Topic::Emergencies, SAD),
        Record { kind: Some(Kind::Erase), id: "boston311:012".into(), at: "2011-08-28T20:05:00Z", ..Record::default() },
        report(13, "2011-08-28T20:30:00Z", "still no power", Some("Roxbury"), Topic::Power, SAD),
    ]);
    let letter = br#"{"stage":"enrich","reason":"not JSON","raw_partition":0,"raw_offset":99,"received_at":"2011-08-28T20:31:00Z","length":1,"bytes":"x","truncated":false}"#;
    city.aggregator.take_dead(&fetched(letter.to_vec(), 0));
    city.aggregator.publish();
    city
}

/// A city of which nothing has been heard.
pub fn silent() -> City {
    let mut city = City::new(4);
    city.aggregator.publish();
    city
}

/// A city of which one report is known, which nobody answered, from a district that the city does not describe; and a budget that
/// has to pay for nothing.
pub fn one_report() -> City {
    let mut city = City::with_budgets(4, vec![budget("roads", 100.0, None, 0)]);
    let report = |id, at| Record {
        agency: Some("Public Works"),
        district: Some("Back Bay"),
        topic: Some(Topic::Roads),
        tone: Some([0.5, 0.5, 0.0]),
        author: Some(1),
        ..Record::report(id, at, "pothole")
    };
    // Another one, taken back, has moved the watermark on.
    city.take(&[
        report("boston311:001", "2011-08-28T13:05:00Z"),
        report("boston311:002", "2011-08-28T15:30:00Z"),
        Record { kind: Some(Kind::Erase), id: "boston311:002".into(), at: "2011-08-28T15:35:00Z", ..Record::default() },
    ]);
    city
}

/// Five weeks of potholes, four a day by people of their own, and then a day on which eight people in Dorchester smell gas.
pub fn weeks() -> City {
    const DAYS: i64 = 35;
    let mut city = City::new(64);
    let start = time("2011-07-25T00:00:00Z").micros();
    let report = |day: i64, number: i64, text: &str, district, topic| Record {
        micros: Some(start + day * DAY_US + (8 + number) * HOUR_US),
        district: Some(district),
        topic: Some(topic),
        tone: Some([0.5, 0.5, 0.0]),
        author: Some((day * 100 + number) as u64),
        ..Record::report(format!("boston311:{day:02}-{number:02}"), "", text)
    };
    let mut records: Vec<Record> = Vec::new();
    for day in 0..DAYS {
        let roads = |number| {
            report(day, number, "deep pothole near the school", ["Dorchester", "Roxbury"][number as usize % 2], Topic::Roads)
        };
        records.extend((0..4).map(roads));
    }
    records
        .extend((0..8).map(|number| report(DAYS, number, "strong smell of gas in the hall", "Dorchester", Topic::Emergencies)));
    // Ten minutes later, so that the last of them is behind the watermark.
    records.push(report(DAYS, 9, "deep pothole near the school", "Roxbury", Topic::Roads));
    city.take(&records);
    city
}
