//! A table of texts, row by row: TSV, CSV or JSON lines by the file's extension, JSON lines on standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use super::surrogates::mended;

/// Longest line in bytes; a longer one is refused before it fills memory.
const MAX_LINE_BYTES: u64 = 8 << 20;

/// One row: a text, and what may be known beside it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The text; empty where the row has none.
    pub text: String,
    /// A headline.
    pub title: Option<String>,
    /// The question that it answers.
    pub prompt: Option<String>,
    /// The portal's category.
    pub category: Option<String>,
    /// What it is counted under, where a group was asked for; empty where the row has none.
    pub group: Option<String>,
}

/// Rows of a table of texts.
pub struct Texts {
    source: String,
    rows: Rows,
}

enum Rows {
    /// Tab-separated: no quoting, no escapes.
    Tsv { lines: Lines, columns: Columns },
    /// RFC 4180.
    Csv { reader: csv::Reader<Box<dyn Read>>, record: csv::StringRecord, columns: Columns },
    /// One object a line.
    Jsonl { lines: Lines, names: Names },
}

/// The columns that were asked for.
struct Names {
    text: String,
    group: Option<String>,
}

/// Where the columns of [`Row`] stand.
struct Columns {
    text: usize,
    title: Option<usize>,
    prompt: Option<usize>,
    category: Option<usize>,
    group: Option<usize>,
}

impl Columns {
    fn find<'a>(source: &str, header: impl Iterator<Item = &'a str>, wanted: &Names) -> Result<Self> {
        let names: Vec<&str> = header.map(|name| name.trim_start_matches('\u{feff}')).collect();
        let position = |wanted: &str| names.iter().position(|name| *name == wanted);
        let needed =
            |wanted: &str, option: &str| position(wanted).ok_or_else(|| anyhow!(missing(source, wanted, option, &names)));
        Ok(Self {
            text: needed(&wanted.text, TEXT_OPTION)?,
            title: position("title"),
            prompt: position("prompt"),
            category: position("category"),
            group: wanted.group.as_deref().map(|group| needed(group, GROUP_OPTION)).transpose()?,
        })
    }

    fn fill<'a>(&self, row: &mut Row, field: impl Fn(usize) -> Option<&'a str>) {
        let optional = |position: Option<usize>| position.and_then(&field).filter(|text| !text.is_empty()).map(str::to_owned);
        row.text.clear();
        row.text.push_str(field(self.text).unwrap_or_default());
        row.title = optional(self.title);
        row.prompt = optional(self.prompt);
        row.category = optional(self.category);
        row.group = self.group.map(|position| field(position).unwrap_or_default().to_owned());
    }
}

const TEXT_OPTION: &str = "--text-column";
const GROUP_OPTION: &str = "--group-column";

/// What to say when a column is not there: what is, and which of them was probably meant.
fn missing(source: &str, wanted: &str, option: &str, names: &[&str]) -> String {
    let nearest = names.iter().map(|name| (strsim::damerau_levenshtein(wanted, name), name)).min();
    let meant = match nearest {
        Some((distance, name)) if distance <= wanted.chars().count().div_ceil(3) => format!("did you mean `{name}`? "),
        _ => String::new(),
    };
    format!("{source} has no column `{wanted}`: {meant}it has {}; name the right one with {option}", names.join(", "))
}

impl Texts {
    /// Opens `path`; `-` is standard input.
    pub fn open(path: &Path, text_column: &str) -> Result<Self> {
        Self::open_named(path, Names { text: text_column.to_owned(), group: None })
    }

    /// Opens `path`, whose rows are counted by `group_column`; `-` is standard input.
    pub fn open_grouped(path: &Path, text_column: &str, group_column: &str) -> Result<Self> {
        Self::open_named(path, Names { text: text_column.to_owned(), group: Some(group_column.to_owned()) })
    }

