//! The feature table: which feature has a row, and the int8 rows.

use super::network::EMBEDDING;

/// Bits of a hash that choose the slot: more than twice as many slots as rows, so that a feature without a row, which half
/// of them are, is recognised after two looks.
const SLOT_BITS: u32 = 19;
const SLOTS: usize = 1 << SLOT_BITS;
/// Bits of a slot that hold the row's number; the rest holds what the slot's position does not say about the hash.
const ROW_BITS: u32 = 18;
/// Rows that keep the weights file under its 8 MB.
pub(crate) const MAX_ROWS: usize = 175_000;
const EMPTY: u32 = u32::MAX;

/// An open-addressing table from 32-bit hashes to row numbers, 4 bytes a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slots(Vec<u32>);

impl Slots {
    /// A table in which `hashes[row]` finds `row`; `None` for more than [`MAX_ROWS`] hashes.
    pub(crate) fn new(hashes: &[u32]) -> Option<Self> {
        if hashes.len() > MAX_ROWS {
            return None;
        }
        let mut slots = vec![EMPTY; SLOTS];
        for (row, hash) in hashes.iter().enumerate() {
            let mut slot = home(*hash);
            while slots[slot] != EMPTY {
                slot = (slot + 1) % SLOTS;
            }
            slots[slot] = (fingerprint(*hash) << ROW_BITS) | row as u32;
        }
        Some(Self(slots))
    }

