//! The loop of one worker: poll, enrich, append, and commit the raw offsets only after the log has the output.
//!
//! A crash at any point means that the next owner of the partition reads again from the commit and writes the same rows
//! again; `aggregate` skips what it has applied. The output of a stretch that the log refused is written again too, from the
//! same offset, before anything later: the stretches in `feedback.enriched` leave no gap that is not filled.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use feedback::Clock;
use stream::{Ack, Consumer, Event, Fetched, Producer, Record, StreamError, Target, Topic};
use tracing::warn;

use crate::enricher::{Enriched, Enricher};
use crate::error::EnrichError;
use crate::metrics::EnrichMetrics;

/// The consumer group of all workers of a city.
pub const GROUP: &str = "enrich";

/// Most batches written and not yet acknowledged; the bound on memory and on what a crash makes a worker redo.
const MAX_IN_FLIGHT: usize = 8;
/// How long a poll waits: what an idle worker takes to notice a stop.
const POLL_WAIT: Duration = Duration::from_millis(100);
/// The shortest time between two commits of a partition: commits cost a round trip each.
const COMMIT_INTERVAL: Duration = Duration::from_millis(200);
/// How long a stopping worker waits for its last output to be acknowledged.
const DRAIN_WAIT: Duration = Duration::from_secs(10);
/// How long a worker rests after the log refused its output.
const REFUSED_WAIT: Duration = Duration::from_millis(500);

/// One worker, on one thread.
pub struct Worker {
    consumer: Box<dyn Consumer>,
    producer: Arc<dyn Producer>,
    enricher: Enricher,
    clock: Arc<dyn Clock>,
    metrics: EnrichMetrics,
    in_flight: VecDeque<InFlight>,
    /// What is acknowledged and not yet committed: partition and offset, in no order, at most one entry a partition.
    to_commit: Vec<(u32, u64)>,
    /// Commits that the log has yet to make durable, at most one a partition: reading goes on meanwhile.
    committing: Vec<(u32, Ack)>,
    committed_at: Instant,
}

/// Output that waits for its acknowledgement.
struct InFlight {
    partition: u32,
    /// Where to read again if the log refuses it.
    first: u64,
    next: u64,
    acks: Vec<Ack>,
}

impl Worker {
    /// A worker that reads with `consumer`, a member of [`GROUP`] on [`Topic::Raw`].
    pub fn new(
        consumer: Box<dyn Consumer>,
        producer: Arc<dyn Producer>,
        enricher: Enricher,
        clock: Arc<dyn Clock>,
        metrics: EnrichMetrics,
    ) -> Self {
        Self {
            consumer,
            producer,
            enricher,
            clock,
            metrics,
            in_flight: VecDeque::with_capacity(MAX_IN_FLIGHT),
            to_commit: Vec::new(),
            committing: Vec::new(),
            committed_at: Instant::now(),
        }
    }

    /// Works until `stop` is set, then commits what the log has acknowledged.
    pub fn run(mut self, stop: &AtomicBool) -> Result<(), EnrichError> {
        while !stop.load(Ordering::Relaxed) {
            let wait = if self.in_flight.is_empty() && self.to_commit.is_empty() { POLL_WAIT } else { COMMIT_INTERVAL / 20 };
            match self.consumer.poll(wait)? {
                Event::Fetched(fetched) => self.work(&fetched)?,
                Event::Revoked(partitions) => self.forget(&partitions),
                Event::Assigned(_) | Event::Idle => {}
            }
            self.settle(Duration::ZERO)?;
            self.commit(COMMIT_INTERVAL)?;
        }
        let deadline = Instant::now() + DRAIN_WAIT;
        while !self.in_flight.is_empty() && Instant::now() < deadline {
            self.settle(deadline.saturating_duration_since(Instant::now()))?;
        }
        self.commit(Duration::ZERO)?;
        for (partition, ack) in std::mem::take(&mut self.committing) {
            check_commit(partition, ack.wait(deadline.saturating_duration_since(Instant::now())))?;
        }
        Ok(())
    }

