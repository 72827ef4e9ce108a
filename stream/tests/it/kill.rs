//! `kill -9` at any moment: what was acknowledged is there, once and in order, and the log goes on.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use feedback::SystemClock;
use prometheus::Registry;
use stream::{EmbeddedConfig, StreamConfig, Topic};

use crate::support::*;

/// Set for the process that is to be killed.
const DIR: &str = "CIVICPULSE_TEST_KILL_DIR";
const KILLS: u32 = 12;

/// The victim: every payload says the offset it must get; every ack is printed.
#[test]
fn victim() {
    let Ok(dir) = std::env::var(DIR) else { return };
    // No harness: its temporary directory would outlive a process that is killed.
    let config = StreamConfig::Embedded(config(dir.into()));
    let log = stream::open(&config, Arc::new(SystemClock), &Registry::new(), &|| false).unwrap();
    std::thread::scope(|scope| {
        for (partition, bounds) in (0..PARTITIONS).zip(log.bounds(Topic::Raw).unwrap()) {
            let (producer, mut next) = (log.producer().unwrap(), bounds.end);
            scope.spawn(move || {
                loop {
                    let count = 1 + next % 97;
                    let records =
                        (next..next + count).map(|n| to(partition, format!("{n} {}", "x".repeat(n as usize % 500)))).collect();
                    producer.append(Topic::Raw, records).wait(PATIENCE).unwrap();
                    next += count;
                    println!("acked {partition} {next}");
                }
            });
        }
    });
}

fn config(dir: std::path::PathBuf) -> EmbeddedConfig {
    EmbeddedConfig { dir, partitions: PARTITIONS, linger_ms: 1, ..EmbeddedConfig::default() }
}

#[test]
fn what_was_acknowledged_survives() {
    let mut harness = Harness::embedded();
    let dir = harness.dir().join("killed");
    harness.config = StreamConfig::Embedded(config(dir.clone()));
    let mut acked = vec![0u64; PARTITIONS as usize];
    for kill in 0..KILLS {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::victim", "--nocapture"])
            .env(DIR, &dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
        // A different number of acks each time, so that the kill falls into every stage of a commit.
        let mut note = |line: String| {
            let mut words = line.split(' ').skip_while(|word| *word != "acked").skip(1);
            if let (Some(Ok(partition)), Some(Ok(next))) = (words.next().map(str::parse::<usize>), words.next().map(str::parse))
            {
                acked[partition] = next;
            }
        };
        lines.by_ref().filter(|line| line.contains("acked")).take(1 + 7 * kill as usize).for_each(&mut note);
        std::thread::sleep(std::time::Duration::from_micros(u64::from(kill) * 1_373));
        victim.kill().unwrap();
        victim.wait().unwrap();
        lines.for_each(&mut note);

        let log = harness.open();
        for (partition, records) in read_all(&*log, Topic::Raw) {
            assert!(records.len() as u64 >= acked[partition as usize], "an acknowledged record is gone");
            for (expected, (offset, payload)) in (0..).zip(&records) {
                assert_eq!(*offset, expected);
                assert_eq!(payload.split(' ').next(), Some(&*expected.to_string()), "a record is out of order or doubled");
            }
        }
    }
    assert!(acked.iter().all(|next| *next > 0), "the victim never got to work: {acked:?}");
}
