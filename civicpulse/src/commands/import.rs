//! `civicpulse import`: bulk exports into the log, then into the tables.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use feedback::SystemClock;
use ingest::bulk::{Format, ImportOptions, Mapping, import};

use super::progress::{ImportProgress, Spinner};
use super::signals::Stop;
use crate::cli::Import;
use crate::config::Config;
use crate::node::{City, Node, Roles};
use crate::telemetry;

/// Imports the files, then processes the log until everything is in the tables.
pub fn execute(arguments: &Import) -> Result<()> {
    let format: Format = arguments.format.parse()?;
    let options =
        ImportOptions { mapping: arguments.mapping.as_deref().map(Mapping::load).transpose()?, ..ImportOptions::default() };
    let config = Config::load(&arguments.config)?;
    telemetry::start(&config.log, true)?;
    let stop = Stop::on_signals()?;
    let roles = if arguments.no_process { Roles::WRITE } else { Roles::PROCESS };
    let node = Node::start(&config, roles, City::configured(&config)?, Arc::new(SystemClock), &|| stop.is_asked())?;

    let imported = import(&arguments.files, format, &options, node.sink(), &ImportProgress::new(), stop.token());
    // Whatever the import came to: what is in the log is processed, and the node is stopped in order.
    let caught_up = if arguments.no_process { Ok(true) } else { process(&node, &stop) };
    let reports = node.snapshot().map(|snapshot| snapshot.rows());
    node.stop()?;

    let summary = imported.context("the import ended early; importing again changes nothing that is there")?;
    println!("{}", summary.total());
    if let Some(reports) = reports.filter(|_| matches!(caught_up, Ok(true))) {
        println!("{reports} distinct reports in {}", config.data.dir.display());
    }
    if !caught_up? || summary.stopped {
        bail!("stopped before the end; importing again goes on from here and counts nothing twice");
    }
    if !summary.is_complete() {
        bail!("not every file could be read to its end; see above");
    }
    Ok(())
}

fn process(node: &Node, stop: &Stop) -> Result<bool> {
    let spinner = Spinner::new("processing");
    let caught_up = node.catch_up(|missing| {
        spinner.say(&format!("{missing} records to go"));
        !stop.is_asked()
    });
    spinner.finish();
    caught_up
}
