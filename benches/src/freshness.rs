//! From an append to its row in a SQL answer, under load.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use civicpulse::node::{Node, Roles};
use feedback::{Clock, Feedback, FeedbackId, Report, SystemClock};
use futures::TryStreamExt;
use serde_json::{Value, json};
use stream::{Record, Target, Topic};

use crate::{load, machine, setup};

/// Time between two measured appends.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(40);
/// Time between two looks at the tables: part of what is measured. A look is a query of its own, which takes its share of the cores.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// When a row has not come by then, the bench gives up.
const GIVE_UP: Duration = Duration::from_secs(30);
/// Records of load appended at a time.
const LOAD_BATCH: usize = 500;
/// The slowest samples that are told one by one, so that a stall shows when it was.
const SLOWEST: usize = 8;

/// Measures `samples` appends while `rate` other records a second pass.
pub fn measure(rate: usize, samples: usize, kafka: Option<&str>) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    let config = setup::config(dir.path(), kafka)?;
    let city = setup::city(20.0)?;
    let node = setup::node(&config, Roles::PROCESS, &city)?;
    let (stop, loaded) = (AtomicBool::new(false), AtomicUsize::new(0));
    let begun = Instant::now();
    let mut checkpoints = Checkpoints::default();
    let (mut samples, load_s) = std::thread::scope(|scope| {
        let loader = scope.spawn(|| run_load(&node, city, rate, &stop, &loaded));
        let mut look = |number| {
            let latency_ms = sample(&node, number)?;
            let at_s = begun.elapsed().as_secs_f64();
            checkpoints.look(&node, at_s);
            Ok((latency_ms, at_s))
        };
        let samples = (0..samples).map(&mut look).collect::<Result<Vec<(f64, f64)>>>();
        stop.store(true, Ordering::Relaxed);
        let load_s = begun.elapsed().as_secs_f64();
        loader.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        anyhow::Ok((samples?, load_s))
    })?;
    let reports = node.snapshot().context("the node serves")?.rows();
    node.stop()?;
    samples.sort_by(|a, b| a.0.total_cmp(&b.0));
    let latencies_ms: Vec<f64> = samples.iter().map(|(latency_ms, _)| *latency_ms).collect();
    let slowest =
        samples.iter().rev().take(SLOWEST).map(|(latency_ms, at_s)| json!({ "ms": latency_ms.round(), "at_s": at_s }));
    Ok(json!({
        "bench": "freshness",
        "log": if kafka.is_some() { "kafka" } else { "embedded" },
        "load_records_per_s_asked": rate,
        "load_records_per_s": (loaded.load(Ordering::Relaxed) as f64 / load_s).round(),
        "samples": latencies_ms.len(),
        "p50_ms": machine::percentile(&latencies_ms, 0.5),
        "p99_ms": machine::percentile(&latencies_ms, 0.99),
        "slowest": slowest.collect::<Vec<_>>(),
        "checkpoints": checkpoints.seen,
        "reports": reports,
    }))
}

/// Checkpoints as the node's metrics tell of them.
#[derive(Default)]
struct Checkpoints {
    count: u64,
    sum_s: f64,
    seen: Vec<Value>,
}

impl Checkpoints {
    fn look(&mut self, node: &Node, at_s: f64) {
        let families = node.registry().gather();
        let Some(family) = families.iter().find(|family| family.name().ends_with("checkpoint_seconds")) else { return };
        let Some(histogram) = family.get_metric().first().map(|metric| metric.get_histogram()) else { return };
        let (count, sum_s) = (histogram.get_sample_count(), histogram.get_sample_sum());
        if count > self.count {
            self.seen.push(json!({ "ended_by_s": at_s, "took_s": sum_s - self.sum_s }));
            (self.count, self.sum_s) = (count, sum_s);
        }
    }
}

fn run_load(
    node: &Node,
    mut city: ingest::synthetic::SyntheticCity,
    rate: usize,
    stop: &AtomicBool,
    loaded: &AtomicUsize,
) -> Result<()> {
    let producer = node.log().producer()?;
    let begun = Instant::now();
    while !stop.load(Ordering::Relaxed) && rate > 0 {
        let due = (begun.elapsed().as_secs_f64() * rate as f64) as usize;
        if loaded.load(Ordering::Relaxed) + LOAD_BATCH > due {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let batch: Vec<Record> = (0..LOAD_BATCH).map(|_| load::next(&mut city)).collect();
        // Not waited for: the load keeps its pace, and the log's own bound holds it back where it must.
        drop(producer.append(Topic::Raw, batch));
        loaded.fetch_add(LOAD_BATCH, Ordering::Relaxed);
    }
    Ok(())
}

/// Milliseconds from the append of one report until a query finds it.
fn sample(node: &Node, number: usize) -> Result<f64> {
    std::thread::sleep(SAMPLE_INTERVAL);
    let now = SystemClock.now();
    let id = FeedbackId::new("freshness", &number.to_string())?;
    let report = Report { text: Some("The street light at the corner is out again".into()), ..Report::new(id.clone(), now) };
    let mut payload = Vec::new();
    Feedback::Report(report).write_json(&mut payload)?;
    let engine = node.engine().context("the node serves SQL")?;
    let query = format!("SELECT count(*) FROM feedback WHERE created_at >= TIMESTAMP '{now}' AND id = '{id}'");
    let appended = Instant::now();
    let record = Record { target: Target::ByKey, key: id.as_str().as_bytes().to_vec(), payload };
    drop(node.log().producer()?.append(Topic::Raw, vec![record]));
    loop {
        let found = node.runtime().block_on(async {
            let batches: Vec<_> = engine.query(&query).await?.try_collect().await?;
            anyhow::Ok(batches.iter().any(|batch| {
                use arrow::array::AsArray;
                batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().iter().any(|count| *count > 0)
            }))
        })?;
        if found {
            return Ok(appended.elapsed().as_secs_f64() * 1e3);
        }
        if appended.elapsed() > GIVE_UP {
            bail!("report {id} was not in the tables after {} s", GIVE_UP.as_secs());
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}
