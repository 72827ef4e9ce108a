//! Table `representation`: who is heard, against who lives there and who needs it.

mod compare;

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;

pub use compare::{Against, Dimension, Heard, Share, Voices, compare};

use super::columns::Columns;
use super::{column, schema_of};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::{Float64, Int64, Utf8View};
    let real = |name: &str, doc: &str| column(name, Float64, true, doc);
    schema_of([
        column("window", Utf8View, false, "rolling window of at least a day, for example '28 days'"),
        column("dimension", Utf8View, false, "what is compared: city, deprivation band, district, language or channel"),
        column("value", Utf8View, true, "which; null is unknown, '*' the whole city"),
        column("district", Utf8View, true, "the district in rows about districts, to join by; null elsewhere"),
        column("reports", Int64, false, "reports in the window"),
        column("reporters", Int64, true, "distinct authors; null where no report names one"),
        real(
            "population",
            "residents that it is compared with (of a language: who mainly speaks it; of a channel: of the city); null is unknown, see note",
        ),
        real("per_1000", "reports per 1,000 residents"),
        real(
            "per_1000_low",
            "lower end of its exact 95% interval; reports of one event are not independent, so reporters are the safer number",
        ),
        real("per_1000_high", "upper end of its exact 95% interval"),
        real("reporters_per_1000", "distinct authors per 1,000 residents"),
        real("reporters_per_1000_low", "lower end of its exact 95% interval"),
        real("reporters_per_1000_high", "upper end of its exact 95% interval"),
        real("expected", "reports if every resident led to as many"),
        real("index", "reports / expected; below 1 is heard less than its share"),
        real("index_low", "lower end of its exact 95% interval"),
        real("index_high", "upper end of its exact 95% interval"),
        real(
            "expected_by_need_assumed",
            "reports if every incident, reported or not, led to as many; incidents under the assumption of under_reporting",
        ),
        real("need_index_assumed", "reports / expected_by_need_assumed"),
        real("need_index_low", "lower end of its exact 95% interval, the incidents taken as known"),
        real("need_index_high", "upper end of its exact 95% interval, the incidents taken as known"),
        real("deprivation", "deprivation of the district on the city's own scale, higher is more deprived"),
        column("deprivation_band", Int64, true, "band of its deprivation among the districts, 1 the least deprived"),
        real(
            "mean_delay_days",
            "mean time until a standing incident is reported, days (see under_reporting); null without a repeat",
        ),
        real("mean_delay_low_days", "lower end of its exact 95% interval, days"),
        real("mean_delay_high_days", "upper end of its exact 95% interval, days; null is without bound"),
        real("reporting_against_rest", "reporting rate over that of the same topics in the rest of the city"),
        real(
            "need_per_1000_assumed",
            "incidents per 1,000 residents, reported or not, under the assumption of under_reporting",
        ),
        real(
            "outreach_need_assumed",
            "mean_delay_days * need_per_1000_assumed: where asking people would find most that is not heard of",
        ),
        column(
            "outreach_rank",
            Int64,
            true,
            "place of the district by outreach_need_assumed, 1 the greatest: the outreach list",
        ),
        real(
            "r_score",
            "how evenly the districts take part: R-indicator, 1 - 2 S (Schouten, Cobben & Bethlehem 2009); of the city only. Near 1 whenever few take part: look at participation_variation",
        ),
        real("r_score_low", "lower end of its 95% interval"),
        real("r_score_high", "upper end of its 95% interval"),
        real(
            "participation_variation",
            "standard deviation of the chance to take part over its mean, over all residents; 0 is even",
        ),
        column("note", Utf8View, true, "what is missing, and why"),
    ])
});

/// The schema of [`rows`].
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The table.
pub fn rows(shares: &[Share<'_>]) -> Result<RecordBatch, ArrowError> {
    Columns::of(shares)
        .text(|s| Some(s.window))
        .text(|s| Some(s.dimension.as_str()))
        .text(|s| s.value.as_deref())
        .text(|s| s.value.as_deref().filter(|_| s.dimension == Dimension::District))
        .count(|s| Some(s.voices.reports))
        .count(|s| s.voices.reporters)
        .number(|s| s.population)
        .number(|s| s.reports_per_1000.map(|r| r.rate))
        .interval(|s| s.reports_per_1000.map(|r| r.interval))
        .number(|s| s.reporters_per_1000.map(|r| r.rate))
        .interval(|s| s.reporters_per_1000.map(|r| r.interval))
        .number(|s| s.by_population.map(|a| a.expected))
        .number(|s| s.by_population.map(|a| a.index))
        .interval(|s| s.by_population.map(|a| a.interval))
        .number(|s| s.by_need.map(|a| a.expected))
        .number(|s| s.by_need.map(|a| a.index))
        .interval(|s| s.by_need.map(|a| a.interval))
        .number(|s| s.deprivation)
        .count(|s| s.band.map(|band| band as u64))
        .number(|s| s.rate.and_then(|r| r.mean_delay))
        .interval(|s| s.rate.map(|r| r.delay_interval))
        .number(|s| s.against_rest.map(|r| r.ratio))
        .number(|s| s.need_per_1000)
        .number(|s| s.outreach)
        .count(|s| s.outreach_rank.map(|rank| rank as u64))
        .number(|s| s.evenness.map(|e| e.r))
        .interval(|s| s.evenness.map(|e| e.interval))
        .number(|s| s.evenness.map(|e| e.variation))
        .text(|s| s.note.as_deref())
        .batch(schema())
}
