//! How fast, and in how much memory, files become records: `import_speed FORMAT LOG_DIR FILE...`
//!
//! Prints one JSON object. `LOG_DIR` receives an embedded log; `-` converts Boston's CSV to JSON bytes and drops them.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use feedback::{Clock, SystemClock};
use ingest::bulk::boston::Boston;
use ingest::bulk::layout::{Conversion, Facts, Layout, bind};
use ingest::bulk::rows::{Dialect, RowReader};
use ingest::bulk::table::Table;
use ingest::bulk::{Format, ImportOptions, import};
use ingest::{IngestMetrics, Sink, SinkConfig};
use prometheus::Registry;
use stream::{EmbeddedConfig, EmbeddedLog, Log, StreamMetrics};
use tokio_util::sync::CancellationToken;

/// Rows to JSON bytes on one thread, and no log: rows, JSON bytes.
fn convert(files: &[PathBuf], layout: &dyn Layout) -> Result<(u64, u64), Box<dyn std::error::Error>> {
    let dialect = Dialect { separator: b',', quote: Some(b'"') };
    let (mut rows, mut json_bytes) = (0, 0);
    for file in files {
        let mut reader = RowReader::new(File::open(file)?, dialect);
        let header = reader.header()?.ok_or("an empty file")?;
        let bound = bind(layout.columns(), &header)?;
        let mut conversion = Conversion { now: SystemClock.now(), records: Vec::new(), facts: Facts::default() };
        while let Some(block) = reader.next_block()? {
            let height = block.rows.len();
            let table = Table::parse(&block.bytes.into(), height, header.len(), dialect, &bound)?;
            for row in 0..height {
                layout.convert(&table.row(row), &mut conversion).map_err(|error| error.0)?;
            }
            for record in conversion.records.drain(..) {
                let mut json = Vec::with_capacity(512);
                record.write_json(&mut json)?;
                json_bytes += json.len() as u64;
            }
            rows += height as u64;
        }
    }
    Ok((rows, json_bytes))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let format: Format = arguments.next().ok_or("which format?")?.parse()?;
    let log_dir = arguments.next().ok_or("which directory for the log (or -)?")?;
    let files: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    let started = Instant::now();
    let (rows, json_bytes) = if log_dir == "-" {
        convert(&files, &Boston::new("boston311"))?
    } else {
        let registry = Registry::new();
        let config = EmbeddedConfig { dir: log_dir.into(), ..EmbeddedConfig::default() };
        let log = EmbeddedLog::open(&config, Arc::new(SystemClock), StreamMetrics::register(&registry)?)?;
        let sink = Sink::new(log.producer()?, Arc::new(SystemClock), IngestMetrics::new(&registry)?, SinkConfig::default());
        let summary = import(&files, format, &ImportOptions::default(), &sink, &(), &CancellationToken::new())?;
        eprintln!("{summary}");
        (summary.total().rows, summary.total().json_bytes)
    };
    let (wall_s, cpu_s) = (started.elapsed().as_secs_f64(), cpu_seconds()?);
    let report = serde_json::json!({
        "rows": rows, "json_mb": json_bytes as f64 / 1e6, "wall_s": wall_s, "cpu_s": cpu_s,
        "rows_per_s": rows as f64 / wall_s, "rows_per_cpu_s": rows as f64 / cpu_s, "peak_rss_mb": peak_rss_mb()?,
    });
    println!("{report:#}");
    Ok(())
}

/// User and system time of this process; the kernel counts in hundredths of a second.
fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("an unknown form of /proc/self/stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / 100.0)
}

fn peak_rss_mb() -> Result<f64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1e3)
}
