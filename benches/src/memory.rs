//! Memory while many records pass through a node that keeps one day of rows.

use std::time::Instant;

use anyhow::{Context, Result};
use civicpulse::node::Roles;
use serde_json::{Value, json};

use crate::{load, machine, setup};

/// Records between two looks at memory; also how far the log may run ahead.
const STRIDE: usize = 250_000;
/// Event time that all records span, in seconds: twenty retentions.
const SPAN_S: f64 = 20.0 * 86_400.0;

/// Passes `records` raw records through.
pub fn measure(records: usize) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    let mut config = setup::config(dir.path(), None)?;
    config.aggregate.retention_days = 1;
    config.aggregate.day_cells_days = 60;
    // The log keeps what is on its way and little more.
    for retention in [
        &mut config.stream.embedded.retention.raw,
        &mut config.stream.embedded.retention.enriched,
        &mut config.stream.embedded.retention.dead,
    ] {
        retention.max_partition_bytes = 256 << 20;
    }
    let mut city = setup::city(records as f64 / SPAN_S)?;
    let node = setup::node(&config, Roles::PROCESS, &city)?;
    let producer = node.log().producer()?;
    let begun = Instant::now();
    let mut resident = Vec::new();
    let mut passed = 0;
    while passed < records {
        let count = STRIDE.min(records - passed);
        load::append(&mut city, &*producer, count)?;
        node.catch_up(|_| true)?;
        passed += count;
        let rows = node.snapshot().context("the node serves")?.rows();
        resident.push(json!({ "records": passed, "rows": rows, "resident_mib": machine::resident_mib()?.0 }));
    }
    let elapsed_s = begun.elapsed().as_secs_f64();
    node.stop()?;
    Ok(json!({
        "bench": "memory",
        "records": records,
        "retention_days": 1,
        "records_per_s_with_generation": (records as f64 / elapsed_s).round(),
        "peak_mib": machine::resident_mib()?.1,
        "course": resident,
    }))
}
