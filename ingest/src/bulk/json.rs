//! Cutting JSON into elements, so that one broken element breaks nothing else: lines (NDJSON), arrays, and lists wrapped in an object
//! (`{"requests": [...]}`).

use std::collections::HashMap;
use std::io::{self, BufRead};

use serde_json::Value;

use super::layout::{Cells, Column};
use super::rows::MAX_ROW_BYTES;

/// How deep nested objects are looked into.
const MAX_DEPTH: usize = 8;

/// One element, still as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// A whole element.
    Whole(Vec<u8>),
    /// Longer than [`MAX_ROW_BYTES`]; its beginning.
    TooLong(Vec<u8>),
}

/// Yields the lines of NDJSON that are not blank.
pub struct Lines<R>(pub R);

impl<R: BufRead> Lines<R> {
    /// The next line. `Ok(None)`: the end.
    ///
    /// # Errors
    /// The input cannot be read further.
    pub fn next_element(&mut self) -> io::Result<Option<Element>> {
        loop {
            let mut line = Vec::new();
            let limit = MAX_ROW_BYTES as u64 + 1;
            if io::Read::take(&mut self.0, limit).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            if line.len() > MAX_ROW_BYTES && line.last() != Some(&b'\n') {
                self.0.skip_until(b'\n')?;
                return Ok(Some(Element::TooLong(line)));
            }
            let line = line.trim_ascii();
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            if !line.is_empty() {
                return Ok(Some(Element::Whole(line.to_vec())));
            }
        }
    }
}

/// Yields the elements of top-level arrays, of a list wrapped in a top-level object, and top-level objects themselves.
pub struct Elements<R> {
    input: R,
    /// Inside a list whose elements are yielded.
    in_list: bool,
    /// That list lies in an object, whose other fields are of no interest.
    wrapped: bool,
    ended: bool,
}

/// Follows nesting byte by byte.
#[derive(Default)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Takes a byte; whether it lies outside every string.
    fn take(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        !self.in_string
    }
}

impl<R: BufRead> Elements<R> {
    /// Elements of a JSON text.
    pub fn new(input: R) -> Self {
        Self { input, in_list: false, wrapped: false, ended: false }
    }

    /// The next element. `Ok(None)`: the end.
    ///
    /// # Errors
    /// The input cannot be read further, or ends within a list.
    pub fn next_element(&mut self) -> io::Result<Option<Element>> {
        loop {
            if self.ended {
                return Ok(None);
            }
            let Some(byte) = self.peek()? else {
                self.ended = true;
                let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "the JSON ends within a list: the file is cut off");
                return if self.in_list { Err(cut) } else { Ok(None) };
            };
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' | 0xef | 0xbb | 0xbf => self.input.consume(1),
                b']' | b'}' => {
                    self.input.consume(1);
                    self.in_list = false;
                    if std::mem::take(&mut self.wrapped) {
                        self.skip_rest(Nesting { depth: 1, ..Nesting::default() })?;
                    }
                }
                b'[' if !self.in_list => {
                    self.input.consume(1);
                    self.in_list = true;
                }
                _ => {
                    if let Some(element) = self.element()? {
                        return Ok(Some(element));
                    }
                }
            }
        }
    }

    /// Reads one element, or only as far as a list that it wraps (then nothing, and the list's elements follow).
    fn element(&mut self) -> io::Result<Option<Element>> {
        let mut nesting = Nesting::default();
        let mut bytes = Vec::new();
        let mut list_may_follow = false;
        while let Some(byte) = self.peek()? {
            let outside = nesting.depth == 0 && !nesting.in_string && !bytes.is_empty();
            if outside && (matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace()) {
                break;
            }
            if byte == b'['
                && !self.in_list
                && nesting.depth == 1
                && !nesting.in_string
                && list_may_follow
                && wraps_a_list(&bytes)
            {
                self.input.consume(1);
                (self.in_list, self.wrapped) = (true, true);
                return Ok(None);
            }
            self.input.consume(1);
            bytes.push(byte);
            if nesting.take(byte) && !byte.is_ascii_whitespace() {
                list_may_follow = byte == b':' && nesting.depth == 1;
                if nesting.depth == 0 && matches!(byte, b'}' | b']') {
                    break;
                }
            }
            if bytes.len() > MAX_ROW_BYTES {
                self.skip_rest(nesting)?;
                return Ok(Some(Element::TooLong(bytes)));
            }
        }
        Ok(Some(Element::Whole(bytes)))
    }

    fn skip_rest(&mut self, mut nesting: Nesting) -> io::Result<()> {
        while let Some(byte) = self.peek()? {
            if nesting.depth == 0 && !nesting.in_string {
                return Ok(());
            }
            self.input.consume(1);
            nesting.take(byte);
        }
        Ok(())
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }
}

/// Whether an object's beginning ends with the key of its list of requests.
fn wraps_a_list(beginning: &[u8]) -> bool {
    const KEYS: [&str; 5] = ["requests", "service_requests", "records", "results", "data"];
    // The longest key, its quotation marks and some space before the colon.
    let text = String::from_utf8_lossy(&beginning[beginning.len().saturating_sub(64)..]);
    let text = text.trim_end().trim_end_matches(':').trim_end();
    KEYS.iter()
        .any(|key| text.strip_suffix('"').and_then(|text| text.strip_suffix(key)).is_some_and(|text| text.ends_with('"')))
}

