//! `civicpulse sql`: one query, against a running server or a data directory.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use sql::{Batches, Format, export};

use super::answerer::with_answerer;
use super::is_closed_pipe;
use crate::cli::Sql;
use crate::config::Config;

/// Runs the query and writes its result.
pub fn execute(arguments: &Sql) -> Result<()> {
    let format: Format = arguments.format.parse().map_err(anyhow::Error::msg)?;
    if arguments.output.is_none() && !format.is_text() && io::stdout().is_terminal() {
        bail!("{format} is not for a terminal: name a file with --output, or redirect the output");
    }
    let config = || Config::load(&arguments.config);
    with_answerer(arguments.url.as_deref(), config, async |answerer| {
        let batches = answerer.query(&arguments.query).await?;
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
