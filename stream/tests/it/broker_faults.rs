//! Brokers that fail, played by librdkafka's mock cluster (which is for this only: it forgets what it is told).

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::Registry;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use stream::{Event, KafkaConfig, KafkaLog, Log, StreamError, StreamMetrics, Topic};

use crate::support::*;

struct Mock {
    cluster: MockCluster<'static, DefaultProducerContext>,
    registry: Registry,
}

impl Mock {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for topic in Topic::ALL {
            cluster.create_topic(&format!("feedback.{}", topic.name()), PARTITIONS.cast_signed(), 1).unwrap();
        }
        Self { cluster, registry: Registry::new() }
    }

    fn config(&self) -> KafkaConfig {
        let client = BTreeMap::from([("session.timeout.ms".into(), "6000".into())]);
        KafkaConfig { brokers: self.cluster.bootstrap_servers(), partitions: PARTITIONS, client, ..KafkaConfig::default() }
    }

    fn open(&self) -> KafkaLog {
        KafkaLog::open(&self.config(), StreamMetrics::register(&self.registry).unwrap(), &|| false).unwrap()
    }

    fn broker_errors(&self) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == "civicpulse_stream_broker_errors_total").unwrap();
        family.get_metric()[0].get_counter().get_value()
    }
}

#[test]
fn a_broker_that_is_away_means_waiting_and_nothing_is_lost() {
    let mock = Mock::new();
    let log = mock.open();
    let mut reader = log.reader(Topic::Raw, &[(0, 0)]).unwrap();
    append(&log, Topic::Raw, vec![to(0, "before")]);
    assert_eq!(poll_records(&mut *reader).next, 1);

    mock.cluster.broker_down(-1).unwrap();
    let ack = log.producer().unwrap().append(Topic::Raw, vec![to(0, "meanwhile")]);
    let waited = eventually("trouble is counted", || {
        assert_eq!(reader.poll(Duration::from_millis(50)), Ok(Event::Idle));
        (mock.broker_errors() > 0.0).then(|| ack.wait(Duration::from_millis(100)))
    });
    assert!(matches!(waited, Err(StreamError::Timeout { .. })), "{waited:?}");
    mock.cluster.broker_up(-1).unwrap();
    ack.wait(PATIENCE).unwrap();
    assert_eq!(poll_records(&mut *reader).offsets, [1]);
}

#[test]
fn opening_waits_for_the_brokers_and_heeds_the_stop() {
    let mock = Mock::new();
    mock.cluster.broker_down(-1).unwrap();
    let looks = std::cell::Cell::new(0);
    let stop = || {
        looks.set(looks.get() + 1);
        looks.get() > 10
    };
    let opened = KafkaLog::open(&mock.config(), StreamMetrics::register(&mock.registry).unwrap(), &stop);
    assert_eq!(opened.err(), Some(StreamError::Closed));
    assert!(mock.broker_errors() > 0.0);
}

#[test]
fn a_full_buffer_holds_the_appender_back_and_then_says_so() {
    let mock = Mock::new();
    let config = KafkaConfig { queue_bytes: 1 << 20, queue_wait_ms: 50, ..mock.config() };
    let log = KafkaLog::open(&config, StreamMetrics::register(&mock.registry).unwrap(), &|| false).unwrap();
    let producer = log.producer().unwrap();
    mock.cluster.broker_down(-1).unwrap();
    let big = || vec![to(0, "x".repeat(200 << 10))];
    let acks: Vec<_> = (0..8).map(|_| producer.append(Topic::Raw, big())).collect();
    let full = StreamError::Full { limit_bytes: 1 << 20, waited_ms: 50 };
    assert_eq!(acks[7].wait(PATIENCE), Err(full.clone()));
    assert!(full.is_retriable());
    mock.cluster.broker_up(-1).unwrap();
    acks[0].wait(PATIENCE).unwrap();
}

#[test]
fn records_that_a_broker_refuses_for_now_arrive_once_and_in_order() {
    use RDKafkaRespErr::{
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS as REPLICAS, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION as LEADER,
    };
    let mock = Mock::new();
    let log = mock.open();
    append(&log, Topic::Raw, vec![to(0, "0")]);
    mock.cluster.request_errors(RDKafkaApiKey::Produce, &[LEADER, REPLICAS, LEADER]);
    let producer = log.producer().unwrap();
    let acks: Vec<_> = (1..20).map(|n| producer.append(Topic::Raw, vec![to(0, n.to_string())])).collect();
    acks.iter().for_each(|ack| ack.wait(PATIENCE).unwrap());
    let expected: Vec<_> = (0..20).map(|n| (n, n.to_string())).collect();
    assert_eq!(read_from(&log, Topic::Raw, &[(0, 0)])[&0], expected);
}

#[test]
fn a_producer_that_gives_up_is_replaced() {
    let mock = Mock::new();
    let log = mock.open();
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    mock.cluster.request_errors(RDKafkaApiKey::InitProducerId, &[denied]);
    let producer = log.producer().unwrap();
    let refused = producer.append(Topic::Raw, vec![to(0, "first")]).wait(PATIENCE).unwrap_err();
    assert!(refused.is_retriable(), "{refused:?}");
    eventually("an append succeeds again", || producer.append(Topic::Raw, vec![to(0, "again")]).wait(PATIENCE).ok());
}

#[test]
fn a_commit_is_tried_again_while_the_coordinator_moves() {
    use RDKafkaRespErr::{
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS as LOADING, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS as REBALANCE,
    };
    let mock = Mock::new();
    let log = mock.open();
    append(&log, Topic::Raw, vec![to(0, "x")]);
    let mut consumer = log.group_consumer(Topic::Raw, "workers").unwrap();
    let fetched = poll_records(&mut *consumer);
    mock.cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[LOADING, REBALANCE]);
    commit(&mut *consumer, fetched.partition, fetched.next).unwrap();
    assert_eq!(log.committed(Topic::Raw, "workers").unwrap()[0], Some(1));
}

#[test]
fn a_refused_commit_revokes_and_reading_starts_at_what_was_committed() {
    let mock = Mock::new();
    let log = mock.open();
    append(&log, Topic::Raw, vec![to(0, "a"), to(0, "b")]);
    let mut consumer = log.group_consumer(Topic::Raw, "workers").unwrap();
    assert_eq!(poll_records(&mut *consumer).next, 2);
    commit(&mut *consumer, 0, 1).unwrap();
    mock.cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID]);
    assert_eq!(commit(&mut *consumer, 0, 2), Err(StreamError::Revoked { topic: Topic::Raw, partition: 0 }));
    assert!(matches!(poll(&mut *consumer), Event::Revoked(partitions) if partitions.contains(&0)));
    let again = poll_records(&mut *consumer);
    assert_eq!((again.partition, again.first, again.next), (0, 1, 2));
    commit(&mut *consumer, 0, 2).unwrap();
}
