//! What waits to be written: bounded in bytes, gathered for company, taken all at once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ack::Pending;
use crate::embedded::store::Commit;
use crate::error::{Result, StreamError};
use crate::metrics::StreamMetrics;
use crate::{Record, Topic};

/// What one record costs besides its bytes.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// Work for the writer.
pub(super) enum Work {
    /// Records of one append.
    Append {
        /// Where they go.
        topic: Topic,
        /// What goes there.
        records: Vec<Record>,
        /// Who waits for it.
        pending: Pending,
        /// When it was asked for.
        since: Instant,
    },
    /// An offset to note.
    Commit {
        /// The offset.
        commit: Commit,
        /// Who waits for it.
        pending: Pending,
    },
}

/// The queue between all appenders and the one writer.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Work came, or the end.
    filled: Condvar,
    /// Room came, or the end.
    drained: Condvar,
    limit_bytes: usize,
    batch_bytes: usize,
    linger: Duration,
    append_wait: Duration,
    metrics: StreamMetrics,
}

#[derive(Default)]
struct State {
    work: Vec<Work>,
    /// Bytes that wait here or are being written.
    bytes: usize,
    /// Bytes in `work`.
    waiting_bytes: usize,
    /// When the first of `work` came.
    oldest: Option<Instant>,
    closed: bool,
}

/// All that waited, and its size to give back when it is written.
pub(super) struct Taken {
    pub(super) work: Vec<Work>,
    pub(super) bytes: usize,
}

impl Queue {
    /// An empty queue.
    pub(super) fn new(config: &crate::EmbeddedConfig, metrics: StreamMetrics) -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
            limit_bytes: config.queue_bytes,
            batch_bytes: config.batch_bytes,
            linger: Duration::from_millis(config.linger_ms),
            append_wait: Duration::from_millis(config.queue_wait_ms),
            metrics,
        }
    }

    /// Adds records; waits, a bounded time, while they do not fit. An append larger than the queue fits an empty one.
    /// What is not taken is given back as the reason on its ack.
    pub(super) fn append(&self, topic: Topic, records: Vec<Record>, copies: usize, pending: Pending) {
        let size = |record: &Record| {
            let times = if record.target == crate::Target::EveryPartition { copies } else { 1 };
            (record.payload.len() + record.key.len() + RECORD_OVERHEAD_BYTES) * times
        };
        let bytes: usize = records.iter().map(size).sum();
        let since = Instant::now();
        match self.room_for(bytes, since) {
            Ok(mut state) => {
                state.bytes += bytes;
                state.waiting_bytes += bytes;
                state.oldest.get_or_insert(since);
                state.work.push(Work::Append { topic, records, pending, since });
                self.metrics.queued(bytes);
                self.filled.notify_one();
            }
            Err(error) => pending.fail(error),
        }
    }

    /// Adds a commit: a few bytes, at most one per consumer.
    pub(super) fn commit(&self, commit: Commit, pending: Pending) {
        let mut state = self.lock();
        if state.closed {
            return pending.fail(StreamError::Closed);
        }
        state.oldest.get_or_insert_with(Instant::now);
        state.work.push(Work::Commit { commit, pending });
        self.filled.notify_one();
    }

    fn room_for(&self, bytes: usize, since: Instant) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Err(StreamError::Closed);
            }
            if state.bytes == 0 || state.bytes + bytes <= self.limit_bytes {
                return Ok(state);
            }
            let left = self.append_wait.saturating_sub(since.elapsed());
            if left.is_zero() {
                let waited_ms = u64::try_from(self.append_wait.as_millis()).unwrap_or(u64::MAX);
                return Err(StreamError::Full { limit_bytes: self.limit_bytes, waited_ms });
            }
            state = self.drained.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits at most `wait` for work, then until it has company, and takes all of it. Empty: nothing came.
    /// `None`: the queue is closed and empty.
    pub(super) fn take(&self, wait: Duration) -> Option<Taken> {
        let started = Instant::now();
        let mut state = self.lock();
        loop {
            let gathered = state.closed || state.waiting_bytes >= self.batch_bytes;
            let left = match state.oldest {
                _ if gathered => Duration::ZERO,
                Some(oldest) => self.linger.saturating_sub(oldest.elapsed()),
                None => wait.saturating_sub(started.elapsed()),
            };
            if left.is_zero() {
                break;
            }
            state = self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed && state.work.is_empty() {
            return None;
        }
        state.oldest = None;
        Some(Taken { work: std::mem::take(&mut state.work), bytes: std::mem::take(&mut state.waiting_bytes) })
    }

    /// What was taken is written: its room is free.
    pub(super) fn written(&self, bytes: usize) {
        self.lock().bytes -= bytes;
        self.metrics.unqueued(bytes);
        self.drained.notify_all();
    }

    /// Refuses what comes; what is here is still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Sleeps, but not past the end. Whether the end has come.
    pub(super) fn closed_within(&self, wait: Duration) -> bool {
        let started = Instant::now();
        let mut state = self.lock();
        while !state.closed && started.elapsed() < wait {
            let left = wait.saturating_sub(started.elapsed());
            state = self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state whole, so a poisoned one is as good as new.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
