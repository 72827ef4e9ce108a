//! The sheet that says what everything means and where it comes from.

use anyhow::Result;
use rust_xlsxwriter::{Format, FormatAlign, Worksheet};

use super::super::Report;
use super::cells::header;

/// Widths of name, type and meaning, in characters.
const WIDTHS: [f64; 3] = [34.0, 26.0, 110.0];

pub(super) fn fill(sheet: &mut Worksheet, report: &Report) -> Result<()> {
    let (head, wrapped) = (header(), Format::new().set_text_wrap().set_align(FormatAlign::Top));
    let name = Format::new().set_bold().set_align(FormatAlign::Top);
    for (column, width) in WIDTHS.into_iter().enumerate() {
        sheet.set_column_width(column as u16, width)?;
    }
    let mut row = 0;
    sheet.write_string_with_format(row, 0, "Where it comes from", &head)?;
    sheet.write_string_with_format(row, 1, "", &head)?;
    sheet.write_string_with_format(row, 2, "", &head)?;
    for (fact, value) in report.provenance.facts() {
        row += 1;
        sheet.write_string_with_format(row, 0, fact.replace('_', " "), &name)?;
        sheet.write_string_with_format(row, 2, value, &wrapped)?;
    }
    row += 2;
    for (column, title) in ["Column", "Type", "What it means"].into_iter().enumerate() {
        sheet.write_string_with_format(row, column as u16, title, &head)?;
    }
    for column in &report.columns {
        row += 1;
        sheet.write_string_with_format(row, 0, &column.name, &name)?;
        sheet.write_string_with_format(row, 1, &column.kind, &wrapped)?;
        sheet.write_string_with_format(row, 2, &column.meaning, &wrapped)?;
    }
    sheet.set_freeze_panes(1, 0)?;
    Ok(())
}
