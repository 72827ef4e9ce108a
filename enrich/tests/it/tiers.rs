//! Two readers: who reads what, what the budget leaves out, and what happens when the second one does not answer.

use std::collections::HashMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Int32Type};
use arrow::ipc::reader::StreamReader;
use enrich::tier::{Cascade, Tier};
use enrich::{DistrictIndex, EnrichError, EnrichMetrics, Enricher, EnricherConfig};
use feedback::{Feedback, Report, Timestamp};
use models::cascade::{Bucket, Heads, Message, Pending, Policy, Refused, SecondReader, SecondReading};
use models::compact::{CompactModel, Reading};
use prometheus::{Registry, TextEncoder};
use stream::Fetched;

/// What the stand-in does when it is asked.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Answers,
    Busy,
    Silent,
    Fails,
    Gone,
}

/// Where a reader sends its answer.
type Answer = std::sync::mpsc::SyncSender<Result<Vec<SecondReading>, String>>;

/// A second reader that finds everything positive, and remembers what it was asked.
struct StandIn {
    heads: Heads,
    mood: Mood,
    asked: Mutex<Vec<String>>,
    /// Answers that nobody will send: dropping the sender would say that the reader has ended.
    unsent: Mutex<Vec<Answer>>,
}

impl StandIn {
    fn new(heads: Heads, mood: Mood) -> Arc<Self> {
        Arc::new(Self { heads, mood, asked: Mutex::default(), unsent: Mutex::default() })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl SecondReader for StandIn {
    fn version(&self) -> &str {
        "transformer-stand-in"
    }

    fn heads(&self) -> Heads {
        self.heads
    }

    fn most_texts(&self) -> usize {
        100
    }

    fn offer(&self, messages: Vec<Message>) -> Result<Pending, Refused> {
        match self.mood {
            Mood::Busy => return Err(Refused::Busy),
            Mood::Gone => return Err(Refused::Gone),
            Mood::Answers | Mood::Silent | Mood::Fails => {}
        }
        assert!(messages.len() <= self.most_texts());
        let mut all = Reading { tone: [0.0, 0.0, 1.0], signal: [0.0; 5], topic: [0.0; 33], urgency: [0.0; 4] };
        (all.signal[3], all.topic[32], all.urgency[1]) = (1.0, 1.0, 1.0);
        let reading = if self.heads == Heads::All { SecondReading::All(all) } else { SecondReading::Tone(all.tone) };
        let (sender, receiver) = sync_channel(1);
        match self.mood {
            Mood::Answers => sender.send(Ok(vec![reading; messages.len()])).unwrap(),
            Mood::Fails => sender.send(Err("no memory".to_owned())).unwrap(),
            _ => self.unsent.lock().unwrap().push(sender),
        }
        self.asked.lock().unwrap().extend(messages.into_iter().map(|message| message.text));
        Ok(Pending::new(receiver))
    }

    fn hand(&self, messages: Vec<Message>) -> Result<Pending, Refused> {
        self.offer(messages)
    }
}

/// Everything urgent enough is worth it, unless a test says otherwise.
fn everything() -> Policy {
    Policy { urgent_from: 0.0, unsure_below: 1.0, audit_share: 0.0, seed: 1 }
}

fn cascade(reader: Arc<StandIn>, policy: Policy, texts_per_s: f64) -> Tier {
    let bucket = Arc::new(Mutex::new(Bucket::new(texts_per_s)));
    Tier::Cascade(Cascade { reader, policy, bucket, patience: Duration::from_millis(30) })
}

fn now(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + seconds)
}

struct Bench {
    enricher: Enricher,
    registry: Registry,
}

impl Bench {
    fn new(tier: Tier) -> Self {
        let registry = Registry::new();
        let metrics = EnrichMetrics::register(&registry).unwrap();
        let config = EnricherConfig { pseudonym_key: [7; 32], districts: Arc::new(DistrictIndex::default()), tier };
        Self { enricher: Enricher::new(config, metrics), registry }
    }

