//! Reading from Kafka, on the caller's thread: messages of a tight poll loop go straight into one buffer per partition.
//!
//! librdkafka never chooses an offset here. It is told where to start, and an offset that does not exist comes back as an
//! error: then reading continues at the oldest record when retention took the rest, and stops when the log was replaced.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::ack::Ack;
use crate::config::KafkaConfig;
use crate::error::{Result, StreamError};
use crate::kafka::assignment::Assignment;
use crate::kafka::client::{self, Watcher};
use crate::kafka::rebalance::{Change, Rebalances};
use crate::kafka::topics;
use crate::metrics::StreamMetrics;
use crate::{Consumer, Event, Topic};

/// Bounds of one question to the brokers, whatever the caller's wait: shorter never succeeds, longer is no poll.
const ASK_MIN: Duration = Duration::from_secs(1);
const ASK_MAX: Duration = Duration::from_secs(5);
/// Longest sleep in a poll while nothing is held up.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// First and longest pause between tries.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// How often an offset behind the end is asked for again before it is believed: a broker that recovers may be short for a while.
const BEYOND_TRIES: u32 = 5;
const BEYOND_PAUSE: Duration = Duration::from_secs(1);

/// A reader of one topic, in a group or not.
pub(super) struct KafkaConsumer {
    consumer: BaseConsumer<Rebalances>,
    watcher: Arc<Watcher>,
    topic: Topic,
    name: String,
    in_group: bool,
    fetch_bytes: usize,
    commit_timeout: Duration,
    assignment: Assignment,
    /// Given by the group, not read yet: where it left off must be asked first.
    given: Vec<u32>,
    /// Told to be revoked because a commit was refused, but the group has not taken them: to be started anew.
    refused: Vec<u32>,
    /// Told to the caller first.
    events: VecDeque<Event>,
    /// The brokers do not have an offset that was asked for, and do not say of which partition: to be looked at.
    astray: Vec<u32>,
    beyond_tries: u32,
}

impl KafkaConsumer {
    /// A member of a group.
    pub(super) fn member(config: &KafkaConfig, metrics: &Arc<StreamMetrics>, topic: Topic, group: &str) -> Result<Self> {
        let consumer = Self::new(config, metrics, topic, group, true)?;
        let subscribed = consumer.consumer.subscribe(&[&consumer.name]);
        subscribed.map_err(|error| StreamError::Broker { what: "join the group", problem: error.to_string() })?;
        Ok(consumer)
    }

    /// A reader of its own.
    pub(super) fn reader(
        config: &KafkaConfig,
        metrics: &Arc<StreamMetrics>,
        topic: Topic,
        from: &[(u32, u64)],
    ) -> Result<Self> {
        // librdkafka wants a name even where no group is joined.
        let mut reader = Self::new(config, metrics, topic, "reader", false)?;
        for (partition, offset) in from {
            if *partition >= config.partitions {
                return Err(StreamError::UnknownPartition { topic, partition: *partition, partitions: config.partitions });
            }
            reader.assignment.start(*partition, *offset);
        }
        let assigned = reader.list(reader.assignment.positions()).and_then(|list| reader.consumer.assign(&list));
        assigned.map_err(|error| StreamError::Broker { what: "assign partitions", problem: error.to_string() })?;
        Ok(reader)
    }

    fn new(config: &KafkaConfig, metrics: &Arc<StreamMetrics>, topic: Topic, group: &str, in_group: bool) -> Result<Self> {
        let watcher = Arc::new(Watcher::new(metrics.clone()));
        let mut settings = client::base(config)?;
        settings.set("group.id", client::group_id(config, topic, group));
        settings.set("enable.auto.commit", "false");
        settings.set("enable.auto.offset.store", "false");
        settings.set("auto.offset.reset", "error");
        settings.set("partition.assignment.strategy", "cooperative-sticky");
        settings.set("queued.max.messages.kbytes", (config.prefetch_bytes >> 10).to_string());
        // A worker that was killed is replaced after this long.
        client::default(&mut settings, config, "session.timeout.ms", 15_000);
        // What is full empties within milliseconds, so a second's pause (the default) would only starve the consumer.
        client::default(&mut settings, config, "fetch.queue.backoff.ms", 20);
        client::default(&mut settings, config, "fetch.error.backoff.ms", 200);
        // Questions about offsets queue behind a waiting fetch.
        client::default(&mut settings, config, "fetch.wait.max.ms", 100);
        let context = Rebalances::new(watcher.clone());
        let consumer = BaseConsumer::from_config_and_context(&settings, context).map_err(client::creation_error)?;
        Ok(Self {
            consumer,
            watcher,
            topic,
            name: topics::name(config, topic),
            in_group,
            fetch_bytes: config.fetch_bytes,
            commit_timeout: Duration::from_millis(config.commit_timeout_ms),
            assignment: Assignment::default(),
            given: Vec::new(),
            refused: Vec::new(),
            events: VecDeque::new(),
            astray: Vec::new(),
            beyond_tries: 0,
        })
    }

