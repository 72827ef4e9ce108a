//! The order of an epoch: random, in batches of texts of similar length.

use crate::train::random::Random;

/// Batches whose texts are sorted by length together. More would waste less on filling up, and mix less.
const SORTED_BATCHES: usize = 50;

/// Positions of texts in batches of `batch_texts`, for one pass. Every text is in exactly one.
pub(super) fn epoch(lengths: &[usize], batch_texts: usize, random: &mut Random) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    random.shuffle(&mut order);
    let mut batches: Vec<Vec<usize>> = Vec::with_capacity(lengths.len().div_ceil(batch_texts));
    for stretch in order.chunks_mut(batch_texts * SORTED_BATCHES) {
        stretch.sort_by_key(|text| lengths[*text]);
        batches.extend(stretch.chunks(batch_texts).map(<[usize]>::to_vec));
    }
    random.shuffle(&mut batches);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_once_lengths_alike_and_the_seed_decides() {
        let lengths: Vec<usize> = (0..5000).map(|n| 3 + (n * 31) % 120).collect();
        let of = |seed| epoch(&lengths, 32, &mut Random::new(seed));
        let batches = of(1);
        let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..5000));
        let filled: usize = batches.iter().map(|b| b.len() * b.iter().map(|t| lengths[*t]).max().unwrap()).sum();
        let needed: usize = lengths.iter().sum();
        assert!((filled as f64) < 1.1 * needed as f64, "{filled} tokens for {needed}");
        assert_eq!(batches, of(1));
        assert_ne!(batches, of(2));
        assert!(epoch(&[], 32, &mut Random::new(1)).is_empty());
    }
}
