//! One file from disk to acknowledgement.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use feedback::{Feedback, Kind};
use stream::StreamError;
use tokio_util::sync::CancellationToken;

use super::json::{Element, Elements, KeyBinder, Lines};
use super::layout::{Cells, Conversion, Facts, Layout, bind};
use super::open::{Content, Opened, describe, open};
use super::parquet::ParquetBatches;
use super::rows::{BLOCK_BYTES, Dialect, RowReader};
use super::summary::{Counts, FileSummary};
use super::table::{RowText, Table};
use super::{Format, ImportOptions, Progress};
use crate::error::IngestError;
use crate::sink::{Door, Receipt};
use crate::source::Rejected;

/// Batches on their way to the log: enough to keep it busy while the next block is read.
const MAX_PENDING: usize = 4;

/// How often a wait for the log looks at the stop signal.
const LOOK_AT_STOP: Duration = Duration::from_millis(200);

/// The import of one file.
pub struct FileImport<'a> {
    path: &'a Path,
    name: String,
    door: &'a Door,
    progress: &'a dyn Progress,
    stop: &'a CancellationToken,
    bytes_read: Arc<AtomicU64>,
    conversion: Conversion,
    rejected: Vec<Rejected>,
    pending: VecDeque<Receipt>,
    counts: Counts,
}

/// What came of a file.
pub struct FileDone {
    pub summary: FileSummary,
    /// The stop signal came before its end.
    pub stopped: bool,
}

/// Why reading a file ended early.
enum Break {
    /// The file's fault: the next file is read.
    File(String),
    /// The log's fault: the import ends.
    Log(StreamError),
    Stopped,
}

