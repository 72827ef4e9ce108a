//! Real Kafka, two enrichment workers and the aggregating process, killed with SIGKILL at random, the broker restarted once:
//! the final tables are those of an undisturbed run, to the last bit.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use civicpulse::config::{Config, StreamKind};
use civicpulse::node::{City, Node, Roles};
use feedback::SystemClock;
use ingest::synthetic::{SyntheticCity, SyntheticConfig};
use rand::{Rng, SeedableRng};
use stream::{Record, Target, Topic};

use crate::support::{PATIENCE, Server, program, service};

/// Partitions of every topic.
const PARTITIONS: u32 = 4;
/// Raw records in total.
const RECORDS: usize = 120_000;
/// A partition is never taken for idle: whether one was would depend on when somebody was dead.
const NEVER_IDLE_S: u32 = 86_400;

/// The raw records, with one that nobody can decode now and then.
fn records() -> Vec<Record> {
    let config = SyntheticConfig { rate: 0.05, seed: 11, erased_share: 0.02, edited_share: 0.1, ..SyntheticConfig::default() };
    let mut city = SyntheticCity::new(config).unwrap();
    (0..RECORDS)
        .map(|number| {
            let mut payload = Vec::new();
            let filled = city.fill(&mut payload);
            let key = payload[filled.key].to_vec();
            if number % 1_000 == 999 {
                payload.truncate(payload.len() / 2);
            }
            let target = if key.is_empty() { Target::EveryPartition } else { Target::ByKey };
            Record { target, key, payload }
        })
        .collect()
}

fn append(config: &Config, records: &[Record], pause: Duration) {
    let registry = prometheus::Registry::new();
    let log = stream::open(&config.stream(), Arc::new(SystemClock), &registry, &|| false).unwrap();
    let producer = log.producer().unwrap();
    for batch in records.chunks(500) {
        let ack = producer.append(Topic::Raw, batch.to_vec());
        while let Err(error) = ack.wait(PATIENCE) {
            assert!(error.is_retriable(), "{error}");
        }
        std::thread::sleep(pause);
    }
}

fn settings(file: &Path, kafka: Option<(&str, &str)>) -> Config {
    let mut text = format!(
        "[stream.embedded]\npartitions = {PARTITIONS}\n[aggregate]\nidle_after_s = {NEVER_IDLE_S}\ncheckpoint_interval_ms = 1000\n\
         [enrich]\nworkers = 1\n[stream.kafka]\npartitions = {PARTITIONS}\n"
    );
    if let Some((brokers, prefix)) = kafka {
        // The shortest session that brokers allow: a killed worker's partitions move on after six seconds.
        let kind =
            format!("brokers = \"{brokers}\"\ntopic_prefix = \"{prefix}\"\nclient = {{ \"session.timeout.ms\" = \"6000\" }}\n");
        text = format!("{text}{kind}[stream]\nkind = \"kafka\"\n");
    }
    std::fs::write(file, &text).unwrap();
    Config::from_layers(Some(("chaos.toml", &text)), std::iter::empty()).unwrap()
}

/// What must be the same. Tables that say how the run went (`pipeline`, `sources`) are not.
const TABLES: [(&str, &str); 6] = [
    ("feedback", "SELECT * FROM feedback ORDER BY id"),
    ("status_events", "SELECT * FROM status_events ORDER BY id, at, status, reason"),
    ("cells", "SELECT * FROM cells ORDER BY width, bucket_start, district, topic, channel, language"),
    ("windows", "SELECT * FROM windows ORDER BY \"window\", district, topic"),
    ("trends", "SELECT * FROM trends ORDER BY \"window\", district, topic"),
    (
        "dead_letters",
        "SELECT stage, source, reason, raw_partition, raw_offset, length FROM dead_letters ORDER BY raw_partition, raw_offset",
    ),
];

/// The tables of a run that nobody disturbed, on the embedded log with the same partitions.
fn undisturbed(dir: &Path, records: &[Record]) -> Vec<String> {
    let mut config = settings(&dir.join("undisturbed.toml"), None);
    config.data.dir = dir.join("undisturbed");
    config.stream.kind = StreamKind::Embedded;
    // The pseudonyms of authors depend on the key; both runs use this one.
    std::fs::create_dir_all(&config.data.dir).unwrap();
    std::fs::write(dir.join("pseudonym.key"), "0f".repeat(32)).unwrap();
    config.enrich.pseudonym_key_file = dir.join("pseudonym.key");
    let writer = Node::start(&config, Roles::WRITE, City::default(), Arc::new(SystemClock), &|| false).unwrap();
    let producer = writer.log().producer().unwrap();
    for batch in records.chunks(500) {
        producer.append(Topic::Raw, batch.to_vec()).wait(PATIENCE).unwrap();
    }
    drop(producer);
    writer.stop().unwrap();
    let node = Node::start(&config, Roles::PROCESS, City::default(), Arc::new(SystemClock), &|| false).unwrap();
    assert!(node.catch_up(|_| true).unwrap());
    std::thread::sleep(Duration::from_secs(1));
    node.stop().unwrap();
    let arguments = dir.join("undisturbed.toml");
    TABLES
        .iter()
        .map(|(_, query)| {
            crate::support::succeed(
                program()
                    .args(["sql", "--format", "csv", query, "--config"])
                    .arg(&arguments)
                    .arg("--data-dir")
                    .arg(&config.data.dir)
                    .env("CIVICPULSE__ENRICH__PSEUDONYM_KEY_FILE", dir.join("pseudonym.key")),
            )
        })
        .collect()
}

