use super::*;
use proptest::prelude::*;

const CSV: Dialect = Dialect { separator: b',', quote: Some(b'"') };

/// Yields a few bytes at a time, then perhaps an error.
struct Drip<'a>(&'a [u8], usize, bool);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() && self.2 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "cut off"));
        }
        let len = self.0.len().min(self.1).min(buffer.len());
        buffer[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

type Rows = (Vec<Vec<String>>, Vec<(u64, String)>, Option<String>);

fn read(input: impl Read) -> Rows {
    let mut reader = RowReader::new(input, CSV);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    if reader.header().unwrap().is_none() {
        return (good, bad, None);
    }
    loop {
        match reader.next_block() {
            Ok(None) => return (good, bad, None),
            Err(error) => return (good, bad, Some(error.to_string())),
            Ok(Some(block)) => {
                for span in block.rows {
                    let fields = split(&block.bytes[span.start..span.end], CSV);
                    good.push(fields.into_iter().map(|field| String::from_utf8(field).unwrap()).collect());
                }
                bad.extend(block.bad.into_iter().map(|row| (row.row, row.reason)));
            }
        }
    }
}

#[test]
fn a_broken_row_costs_itself_only() {
    let (good, bad, failure) = read(Drip(b"a,b\r\n1,2\r\n\r\n3\n4,\xff\n5,6,7\n8,\0\n9,\"x\ny\"\n", 3, false));
    assert_eq!(good, [["1", "2"], ["9", "x\ny"]]);
    let rows: Vec<u64> = bad.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, [2, 3, 4, 5], "{bad:?}");
    assert!(
        bad[0].1.contains("1 fields") && bad[1].1.contains("0xff") && bad[2].1.contains("3 fields") && bad[3].1.contains("NUL")
    );
    assert_eq!(failure, None);
}

#[test]
fn an_open_quotation_mark_costs_its_line_only() {
    let (good, bad, _) = read(&b"a,b\n1,\"two\n3,4\n5,6"[..]);
    assert_eq!(good, [["3", "4"], ["5", "6"]]);
    assert!(bad.len() == 1 && bad[0].1.contains("never closed"), "{bad:?}");
}

#[test]
fn quotation_marks_in_odd_places_are_text() {
    let (good, bad, _) = read(&b"a,b\n5\" pipe,\"say \"\"hi\"\"\"\n\"x\" y,2\n"[..]);
    assert_eq!(good, [["5\" pipe", "say \"hi\""], ["x y", "2"]]);
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn rows_before_a_cut_are_kept_and_the_cut_is_told() {
    let (good, bad, failure) = read(Drip(b"a,b\n1,2\n3,", 2, true));
    assert_eq!((good.len(), bad.len(), failure.as_deref()), (1, 0, Some("cut off")));
}

#[test]
fn a_line_without_end_is_cut_and_memory_stays_bounded() {
    let mut text = b"a,b\n".to_vec();
    text.resize(MAX_ROW_BYTES * 2, b'x');
    text.extend_from_slice(b"\n1,2\n");
    let (good, bad, _) = read(&text[..]);
    assert_eq!(good, [["1", "2"]]);
    assert!(!bad.is_empty() && bad[0].1.contains("longer than"), "{bad:?}");
}

#[test]
fn nothing_at_all_has_no_header() {
    assert!(RowReader::new(&b""[..], CSV).header().unwrap().is_none());
    assert!(RowReader::new(&b"\n\r\n"[..], CSV).header().unwrap().is_none());
    let header = RowReader::new(&b"\xef\xbb\xbfid, \"the name\" \n"[..], CSV).header().unwrap().unwrap();
    assert_eq!(header[0], "id", "a byte order mark is no part of a name");
}

proptest! {
    #[test]
    fn what_is_quoted_by_the_book_comes_back_however_it_is_read(
        rows in proptest::collection::vec(proptest::collection::vec("[ -~\n\r\"é,]{0,12}", 3), 0..20),
        step in 1_usize..40,
    ) {
        let mut text = b"a,b,c\n".to_vec();
        for row in &rows {
            let quoted: Vec<String> = row.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
            text.extend_from_slice(quoted.join(",").as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        let (good, bad, failure) = read(Drip(&text, step, false));
        prop_assert_eq!(good, rows);
        prop_assert!(bad.is_empty() && failure.is_none());
    }

    #[test]
    fn any_bytes_are_rows_or_bad_rows_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), step in 1_usize..50) {
        let mut text = b"a,b\n".to_vec();
        text.extend(bytes);
        let (good, _, failure) = read(Drip(&text, step, false));
        prop_assert!(good.iter().all(|row| row.len() == 2));
        prop_assert_eq!(failure, None);
    }
}
