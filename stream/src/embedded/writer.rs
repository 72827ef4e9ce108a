//! The one thread that writes: gathers, packs, commits, publishes, acknowledges, and lets old records go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feedback::Timestamp;

use crate::ack::Pending;
use crate::embedded::block::Block;
use crate::embedded::queue::{Taken, Work};
use crate::embedded::shared::Shared;
use crate::embedded::store::{Batch, Commit, NewBlock};
use crate::embedded::tail::Recent;
use crate::error::StreamError;
use crate::throttle::Throttle;
use crate::{Record, Target, Topic, partition_of};

/// How often retention is looked after.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);
/// First and longest pause after a write that failed.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Writes until the queue is closed and empty.
pub(super) fn run(shared: &Shared) {
    let mut expired_at = Instant::now();
    let mut complaint = Throttle::default();
    while let Some(taken) = shared.queue.take(EXPIRE_EVERY) {
        if !taken.work.is_empty() {
            write(shared, taken, &mut complaint);
        }
        if expired_at.elapsed() >= EXPIRE_EVERY {
            expire(shared, &mut complaint);
            expired_at = Instant::now();
        }
    }
}

/// One group commit: everything that was taken, in one transaction, tried until it succeeds or the log is closed.
fn write(shared: &Shared, taken: Taken, complaint: &mut Throttle) {
    let mut group = Group::default();
    for work in taken.work {
        match work {
            Work::Append { topic, records, pending, since } => {
                group.add(topic, &records, shared.config.partitions);
                group.appends.push(Waiting { topic, records: records.len(), pending, since });
            }
            Work::Commit { commit, pending } => group.commits.push((commit, pending)),
        }
    }
    let batch = group.batch(shared, shared.clock.now());
    let outcome = write_until_done(shared, &batch, complaint);
    match outcome {
        Ok(()) => group.publish(shared),
        Err(error) => group.fail(&error),
    }
    shared.queue.written(taken.bytes);
}

fn write_until_done(shared: &Shared, batch: &Batch, complaint: &mut Throttle) -> Result<(), StreamError> {
    let mut pause = RETRY_MIN;
    let mut written = shared.store.write(batch);
    while let Err(error) = written {
        shared.metrics.storage_error();
        if let Some(silent) = complaint.may_speak() {
            tracing::error!(%error, silent, "appends wait until the log can be written again");
        }
        if shared.queue.closed_within(pause) {
            return Err(error);
        }
        pause = (pause * 2).min(RETRY_MAX);
        written = shared.store.reopen().and_then(|()| shared.store.write(batch));
    }
    Ok(())
}

fn expire(shared: &Shared, complaint: &mut Throttle) {
    match shared.store.expire(&shared.config, shared.clock.now()) {
        Ok(expired) => {
            for gone in expired {
                shared.metrics.expired(gone.topic, gone.records);
                shared.change(|state| state.tails.expire(gone.topic, gone.partition, gone.oldest));
            }
        }
        Err(error) => {
            shared.metrics.storage_error();
            if let Some(silent) = complaint.may_speak() {
                tracing::error!(%error, silent, "old records stay until the log can be written again");
            }
            if let Err(error) = shared.store.reopen() {
                tracing::debug!(%error, "opening the log again");
            }
        }
    }
}

/// What one transaction will hold, and who waits for it.
#[derive(Default)]
struct Group {
    blocks: BTreeMap<(Topic, u32), Vec<Block>>,
    packed: Vec<(Topic, u32, Recent)>,
    appends: Vec<Waiting>,
    commits: Vec<(Commit, Pending)>,
}

struct Waiting {
    topic: Topic,
    records: usize,
    pending: Pending,
    since: Instant,
}

impl Group {
    fn add(&mut self, topic: Topic, records: &[Record], partitions: u32) {
        for record in records {
            match record.target {
                Target::ByKey => self.push(topic, partition_of(&record.key, partitions), &record.payload),
                Target::Partition(partition) => self.push(topic, partition, &record.payload),
                Target::EveryPartition => (0..partitions).for_each(|partition| self.push(topic, partition, &record.payload)),
            }
        }
    }

    fn push(&mut self, topic: Topic, partition: u32, payload: &[u8]) {
        let blocks = self.blocks.entry((topic, partition)).or_default();
        match blocks.last_mut() {
            Some(block) if block.has_room_for(payload.len()) => block.push(payload),
            _ => {
                let mut block = Block::default();
                block.push(payload);
                blocks.push(block);
            }
        }
    }

    /// Gives every block its offsets and packs it. This thread alone gives offsets, so the next ones are known.
    fn batch(&mut self, shared: &Shared, now: Timestamp) -> Batch {
        let mut batch = Batch::default();
        for ((topic, partition), blocks) in std::mem::take(&mut self.blocks) {
            let mut base = shared.lock().tails.bounds_of(topic, partition).end;
            for block in blocks {
                let offsets = base..base + block.ends.len() as u64;
                base = offsets.end;
                batch.blocks.push(NewBlock { topic, partition, offsets: offsets.clone(), value: block.encode(now) });
                self.packed.push((topic, partition, Recent { offsets, block: Arc::new(block.trimmed()) }));
            }
        }
        batch.commits = self.commits.iter().map(|(commit, _)| commit.clone()).collect();
        batch
    }

    /// It is durable: shows it to consumers, then tells those who wait.
    fn publish(self, shared: &Shared) {
        for (topic, _, recent) in &self.packed {
            shared.metrics.appended(*topic, recent.block.ends.len(), recent.block.payloads.len());
        }
        shared.change(|state| {
            for (topic, partition, recent) in self.packed {
                state.tails.publish(topic, partition, recent);
            }
        });
        for waiting in self.appends {
            tracing::trace!(topic = %waiting.topic, records = waiting.records, "appended");
            shared.metrics.append_took(waiting.since.elapsed());
            waiting.pending.done(1);
        }
        for (_, pending) in self.commits {
            shared.metrics.committed(&Ok(()));
            pending.done(1);
        }
    }

    /// The log is closed and it is not durable.
    fn fail(self, error: &StreamError) {
        let pendings = self.appends.into_iter().map(|waiting| waiting.pending).chain(self.commits.into_iter().map(|(_, p)| p));
        pendings.for_each(|pending| pending.fail(error.clone()));
    }
}