/// An object's values by logical column.
pub struct JsonCells(Vec<Option<String>>);

/// Finds the logical columns of an object's keys. Nested keys are written `outer.inner`.
#[derive(Default)]
pub struct KeyBinder {
    /// What is known about a key: which logical column it feeds, and how early among that column's names it stands.
    known: HashMap<String, Option<(usize, usize)>>,
}

/// Distinct keys that are remembered; more are looked up each time.
const MAX_KNOWN_KEYS: usize = 4_096;

impl KeyBinder {
    /// The cells of an object.
    pub fn cells(&mut self, columns: &[Column], object: &Value) -> JsonCells {
        let mut cells = vec![None; columns.len()];
        let mut ranks = vec![usize::MAX; columns.len()];
        self.collect(columns, "", object, 0, &mut cells, &mut ranks);
        JsonCells(cells)
    }

    fn collect(
        &mut self,
        columns: &[Column],
        prefix: &str,
        value: &Value,
        depth: usize,
        cells: &mut [Option<String>],
        ranks: &mut [usize],
    ) {
        let Value::Object(object) = value else { return };
        for (key, value) in object {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            let text = match value {
                Value::Object(_) if depth < MAX_DEPTH => {
                    self.collect(columns, &path, value, depth + 1, cells, ranks);
                    continue;
                }
                Value::String(text) => text.trim().to_owned(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
            };
            if text.is_empty() {
                continue;
            }
            if let Some((column, rank)) = self.column(columns, path)
                && rank < ranks[column]
            {
                (cells[column], ranks[column]) = (Some(text), rank);
            }
        }
    }

    fn column(&mut self, columns: &[Column], path: String) -> Option<(usize, usize)> {
        if let Some(known) = self.known.get(&path) {
            return *known;
        }
        let found = columns.iter().enumerate().find_map(|(position, column)| column.rank(&path).map(|rank| (position, rank)));
        if self.known.len() < MAX_KNOWN_KEYS {
            self.known.insert(path, found);
        }
        found
    }
}

impl Cells for JsonCells {
    fn get(&self, column: usize) -> Option<&str> {
        self.0.get(column)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn elements(text: &str) -> (Vec<String>, bool) {
        let mut elements = Elements::new(text.as_bytes());
        let mut found = Vec::new();
        loop {
            match elements.next_element() {
                Ok(Some(Element::Whole(bytes))) => found.push(String::from_utf8(bytes).unwrap()),
                Ok(Some(Element::TooLong(_))) => panic!("short text"),
                Ok(None) => return (found, true),
                Err(_) => return (found, false),
            }
        }
    }

    #[test]
    fn arrays_wrapped_lists_and_single_objects() {
        let two = vec![r#"{"a":[1,"]"]}"#.to_owned(), r#"{"b":{"c":"}"}}"#.to_owned()];
        for text in [
            r#"[{"a":[1,"]"]}, {"b":{"c":"}"}}]"#,
            r#"{"total": 2, "requests" : [{"a":[1,"]"]},{"b":{"c":"}"}}], "more": true}"#,
            "{\"a\":[1,\"]\"]}\n{\"b\":{\"c\":\"}\"}}\n",
        ] {
            assert_eq!(elements(text), (two.clone(), true), "{text}");
        }
        assert_eq!(elements(r#"{"id": 1, "photos": ["x"]}"#).0.len(), 1, "a list in an object is not a list of objects");
        assert_eq!(elements("[1, \"two\", null]").0, ["1", "\"two\"", "null"]);
        assert_eq!(elements(""), (vec![], true));
    }

    #[test]
    fn a_cut_list_yields_what_is_whole_and_tells() {
        assert_eq!(elements(r#"[{"a":1},"#), (vec![r#"{"a":1}"#.into()], false));
    }

    #[test]
    fn keys_are_found_in_any_spelling_nested_ones_by_path() {
        let columns = [Column::portal("lon", &["long", "lon"], false), Column::portal("who", &["user.name"], false)];
        let object = serde_json::json!({"LON": 1.5, "long": "", "user": {"name": " x "}, "list": [1]});
        let cells = KeyBinder::default().cells(&columns, &object);
        assert_eq!((cells.get(0), cells.get(1)), (Some("1.5"), Some("x")));
    }

    #[test]
    fn a_line_that_is_too_long_does_not_swallow_the_next() {
        let mut text = vec![b'x'; MAX_ROW_BYTES + 10];
        text.extend_from_slice(b"\n\n{}\n");
        let mut lines = Lines(&text[..]);
        assert!(matches!(lines.next_element(), Ok(Some(Element::TooLong(_)))));
        assert_eq!(lines.next_element().unwrap(), Some(Element::Whole(b"{}".to_vec())));
        assert_eq!(lines.next_element().unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_cut_without_panic_and_to_the_end(text in "[\\[\\]{}\":, a1\\\\\n]{0,60}") {
            let _ = elements(&text);
        }

        #[test]
        fn any_array_of_objects_comes_back(objects in proptest::collection::vec(proptest::collection::btree_map(".{0,5}", ".{0,9}", 0..4), 0..6)) {
            let text = serde_json::to_string(&objects).unwrap();
            let (found, whole) = elements(&text);
            prop_assert!(whole);
            let found: Vec<std::collections::BTreeMap<String, String>> = found.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(found, objects);
        }
    }
}