    /// Enriches these texts, each a report; an empty one has no text.
    fn enrich(&mut self, texts: &[&str], at: Timestamp) -> Result<RecordBatch, EnrichError> {
        let mut fetched = Fetched::default();
        for (number, text) in texts.iter().enumerate() {
            let mut report = Report::new(format!("app:{number}").parse().unwrap(), Timestamp::from_secs(1_700_000_000));
            report.text = (!text.is_empty()).then(|| (*text).to_owned());
            Feedback::Report(report).write_json(&mut fetched.payloads).unwrap();
            fetched.ends.push(fetched.payloads.len());
            fetched.offsets.push(number as u64);
        }
        fetched.next = texts.len() as u64;
        let enriched = self.enricher.enrich(&fetched, at)?;
        assert!(enriched.dead.is_empty(), "{:?}", enriched.dead);
        let payload = enriched.payloads.first().unwrap().as_slice();
        Ok(StreamReader::try_new(payload, None).unwrap().next().unwrap().unwrap())
    }

    /// Counts of a metric above zero, by the values of its labels.
    fn metric(&self, name: &str) -> HashMap<String, u64> {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let counts = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} ")).map(
            |(labels, count)| {
                let values: Vec<&str> = labels.split('"').skip(1).step_by(2).collect();
                (values.join(" "), count.parse().unwrap())
            },
        );
        counts.filter(|(_, count)| *count > 0).collect()
    }

    fn outcomes(&self) -> HashMap<String, u64> {
        self.metric("civicpulse_models_second_texts_total")
    }
}

fn versions(rows: &RecordBatch) -> Vec<String> {
    let column = rows.column_by_name("model_version").unwrap().as_dictionary::<Int32Type>();
    let words = column.values().as_string::<i32>();
    column.keys().iter().map(|key| words.value(key.unwrap() as usize).to_owned()).collect()
}

fn positive(rows: &RecordBatch) -> Vec<Option<f32>> {
    rows.column_by_name("tone_positive").unwrap().as_primitive::<Float32Type>().iter().collect()
}

fn counts(pairs: &[(&str, u64)]) -> HashMap<String, u64> {
    pairs.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect()
}

const TEXTS: [&str; 4] =
    ["The gas smells in our cellar, please come", "", "The bus was late again", "Thank you for the new bench"];

#[test]
fn a_tier_that_reads_everything_reads_every_text_and_says_so() {
    let compact = CompactModel::shipped().version();
    for (heads, version) in
        [(Heads::All, "transformer-stand-in".to_owned()), (Heads::Tone, format!("transformer-stand-in+{compact}"))]
    {
        let reader = StandIn::new(heads, Mood::Answers);
        let mut bench = Bench::new(Tier::Second(reader.clone()));
        let rows = bench.enrich(&TEXTS, now(0)).unwrap();
        assert_eq!(versions(&rows), [version.as_str(), compact, version.as_str(), version.as_str()]);
        assert_eq!(positive(&rows), [Some(1.0), None, Some(1.0), Some(1.0)], "no words, no tone");
        assert_eq!(reader.asked(), [TEXTS[0], TEXTS[2], TEXTS[3]], "in order, and nothing without words");
        assert_eq!(bench.outcomes(), counts(&[("read", 3)]));
        let topics = rows.column_by_name("topic").unwrap().as_primitive::<arrow::datatypes::UInt8Type>();
        assert_eq!(topics.value(0) == 32, heads == Heads::All, "a reader of tone leaves the topic to compact");
    }
}

#[test]
fn what_is_masked_for_one_reader_is_masked_for_the_other() {
    let reader = StandIn::new(Heads::All, Mood::Answers);
    Bench::new(Tier::Second(reader.clone())).enrich(&["call me at 617-555-0134"], now(0)).unwrap();
    assert_eq!(reader.asked(), ["call me at <phone>"]);
}

#[test]
fn a_tier_that_must_read_everything_stops_when_it_cannot() {
    for mood in [Mood::Fails, Mood::Gone] {
        let mut bench = Bench::new(Tier::Second(StandIn::new(Heads::All, mood)));
        let error = bench.enrich(&TEXTS, now(0)).unwrap_err().to_string();
        assert!(error.contains("models.tier = \"cascade\""), "{error}");
    }
}

