//! What a tick costs: 200 districts, 33 topics, 4 windows, two years of history, in the aggregator as it runs.
//!
//! A tick is a minute of event time. Measured are its three parts: the reports of the minute are applied and the watermark moves all
//! windows on; a snapshot is published; the table `trends` is computed of that snapshot, as a query or an alert asks for it, to
//! the last column of the Arrow batch. What the tick before computed is there, as in a process that runs; the table from nothing, as
//! the first one after a start, is timed beside it. History is held as by default: minutes for 63 days, hours before.

use std::sync::Arc;
use std::time::Instant;

use aggregate::{Aggregator, Config, Metrics, Reference, TableName};
use anyhow::{Context, Result};
use arrow::array::{ArrayRef, DictionaryArray, Int64Array, StringArray, TimestampMicrosecondArray, UInt8Array, UInt64Array};
use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{Int32Type, Schema};
use arrow::ipc::writer::StreamWriter;
use feedback::schema::{ENRICHED, coverage};
use feedback::time::{DAY_US, HOUR_US, MINUTE_US};
use feedback::{Kind, SystemClock, Topic};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use stream::Fetched;

const DISTRICTS: usize = 200;
const DAYS: i64 = 731;
/// Reports a day in the whole city.
const REPORTS_PER_DAY: usize = 10_000;
/// How long reports themselves are kept; their counts are kept for all days.
const RETENTION_US: i64 = 35 * DAY_US;
/// When ticks are measured, on the day after the history: at full hours all four windows move, between them two do.
const FIRST_TICK_US: i64 = 14 * HOUR_US;

/// A report: its minute, district and topic.
type Event = (i64, usize, usize);

/// Where and when reports come from: districts of unequal size times topics of unequal frequency, with a day's and a year's rhythm.
pub struct City {
    random: ChaCha8Rng,
    districts: usize,
    topics: usize,
    reports_per_day: usize,
}

impl City {
    /// A city with so many districts and topics.
    pub fn new(districts: usize, topics: usize, reports_per_day: usize, seed: u64) -> Self {
        let topics = topics.min(Topic::WORDS.len());
        Self { random: ChaCha8Rng::seed_from_u64(seed), districts, topics, reports_per_day }
    }

    /// The reports of a day, by time.
    fn day(&mut self, day: i64) -> Vec<Event> {
        let season = 1.0 + 0.3 * (std::f64::consts::TAU * day as f64 / 365.25).cos();
        let mut uniform = || self.random.random::<f64>();
        let mut event = |_| {
            // Squares of uniform numbers: some districts and topics have many times the reports of others.
            let district = (self.districts as f64 * uniform().powi(2)) as usize;
            let topic = (self.topics as f64 * uniform().powi(2)) as usize;
            let hour = 24.0 * (0.55 + 0.2 * (uniform() + uniform() - 1.0));
            (day * 24 * 60 + (60.0 * hour) as i64, district, topic)
        };
        let mut events: Vec<Event> = (0..(self.reports_per_day as f64 * season) as usize).map(&mut event).collect();
        events.sort_unstable();
        events
    }
}

/// An aggregator that is fed by a [`City`].
pub struct Fed {
    aggregator: Aggregator,
    reports: u64,
    batches: u64,
}

/// What one tick took, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Tick {
    apply: f64,
    publish: f64,
    table: f64,
    rows: usize,
}

impl Fed {
    /// Empty, with the default windows.
    pub fn new() -> Result<Self> {
        let config = Config { retention_us: RETENTION_US, allowed_disorder_us: 0, ..Config::default() };
        let metrics = Metrics::register(&prometheus::Registry::new())?;
        let aggregator = Aggregator::open(config, Reference::default(), Arc::new(SystemClock), metrics, 1)?;
        Ok(Self { aggregator, reports: 0, batches: 0 })
    }

    /// Applies reports as an enriching worker would have written them.
    fn apply(&mut self, events: &[Event]) -> Result<()> {
        let payload = self.payload(events)?;
        let (first, next) = (self.batches, self.batches + 1);
        let fetched = Fetched { partition: 0, first, next, ends: vec![payload.len()], payloads: payload, offsets: vec![first] };
        (self.reports, self.batches) = (self.reports + events.len() as u64, next);
        Ok(self.aggregator.take_enriched(&fetched)?)
    }

    /// A batch with what counting needs; everything else is unknown.
    fn payload(&self, events: &[Event]) -> Result<Vec<u8>> {
        let numbers = || self.reports..self.reports + events.len() as u64;
        let times = || -> ArrayRef {
            let times = events.iter().map(|event| event.0 * MINUTE_US);
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
        };
        let codes = |of: &dyn Fn(&Event) -> u8| -> ArrayRef { Arc::new(UInt8Array::from_iter_values(events.iter().map(of))) };
        let words = |of: &dyn Fn(&Event) -> String| -> ArrayRef {
            let words: Vec<String> = events.iter().map(of).collect();
            Arc::new(words.iter().map(|word| Some(word.as_str())).collect::<DictionaryArray<Int32Type>>())
        };
        let column = |(name, data_type): (&str, &arrow::datatypes::DataType)| -> ArrayRef {
            match name {
                "kind" => codes(&|_| Kind::Report.code()),
                "clock_ahead" => codes(&|_| 0),
                "raw_offset" => Arc::new(Int64Array::from_iter_values(numbers().map(|number| number as i64))),
                "content_key" => Arc::new(UInt64Array::from_iter_values(numbers())),
                "id" => Arc::new(StringArray::from_iter_values(numbers().map(|number| format!("bench:{number}")))),
                "source" => words(&|_| "bench".to_owned()),
                "at" | "created_at" | "updated_at" | "received_at" => times(),
                "district" => words(&|event| format!("district {:03}", event.1)),
                "topic" => codes(&|event| event.2 as u8),
                "author" => Arc::new(UInt64Array::from_iter_values(numbers())),
                _ => new_null_array(data_type, events.len()),
            }
        };
        let columns = ENRICHED.fields().iter().map(|field| column((field.name().as_str(), field.data_type()))).collect();
        let covered =
            [(coverage::PARTITION, 0), (coverage::FIRST, self.reports), (coverage::NEXT, self.reports + events.len() as u64)];
        let metadata = covered.map(|(key, value)| (key.to_owned(), value.to_string())).into();
        let schema = Arc::new(Schema::new_with_metadata(ENRICHED.fields().clone(), metadata));
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
        Ok(writer.into_inner()?)
    }

