//! Table `provenance`: facts by which a figure, a file or a printout can be traced back to the data and the program that made it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, SchemaRef};
use feedback::Timestamp;
use xxhash_rust::xxh3::xxh3_128;

use super::priorities::{Component, PriorityConfig};
use super::{column, schema_of};
use crate::config::Reference;
use crate::error::AggregateError;
use crate::rows::Column;
use crate::snapshot::Snapshot;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema_of([
        column("name", DataType::Utf8View, false, "which fact"),
        column("value", DataType::Utf8View, true, "what it is; times are UTC; null is unknown"),
    ])
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

pub(crate) fn table(snapshot: &Snapshot) -> Result<RecordBatch, AggregateError> {
    let facts = facts(snapshot);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringViewArray::from_iter_values(facts.iter().map(|(name, _)| *name))),
        Arc::new(facts.iter().map(|(_, value)| value.as_deref()).collect::<StringViewArray>()),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

fn facts(snapshot: &Snapshot) -> Vec<(&'static str, Option<String>)> {
    let (config, span) = (snapshot.config(), span(snapshot));
    let hash = Some(config.configuration_hash.clone()).filter(|hash| !hash.is_empty());
    vec![
        ("civicpulse_version", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("configuration_hash", hash),
        ("reference_hash", Some(reference_hash(snapshot.reference()))),
        ("model_versions", Some(model_versions(snapshot)).filter(|versions| !versions.is_empty())),
        ("reports", Some(snapshot.rows().to_string())),
        ("first_report_at", span.map(|(first, _)| first.to_string())),
        ("last_report_at", span.map(|(_, last)| last.to_string())),
        ("watermark", snapshot.watermark().map(|watermark| watermark.to_string())),
        ("snapshot", Some(snapshot.sequence().to_string())),
        ("priority_weights", Some(weights(&config.priorities))),
        ("priority_formula", Some(format!("{:?}", config.priorities.formula).to_lowercase())),
        ("priority_vote_weight", Some(config.priorities.vote_weight.to_string())),
    ]
}

/// Event times of the first and the last live report.
fn span(snapshot: &Snapshot) -> Option<(Timestamp, Timestamp)> {
    let created = snapshot.state().segments().flat_map(|segment| {
        let live = segment.lives.iter().enumerate().filter(|(_, (live, _))| *live);
        live.filter_map(move |(row, _)| segment.rows.time(Column::CreatedAt, row))
    });
    let ends = created.fold(None, |ends: Option<(i64, i64)>, at| match ends {
        Some((first, last)) => Some((first.min(at), last.max(at))),
        None => Some((at, at)),
    });
    ends.map(|(first, last)| (Timestamp::from_micros(first), Timestamp::from_micros(last)))
}

/// Every model that read a live report, by name.
fn model_versions(snapshot: &Snapshot) -> String {
    let mut codes = BTreeSet::new();
    for segment in snapshot.state().segments() {
        let live = segment.lives.iter().enumerate().filter(|(_, (live, _))| *live);
        codes.extend(live.map(|(row, _)| segment.rows.word(Column::ModelVersion, row)));
    }
    let versions = &snapshot.state().words.model_version;
    let versions: BTreeSet<&str> = codes.into_iter().filter_map(|code| versions.word(code)).map(|word| &**word).collect();
    versions.into_iter().collect::<Vec<_>>().join(", ")
}

/// The same districts and budgets give the same hash, in whatever order they were supplied.
fn reference_hash(reference: &Reference) -> String {
    let mut lines: Vec<String> = reference.districts.iter().map(|district| format!("{district:?}")).collect();
    lines.extend(reference.budgets.iter().map(|budget| format!("{budget:?}")));
    lines.sort_unstable();
    format!("{:032x}", xxh3_128(lines.join("\n").as_bytes()))
}

fn weights(config: &PriorityConfig) -> String {
    let mut text = String::new();
    for component in Component::ALL {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{}={}", component.as_str(), config.weights.of(component));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::District;
    use crate::tables::priorities::PriorityWeights;

    #[test]
    fn the_reference_hash_sees_contents_and_no_order() {
        let district = |name: &str, population| District { name: name.into(), population, ..District::default() };
        let of = |districts: Vec<District>| reference_hash(&Reference { districts, ..Reference::default() });
        let (a, b) = (district("A", Some(1.0)), district("B", None));
        assert_eq!(of(vec![a.clone(), b.clone()]), of(vec![b.clone(), a.clone()]));
        assert_ne!(of(vec![a.clone(), b]), of(vec![a, district("B", Some(2.0))]));
    }

    #[test]
    fn weights_are_written_as_a_query_takes_them() {
        let config = PriorityConfig::default();
        let text = weights(&config);
        assert_eq!(PriorityWeights::parse(&text, &PriorityWeights::ZERO).unwrap(), config.weights);
    }
}
