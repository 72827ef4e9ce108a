//! Appending to Kafka: idempotent, acknowledged by all replicas, bounded in memory, tried until it succeeds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use crate::ack::{Ack, Pending};
use crate::config::KafkaConfig;
use crate::error::{Result, StreamError};
use crate::kafka::client::{self, Watcher};
use crate::kafka::topics;
use crate::metrics::StreamMetrics;
use crate::{MAX_PAYLOAD_BYTES, Producer, Record, Target, Topic, partition_of};

/// How often the thread that serves deliveries looks for the end, and for a client that gave up.
const SERVE_EVERY: Duration = Duration::from_millis(100);
/// Pause of an append that finds the buffer full.
const FULL_PAUSE: Duration = Duration::from_millis(2);
/// How long closing waits for what is under way.
const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// Appends to Kafka. One client for the whole process.
pub(super) struct KafkaProducer {
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

struct Shared {
    settings: ClientConfig,
    watcher: Arc<Watcher>,
    /// Replaced when the client gives up for good; the lock is read once an append.
    client: RwLock<Arc<BaseProducer<Deliveries>>>,
    names: [String; Topic::ALL.len()],
    partitions: u32,
    queue_bytes: usize,
    queue_wait: Duration,
    closed: AtomicBool,
}

/// One append under way; every message of it holds a share, and the last one to be delivered settles it.
struct Sent {
    pending: Pending,
    metrics: Arc<StreamMetrics>,
    topic: Topic,
    records: usize,
    bytes: usize,
    since: Instant,
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.metrics.unqueued(self.bytes);
        if self.pending.is_complete() {
            self.metrics.appended(self.topic, self.records, self.bytes);
            self.metrics.append_took(self.since.elapsed());
        }
    }
}

/// Hears of every message's end.
struct Deliveries(Arc<Watcher>);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Arc<Sent>) {
        match result {
            Ok(_) => sent.pending.done(1),
            Err((error, message)) => {
                let bytes = message.payload().map_or(0, <[u8]>::len);
                sent.pending.fail(delivery_error(error, bytes));
                self.0.trouble("a record was not taken", error);
            }
        }
    }
}

fn delivery_error(error: &KafkaError, bytes: usize) -> StreamError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => StreamError::TooLarge { bytes, limit: MAX_PAYLOAD_BYTES },
        _ => StreamError::Broker { what: "append a record", problem: error.to_string() },
    }
}

impl KafkaProducer {
    /// Starts the client and the thread that serves it.
    pub(super) fn start(config: &KafkaConfig, metrics: &Arc<StreamMetrics>) -> Result<Self> {
        let mut settings = client::base(config)?;
        settings.set("enable.idempotence", "true");
        settings.set("acks", "all");
        settings.set("queue.buffering.max.kbytes", (config.queue_bytes >> 10).to_string());
        // Never give up: an outage is waited out, and the bounded buffer holds the appenders back meanwhile.
        client::default(&mut settings, config, "message.timeout.ms", 0);
        client::default(&mut settings, config, "queue.buffering.max.messages", 1_000_000);
        client::default(&mut settings, config, "linger.ms", 5);
        client::default(&mut settings, config, "batch.num.messages", 100_000);
        client::default(&mut settings, config, "compression.type", "lz4");
        let watcher = Arc::new(Watcher::new(metrics.clone()));
        let client = RwLock::new(Arc::new(new_client(&settings, &watcher)?));
        let shared = Arc::new(Shared {
            settings,
            watcher,
            client,
            names: Topic::ALL.map(|topic| topics::name(config, topic)),
            partitions: config.partitions,
            queue_bytes: config.queue_bytes,
            queue_wait: Duration::from_millis(config.queue_wait_ms),
            closed: AtomicBool::new(false),
        });
        let server = std::thread::Builder::new().name("kafka-deliveries".into()).spawn({
            let shared = shared.clone();
            move || shared.serve()
        });
        let server = server.map_err(|error| StreamError::Broker { what: "start a thread", problem: error.to_string() })?;
        Ok(Self { shared, server: Some(server) })
    }
}

