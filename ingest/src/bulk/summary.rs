//! What an import did, file by file.

use std::fmt;
use std::path::PathBuf;

use feedback::Kind;

use super::layout::Facts;

/// What came of one file, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows seen.
    pub rows: u64,
    /// Rows that became dead letters.
    pub rejected: u64,
    /// Records that the log has acknowledged, by `Kind` code.
    pub records: [u64; Kind::ALL.len()],
    /// Their JSON bytes.
    pub json_bytes: u64,
    /// What was odd and how often.
    pub facts: Facts,
}

impl Counts {
    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.rejected += other.rejected;
        self.json_bytes += other.json_bytes;
        for (mine, theirs) in self.records.iter_mut().zip(other.records) {
            *mine += theirs;
        }
        self.facts.add(&other.facts);
    }
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSummary {
    /// The file.
    pub path: PathBuf,
    /// What came of it.
    pub counts: Counts,
    /// Why it could not be read, or not to its end.
    pub problem: Option<String>,
}

/// An import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// File by file, in the order given.
    pub files: Vec<FileSummary>,
    /// Whether it was stopped before the end; importing again goes on where it matters, because a row seen twice is one row.
    pub stopped: bool,
}

impl ImportSummary {
    /// All files together.
    pub fn total(&self) -> Counts {
        self.files.iter().fold(Counts::default(), |mut total, file| {
            total.add(&file.counts);
            total
        })
    }

    /// Whether every file was read to its end. Rejected rows do not count against it: they are dead letters.
    pub fn is_complete(&self) -> bool {
        !self.stopped && self.files.iter().all(|file| file.problem.is_none())
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [reports, statuses, erasures] = self.records;
        write!(f, "{} rows: {reports} reports, {statuses} status events", self.rows)?;
        if erasures > 0 {
            write!(f, ", {erasures} erasures")?;
        }
        write!(f, ", {} rejected", self.rejected)?;
        for (fact, count) in self.facts.met() {
            write!(f, "\n    {count} rows with {}", fact.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Display for ImportSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            writeln!(f, "{}: {}", file.path.display(), file.counts)?;
            if let Some(problem) = &file.problem {
                writeln!(f, "    error: {problem}")?;
            }
        }
        if self.stopped {
            writeln!(f, "stopped before the end: run the same import again to finish it")?;
        }
        write!(f, "total: {}", self.total())
    }
}
