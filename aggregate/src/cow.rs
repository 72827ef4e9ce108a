//! A hash map in shards that are copied only when written while somebody still reads the old ones.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

/// Mixes small integers. Keys here are hashes of ids or interned codes, so no defence against chosen keys is needed beyond theirs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, x: u8) {
        self.write_u64(u64::from(x));
    }

    fn write_u32(&mut self, x: u32) {
        self.write_u64(u64::from(x));
    }

    fn write_u64(&mut self, x: u64) {
        let mixed = (self.0.rotate_left(23) ^ x).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn write_u128(&mut self, x: u128) {
        self.write_u64(x as u64);
        self.write_u64((x >> 64) as u64);
    }
}

pub(crate) type BuildMixer = BuildHasherDefault<Mixer>;

/// A plain map with the same hasher.
pub(crate) type FastMap<K, V> = HashMap<K, V, BuildMixer>;

/// A sharded copy-on-write map. Cloning costs one counter a shard; the first write to a shard after a clone copies that shard.
#[derive(Clone, Debug)]
pub(crate) struct CowMap<K, V> {
    shards: Vec<Arc<FastMap<K, V>>>,
    len: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> CowMap<K, V> {
    /// An empty map of so many shards (a power of two).
    pub(crate) fn new(shards: usize) -> Self {
        Self { shards: vec![Arc::default(); shards.max(1).next_power_of_two()], len: 0 }
    }

    fn shard(&self, key: &K) -> usize {
        (BuildMixer::default().hash_one(key) >> 40) as usize & (self.shards.len() - 1)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        if self.len == 0 { None } else { self.shards[self.shard(key)].get(key) }
    }

    /// Writes to the value, made by `default` if missing.
    pub(crate) fn entry(&mut self, key: K, default: impl FnOnce() -> V) -> &mut V {
        let shard = self.shard(&key);
        let len = &mut self.len;
        Arc::make_mut(&mut self.shards[shard]).entry(key).or_insert_with(|| {
            *len += 1;
            default()
        })
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        let shard = self.shard(&key);
        if Arc::make_mut(&mut self.shards[shard]).insert(key, value).is_none() {
            self.len += 1;
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let shard = self.shard(key);
        if !self.shards[shard].contains_key(key) {
            return None;
        }
        let removed = Arc::make_mut(&mut self.shards[shard]).remove(key);
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// Keeps what `keep` says; shards of which nothing goes are not copied.
    pub(crate) fn retain(&mut self, keep: impl Fn(&K, &V) -> bool) {
        for shard in &mut self.shards {
            if shard.iter().any(|(key, value)| !keep(key, value)) {
                Arc::make_mut(shard).retain(|key, value| keep(key, value));
            }
        }
        self.len = self.shards.iter().map(|shard| shard.len()).sum();
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.shards.len());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// Bytes that the tables hold, entries' own heap apart.
    pub(crate) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| table_bytes::<(K, V)>(shard.capacity())).sum()
    }
}

/// Bytes of a hash table that has room for so many entries: it is filled to seven eighths, with a byte beside each place.
pub(crate) fn table_bytes<E>(capacity: usize) -> usize {
    capacity * 8 / 7 * (size_of::<E>() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_does_not_see_later_writes() {
        let mut map = CowMap::new(4);
        for key in 0..100u32 {
            map.insert(key, key);
        }
        let frozen = map.clone();
        *map.entry(7, || 0) = 700;
        map.remove(&8);
        map.retain(|key, _| *key < 50);
        assert_eq!((frozen.get(&7), frozen.get(&8), frozen.len()), (Some(&7), Some(&8), 100));
        assert_eq!((map.get(&7), map.get(&8), map.len(), map.iter().count()), (Some(&700), None, 49, 49));
    }
}