    fn open_named(path: &Path, names: Names) -> Result<Self> {
        let source = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        let input: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).with_context(|| format!("cannot open {source}"))?)
        };
        let rows = match path.extension().and_then(|extension| extension.to_str()) {
            Some("tsv") => {
                let mut lines = Lines::new(input);
                let header = lines.next(&source)?.unwrap_or_default().to_owned();
                Rows::Tsv { columns: Columns::find(&source, header.split('\t'), &names)?, lines }
            }
            Some("csv") => {
                let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
                let header = reader.headers().with_context(|| format!("cannot read {source}"))?;
                let columns = Columns::find(&source, header.iter(), &names)?;
                Rows::Csv { reader, record: csv::StringRecord::new(), columns }
            }
            Some("jsonl" | "ndjson") | None => Rows::Jsonl { lines: Lines::new(input), names },
            Some(other) => bail!("{source}: `.{other}` is none of .tsv, .csv, .jsonl"),
        };
        Ok(Self { source, rows })
    }

    /// The next row into `row`; false at the end.
    pub fn next(&mut self, row: &mut Row) -> Result<bool> {
        match &mut self.rows {
            Rows::Tsv { lines, columns } => {
                let Some(line) = lines.next(&self.source)? else { return Ok(false) };
                columns.fill(row, |position| line.split('\t').nth(position));
                Ok(true)
            }
            Rows::Csv { reader, record, columns } => {
                if !reader.read_record(record).with_context(|| format!("cannot read {}", self.source))? {
                    return Ok(false);
                }
                columns.fill(row, |position| record.get(position));
                Ok(true)
            }
            Rows::Jsonl { lines, names } => {
                let Some(line) = lines.next(&self.source)? else { return Ok(false) };
                let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&mended(line))
                    .with_context(|| format!("{} line {}: not a JSON object", self.source, lines.number))?;
                let text = |name: &str| object.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
                let absent = |name: &str, option: &str| {
                    let names: Vec<&str> = object.keys().map(String::as_str).collect();
                    missing(&format!("{} line {}", self.source, lines.number), name, option, &names)
                };
                *row = Row {
                    text: text(&names.text).with_context(|| absent(&names.text, TEXT_OPTION))?,
                    title: text("title"),
                    prompt: text("prompt"),
                    category: text("category"),
                    group: match &names.group {
                        Some(group) => Some(group_name(object.get(group).with_context(|| absent(group, GROUP_OPTION))?)),
                        None => None,
                    },
                };
                Ok(true)
            }
        }
    }
}

/// A group as JSON has it: a word as it is, anything else as it is written, nothing for null.
fn group_name(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(word) => word.clone(),
        other => other.to_string(),
    }
}

/// Lines of bounded length. Bytes that are not UTF-8 become replacement characters: a text is never a reason to stop.
pub struct Lines {
    input: BufReader<Box<dyn Read>>,
    bytes: Vec<u8>,
    line: String,
    number: u64,
}

impl Lines {
    /// Lines of `input`.
    pub fn new(input: Box<dyn Read>) -> Self {
        Self { input: BufReader::with_capacity(1 << 16, input), bytes: Vec::new(), line: String::new(), number: 0 }
    }

    /// The next line without its end; `None` at the end.
    pub fn next(&mut self, source: &str) -> Result<Option<&str>> {
        self.bytes.clear();
        self.number += 1;
        let read = (&mut self.input)
            .take(MAX_LINE_BYTES + 1)
            .read_until(b'\n', &mut self.bytes)
            .with_context(|| format!("cannot read {source}"))?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 > MAX_LINE_BYTES {
            bail!("{source} line {}: longer than {MAX_LINE_BYTES} bytes", self.number);
        }
        let bytes = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        self.line.clear();
        self.line.push_str(&String::from_utf8_lossy(bytes));
        Ok(Some(&self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str, content: &[u8], column: &str) -> Result<Vec<Row>> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(name);
        std::fs::write(&file, content).unwrap();
        let mut texts = Texts::open(&file, column)?;
        let mut rows = Vec::new();
        let mut row = Row::default();
        while texts.next(&mut row)? {
            rows.push(std::mem::take(&mut row));
        }
        Ok(rows)
    }

    #[test]
    fn three_formats_one_row() {
        let expected = Row { text: "the \"light\" is out".into(), title: Some("Lamp".into()), ..Row::default() };
        let tsv = texts("a.tsv", b"title\ttext\r\nLamp\tthe \"light\" is out\r\n", "text").unwrap();
        let csv = texts("a.csv", b"title,text\nLamp,\"the \"\"light\"\" is out\"\n", "text").unwrap();
        let jsonl = texts("a.jsonl", b"{\"title\":\"Lamp\",\"text\":\"the \\\"light\\\" is out\"}", "text").unwrap();
        for rows in [tsv, csv, jsonl] {
            assert_eq!(rows, std::slice::from_ref(&expected));
        }
    }

    #[test]
    fn bad_bytes_are_read_and_wrong_tables_are_explained() {
        assert_eq!(texts("a.tsv", b"text\n\xff\xfe\n", "text").unwrap()[0].text, "\u{fffd}\u{fffd}");
        assert_eq!(texts("a.tsv", b"text\n\na\n", "text").unwrap().len(), 2, "an empty text is a row");
        let error = texts("a.csv", b"body\nx\n", "text").unwrap_err().to_string();
        assert!(error.contains("has no column `text`: it has body"), "{error}");
        assert!(texts("a.jsonl", b"[]\n", "text").is_err());
        let cut = texts("a.jsonl", br#"{"text":"half an emoji \ud83d"}"#, "text").unwrap();
        assert_eq!(cut[0].text, "half an emoji \u{fffd}");
    }
}
