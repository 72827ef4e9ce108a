//! Incidents are kept from one asking to the next. Whoever asks which snapshot, and in whatever order, sees what is in that snapshot;
//! and what is joined follows from the rule that is configured.

use std::sync::Arc;

use aggregate::{Config, IncidentClass, IncidentConfig, Snapshot, TableName};
use feedback::time::{HOUR_US, MINUTE_US};
use feedback::{Clock, Signal, Status, Topic};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::histories::{Run, Seed, config, deliver_plainly, record, seeds};
use crate::oracle::Oracle;
use crate::oracle_incidents;
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

/// Rules of two classes. No distance is a multiple of the 30 m that the histories' places are apart.
fn rules() -> impl Strategy<Value = IncidentConfig> {
    let class = || {
        let near_m = prop::sample::select(vec![20.0, 35.0, 65.0]);
        let further_m = prop::sample::select(vec![0.0, 30.0, 60.0]);
        (near_m, further_m, prop::sample::select(vec![1u32, 5, 60]))
    };
    let words = (prop::sample::select(vec![0.5f32, 0.95]), prop::sample::select(vec![0.0f32, 0.3]));
    (class(), class(), words).prop_map(|(streets, lights, (words_alike, words_fit))| {
        let class = |topics: &[Topic], (near_m, further_m, span_days): (f64, f64, u32)| IncidentClass {
            topics: topics.to_vec(),
            near_m,
            far_m: near_m + further_m,
            span_days,
        };
        let classes = [
            ("lights".to_owned(), class(&[Topic::StreetLighting], lights)),
            ("nothing".to_owned(), class(&[], lights)),
            ("streets".to_owned(), class(&[Topic::Roads, Topic::Sidewalks], streets)),
        ];
        IncidentConfig { words_alike, words_fit, classes: classes.into() }
    })
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

    #[test]
    fn any_rule_joins_what_it_says(seeds in seeds(60), rule in rules(), spread in 0..2usize) {
        let records: Vec<Row> = seeds.iter().map(|seed| record(seed, [MINUTE_US / 2, 10 * MINUTE_US][spread])).collect();
        let config = Config { incidents: rule, ..config(None) };
        let (snapshot, oracle) = (deliver_plainly(&records, &config), Oracle::new(&records, &config));
        prop_assert_eq!(show::feedback(&snapshot, &["id", "incident_id"]), oracle.incident_ids());
        let incidents = snapshot.table(TableName::Incidents).unwrap();
        prop_assert_eq!(show::lines(&incidents, &oracle_incidents::COLUMNS), oracle.incidents());
    }
}
