//! Logs: to standard error, as text for a person or JSON for a collector. Never a secret, never the text of a message.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Starts logging for this process. `quiet` raises the default level to warnings: for commands whose output matters.
///
/// # Errors
/// When the filter cannot be parsed.
pub fn start(config: &LogConfig, quiet: bool) -> anyhow::Result<()> {
    let directives = if quiet && config.filter == LogConfig::default().filter { "warn" } else { &config.filter };
    let filter = EnvFilter::try_new(directives).map_err(|error| anyhow::anyhow!("log.filter `{directives}`: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = match config.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}
