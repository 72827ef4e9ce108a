//! What the writer, the consumers and the log itself look at together, behind one short-held lock.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use feedback::Clock;

use crate::Topic;
use crate::config::EmbeddedConfig;
use crate::embedded::groups::Groups;
use crate::embedded::queue::Queue;
use crate::embedded::store::{Commit, Contents, Store};
use crate::embedded::tail::Tails;
use crate::metrics::StreamMetrics;
use std::sync::Arc;

/// One open log, as its threads see it.
pub(super) struct Shared {
    pub(super) config: EmbeddedConfig,
    pub(super) store: Store,
    pub(super) queue: Queue,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: StreamMetrics,
    state: Mutex<State>,
    changed: Condvar,
}

/// What changes. The lock is held for looking up, never for copying records or touching the disk.
pub(super) struct State {
    pub(super) tails: Tails,
    pub(super) groups: Groups,
    committed: HashMap<(Topic, String), Vec<Option<u64>>>,
}

impl Shared {
    /// The state of a log that was just opened.
    pub(super) fn new(
        config: &EmbeddedConfig,
        store: Store,
        contents: Contents,
        clock: Arc<dyn Clock>,
        metrics: StreamMetrics,
    ) -> Self {
        let max_poll_interval = Duration::from_millis(config.max_poll_interval_ms);
        let mut state = State {
            tails: Tails::new(contents.bounds, config.cache_bytes),
            groups: Groups::new(config.partitions, max_poll_interval),
            committed: HashMap::new(),
        };
        contents.commits.into_iter().for_each(|commit| state.commit(config.partitions, commit));
        let queue = Queue::new(config, metrics.clone());
        Self { config: config.clone(), store, queue, clock, metrics, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Looks.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state whole, so a poisoned one is as good as new.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits at most `wait` for a change.
    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>, wait: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Changes, and wakes everybody who waits for it.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

impl State {
    /// What a group has committed, of each partition.
    pub(super) fn committed(&self, topic: Topic, group: &str, partitions: u32) -> Vec<Option<u64>> {
        self.committed.get(&(topic, group.to_owned())).cloned().unwrap_or_else(|| vec![None; partitions as usize])
    }

    /// Notes a commit: what the next owner of the partition starts from.
    pub(super) fn commit(&mut self, partitions: u32, commit: Commit) {
        let offsets = self.committed.entry((commit.topic, commit.group)).or_insert_with(|| vec![None; partitions as usize]);
        if let Some(offset) = offsets.get_mut(commit.partition as usize) {
            *offset = Some(commit.next);
        }
    }
}
