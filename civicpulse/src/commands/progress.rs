//! Progress for people: shown on a terminal, silent in a pipe.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ingest::bulk::{FileSummary, Progress};

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

/// Something that takes a while and has no known end.
pub struct Spinner(ProgressBar);

impl Spinner {
    /// A spinner named `what`.
    pub fn new(what: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, target()).with_prefix(what.to_owned());
        bar.set_style(
            ProgressStyle::with_template("  {spinner} {prefix}  {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// What is going on.
    pub fn say(&self, message: &str) {
        self.0.set_message(message.to_owned());
    }

    /// Removes the spinner.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// The progress of an import, file by file.
pub struct ImportProgress(Mutex<ProgressBar>);

impl ImportProgress {
    /// No file yet.
    pub fn new() -> Self {
        Self(Mutex::new(ProgressBar::hidden()))
    }

    fn bar(&self) -> std::sync::MutexGuard<'_, ProgressBar> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Progress for ImportProgress {
    fn file_started(&self, path: &Path, bytes: u64) {
        let bar = ProgressBar::with_draw_target(Some(bytes), target()).with_prefix(path.display().to_string());
        let template = "  {prefix}  {bar:24} {bytes}/{total_bytes}  {msg}  {eta} left";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        *self.bar() = bar;
    }

    fn advanced(&self, bytes_read: u64, rows: u64) {
        let bar = self.bar();
        bar.set_position(bytes_read);
        bar.set_message(format!("{rows} rows"));
    }

    fn file_finished(&self, file: &FileSummary) {
        self.bar().finish_and_clear();
        match &file.problem {
            None => eprintln!("{}: {}", file.path.display(), file.counts),
            Some(problem) => eprintln!("{}: {problem}; up to there: {}", file.path.display(), file.counts),
        }
    }
}
