//! Every figure that the README quotes. Prints one JSON object a bench: machine, command, what was measured.
//!
//! The load is the synthetic city: six languages, personal data, edits, status events, erasures, late records.

mod end_to_end;
mod freshness;
mod load;
mod machine;
mod memory;
mod queries;
mod restart;
mod setup;
mod stages;
mod trends;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measures civicpulse on this machine.
#[derive(Parser)]
struct Cli {
    /// What to measure; everything on the embedded log where nothing is named.
    #[command(subcommand)]
    bench: Option<Bench>,
    /// `host:port` of a Kafka to use instead of the embedded log.
    #[arg(long, global = true, env = "CIVICPULSE_KAFKA")]
    kafka: Option<String>,
}

/// What can be measured.
#[derive(Clone, Copy, Subcommand)]
enum Bench {
    /// Each stage alone, on one thread.
    Stages {
        /// Raw records.
        #[arg(long, default_value_t = 200_000)]
        records: usize,
    },
    /// From a full log to everything in the tables.
    EndToEnd {
        /// Raw records.
        #[arg(long, default_value_t = 1_000_000)]
        records: usize,
    },
    /// From an append to its row in SQL, under load.
    Freshness {
        /// Raw records a second beside the measured ones.
        #[arg(long, default_value_t = 50_000)]
        load: usize,
        /// Measured appends.
        #[arg(long, default_value_t = 500)]
        samples: usize,
    },
    /// Memory while many records pass through one-day retention.
    Memory {
        /// Raw records.
        #[arg(long, default_value_t = 10_000_000)]
        records: usize,
    },
    /// The table `trends`: cost of a tick, false alarms, detection against the reference.
    Trends {
        /// Simulated series a setting.
        #[arg(long, default_value_t = 10_000)]
        series: usize,
        /// Seed of everything random.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Prints the tables of docs/methods/trends.md instead of JSON.
        #[arg(long)]
        markdown: bool,
    },
    /// What analysts ask, beside plain DataFusion over the same rows.
    Queries {
        /// Raw records.
        #[arg(long, default_value_t = 1_000_000)]
        records: usize,
    },
    /// A million reports, or so many, and the memory that they take.
    Rows {
        /// Reports in the tables.
        #[arg(long, default_value_t = 1_000_000)]
        reports: usize,
    },
    /// A minute of event time in a city of 200 districts with two years behind it, to the table `trends`.
    Tick {
        /// Minutes.
        #[arg(long, default_value_t = 120)]
        ticks: usize,
        /// Full hours after them, at which all windows move.
        #[arg(long, default_value_t = 24)]
        hours: usize,
        /// Seed of the city.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// From a checkpoint to the first answer.
    Restart {
        /// Reports in the checkpoint.
        #[arg(long, default_value_t = 5_000_000)]
        reports: usize,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let default = [
        Bench::Stages { records: 200_000 },
        Bench::EndToEnd { records: 1_000_000 },
        Bench::Freshness { load: 50_000, samples: 500 },
        Bench::Queries { records: 1_000_000 },
    ];
    let benches = cli.bench.as_ref().map_or(default.as_slice(), std::slice::from_ref);
    for bench in benches {
        let figures = match *bench {
            Bench::Stages { records } => stages::measure(records)?,
            Bench::EndToEnd { records } => end_to_end::measure(records, cli.kafka.as_deref())?,
            Bench::Freshness { load, samples } => freshness::measure(load, samples, cli.kafka.as_deref())?,
            Bench::Memory { records } => memory::measure(records)?,
            Bench::Trends { series, seed, markdown } => {
                let figures = trends::measure(series, seed)?;
                if markdown {
                    println!("{}", trends::markdown(&figures));
                    continue;
                }
                figures
            }
            Bench::Queries { records } => queries::measure(records)?,
            Bench::Rows { reports } => memory::rows(reports)?,
            Bench::Tick { ticks, hours, seed } => trends::tick(ticks, hours, seed)?,
            Bench::Restart { reports } => restart::measure(reports)?,
        };
        println!("{}", machine::report(figures)?);
    }
    Ok(())
}
