//! Who answers queries of the command line: a running server, or a data directory that is processed to its end first.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use feedback::SystemClock;
use sql::client::Client;
use sql::postgres::Secret;
use sql::{Batches, Engine};

use super::progress::Spinner;
use super::signals::Stop;
use crate::config::{Config, LogConfig, secrets};
use crate::node::{City, Node, Roles};
use crate::telemetry;

/// Answers queries.
pub enum Answerer<'a> {
    /// A running server.
    Server(&'a Client),
    /// This process, over a data directory.
    Engine(&'a Engine),
}

impl Answerer<'_> {
    /// The result of one statement.
    ///
    /// # Errors
    /// It is refused or fails.
    pub async fn query(&self, sql: &str) -> Result<Batches> {
        Ok(match self {
            Self::Server(client) => client.query(sql).await?,
            Self::Engine(engine) => engine.query(sql).await?,
        })
    }
}

/// Lets `ask` ask the server at `url`, or without one the data directory of `config`.
///
/// # Errors
/// Nobody answers, or `ask` fails.
pub fn with_answerer(
    url: Option<&str>,
    config: impl FnOnce() -> Result<Config>,
    ask: impl AsyncFnOnce(Answerer<'_>) -> Result<()>,
) -> Result<()> {
    match url {
        Some(url) => with_server(url, ask),
        None => with_directory(&config()?, ask),
    }
}

fn with_server(url: &str, ask: impl AsyncFnOnce(Answerer<'_>) -> Result<()>) -> Result<()> {
    telemetry::start(&LogConfig::default(), true)?;
    let password = secrets::read("the password", None, "CIVICPULSE_POSTGRES_PASSWORD")?;
    let password = password.map(|password| Secret::new(password.expose()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::connect(url, password.as_ref()).await?;
        ask(Answerer::Server(&client)).await
    })
}

fn with_directory(config: &Config, ask: impl AsyncFnOnce(Answerer<'_>) -> Result<()>) -> Result<()> {
    telemetry::start(&config.log, true)?;
    if !config.data.dir.exists() {
        bail!(
            "there is no data directory {}: name the one that `import`, `run` or `demo` wrote, with --data-dir",
            config.data.dir.display()
        );
    }
    let stop = Stop::on_signals()?;
    let node = Node::start(config, Roles::PROCESS, City::configured(config)?, Arc::new(SystemClock), &|| stop.is_asked())?;
    let answered = process_and_ask(&node, &stop, ask);
    node.stop()?;
    answered
}

fn process_and_ask(node: &Node, stop: &Stop, ask: impl AsyncFnOnce(Answerer<'_>) -> Result<()>) -> Result<()> {
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
    node.runtime().block_on(ask(Answerer::Engine(engine)))
}
