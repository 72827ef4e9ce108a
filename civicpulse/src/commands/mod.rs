//! What the command line can ask for, one file a command.

mod check_config;
mod classify;
mod demo;
mod import;
mod model;
mod progress;
mod redact;
mod run;
mod shares;
mod signals;
mod sql;
mod surrogates;
mod texts;

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::{Cli, Command};

/// Does what the command says.
///
/// # Errors
/// Whatever went wrong, in words for the person who asked.
pub fn execute(command: Command) -> Result<()> {
    match command {
        Command::Demo(arguments) => demo::execute(&arguments),
        Command::Run(arguments) => run::execute(&arguments),
        Command::Import(arguments) => import::execute(&arguments),
        Command::Sql(arguments) => sql::execute(&arguments),
        Command::Classify(arguments) => unless_pipe_closed(classify::execute(&arguments)),
        Command::Redact(arguments) => unless_pipe_closed(redact::execute(&arguments)),
        Command::Shares(arguments) => unless_pipe_closed(shares::execute(&arguments)),
        Command::Model(arguments) => model::execute(&arguments),
        Command::CheckConfig(arguments) => check_config::execute(&arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "civicpulse", &mut std::io::stdout());
            Ok(())
        }
    }
}

/// A reader that has seen enough (`| head`) is not an error.
fn unless_pipe_closed(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if is_closed_pipe(&error) => Ok(()),
        other => other,
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let is_pipe = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(is_pipe)
            || cause
                .downcast_ref::<serde_json::Error>()
                .is_some_and(|error| error.io_error_kind() == Some(std::io::ErrorKind::BrokenPipe))
    })
}
