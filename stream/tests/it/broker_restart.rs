//! A real broker that is stopped and killed under load. It is this test's own, so that others are not disturbed.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use stream::{Event, StreamConfig, Topic};

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

/// A port that is free together with the next one, which the controller takes.
fn free_port() -> u16 {
    eventually("a free pair of ports", || {
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let next = TcpListener::bind(("127.0.0.1", port.checked_add(1)?)).ok()?;
        drop(next);
        Some(port)
    })
}

#[test]
fn nothing_is_lost_or_doubled_while_the_broker_restarts() {
    let Some(mut harness) = Harness::kafka() else { return };
    let broker = Broker { dir: harness.dir().join("broker") };
    let port = free_port().to_string();
    broker.script("start", &[&port]);
    let StreamConfig::Kafka(config) = &mut harness.config else { panic!("Kafka only") };
    config.brokers = format!("127.0.0.1:{port}");
    let log = harness.open();
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
                    drop(consumer.commit(fetched.partition, fetched.next));
                }
                (read.len() as u64 >= total.load(Ordering::Relaxed)).then_some(())
            });
            read
        });
        broker.script("restart", &[]);
        broker.script("kill", &[]);
        broker.script("start", &[&port]);
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    let expected: Vec<String> = (0..total.into_inner()).map(|n| n.to_string()).collect();
    assert!(read == expected, "{} appended, {} read", expected.len(), read.len());
}
