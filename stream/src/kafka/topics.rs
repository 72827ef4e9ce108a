//! The three topics: made when missing, checked when they are there.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::Topic;
use crate::config::KafkaConfig;
use crate::error::{Result, StreamError};
use crate::kafka::client::{self, MAX_MESSAGE_BYTES, Watcher};

/// How long one request may take: short, so that a stop is heeded.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// First and longest pause between attempts.
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Shortest sleep between looks at the stop signal.
const STOP_LOOK: Duration = Duration::from_millis(100);

/// Full name of a topic.
pub(super) fn name(config: &KafkaConfig, topic: Topic) -> String {
    format!("{}.{}", config.topic_prefix, topic.name())
}

/// What an attempt came to.
enum Attempt {
    /// The topic is as it should be.
    Fits,
    /// Not yet; trying again helps.
    Later(String),
}

/// Waits until all topics are there as configured. Ends early when one cannot be, or `stop` says so.
pub(super) fn ensure(config: &KafkaConfig, watcher: &Arc<Watcher>, stop: &dyn Fn() -> bool) -> Result<()> {
    let admin = AdminClient::from_config_and_context(&client::base(config)?, Shared(watcher.clone()));
    let admin = admin.map_err(client::creation_error)?;
    for topic in Topic::ALL {
        let name = name(config, topic);
        let mut pause = RETRY_MIN;
        while let Attempt::Later(problem) = attempt(config, &admin, topic, &name)? {
            watcher.trouble(&format!("topic `{name}` is not ready"), problem);
            sleep(pause, stop)?;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }
    Ok(())
}

fn attempt(config: &KafkaConfig, admin: &AdminClient<Shared>, topic: Topic, name: &str) -> Result<Attempt> {
    let metadata = match admin.inner().fetch_metadata(Some(name), REQUEST_TIMEOUT) {
        Ok(metadata) => metadata,
        Err(error) => return Ok(Attempt::Later(error.to_string())),
    };
    let Some(found) = metadata.topics().iter().find(|found| found.name() == name) else {
        return Ok(Attempt::Later("the brokers do not say anything about it".into()));
    };
    match found.error().map(Code::from) {
        None if found.partitions().is_empty() => return create(config, admin, topic, name),
        None => {}
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => return create(config, admin, topic, name),
        Some(error @ (Code::TopicAuthorizationFailed | Code::InvalidTopic)) => {
            return Err(mismatch(
                name,
                format!("cannot be used: {error}; grant this client access to it, or set `topic_prefix`"),
            ));
        }
        Some(error) => return Ok(Attempt::Later(error.to_string())),
    }
    let (is, should) = (found.partitions().len(), config.partitions as usize);
    if is != should {
        let advice = format!(
            "has {is} partitions, and the configuration says {should}: set `partitions = {is}`, or choose another `topic_prefix`"
        );
        return Err(mismatch(name, advice));
    }
    let Some(broker) = metadata.brokers().first() else { return Ok(Attempt::Later("no broker is known".into())) };
    check_message_size(admin, name, broker.id())
}

fn check_message_size(admin: &AdminClient<Shared>, name: &str, broker: i32) -> Result<Attempt> {
    const KEY: &str = "max.message.bytes";
    // Any broker can tell; without a name the request would wait for the controller.
    let described = block_on(admin.describe_configs(&[ResourceSpecifier::Topic(name)], &options().broker_id(broker)));
    let resource = match described {
        Some(Ok(mut resources)) if !resources.is_empty() => resources.swap_remove(0),
        Some(Ok(_)) => return Ok(Attempt::Later("the brokers do not describe it".into())),
        Some(Err(KafkaError::AdminOp(code))) => return unchecked(name, code, code.to_string()),
        Some(Err(error)) => return Ok(Attempt::Later(error.to_string())),
        None => return Ok(Attempt::Later("the brokers do not answer".into())),
    };
    match resource {
        Ok(resource) => {
            let value = resource.get(KEY).and_then(|entry| entry.value.as_ref()?.parse::<usize>().ok());
            match value {
                Some(bytes) if bytes < MAX_MESSAGE_BYTES => Err(mismatch(
                    name,
                    format!(
                        "takes messages of at most {bytes} bytes, and civicpulse writes up to {MAX_MESSAGE_BYTES}: raise it with \
                         `kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config {KEY}={MAX_MESSAGE_BYTES}`"
                    ),
                )),
                _ => Ok(Attempt::Fits),
            }
        }
        Err(code) => unchecked(name, code, code.to_string()),
    }
}

/// Some clusters forbid or do not know how to describe a topic: no reason not to use it.
fn unchecked(name: &str, code: Code, problem: String) -> Result<Attempt> {
    match code {
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::UnsupportedFeature
        | Code::UnsupportedVersion => {
            tracing::warn!(
                topic = name,
                problem,
                "max.message.bytes could not be checked; it must be at least {MAX_MESSAGE_BYTES}"
            );
            Ok(Attempt::Fits)
        }
        _ => Ok(Attempt::Later(problem)),
    }
}

fn create(config: &KafkaConfig, admin: &AdminClient<Shared>, topic: Topic, name: &str) -> Result<Attempt> {
    let kept = |value: u64| if value == 0 { "-1".to_owned() } else { value.to_string() };
    let retention = config.retention.of(topic);
    let (age_ms, bytes) = (kept(retention.max_age_ms), kept(retention.max_partition_bytes));
    let (max_bytes, partitions) = (MAX_MESSAGE_BYTES.to_string(), config.partitions.cast_signed());
    let new = NewTopic::new(name, partitions, TopicReplication::Fixed(config.replication_factor.cast_signed()))
        .set("max.message.bytes", &max_bytes)
        .set("retention.ms", &age_ms)
        .set("retention.bytes", &bytes);
    match block_on(admin.create_topics(&[new], &options())) {
        None => Ok(Attempt::Later("the brokers do not answer".into())),
        Some(Err(error)) => Ok(Attempt::Later(error.to_string())),
        Some(Ok(results)) => match results.into_iter().next() {
            // The next look finds it, whoever made it.
            None | Some(Ok(_)) | Some(Err((_, Code::TopicAlreadyExists))) => Ok(Attempt::Later("it was just made".into())),
            Some(Err((_, error))) if is_final(error) => Err(mismatch(
                name,
                format!(
                    "could not be made with {partitions} partitions and {} copies: {error}; make it yourself, or change the configuration",
                    config.replication_factor
                ),
            )),
            Some(Err((_, error))) => Ok(Attempt::Later(error.to_string())),
        },
    }
}

fn is_final(error: Code) -> bool {
    use Code::{
        ClusterAuthorizationFailed, InvalidConfig, InvalidPartitions, InvalidReplicationFactor, InvalidTopic, PolicyViolation,
        TopicAuthorizationFailed,
    };
    matches!(
        error,
        ClusterAuthorizationFailed
            | InvalidConfig
            | InvalidPartitions
            | InvalidReplicationFactor
            | InvalidTopic
            | PolicyViolation
            | TopicAuthorizationFailed
    )
}

fn mismatch(name: &str, problem: String) -> StreamError {
    StreamError::TopicMismatch { topic: name.to_owned(), problem }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

fn sleep(pause: Duration, stop: &dyn Fn() -> bool) -> Result<()> {
    let until = Instant::now() + pause;
    loop {
        if stop() {
            return Err(StreamError::Closed);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(STOP_LOOK));
    }
}

/// Admin requests are futures, and this is a blocking library that may be called from within a runtime: so a small
/// executor of its own. `None` when nothing came in time.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let until = Instant::now() + 2 * REQUEST_TIMEOUT;
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}

/// The log's watcher, as the context of another client.
pub(super) struct Shared(pub(super) Arc<Watcher>);

impl rdkafka::ClientContext for Shared {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}