    /// The row of a feature; `None` for a feature that training has not kept. One feature in some ten thousand that was
    /// not kept is mistaken for another.
    pub(crate) fn row(&self, hash: u32) -> Option<u32> {
        let mut slot = home(hash);
        loop {
            let entry = self.0[slot];
            if entry == EMPTY {
                return None;
            }
            if entry >> ROW_BITS == fingerprint(hash) {
                return Some(entry & ((1 << ROW_BITS) - 1));
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// Touches the place of every feature: loads that nothing waits for keep many cache misses under way at once, and most of
    /// the time of a text is waiting for memory.
    pub(crate) fn touch(&self, hashes: &[u32]) {
        std::hint::black_box(hashes.iter().fold(0, |touched, hash| touched ^ self.0[home(*hash)]));
    }

    /// Appends the rows of `hashes` to `rows`; gives how many they are.
    pub(crate) fn append_rows(&self, hashes: &[u32], rows: &mut Vec<u32>) -> usize {
        let known = rows.len();
        rows.resize(known + hashes.len(), 0);
        let places = &mut rows[known..];
        let mut found = 0;
        for hash in hashes {
            // Nearly always the first look decides. Whether it finds the feature nobody can foresee, so that no branch asks.
            let entry = self.0[home(*hash)];
            let hit = entry >> ROW_BITS == fingerprint(*hash);
            places[found] = entry & ((1 << ROW_BITS) - 1);
            found += usize::from(hit);
            if !hit
                && entry != EMPTY
                && let Some(row) = self.row(*hash)
            {
                places[found] = row;
                found += 1;
            }
        }
        rows.truncate(known + found);
        found
    }
}

fn home(hash: u32) -> usize {
    (hash >> (32 - SLOT_BITS)) as usize
}

/// The low bits of a hash: with the slot's position they are nearly the whole hash.
fn fingerprint(hash: u32) -> u32 {
    hash & ((1 << (32 - SLOT_BITS)) - 1)
}

/// Rows of 8-bit integers with one scale a dimension: rows add up as integers, and the scales apply once a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quantised {
    pub(crate) rows: Vec<[i8; EMBEDDING]>,
    pub(crate) scales: [f32; EMBEDDING],
}

impl Quantised {
    /// Rounds `rows` to 8 bits. Each dimension's largest values, one in a thousand, are clipped: they would make the
    /// steps coarse for all others.
    pub(crate) fn new(rows: &[[f32; EMBEDDING]]) -> Self {
        let mut scales = [f32::MIN_POSITIVE; EMBEDDING];
        for (dimension, scale) in scales.iter_mut().enumerate() {
            let mut sizes: Vec<f32> = rows.iter().map(|row| row[dimension].abs()).collect();
            sizes.sort_unstable_by(f32::total_cmp);
            let largest = sizes.get(sizes.len().saturating_sub(1 + sizes.len() / 1000)).copied().unwrap_or_default();
            *scale = (largest / 127.0).max(f32::MIN_POSITIVE);
        }
        let round = |row: &[f32; EMBEDDING]| std::array::from_fn(|d| (row[d] / scales[d]).round().clamp(-127.0, 127.0) as i8);
        Self { rows: rows.iter().map(round).collect(), scales }
    }

    /// Touches every row, at both ends, since a row may lie in two lines of the cache; see [`Slots::touch`].
    pub(crate) fn touch(&self, rows: &[u32]) {
        let ends = |row: &u32| self.rows[*row as usize][0] ^ self.rows[*row as usize][EMBEDDING - 1];
        std::hint::black_box(rows.iter().fold(0, |touched, row| touched ^ ends(row)));
    }

    /// Adds `rows` to `sum`.
    pub(crate) fn add_rows(&self, rows: &[u32], sum: &mut [i32; EMBEDDING]) {
        for chunk in rows.chunks(MAX_ADDED) {
            let part = self.sum_of_few(chunk);
            sum.iter_mut().zip(&part).for_each(|(sum, part)| *sum += i32::from(*part));
        }
    }

    /// The sum of at most [`MAX_ADDED`] rows.
    #[inline]
    pub(crate) fn sum_of_few(&self, rows: &[u32]) -> [i16; EMBEDDING] {
        let mut sum = [0; EMBEDDING];
        for row in rows {
            for (sum, value) in sum.iter_mut().zip(&self.rows[*row as usize]) {
                *sum += i16::from(*value);
            }
        }
        sum
    }
}

/// Rows whose sum cannot leave 16 bits: 256 * 127 < 32768.
pub(crate) const MAX_ADDED: usize = 256;

/// 1 / sqrt(n): a long text says more than a short one, but not in proportion.
pub(crate) fn bag_weight(found: u32) -> f32 {
    1.0 / (found.max(1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_kept_feature_finds_its_row(hashes in proptest::collection::hash_set(any::<u32>(), 0..500)) {
            let hashes: Vec<u32> = hashes.into_iter().collect();
            let slots = Slots::new(&hashes).unwrap();
            for (row, hash) in hashes.iter().enumerate() {
                // Two hashes with one fingerprint in one run of slots share a row; that takes neighbours.
                let found = slots.row(*hash).unwrap() as usize;
                let distance = home(hashes[found]).abs_diff(home(*hash));
                prop_assert!(found == row || (fingerprint(hashes[found]) == fingerprint(*hash) && distance < 500));
            }
        }

        #[test]
        fn rows_of_many_are_those_of_each(kept in proptest::collection::hash_set(0u32..3000, 0..500), crowd in any::<bool>()) {
            // Neighbouring slots, or one.
            let spread = |number: u32| if crowd { number } else { number << 13 };
            let kept: Vec<u32> = kept.into_iter().map(spread).collect();
            let slots = Slots::new(&kept).unwrap();
            let hashes: Vec<u32> = (0..3500).map(spread).collect();
            let mut rows = vec![7; 5];
            let found = slots.append_rows(&hashes, &mut rows);
            prop_assert_eq!(&rows[..5], [7; 5]);
            prop_assert_eq!(&rows[5..], hashes.iter().filter_map(|hash| slots.row(*hash)).collect::<Vec<u32>>());
            prop_assert_eq!(found, rows.len() - 5);
        }

        #[test]
        fn rows_add_up(rows in proptest::collection::vec(0u32..3, 0..2000)) {
            let quantised = Quantised::new(&[[1.0; EMBEDDING], [-0.5; EMBEDDING], [0.25; EMBEDDING]]);
            let mut sum = [0; EMBEDDING];
            quantised.add_rows(&rows, &mut sum);
            let expected: i32 = rows.iter().map(|row| i32::from(quantised.rows[*row as usize][0])).sum();
            prop_assert!(sum.iter().all(|value| *value == expected));
        }

        #[test]
        fn rounding_is_within_half_a_step(values in proptest::collection::vec(-2.0f32..2.0, 1..50)) {
            let rows: Vec<[f32; EMBEDDING]> = values.iter().map(|value| [*value; EMBEDDING]).collect();
            let quantised = Quantised::new(&rows);
            for (row, value) in quantised.rows.iter().zip(&values) {
                let back = f32::from(row[0]) * quantised.scales[0];
                prop_assert!((back - value).abs() <= quantised.scales[0] * 0.5001);
            }
        }
    }
}
