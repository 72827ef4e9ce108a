//! From a full raw log to everything in the tables, all enrichment on.

use std::time::Instant;

use anyhow::{Context, Result};
use civicpulse::node::Roles;
use serde_json::{Value, json};

use crate::{load, machine, setup};

/// Days that the records span in event time.
const SPAN_S: f64 = 14.0 * 86_400.0;

/// Measures with `records` raw records.
pub fn measure(records: usize, kafka: Option<&str>) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    let config = setup::config(dir.path(), kafka)?;
    let mut city = setup::city(records as f64 / SPAN_S)?;
    let writer = setup::node(&config, Roles::WRITE, &city)?;
    let filled = Instant::now();
    let bytes = load::append(&mut city, &*writer.log().producer()?, records)?;
    let append_s = filled.elapsed().as_secs_f64();
    writer.stop()?;

    let (begun, cpu) = (Instant::now(), machine::cpu_s()?);
    let node = setup::node(&config, Roles::PROCESS, &city)?;
    node.catch_up(|_| true)?;
    let (elapsed_s, cpu_s) = (begun.elapsed().as_secs_f64(), machine::cpu_s()? - cpu);
    let reports = node.snapshot().context("the node serves")?.rows();
    let (resident_mib, peak_mib) = machine::resident_mib()?;
    node.stop()?;
    Ok(json!({
        "bench": "end_to_end",
        "log": if kafka.is_some() { "kafka" } else { "embedded" },
        "records": records,
        "bytes_per_record": bytes / records.max(1),
        "reports_in_tables": reports,
        "append_records_per_s": (records as f64 / append_s).round(),
        "records_per_s": (records as f64 / elapsed_s).round(),
        "cpu_us_per_record": cpu_s * 1e6 / records as f64,
        "resident_mib": resident_mib,
        "peak_mib": peak_mib,
    }))
}