#[test]
fn the_cascade_asks_about_what_is_worth_it_within_its_budget() {
    let reader = StandIn::new(Heads::All, Mood::Answers);
    let mut bench = Bench::new(cascade(reader.clone(), everything(), 1.0));
    let rows = bench.enrich(&TEXTS, now(0)).unwrap();
    // Two texts are saved up at a rate of one per second; the third is left to compact.
    assert_eq!(reader.asked().len(), 2);
    assert_eq!(positive(&rows).iter().filter(|p| **p == Some(1.0)).count(), 2);
    assert_eq!(bench.outcomes(), counts(&[("read", 2), ("over_budget", 1)]));
    bench.enrich(&TEXTS, now(1)).unwrap();
    assert_eq!(reader.asked().len(), 3, "a second later there is room for one");
    let nothing = Policy { urgent_from: 1.0, unsure_below: 0.0, audit_share: 0.0, seed: 1 };
    let mut bench = Bench::new(cascade(StandIn::new(Heads::All, Mood::Answers), nothing, 100.0));
    bench.enrich(&TEXTS, now(0)).unwrap();
    assert_eq!(bench.outcomes(), counts(&[]));
}

#[test]
fn a_second_reader_that_does_not_answer_leaves_the_first_and_is_counted() {
    let alone = Bench::new(Tier::Compact).enrich(&TEXTS, now(0)).unwrap();
    for (mood, outcome) in [(Mood::Busy, "busy"), (Mood::Silent, "late"), (Mood::Fails, "failed"), (Mood::Gone, "failed")] {
        let mut bench = Bench::new(cascade(StandIn::new(Heads::All, mood), everything(), 100.0));
        let rows = bench.enrich(&TEXTS, now(0)).unwrap();
        assert_eq!(rows, alone, "{outcome}");
        assert_eq!(bench.outcomes(), counts(&[(outcome, 3)]));
    }
}

#[test]
fn the_sample_counts_agreement_by_language_and_head() {
    let audit = Policy { urgent_from: 1.0, unsure_below: 0.0, audit_share: 1.0, seed: 1 };
    let texts =
        ["Thank you so much, the new playground is wonderful!", "Das ist eine Katastrophe, seit Tagen kommt kein Bus mehr"];
    let mut bench = Bench::new(cascade(StandIn::new(Heads::Tone, Mood::Answers), audit.clone(), 100.0));
    let rows = bench.enrich(&texts, now(0)).unwrap();
    assert_eq!(positive(&rows), [Some(1.0), Some(1.0)]);
    let agreement = bench.metric("civicpulse_models_audit_total");
    assert_eq!(agreement.values().sum::<u64>(), 2, "{agreement:?}");
    assert!(agreement.keys().any(|labels| labels.contains("tone") && labels.contains("en")), "{agreement:?}");
    let mut bench = Bench::new(cascade(StandIn::new(Heads::All, Mood::Answers), audit, 100.0));
    bench.enrich(&texts, now(0)).unwrap();
    let agreement = bench.metric("civicpulse_models_audit_total");
    assert_eq!(agreement.values().sum::<u64>(), 8, "four heads of two texts: {agreement:?}");
}

#[test]
fn a_replay_samples_the_same_texts() {
    let texts: Vec<String> = (0..60).map(|n| format!("report number {n} about the light at the corner")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let sampled = |seed| {
        let reader = StandIn::new(Heads::All, Mood::Answers);
        let policy = Policy { urgent_from: 1.0, unsure_below: 0.0, audit_share: 0.3, seed };
        Bench::new(cascade(reader.clone(), policy, 100.0)).enrich(&texts, now(seed as i64)).unwrap();
        reader.asked()
    };
    let first = sampled(5);
    assert!((5..40).contains(&first.len()), "{}", first.len());
    assert_eq!(first, sampled(5));
    assert_ne!(first, sampled(6));
}
