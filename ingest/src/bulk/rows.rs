//! Cutting delimited text into rows, so that one broken row breaks nothing else.
//!
//! A CSV reader that meets a broken row gives up, guesses, or swallows what follows. Here every row is looked at before it is
//! parsed: is it UTF-8, has it as many fields as the header, is its quoting sound? Good rows are collected in blocks that
//! Polars parses; bad rows are set aside with their bytes and the reason.

use std::io::{self, Read};

/// How fields are separated and quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Between two fields.
    pub separator: u8,
    /// Around a field that holds separators or line breaks, doubled inside; none: every byte is itself.
    pub quote: Option<u8>,
}

/// Bytes of good rows in one block: what is parsed, converted and appended at a time.
pub const BLOCK_BYTES: usize = 2 << 20;

/// Longest row. Beyond this a quotation mark was opened and never closed, or it is no text file.
pub const MAX_ROW_BYTES: usize = 16 << 20;

/// A row in [`Block::bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it starts.
    pub start: usize,
    /// Where it ends, without its line break.
    pub end: usize,
    /// Its number in the file; the first row behind the header is 1.
    pub row: u64,
}

/// A row that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its number in the file; the first row behind the header is 1.
    pub row: u64,
    /// What is wrong with it.
    pub reason: String,
    /// The row as it stood in the file.
    pub bytes: Vec<u8>,
}

/// Some rows of a file.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// Good rows, one line feed behind each.
    pub bytes: Vec<u8>,
    /// Where each good row lies.
    pub rows: Vec<Span>,
    /// The others.
    pub bad: Vec<BadRow>,
}

/// Reads rows in bounded memory: at most [`BLOCK_BYTES`] and one row of [`MAX_ROW_BYTES`].
pub struct RowReader<R> {
    input: R,
    dialect: Dialect,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    /// A read error: rows before it are yielded first.
    failure: Option<io::Error>,
    row: u64,
    fields: usize,
}

enum Scanned {
    /// A row of `len` bytes with its line break.
    Row { len: usize, fields: usize, odd: bool },
    /// No line break outside quotes so far.
    Partial { quoted: bool },
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    QuoteInQuoted,
}

impl<R: Read> RowReader<R> {
    /// A reader that stands before the header.
    pub fn new(input: R, dialect: Dialect) -> Self {
        Self { input, dialect, buffer: Vec::new(), start: 0, ended: false, failure: None, row: 0, fields: 0 }
    }

    /// The header's fields. Nothing: the file holds no line.
    ///
    /// # Errors
    /// The file cannot be read, or its first line is longer than [`MAX_ROW_BYTES`] or not UTF-8.
    pub fn header(&mut self) -> io::Result<Option<Vec<String>>> {
        loop {
            self.fill(BLOCK_BYTES);
            if self.start == 0 && self.buffer.starts_with(b"\xef\xbb\xbf") {
                self.start = 3;
            }
            let line = loop {
                match scan(&self.buffer[self.start..], self.dialect, self.ended) {
                    Scanned::Row { len, .. } => break &self.buffer[self.start..self.start + len],
                    Scanned::Partial { .. } if self.ended => return self.failure.take().map_or(Ok(None), Err),
                    Scanned::Partial { .. } if self.buffer.len() > MAX_ROW_BYTES => {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "the first line has no end within 16 MiB"));
                    }
                    Scanned::Partial { .. } => self.fill(self.buffer.len() + BLOCK_BYTES),
                }
            };
            self.start += line.len();
            let line = without_line_break(line);
            if line.is_empty() {
                continue;
            }
            let text = std::str::from_utf8(line)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the header is not UTF-8: save the file as UTF-8"))?;
            let fields: Vec<String> = split(text.as_bytes(), self.dialect)
                .into_iter()
                .map(|field| String::from_utf8_lossy(&field).trim().into())
                .collect();
            self.fields = fields.len();
            return Ok(Some(fields));
        }
    }

    /// The next rows. `Ok(None)`: the end of the file.
    ///
    /// # Errors
    /// The file cannot be read further; all whole rows before that point were yielded.
    pub fn next_block(&mut self) -> io::Result<Option<Block>> {
        let mut block = Block::default();
        let mut wanted = BLOCK_BYTES;
        loop {
            self.fill(wanted);
            let before = self.start;
            while block.bytes.len() < BLOCK_BYTES {
                let whole_file_seen = self.ended && self.failure.is_none();
                match scan(&self.buffer[self.start..], self.dialect, whole_file_seen) {
                    Scanned::Row { len, fields, odd } => self.take(len, fields, odd, &mut block),
                    Scanned::Partial { quoted } => {
                        let left = self.buffer.len() - self.start;
                        if left > MAX_ROW_BYTES || (whole_file_seen && left > 0) {
                            self.set_aside(quoted, &mut block);
                        } else {
                            break;
                        }
                    }
                }
            }
            if !block.rows.is_empty() || !block.bad.is_empty() {
                return Ok(Some(block));
            }
            if self.ended && (self.start == self.buffer.len() || self.failure.is_some()) {
                self.start = self.buffer.len();
                return self.failure.take().map_or(Ok(None), Err);
            }
            wanted = if self.start == before { self.buffer.len() - self.start + BLOCK_BYTES } else { BLOCK_BYTES };
        }
    }

    /// Takes a row of `len` bytes into the block, if it is sound.
    fn take(&mut self, len: usize, fields: usize, odd: bool, block: &mut Block) {
        let line = without_line_break(&self.buffer[self.start..self.start + len]);
        self.start += len;
        if line.is_empty() {
            return;
        }
        self.row += 1;
        if let Some(reason) = fault(line, fields, self.fields) {
            block.bad.push(BadRow { row: self.row, reason, bytes: line.to_vec() });
            return;
        }
        let start = block.bytes.len();
        if odd {
            quote_properly(line, self.dialect, &mut block.bytes);
        } else {
            block.bytes.extend_from_slice(line);
        }
        block.rows.push(Span { start, end: block.bytes.len(), row: self.row });
        block.bytes.push(b'\n');
    }

    /// Sets aside a row without end: an open quotation mark costs its line only, and reading goes on behind it.
    fn set_aside(&mut self, quoted: bool, block: &mut Block) {
        let rest = &self.buffer[self.start..];
        let line_end = rest.iter().position(|byte| *byte == b'\n').map(|position| position + 1);
        let len = line_end.unwrap_or(rest.len());
        let reason = match (quoted, line_end) {
            (true, _) => "a quotation mark is opened and never closed: this line was set aside".to_owned(),
            (false, _) => format!("the line is longer than {MAX_ROW_BYTES} bytes: it was cut here"),
        };
        self.row += 1;
        block.bad.push(BadRow { row: self.row, reason, bytes: without_line_break(&rest[..len]).to_vec() });
        self.start += len;
    }

    /// Reads until `wanted` bytes lie ahead or the input ends.
    fn fill(&mut self, wanted: usize) {
        if self.ended || self.buffer.len() - self.start >= wanted {
            return;
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let missing = (wanted - self.buffer.len()) as u64;
        match self.input.by_ref().take(missing).read_to_end(&mut self.buffer) {
            Ok(read) => self.ended = (read as u64) < missing,
            Err(error) => (self.ended, self.failure) = (true, Some(error)),
        }
    }
}

