//! A real broker that is stopped and killed under load. It is this test's own, so that others are not disturbed.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use prometheus::Registry;
use stream::{Event, KafkaConfig, StreamConfig, Topic};

use crate::support::*;

struct Broker {
    dir: PathBuf,
}

impl Broker {
    fn script(&self, verb: &str, more: &[&str]) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/kafka-local.sh");
        let status = Command::new(script).arg(verb).arg(&self.dir).args(more).status().unwrap();
        assert!(status.success(), "kafka-local.sh {verb}: {status}");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.script("stop", &[]);
    }
}

/// Below the ports that systems hand out to outgoing connections (Linux: from 32768): while the broker is away, clients that
/// knock at its door must not be given its own port to knock from.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port that is free together with the next one, which the controller takes.
fn free_port() -> u16 {
    let start = PORTS.start + (std::process::id() % u32::from(PORTS.end - PORTS.start)) as u16;
    let mut candidates = (start..PORTS.end).chain(PORTS.start..start).step_by(2);
    let is_free = |port: u16| [port, port + 1].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    candidates.find(|port| is_free(*port)).expect("some pair of ports is free")
}

/// Ends the appending thread however the test ends: a broker that does not come back fails the test, and does not hang it.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_is_lost_or_doubled_while_the_broker_restarts() {
    let Some(harness) = Harness::kafka() else { return };
    let broker = Broker { dir: harness.dir().join("broker") };
    let port = free_port().to_string();
    broker.script("start", &[&port]);
    let StreamConfig::Kafka(config) = &harness.config else { panic!("Kafka only") };
    let config = StreamConfig::Kafka(KafkaConfig { brokers: format!("127.0.0.1:{port}"), ..config.clone() });
    let log = stream::open(&config, harness.clock.clone(), &Registry::new(), &|| false).unwrap();
    let (stop, total) = (AtomicBool::new(false), AtomicU64::new(u64::MAX));
    let read = std::thread::scope(|scope| {
        scope.spawn(|| {
            let producer = log.producer().unwrap();
            let mut acks = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let n = acks.len();
                acks.push(producer.append(Topic::Raw, (0..10).map(|i| to(0, (n * 10 + i).to_string())).collect()));
                std::thread::sleep(Duration::from_millis(5));
            }
            acks.iter().for_each(|ack| ack.wait(PATIENCE).unwrap());
            total.store(acks.len() as u64 * 10, Ordering::Relaxed);
        });
        let reader = scope.spawn(|| {
            let mut consumer = log.group_consumer(Topic::Raw, "workers").unwrap();
            let mut read = Vec::new();
            eventually("everything is read", || {
                if let Event::Fetched(fetched) = consumer.poll(Duration::from_millis(100)).unwrap() {
                    // Work that was not committed comes again after a rebalance, from where the commit stands.
                    read.truncate(fetched.first as usize);
                    read.extend(fetched.records().map(|(_, payload)| String::from_utf8(payload.to_vec()).unwrap()));
                    drop(commit(&mut *consumer, fetched.partition, fetched.next));
                }
                (read.len() as u64 >= total.load(Ordering::Relaxed)).then_some(())
            });
            read
        });
        let appending = StopWhenDropped(&stop);
        broker.script("restart", &[]);
        broker.script("kill", &[]);
        broker.script("start", &[&port]);
        drop(appending);
        reader.join().unwrap()
    });
    let expected: Vec<String> = (0..total.into_inner()).map(|n| n.to_string()).collect();
    assert!(read == expected, "{} appended, {} read", expected.len(), read.len());
}