/// A process of the service that can be killed and started again.
struct Victim<'a> {
    role: &'static str,
    dir: &'a Path,
    data: &'static str,
    server: Option<Server>,
}

impl Victim<'_> {
    fn start(&mut self) {
        let mut command = program();
        command.args(["run", "--role", self.role, "--config"]).arg(self.dir.join("kafka.toml"));
        command.arg("--data-dir").arg(self.dir.join(self.data));
        command.env("CIVICPULSE__ENRICH__PSEUDONYM_KEY_FILE", self.dir.join("pseudonym.key"));
        self.server = Some(Server::start(&mut command));
    }

    fn kill(&mut self) {
        if let Some(server) = &mut self.server {
            server.kill();
        }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("it was started")
    }
}

#[test]
fn kills_change_nothing() {
    let Some(brokers) = service("CIVICPULSE_KAFKA") else { return };
    let kills: usize = std::env::var("CIVICPULSE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(50);
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let records = records();
    let expected = undisturbed(dir, &records);

    let prefix = format!("chaos-{}", std::process::id());
    let config = settings(&dir.join("kafka.toml"), Some((&brokers, &prefix)));
    let mut victims = [("enrich", "first"), ("enrich", "second"), ("serve", "serve")].map(|(role, data)| Victim {
        role,
        dir,
        data,
        server: None,
    });
    victims.iter_mut().for_each(Victim::start);

    let seed = std::env::var("CIVICPULSE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("{kills} kills, CIVICPULSE_SEED={seed}");
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    std::thread::scope(|scope| {
        // Records keep coming while processes die: slowly enough that some come late in the loop.
        let pause = Duration::from_millis((kills as u64 * 1_200) / (RECORDS as u64 / 500));
        let (config, records) = (&config, &records);
        scope.spawn(move || append(config, records, pause));
        for kill in 0..kills {
            std::thread::sleep(Duration::from_millis(dice.random_range(200..2_000)));
            let victim = &mut victims[dice.random_range(0..3)];
            victim.kill();
            if kill == kills / 2 {
                restart_broker();
            }
            victim.start();
        }
    });
    let serve = victims[2].server();
    let ends = ends(&config);
    let begun = Instant::now();
    let applied = || serve.sql("SELECT partition, applied_next FROM pipeline ORDER BY partition");
    while applied() != ends {
        assert!(begun.elapsed() < PATIENCE, "after {PATIENCE:?}, applied is\n{}and the log ends at\n{ends}", applied());
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(Duration::from_secs(2));
    for ((table, query), expected) in TABLES.iter().zip(&expected) {
        let found = serve.sql(query);
        if found != *expected {
            let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
            panic!(
                "`{table}` differs after {kills} kills: {} rows instead of {}; first {differs:?}",
                found.lines().count(),
                expected.lines().count()
            );
        }
        println!("{table}: {} rows, the same after {kills} kills", found.lines().count() - 1);
    }
}

fn restart_broker() {
    match std::env::var("CIVICPULSE_KAFKA_RESTART") {
        Ok(command) => {
            let status = Command::new("bash").args(["-c", &command]).status().expect("bash is there");
            assert!(status.success(), "`{command}` failed");
        }
        Err(_) => println!("the broker is not restarted: CIVICPULSE_KAFKA_RESTART is not set"),
    }
}

/// Where each raw partition ends, as the query for the applied positions prints it.
fn ends(config: &Config) -> String {
    let registry = prometheus::Registry::new();
    let log = stream::open(&config.stream(), Arc::new(SystemClock), &registry, &|| false).unwrap();
    let bounds = log.bounds(Topic::Raw).unwrap();
    let lines = bounds.iter().enumerate().map(|(partition, bounds)| format!("{partition},{}\n", bounds.end));
    std::iter::once("partition,applied_next\n".to_owned()).chain(lines).collect()
}
