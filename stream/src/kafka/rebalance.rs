//! What the group decides, heard on librdkafka's callback and acted on in the poll loop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use crate::kafka::client::Watcher;

/// What the group decides, noted on the polling thread and acted on between two messages.
pub(super) struct Rebalances {
    watcher: Arc<Watcher>,
    changes: Mutex<Vec<Change>>,
    /// Nobody will ask any more: what is given is taken at once, because librdkafka waits for that before it closes.
    closing: AtomicBool,
}

/// A decision.
pub(super) enum Change {
    /// These are this member's.
    Given(Vec<u32>),
    /// These are no longer.
    Taken(Vec<u32>),
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watcher.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error {
            // Answered in the poll loop; no broker is in trouble.
            KafkaError::Global(Code::AutoOffsetReset) => {}
            error => self.watcher.error(error, reason),
        }
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = list.elements().iter().map(|element| element.partition().cast_unsigned()).collect();
        let change = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            // Every round must be answered before the next one: one that gives nothing, and one that comes too late to be
            // used, at once.
            if list.count() == 0 || self.closing.load(Ordering::Relaxed) {
                drop(consumer.incremental_assign(list));
            }
            Change::Given(partitions)
        } else {
            if let Err(error) = consumer.incremental_unassign(list) {
                self.watcher.trouble("partitions could not be given back", error);
            }
            Change::Taken(partitions)
        };
        self.lock().push(change);
    }
}

impl Rebalances {
    /// Nothing decided yet.
    pub(super) fn new(watcher: Arc<Watcher>) -> Self {
        Self { watcher, changes: Mutex::default(), closing: AtomicBool::new(false) }
    }

    /// What was decided since the last time, in order.
    pub(super) fn take(&self) -> Vec<Change> {
        std::mem::take(&mut *self.lock())
    }

    /// The consumer goes away.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
