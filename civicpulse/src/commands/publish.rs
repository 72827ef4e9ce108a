//! `civicpulse publish`: what everybody may see of a month, released once; see [`crate::release`].

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use feedback::SystemClock;

use super::progress::Spinner;
use super::signals::Stop;
use crate::cli::Publish;
use crate::config::Config;
use crate::node::{City, Node, Roles};
use crate::release::Releases;
use crate::telemetry;

/// Prints the month's release, writing it first if there is none.
pub fn execute(arguments: &Publish) -> Result<()> {
    let config = Config::load(&arguments.config)?;
    telemetry::start(&config.log, true)?;
    let releases = Releases::of(&config);
    let text = match releases.kept(&arguments.month)? {
        Some(text) => text,
        None => compute(&config, &releases, &arguments.month)?,
    };
    match &arguments.output {
        Some(output) => std::fs::write(output, text).with_context(|| format!("cannot write {}", output.display())),
        None => Ok(std::io::stdout().write_all(text.as_bytes())?),
    }
}

fn compute(config: &Config, releases: &Releases, month: &str) -> Result<String> {
    let dir = &config.data.dir;
    if !dir.exists() {
        bail!("there is no data directory {}: name the one that `import` or `run` wrote, with --data-dir", dir.display());
    }
    let stop = Stop::on_signals()?;
    let node = Node::start(config, Roles::PROCESS, City::configured(config)?, Arc::new(SystemClock), &|| stop.is_asked())?;
    let released = caught_up(&node, &stop).and_then(|()| {
        let snapshot = node.snapshot().context("this process keeps no tables")?;
        releases.get(month, &snapshot)
    });
    node.stop()?;
    released
}

fn caught_up(node: &Node, stop: &Stop) -> Result<()> {
    let spinner = Spinner::new("processing");
    let caught_up = node.catch_up(|missing| {
        spinner.say(&format!("{missing} records to go"));
        !stop.is_asked()
    })?;
    spinner.finish();
    if !caught_up {
        bail!("stopped before the log was processed; the next start goes on from here");
    }
    Ok(())
}
