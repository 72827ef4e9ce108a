//! Table `windows`: one row a rolling window x district x topic.

use std::sync::{Arc, LazyLock};

use ::feedback::Topic;
use ::feedback::schema::timestamp_type;
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringViewArray, StringViewBuilder, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, SchemaRef};

use super::{append_word, column, measures, schema_of};
use crate::config::Reference;
use crate::dictionary::{CITY, Words};
use crate::error::AggregateError;
use crate::measures::Measures;
use crate::statistics::{LEVEL, wilson};
use crate::windows::{Group, Window};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let share = |name: &str, doc: &str| column(name, DataType::Float64, true, doc);
    let keys = [
        column(
            "window",
            DataType::Utf8View,
            false,
            "name of the rolling window: 1 hour, 24 hours, 7 days, 28 days, or as configured",
        ),
        column("district", DataType::Utf8View, true, "district; null is unknown, * the whole city"),
        column("topic", DataType::Utf8View, true, "topic; see table topics"),
        column("window_start", timestamp_type(), false, "start, included; UTC"),
        column("window_end", timestamp_type(), false, "end, excluded: the watermark, floored to the window's bucket; UTC"),
    ];
    let shares = [
        share("negative_share", "mean probability of negative tone, 0 to 1; null where no report has one"),
        share("negative_share_low", "lower end of its 95 % Wilson interval"),
        share("negative_share_high", "upper end of its 95 % Wilson interval"),
        share("positive_share", "mean probability of positive tone, 0 to 1; null where no report has one"),
        share("positive_share_low", "lower end of its 95 % Wilson interval"),
        share("positive_share_high", "upper end of its 95 % Wilson interval"),
        share("per_1000", "reports per 1,000 residents; null where the population is unknown"),
        share(
            "answer_hours_mean",
            "mean time to first answer of the answered; hours. Open cases are missing: see service_levels",
        ),
        share("close_hours_mean", "mean time to closing of the closed; hours. Open cases are missing: see service_levels"),
    ];
    schema_of(keys.into_iter().chain(measures::columns()).chain(shares))
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// Milliseconds in an hour.
const HOUR_MS: f64 = 3_600_000.0;

pub(crate) fn table<'a>(
    windows: impl IntoIterator<Item = &'a Window>,
    districts: &Words,
    reference: &Reference,
) -> Result<RecordBatch, AggregateError> {
    let mut rows: Vec<(&Window, Group, &Measures)> = Vec::new();
    for window in windows {
        rows.extend(window.totals.iter().map(|(group, measures)| (window, *group, &**measures)));
    }
    let mut district = StringViewBuilder::new();
    rows.iter().for_each(|row| append_word(&mut district, districts, row.1.0));
    let time = |of: fn(&Window) -> i64| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| of(row.0)));
        Arc::new(times.with_timezone("UTC"))
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| &row.0.spec.name))),
        Arc::new(district.finish()),
        Arc::new(rows.iter().map(|row| Topic::from_code(row.1.1).map(Topic::as_str)).collect::<StringViewArray>()),
        time(|window| window.range.start),
        time(|window| window.range.end),
    ];
    columns.extend(measures::arrays(rows.iter().map(|row| row.2)));
    // The share of a sum of Bernoulli trials with these probabilities varies less than Wilson's binomial of their mean: the interval
    // is wide enough, whatever the mixture.
    for tone in [0, 2] {
        let interval = |measures: &Measures| {
            let n = f64::from(measures.toned);
            measures.tone_share(tone).and_then(|share| wilson::interval(share * n, n, LEVEL))
        };
        columns.push(Arc::new(rows.iter().map(|row| row.2.tone_share(tone)).collect::<Float64Array>()));
        columns.push(Arc::new(rows.iter().map(|row| interval(row.2).map(|i| i.low)).collect::<Float64Array>()));
        columns.push(Arc::new(rows.iter().map(|row| interval(row.2).map(|i| i.high)).collect::<Float64Array>()));
    }
    let city = reference.city_population();
    let population = |code: u32| match districts.word(code) {
        _ if code == CITY => city,
        Some(name) => reference.population(name),
        None => None,
    };
    let per_1000 = rows.iter().map(|row| population(row.1.0).map(|residents| f64::from(row.2.reports) * 1000.0 / residents));
    columns.push(Arc::new(per_1000.collect::<Float64Array>()));
    let mean = |sum_ms: i64, n: u32| (n > 0).then(|| sum_ms as f64 / HOUR_MS / f64::from(n));
    columns.push(Arc::new(rows.iter().map(|row| mean(row.2.answer_ms, row.2.answered)).collect::<Float64Array>()));
    columns.push(Arc::new(rows.iter().map(|row| mean(row.2.close_ms, row.2.closings)).collect::<Float64Array>()));
    Ok(RecordBatch::try_new(schema(), columns)?)
}
