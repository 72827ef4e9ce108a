//! Bulk files into the log: what portals export, in bounded memory, row by row safe.
//!
//! A file is cut into blocks of sound rows ([`rows`]), Polars' lazy reader makes text columns of a block ([`table`]; Parquet comes
//! batch by batch from its streaming engine, [`parquet`]), a [`layout::Layout`] makes records of each row, and one append a block
//! carries them to the log. Rows are cut here and not by the CSV reader, because a reader that meets a broken row gives up, shifts
//! columns or swallows what follows, and because a dead letter needs the row's own bytes.

pub mod boston;
pub mod case;
pub mod json;
pub mod layout;
pub mod mapping;
pub mod nyc;
pub mod open;
pub mod open311;
pub mod parquet;
pub mod rows;
mod run;
pub mod summary;
pub mod table;
pub mod time;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use chrono_tz::Tz;
use feedback::id::is_valid_source;
use tokio_util::sync::CancellationToken;

pub use mapping::Mapping;
pub use summary::{Counts, FileSummary, ImportSummary};

use crate::error::IngestError;
use crate::sink::Sink;
use layout::{Layout, nearest};

/// The formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Boston's 311 cases.
    Boston311,
    /// New York's 311 requests.
    Nyc311,
    /// Open311 GeoReport v2 requests as JSON.
    Open311,
    /// Comma-separated, with a mapping.
    Csv,
    /// Tab-separated, with a mapping.
    Tsv,
    /// Parquet, with a mapping.
    Parquet,
    /// One JSON object a line: with a mapping any, without one civicpulse's own records.
    Jsonl,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Boston311, Self::Nyc311, Self::Open311, Self::Csv, Self::Tsv, Self::Parquet, Self::Jsonl];

    /// Its name on the command line; also the source's name where the format is a portal's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boston311 => "boston311",
            Self::Nyc311 => "nyc311",
            Self::Open311 => "open311",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Parquet => "parquet",
            Self::Jsonl => "jsonl",
        }
    }
}

impl FromStr for Format {
    type Err = IngestError;

    fn from_str(name: &str) -> Result<Self, IngestError> {
        Self::ALL.into_iter().find(|format| format.as_str() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str);
            let hint = nearest(name, names)
                .map_or_else(|| format!("use one of {}", names.join(", ")), |near| format!("did you mean {near}?"));
            IngestError::Options(format!("`{name}` is not a format; {hint}"))
        })
    }
}

/// What an import may be told besides its files.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// How columns become fields; needed for `csv`, `tsv` and `parquet`.
    pub mapping: Option<Mapping>,
    /// The first part of every id, instead of the format's own name (not with a mapping, which names its own).
    pub source: Option<String>,
    /// The zone of times without offset in `open311` files; UTC otherwise.
    pub time_zone: Option<Tz>,
}

/// Is told how an import goes, from the importing thread.
pub trait Progress: Send + Sync {
    /// A file begins; its size on disk.
    fn file_started(&self, _path: &Path, _bytes: u64) {}
    /// So many bytes of the file are read, and so many rows of it seen.
    fn advanced(&self, _bytes_read: u64, _rows: u64) {}
    /// A file is done: everything that came of it is in the log.
    fn file_finished(&self, _file: &FileSummary) {}
}

/// Tells nobody.
impl Progress for () {}

/// Brings files into the log and returns when the log has acknowledged all of it. Blocks; needs no async runtime.
///
/// Every file is read, even when another cannot be ([`ImportSummary::is_complete`] tells). Importing the same files again changes
/// nothing downstream: ids and versions are the same. Memory: about four blocks of 2 MiB, the records of one, the sink's bound,
/// and the longest row (at most 16 MiB).
///
/// # Errors
/// The options do not fit the format, or the log does not take the records.
pub fn import(
    files: &[PathBuf],
    format: Format,
    options: &ImportOptions,
    sink: &Sink,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<ImportSummary, IngestError> {
    let layout = layout_of(format, options)?;
    let source = layout.as_ref().map_or(options.source.as_deref().unwrap_or("jsonl"), |layout| layout.source());
    let door = sink.door(source);
    let mut summary = ImportSummary::default();
    for path in files {
        if stop.is_cancelled() {
            summary.stopped = true;
            break;
        }
        progress.file_started(path, std::fs::metadata(path).map_or(0, |metadata| metadata.len()));
        let file = run::FileImport::new(path, &door, progress, stop).run(format, layout.as_deref(), options)?;
        summary.stopped |= file.stopped;
        progress.file_finished(&file.summary);
        tracing::info!(path = %path.display(), rows = file.summary.counts.rows, rejected = file.summary.counts.rejected, "file imported");
        summary.files.push(file.summary);
    }
    Ok(summary)
}

/// The layout of a format; none for civicpulse's own records.
fn layout_of(format: Format, options: &ImportOptions) -> Result<Option<Box<dyn Layout>>, IngestError> {
    let refuse = |problem: String| Err(IngestError::Options(problem));
    let source = options.source.as_deref().unwrap_or(format.as_str());
    if !is_valid_source(source) {
        return refuse(format!("source `{source}` may hold lower-case letters, digits, `_` and `-` only"));
    }
    if options.mapping.is_some() && options.source.is_some() {
        return refuse("the mapping names the source: leave the option away".into());
    }
    Ok(Some(match (format, &options.mapping) {
        (Format::Boston311, None) => Box::new(boston::Boston::new(source)),
        (Format::Nyc311, None) => Box::new(nyc::Nyc::new(source)),
        (Format::Open311, None) => Box::new(open311::Open311::new(source, options.time_zone.unwrap_or(chrono_tz::UTC))),
        (Format::Jsonl, None) => return Ok(None),
        (Format::Boston311 | Format::Nyc311 | Format::Open311, Some(_)) => {
            return refuse(format!(
                "format {} knows its own columns: use csv, tsv, parquet or jsonl with a mapping",
                format.as_str()
            ));
        }
        (Format::Csv | Format::Tsv | Format::Parquet, None) => {
            return refuse(format!(
                "format {} needs a mapping: a TOML file that says which column feeds which field",
                format.as_str()
            ));
        }
        (_, Some(mapping)) => Box::new(mapping.clone()),
    }))
}
