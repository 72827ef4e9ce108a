//! Raw records of a synthetic city into a log.

use std::time::Duration;

use anyhow::Result;
use ingest::synthetic::SyntheticCity;
use stream::{Ack, Producer, Record, Target, Topic};

/// Records in one append.
const APPEND_RECORDS: usize = 2_000;
/// How long an append may take.
const APPEND_WAIT: Duration = Duration::from_secs(60);

/// Appends `records` records of the city; returns their bytes once the log has them.
pub fn append(city: &mut SyntheticCity, producer: &dyn Producer, records: usize) -> Result<usize> {
    let mut bytes = 0;
    let mut left = records;
    let mut waiting: Option<Ack> = None;
    while left > 0 {
        let count = left.min(APPEND_RECORDS);
        let batch: Vec<Record> = (0..count).map(|_| next(city)).collect();
        bytes += batch.iter().map(|record| record.payload.len()).sum::<usize>();
        let ack = producer.append(Topic::Raw, batch);
        if let Some(previous) = waiting.replace(ack) {
            previous.wait(APPEND_WAIT)?;
        }
        left -= count;
    }
    if let Some(last) = waiting {
        last.wait(APPEND_WAIT)?;
    }
    Ok(bytes)
}

/// The next record of the city.
pub fn next(city: &mut SyntheticCity) -> Record {
    let mut payload = Vec::with_capacity(512);
    let filled = city.fill(&mut payload);
    let key = payload[filled.key].to_vec();
    let target = if key.is_empty() { Target::EveryPartition } else { Target::ByKey };
    Record { target, key, payload }
}
