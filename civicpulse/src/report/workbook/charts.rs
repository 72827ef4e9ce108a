//! Charts of a report: what it is about, and how many reports came a day.

use anyhow::Result;
use arrow::array::RecordBatch;
use rust_xlsxwriter::{Chart, ChartFormat, ChartLegendPosition, ChartSolidFill, ChartType, Color, Format, Worksheet};

use super::super::{Kind, Report, numbers, texts};
use super::serial;

/// The sheet's name.
pub(super) const SHEET: &str = "Charts";

/// Rows of a table that a chart shows.
const SHOWN: usize = 20;

/// Where the charts' numbers begin, right of the charts.
const DATA_COLUMN: u16 = 20;

/// Rows between the tops of two charts, and their size in pixels.
const CHART_ROWS: u32 = 32;
const SIZE: (u32, u32) = (1_150, 600);

/// The charts of a report.
pub(super) struct Charts(Vec<Drawing>);

/// One chart, with its numbers.
struct Drawing {
    title: &'static str,
    kind: ChartType,
    axis: &'static str,
    labels: Vec<String>,
    series: Vec<Series>,
}

struct Series {
    name: &'static str,
    values: Vec<Option<f64>>,
    /// RGB; `None` is drawn without colour, to set off what is stacked upon it.
    color: Option<u32>,
}

const DARK: u32 = 0x1F_4E_79;
const LIGHT: u32 = 0x9D_C3_E6;
const ORANGE: u32 = 0xED_7D_31;

/// `None` where there is nothing to draw.
pub(super) fn of(report: &Report) -> Result<Option<Charts>> {
    let about = match report.kind {
        Kind::Priorities => ranks(&report.rows)?,
        Kind::Trends => trends(&report.rows)?,
        Kind::ServiceLevels => service_levels(&report.rows)?,
        Kind::Representation => bars(&report.rows, "Reports per 1,000 residents", "per_1000")?,
        Kind::Allocation => bars(&report.rows, "What is funded, in money", "funded_cost")?,
    };
    let charts: Vec<Drawing> = [about, daily(report)].into_iter().flatten().filter(|c| !c.labels.is_empty()).collect();
    Ok((!charts.is_empty()).then_some(Charts(charts)))
}

/// Rank with its interval: a bar from the best place to the worst that the data allows, which changes its shade at the rank.
fn ranks(rows: &RecordBatch) -> Result<Option<Drawing>> {
    let Some([rank, low, high]) = columns(rows, ["rank", "rank_low", "rank_high"])? else { return Ok(None) };
    interval(
        rows,
        "The first places, and the places that the data allows (95% for all at once)",
        "place, 1 the largest",
        ["best place to rank", "rank to worst place"],
        [low.into_iter().map(|low| Some(low? - 0.5)).collect(), rank, high.into_iter().map(|high| Some(high? + 0.5)).collect()],
    )
}

fn service_levels(rows: &RecordBatch) -> Result<Option<Drawing>> {
    let Some([low, median, high]) = columns(rows, ["close_low_h", "close_median_h", "close_high_h"])? else { return Ok(None) };
    let days = |hours: Vec<Option<f64>>| -> Vec<Option<f64>> { hours.into_iter().map(|h| Some(h? / 24.0)).collect() };
    // Without an upper bound the bar ends at the median.
    let high = high.into_iter().zip(&median).map(|(high, median)| high.or(*median)).collect();
    interval(
        rows,
        "Days until half of the cases are closed, with 95% interval",
        "days",
        ["lower end to median", "median to upper end"],
        [days(low), days(median), days(high)],
    )
}

