//! Columns made row by row: for tables that are computed, not held.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringViewBuilder, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use feedback::Timestamp;

use crate::statistics::Interval;

/// The columns of a table, one by one in the order of its schema, each by what it shows of a row.
pub(super) struct Columns<'a, T> {
    rows: &'a [T],
    made: Vec<ArrayRef>,
}

impl<'a, T> Columns<'a, T> {
    /// None yet.
    pub(super) fn of(rows: &'a [T]) -> Self {
        Self { rows, made: Vec::new() }
    }

    fn and(mut self, column: ArrayRef) -> Self {
        self.made.push(column);
        self
    }

    /// Text.
    pub(super) fn text(self, value: impl Fn(&'a T) -> Option<&'a str>) -> Self {
        let mut builder = StringViewBuilder::with_capacity(self.rows.len()).with_deduplicate_strings();
        self.rows.iter().for_each(|row| builder.append_option(value(row)));
        self.and(Arc::new(builder.finish()))
    }

    /// Text that many rows share, by its place among all that there is.
    pub(super) fn shared_text<'t>(
        self,
        texts: impl IntoIterator<Item = Option<&'t str>>,
        place: impl Fn(&'a T) -> usize,
    ) -> Result<Self, ArrowError> {
        let mut builder = StringViewBuilder::new().with_deduplicate_strings();
        texts.into_iter().for_each(|text| builder.append_option(text));
        let places: UInt32Array = self.rows.iter().map(|row| place(row) as u32).collect();
        let column = take(&builder.finish(), &places, None)?;
        Ok(self.and(column))
    }

    /// Text that is made for the table.
    pub(super) fn made_text(self, value: impl Fn(&'a T) -> Option<String>) -> Self {
        let mut builder = StringViewBuilder::with_capacity(self.rows.len()).with_deduplicate_strings();
        self.rows.iter().for_each(|row| builder.append_option(value(row)));
        self.and(Arc::new(builder.finish()))
    }

    /// Counts; what does not fit into 63 bits is shown as the largest that does.
    pub(super) fn count(self, value: impl Fn(&'a T) -> Option<u64>) -> Self {
        let capped = |row| value(row).map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let column = self.rows.iter().map(capped).collect::<Int64Array>();
        self.and(Arc::new(column))
    }

    /// Numbers; what is not finite is null.
    pub(super) fn number(self, value: impl Fn(&'a T) -> Option<f64>) -> Self {
        let column = self.rows.iter().map(|row| value(row).filter(|number| number.is_finite())).collect::<Float64Array>();
        self.and(Arc::new(column))
    }

    /// The two ends of an interval.
    pub(super) fn interval(self, value: impl Fn(&'a T) -> Option<Interval>) -> Self {
        self.number(|row| value(row).map(|interval| interval.low)).number(|row| value(row).map(|interval| interval.high))
    }

    /// A number and the two ends of its interval.
    pub(super) fn estimate(self, value: impl Fn(&'a T) -> Option<(f64, Interval)>) -> Self {
        self.number(|row| value(row).map(|(number, _)| number)).interval(|row| value(row).map(|(_, interval)| interval))
    }

    /// Moments.
    pub(super) fn time(self, value: impl Fn(&'a T) -> Option<Timestamp>) -> Self {
        let moments: TimestampMicrosecondArray = self.rows.iter().map(|row| value(row).map(Timestamp::micros)).collect();
        self.and(Arc::new(moments.with_timezone("UTC")))
    }

    /// Yes or no.
    pub(super) fn flag(self, value: impl Fn(&'a T) -> Option<bool>) -> Self {
        let column = self.rows.iter().map(value).collect::<BooleanArray>();
        self.and(Arc::new(column))
    }

    /// The table.
    pub(super) fn batch(self, schema: SchemaRef) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_new(schema, self.made)
    }
}
