//! The program: reads the command line, does what it says, and turns errors into words and an exit code.

use std::process::ExitCode;

use civicpulse::cli::Cli;
use clap::Parser;

fn main() -> ExitCode {
    // clap exits with 2 on wrong usage, and with 0 after --help.
    let cli = Cli::parse();
    match civicpulse::commands::execute(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
