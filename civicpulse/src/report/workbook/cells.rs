//! A record batch as cells: a header that stays, a format a column, widths that fit.

use anyhow::{Context, Result, bail};
use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use feedback::Timestamp;
use rust_xlsxwriter::{Color, Format, FormatAlign, FormatBorder, Worksheet};

use super::serial;

/// Rows that a sheet holds, less the header.
const MAX_ROWS: usize = 1_048_575;

/// Characters that a cell holds.
const MAX_TEXT: usize = 32_767;

/// Rows that decide the widths.
const ROWS_MEASURED: usize = 1_000;

/// Narrowest and widest column, in characters.
const WIDTHS: (usize, usize) = (9, 48);

/// Height of the header in points: three lines.
const HEADER_HEIGHT: f64 = 48.0;

/// Columns that stay in sight when one scrolls to the right, at most.
const KEYS: usize = 5;

/// Writes header and rows, freezes the header and the leading key columns, and lets rows be filtered.
pub(super) fn fill(sheet: &mut Worksheet, batch: &RecordBatch) -> Result<()> {
    if batch.num_rows() > MAX_ROWS {
        bail!("{} rows do not fit into a sheet: use --top, or --format csv or parquet", batch.num_rows());
    }
    let schema = batch.schema();
    let header = header();
    sheet.set_row_height(0, HEADER_HEIGHT)?;
    for (column, (field, values)) in schema.fields().iter().zip(batch.columns()).enumerate() {
        let at = u16::try_from(column).context("more columns than a sheet has")?;
        sheet.write_string_with_format(0, at, field.name().replace('_', " "), &header)?;
        let cells = Cells::of(values)?;
        let format = Format::new().set_num_format(number_format(field.name(), field.data_type())).set_align(FormatAlign::Top);
        for row in 0..batch.num_rows() {
            cells.write(sheet, row, at, &format)?;
        }
        sheet.set_column_width(at, width(field.name(), &cells, batch.num_rows()) as f64)?;
    }
    let is_key = |name: &str| matches!(name, "window" | "rank" | "district" | "topic" | "agency" | "rank_low" | "rank_high");
    let keys = schema.fields().iter().take_while(|field| is_key(field.name())).count().min(KEYS);
    sheet.set_freeze_panes(1, keys as u16)?;
    sheet.set_repeat_rows(0, 0)?;
    if batch.num_columns() > 0 && batch.num_rows() > 0 {
        sheet.autofilter(0, 0, batch.num_rows() as u32, batch.num_columns() as u16 - 1)?;
    }
    Ok(())
}

/// How headings look, here and on the method sheet.
pub(super) fn header() -> Format {
    Format::new()
        .set_bold()
        .set_text_wrap()
        .set_align(FormatAlign::Top)
        .set_font_color(Color::White)
        .set_background_color(Color::RGB(0x1F_4E_79))
        .set_border_bottom(FormatBorder::Thin)
}

/// A column in a form that a sheet has.
enum Cells {
    Text(StringArray),
    Number(Float64Array),
    Flag(BooleanArray),
    Time(Int64Array),
}

impl Cells {
    fn of(column: &ArrayRef) -> Result<Self> {
        let taken = |target: DataType| -> Result<ArrayRef> { Ok(cast(column, &target)?) };
        let wrong = "a cast gives the type that it names";
        Ok(match column.data_type() {
            DataType::Boolean => Self::Flag(column.as_any().downcast_ref::<BooleanArray>().cloned().context(wrong)?),
            DataType::Timestamp(..) => {
                let micros = cast(&taken(DataType::Timestamp(TimeUnit::Microsecond, None))?, &DataType::Int64)?;
                Self::Time(micros.as_any().downcast_ref::<Int64Array>().cloned().context(wrong)?)
            }
            numeric if numeric.is_numeric() => {
                Self::Number(taken(DataType::Float64)?.as_any().downcast_ref::<Float64Array>().cloned().context(wrong)?)
            }
            _ => Self::Text(taken(DataType::Utf8)?.as_any().downcast_ref::<StringArray>().cloned().context(wrong)?),
        })
    }

    fn write(&self, sheet: &mut Worksheet, row: usize, column: u16, format: &Format) -> Result<()> {
        let at = row as u32 + 1;
        match self {
            // Written as a string: a text that begins with = is no formula.
            Self::Text(texts) if texts.is_valid(row) => {
                let text: String = texts.value(row).chars().take(MAX_TEXT).collect();
                sheet.write_string_with_format(at, column, text, format)?;
            }
            Self::Number(numbers) if numbers.is_valid(row) && numbers.value(row).is_finite() => {
                sheet.write_number_with_format(at, column, numbers.value(row), format)?;
            }
            Self::Flag(flags) if flags.is_valid(row) => {
                sheet.write_string_with_format(at, column, if flags.value(row) { "yes" } else { "no" }, format)?;
            }
            Self::Time(times) if times.is_valid(row) => {
                if let Some(days) = serial(Timestamp::from_micros(times.value(row))) {
                    sheet.write_number_with_format(at, column, days, format)?;
                }
            }
            // Unknown is an empty cell.
            _ => {}
        }
        Ok(())
    }

    /// Characters that a cell needs, about.
    fn length(&self, row: usize) -> usize {
        match self {
            Self::Text(texts) if texts.is_valid(row) => texts.value(row).chars().count(),
            Self::Number(numbers) if numbers.is_valid(row) => {
                3 + (numbers.value(row).abs().max(1.0).log10() as usize + 1) * 4 / 3
            }
            Self::Time(_) => 17,
            _ => 3,
        }
    }
}

fn width(name: &str, cells: &Cells, rows: usize) -> usize {
    let longest_word = name.split('_').map(str::len).max().unwrap_or(0);
    let longest = (0..rows.min(ROWS_MEASURED)).map(|row| cells.length(row)).max().unwrap_or(0);
    longest.max(longest_word).saturating_add(3).clamp(WIDTHS.0, WIDTHS.1)
}

/// How numbers of a column are shown: money and rates with two digits, shares and scores with three, small probabilities with four.
fn number_format(name: &str, data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Timestamp(..) => "yyyy-mm-dd hh:mm",
        data_type if data_type.is_integer() => "#,##0",
        data_type if data_type.is_numeric() => match name {
            "p_value" | "q_value" | "value_per_cost" | "shadow_price" => "0.0000",
            "funded_cost" | "unit_cost" | "total" => "#,##0.00",
            _ if name.starts_with("score") || name.contains("share") || name.contains("ratio") => "0.000",
            _ if name.ends_with("_scaled") || name.ends_with("_weight") || name.ends_with("_weighted") => "0.000",
            _ => "#,##0.00",
        },
        _ => "General",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_follow_what_a_number_is() {
        assert_eq!(number_format("q_value", &DataType::Float64), "0.0000");
        assert_eq!(number_format("severity_scaled", &DataType::Float64), "0.000");
        assert_eq!(number_format("rank", &DataType::Int64), "#,##0");
        assert_eq!(number_format("since", &DataType::Timestamp(TimeUnit::Microsecond, None)), "yyyy-mm-dd hh:mm");
        assert_eq!(number_format("note", &DataType::Utf8View), "General");
    }
}
