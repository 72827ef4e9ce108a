//! `civicpulse demo`: a synthetic city with known truth, live.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use feedback::{Clock, SystemClock};
use ingest::synthetic::{Pace, SyntheticSource};

use super::progress::Spinner;
use super::run::serve_until_stopped;
use super::signals::Stop;
use crate::cli::Demo;
use crate::config::{Config, StreamKind};
use crate::demo::{Begun, city};
use crate::node::{Node, Roles};
use crate::telemetry;

/// Where the demo lies where nobody says otherwise: beside a city's own data, never in it.
const DEFAULT_DIR: &str = "civicpulse-data/demo";

/// Runs the demo until told to stop.
pub fn execute(arguments: &Demo) -> Result<()> {
    let mut config = Config::load(&arguments.config)?;
    if arguments.config.data_dir.is_none() {
        config.data.dir = PathBuf::from(DEFAULT_DIR);
    }
    // A demo needs no broker and touches nobody's topics.
    config.stream.kind = StreamKind::Embedded;
    config.sources.clear();
    telemetry::start(&config.log, true)?;
    let stop = Stop::on_signals()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);

    let begun = Begun::open(&config.data.dir, arguments.seed, arguments.rate, arguments.history_days, &*clock)?;
    let source = SyntheticSource::new(begun.config(), Pace::REAL_TIME, clock.clone())?;
    let city = city(&source.city().truth())?;
    let mut node = Node::start(&config, Roles::ALL, city, clock, &|| stop.is_asked())?;
    println!(
        "A synthetic city of {} districts, seed {}, {} reports a second.",
        begun.config().districts,
        begun.seed,
        begun.rate
    );
    println!("Its history since {} is read now; queries work meanwhile.", begun.start);
    node.add_source(Box::new(source))?;
    say_where(&node);
    watch_history(&node, &stop)?;
    serve_until_stopped(node, &stop)
}

fn say_where(node: &Node) {
    let (http, postgres) = node.addresses();
    if let Some(address) = postgres {
        println!("  SQL      psql -h {} -p {} -c 'SELECT * FROM trends'", address.ip(), address.port());
        println!("           psql -h {} -p {} -c 'SELECT * FROM priorities'", address.ip(), address.port());
    }
    if let Some(address) = http {
        println!("  HTTP     http://{address}/    metrics at http://{address}/metrics");
    }
    println!("  Stop     Ctrl-C; the next start continues the same city.");
}

/// Tells a terminal how far the history has come: until the newest record is a few seconds old.
fn watch_history(node: &Node, stop: &Stop) -> Result<()> {
    let spinner = Spinner::new("history");
    let begun = Instant::now();
    loop {
        let Some(snapshot) = node.snapshot() else { return Ok(()) };
        let watermark = snapshot.watermark();
        spinner.say(&format!(
            "{} reports, up to {}",
            snapshot.rows(),
            watermark.map_or("the beginning".into(), |w| w.to_string())
        ));
        let behind_us = watermark.map_or(i64::MAX, |w| SystemClock.now().micros().saturating_sub(w.micros()));
        if behind_us < LIVE_US || stop.is_asked() || node.failed().is_cancelled() {
            spinner.finish();
            if behind_us < LIVE_US {
                println!(
                    "  Live     {} reports after {:.0} s; more arrive every few seconds.",
                    snapshot.rows(),
                    begun.elapsed().as_secs_f64()
                );
            }
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// The watermark stays behind by the allowed disorder; a little more than that is live.
const LIVE_US: i64 = 20 * feedback::time::MINUTE_US;
