//! Opening a file: what is it really, and does that fit?

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// What a file turned out to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, possibly gzipped; what it looks like is its first character that is not blank.
    Text(u8),
    /// Parquet.
    Parquet,
}

/// An open file, unpacked.
pub struct Opened {
    /// What it holds.
    pub content: Content,
    /// Its text from the beginning (of Parquet: its bytes).
    pub text: BufReader<Box<dyn Read + Send>>,
    /// Bytes read from disk so far, before unpacking.
    pub bytes_read: Arc<AtomicU64>,
}

/// How much is looked at to tell text from other things.
const LOOK_BYTES: usize = 64 << 10;

struct Counted<R>(R, Arc<AtomicU64>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Opens a file and looks at its beginning.
///
/// # Errors
/// The file cannot be read, is empty, or is of a kind that is no table; the message says what was found and what to do.
pub fn open(path: &Path) -> Result<Opened, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.is_dir() {
        return Err("is a directory: name the files in it".into());
    }
    let bytes_read = Arc::new(AtomicU64::new(0));
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut packed = BufReader::with_capacity(256 << 10, Counted(file, bytes_read.clone()));
    let beginning = packed.fill_buf().map_err(|error| error.to_string())?;
    if beginning.is_empty() {
        return Err("the file is empty: nothing to import".into());
    }
    if beginning.starts_with(b"PAR1") {
        return Ok(Opened { content: Content::Parquet, text: BufReader::new(Box::new(packed)), bytes_read });
    }
    let unpacked: Box<dyn Read + Send> = match beginning.starts_with(&[0x1f, 0x8b]) {
        true => Box::new(MultiGzDecoder::new(packed)),
        false => Box::new(packed),
    };
    let mut text = BufReader::with_capacity(LOOK_BYTES, unpacked);
    let beginning = text.fill_buf().map_err(|error| describe(&error))?;
    let first = look(beginning)?;
    Ok(Opened { content: Content::Text(first), text, bytes_read })
}

/// The first character of a text that is not blank, or what it is instead of a text.
fn look(beginning: &[u8]) -> Result<u8, String> {
    let known: [(&[u8], &str); 7] = [
        (b"PK\x03\x04", "a ZIP archive or an Excel workbook: unpack it, or save the sheet as CSV"),
        (b"PAR1", "Parquet inside gzip: unpack it first"),
        (b"\x1f\x8b", "gzip inside gzip: unpack it once"),
        (b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it first, or pack it with gzip"),
        (b"%PDF", "a PDF: ask for the data as CSV"),
        (b"\xff\xfe", "text in UTF-16: save it as UTF-8"),
        (b"\xfe\xff", "text in UTF-16: save it as UTF-8"),
    ];
    if beginning.is_empty() {
        return Err("there is nothing inside the gzip: nothing to import".into());
    }
    if let Some((_, what)) = known.iter().find(|(magic, _)| beginning.starts_with(magic)) {
        return Err(format!("the file is {what}"));
    }
    let control = |byte: &&u8| **byte < 0x20 && !matches!(**byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    let controls = beginning.iter().filter(control).count();
    let zeros = beginning.iter().filter(|byte| **byte == 0).count();
    if zeros * 100 > beginning.len() || controls * 20 > beginning.len() {
        return Err("the file is binary, not text: name a CSV, TSV, JSON or Parquet file".into());
    }
    let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning);
    if text.trim_ascii_start().starts_with(b"<") {
        return Err("the file is a web page or XML: download the data itself".into());
    }
    Ok(text.trim_ascii_start().first().copied().unwrap_or(b'\n'))
}

/// A read error in the words of somebody who has the file.
pub fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            format!("the file is cut off: what was whole is imported, fetch the file again for the rest ({error})")
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            format!("the file is damaged: what was whole is imported, fetch the file again for the rest ({error})")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_table_is_named() {
        let said = |bytes: &[u8]| look(bytes).unwrap_err();
        assert!(said(b"PK\x03\x04....").contains("Excel"));
        assert!(said(b"\xff\xfea\0,\0").contains("UTF-16"));
        assert!(said(&[0, 1, 2, 3, 0x7f, 0x45]).contains("binary"));
        assert!(said(b"<!DOCTYPE html>").contains("web page"));
        assert_eq!(look(b"\xef\xbb\xbf  [1]"), Ok(b'['));
        assert_eq!(look("é,b\n".as_bytes()), Ok(0xc3));
    }
}
