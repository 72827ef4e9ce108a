//! What all Kafka clients share: their settings, and what they say about brokers in trouble.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;

use crate::config::KafkaConfig;
use crate::error::{Result, StreamError};
use crate::metrics::StreamMetrics;
use crate::throttle::Throttle;
use crate::{MAX_PAYLOAD_BYTES, Topic};

/// Largest batch of records that clients send and topics take: the largest payload, its key and framing.
pub(super) const MAX_MESSAGE_BYTES: usize = MAX_PAYLOAD_BYTES + (64 << 10);

/// Settings that the guarantees rest on: no loss, no duplicate by retrying, commit after the work, no silent jump.
const OURS: &[(&str, &str)] = &[
    ("bootstrap.servers", "set `brokers`"),
    ("metadata.broker.list", "set `brokers`"),
    ("group.id", "groups are named by civicpulse; set `topic_prefix` to keep several apart"),
    ("enable.idempotence", "it is always on, so that a retry writes nothing twice"),
    ("acks", "it is always `all`, so that nothing acknowledged is lost"),
    ("request.required.acks", "it is always `all`, so that nothing acknowledged is lost"),
    ("transactional.id", "no transactions are used: outputs carry the offsets they came from"),
    ("enable.auto.commit", "offsets are committed after the work, never by themselves"),
    ("enable.auto.offset.store", "offsets are committed after the work, never by themselves"),
    ("auto.offset.reset", "civicpulse continues at the oldest record itself and says so"),
    ("partition.assignment.strategy", "rebalancing is always cooperative"),
    ("group.protocol", "rebalancing is always cooperative"),
    ("enable.partition.eof", "the end of a partition is no event here"),
    ("message.max.bytes", "it follows the largest payload"),
    ("queue.buffering.max.kbytes", "set `queue_bytes`"),
    ("queued.max.messages.kbytes", "set `prefetch_bytes`"),
];

/// Settings of every client.
pub(super) fn base(config: &KafkaConfig) -> Result<ClientConfig> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &config.brokers);
    client.set("client.id", "civicpulse");
    // A broker that restarts is found again soon, and one that stays away is not hammered.
    client.set("reconnect.backoff.ms", "100");
    client.set("reconnect.backoff.max.ms", "5000");
    client.set("socket.keepalive.enable", "true");
    client.set("socket.nagle.disable", "true");
    client.set("message.max.bytes", MAX_MESSAGE_BYTES.to_string());
    client.set_log_level(RDKafkaLogLevel::Warning);
    for (name, value) in &config.client {
        if let Some((_, instead)) = OURS.iter().find(|(ours, _)| ours == name) {
            return Err(StreamError::Config { field: format!("client.{name}"), problem: format!("cannot be set: {instead}") });
        }
        client.set(name, value);
    }
    Ok(client)
}

/// Full name of a consumer group: one for each topic, so that a rebalance of one does not concern the readers of another.
pub(super) fn group_id(config: &KafkaConfig, topic: Topic, group: &str) -> String {
    format!("{}.{}.{group}", config.topic_prefix, topic.name())
}

/// Sets a default that the user's own settings win over.
pub(super) fn default(client: &mut ClientConfig, config: &KafkaConfig, name: &str, value: impl ToString) {
    if !config.client.contains_key(name) {
        client.set(name, value.to_string());
    }
}

/// What went wrong when a client was made: almost always a setting.
pub(super) fn creation_error(error: KafkaError) -> StreamError {
    match error {
        // The value may be a password, so it is not repeated.
        KafkaError::ClientConfig(_, problem, name, _) => {
            StreamError::Config { field: format!("client.{name}"), problem: format!("is refused by librdkafka: {problem}") }
        }
        KafkaError::ClientCreation(problem) => {
            StreamError::Config { field: "client".into(), problem: format!("do not work together: {problem}") }
        }
        error => StreamError::Broker { what: "start a client", problem: error.to_string() },
    }
}

/// Counts trouble with brokers, and logs it now and then. One for each client.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) metrics: Arc<StreamMetrics>,
    complaint: Mutex<Throttle>,
}

impl Watcher {
    /// Nothing to complain about yet.
    pub(super) fn new(metrics: Arc<StreamMetrics>) -> Self {
        Self { metrics, complaint: Mutex::default() }
    }

    /// A broker, or the way to it, failed, and the client will try again.
    pub(super) fn trouble(&self, doing: &str, error: impl std::fmt::Display) {
        self.metrics.broker_error();
        if let Some(silent) = self.complaint.lock().unwrap_or_else(PoisonError::into_inner).may_speak() {
            tracing::warn!(%error, silent, "Kafka: {doing}; trying again");
        }
    }
}

impl ClientContext for Watcher {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Lost connections arrive here and as errors; they are counted and throttled there.
        tracing::debug!(?level, facility, "librdkafka: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble("a client reports an error", format_args!("{error}: {reason}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_passed_through_and_guarantees_are_not_for_sale() {
        let mut config = KafkaConfig::default();
        config.client.insert("security.protocol".into(), "ssl".into());
        assert_eq!(base(&config).unwrap().get("security.protocol"), Some("ssl"));
        config.client.insert("acks".into(), "1".into());
        let error = base(&config).unwrap_err().to_string();
        assert_eq!(
            error,
            "stream configuration: `client.acks` cannot be set: it is always `all`, so that nothing acknowledged is lost"
        );
    }

    #[test]
    fn a_wrong_setting_is_named_and_its_value_is_not_repeated() {
        let mut config = KafkaConfig::default();
        config.client.insert("sasl.passwort".into(), "hunter2".into());
        let created = base(&config).unwrap().create::<rdkafka::producer::BaseProducer>();
        let error = creation_error(created.err().unwrap()).to_string();
        assert!(error.contains("client.sasl.passwort") && !error.contains("hunter2"), "{error}");
    }
}
