//! Incidents are kept from one asking to the next. Whoever asks which snapshot, and in whatever order, sees what is in that snapshot.

use std::sync::Arc;

use aggregate::{Snapshot, TableName};
use feedback::time::{HOUR_US, MINUTE_US};
use feedback::{Clock, Signal, Status};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::histories::{Run, Seed, config, record, seeds};
use crate::show;
use crate::support::{Row, fetched, payload};

/// What rests on incidents.
fn shown(snapshot: &Snapshot) -> Vec<String> {
    let mut all = show::feedback(snapshot, &["id", "incident_id"]);
    for table in [TableName::Incidents, TableName::UnderReporting, TableName::Priorities] {
        all.extend(show::lines(&snapshot.table(table).unwrap(), &[]));
    }
    all
}

/// One record a batch, the clock passing on so that the watermark follows; a snapshot after each.
fn snapshots(records: &[Row]) -> Vec<Arc<Snapshot>> {
    let mut run = Run::open(&config(None));
    let mut seen = Vec::new();
    for (offset, row) in records.iter().enumerate() {
        let offset = offset as u64;
        let batch = payload(0, offset, offset + 1, &[Row { raw_offset: offset, ..row.clone() }]);
        run.aggregator.take_enriched(&fetched(0, offset, &[batch])).unwrap();
        run.clock.set(run.clock.now().plus_micros(2 * MINUTE_US));
        run.aggregator.follow_watermark();
        run.aggregator.publish();
        seen.push(run.aggregator.snapshots().load_full());
    }
    seen
}

/// The records of seeds, with moves between statuses that end nothing.
fn records(seeds: &[Seed], spread_us: i64) -> Vec<Row> {
    let mut records: Vec<Row> = seeds.iter().map(|seed| record(seed, spread_us)).collect();
    for (position, row) in records.iter_mut().enumerate().filter(|(position, _)| position % 3 == 0) {
        row.signal = row.signal.map(|_| Signal::Problem);
        row.status = row.status.map(|_| [Status::Open, Status::InProgress, Status::Acknowledged][position / 3 % 3]);
        // Another content, so another key.
        row.content_key += 1_000 + position as u64;
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn snapshots_asked_in_any_order_show_their_own(
        seeds in seeds(36), asked in prop::collection::vec(any::<Index>(), 1..24), spread in 0..3usize,
    ) {
        let records = records(&seeds, [MINUTE_US / 2, 10 * MINUTE_US, 2 * HOUR_US][spread]);
        let kept = snapshots(&records);
        for index in asked.iter().filter(|_| !kept.is_empty()) {
            let position = index.index(kept.len());
            // Found from scratch: nobody asked any of these before.
            let fresh = snapshots(&records[..=position]);
            prop_assert_eq!(shown(&kept[position]), shown(&fresh[position]));
        }
    }
}
