//! Tab-separated files with one header line, no quoting, no escapes.

use std::path::Path;

use feedback::FeedbackError;

use crate::train::TrainError;

/// A file in memory.
pub(in crate::train) struct Table {
    path: String,
    content: String,
}

/// One line of a [`Table`].
pub(in crate::train) struct Row<'a> {
    header: &'a [&'a str],
    fields: Vec<&'a str>,
}

impl Table {
    /// Reads a file; an absent one is an empty table.
    pub(in crate::train) fn read(path: &Path) -> Result<Self, TrainError> {
        let shown = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(content) => Ok(Self { path: shown, content }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self { path: shown, content: String::new() }),
            Err(source) => Err(TrainError::Read { path: shown, source }),
        }
    }

    /// Calls `each` for every row. Needs `columns` in the header.
    pub(in crate::train) fn rows(&self, columns: &[&str], mut each: impl FnMut(&Row<'_>)) -> Result<(), TrainError> {
        self.try_rows(columns, |row| {
            each(row);
            Ok(())
        })
    }

    /// Calls `each` for every row; what it finds wrong is reported with the file and the line.
    pub(in crate::train) fn try_rows(
        &self,
        columns: &[&str],
        mut each: impl FnMut(&Row<'_>) -> Result<(), String>,
    ) -> Result<(), TrainError> {
        let mut lines = self.content.lines().enumerate();
        let Some((_, header)) = lines.next() else { return Ok(()) };
        let header: Vec<&str> = header.split('\t').collect();
        let wrong = |line: usize, problem: String| TrainError::Row { path: self.path.clone(), line: line + 1, problem };
        if let Some(missing) = columns.iter().find(|column| !header.contains(column)) {
            return Err(wrong(0, format!("column `{missing}` is missing from the header")));
        }
        for (line, text) in lines.filter(|(_, text)| !text.is_empty()) {
            let fields: Vec<&str> = text.split('\t').collect();
            if fields.len() != header.len() {
                return Err(wrong(line, format!("{} fields instead of {}", fields.len(), header.len())));
            }
            each(&Row { header: &header, fields }).map_err(|problem| wrong(line, problem))?;
        }
        Ok(())
    }
}

impl<'a> Row<'a> {
    /// A field; empty for a column that the file does not have.
    pub(in crate::train) fn get(&self, column: &str) -> &'a str {
        self.header.iter().position(|name| *name == column).map_or("", |position| self.fields[position])
    }

    /// A field as a word of a vocabulary.
    pub(in crate::train) fn word<W: std::str::FromStr<Err = FeedbackError>>(&self, column: &str) -> Result<W, String> {
        self.get(column).parse().map_err(|error: FeedbackError| error.to_string())
    }
}
