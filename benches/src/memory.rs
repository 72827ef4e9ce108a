//! Memory: what a million rows take, and what stays when many pass through.

use std::time::Instant;

use anyhow::{Context, Result};
use civicpulse::node::{Node, Roles};
use serde_json::{Value, json};

use crate::{load, machine, setup};

/// Records between two looks at memory; also how far the log may run ahead.
const STRIDE: usize = 250_000;
/// Event time that all records span, in seconds: a hundred and twenty retentions, and four times what the longest window reaches back.
const FLOW_SPAN_S: f64 = 120.0 * 86_400.0;
/// Days that hour and day cells are kept: what the window of 28 days needs.
const CELLS_DAYS: u32 = 29;
/// Event time that the reports of [`rows`] span, in seconds: a year.
const ROWS_SPAN_S: f64 = 365.0 * 86_400.0;

/// Passes `records` raw records through a node that keeps one day of rows, and cells as long as its windows need them. Every count
/// has come to rest once the longest window is full, a quarter of the way.
pub fn measure(records: usize) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    let mut config = setup::config(dir.path(), None)?;
    config.aggregate.retention_days = 1;
    (config.aggregate.hour_cells_days, config.aggregate.day_cells_days) = (CELLS_DAYS, CELLS_DAYS);
    // The log keeps what is on its way and little more.
    for retention in [
        &mut config.stream.embedded.retention.raw,
        &mut config.stream.embedded.retention.enriched,
        &mut config.stream.embedded.retention.dead,
    ] {
        retention.max_partition_bytes = 256 << 20;
    }
    let mut city = setup::city(records as f64 / FLOW_SPAN_S)?;
    let node = setup::node(&config, Roles::PROCESS, &city)?;
    let producer = node.log().producer()?;
    let begun = Instant::now();
    let mut course = Vec::new();
    let mut passed = 0;
    while passed < records {
        let count = STRIDE.min(records - passed);
        load::append(&mut city, &*producer, count)?;
        node.catch_up(|_| true)?;
        passed += count;
        course.push(look(&node, passed)?);
    }
    let elapsed_s = begun.elapsed().as_secs_f64();
    node.stop()?;
    Ok(json!({
        "bench": "memory",
        "records": records,
        "retention_days": 1,
        "cells_days": CELLS_DAYS,
        "records_per_s_with_generation": (records as f64 / elapsed_s).round(),
        "peak_mib": machine::resident_mib()?.1,
        "course": course,
    }))
}

/// Fills a node with at least `reports` reports of a year, at the defaults.
pub fn rows(reports: usize) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    let config = setup::config(dir.path(), None)?;
    let mut city = setup::city(reports as f64 / ROWS_SPAN_S)?;
    let node = setup::node(&config, Roles::PROCESS, &city)?;
    let producer = node.log().producer()?;
    let empty_mib = machine::resident_mib()?.0;
    let mut passed = 0;
    loop {
        let missing = reports.saturating_sub(node.snapshot().context("the node serves")?.rows());
        if missing == 0 {
            break;
        }
        let count = missing.clamp(1_000, STRIDE);
        load::append(&mut city, &*producer, count)?;
        node.catch_up(|_| true)?;
        passed += count;
    }
    let full = look(&node, passed)?;
    node.stop()?;
    Ok(json!({ "bench": "rows", "resident_empty_mib": empty_mib, "full": full, "peak_mib": machine::resident_mib()?.1 }))
}

/// What is held now: by count, by the aggregator's formula, and by the system.
fn look(node: &Node, records: usize) -> Result<Value> {
    let snapshot = node.snapshot().context("the node serves")?;
    let bytes = snapshot.state_bytes();
    let mib = |bytes: usize| (bytes as f64 / f64::from(1 << 20) * 10.0).round() / 10.0;
    Ok(json!({
        "records": records,
        "rows": snapshot.rows(),
        "rows_and_index_mib": mib(bytes.rows + bytes.index),
        "events_mib": mib(bytes.events),
        "cells_mib": mib(bytes.cells),
        "state_mib": mib(bytes.total()),
        "resident_mib": machine::resident_mib()?.0,
    }))
}
