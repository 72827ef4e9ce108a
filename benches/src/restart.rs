//! From a checkpoint to the first answer.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use civicpulse::node::Roles;
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::{load, machine, setup};

/// Records appended between two looks at how many reports there are.
const STRIDE: usize = 500_000;
/// Event time that the reports span, in seconds.
const SPAN_S: f64 = 200.0 * 86_400.0;

/// Builds a checkpoint of at least `reports` reports, then starts from it.
pub fn measure(reports: usize) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    let config = setup::config(dir.path(), None)?;
    let mut city = setup::city(reports as f64 / SPAN_S)?;
    let node = setup::node(&config, Roles::PROCESS, &city)?;
    let producer = node.log().producer()?;
    loop {
        load::append(&mut city, &*producer, STRIDE)?;
        node.catch_up(|_| true)?;
        if node.snapshot().context("the node serves")?.rows() >= reports {
            break;
        }
    }
    let rows = node.snapshot().context("the node serves")?.rows();
    drop(producer);
    let stopping = Instant::now();
    node.stop()?;
    let stop_s = stopping.elapsed().as_secs_f64();

    let begun = Instant::now();
    let node = setup::node(&config, Roles::PROCESS, &city)?;
    let engine = node.engine().context("the node serves SQL")?;
    let answer: Vec<_> = node.runtime().block_on(async {
        let batches = engine.query("SELECT topic, count(*) AS reports FROM feedback GROUP BY topic").await?;
        anyhow::Ok(batches.try_collect().await?)
    })?;
    let first_answer_s = begun.elapsed().as_secs_f64();
    let restored = node.snapshot().context("the node serves")?.rows();
    if restored != rows {
        bail!("{restored} reports came back of {rows}");
    }
    node.stop()?;
    let checkpoint_bytes = size_of_dir(&config.data.dir.join("checkpoint"))?;
    Ok(json!({
        "bench": "restart",
        "reports": rows,
        "topics_answered": answer.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(),
        "stop_with_checkpoint_s": stop_s,
        "first_answer_s": first_answer_s,
        "checkpoint_mib": checkpoint_bytes >> 20,
        "peak_mib": machine::resident_mib()?.1,
    }))
}

fn size_of_dir(dir: &std::path::Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size_of_dir(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
