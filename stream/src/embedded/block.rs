//! A block: consecutive records of one partition as one stored value.
//!
//! ```text
//! magic "cpb1" | xxh3-64 of all that follows | append time, us | records | payload bytes | codec | body
//!            4 |                           8 |               8 |       4 |             4 |     1 | ...
//! ```
//! Numbers are little-endian. The body, packed by the codec (0 none, 1 LZ4 block), is every payload end to end, then
//! every payload's length in 4 bytes: lengths last, so that unpacking into a reader's buffer leaves the payloads in place.
//! Keys are not kept: they say where a record goes, and no reader asks for them again.

use feedback::Timestamp;
use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use xxhash_rust::xxh3::xxh3_64;

use crate::MAX_PAYLOAD_BYTES;

const MAGIC: &[u8; 4] = b"cpb1";
const HEADER_BYTES: usize = 29;
const CHECKED_FROM: usize = 12;
const CODEC_NONE: u8 = 0;
const CODEC_LZ4: u8 = 1;

/// Payload bytes at which a block is full; one that holds a single larger record may be larger.
pub(super) const BLOCK_BYTES: usize = 1 << 20;
/// Records at which a block is full, so that tiny payloads do not make an endless list.
pub(super) const BLOCK_RECORDS: usize = 1 << 16;

/// Records of one partition, unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// All payloads, end to end.
    pub(super) payloads: Vec<u8>,
    /// Where each payload ends.
    pub(super) ends: Vec<usize>,
}

/// What a block's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// When the first of its records was appended.
    pub(super) appended: Timestamp,
    /// How many records it holds.
    pub(super) records: usize,
    /// How many bytes its payloads have.
    pub(super) payload_bytes: usize,
    codec: u8,
}

impl Block {
    /// Whether another payload of `bytes` still fits.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.ends.is_empty() || (self.payloads.len() + bytes <= BLOCK_BYTES && self.ends.len() < BLOCK_RECORDS)
    }

    /// Adds a record.
    pub(super) fn push(&mut self, payload: &[u8]) {
        self.payloads.extend_from_slice(payload);
        self.ends.push(self.payloads.len());
    }

    /// The block without room to spare, to be kept in memory.
    pub(super) fn trimmed(mut self) -> Self {
        self.payloads.shrink_to_fit();
        self.ends.shrink_to_fit();
        self
    }

    /// Packs the block as the value to store.
    pub(super) fn encode(&self, appended: Timestamp) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.payloads.len() + 4 * self.ends.len());
        body.extend_from_slice(&self.payloads);
        let starts = std::iter::once(&0).chain(&self.ends);
        body.extend(self.ends.iter().zip(starts).flat_map(|(end, start)| narrow(end - start).to_le_bytes()));

        let mut value = vec![0; HEADER_BYTES + get_maximum_output_size(body.len())];
        let packed = compress_into(&body, &mut value[HEADER_BYTES..]).unwrap_or(usize::MAX);
        let codec = if packed < body.len() { CODEC_LZ4 } else { CODEC_NONE };
        if codec == CODEC_LZ4 {
            value.truncate(HEADER_BYTES + packed);
        } else {
            // Arrow batches arrive compressed: packing them again would only cost.
            value.truncate(HEADER_BYTES);
            value.extend_from_slice(&body);
        }
        value[..4].copy_from_slice(MAGIC);
        value[12..20].copy_from_slice(&appended.micros().to_le_bytes());
        value[20..24].copy_from_slice(&narrow(self.ends.len()).to_le_bytes());
        value[24..28].copy_from_slice(&narrow(self.payloads.len()).to_le_bytes());
        value[28] = codec;
        let checksum = xxh3_64(&value[CHECKED_FROM..]);
        value[4..12].copy_from_slice(&checksum.to_le_bytes());
        value
    }
}

impl Header {
    /// Reads a header without checking the body. The error says what is wrong.
    pub(super) fn read(value: &[u8]) -> Result<Self, String> {
        let Some((header, _)) = value.split_first_chunk::<HEADER_BYTES>() else {
            return Err(format!("a block of {} bytes is shorter than its header", value.len()));
        };
        if &header[..4] != MAGIC {
            return Err("a block does not begin with `cpb1`".into());
        }
        let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize;
        let (mut micros, low) = ([0; 8], 12);
        micros.copy_from_slice(&header[low..low + 8]);
        let read = Self {
            appended: Timestamp::from_micros(i64::from_le_bytes(micros)),
            records: number(20),
            payload_bytes: number(24),
            codec: header[28],
        };
        let fits = read.records > 0
            && read.payload_bytes <= BLOCK_BYTES.max(MAX_PAYLOAD_BYTES)
            && read.records <= BLOCK_RECORDS
            && read.codec <= CODEC_LZ4;
        if fits { Ok(read) } else { Err(format!("impossible block header {read:?}")) }
    }

