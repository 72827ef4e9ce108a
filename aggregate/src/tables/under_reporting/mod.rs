//! Tables `under_reporting` and `under_reporting_model`: how often people report what they see, and what it goes with.

mod estimate;
mod model;

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;

pub use estimate::{ALL, Adjusted, Adjustment, Estimate, Exposure, UnderReportingConfig, estimates};
pub use model::{Term, terms};

use super::columns::Columns;
use super::{column, schema_of};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::{Float64, Int64, Utf8View};
    schema_of([
        column("district", Utf8View, true, "district; null is unknown, '*' the whole city"),
        column("topic", Utf8View, true, "topic; null is unknown, '*' all topics"),
        column("incidents", Int64, false, "problems that were reported at least once, in the time looked at"),
        column("repeat_reports", Int64, false, "reports about them after the first ones, while they stood"),
        column(
            "exposure_days",
            Float64,
            false,
            "days in which repeats could come, over all incidents: from the first report to closing, at most max_exposure_days",
        ),
        column(
            "rate_per_day",
            Float64,
            true,
            "how often one standing incident is reported, a day: repeats / exposure (Liu, Bhandaram & Garg 2023). Speaks of incidents reported at least once; what nobody ever reports stays unknown",
        ),
        column("rate_low", Float64, true, "lower end of its exact 95% interval"),
        column("rate_high", Float64, true, "upper end of its exact 95% interval"),
        column(
            "mean_delay_days",
            Float64,
            true,
            "mean time until a standing incident is reported, days: 1 / rate; null without a repeat",
        ),
        column("mean_delay_low_days", Float64, true, "lower end of its exact 95% interval, days"),
        column("mean_delay_high_days", Float64, true, "upper end of its exact 95% interval, days; null is without bound"),
        column(
            "against_rest",
            Float64,
            true,
            "the rate over that of the same topics in the rest of the city; below 1 reports less",
        ),
        column("against_rest_low", Float64, true, "lower end of its exact 95% interval"),
        column("against_rest_high", Float64, true, "upper end of its exact 95% interval; null is without bound"),
        column("against_rest_p", Float64, true, "two-sided p-value of 1; not corrected for looking at many rows"),
        column(
            "pooled_rate_per_day",
            Float64,
            true,
            "the rate drawn towards what district and topic lead one to expect (Gamma-Poisson); what the adjustment uses",
        ),
        column("pooled_rate_low", Float64, true, "lower end of its 95% interval"),
        column("pooled_rate_high", Float64, true, "upper end of its 95% interval"),
        column(
            "adjusted_incidents_assumed",
            Float64,
            true,
            "incidents, reported or not, under the ASSUMPTION that one which nobody reports stands for standing_days on average: incidents * (1 + 1 / (pooled rate * standing_days))",
        ),
        column(
            "adjusted_low_assumed",
            Float64,
            true,
            "the same at the upper end of the rate; the assumption itself has no interval",
        ),
        column(
            "adjusted_high_assumed",
            Float64,
            true,
            "the same at the lower end of the rate; the assumption itself has no interval",
        ),
        column("note", Utf8View, true, "why numbers are missing"),
    ])
});

/// The schema of [`rows`].
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The table `under_reporting`.
pub fn rows(estimates: &[Estimate<'_>]) -> Result<RecordBatch, ArrowError> {
    Columns::of(estimates)
        .text(|e| e.district)
        .text(|e| e.topic)
        .count(|e| Some(e.counts.incidents))
        .count(|e| Some(e.counts.repeats))
        .number(|e| Some(e.counts.days()))
        .number(|e| e.rate.map(|r| r.rate))
        .interval(|e| e.rate.map(|r| r.interval))
        .number(|e| e.rate.and_then(|r| r.mean_delay))
        .interval(|e| e.rate.map(|r| r.delay_interval))
        .number(|e| e.against_rest.map(|r| r.ratio))
        .interval(|e| e.against_rest.map(|r| r.interval))
        .number(|e| e.against_rest.map(|r| r.p_value))
        .number(|e| e.adjustment.map(|a| a.rate))
        .interval(|e| e.adjustment.map(|a| a.interval))
        .number(|e| e.adjusted.map(|a| a.incidents))
        .interval(|e| e.adjusted.map(|a| a.interval))
        .text(|e| e.note)
        .batch(schema())
}

static MODEL_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::{Float64, Int64, Utf8View};
    schema_of([
        column("term", Utf8View, false, "intercept, deprivation, ln_density, ln_population or a covariate of the city's"),
        column(
            "rate_ratio",
            Float64,
            true,
            "reporting rate at one standard deviation more of the covariate, over that at its mean; for the intercept, over the city's",
        ),
        column("rate_ratio_low", Float64, true, "lower end of its 95% interval"),
        column("rate_ratio_high", Float64, true, "upper end of its 95% interval"),
        column("coefficient", Float64, true, "its logarithm"),
        column("standard_error", Float64, true, "of the coefficient, over-dispersion included"),
        column("p_value", Float64, true, "two-sided p-value of no dependence"),
        column("covariate_mean", Float64, true, "mean of the covariate over the districts"),
        column("covariate_deviation", Float64, true, "its standard deviation over the districts"),
        column("districts", Int64, false, "districts in the regression"),
        column("dispersion", Float64, true, "variance over mean of the districts' counts around the fit; 1 is pure chance"),
        column("note", Utf8View, true, "why there is no estimate"),
    ])
});

/// The schema of [`model_rows`].
pub fn model_schema() -> SchemaRef {
    MODEL_SCHEMA.clone()
}

/// The table `under_reporting_model`.
pub fn model_rows(terms: &[Term]) -> Result<RecordBatch, ArrowError> {
    Columns::of(terms)
        .text(|t| Some(&t.name))
        .number(|t| t.estimate.map(|e| e.coefficient.exp()))
        .number(|t| t.estimate.map(|e| e.interval.low.exp()))
        .number(|t| t.estimate.map(|e| e.interval.high.exp()))
        .number(|t| t.estimate.map(|e| e.coefficient))
        .number(|t| t.estimate.map(|e| e.standard_error))
        .number(|t| t.estimate.map(|e| e.p_value))
        .number(|t| t.scale.map(|s| s.0))
        .number(|t| t.scale.map(|s| s.1))
        .count(|t| Some(t.districts as u64))
        .number(|t| t.dispersion)
        .text(|t| t.note.as_deref())
        .batch(model_schema())
}