fn new_client(settings: &ClientConfig, watcher: &Arc<Watcher>) -> Result<BaseProducer<Deliveries>> {
    BaseProducer::from_config_and_context(settings, Deliveries(watcher.clone())).map_err(client::creation_error)
}

impl Shared {
    fn client(&self) -> Arc<BaseProducer<Deliveries>> {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves deliveries until closed; replaces a client that met a fatal error.
    fn serve(&self) {
        while !self.closed.load(Ordering::Acquire) {
            let client = self.client();
            client.poll(SERVE_EVERY);
            if let Some((code, reason)) = client.client().fatal_error() {
                self.watcher.trouble("the producer gave up and is replaced", format_args!("{code}: {reason}"));
                match new_client(&self.settings, &self.watcher) {
                    // What the old one still held fails, as retriable, when its last user lets it go.
                    Ok(new) => *self.client.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new),
                    Err(error) => self.watcher.trouble("the producer could not be replaced", error),
                }
            }
        }
        if self.client().flush(CLOSE_WAIT).is_err() {
            tracing::warn!("Kafka did not take everything before the end; those acks fail");
        }
    }

    fn send(
        &self,
        client: &BaseProducer<Deliveries>,
        sent: &Arc<Sent>,
        record: &Record,
        partition: u32,
        deadline: Instant,
    ) -> Result<()> {
        let mut message = BaseRecord::with_opaque_to(&self.names[sent.topic.index()], sent.clone())
            .partition(partition.cast_signed())
            .payload(&record.payload[..]);
        if !record.key.is_empty() {
            message = message.key(&record.key[..]);
        }
        loop {
            message = match client.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), message)) if Instant::now() < deadline => {
                    message
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    let waited_ms = u64::try_from(self.queue_wait.as_millis()).unwrap_or(u64::MAX);
                    return Err(StreamError::Full { limit_bytes: self.queue_bytes, waited_ms });
                }
                Err((error, _)) => return Err(delivery_error(&error, record.payload.len())),
            };
            std::thread::sleep(FULL_PAUSE);
        }
    }

    fn check(&self, topic: Topic, record: &Record) -> Result<()> {
        let bytes = record.payload.len();
        if bytes > MAX_PAYLOAD_BYTES {
            return Err(StreamError::TooLarge { bytes, limit: MAX_PAYLOAD_BYTES });
        }
        match record.target {
            Target::Partition(partition) if partition >= self.partitions => {
                Err(StreamError::UnknownPartition { topic, partition, partitions: self.partitions })
            }
            _ => Ok(()),
        }
    }
}

impl Producer for KafkaProducer {
    fn append(&self, topic: Topic, records: Vec<Record>) -> Ack {
        let shared = &self.shared;
        if let Some(error) = records.iter().find_map(|record| shared.check(topic, record).err()) {
            return Ack::failed(error);
        }
        let copies = |record: &Record| if record.target == Target::EveryPartition { shared.partitions as usize } else { 1 };
        let count = records.iter().map(copies).sum();
        let bytes = records.iter().map(|record| copies(record) * record.payload.len()).sum();
        let (ack, pending) = Ack::pending(count);
        let since = Instant::now();
        let metrics = shared.watcher.metrics.clone();
        metrics.queued(bytes);
        let sent = Arc::new(Sent { pending, metrics, topic, records: count, bytes, since });
        let (client, deadline) = (shared.client(), since + shared.queue_wait);
        for record in &records {
            let partitions = match record.target {
                Target::ByKey => single(partition_of(&record.key, shared.partitions)),
                Target::Partition(partition) => single(partition),
                Target::EveryPartition => 0..shared.partitions,
            };
            for partition in partitions {
                if let Err(error) = shared.send(&client, &sent, record, partition, deadline) {
                    // What went before stays on its way, in order; the ack says that the append as a whole failed.
                    sent.pending.fail(error);
                    return ack;
                }
            }
        }
        ack
    }
}

fn single(partition: u32) -> std::ops::Range<u32> {
    partition..partition + 1
}

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        if self.server.take().is_some_and(|server| server.join().is_err()) {
            tracing::error!("the thread that serves Kafka's deliveries panicked");
        }
    }
}
