//! JSON payloads to columns: one pass of a columnar decoder over the whole batch. Only when that fails is the batch halved,
//! again and again, until the records at fault stand alone.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::json::reader::{Decoder, ReaderBuilder};
use feedback::{MAX_RECORD_BYTES, schema};
use stream::Fetched;

use crate::error::EnrichError;

/// Consecutive records that decoded together: row `i` is record `records.start + i`.
pub struct Decoded {
    /// Which records of the fetched batch.
    pub records: Range<usize>,
    /// Their fields, in [`schema::RAW`].
    pub columns: RecordBatch,
}

/// A record that is not one, and why.
pub struct Undecodable {
    /// Which record of the fetched batch.
    pub record: usize,
    /// Why, in words that the sender understands.
    pub reason: String,
}

/// Decodes records `range` of a fetched batch. Pieces and rejects each come in order; together they cover the range.
pub fn decode(fetched: &Fetched, range: Range<usize>) -> Result<(Vec<Decoded>, Vec<Undecodable>), EnrichError> {
    let mut decoded = Vec::with_capacity(1);
    let mut rejected = Vec::new();
    decode_range(fetched, range, &mut decoded, &mut rejected)?;
    Ok((decoded, rejected))
}

/// Payload `record` of a fetched batch.
pub fn payload(fetched: &Fetched, record: usize) -> &[u8] {
    let start = if record == 0 { 0 } else { fetched.ends[record - 1] };
    &fetched.payloads[start..fetched.ends[record]]
}

fn decode_range(
    fetched: &Fetched,
    range: Range<usize>,
    decoded: &mut Vec<Decoded>,
    rejected: &mut Vec<Undecodable>,
) -> Result<(), EnrichError> {
    if range.is_empty() {
        return Ok(());
    }
    match decode_whole(fetched, range.clone())? {
        Ok(columns) => decoded.push(Decoded { records: range, columns }),
        Err(reason) if range.len() == 1 => rejected.push(Undecodable { record: range.start, reason }),
        Err(_) => {
            let middle = range.start + range.len() / 2;
            decode_range(fetched, range.start..middle, decoded, rejected)?;
            decode_range(fetched, middle..range.end, decoded, rejected)?;
        }
    }
    Ok(())
}

/// All of the range in one batch, or why not. Each payload must be exactly one JSON object: a cut-off one may not swallow the next.
fn decode_whole(fetched: &Fetched, range: Range<usize>) -> Result<Result<RecordBatch, String>, EnrichError> {
    let mut decoder = new_decoder(range.len())?;
    for (row, record) in range.clone().enumerate() {
        let bytes = payload(fetched, record);
        if bytes.len() > MAX_RECORD_BYTES {
            return Ok(Err(format!("the record has {} bytes: at most {MAX_RECORD_BYTES}", bytes.len())));
        }
        match decoder.decode(bytes) {
            Err(error) => return Ok(Err(format!("not JSON: {}", plain(&error.to_string())))),
            Ok(_) if decoder.has_partial_record() => return Ok(Err("not JSON: the object is cut off".to_owned())),
            Ok(read) if decoder.len() != row + 1 || read < bytes.trim_ascii_end().len() => {
                return Ok(Err("the record must be exactly one JSON object".to_owned()));
            }
            Ok(_) => {}
        }
    }
    Ok(match decoder.flush() {
        Ok(Some(columns)) => Ok(columns),
        Ok(None) => Err("the record must be exactly one JSON object".to_owned()),
        Err(error) => Err(format!("a field has the wrong type: {}", plain(&error.to_string()))),
    })
}

fn new_decoder(rows: usize) -> Result<Decoder, EnrichError> {
    // One row of room more than is needed: a full decoder stops reading, and would hide a second object in a payload.
    Ok(ReaderBuilder::new(schema::RAW.clone()).with_batch_size(rows + 1).build_decoder()?)
}

/// The decoder's words, short and without its own prefix. They may quote the value at fault; dead letters hold it anyway.
fn plain(message: &str) -> String {
    message.trim_start_matches("Json error: ").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(payloads: &[&[u8]]) -> Fetched {
        let mut batch = Fetched { next: payloads.len() as u64, ..Fetched::default() };
        for (offset, payload) in payloads.iter().enumerate() {
            batch.payloads.extend_from_slice(payload);
            batch.ends.push(batch.payloads.len());
            batch.offsets.push(offset as u64);
        }
        batch
    }

    #[test]
    fn the_records_at_fault_stand_alone_and_the_rest_goes_on() {
        let good: &[u8] = br#"{"kind":"report","id":"a:1","mood":[1,{"x":2}]}"#;
        let bad: [&[u8]; 8] = [
            br#"{"kind":"report","id":5}"#,
            br#"{"kind":"report","id":"a:1""#,
            b"\xff\xfe\x00",
            b"",
            br#"{"id":"a:1"}{"id":"a:2"}"#,
            br#"{"id":"a:\xff"}"#,
            b"[1,2]",
            br#"{"kind":"report","lat":"north"}"#,
        ];
        let mut payloads = vec![good];
        for record in &bad {
            payloads.extend([*record, good]);
        }
        let batch = fetched(&payloads);
        let (decoded, rejected) = decode(&batch, 0..payloads.len()).unwrap();
        assert_eq!(rejected.iter().map(|r| r.record).collect::<Vec<_>>(), [1, 3, 5, 7, 9, 11, 13, 15]);
        assert_eq!(decoded.iter().map(|d| d.columns.num_rows()).sum::<usize>(), 9);
        assert!(decoded.iter().all(|d| d.records.len() == d.columns.num_rows()));
    }

    #[test]
    fn nothing_at_all_is_fine() {
        let (decoded, rejected) = decode(&Fetched::default(), 0..0).unwrap();
        assert!(decoded.is_empty() && rejected.is_empty());
    }
}