    fn list(&self, positions: impl IntoIterator<Item = (u32, u64)>) -> rdkafka::error::KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in positions {
            list.add_partition_offset(&self.name, partition.cast_signed(), Offset::Offset(offset.cast_signed()))?;
        }
        Ok(list)
    }

    /// Takes messages that are there, waiting at most `wait` for the first, until enough are gathered.
    fn gather(&mut self, wait: Duration) -> Result<()> {
        let mut wait = wait;
        loop {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    let (partition, offset) = (message.partition().cast_unsigned(), message.offset().cast_unsigned());
                    self.assignment.stage(partition, offset, message.payload().unwrap_or_default());
                    if self.assignment.staged_bytes() >= self.fetch_bytes {
                        break;
                    }
                    wait = Duration::ZERO;
                }
                Some(Err(error)) => {
                    self.trouble(error)?;
                    break;
                }
                None => break,
            }
        }
        self.absorb();
        Ok(())
    }

    fn trouble(&mut self, error: KafkaError) -> Result<()> {
        match error {
            KafkaError::MessageConsumption(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                self.astray = self.assignment.positions().map(|(partition, _)| partition).collect();
            }
            KafkaError::MessageConsumptionFatal(code) => {
                return Err(StreamError::Broker {
                    what: "go on reading",
                    problem: format!("{code}; this consumer must be replaced"),
                });
            }
            error => self.watcher.trouble("reading is held up", error),
        }
        Ok(())
    }

    /// Acts on what the group has decided meanwhile.
    fn absorb(&mut self) {
        let changes = self.consumer.context().take();
        for change in changes {
            match change {
                Change::Given(partitions) => self.given.extend(partitions),
                Change::Taken(partitions) => {
                    self.given.retain(|partition| !partitions.contains(partition));
                    self.refused.retain(|partition| !partitions.contains(partition));
                    let lost: Vec<u32> = partitions.into_iter().filter(|partition| self.assignment.stop(*partition)).collect();
                    self.revoked(lost);
                }
            }
        }
    }

    fn revoked(&mut self, partitions: Vec<u32>) {
        if !partitions.is_empty() {
            self.watcher.metrics.revoked(partitions.len());
            self.events.push_back(Event::Revoked(partitions));
        }
    }

    fn assigned(&mut self, started: &[(u32, u64)]) {
        started.iter().for_each(|(partition, offset)| self.assignment.start(*partition, *offset));
        self.watcher.metrics.assigned(started.len());
        self.events.push_back(Event::Assigned(started.iter().map(|(partition, _)| *partition).collect()));
    }

    /// Starts reading what the group has given, once the brokers say where it left off.
    fn start_given(&mut self, wait: Duration) {
        if self.given.is_empty() && self.refused.is_empty() {
            return;
        }
        let asked = self.given.iter().chain(&self.refused).copied().collect::<Vec<_>>();
        let Some(committed) = self.ask_committed(&asked, wait) else { return };
        let (given, refused): (Vec<_>, Vec<_>) =
            committed.into_iter().partition(|(partition, _)| self.given.contains(partition));
        if !given.is_empty() {
            let assigned = self.list(given.iter().copied()).and_then(|list| self.consumer.incremental_assign(&list));
            match assigned {
                Ok(()) => {
                    self.given.clear();
                    self.assigned(&given);
                }
                Err(error) => self.watcher.trouble("partitions could not be started", error),
            }
        }
        for (partition, offset) in refused {
            if self.jump(partition, offset) {
                self.refused.retain(|refused| *refused != partition);
                self.assigned(&[(partition, offset)]);
            }
        }
    }

    fn ask_committed(&self, partitions: &[u32], wait: Duration) -> Option<Vec<(u32, u64)>> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.name, partition.cast_signed());
        }
        match self.consumer.committed_offsets(list, wait) {
            Ok(list) => read_committed(&list)
                .map(|(partition, next)| next.map(|next| (partition, next.unwrap_or(0))))
                .collect::<Result<_, _>>(),
            Err(error) => Err(error),
        }
        .inspect_err(|error| self.watcher.trouble("committed offsets are not known yet", error))
        .ok()
    }

    /// Starts a partition anew at another offset. Whether that worked; if not, trying again helps.
    ///
    /// Not by librdkafka's own seek, which does not wake a partition that stopped because its offset does not exist.
    fn jump(&self, partition: u32, offset: u64) -> bool {
        let list = self.list([(partition, offset)]);
        let jumped = list
            .and_then(|list| self.consumer.incremental_unassign(&list).and_then(|()| self.consumer.incremental_assign(&list)));
        jumped.inspect_err(|error| self.watcher.trouble("a jump to another offset failed", error)).is_ok()
    }

    /// Looks at one partition that may stand at an offset that the brokers do not have, and puts it right.
    fn find_way(&mut self, wait: Duration) -> Result<()> {
        let Some(partition) = self.astray.last().copied() else { return Ok(()) };
        let Some(position) = self.assignment.position(partition) else {
            self.astray.pop();
            return Ok(());
        };
        let (low, high) = match self.consumer.fetch_watermarks(&self.name, partition.cast_signed(), wait) {
            Ok((low, high)) => (low.max(0).cast_unsigned(), high.max(0).cast_unsigned()),
            Err(error) => {
                self.watcher.trouble("the bounds of a partition are not known yet", error);
                return Ok(());
            }
        };
        if position > high {
            self.beyond_tries += 1;
            if self.beyond_tries > BEYOND_TRIES {
                return Err(StreamError::BeyondEnd { topic: self.topic, partition, offset: position, end: high });
            }
            std::thread::sleep(BEYOND_PAUSE);
            return Ok(());
        }
        if position < low {
            tracing::warn!(topic = self.name, partition, position, low, "retention removed records before they were read");
        }
        // The position stays, so that the next batch says from where on records are gone. One that is in order is started
        // anew too: it may be the one that stopped.
        if self.jump(partition, position.max(low)) {
            self.astray.pop();
            self.beyond_tries = 0;
        }
        Ok(())
    }

    fn try_commit(&self, partition: u32, next: u64) -> Result<()> {
        let list = self.list([(partition, next)]);
        let list = list.map_err(|error| StreamError::Broker { what: "commit an offset", problem: error.to_string() })?;
        let (started, mut pause, mut refusals) = (Instant::now(), RETRY_MIN, 0);
        loop {
            let error = match self.consumer.commit(&list, CommitMode::Sync) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match error.rdkafka_error_code() {
                Some(Code::UnknownMemberId | Code::FencedInstanceId | Code::StaleMemberEpoch | Code::FencedMemberEpoch) => {
                    return Err(StreamError::Revoked { topic: self.topic, partition });
                }
                // Also what a member hears whose commit crosses a rebalance that leaves it the partition.
                Some(Code::IllegalGeneration) if refusals >= 3 => {
                    return Err(StreamError::Revoked { topic: self.topic, partition });
                }
                Some(Code::IllegalGeneration) => refusals += 1,
                _ => self.watcher.trouble("a commit is tried again", &error),
            }
            if started.elapsed() + pause >= self.commit_timeout {
                return Err(StreamError::Broker { what: "commit an offset", problem: error.to_string() });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(RETRY_MAX);
        }
    }
}

