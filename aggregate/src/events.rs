//! What happened to reports: a slab of status events of 32 bytes, chained per report, copied block by block when written.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use crate::dictionary::{MAX_WORDS, NULL};

/// The end of a chain.
pub(crate) const NO_EVENT: u32 = u32::MAX;

/// Events a block holds: 2 KiB, which are copied whenever one of them changes that a snapshot still reads.
pub(crate) const BLOCK_EVENTS: usize = 64;

/// Blocks that a checkpoint writes as one file.
pub(crate) const GROUP_BLOCKS: usize = 256;

/// Most events kept of one report: real ones have a handful, and walking the chain must stay cheap.
pub(crate) const MAX_EVENTS_PER_REPORT: usize = 1000;

/// Reasons remembered for sharing equal texts; the memory is emptied when full.
const MAX_SHARED_REASONS: usize = 32 << 10;

/// Something that happened to a report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) at: i64,
    pub(crate) received_at: i64,
    pub(crate) reason: Option<Reason>,
    said: Said,
    /// The next of the same report, or the next free slot.
    next: u32,
}

// A city has two or three of them a report.
const _: () = assert!(size_of::<Event>() == 32);

impl Event {
    /// Not yet in a chain. `agency` is a code of the agencies' dictionary.
    pub(crate) fn new(at: i64, received_at: i64, status: u8, reason: Option<Reason>, agency: u32) -> Self {
        Self { at, received_at, reason, said: Said::new(agency, status), next: NO_EVENT }
    }

    /// Continues with the event at a place.
    pub(crate) fn with_next(self, next: u32) -> Self {
        Self { next, ..self }
    }

    pub(crate) fn next(&self) -> u32 {
        self.next
    }

    pub(crate) fn status(&self) -> u8 {
        self.said.0 as u8
    }

    /// Code in the agencies' dictionary.
    pub(crate) fn agency(&self) -> u32 {
        match self.said.0 >> 8 {
            Said::NO_AGENCY => NULL,
            code => code,
        }
    }
}

/// An agency's code in the upper 24 bits, a status in the lower 8.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Said(u32);

// Codes of a dictionary go up to its limit.
const _: () = assert!(MAX_WORDS < Said::NO_AGENCY as usize);

impl Said {
    const NO_AGENCY: u32 = (1 << 24) - 1;

    fn new(agency: u32, status: u8) -> Self {
        Self(agency.min(Self::NO_AGENCY) << 8 | u32::from(status))
    }
}

/// Why, in the agency's words; equal ones share their text. Behind one pointer of 8 bytes, where `Arc<str>` would take 16.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reason(Arc<Text>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Text(Box<str>);

impl Reason {
    /// Where its text is: stands for the text for as long as somebody holds it.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self(Arc::new(Text(text.into())))
    }
}

impl Deref for Reason {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.0
    }
}

impl AsRef<str> for Reason {
    fn as_ref(&self) -> &str {
        self
    }
}

/// All events, of reports that are here and of those that are still to come.
#[derive(Clone, Debug)]
pub(crate) struct EventStore {
    pub(crate) blocks: Vec<Arc<Vec<Event>>>,
    /// Counts changes of each [`GROUP_BLOCKS`] blocks: what a checkpoint has to write again.
    pub(crate) versions: Vec<u64>,
    pub(crate) free: u32,
    pub(crate) live: usize,
    pub(crate) reason_bytes: usize,
}

impl Default for EventStore {
    fn default() -> Self {
        Self { blocks: Vec::new(), versions: Vec::new(), free: NO_EVENT, live: 0, reason_bytes: 0 }
    }
}

/// What adding an event came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is new.
    New,
    /// It was known; at most its arrival or agency was settled.
    Known,
    /// The report has as many as are kept.
    TooMany,
}

impl EventStore {
    fn get(&self, at: u32) -> Option<&Event> {
        self.blocks.get(at as usize / BLOCK_EVENTS)?.get(at as usize % BLOCK_EVENTS)
    }

    fn get_mut(&mut self, at: u32) -> Option<&mut Event> {
        *self.versions.get_mut(at as usize / BLOCK_EVENTS / GROUP_BLOCKS)? += 1;
        Arc::make_mut(self.blocks.get_mut(at as usize / BLOCK_EVENTS)?).get_mut(at as usize % BLOCK_EVENTS)
    }

