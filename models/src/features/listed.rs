//! A list of words, by the hashes of their spelling, with what each stands for: one look a word, wherever it stands in the list.

/// An open-addressing table that is filled once. Half of its places or more are empty, so that a word which is not on the list,
/// as most are not, is recognised at once.
#[derive(Clone, Debug)]
pub(super) struct Listed<V> {
    places: Vec<Option<(u32, V)>>,
}

impl<V: Copy> Listed<V> {
    /// A table of `words`; of two with one hash, `join` makes one from the earlier and the later.
    pub(super) fn new(words: Vec<(u32, V)>, join: impl Fn(V, V) -> V) -> Self {
        let mut places = vec![None; (2 * words.len()).next_power_of_two()];
        for (hash, value) in words {
            let place = Self::place(&places, hash);
            let known = places[place].map(|(_, known)| known);
            places[place] = Some((hash, known.map_or(value, |known| join(known, value))));
        }
        Self { places }
    }

    /// What a word stands for; `None` for one that is not listed.
    pub(super) fn get(&self, hash: u32) -> Option<V> {
        self.places[Self::place(&self.places, hash)].map(|(_, value)| value)
    }

    /// How many words are listed.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.iter().flatten().count()
    }

    /// Where a word stands, or the empty place where it would.
    fn place(places: &[Option<(u32, V)>], hash: u32) -> usize {
        let mask = places.len() - 1;
        let mut place = hash as usize & mask;
        while places[place].is_some_and(|(listed, _)| listed != hash) {
            place = (place + 1) & mask;
        }
        place
    }
}

/// Keeps the earlier of two entries.
pub(super) fn earlier<V>(earlier: V, _: V) -> V {
    earlier
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_listed_is_found_and_nothing_else(words in proptest::collection::vec((0u32..200, any::<i8>()), 0..120)) {
            let table = Listed::new(words.clone(), earlier);
            for hash in 0..250 {
                let first = words.iter().find(|(listed, _)| *listed == hash).map(|(_, value)| *value);
                prop_assert_eq!(table.get(hash), first);
            }
        }
    }
}