    fn work(&mut self, fetched: &Fetched) -> Result<(), EnrichError> {
        while self.in_flight.len() >= MAX_IN_FLIGHT {
            // A log that is away acknowledges nothing: wait for it here, and the queue in front of this worker fills up.
            let refused = self.settle(POLL_WAIT)?;
            if refused.contains(&fetched.partition) {
                // This batch lies behind output that will be written again: it will be read again too.
                return Ok(());
            }
        }
        let enriched = self.enricher.enrich(fetched, self.clock.now())?;
        let acks = self.append(fetched.partition, enriched);
        self.in_flight.push_back(InFlight { partition: fetched.partition, first: fetched.first, next: fetched.next, acks });
        Ok(())
    }

    fn append(&self, partition: u32, enriched: Enriched) -> Vec<Ack> {
        let to = |payload| Record { target: Target::Partition(partition), key: Vec::new(), payload };
        let mut acks = Vec::with_capacity(2);
        if !enriched.dead.is_empty() {
            acks.push(self.producer.append(Topic::Dead, enriched.dead.iter().map(|letter| to(letter.to_json())).collect()));
        }
        acks.push(self.producer.append(Topic::Enriched, enriched.payloads.into_iter().map(to).collect()));
        acks
    }

    /// Takes the acknowledgements that are there, in order, waiting at most `wait` for the first. Returns the partitions whose
    /// output was refused and that were moved back to where it began.
    fn settle(&mut self, wait: Duration) -> Result<Vec<u32>, EnrichError> {
        let mut refused = Vec::new();
        let mut wait = wait;
        while let Some(front) = self.in_flight.front() {
            match settled(&front.acks, wait) {
                None => break,
                Some(Ok(())) => {
                    let (partition, next) = (front.partition, front.next);
                    match self.to_commit.iter_mut().find(|(known, _)| *known == partition) {
                        Some(entry) => entry.1 = next,
                        None => self.to_commit.push((partition, next)),
                    }
                    self.in_flight.pop_front();
                }
                Some(Err(error)) => {
                    let (partition, first) = (front.partition, front.first);
                    warn!(partition, offset = first, %error, "the log refused enriched rows; reading them again");
                    self.metrics.rewound();
                    self.in_flight.retain(|output| output.partition != partition);
                    self.rewind(partition, first)?;
                    refused.push(partition);
                    std::thread::sleep(REFUSED_WAIT);
                }
            }
            wait = Duration::ZERO;
        }
        Ok(refused)
    }

    fn rewind(&mut self, partition: u32, offset: u64) -> Result<(), EnrichError> {
        match self.consumer.seek(partition, offset) {
            Ok(()) | Err(StreamError::Revoked { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Commits what is acknowledged, if it is time and no earlier commit is still under way.
    fn commit(&mut self, interval: Duration) -> Result<(), EnrichError> {
        if self.to_commit.is_empty() || self.committed_at.elapsed() < interval {
            return Ok(());
        }
        for (partition, ack) in self.committing.extract_if(.., |(_, ack)| ack.is_settled()) {
            check_commit(partition, ack.wait(Duration::ZERO))?;
        }
        if !self.committing.is_empty() && !interval.is_zero() {
            return Ok(());
        }
        self.committed_at = Instant::now();
        for (partition, next) in std::mem::take(&mut self.to_commit) {
            match self.consumer.commit(partition, next) {
                Ok(ack) => self.committing.push((partition, ack)),
                Err(StreamError::Revoked { .. }) => self.forget(&[partition]),
                Err(error) => check_commit(partition, Err(error))?,
            }
        }
        Ok(())
    }

    /// Partitions that are somebody else's now: their output is in the log or not, but its commit is not ours to make.
    fn forget(&mut self, partitions: &[u32]) {
        self.in_flight.retain(|output| !partitions.contains(&output.partition));
        self.to_commit.retain(|(partition, _)| !partitions.contains(partition));
    }
}

/// Passes over a commit that failed for now. Not committed is not lost: the next commit covers it, or the next owner does the work
/// again.
fn check_commit(partition: u32, committed: Result<(), StreamError>) -> Result<(), StreamError> {
    match committed {
        Err(error) if error.is_retriable() => warn!(partition, %error, "commit failed; the next one covers it"),
        committed => committed?,
    }
    Ok(())
}

/// The common answer of all acks: `None` while one is missing after `wait`, else the first failure if there is one.
fn settled(acks: &[Ack], wait: Duration) -> Option<Result<(), StreamError>> {
    for ack in acks {
        match ack.wait(wait) {
            Ok(()) => {}
            Err(StreamError::Timeout { .. }) => return None,
            Err(error) => return Some(Err(error)),
        }
    }
    Some(Ok(()))
}
