//! Table `tone_shifts`: where people have become angrier or calmer, against the same phase of earlier periods.
//!
//! Shares are mean probabilities of a negative tone over the texts that have one, so that they move with what people write and not with how
//! many write. See [`share_difference`](crate::statistics::share_difference) for the interval.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;

use super::columns::Columns;
use super::{column, schema_of};
use crate::statistics::benjamini_hochberg::q_values;
use crate::statistics::share_difference::{Difference, compare};

/// Highest false-discovery rate of a shift.
const MAX_Q_VALUE: f64 = 0.05;

/// Texts with a tone, and the sum of their probabilities of being negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tones {
    /// Texts that have a tone.
    pub texts: u64,
    /// Sum of the probabilities, in millionths: whole, so that adding in any order gives the same bits.
    pub negative_millionths: i64,
}

impl Tones {
    /// Mean probability; `None` without a text.
    fn share(&self) -> Option<f64> {
        let (negative, texts) = self.pair();
        (self.texts > 0).then(|| negative / texts)
    }

    fn pair(&self) -> (f64, f64) {
        let texts = self.texts as f64;
        ((self.negative_millionths as f64 / 1e6).clamp(0.0, texts), texts)
    }
}

/// A cell of one window.
#[derive(Clone, Copy, Debug)]
pub struct ToneCell<'a> {
    /// The district; `None` is unknown, `*` the whole city.
    pub district: Option<&'a str>,
    /// The topic; `None` is unknown.
    pub topic: Option<&'a str>,
    /// In the window.
    pub now: Tones,
    /// In the same phase of all earlier periods together.
    pub before: Tones,
}

struct Row<'a> {
    window: &'a str,
    periods: usize,
    cell: &'a ToneCell<'a>,
    difference: Option<Difference>,
    q_value: Option<f64>,
}

impl Row<'_> {
    fn direction(&self) -> &'static str {
        match (self.difference, self.q_value) {
            (Some(found), Some(q_value)) if q_value <= MAX_Q_VALUE && found.difference > 0.0 => "worse",
            (Some(found), Some(q_value)) if q_value <= MAX_Q_VALUE && found.difference < 0.0 => "better",
            (Some(_), Some(_)) => "steady",
            _ => "unknown",
        }
    }

    fn note(&self) -> Option<&'static str> {
        if self.periods == 0 {
            Some("not enough history: no earlier period is complete")
        } else if self.cell.before.texts == 0 {
            Some("no text with a tone in the earlier periods")
        } else if self.cell.now.texts == 0 {
            Some("no text with a tone in the window")
        } else {
            None
        }
    }
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::{Float64, Int64, Utf8View};
    schema_of([
        column("window", Utf8View, false, "rolling window, for example '24 hours'"),
        column("district", Utf8View, true, "district; null is unknown, '*' the whole city"),
        column("topic", Utf8View, true, "topic; null is unknown"),
        column("texts", Int64, false, "texts with a tone in the window"),
        column("negative_share", Float64, true, "their mean probability of a negative tone"),
        column("texts_before", Int64, false, "texts with a tone in the same phase of the earlier periods"),
        column("negative_share_before", Float64, true, "their mean probability of a negative tone"),
        column("difference", Float64, true, "negative_share less negative_share_before; null is explained in note"),
        column("difference_low", Float64, true, "lower end of the 95% interval of the difference (Newcombe)"),
        column("difference_high", Float64, true, "upper end of the 95% interval of the difference"),
        column("p_value", Float64, true, "two-sided p-value of no difference"),
        column("q_value", Float64, true, "false-discovery rate (Benjamini-Hochberg) over all cells of the window"),
        column("direction", Utf8View, false, "worse, better, steady, or unknown where there is nothing to compare with"),
        column("periods", Int64, false, "earlier periods compared, a week or more apart, as far as cells are kept"),
        column("note", Utf8View, true, "why numbers are missing"),
    ])
});

/// The schema of [`rows`].
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

/// The table: windows as given, each with its earlier periods and cells, ordered by district and topic. Cells without any text with
/// a tone, now or earlier, are left out.
pub fn rows(windows: &[(&str, usize, Vec<ToneCell<'_>>)]) -> Result<RecordBatch, ArrowError> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (window, periods, cells) in windows {
        let mut cells: Vec<&ToneCell<'_>> = cells.iter().filter(|cell| cell.now.texts + cell.before.texts > 0).collect();
        cells.sort_by_key(|cell| (cell.district, cell.topic));
        let found: Vec<Option<Difference>> = cells.iter().map(|cell| compare(cell.now.pair(), cell.before.pair())).collect();
        let p_values: Vec<f64> = found.iter().map(|found| found.map_or(f64::NAN, |found| found.p_value)).collect();
        for ((cell, difference), q_value) in cells.into_iter().zip(found).zip(q_values(&p_values)) {
            rows.push(Row { window, periods: *periods, cell, difference, q_value: difference.map(|_| q_value) });
        }
    }
    Columns::of(&rows)
        .text(|row| Some(row.window))
        .text(|row| row.cell.district)
        .text(|row| row.cell.topic)
        .count(|row| Some(row.cell.now.texts))
        .number(|row| row.cell.now.share())
        .count(|row| Some(row.cell.before.texts))
        .number(|row| row.cell.before.share())
        .number(|row| row.difference.map(|found| found.difference))
        .interval(|row| row.difference.map(|found| found.interval))
        .number(|row| row.difference.map(|found| found.p_value))
        .number(|row| row.q_value)
        .text(|row| Some(row.direction()))
        .count(|row| Some(row.periods as u64))
        .text(|row| row.note())
        .batch(schema())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Float64Type;

    use super::*;

    #[test]
    fn angrier_calmer_and_nothing_to_say() {
        let tones = |texts, negative: f64| Tones { texts, negative_millionths: (negative * 1e6) as i64 };
        let cell = |district, now, before| ToneCell { district: Some(district), topic: Some("noise"), now, before };
        let cells = vec![
            cell("angrier", tones(200, 120.0), tones(800, 240.0)),
            cell("calmer", tones(200, 20.0), tones(800, 240.0)),
            cell("few", tones(2, 2.0), tones(3, 1.0)),
            cell("new", tones(5, 2.0), tones(0, 0.0)),
            cell("silent", tones(0, 0.0), tones(0, 0.0)),
        ];
        let batch = rows(&[("24 hours", 8, cells.clone()), ("7 days", 0, cells)]).unwrap();
        let texts = |name: &str| {
            batch.column_by_name(name).unwrap().as_string_view().iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>()
        };
        let directions: Vec<String> = texts("direction").into_iter().flatten().take(4).collect();
        assert_eq!(directions, ["worse", "better", "steady", "unknown"]);
        assert_eq!(texts("note")[3].as_deref(), Some("no text with a tone in the earlier periods"));
        assert!(texts("note")[7].as_deref().unwrap().starts_with("not enough history"));
        let difference = batch.column_by_name("difference").unwrap().as_primitive::<Float64Type>();
        assert!((difference.value(0) - 0.3).abs() < 1e-12 && difference.is_null(3));
    }
}