/// Finds the end of the row that starts `bytes`.
fn scan(bytes: &[u8], dialect: Dialect, at_end: bool) -> Scanned {
    let (mut fields, mut odd, mut state) = (1, false, State::FieldStart);
    for (position, byte) in bytes.iter().enumerate() {
        let is_quote = Some(*byte) == dialect.quote;
        state = match state {
            State::Quoted if is_quote => State::QuoteInQuoted,
            State::Quoted => State::Quoted,
            State::QuoteInQuoted if is_quote => State::Quoted,
            _ if *byte == b'\n' => return Scanned::Row { len: position + 1, fields, odd },
            _ if *byte == dialect.separator => {
                fields += 1;
                State::FieldStart
            }
            State::FieldStart if is_quote => State::Quoted,
            State::FieldStart | State::Plain => {
                odd |= is_quote;
                State::Plain
            }
            State::QuoteInQuoted => {
                // A carriage return may stand between the closing quotation mark and the line feed.
                let is_line_end = *byte == b'\r' && bytes.get(position + 1).is_none_or(|next| *next == b'\n');
                odd |= !is_line_end;
                State::Plain
            }
        };
    }
    let quoted = state == State::Quoted;
    if at_end && !quoted && !bytes.is_empty() {
        return Scanned::Row { len: bytes.len(), fields, odd };
    }
    Scanned::Partial { quoted }
}

/// What makes a row unfit for parsing.
fn fault(line: &[u8], fields: usize, expected: usize) -> Option<String> {
    if let Err(error) = std::str::from_utf8(line) {
        let at = error.valid_up_to();
        return Some(format!("byte {} of the row (0x{:02x}) is not UTF-8: save the file as UTF-8", at + 1, line[at]));
    }
    if line.contains(&0) {
        return Some("the row holds a NUL byte".into());
    }
    (fields != expected).then(|| format!("the row has {fields} fields where the header has {expected}"))
}

/// The fields of a row, without quotation marks.
fn split(line: &[u8], dialect: Dialect) -> Vec<Vec<u8>> {
    let mut fields = vec![Vec::new()];
    let mut state = State::FieldStart;
    for byte in line {
        let is_quote = Some(*byte) == dialect.quote;
        let field = fields.last_mut().expect("there is one field at least: the list starts with one and only grows");
        state = match state {
            State::Quoted if is_quote => State::QuoteInQuoted,
            State::QuoteInQuoted if is_quote => {
                field.push(*byte);
                State::Quoted
            }
            State::Quoted => {
                field.push(*byte);
                State::Quoted
            }
            _ if *byte == dialect.separator => {
                fields.push(Vec::new());
                State::FieldStart
            }
            State::FieldStart if is_quote => State::Quoted,
            _ => {
                field.push(*byte);
                State::Plain
            }
        };
    }
    fields
}

/// Writes a row whose quotation marks stand in odd places so that every reader understands it alike.
fn quote_properly(line: &[u8], dialect: Dialect, out: &mut Vec<u8>) {
    let quote = dialect.quote.unwrap_or(b'"');
    for (position, field) in split(line, dialect).iter().enumerate() {
        if position > 0 {
            out.push(dialect.separator);
        }
        out.push(quote);
        for byte in field {
            out.extend(std::iter::repeat_n(*byte, if *byte == quote { 2 } else { 1 }));
        }
        out.push(quote);
    }
}

fn without_line_break(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests;
