//! Each stage alone, on one thread, over the same records. Beside decoding stands the way that most programs take, in the same run:
//! serde, one record at a time into a struct of owned strings.

use std::sync::Arc;
use std::time::Instant;

use aggregate::Aggregator;
use anyhow::Result;
use enrich::tier::Tier;
use enrich::{EnrichMetrics, Enricher, EnricherConfig};
use feedback::{Clock, SystemClock};
use models::compact::{CompactModel, Scratch};
use models::features::Input;
use models::language::identify;
use models::mask::Masker;
use prometheus::Registry;
use serde_json::{Value, json};
use stream::Fetched;

use crate::setup;

/// Records in one fetched batch.
const BATCH: usize = 8192;

/// Measures over `records` raw records.
pub fn measure(records: usize) -> Result<Value> {
    let mut city = setup::city(1.0)?;
    let districts = civicpulse::demo::city(&city.truth())?.districts;
    let (batches, texts) = fetched(&mut city, records);

    let decode = per_record(records, || {
        for batch in &batches {
            let decoded = enrich::decode::decode(batch, 0..batch.len())?;
            std::hint::black_box(decoded.0.len());
        }
        Ok(())
    })?;
    let decode_by_struct = per_record(records, || {
        for batch in &batches {
            for (_, payload) in batch.records() {
                std::hint::black_box(feedback::Feedback::from_json(payload).is_ok());
            }
        }
        Ok(())
    })?;
    let mut enricher = Enricher::new(
        EnricherConfig { pseudonym_key: [7; 32], districts: Arc::clone(&districts), tier: Tier::Compact },
        EnrichMetrics::register(&Registry::new())?,
    );
    let now = SystemClock.now();
    let mut payloads = Vec::new();
    let enrich = per_record(records, || {
        payloads.clear();
        for batch in &batches {
            payloads.extend(enricher.enrich(batch, now)?.payloads);
        }
        Ok(())
    })?;
    let bytes = payloads.iter().map(Vec::len).sum::<usize>();
    let apply = per_record(records, || apply(&payloads))?;
    let masker = Masker::new();
    let (mut masked, mut spans) = (String::new(), Vec::new());
    let mask = per_record(texts.len(), || {
        for text in &texts {
            masked.clear();
            spans.clear();
            std::hint::black_box(masker.mask(text, &mut masked, &mut spans));
        }
        Ok(())
    })?;
    let language = per_record(texts.len(), || {
        for text in &texts {
            std::hint::black_box(identify(text));
        }
        Ok(())
    })?;
    let (model, mut scratch) = (CompactModel::shipped(), Scratch::default());
    let read = per_record(texts.len(), || {
        for text in &texts {
            std::hint::black_box(model.read(&Input::text(text), &mut scratch));
        }
        Ok(())
    })?;
    Ok(json!({
        "bench": "stages",
        "records": records,
        "texts": texts.len(),
        "us_per_record": { "decode_json": decode, "enrich_with_decode": enrich, "apply": apply },
        "peer_us_per_record": { "decode_by_serde_into_structs": decode_by_struct },
        "us_per_text": { "mask": mask, "language": language, "model_all_heads": read },
        "enriched_bytes_per_record": bytes / records.max(1),
    }))
}

/// Applies enriched batches to empty tables, as the writer does, and publishes once.
fn apply(payloads: &[Vec<u8>]) -> Result<()> {
    let metrics = aggregate::Metrics::register(&Registry::new())?;
    let (config, reference) = (aggregate::Config::default(), aggregate::Reference::default());
    let mut aggregator = Aggregator::open(config, reference, Arc::new(SystemClock), metrics, 1)?;
    for (offset, payload) in (0..).zip(payloads) {
        aggregator.take_enriched(&Fetched {
            first: offset,
            next: offset + 1,
            offsets: vec![offset],
            ends: vec![payload.len()],
            payloads: payload.clone(),
            ..Fetched::default()
        })?;
    }
    aggregator.publish();
    Ok(())
}

fn fetched(city: &mut ingest::synthetic::SyntheticCity, records: usize) -> (Vec<Fetched>, Vec<String>) {
    let mut batches = Vec::new();
    let mut texts = Vec::new();
    let mut offset = 0;
    while (offset as usize) < records {
        let mut batch = Fetched { first: offset, ..Fetched::default() };
        while batch.len() < BATCH && (offset as usize) < records {
            let filled = city.fill(&mut batch.payloads);
            if let Ok(feedback::Feedback::Report(report)) = feedback::Feedback::from_json(&batch.payloads[filled.record]) {
                texts.extend(report.text);
            }
            batch.ends.push(batch.payloads.len());
            batch.offsets.push(offset);
            offset += 1;
        }
        batch.next = offset;
        batches.push(batch);
    }
    (batches, texts)
}

/// Microseconds a record, best of three runs: what the machine can do when nothing else disturbs it.
fn per_record(records: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let begun = Instant::now();
        work()?;
        best = best.min(begun.elapsed().as_secs_f64());
    }
    Ok(best * 1e6 / records.max(1) as f64)
}