    /// The events of a report.
    pub(crate) fn chain(&self, head: u32) -> impl Iterator<Item = &Event> + '_ {
        std::iter::successors(self.get(head), |event| self.get(event.next))
    }

    /// Adds an event to the chain at `head`. Equal (at, status, reason) is the same event: of its arrivals the earliest is kept,
    /// of equal arrivals the agency that comes first in `agency_order`, so that the order of arrival cannot matter.
    pub(crate) fn add(&mut self, head: &mut u32, event: Event, agency_order: impl Fn(u32, u32) -> std::cmp::Ordering) -> Added {
        let (mut at, mut length) = (*head, 0);
        while let Some(known) = self.get(at) {
            if (known.at, known.status(), &known.reason) == (event.at, event.status(), &event.reason) {
                let order =
                    event.received_at.cmp(&known.received_at).then_with(|| agency_order(event.agency(), known.agency()));
                if order.is_lt()
                    && let Some(known) = self.get_mut(at)
                {
                    (known.received_at, known.said) = (event.received_at, event.said);
                }
                return Added::Known;
            }
            (at, length) = (known.next, length + 1);
        }
        if length >= MAX_EVENTS_PER_REPORT {
            return Added::TooMany;
        }
        *head = self.push(event.with_next(*head));
        Added::New
    }

    fn push(&mut self, event: Event) -> u32 {
        self.live += 1;
        self.reason_bytes += event.reason.as_ref().map_or(0, |reason| reason.len());
        if let Some(slot) = self.get_mut_free() {
            let (at, next_free) = slot;
            self.free = next_free;
            if let Some(place) = self.get_mut(at) {
                *place = event;
            }
            return at;
        }
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK_EVENTS) {
            self.blocks.push(Arc::new(Vec::with_capacity(BLOCK_EVENTS)));
        }
        let blocks = self.blocks.len();
        self.versions.resize(blocks.div_ceil(GROUP_BLOCKS), 0);
        self.versions[(blocks - 1) / GROUP_BLOCKS] += 1;
        let block = Arc::make_mut(&mut self.blocks[blocks - 1]);
        // A copy of a block has no room to spare: make it once, not at every push.
        block.reserve_exact(BLOCK_EVENTS - block.len());
        block.push(event);
        ((blocks - 1) * BLOCK_EVENTS + block.len() - 1) as u32
    }

    fn get_mut_free(&self) -> Option<(u32, u32)> {
        self.get(self.free).map(|slot| (self.free, slot.next))
    }

    /// Takes the events out of a chain for which `keep` says no. Returns the new head.
    pub(crate) fn retain(&mut self, head: u32, keep: impl Fn(&Event) -> bool) -> u32 {
        let places: Vec<(u32, bool)> =
            std::iter::successors(self.get(head).map(|e| (head, e)), |(_, e)| self.get(e.next).map(|next| (e.next, next)))
                .map(|(at, event)| (at, keep(event)))
                .collect();
        if places.iter().all(|(_, kept)| *kept) {
            return head;
        }
        let mut new_head = NO_EVENT;
        for (at, kept) in places.into_iter().rev() {
            if kept {
                if let Some(event) = self.get_mut(at) {
                    event.next = new_head;
                }
                new_head = at;
            } else {
                self.release(at);
            }
        }
        new_head
    }

    /// Frees a whole chain.
    pub(crate) fn free_chain(&mut self, head: u32) {
        self.retain(head, |_| false);
    }

    fn release(&mut self, at: u32) {
        let free = self.free;
        if let Some(event) = self.get_mut(at) {
            let reason = event.reason.take();
            event.next = free;
            self.free = at;
            self.live -= 1;
            self.reason_bytes -= reason.map_or(0, |reason| reason.len());
        }
    }

    /// Settles the counts after a restore, given where free slots begin and the heads of all chains. `None` if a chain runs in a circle,
    /// meets another, or slots are neither used nor free.
    pub(crate) fn recount(&mut self, free: u32, heads: impl Iterator<Item = u32>) -> Option<()> {
        let slots = self.blocks.iter().map(|block| block.len()).sum::<usize>();
        let whole = self.blocks.split_last().is_none_or(|(_, before)| before.iter().all(|block| block.len() == BLOCK_EVENTS));
        let mut seen = vec![false; slots];
        let mut visit = |head: u32| -> Option<(usize, usize)> {
            let (mut at, mut events, mut bytes) = (head, 0, 0);
            while at != NO_EVENT {
                if std::mem::replace(seen.get_mut(at as usize)?, true) {
                    return None;
                }
                let event = self.get(at)?;
                (events, bytes) = (events + 1, bytes + event.reason.as_ref().map_or(0, |reason| reason.len()));
                at = event.next;
            }
            Some((events, bytes))
        };
        let (mut live, mut reason_bytes) = (0, 0);
        for head in heads {
            let (events, bytes) = visit(head)?;
            (live, reason_bytes) = (live + events, reason_bytes + bytes);
        }
        let (unused, _) = visit(free)?;
        if !whole || live + unused != slots {
            return None;
        }
        (self.free, self.live, self.reason_bytes) = (free, live, reason_bytes);
        Some(())
    }

    /// The blocks of a group.
    pub(crate) fn group(&self, group: u64) -> impl Iterator<Item = &[Event]> + '_ {
        self.blocks.chunks(GROUP_BLOCKS).nth(group as usize).unwrap_or_default().iter().map(|block| block.as_slice())
    }

    /// Bytes held; texts that are shared are counted once for each use.
    pub(crate) fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK_EVENTS * size_of::<Event>() + self.reason_bytes
    }
}

