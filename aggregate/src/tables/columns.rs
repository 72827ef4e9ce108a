//! Columns made row by row: for tables that are computed, not held.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringViewBuilder, TimestampMicrosecondArray};
use feedback::Timestamp;

/// Text.
pub(super) fn text<'a, T>(rows: &'a [T], value: impl Fn(&'a T) -> Option<&'a str>) -> ArrayRef {
    let mut builder = StringViewBuilder::with_capacity(rows.len()).with_deduplicate_strings();
    rows.iter().for_each(|row| builder.append_option(value(row)));
    Arc::new(builder.finish())
}

/// Counts; what does not fit into 63 bits is shown as the largest that does.
pub(super) fn count<T>(rows: &[T], value: impl Fn(&T) -> Option<u64>) -> ArrayRef {
    let capped = |row| value(row).map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    Arc::new(rows.iter().map(capped).collect::<Int64Array>())
}

/// Numbers; what is not finite is null.
pub(super) fn number<T>(rows: &[T], value: impl Fn(&T) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(|row| value(row).filter(|number| number.is_finite())).collect::<Float64Array>())
}

/// Moments.
pub(super) fn time<T>(rows: &[T], value: impl Fn(&T) -> Option<Timestamp>) -> ArrayRef {
    let moments: TimestampMicrosecondArray = rows.iter().map(|row| value(row).map(Timestamp::micros)).collect();
    Arc::new(moments.with_timezone("UTC"))
}

/// Yes or no.
pub(super) fn flag<T>(rows: &[T], value: impl Fn(&T) -> Option<bool>) -> ArrayRef {
    Arc::new(rows.iter().map(value).collect::<BooleanArray>())
}