impl<'a> FileImport<'a> {
    pub fn new(path: &'a Path, door: &'a Door, progress: &'a dyn Progress, stop: &'a CancellationToken) -> Self {
        Self {
            path,
            name: path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            door,
            progress,
            stop,
            bytes_read: Arc::default(),
            conversion: Conversion { now: door.clock().now(), records: Vec::new(), facts: Facts::default() },
            rejected: Vec::new(),
            pending: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Reads the file to its end, or as far as it goes, and waits for the log.
    pub fn run(
        mut self,
        format: Format,
        layout: Option<&dyn Layout>,
        options: &ImportOptions,
    ) -> Result<FileDone, IngestError> {
        let read = self.read(format, layout, options);
        // What was read before a break in the file is whole: it goes to the log as well.
        let flushed = match read {
            Err(Break::Log(_) | Break::Stopped) => Ok(()),
            _ => self.flush(),
        };
        let settled = self.settle(0);
        let mut problem = None;
        let mut stopped = false;
        for end in [read, flushed, settled] {
            match end {
                Ok(()) => {}
                Err(Break::Log(error)) => return Err(IngestError::Log(error)),
                Err(Break::Stopped) => stopped = true,
                Err(Break::File(text)) => problem = Some(text),
            }
        }
        self.counts.facts = self.conversion.facts;
        Ok(FileDone { summary: FileSummary { path: self.path.into(), counts: self.counts, problem }, stopped })
    }

    fn read(&mut self, format: Format, layout: Option<&dyn Layout>, options: &ImportOptions) -> Result<(), Break> {
        let opened = open(self.path).map_err(Break::File)?;
        self.bytes_read = opened.bytes_read.clone();
        let Some(layout) = layout else { return self.own_records(opened) };
        let csv = Dialect { separator: b',', quote: Some(b'"') };
        let tsv = Dialect { separator: b'\t', quote: None };
        let mapped = |dialect| options.mapping.as_ref().map_or(dialect, |mapping| mapping.dialect(dialect));
        match (format, opened.content) {
            (Format::Parquet | Format::Boston311 | Format::Nyc311 | Format::Open311, Content::Parquet) => self.parquet(layout),
            (_, Content::Parquet) => Err(Break::File("the file is Parquet: import it with format parquet".into())),
            (Format::Parquet, Content::Text(_)) => {
                Err(Break::File("the file is not Parquet (it does not start with PAR1): import it as csv, tsv or jsonl".into()))
            }
            (Format::Csv | Format::Tsv, Content::Text(first @ (b'{' | b'['))) => Err(Break::File(format!(
                "the file starts with `{}`: it is JSON, import it with format jsonl",
                char::from(first)
            ))),
            (Format::Jsonl, Content::Text(b'{')) => self.lines(layout, opened),
            (Format::Jsonl | Format::Open311 | Format::Boston311 | Format::Nyc311, Content::Text(b'{' | b'[')) => {
                self.elements(layout, opened)
            }
            (Format::Jsonl, Content::Text(_)) => Err(Break::File("the file does not start with `{`: it is no JSONL".into())),
            (Format::Tsv, Content::Text(_)) => self.delimited(layout, opened, mapped(tsv)),
            (_, Content::Text(_)) => self.delimited(layout, opened, mapped(csv)),
        }
    }

    fn delimited(&mut self, layout: &dyn Layout, opened: Opened, dialect: Dialect) -> Result<(), Break> {
        let mut reader = RowReader::new(opened.text, dialect);
        let header = reader.header().map_err(|error| Break::File(describe(&error)))?;
        let header = header.ok_or_else(|| Break::File("the file holds no line: nothing to import".into()))?;
        let bound = bind(layout.columns(), &header).map_err(Break::File)?;
        while let Some(block) = reader.next_block().map_err(|error| Break::File(describe(&error)))? {
            for bad in block.bad {
                self.reject(bad.row, &bad.reason, bad.bytes);
            }
            let rows = RowText::from(block.bytes);
            let table = Table::parse(&rows, block.rows.len(), header.len(), dialect, &bound)
                .map_err(|error| Break::File(format!("the rows could not be read: {error}")))?;
            for (position, span) in block.rows.iter().enumerate() {
                self.convert(layout, span.row, &table.row(position), || rows.bytes()[span.start..span.end].to_vec());
            }
            self.flush()?;
        }
        Ok(())
    }

    fn parquet(&mut self, layout: &dyn Layout) -> Result<(), Break> {
        let mut batches = ParquetBatches::open(self.path, layout.columns()).map_err(Break::File)?;
        let mut row = 0;
        while let Some(batch) = batches.next_batch().map_err(Break::File)? {
            for position in 0..batch.table.height() {
                row += 1;
                self.convert(layout, row, &batch.table.row(position), || batch.row_as_json(position));
            }
            self.flush()?;
        }
        Ok(())
    }

    fn lines(&mut self, layout: &dyn Layout, opened: Opened) -> Result<(), Break> {
        let mut lines = Lines(opened.text);
        self.objects(layout, || lines.next_element())
    }

    fn elements(&mut self, layout: &dyn Layout, opened: Opened) -> Result<(), Break> {
        let mut elements = Elements::new(opened.text);
        self.objects(layout, || elements.next_element())
    }

    /// JSON objects through a layout.
    fn objects(&mut self, layout: &dyn Layout, next: impl FnMut() -> std::io::Result<Option<Element>>) -> Result<(), Break> {
        let mut binder = KeyBinder::default();
        self.each_element(next, |this, row, bytes| match serde_json::from_slice::<serde_json::Value>(&bytes) {
            Ok(object @ serde_json::Value::Object(_)) => {
                let cells = binder.cells(layout.columns(), &object);
                this.convert(layout, row, &cells, || bytes);
            }
            Ok(_) => this.reject(row, "a JSON value that is no object", bytes),
            Err(error) => this.reject(row, &format!("not JSON: {error}"), bytes),
        })
    }

    /// Records as `feedback.raw` holds them, with their own ids and times.
    fn own_records(&mut self, opened: Opened) -> Result<(), Break> {
        match opened.content {
            Content::Text(b'{') => {}
            _ => return Err(Break::File("the file is no JSONL of records: give a mapping, or name another format".into())),
        }
        let mut lines = Lines(opened.text);
        self.each_element(
            || lines.next_element(),
            |this, row, bytes| match Feedback::from_json(&bytes) {
                Ok(record) => {
                    this.counts.rows += 1;
                    this.conversion.records.push(record);
                }
                Err(error) => this.reject(row, &error.to_string(), bytes),
            },
        )
    }

    fn each_element(
        &mut self,
        mut next: impl FnMut() -> std::io::Result<Option<Element>>,
        mut take: impl FnMut(&mut Self, u64, Vec<u8>),
    ) -> Result<(), Break> {
        let (mut row, mut gathered) = (0, 0);
        while let Some(element) = next().map_err(|error| Break::File(describe(&error)))? {
            row += 1;
            match element {
                Element::Whole(bytes) => {
                    gathered += bytes.len();
                    take(self, row, bytes);
                }
                Element::TooLong(bytes) => {
                    gathered += bytes.len();
                    self.reject(row, "longer than 16 MiB: it was cut here", bytes);
                }
            }
            if gathered >= BLOCK_BYTES {
                gathered = 0;
                self.flush()?;
            }
        }
        Ok(())
    }

    fn convert(&mut self, layout: &dyn Layout, row: u64, cells: &dyn Cells, original: impl FnOnce() -> Vec<u8>) {
        match layout.convert(cells, &mut self.conversion) {
            Ok(()) => self.counts.rows += 1,
            Err(error) => self.reject(row, &error.0, original()),
        }
    }

    fn reject(&mut self, row: u64, reason: &str, bytes: Vec<u8>) {
        self.counts.rows += 1;
        self.rejected.push(Rejected { reason: format!("row {row} of {}: {reason}", self.name), bytes });
    }

    /// Hands what was gathered to the log, waiting while too much is on its way.
    fn flush(&mut self) -> Result<(), Break> {
        if self.stop.is_cancelled() {
            return Err(Break::Stopped);
        }
        // What this import has on its way is waited for by this thread alone: it must never wait for room that only itself can give.
        self.settle(MAX_PENDING - 1)?;
        while self.pending.iter().map(Receipt::bytes).sum::<usize>() > self.door.max_in_flight_bytes() / 2 {
            self.settle(self.pending.len() - 1)?;
        }
        while !self.conversion.records.is_empty() || !self.rejected.is_empty() {
            match self.door.submit(&self.conversion.records, &self.rejected) {
                Ok(receipt) => {
                    self.pending.push_back(receipt);
                    self.conversion.records.clear();
                    self.rejected.clear();
                }
                Err(StreamError::Full { .. }) if self.stop.is_cancelled() => return Err(Break::Stopped),
                // Other doors hold the room. Nothing was appended: the same batch again.
                Err(StreamError::Full { .. }) => self.settle(0)?,
                Err(error) => return Err(Break::Log(error)),
            }
        }
        self.conversion.now = self.door.clock().now();
        self.progress.advanced(self.bytes_read.load(Ordering::Relaxed), self.counts.rows);
        Ok(())
    }

    /// Waits until at most `left` batches are on their way.
    fn settle(&mut self, left: usize) -> Result<(), Break> {
        while self.pending.len() > left {
            let Some(receipt) = self.pending.front_mut() else { break };
            match receipt.wait(LOOK_AT_STOP) {
                Ok(accepted) => {
                    for kind in Kind::ALL {
                        self.counts.records[usize::from(kind.code())] += accepted.records[usize::from(kind.code())];
                    }
                    self.counts.json_bytes += accepted.bytes;
                    self.counts.rejected += accepted.rejected;
                    self.pending.pop_front();
                }
                Err(StreamError::Timeout { .. }) if self.stop.is_cancelled() => return Err(Break::Stopped),
                Err(StreamError::Timeout { .. }) => {}
                Err(error) => return Err(Break::Log(error)),
            }
        }
        Ok(())
    }
}
