//! How many different people: linear counting (Whang, Vander-Zanden & Taylor 1990) with counters in place of bits, so that a person
//! can be taken back and sketches can be subtracted.
//!
//! Adding and subtracting are exact on the counters, hence the estimate depends only on the set of reports, not on their order. The
//! standard error of the estimate of n people is sqrt(m (e^t - t - 1)) / n with m = 16,384 and t = n / m: 0.6 % at 1,000, 0.6 % at
//! 10,000, 0.7 % at 30,000, 1.3 % at 65,000, and it grows fast beyond 100,000.

/// Counters a sketch has.
pub(crate) const COUNTERS: usize = 1 << 14;

/// Above so many used counters a full array is smaller and faster than a sorted list.
const DENSE_FROM: usize = 1024;

/// A set of people with multiplicity, hashed into counters.
#[derive(Clone, Debug)]
pub(crate) enum Reporters {
    /// One used counter, without a list: most cells hold a single report.
    One([(u16, u32); 1]),
    /// Used counters in order of position.
    Sparse(Vec<(u16, u32)>),
    /// Every counter.
    Dense(Box<[u32]>),
}

impl Default for Reporters {
    fn default() -> Self {
        Self::Sparse(Vec::new())
    }
}

/// Equal as sets with multiplicity, however they are held.
impl PartialEq for Reporters {
    fn eq(&self, other: &Self) -> bool {
        self.used().eq(other.used())
    }
}

impl Reporters {
    /// Counts a person once more, or once less with `delta` -1.
    pub(crate) fn count(&mut self, author: u64, delta: i32) {
        // Pseudonyms are keyed hashes: their top bits are evenly spread.
        let mixed = author.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.shift((mixed >> 50) as u16, delta as u32);
    }

    /// Adds what another sketch holds.
    pub(crate) fn add(&mut self, other: &Self) {
        self.merge(other, 1);
    }

    /// Takes back what another sketch holds.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.merge(other, u32::MAX);
    }

    fn merge(&mut self, other: &Self, sign: u32) {
        if let (Some(mine), Some(theirs)) = (self.listed(), other.listed())
            && theirs.len() > 1
            && mine.len() * 4 < theirs.len()
        {
            // One pass beats many insertions.
            let mut merged = Vec::with_capacity(mine.len() + theirs.len());
            let (mut a, mut b) = (mine.iter().peekable(), theirs.iter().peekable());
            while let Some(position) = [a.peek().map(|e| e.0), b.peek().map(|e| e.0)].into_iter().flatten().min() {
                let mut count = a.next_if(|e| e.0 == position).map_or(0, |e| e.1);
                count = count.wrapping_add(b.next_if(|e| e.0 == position).map_or(0, |e| e.1.wrapping_mul(sign)));
                if count != 0 {
                    merged.push((position, count));
                }
            }
            *self = Self::Sparse(merged);
            return self.densify();
        }
        for (position, count) in other.used() {
            self.shift(position, count.wrapping_mul(sign));
        }
    }

    fn shift(&mut self, position: u16, delta: u32) {
        match self {
            Self::Dense(counters) => {
                let counter = &mut counters[usize::from(position)];
                *counter = counter.wrapping_add(delta);
            }
            Self::One([(used, count)]) if *used == position => {
                *count = count.wrapping_add(delta);
                if *count == 0 {
                    *self = Self::default();
                }
            }
            Self::One([first]) => {
                let mut used = vec![*first, (position, delta)];
                used.sort_unstable();
                *self = Self::Sparse(used);
            }
            Self::Sparse(used) if used.is_empty() => *self = Self::One([(position, delta)]),
            Self::Sparse(used) => match used.binary_search_by_key(&position, |entry| entry.0) {
                Ok(at) => {
                    used[at].1 = used[at].1.wrapping_add(delta);
                    if used[at].1 == 0 {
                        used.remove(at);
                    }
                }
                Err(at) => {
                    used.insert(at, (position, delta));
                    self.densify();
                }
            },
        }
    }

    fn densify(&mut self) {
        if let Self::Sparse(used) = self
            && used.len() > DENSE_FROM
        {
            let mut counters = vec![0; COUNTERS].into_boxed_slice();
            for (position, count) in used {
                counters[usize::from(*position)] = *count;
            }
            *self = Self::Dense(counters);
        }
    }

    /// Used counters in order, where they are held as a list.
    fn listed(&self) -> Option<&[(u16, u32)]> {
        match self {
            Self::One(used) => Some(used),
            Self::Sparse(used) => Some(used),
            Self::Dense(_) => None,
        }
    }

    /// Positions and counts that are not zero, in order.
    pub(crate) fn used(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        let dense: &[u32] = if let Self::Dense(counters) = self { counters } else { &[] };
        let numbered = dense.iter().enumerate().map(|(position, count)| (position as u16, *count));
        let listed = self.listed().unwrap_or_default();
        listed.iter().copied().chain(numbered.filter(|(_, count)| *count != 0))
    }

    /// A sketch from what [`Reporters::used`] gave; `None` if positions are out of range or order.
    pub(crate) fn from_used(used: Vec<(u16, u32)>) -> Option<Self> {
        let ordered = used.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if !ordered || used.last().is_some_and(|last| usize::from(last.0) >= COUNTERS) {
            return None;
        }
        let mut sketch = if let [one] = used[..] { Self::One([one]) } else { Self::Sparse(used) };
        sketch.densify();
        Some(sketch)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.used().next().is_none()
    }

    /// About how many different people; the most it can tell is 159,000.
    pub(crate) fn estimate(&self) -> u64 {
        let m = COUNTERS as f64;
        let empty = COUNTERS - self.used().count();
        let empty = (empty as f64).max(1.0);
        (m * (m / empty).ln()).round() as u64
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Sparse(used) => used.capacity() * size_of::<(u16, u32)>(),
            Self::Dense(counters) => counters.len() * size_of::<u32>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(authors: &[u64]) -> Reporters {
        let mut sketch = Reporters::default();
        authors.iter().for_each(|author| sketch.count(*author, 1));
        sketch
    }

    #[test]
    fn estimates_within_the_stated_error() {
        for n in [1u64, 10, 100, 1_000, 10_000, 60_000] {
            let authors: Vec<u64> = (0..n).map(|i| xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes())).collect();
            let estimate = sketch(&authors).estimate() as f64;
            let t = n as f64 / COUNTERS as f64;
            let error = (COUNTERS as f64 * (t.exp() - t - 1.0)).sqrt();
            assert!((estimate - n as f64).abs() <= 4.0 * error + 1.0, "{n}: {estimate}");
        }
    }

    proptest! {
        #[test]
        fn subtracting_is_the_inverse_of_adding(
            a in proptest::collection::vec(any::<u64>(), 0..2000),
            b in proptest::collection::vec(any::<u64>(), 0..2000),
        ) {
            let mut both = sketch(&a);
            both.add(&sketch(&b));
            prop_assert_eq!(&both, &sketch(&[a.clone(), b.clone()].concat()));
            both.subtract(&sketch(&a));
            prop_assert_eq!(&both, &sketch(&b));
            prop_assert_eq!(Reporters::from_used(both.used().collect()), Some(both));
        }
    }
}
