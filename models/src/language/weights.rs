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

    /// The most probable lane of `lanes`, and its probability among them. Reads on only while another may still win.
    pub fn best(&self, letters: &Letters, lanes: Range<usize>) -> (usize, f32) {
        let mut sums = Sums::default();
        let mut from = 0;
        loop {
            let next = letters.for_each_from(from, STRIDE, |bucket| sums.add(&self.rows[bucket]));
            let logits = sums.logits(&self.bias, self.scale);
            let candidates = &logits[lanes.clone()];
            let (best, margin) = winner(candidates);
            match next {
                Some(next) if margin * self.temperature < SURE_MARGIN => from = next,
                _ => {
                    let odds = candidates.iter().map(|logit| ((logit - candidates[best]) * self.temperature).exp());
                    return (lanes.start + best, 1.0 / odds.sum::<f32>());
                }
            }
        }
    }
}

/// The largest of `logits`, and by how much it leads the second.
fn winner(logits: &[f32]) -> (usize, f32) {
    let (mut best, mut first, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
    for (lane, logit) in logits.iter().enumerate() {
        if *logit > first {
            (best, second, first) = (lane, first, *logit);
        } else {
            second = second.max(*logit);
        }
    }
    (best, first - second)
}

/// The lead from which on nothing more is read: a probability of 0.999 and more against twenty-odd others.
const SURE_MARGIN: f32 = 10.0;

/// Bytes of letters between two looks at the lead.
const STRIDE: usize = 48;

/// Rows added up: in sixteen bits, which hold the sum of 256 rows, and carried over from there.
#[derive(Default)]
struct Sums {
    carried: [i32; LANES],
    part: [i16; LANES],
    count: u32,
}

impl Sums {
    #[inline]
    fn add(&mut self, row: &[u8; LANES]) {
        for (sum, weight) in self.part.iter_mut().zip(row) {
            *sum += i16::from(*weight as i8);
        }
        self.count += 1;
        if self.count.is_multiple_of(256) {
            self.carried.iter_mut().zip(&mut self.part).for_each(|(sum, part)| *sum += i32::from(std::mem::take(part)));
        }
    }

    /// The sums of all rows, divided by the root of how many there are.
    fn logits(&self, bias: &[f32; LANES], scale: f32) -> [f32; LANES] {
        let norm = scale / (self.count.max(1) as f32).sqrt();
        let mut logits = *bias;
        for ((logit, sum), part) in logits.iter_mut().zip(self.carried).zip(self.part) {
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
