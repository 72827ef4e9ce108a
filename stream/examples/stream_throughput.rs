//! How fast records go through the log: `stream_throughput embedded|HOST:PORT [RECORDS]`.
//!
//! Appends 300-byte JSON records from one thread, then reads them with one consumer, then does both at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use feedback::SystemClock;
use prometheus::Registry;
use stream::{EmbeddedConfig, Event, KafkaConfig, Log, Record, StreamConfig, StreamError, Target, Topic};

const APPEND_RECORDS: usize = 1000;
const WAIT: Duration = Duration::from_secs(120);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let records: usize = arguments.get(1).map_or(Ok(2_000_000), |text| text.parse())?;
    let dir = std::env::temp_dir().join(format!("civicpulse-throughput-{}", std::process::id()));
    let config = match arguments.first().map(String::as_str) {
        None | Some("embedded") => StreamConfig::Embedded(EmbeddedConfig { dir: dir.clone(), ..EmbeddedConfig::default() }),
        Some(brokers) => StreamConfig::Kafka(KafkaConfig {
            brokers: brokers.into(),
            topic_prefix: format!("throughput-{}", std::process::id()),
            partitions: 4,
            ..KafkaConfig::default()
        }),
    };
    let log = stream::open(&config, Arc::new(SystemClock), &Registry::new(), &|| false)?;
    let started = Instant::now();
    let bytes = append(&*log, records)?;
    report("append", records, bytes, started);
    let started = Instant::now();
    let bytes = read(&*log, 0, records)?;
    report("read", records, bytes, started);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read(&*log, 1, 2 * records));
        append(&*log, records)?;
        reader.join().map_err(|_| StreamError::Closed)?
    })?;
    report("append and read", records, bytes, started);
    let mut slowest = Duration::ZERO;
    let started = Instant::now();
    let producer = log.producer()?;
    for n in 0..100 {
        let one = Instant::now();
        producer.append(Topic::Dead, vec![record(n)]).wait(WAIT)?;
        slowest = slowest.max(one.elapsed());
    }
    println!("one at a time: mean {:?}, slowest {slowest:?}", started.elapsed() / 100);
    drop((producer, log));
    if dir.exists() {
        println!("disk: {} MiB", std::fs::metadata(dir.join("log.redb"))?.len() >> 20);
        std::fs::remove_dir_all(dir)?;
    }
    Ok(())
}

fn record(n: usize) -> Record {
    let key = format!("boston311:{n:012}");
    let payload = format!(
        r#"{{"kind":"report","v":1,"id":"{key}","channel":"app","created_at":"2026-03-20T09:{:02}:{:02}Z","updated_at":"2026-03-20T09:00:00Z","category":"Street Light Outages","title":"Light {} is out","text":"The light at the corner has been out for {} days and it is very dark when we walk home","lat":42.{:05},"lon":-71.{:05}}}"#,
        n / 60 % 60,
        n % 60,
        n % 977,
        n % 31,
        n * 7919 % 100_000,
        n * 104_729 % 100_000,
    );
    Record { target: Target::ByKey, key: key.into_bytes(), payload: payload.into_bytes() }
}

fn append(log: &dyn Log, records: usize) -> Result<usize, StreamError> {
    let producer = log.producer()?;
    let (mut acks, mut bytes) = (std::collections::VecDeque::new(), 0);
    for start in (0..records).step_by(APPEND_RECORDS) {
        let batch: Vec<Record> = (start..records.min(start + APPEND_RECORDS)).map(record).collect();
        bytes += batch.iter().map(|record| record.payload.len()).sum::<usize>();
        acks.push_back(producer.append(Topic::Raw, batch));
        while acks.len() > 1000 {
            acks.pop_front().map_or(Ok(()), |ack| ack.wait(WAIT))?;
        }
    }
    acks.iter().try_for_each(|ack| ack.wait(WAIT)).map(|()| bytes)
}

fn read(log: &dyn Log, group: usize, records: usize) -> Result<usize, StreamError> {
    let mut consumer = log.group_consumer(Topic::Raw, &format!("throughput-{group}"))?;
    let (mut read, mut bytes, mut batches) = (0, 0, 0);
    while read < records {
        if let Event::Fetched(fetched) = consumer.poll(WAIT)? {
            read += fetched.len();
            bytes += fetched.payloads.len();
            batches += 1;
            consumer.commit(fetched.partition, fetched.next)?.wait(WAIT)?;
        }
    }
    println!("{batches} batches of {} records", read / batches);
    Ok(bytes)
}

fn report(what: &str, records: usize, bytes: usize, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{what}: {:.0} records/s, {:.1} MB/s, {} bytes each",
        records as f64 / seconds,
        bytes as f64 / seconds / 1e6,
        bytes / records
    );
}
