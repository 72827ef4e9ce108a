//! `civicpulse sql`: one query, against a running server or a data directory.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use feedback::SystemClock;
use sql::client::Client;
use sql::postgres::Secret;
use sql::{Batches, Format, export};

use super::is_closed_pipe;
use super::progress::Spinner;
use super::signals::Stop;
use crate::cli::Sql;
use crate::config::{Config, LogConfig, secrets};
use crate::node::{City, Node, Roles};
use crate::telemetry;

/// Runs the query and writes its result.
pub fn execute(arguments: &Sql) -> Result<()> {
    let format: Format = arguments.format.parse().map_err(anyhow::Error::msg)?;
    if arguments.output.is_none() && !format.is_text() && io::stdout().is_terminal() {
        bail!("{format} is not for a terminal: name a file with --output, or redirect the output");
    }
    match &arguments.url {
        Some(url) => ask_server(url, arguments, format),
        None => ask_directory(arguments, format),
    }
}

fn ask_server(url: &str, arguments: &Sql, format: Format) -> Result<()> {
    telemetry::start(&LogConfig::default(), true)?;
    let password = secrets::read("the password", None, "CIVICPULSE_POSTGRES_PASSWORD")?;
    let password = password.map(|password| Secret::new(password.expose()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::connect(url, password.as_ref()).await?;
        let batches = client.query(&arguments.query).await?;
        write(batches, format, arguments.output.as_deref()).await
    })
}

fn ask_directory(arguments: &Sql, format: Format) -> Result<()> {
    let config = Config::load(&arguments.config)?;
    telemetry::start(&config.log, true)?;
    if !config.data.dir.exists() {
        bail!(
            "there is no data directory {}: name the one that `import`, `run` or `demo` wrote, with --data-dir",
            config.data.dir.display()
        );
    }
    let stop = Stop::on_signals()?;
    let node = Node::start(&config, Roles::PROCESS, City::configured(&config)?, Arc::new(SystemClock), &|| stop.is_asked())?;
    let answered = answer(&node, arguments, format, &stop);
    node.stop()?;
    answered
}

fn answer(node: &Node, arguments: &Sql, format: Format, stop: &Stop) -> Result<()> {
    let spinner = Spinner::new("processing");
    let caught_up = node.catch_up(|missing| {
        spinner.say(&format!("{missing} records to go"));
        !stop.is_asked()
    })?;
    spinner.finish();
    if !caught_up {
        bail!("stopped before the log was processed; the next start goes on from here");
    }
    let engine = node.engine().context("this process serves no SQL")?;
    node.runtime().block_on(async {
        let batches = engine.query(&arguments.query).await?;
        write(batches, format, arguments.output.as_deref()).await
    })
}

async fn write(batches: Batches, format: Format, output: Option<&Path>) -> Result<()> {
    let out: Box<dyn Write + Send> = match output {
        Some(path) => Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => Box::new(io::stdout()),
    };
    match export::write(batches, format, out).await.map_err(anyhow::Error::from) {
        Err(error) if output.is_none() && is_closed_pipe(&error) => Ok(()),
        result => result.map(drop),
    }
}
