//! The classifier's weights: a row of one byte a language for every bucket, and how to turn their sum into a probability.

use std::ops::Range;
use std::sync::LazyLock;

use super::ngrams::{BITS, Letters, WORD_BYTES};

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

    /// The most probable lane of `lanes`, and its probability among them. Reads on only while another may still win. `words` are
    /// those that have been read by these weights.
    pub fn best(&self, letters: &Letters, lanes: Range<usize>, words: &mut Words) -> (usize, f32) {
        let mut sums = Sums::default();
        let mut space = 0;
        loop {
            let (next, more) = self.add_words(letters, space, words, &mut sums);
            space = next;
            let logits = sums.logits(&self.bias, self.scale);
            let candidates = &logits[lanes.clone()];
            let (best, margin) = winner(candidates);
            if !more || margin * self.temperature >= SURE_MARGIN {
                let odds = candidates.iter().map(|logit| ((logit - candidates[best]) * self.temperature).exp());
                return (lanes.start + best, 1.0 / odds.sum::<f32>());
            }
        }
    }

    /// Adds the words behind the space at `from`, until [`STRIDE`] bytes have been read. Gives the space at which to go on, and
    /// whether words follow there.
    fn add_words(&self, letters: &Letters, from: usize, words: &mut Words, sums: &mut Sums) -> (usize, bool) {
        words.touch(letters, from);
        let mut space = from;
        while let Some(next) = letters.next_space(space) {
            match letters.word(space, next) {
                Some(word) if !words.entries.is_empty() => {
                    let entry = &mut words.entries[place(word)];
                    if entry.word != word {
                        let mut sum = [0; LANES];
                        letters.for_each_between(space, next, |bucket| add_row(&mut sum, &self.rows[bucket]));
                        *entry = Entry { word, sum };
                    }
                    sums.add_word(&entry.sum, ngrams(word));
                }
                _ => letters.for_each_between(space, next, |bucket| sums.add(&self.rows[bucket])),
            }
            space = next;
            if space - from >= STRIDE {
                return (space, letters.next_space(space).is_some());
            }
        }
        (space, false)
    }
}

/// The words that were read last, each with the rows of its n-grams added up: language repeats itself. Exact, since a word is
/// its own key; of one thread and of one set of weights.
#[derive(Default)]
pub(super) struct Words {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    /// 0: none.
    word: u128,
    sum: [i16; LANES],
}

/// Bits of a hash that choose the place of a word: 8192 places are 640 kB.
const PLACE_BITS: u32 = 13;

impl Words {
    /// Room for words; without it, by default, none is remembered.
    pub fn remembering() -> Self {
        Self { entries: vec![Entry { word: 0, sum: [0; LANES] }; 1 << PLACE_BITS] }
    }

    /// Touches what is remembered of the words of a stride: that many are waited for as long as one is.
    fn touch(&self, letters: &Letters, from: usize) {
        let (mut space, mut touched) = (from, 0);
        while space < from + STRIDE
            && let Some(next) = letters.next_space(space)
        {
            let word = letters.word(space, next).unwrap_or_default();
            touched ^= self.entries.get(place(word)).map_or(0, |entry| entry.sum[LANES - 1] ^ entry.word as i16);
            space = next;
        }
        std::hint::black_box(touched);
    }
}

/// Where a word is remembered.
fn place(word: u128) -> usize {
    let (low, high) = (word as u64, (word >> 64) as u64);
    let mixed = low ^ high.wrapping_mul(0xFF51_AFD7_ED55_8CCD).rotate_left(32);
    (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - PLACE_BITS)) as usize
}

/// How many n-grams a word has that is remembered: from each of its bytes and the space after it one back to each of the two to
/// four bytes before, as far as the space before it, and each byte beyond ASCII.
fn ngrams(word: u128) -> u32 {
    const HIGH: u128 = (u128::MAX / 0xFF) << 7;
    let bytes = WORD_BYTES as u32 - word.leading_zeros() / 8;
    3 * bytes + (word & HIGH).count_ones()
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
    /// Rows in `part`.
    in_part: u32,
    count: u32,
}

/// Rows whose sum cannot leave sixteen bits.
const MAX_ROWS: u32 = 256;

/// Adds a row of signed bytes.
#[inline]
fn add_row(sums: &mut [i16; LANES], row: &[u8; LANES]) {
    for (sum, weight) in sums.iter_mut().zip(row) {
        *sum += i16::from(*weight as i8);
    }
}

impl Sums {
    #[inline]
    fn add(&mut self, row: &[u8; LANES]) {
        self.make_room(1);
        add_row(&mut self.part, row);
    }

    /// Adds a word of `rows` n-grams.
    #[inline]
    fn add_word(&mut self, word: &[i16; LANES], rows: u32) {
        self.make_room(rows);
        self.part.iter_mut().zip(word).for_each(|(sum, word)| *sum += word);
    }

    /// Counts `rows` more, and carries over what they might not fit beside.
    #[inline]
    fn make_room(&mut self, rows: u32) {
        self.count += rows;
        self.in_part += rows;
        if self.in_part > MAX_ROWS {
            self.carried.iter_mut().zip(&mut self.part).for_each(|(sum, part)| *sum += i32::from(std::mem::take(part)));
            self.in_part = rows;
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_has_as_many_ngrams_as_it_says() {
        for text in ["a", "ab", "street", "sixteen-letters", "incomprehensible", "öl", "éà", "ж"] {
            let letters = Letters::read(text);
            let mut count = 0;
            letters.for_each(|_| count += 1);
            let (mut counted, mut from) = (0, 0);
            while let Some(to) = letters.next_space(from) {
                counted += ngrams(letters.word(from, to).unwrap());
                from = to;
            }
            assert_eq!(counted, count, "{text}");
        }
    }

    proptest! {
        #[test]
        fn remembered_words_change_nothing(text in "([a-zA-Zéöж']{1,18}[ .]){0,60}", again in "([a-c]{1,3} ){1,90}") {
            let mut words = Words::remembering();
            for text in [&text, &again, &text] {
                let letters = Letters::read(text);
                let fresh = shipped().best(&letters, 0..22, &mut Words::default());
                let (lane, confidence) = shipped().best(&letters, 0..22, &mut words);
                prop_assert_eq!((lane, confidence.to_bits()), (fresh.0, fresh.1.to_bits()));
            }
        }

        #[test]
        fn sums_are_exact_however_rows_come(rows in proptest::collection::vec((any::<[u8; 2]>(), 1u32..70), 0..40)) {
            let mut sums = Sums::default();
            let mut expected = [0_i64; 2];
            for (values, times) in &rows {
                let mut row = [0; LANES];
                row[..2].copy_from_slice(values);
                let mut word = [0; LANES];
                (0..*times).for_each(|_| add_row(&mut word, &row));
                sums.add_word(&word, *times);
                sums.add(&row);
                (0..2).for_each(|lane| expected[lane] += i64::from(values[lane] as i8) * i64::from(times + 1));
            }
            (0..2).for_each(|lane| assert_eq!(i64::from(sums.carried[lane]) + i64::from(sums.part[lane]), expected[lane]));
        }
    }

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
