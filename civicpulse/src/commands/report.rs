//! `civicpulse report`: what people who decide look at, with where it comes from.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal};

use anyhow::{Context, Result, bail};
use feedback::{Clock, SystemClock};

use super::answerer::with_answerer;
use super::is_closed_pipe;
use crate::cli::Report;
use crate::config::Config;
use crate::report::{self, Format, Request};

/// Asks and writes.
pub fn execute(arguments: &Report) -> Result<()> {
    let format = arguments.format;
    if arguments.output.is_none() && !format.is_text() && io::stdout().is_terminal() {
        bail!("a workbook or Parquet is not for a terminal: name a file with --output, or redirect the output");
    }
    if arguments.comments && format != Format::Csv {
        bail!("--comments belongs to --format csv: the other formats have a place of their own for it");
    }
    let request = Request {
        kind: arguments.kind,
        window: arguments.window.clone(),
        as_of: arguments.as_of.clone(),
        weights: arguments.weights.clone(),
        total: arguments.total,
        top: arguments.top,
    };
    // Refused before a log is processed for it.
    request.query()?;
    let config = || {
        let mut config = Config::load(&arguments.config)?;
        if let Some(file) = &arguments.budgets {
            config.city.budgets_file.clone_from(file);
        }
        Ok(config)
    };
    with_answerer(arguments.url.as_deref(), config, async |answerer| {
        let report = report::gather(&answerer, &request, SystemClock.now()).await?;
        write(&report, arguments)
    })
}

fn write(report: &report::Report, arguments: &Report) -> Result<()> {
    let (format, comments) = (arguments.format, arguments.comments);
    match &arguments.output {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            report::write(report, format, comments, BufWriter::new(file))
        }
        None => match report::write(report, format, comments, BufWriter::new(io::stdout())) {
            Err(error) if is_closed_pipe(&error) => Ok(()),
            result => result,
        },
    }
}
