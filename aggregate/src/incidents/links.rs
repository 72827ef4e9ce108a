//! Who is told together: reports that the portal links, directly or over others.

use crate::cow::FastMap;
use crate::incidents::reports::{IndexKey, Number, Reports};

/// The portal's links. Few reports have one, so everything here is beside the reports.
#[derive(Default)]
pub(crate) struct Links {
    /// What a report repeats, by report.
    of: FastMap<Number, IndexKey>,
    /// Who repeats a report, by its key; the report itself need not be there.
    to: FastMap<IndexKey, Vec<Number>>,
    /// Those who are told together, by who speaks for them; only where there are several.
    together: FastMap<Number, Vec<Number>>,
}

impl Links {
    pub(crate) fn set(&mut self, number: Number, repeats: Option<IndexKey>) {
        if let Some(known) = self.of.remove(&number)
            && let Some(tellers) = self.to.get_mut(&known)
        {
            tellers.retain(|teller| *teller != number);
            if tellers.is_empty() {
                self.to.remove(&known);
            }
        }
        if let Some(key) = repeats {
            self.of.insert(number, key);
            self.to.entry(key).or_default().push(number);
        }
    }

    /// What a report repeats.
    pub(crate) fn of(&self, number: Number) -> Option<&IndexKey> {
        self.of.get(&number)
    }

    /// Those for whom one speaks; itself alone if nobody else.
    pub(crate) fn together<'a>(&'a self, speaker: &'a Number) -> &'a [Number] {
        self.together.get(speaker).map_or(std::slice::from_ref(speaker), Vec::as_slice)
    }

    /// Forgets that one speaks for others; returns them.
    pub(crate) fn part(&mut self, speaker: Number) -> Vec<Number> {
        self.together.remove(&speaker).unwrap_or_else(|| vec![speaker])
    }

    pub(crate) fn join(&mut self, speaker: Number, all: Vec<Number>) {
        if all.len() > 1 {
            self.together.insert(speaker, all);
        }
    }

    /// Visits the reports one link away, those that repeat the same one included. `keys` are those looked at before, so that a
    /// hundred that repeat one cost a hundred visits, not ten thousand.
    pub(crate) fn beside(
        &self,
        reports: &Reports,
        number: Number,
        keys: &mut FastMap<IndexKey, ()>,
        mut visit: impl FnMut(Number),
    ) {
        let own = &reports.all[number as usize].key;
        if !self.of.contains_key(&number) && !self.to.contains_key(own) {
            return;
        }
        for key in std::iter::once(own).chain(self.of.get(&number)) {
            if keys.insert(*key, ()).is_none() {
                let tellers = self.to.get(key).map_or(&[][..], Vec::as_slice);
                tellers.iter().chain(reports.by_key.get(key)).for_each(|other| visit(*other));
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let entry = size_of::<IndexKey>() + 3 * size_of::<Vec<Number>>();
        (self.of.capacity() + self.to.capacity() + self.together.capacity()) * entry
    }
}