    /// Applies the days before `day`.
    pub fn live(&mut self, city: &mut City, days: i64) -> Result<()> {
        for day in 0..days {
            self.apply(&city.day(day))?;
        }
        self.aggregator.publish();
        Ok(())
    }

    /// One minute of reports, and the table.
    fn tick(&mut self, events: &[Event]) -> Result<Tick> {
        let timed = |since: Instant| since.elapsed().as_secs_f64() * 1e3;
        let begun = Instant::now();
        self.apply(events)?;
        let apply = timed(begun);
        let begun = Instant::now();
        self.aggregator.publish();
        let publish = timed(begun);
        let snapshot = self.aggregator.snapshots().load_full();
        let begun = Instant::now();
        let rows = snapshot.table(TableName::Trends)?.num_rows();
        Ok(Tick { apply, publish, table: timed(begun), rows })
    }

    /// The table `trends` as it stands.
    #[cfg(test)]
    pub fn trends(&self) -> Result<Arc<RecordBatch>> {
        Ok(self.aggregator.snapshots().load().table(TableName::Trends)?)
    }
}

/// Times so many ticks, a minute apart, and after them as many full hours as asked for.
pub fn measure(ticks: usize, hours: usize, seed: u64) -> Result<Value> {
    let mut city = City::new(DISTRICTS, Topic::WORDS.len(), REPORTS_PER_DAY, seed);
    let mut fed = Fed::new()?;
    fed.live(&mut city, DAYS)?;
    let mut reports = Reports { day: DAYS, today: city.day(DAYS), city };
    let first = DAYS * 24 * 60 + FIRST_TICK_US / MINUTE_US;
    fed.apply(&reports.before(first))?;
    fed.aggregator.publish();
    let begun = Instant::now();
    fed.aggregator.snapshots().load_full().table(TableName::Trends)?;
    let from_nothing = begun.elapsed().as_secs_f64() * 1e3;
    let (mut minutes, mut of_minutes) = (Vec::with_capacity(ticks), 0);
    let until = first + ticks as i64;
    for minute in first..until {
        let events = reports.before(minute + 1);
        of_minutes += events.len();
        minutes.push(fed.tick(&events)?);
    }
    // The watermark is the latest report: the hour is full with the first report of its first minute.
    let mut full_hours = Vec::with_capacity(hours);
    let mut hour = until.div_euclid(60) + 1;
    while full_hours.len() < hours {
        fed.tick(&reports.before(60 * hour))?;
        let events = reports.before(60 * hour + 1);
        hour += 1;
        // At night an hour may begin without a report.
        if !events.is_empty() {
            full_hours.push(fed.tick(&events)?);
        }
    }
    Ok(json!({
        "districts": DISTRICTS,
        "topics": Topic::WORDS.len(),
        "windows": Config::default().windows.len(),
        "days": DAYS,
        "reports": fed.reports,
        "reports_a_tick": of_minutes as f64 / ticks as f64,
        "rows": minutes.last().context("at least one tick")?.rows,
        "minutes": summary(&minutes),
        "full_hours": summary(&full_hours),
        "ms_table_from_nothing": from_nothing,
        "resident_mib": crate::machine::resident_mib()?.0,
    }))
}

/// What comes after the history, a day at a time.
struct Reports {
    city: City,
    day: i64,
    today: Vec<Event>,
}

impl Reports {
    /// Takes out the reports before a minute.
    fn before(&mut self, minute: i64) -> Vec<Event> {
        while self.day < minute.div_euclid(24 * 60) {
            self.day += 1;
            self.today.extend(self.city.day(self.day));
        }
        let later = self.today.split_off(self.today.partition_point(|event| event.0 < minute));
        std::mem::replace(&mut self.today, later)
    }
}

/// Median and worst milliseconds of each part.
fn summary(ticks: &[Tick]) -> Value {
    let spread = |of: &dyn Fn(&Tick) -> f64| {
        let mut times: Vec<f64> = ticks.iter().map(of).collect();
        times.sort_unstable_by(f64::total_cmp);
        json!({ "median": crate::machine::percentile(&times, 0.5), "worst": times.last() })
    };
    json!({
        "ticks": ticks.len(),
        "ms": spread(&|tick| tick.apply + tick.publish + tick.table),
        "ms_apply_and_advance": spread(&|tick| tick.apply),
        "ms_publish": spread(&|tick| tick.publish),
        "ms_table": spread(&|tick| tick.table),
    })
}