    /// Checks the whole value against its checksum and appends its payloads to `payloads`, the ends of each to `ends`,
    /// counted from the beginning of `payloads`. On an error neither is changed.
    pub(super) fn unpack(&self, value: &[u8], payloads: &mut Vec<u8>, ends: &mut Vec<usize>) -> Result<(), String> {
        let mut stored = [0; 8];
        stored.copy_from_slice(&value[4..12]);
        let computed = xxh3_64(&value[CHECKED_FROM..]);
        if u64::from_le_bytes(stored) != computed {
            return Err(format!("checksum {:016x}, but the bytes give {computed:016x}", u64::from_le_bytes(stored)));
        }
        let (start, body) = (payloads.len(), &value[HEADER_BYTES..]);
        let unpacked_bytes = self.payload_bytes + 4 * self.records;
        payloads.resize(start + unpacked_bytes, 0);
        let unpacked = match self.codec {
            CODEC_LZ4 => decompress_into(body, &mut payloads[start..]).map_err(|error| error.to_string()),
            _ if body.len() == unpacked_bytes => {
                payloads[start..].copy_from_slice(body);
                Ok(unpacked_bytes)
            }
            _ => Ok(body.len()),
        };
        let lengths_agree = match unpacked {
            Ok(bytes) if bytes == unpacked_bytes => self.read_ends(&payloads[start..], start, ends),
            Ok(bytes) => Err(format!("{bytes} bytes where {unpacked_bytes} should be")),
            Err(problem) => Err(problem),
        };
        payloads.truncate(if lengths_agree.is_ok() { start + self.payload_bytes } else { start });
        lengths_agree
    }

    fn read_ends(&self, body: &[u8], start: usize, ends: &mut Vec<usize>) -> Result<(), String> {
        let before = ends.len();
        let mut end = start;
        ends.extend(body[self.payload_bytes..].as_chunks::<4>().0.iter().map(|length| {
            end += u32::from_le_bytes(*length) as usize;
            end
        }));
        if end == start + self.payload_bytes {
            return Ok(());
        }
        ends.truncate(before);
        Err(format!("records of {} bytes in {} bytes of payload", end - start, self.payload_bytes))
    }
}

/// Lengths fit 32 bits: a block is bounded far below.
fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block_of(payloads: &[Vec<u8>]) -> Block {
        let mut block = Block::default();
        payloads.iter().for_each(|payload| block.push(payload));
        block
    }

    fn some_payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let payload = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "\\{\"id\":\"[a-z]{1,8}\",\"text\":\"[ -~]{0,300}\"\\}".prop_map(String::into_bytes),
        ];
        proptest::collection::vec(payload, 1..60)
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out_behind_what_was_there(payloads in some_payloads(), micros in any::<i64>(), prefix in 0usize..9) {
            let block = block_of(&payloads);
            let value = block.encode(Timestamp::from_micros(micros));
            let header = Header::read(&value).unwrap();
            prop_assert_eq!((header.appended.micros(), header.records), (micros, payloads.len()));
            let (mut bytes, mut ends) = (vec![7; prefix], vec![prefix]);
            header.unpack(&value, &mut bytes, &mut ends).unwrap();
            prop_assert_eq!(&bytes[prefix..], &block.payloads[..]);
            let shifted: Vec<usize> = block.ends.iter().map(|end| end + prefix).collect();
            prop_assert_eq!(&ends[1..], &shifted[..]);
        }

        #[test]
        fn any_damage_is_noticed_and_nothing_comes_out(payloads in some_payloads(), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut value = block_of(&payloads).encode(Timestamp::from_secs(1));
            let at = at.index(value.len());
            value[at] ^= flip;
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            let read = Header::read(&value).and_then(|header| header.unpack(&value, &mut bytes, &mut ends));
            prop_assert!(read.is_err());
            prop_assert!(bytes.is_empty() && ends.is_empty());
        }

        #[test]
        fn any_bytes_are_read_without_panic(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            let read = Header::read(&value).and_then(|header| header.unpack(&value, &mut bytes, &mut ends));
            prop_assert!(read.is_err());
        }

        #[test]
        fn a_wrong_body_under_a_right_checksum_is_an_error(body in proptest::collection::vec(any::<u8>(), 0..200), codec in 0u8..2) {
            let mut value = block_of(&[b"x".to_vec()]).encode(Timestamp::from_secs(1));
            value.truncate(HEADER_BYTES);
            value.extend_from_slice(&body);
            (value[20], value[24], value[28]) = (3, 200, codec);
            let checksum = xxh3_64(&value[CHECKED_FROM..]);
            value[4..12].copy_from_slice(&checksum.to_le_bytes());
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            prop_assert!(Header::read(&value).unwrap().unpack(&value, &mut bytes, &mut ends).is_err());
            prop_assert!(bytes.is_empty() && ends.is_empty());
        }
    }

    #[test]
    fn json_gets_smaller_and_noise_does_not_grow_by_much() {
        let json = vec![br#"{"id":"boston311:101","text":"street light out"}"#.to_vec(); 100];
        assert!(block_of(&json).encode(Timestamp::MIN).len() < 100 * json[0].len() / 4);
        let noise: Vec<u8> = (0..4096u64).map(|i| xxh3_64(&i.to_le_bytes()) as u8).collect();
        assert!(block_of(std::slice::from_ref(&noise)).encode(Timestamp::MIN).len() <= HEADER_BYTES + noise.len() + 4);
    }

    #[test]
    fn a_block_is_bounded() {
        let mut block = Block::default();
        assert!(block.has_room_for(MAX_PAYLOAD_BYTES));
        block.push(&[0; 1000]);
        assert!(block.has_room_for(BLOCK_BYTES - 1000) && !block.has_room_for(BLOCK_BYTES - 999));
    }
}
