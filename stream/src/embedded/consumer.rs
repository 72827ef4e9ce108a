//! Reading: recent records from memory, older ones from the file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ack::Ack;
use crate::embedded::Handle;
use crate::embedded::shared::State;
use crate::embedded::store::Commit;
use crate::embedded::tail::Place;
use crate::error::{Result, StreamError};
use crate::throttle::Throttle;
use crate::{Consumer, Event, Fetched, Topic};

/// Longest sleep in a poll before groups are looked at again: a member that fell silent wakes nobody.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A reader of one topic, in a group or not.
pub(super) struct EmbeddedConsumer {
    log: Arc<Handle>,
    topic: Topic,
    member: Option<Member>,
    /// (partition, offset to read next) of what it reads.
    positions: Vec<(u32, u64)>,
    /// Which of them is served first, so that a busy one does not starve the others.
    turn: usize,
    complaint: Throttle,
}

struct Member {
    group: String,
    id: u64,
}

enum Found {
    Nothing,
    At(usize, Place),
}

impl EmbeddedConsumer {
    /// A member of a group.
    pub(super) fn member(log: Arc<Handle>, topic: Topic, group: &str) -> Self {
        let id = log.shared.lock().groups.join(topic, group, Instant::now());
        let member = Some(Member { group: group.to_owned(), id });
        Self { log, topic, member, positions: Vec::new(), turn: 0, complaint: Throttle::default() }
    }

    /// A reader of its own.
    pub(super) fn reader(log: Arc<Handle>, topic: Topic, from: &[(u32, u64)]) -> Result<Self> {
        let mut reader = Self { log, topic, member: None, positions: Vec::new(), turn: 0, complaint: Throttle::default() };
        for (partition, offset) in from {
            reader.check(&reader.log.shared.lock(), *partition, *offset)?;
            reader.positions.retain(|(known, _)| known != partition);
            reader.positions.push((*partition, *offset));
        }
        Ok(reader)
    }

    fn check(&self, state: &State, partition: u32, offset: u64) -> Result<()> {
        let partitions = self.log.shared.config.partitions;
        if partition >= partitions {
            return Err(StreamError::UnknownPartition { topic: self.topic, partition, partitions });
        }
        let end = state.tails.bounds_of(self.topic, partition).end;
        if offset > end {
            return Err(StreamError::BeyondEnd { topic: self.topic, partition, offset, end });
        }
        Ok(())
    }

    /// What the group has to say to this member.
    fn rebalance(&mut self, state: &mut State) -> Result<Option<Event>> {
        let Some(member) = &self.member else { return Ok(None) };
        let held: Vec<u32> = self.positions.iter().map(|(partition, _)| *partition).collect();
        let change = state.groups.poll(self.topic, &member.group, member.id, &held, Instant::now());
        if !change.revoked.is_empty() {
            self.positions.retain(|(partition, _)| !change.revoked.contains(partition));
            self.log.shared.metrics.revoked(change.revoked.len());
            return Ok(Some(Event::Revoked(change.revoked)));
        }
        if !change.assigned.is_empty() {
            let committed = state.committed(self.topic, &member.group, self.log.shared.config.partitions);
            for partition in &change.assigned {
                let offset = committed[*partition as usize].unwrap_or(0);
                self.check(state, *partition, offset)?;
                self.positions.push((*partition, offset));
            }
            self.log.shared.metrics.assigned(change.assigned.len());
            return Ok(Some(Event::Assigned(change.assigned)));
        }
        Ok(None)
    }

    fn find(&self, state: &State) -> Found {
        let count = self.positions.len();
        for index in (self.turn..self.turn + count).map(|index| index % count) {
            let (partition, offset) = self.positions[index];
            match state.tails.find(self.topic, partition, offset, self.log.shared.config.fetch_bytes) {
                Place::End => {}
                place => return Found::At(index, place),
            }
        }
        Found::Nothing
    }

    /// Copies what was found. `None`: the file has less than its bounds say, because retention was faster, or cannot be read now.
    fn fetch(&mut self, index: usize, place: Place) -> Result<Option<Fetched>> {
        let (partition, first) = self.positions[index];
        let mut fetched = Fetched { partition, first, next: first, ..Fetched::default() };
        match place {
            Place::End => {}
            Place::Memory(recent) => {
                let bytes = recent.iter().map(|recent| recent.block.payloads.len()).sum();
                let records = recent.iter().map(|recent| recent.block.ends.len()).sum();
                fetched.payloads.reserve_exact(bytes);
                fetched.ends.reserve_exact(records);
                fetched.offsets.reserve_exact(records);
                recent.iter().for_each(|recent| recent.copy_to(first, &mut fetched));
            }
            Place::File => {
                let shared = &self.log.shared;
                match shared.store.read(self.topic, partition, first, shared.config.fetch_bytes, &mut fetched) {
                    Err(error @ StreamError::Storage { .. }) => {
                        shared.metrics.storage_error();
                        if let Some(silent) = self.complaint.may_speak() {
                            tracing::warn!(%error, silent, "reading waits until the log can be read again");
                        }
                        return Ok(None);
                    }
                    read => read?,
                }
            }
        }
        if fetched.is_empty() {
            return Ok(None);
        }
        self.positions[index].1 = fetched.next;
        self.turn = index + 1;
        self.log.shared.metrics.fetched(self.topic, fetched.len(), fetched.payloads.len());
        Ok(Some(fetched))
    }
}

impl Consumer for EmbeddedConsumer {
    fn poll(&mut self, wait: Duration) -> Result<Event> {
        let started = Instant::now();
        let log = self.log.clone();
        loop {
            let mut state = log.shared.lock();
            if let Some(event) = self.rebalance(&mut state)? {
                drop(state);
                // Others wait for what this member let go.
                log.shared.change(|_| ());
                return Ok(event);
            }
            if let Found::At(index, place) = self.find(&state) {
                drop(state);
                if let Some(fetched) = self.fetch(index, place)? {
                    return Ok(Event::Fetched(fetched));
                }
                state = log.shared.lock();
            }
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(Event::Idle);
            }
            drop(log.shared.wait(state, left.min(LOOK_EVERY)));
        }
    }

    fn commit(&mut self, partition: u32, next: u64) -> Result<Ack> {
        let Some(member) = &self.member else { return Err(StreamError::NoGroup { topic: self.topic }) };
        let shared = &self.log.shared;
        let mut state = shared.lock();
        if !state.groups.owns(self.topic, &member.group, member.id, partition) {
            let revoked = Err(StreamError::Revoked { topic: self.topic, partition });
            shared.metrics.committed(&revoked);
            return revoked.map(|()| Ack::resolved());
        }
        let commit = Commit { topic: self.topic, group: member.group.clone(), partition, next };
        state.commit(shared.config.partitions, commit.clone());
        // Under the same lock, so that commits of one partition are written in the order in which its owners made them.
        let (ack, pending) = Ack::pending(1);
        shared.queue.commit(commit, pending);
        Ok(ack)
    }

    fn seek(&mut self, partition: u32, offset: u64) -> Result<()> {
        let Some(index) = self.positions.iter().position(|(known, _)| *known == partition) else {
            return Err(StreamError::Revoked { topic: self.topic, partition });
        };
        self.check(&self.log.shared.lock(), partition, offset)?;
        self.positions[index].1 = offset;
        Ok(())
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        if let Some(member) = &self.member {
            self.log.shared.change(|state| state.groups.leave(self.topic, &member.group, member.id));
        }
    }
}
