//! A report as a workbook: the main columns to print, charts, all columns, and a sheet that says what each column means and where
//! every figure comes from. Every page's foot names program, configuration, data and model, so that a printout can be traced back.

mod cells;
mod charts;
mod method;

use anyhow::Result;
use feedback::Timestamp;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, Worksheet};

use super::{Report, text};

/// A4.
const PAPER: u8 = 9;

/// The file.
pub(super) fn bytes(report: &Report) -> Result<Vec<u8>> {
    let mut workbook = Workbook::new();
    let main = text::main(report)?;
    page(workbook.add_worksheet(), report, report.kind.title())?;
    cells::fill(workbook.worksheet_from_index(0)?, &main)?;
    if let Some(charts) = charts::of(report)? {
        let sheet = workbook.add_worksheet();
        page(sheet, report, charts::SHEET)?;
        charts.draw(sheet)?;
    }
    let all = workbook.add_worksheet();
    page(all, report, "All columns")?;
    cells::fill(all, &report.rows)?;
    let sheet = workbook.add_worksheet();
    page(sheet, report, "Method")?;
    method::fill(sheet, report)?;
    workbook.set_properties(&properties(report));
    Ok(workbook.save_to_buffer()?)
}

/// Name, paper and foot of a sheet.
fn page(sheet: &mut Worksheet, report: &Report, name: &str) -> Result<()> {
    // An ampersand in a foot is a code.
    let foot = report.provenance.footer().replace('&', "&&");
    sheet.set_name(name)?;
    sheet.set_landscape().set_paper_size(PAPER).set_print_fit_to_pages(1, 0).set_margins(0.4, 0.4, 0.6, 0.7, 0.3, 0.3);
    sheet.set_header(format!("&L&\"-,Bold\"{}&R{}", report.title.replace('&', "&&"), report.provenance.get("generated_at")));
    sheet.set_footer(format!("&L&8{foot}&R&8page &P of &N"));
    Ok(())
}

fn properties(report: &Report) -> DocProperties {
    let facts: Vec<String> = report.provenance.facts().map(|(name, value)| format!("{name}: {value}")).collect();
    let properties = DocProperties::new().set_title(&report.title).set_author("civicpulse").set_comment(facts.join("\n"));
    // The moment of the report, not of a clock of the library's own.
    let at = report.provenance.get("generated_at").parse::<Timestamp>().map(Timestamp::micros);
    match at.map(|micros| ExcelDateTime::from_timestamp(micros.div_euclid(1_000_000))) {
        Ok(Ok(at)) => properties.set_creation_datetime(&at),
        _ => properties,
    }
}

/// A moment as Excel counts days. `None` before 1900.
fn serial(at: Timestamp) -> Option<f64> {
    let days = at.micros() as f64 / feedback::time::DAY_US as f64 + UNIX_EPOCH_SERIAL;
    (days >= 1.0).then_some(days)
}

/// 1970-01-01 in Excel's days.
const UNIX_EPOCH_SERIAL: f64 = 25_569.0;

#[cfg(test)]
mod tests;