/// Shares equal reasons: cities say the same few sentences.
#[derive(Default)]
pub(crate) struct Reasons(HashMap<u64, Weak<Text>>);

impl Reasons {
    pub(crate) fn share(&mut self, reason: &str) -> Reason {
        let hash = xxhash_rust::xxh3::xxh3_64(reason.as_bytes());
        match self.0.get(&hash).and_then(Weak::upgrade).map(Reason) {
            Some(known) if *known == *reason => known,
            _ => {
                if self.0.len() >= MAX_SHARED_REASONS {
                    self.0.clear();
                }
                let shared = Reason::from(reason);
                self.0.insert(hash, Arc::downgrade(&shared.0));
                shared
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: i64, received_at: i64) -> Event {
        Event::new(at, received_at, 3, Some("done".into()), 0)
    }

    #[test]
    fn status_and_agency_share_four_bytes() {
        for (agency, status) in [(0, 0), (7, u8::MAX), (MAX_WORDS as u32, 3), (NULL, 0)] {
            let event = Event::new(0, 0, status, None, agency);
            assert_eq!((event.agency(), event.status()), (agency, status));
        }
    }

    #[test]
    fn a_set_per_report_with_slots_used_again() {
        let (mut store, mut head) = (EventStore::default(), NO_EVENT);
        let order = |a: u32, b: u32| a.cmp(&b);
        assert_eq!(store.add(&mut head, event(1, 9), order), Added::New);
        assert_eq!(store.add(&mut head, event(2, 9), order), Added::New);
        assert_eq!(store.add(&mut head, event(1, 5), order), Added::Known);
        let frozen = store.clone();
        head = store.retain(head, |event| event.at == 1);
        assert_eq!(store.chain(head).map(|e| (e.at, e.received_at)).collect::<Vec<_>>(), [(1, 5)]);
        assert_eq!(store.add(&mut head, event(3, 9), order), Added::New);
        assert_eq!((store.live, store.blocks[0].len(), frozen.live), (2, 2, 2));
        store.free_chain(head);
        assert_eq!((store.live, store.reason_bytes), (0, 0));
    }

    #[test]
    fn a_report_keeps_a_bounded_number() {
        let (mut store, mut head) = (EventStore::default(), NO_EVENT);
        for at in 0..MAX_EVENTS_PER_REPORT as i64 {
            store.add(&mut head, event(at, 0), |a, b| a.cmp(&b));
        }
        assert_eq!(store.add(&mut head, event(-1, 0), |a, b| a.cmp(&b)), Added::TooMany);
        assert_eq!(store.live, MAX_EVENTS_PER_REPORT);
    }
}
