//! The classifier's weights: a row of one byte a language for every bucket, and how to turn their sum into a probability.

use std::ops::Range;
use std::sync::LazyLock;

use super::ngrams::{BITS, Letters};

/// Bytes of one row: the languages, filled up to a power of two.
pub(super) const LANES: usize = 32;

/// How the file begins.
const MAGIC: &[u8; 8] = b"cplang1\n";

/// Magic, one bias a lane, scale and temperature as little-endian f32.
const HEADER: usize = 8 + 4 * (LANES + 2);

/// What was trained; see `train.rs`.
static SHIPPED: &[u8] = include_bytes!("weights.bin");

/// Rows, biases and scales.
pub(super) struct Weights<'a> {
    rows: &'a [[u8; LANES]],
    bias: [f32; LANES],
    scale: f32,
    temperature: f32,
}

/// The weights inside the program.
pub(super) fn shipped() -> &'static Weights<'static> {
    static WEIGHTS: LazyLock<Weights<'static>> =
        LazyLock::new(|| Weights::parse(SHIPPED).expect("the weights compiled in are whole: a test loads them"));
    &WEIGHTS
}

impl<'a> Weights<'a> {
    /// Reads the file's bytes; `None` when they are not such a file.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, body) = bytes.split_at_checked(HEADER)?;
        let floats = header.strip_prefix(MAGIC)?.as_chunks::<4>().0;
        let (rows, rest) = body.as_chunks::<LANES>();
        let mut bias = [0.0; LANES];
        bias.iter_mut().zip(floats).for_each(|(bias, bytes)| *bias = f32::from_le_bytes(*bytes));
        let [scale, temperature] = [floats[LANES], floats[LANES + 1]].map(f32::from_le_bytes);
        (rows.len() == 1 << BITS && rest.is_empty()).then_some(Self { rows, bias, scale, temperature })
    }

    /// Writes trained weights as such a file.
    pub fn write(rows: &[[f32; LANES]], bias: &[f32; LANES], temperature: f32) -> Vec<u8> {
        // Nearly all weights are far below the largest: those beyond the range are cut.
        let scale = MAX_WEIGHT / 127.0;
        let mut bytes = MAGIC.to_vec();
        for value in bias.iter().chain([&scale, &temperature]) {
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend(rows.iter().flatten().map(|weight| (weight / scale).round().clamp(-127.0, 127.0) as i8 as u8));
        bytes
    }

    /// The most probable lane of `lanes`, and its probability among them.
    pub fn best(&self, letters: &Letters, lanes: Range<usize>) -> (usize, f32) {
        let logits = self.logits(letters);
        let candidates = &logits[lanes.clone()];
        let mut best = 0;
        for (lane, logit) in candidates.iter().enumerate() {
            if *logit > candidates[best] {
                best = lane;
            }
        }
        let sum: f32 = candidates.iter().map(|logit| ((logit - candidates[best]) * self.temperature).exp()).sum();
        (lanes.start + best, 1.0 / sum)
    }

    /// The sums of all rows, divided by the root of how many there are.
    fn logits(&self, letters: &Letters) -> [f32; LANES] {
        let mut sums = [0_i32; LANES];
        // Sixteen bits hold the sum of 256 rows; then it is carried over.
        let mut part = [0_i16; LANES];
        let mut count = 0_u32;
        letters.for_each(|bucket| {
            for (sum, weight) in part.iter_mut().zip(&self.rows[bucket]) {
                *sum += i16::from(*weight as i8);
            }
            count += 1;
            if count.is_multiple_of(256) {
                sums.iter_mut().zip(&mut part).for_each(|(sum, part)| *sum += i32::from(std::mem::take(part)));
            }
        });
        let norm = self.scale / (count.max(1) as f32).sqrt();
        let mut logits = self.bias;
        for ((logit, sum), part) in logits.iter_mut().zip(sums).zip(part) {
            *logit += (sum + i32::from(part)) as f32 * norm;
        }
        logits
    }
}

/// The largest weight that is kept.
const MAX_WEIGHT: f32 = 6.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let rows = vec![[0.5; LANES]; 1 << BITS];
        let bytes = Weights::write(&rows, &[0.25; LANES], 2.0);
        let read = Weights::parse(&bytes).unwrap();
        assert_eq!((read.bias[3], read.temperature), (0.25, 2.0));
        assert!((f32::from(read.rows[7][7] as i8) * read.scale - 0.5).abs() < 0.03);
        assert!(Weights::parse(&bytes[..bytes.len() - 1]).is_none());
        assert!(Weights::parse(b"something else").is_none());
        assert!(Weights::parse(SHIPPED).is_some());
    }
}