/// Partition and committed offset of each element, as the brokers answered.
pub(super) fn read_committed(list: &TopicPartitionList) -> impl Iterator<Item = (u32, Result<Option<u64>, KafkaError>)> {
    list.elements().into_iter().map(|element| {
        let next = match element.offset() {
            Offset::Offset(next) => Some(next.max(0).cast_unsigned()),
            _ => None,
        };
        (element.partition().cast_unsigned(), element.error().map(|()| next))
    })
}

impl Consumer for KafkaConsumer {
    fn poll(&mut self, wait: Duration) -> Result<Event> {
        let started = Instant::now();
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if let Some(fetched) = self.assignment.take() {
                self.watcher.metrics.fetched(self.topic, fetched.len(), fetched.payloads.len());
                return Ok(Event::Fetched(fetched));
            }
            let left = wait.saturating_sub(started.elapsed());
            let ask = left.clamp(ASK_MIN, ASK_MAX);
            self.start_given(ask);
            self.find_way(ask)?;
            let held_up = !(self.given.is_empty() && self.refused.is_empty() && self.astray.is_empty());
            self.gather(left.min(if held_up { RETRY_MIN } else { LOOK_EVERY }))?;
            if left.is_zero() && self.events.is_empty() && self.assignment.staged_bytes() == 0 {
                return Ok(Event::Idle);
            }
        }
    }

    fn commit(&mut self, partition: u32, next: u64) -> Result<Ack> {
        if !self.in_group {
            return Err(StreamError::NoGroup { topic: self.topic });
        }
        let result = match self.assignment.position(partition) {
            Some(_) => self.try_commit(partition, next),
            None => Err(StreamError::Revoked { topic: self.topic, partition }),
        };
        if matches!(result, Err(StreamError::Revoked { .. })) && self.assignment.stop(partition) {
            // The caller drops its work, so reading must not go on behind it: either the group takes the partition, or
            // it is read again from what is committed.
            self.refused.push(partition);
            self.revoked(vec![partition]);
        }
        self.watcher.metrics.committed(&result);
        result.map(|()| Ack::resolved())
    }

    fn seek(&mut self, partition: u32, offset: u64) -> Result<()> {
        if self.assignment.position(partition).is_none() {
            return Err(StreamError::Revoked { topic: self.topic, partition });
        }
        if !self.jump(partition, offset) {
            return Err(StreamError::Broker {
                what: "seek",
                problem: format!("{} partition {partition} offset {offset}", self.name),
            });
        }
        self.assignment.start(partition, offset);
        Ok(())
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        self.consumer.context().close();
        self.absorb();
        if !self.given.is_empty() {
            let given = self.list(self.given.iter().map(|partition| (*partition, 0)));
            drop(given.and_then(|given| self.consumer.incremental_assign(&given)));
        }
    }
}
