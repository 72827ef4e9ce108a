//! The log on an Apache Kafka cluster.
//!
//! # What is lost, and when
//! Nothing that was acknowledged: the producer is idempotent and waits for all replicas in sync. An outage of the brokers
//! is waited out: appends fill a bounded buffer, then block, then fail as retriable; consumers are idle; commits are tried
//! for a while. Each failure counts in `civicpulse_stream_broker_errors_total`, and a log line now and then says why.
//!
//! # Retention
//! The brokers' own, set for topics that are created here. It asks no consumer.

mod assignment;
mod client;
mod consumer;
mod producer;
mod rebalance;
mod topics;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::config::KafkaConfig;
use crate::error::{Result, StreamError};
use crate::metrics::StreamMetrics;
use crate::{Consumer, Log, Producer, Topic};
use client::Watcher;
use consumer::KafkaConsumer;
use producer::KafkaProducer;

/// How long one question to the brokers may take.
const ASK: Duration = Duration::from_secs(10);
/// Groups whose offsets are asked for through a client that is kept; more than these are not known to exist.
const MAX_INSPECTORS: usize = 32;

/// A Kafka cluster.
pub struct KafkaLog {
    config: KafkaConfig,
    metrics: Arc<StreamMetrics>,
    /// Shared by all who append, for as long as one of them is there.
    producer: Mutex<Option<Arc<KafkaProducer>>>,
    /// Clients that ask for bounds and committed offsets, by group.
    inspectors: Mutex<HashMap<String, Arc<BaseConsumer>>>,
}

impl KafkaLog {
    /// Opens the log: makes topics that are missing and checks those that are there.
    ///
    /// Brokers that do not answer are waited for, with backoff; `stop` is asked in between and ends the wait with
    /// [`StreamError::Closed`]. Other errors: settings that librdkafka refuses, and topics that do not fit
    /// ([`StreamError::TopicMismatch`]).
    pub fn open(config: &KafkaConfig, metrics: StreamMetrics, stop: &dyn Fn() -> bool) -> Result<Self> {
        config.check()?;
        let metrics = Arc::new(metrics);
        topics::ensure(config, &Arc::new(Watcher::new(metrics.clone())), stop)?;
        Ok(Self { config: config.clone(), metrics, producer: Mutex::default(), inspectors: Mutex::default() })
    }

    /// A client that only asks.
    fn inspector(&self, group: String) -> Result<Arc<BaseConsumer>> {
        let mut inspectors = self.inspectors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = inspectors.get(&group) {
            return Ok(known.clone());
        }
        let mut settings = client::base(&self.config)?;
        settings.set("group.id", &group);
        settings.set("enable.auto.commit", "false");
        let new: Arc<BaseConsumer> = Arc::new(settings.create().map_err(client::creation_error)?);
        if inspectors.len() >= MAX_INSPECTORS {
            inspectors.clear();
        }
        inspectors.insert(group, new.clone());
        Ok(new)
    }

    fn broker_error(&self, what: &'static str, error: &KafkaError) -> StreamError {
        self.metrics.broker_error();
        StreamError::Broker { what, problem: error.to_string() }
    }
}

impl Log for KafkaLog {
    fn producer(&self) -> Result<Arc<dyn Producer>> {
        let mut shared = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(producer) = &*shared {
            return Ok(producer.clone());
        }
        let producer = Arc::new(KafkaProducer::start(&self.config, &self.metrics)?);
        *shared = Some(producer.clone());
        Ok(producer)
    }

    fn group_consumer(&self, topic: Topic, group: &str) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(KafkaConsumer::member(&self.config, &self.metrics, topic, group)?))
    }

    fn reader(&self, topic: Topic, from: &[(u32, u64)]) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(KafkaConsumer::reader(&self.config, &self.metrics, topic, from)?))
    }

    fn partitions(&self) -> u32 {
        self.config.partitions
    }

    fn bounds(&self, topic: Topic) -> Result<Vec<Range<u64>>> {
        let (name, inspector) =
            (topics::name(&self.config, topic), self.inspector(client::group_id(&self.config, topic, "reader"))?);
        let bounds = |partition: u32| {
            let watermarks = inspector.fetch_watermarks(&name, partition.cast_signed(), ASK);
            let (low, high) = watermarks.map_err(|error| self.broker_error("tell the bounds of a partition", &error))?;
            Ok(low.max(0).cast_unsigned()..high.max(0).cast_unsigned())
        };
        (0..self.config.partitions).map(bounds).collect()
    }

    fn committed(&self, topic: Topic, group: &str) -> Result<Vec<Option<u64>>> {
        let inspector = self.inspector(client::group_id(&self.config, topic, group))?;
        let (name, mut list) = (topics::name(&self.config, topic), TopicPartitionList::new());
        for partition in 0..self.config.partitions {
            list.add_partition(&name, partition.cast_signed());
        }
        let failed = |error: &KafkaError| self.broker_error("tell what a group has committed", error);
        let list = inspector.committed_offsets(list, ASK).map_err(|error| failed(&error))?;
        let mut committed = vec![None; self.config.partitions as usize];
        for (partition, next) in consumer::read_committed(&list) {
            committed[partition as usize] = next.map_err(|error| failed(&error))?;
        }
        Ok(committed)
    }
}
