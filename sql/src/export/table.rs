//! A table for eyes. Column widths follow from the first rows, so that any result can be shown while it comes.

use std::io::{self, Write};

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::util::display::ArrayFormatter;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::csv::options;

/// Rows that decide the widths.
const ROWS_AHEAD: usize = 1_000;

/// Widest cell in terminal columns; what is longer is cut.
const WIDEST: usize = 80;

pub(super) struct TableWriter<W: Write> {
    output: W,
    names: Vec<String>,
    numeric: Vec<bool>,
    widths: Vec<usize>,
    ahead: Vec<Vec<String>>,
    begun: bool,
    rows: usize,
}

impl<W: Write> TableWriter<W> {
    pub(super) fn new(schema: &Schema, output: W) -> Self {
        let names: Vec<String> = schema.fields().iter().map(|field| one_line(field.name())).collect();
        Self {
            output,
            numeric: schema
                .fields()
                .iter()
                .map(|field| field.data_type().is_numeric() || field.data_type() == &DataType::Null)
                .collect(),
            widths: names.iter().map(|name| name.width()).collect(),
            names,
            ahead: Vec::new(),
            begun: false,
            rows: 0,
        }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let options = options();
        let formatters = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let formatters: Vec<ArrayFormatter<'_>> = formatters.collect::<Result<_, _>>().map_err(io::Error::other)?;
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().zip(&formatters).map(|(column, formatter)| match column.is_valid(row) {
                true => one_line(&formatter.value(row).to_string()),
                false => "NULL".to_owned(),
            });
            let cells: Vec<String> = cells.collect();
            self.rows += 1;
            if self.begun {
                self.line(&cells)?;
                continue;
            }
            for (width, cell) in self.widths.iter_mut().zip(&cells) {
                *width = (*width).max(cell.width());
            }
            self.ahead.push(cells);
            if self.ahead.len() == ROWS_AHEAD {
                self.begin()?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        if !self.begun {
            self.begin()?;
        }
        writeln!(self.output, "({} {})", self.rows, if self.rows == 1 { "row" } else { "rows" })?;
        Ok(self.output)
    }

    fn begin(&mut self) -> io::Result<()> {
        self.begun = true;
        let names = std::mem::take(&mut self.names);
        self.line(&names)?;
        let rules: Vec<String> = self.widths.iter().map(|width| "-".repeat(width + 2)).collect();
        writeln!(self.output, "{}", rules.join("+"))?;
        for cells in std::mem::take(&mut self.ahead) {
            self.line(&cells)?;
        }
        Ok(())
    }

    fn line(&mut self, cells: &[String]) -> io::Result<()> {
        let mut line = String::new();
        for (index, cell) in cells.iter().enumerate() {
            let padding = " ".repeat(self.widths[index].saturating_sub(cell.width()));
            let (before, after) = if self.numeric[index] { (padding.as_str(), "") } else { ("", padding.as_str()) };
            let separator = if index > 0 { "|" } else { "" };
            line.extend([separator, " ", before, cell, after, " "]);
        }
        writeln!(self.output, "{}", line.trim_end())
    }
}

/// A cell without line breaks and control characters, cut where it gets too wide.
fn one_line(text: &str) -> String {
    let mut cell = String::new();
    let mut width = 0;
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        width += c.width().unwrap_or(0);
        if width > WIDEST {
            cell.push('…');
            break;
        }
        cell.push(c);
    }
    cell
}