/// Bars from `low` to `high`, of two shades that meet at the middle value.
fn interval(
    rows: &RecordBatch,
    title: &'static str,
    axis: &'static str,
    names: [&'static str; 2],
    [low, middle, high]: [Vec<Option<f64>>; 3],
) -> Result<Option<Drawing>> {
    let whole: Vec<usize> =
        (0..rows.num_rows()).filter(|&i| low[i].and(middle[i]).and(high[i]).is_some()).take(SHOWN).collect();
    let between = |from: &[Option<f64>], to: &[Option<f64>]| {
        whole.iter().map(|&i| Some((to[i]? - from[i]?).max(0.0))).collect::<Vec<_>>()
    };
    let series = vec![
        Series { name: "", values: whole.iter().map(|&i| low[i]).collect(), color: None },
        Series { name: names[0], values: between(&low, &middle), color: Some(DARK) },
        Series { name: names[1], values: between(&middle, &high), color: Some(LIGHT) },
    ];
    Ok(Some(Drawing { title, kind: ChartType::BarStacked, axis, labels: labels(rows, &whole)?, series }))
}

fn trends(rows: &RecordBatch) -> Result<Option<Drawing>> {
    let Some([observed, expected]) = columns(rows, ["observed", "expected"])? else { return Ok(None) };
    let known: Vec<usize> = (0..rows.num_rows()).filter(|&i| expected[i].is_some()).take(SHOWN).collect();
    let take = |values: &[Option<f64>]| known.iter().map(|&i| values[i]).collect();
    let series = vec![
        Series { name: "observed", values: take(&observed), color: Some(ORANGE) },
        Series { name: "expected", values: take(&expected), color: Some(LIGHT) },
    ];
    let title = "Observed against expected reports, smallest false-discovery rate first";
    Ok(Some(Drawing { title, kind: ChartType::Bar, axis: "reports", labels: labels(rows, &known)?, series }))
}

fn bars(rows: &RecordBatch, title: &'static str, column: &'static str) -> Result<Option<Drawing>> {
    let Some([values]) = columns(rows, [column])? else { return Ok(None) };
    let mut shown: Vec<usize> = (0..rows.num_rows()).filter(|&i| values[i].is_some_and(|value| value > 0.0)).collect();
    shown.sort_by(|a, b| values[*b].unwrap_or(0.0).total_cmp(&values[*a].unwrap_or(0.0)));
    shown.truncate(SHOWN);
    let series = vec![Series { name: title, values: shown.iter().map(|&i| values[i]).collect(), color: Some(DARK) }];
    Ok(Some(Drawing { title, kind: ChartType::Bar, axis: "", labels: labels(rows, &shown)?, series }))
}

fn daily(report: &Report) -> Option<Drawing> {
    let label = |at: &feedback::Timestamp| at.to_string().chars().take("2011-08-28".len()).collect();
    let values = report.daily.iter().map(|(_, n)| Some(*n as f64)).collect();
    (report.daily.len() > 1).then(|| Drawing {
        title: "Reports a day in the whole city, UTC; the last day may be incomplete",
        kind: ChartType::Column,
        axis: "reports",
        labels: report.daily.iter().filter(|(at, _)| serial(*at).is_some()).map(|(at, _)| label(at)).collect(),
        series: vec![Series { name: "reports", values, color: Some(DARK) }],
    })
}

/// Columns as numbers; `None` where the table lacks one.
fn columns<const N: usize>(rows: &RecordBatch, names: [&str; N]) -> Result<Option<[Vec<Option<f64>>; N]>> {
    let mut found = Vec::with_capacity(N);
    for name in names {
        let Some(column) = rows.column_by_name(name) else { return Ok(None) };
        found.push(numbers(column)?);
    }
    Ok(found.try_into().ok())
}

/// What each of these rows is about.
fn labels(rows: &RecordBatch, positions: &[usize]) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    for name in ["agency", "district", "value", "topic"] {
        parts.extend(rows.column_by_name(name).map(texts).transpose()?);
    }
    let label = |row: &usize| {
        let named: Vec<&str> = parts.iter().filter_map(|texts| texts[*row].as_deref()).collect();
        named.join(": ")
    };
    Ok(positions.iter().map(label).collect())
}

impl Charts {
    /// Draws them below one another; their numbers stand to the right, outside of what is printed.
    pub(super) fn draw(&self, sheet: &mut Worksheet) -> Result<()> {
        let mut column = DATA_COLUMN;
        for (position, drawing) in self.0.iter().enumerate() {
            let chart = drawing.chart(sheet, column)?;
            sheet.insert_chart(position as u32 * CHART_ROWS, 0, &chart)?;
            column += drawing.series.len() as u16 + 2;
        }
        sheet.set_print_area(0, 0, self.0.len() as u32 * CHART_ROWS, DATA_COLUMN - 2)?;
        Ok(())
    }
}

impl Drawing {
    fn chart(&self, sheet: &mut Worksheet, column: u16) -> Result<Chart> {
        let bold = Format::new().set_bold();
        let last = self.labels.len() as u32;
        sheet.write_string_with_format(0, column, self.title, &bold)?;
        for (row, label) in (1..).zip(&self.labels) {
            sheet.write_string(row, column, label)?;
        }
        let mut chart = Chart::new(self.kind);
        chart.title().set_name(self.title);
        chart.set_width(SIZE.0).set_height(SIZE.1);
        for (at, series) in (column + 1..).zip(&self.series) {
            sheet.write_string_with_format(0, at, series.name, &bold)?;
            for (row, value) in (1..).zip(&series.values) {
                if let Some(value) = value {
                    sheet.write_number(row, at, *value)?;
                }
            }
            let mut format = ChartFormat::new();
            match series.color {
                Some(color) => format.set_solid_fill(ChartSolidFill::new().set_color(Color::RGB(color))),
                None => format.set_no_fill().set_no_border(),
            };
            let added = chart.add_series();
            added.set_name(series.name).set_format(&mut format).set_gap(40);
            added.set_categories((SHEET, 1, column, last, column)).set_values((SHEET, 1, at, last, at));
            if series.color.is_none() {
                added.delete_from_legend(true);
            }
        }
        let is_bar = matches!(self.kind, ChartType::Bar | ChartType::BarStacked);
        if is_bar {
            // The first row stands at the top.
            chart.x_axis().set_reverse();
        }
        chart.y_axis().set_name(self.axis);
        if self.series.len() == 1 {
            chart.legend().set_hidden();
        } else {
            chart.legend().set_position(ChartLegendPosition::Bottom);
        }
        Ok(chart)
    }
}
