//! Where each live report's row is, by its id: 13 bytes an entry. The row itself is what an id is compared with.

use feedback::IdKey;
use hashbrown::HashTable;

use crate::cow::table_bytes;
use crate::segment::Place;

/// The ids' places.
#[derive(Default)]
pub(crate) struct Index(HashTable<Entry>);

struct Entry {
    /// 32 bits of the id's key: of ten million ids, one look-up in 400 meets a second row.
    tag: u32,
    place: Place,
}

fn tag(key: IdKey) -> u32 {
    key.0 as u32
}

/// Spreads a tag over all bits: the table takes its group from the low ones and its marks from the high ones.
fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Index {
    pub(crate) fn with_capacity(reports: usize) -> Self {
        Self(HashTable::with_capacity(reports))
    }

    /// Where a report is; `id_at` tells which report a place holds.
    pub(crate) fn get(&self, key: IdKey, id_at: impl Fn(Place) -> Option<IdKey>) -> Option<Place> {
        let tag = tag(key);
        self.0.find(spread(tag), |entry| entry.tag == tag && id_at(entry.place) == Some(key)).map(|entry| entry.place)
    }

    /// Notes a report that is not there yet.
    pub(crate) fn insert(&mut self, key: IdKey, place: Place) {
        let tag = tag(key);
        self.0.insert_unique(spread(tag), Entry { tag, place }, |entry| spread(entry.tag));
    }

    /// Forgets the report at a place.
    pub(crate) fn remove(&mut self, key: IdKey, place: Place) {
        let tag = tag(key);
        if let Ok(entry) = self.0.find_entry(spread(tag), |entry| (entry.tag, entry.place) == (tag, place)) {
            entry.remove();
        }
    }

    /// Notes that a report has moved to a place that no report has.
    pub(crate) fn relocate(&mut self, key: IdKey, from: Place, to: Place) {
        let tag = tag(key);
        if let Some(entry) = self.0.find_mut(spread(tag), |entry| (entry.tag, entry.place) == (tag, from)) {
            entry.place = to;
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        table_bytes::<Entry>(self.0.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_equal_tags_are_told_apart_by_their_rows() {
        let ids: Vec<IdKey> = (0..1000u128).map(|number| IdKey((number << 64) | (number % 10))).collect();
        let id_at = |place: Place| ids.get(place.row as usize).copied();
        let place = |row: usize| Place { segment: 0, row: row as u32 };
        let mut index = Index::with_capacity(0);
        ids.iter().enumerate().for_each(|(row, id)| index.insert(*id, place(row)));
        index.remove(ids[7], place(7));
        index.relocate(ids[8], place(8), Place { segment: 1, row: 8 });
        assert_eq!(index.get(ids[7], id_at), None);
        assert_eq!(index.get(ids[8], id_at), Some(Place { segment: 1, row: 8 }));
        assert_eq!(index.get(ids[17], id_at), Some(place(17)));
        assert!(index.bytes() >= 1000 * size_of::<Entry>());
    }
}
