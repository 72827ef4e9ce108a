//! A list of words, by the hashes of their spelling, with what each stands for: one look a word, wherever it stands in the list.

/// An open-addressing table that is filled once. Half of its places or more are empty, so that a word which is not on the list,
/// as most are not, is recognised at once. What words stand for is kept apart: to recognise them takes four bytes a place, and
/// the less memory is looked at, the more of it is near.
#[derive(Clone, Debug)]
pub(super) struct Listed<V> {
    /// The hash of the word in each place; 0 where there is none.
    hashes: Vec<u32>,
    values: Vec<Option<V>>,
    /// What the word with the hash 0 stands for, which has no place.
    zero: Option<V>,
}

impl<V: Copy> Listed<V> {
    /// A table of `words`; of two with one hash, `join` makes one from the earlier and the later.
    pub(super) fn new(words: Vec<(u32, V)>, join: impl Fn(V, V) -> V) -> Self {
        // More places than words, so that one without a word ends every search.
        let places = (2 * words.len()).max(1).next_power_of_two();
        let mut table = Self { hashes: vec![0; places], values: vec![None; places], zero: None };
        for (hash, value) in words {
            let known = if hash == 0 {
                &mut table.zero
            } else {
                let place = table.place(hash);
                table.hashes[place] = hash;
                &mut table.values[place]
            };
            *known = Some(known.map_or(value, |known| join(known, value)));
        }
        table
    }

    /// What a word stands for; `None` for one that is not listed.
    pub(super) fn get(&self, hash: u32) -> Option<V> {
        if hash == 0 {
            return self.zero;
        }
        let place = self.place(hash);
        if self.hashes[place] == hash { self.values[place] } else { None }
    }

    /// How many words are listed.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.values.iter().chain([&self.zero]).flatten().count()
    }

    /// Where a word stands, or the empty place where it would.
    fn place(&self, hash: u32) -> usize {
        let mask = self.hashes.len() - 1;
        let mut place = hash as usize & mask;
        while self.hashes[place] != hash && self.hashes[place] != 0 {
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
