//! Table `allocation`: what to fund under a total so that most need is met, at what price, and how firm that is.
//!
//! A unit meets the need of one report. The need expected in the next window is what this one brought, over the share of incidents
//! that is estimated to be reported where that is known. A met need counts by the priority's score of its district and topic. [`plan`]
//! finds the best plan, [`stability`] makes it again under scores as they may truly be.

pub mod plan;
pub mod stability;

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use serde::{Deserialize, Serialize};

use super::budgets::Budget;
use super::columns::Columns;
use super::priorities::Priority;
use super::{column, schema_of};
use crate::config::WindowSpec;
use crate::error::AggregateError;
use plan::{Line, Model, Plan, PlanError};
use stability::Firmness;

/// How plans are made: the city's choices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AllocationConfig {
    /// The window whose needs are planned for, where a query names none.
    pub window: String,
    /// How often the plan is made again under drawn scores.
    pub draws: usize,
    /// Seed of the draws: the same seed gives the same shares.
    pub seed: u64,
}

impl Default for AllocationConfig {
    fn default() -> Self {
        Self { window: "28 days".to_owned(), draws: 200, seed: 1 }
    }
}

/// Most draws that can be configured.
pub const MAX_DRAWS: usize = 10_000;

/// Draws times the square of the items, which is what they cost, at most: a city of thousands of cells gets fewer draws.
const MAX_WORK: usize = 500_000_000;

/// A plan that may be worth less than the best by so much of its value, or less, is not noted.
const NOTED_GAP: f64 = 1e-6;

/// Fewest draws, whatever the work.
const MIN_DRAWS: usize = 20;

impl AllocationConfig {
    /// Whether plans can be made with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.window.parse::<WindowSpec>().map_err(|error| format!("allocation.window: {error}"))?;
        if !(MIN_DRAWS..=MAX_DRAWS).contains(&self.draws) {
            return Err(format!("allocation.draws is {}: between {MIN_DRAWS} and {MAX_DRAWS}", self.draws));
        }
        Ok(())
    }
}

/// One row of the table.
#[derive(Clone, Debug, Default)]
struct Row<'a> {
    district: Option<&'a str>,
    topic: Option<&'a str>,
    rank: Option<usize>,
    score: Option<f64>,
    need: Option<f64>,
    budget: Option<&'a Budget>,
    units: Option<u64>,
    firmness: Option<Firmness>,
    note: Vec<String>,
}

/// What to fund of the ranked cells of one window, best rank first; after them what minimums pay for beyond the need.
pub(crate) fn table(
    window: &str,
    priorities: &[Priority<'_>],
    budgets: &[Budget],
    total: Option<f64>,
    config: &AllocationConfig,
) -> Result<RecordBatch, AggregateError> {
    let mut ranked: Vec<&Priority<'_>> = priorities.iter().filter(|priority| priority.standing.is_some()).collect();
    // The draws belong to positions.
    ranked.sort_by_key(|priority| (priority.input.district, priority.input.topic));
    let mut rows: Vec<Row<'_>> = ranked.iter().map(|priority| row(priority, budgets)).collect();
    let (model, lines) = model(&rows, budgets);
    let price = match total {
        Some(total) => {
            let refused = |error: PlanError| AggregateError::Table { table: "allocation", problem: error.to_string() };
            fill(&mut rows, &model, &lines, &ranked, total, config).map_err(refused)?
        }
        None => {
            rows.iter_mut().for_each(|row| row.note.push("no total: ask allocation(total => ...)".into()));
            None
        }
    };
    rows.sort_by_key(|row| (row.rank.is_none(), row.rank));
    Ok(batch(window, &rows, total, price)?)
}

fn row<'a>(priority: &'a Priority<'_>, budgets: &'a [Budget]) -> Row<'a> {
    let input = &priority.input;
    let of_topic = || budgets.iter().filter(|budget| input.topic == Some(budget.topic.as_str()));
    let own = of_topic().find(|budget| budget.district.as_deref() == input.district);
    let budget = own.or_else(|| of_topic().find(|budget| budget.district.is_none()));
    let mut note = Vec::new();
    if budgets.is_empty() {
        note.push("no budgets: name a file with city.budgets_file".to_owned());
    } else if budget.is_none() {
        note.push("no budget for this topic".to_owned());
    }
    match (input.reporting.is_some_and(|reporting| reporting.is_known()), priority.reporting) {
        (true, _) => {}
        (false, Some(_)) => note.push("reporting rate unknown: the typical one is assumed".to_owned()),
        (false, None) => note.push("reporting rate unknown: need is what was reported".to_owned()),
    }
    Row {
        district: input.district,
        topic: input.topic,
        rank: priority.standing.as_ref().map(|standing| standing.rank.rank),
        score: priority.score,
        need: Some(input.reports as f64 / priority.reporting.map_or(1.0, |reporting| reporting.share)),
        budget,
        note,
        ..Row::default()
    }
}

/// The model of the rows that have a budget, and the budget of each line.
fn model<'a>(rows: &[Row<'_>], budgets: &'a [Budget]) -> (Model, Vec<&'a Budget>) {
    let of = |budget: &Budget| Line {
        unit_cost: budget.unit_cost,
        capacity: budget.capacity,
        minimum: budget.fixed_minimum,
        items: (0..rows.len()).filter(|i| rows[*i].budget.is_some_and(|own| std::ptr::eq(own, budget))).collect(),
    };
    // At least one unit where there is any need at all.
    let units = |need: f64| if need > 0.0 { (need.round() as u64).max(1) } else { 0 };
    let needs = rows.iter().map(|row| row.need.map_or(0, units)).collect();
    (Model { lines: budgets.iter().map(of).collect(), needs }, budgets.iter().collect())
}

/// Plans, and returns the shadow price; `None` where there is no budget.
fn fill<'a>(
    rows: &mut Vec<Row<'a>>,
    model: &Model,
    lines: &[&'a Budget],
    ranked: &[&Priority<'_>],
    total: f64,
    config: &AllocationConfig,
) -> Result<Option<f64>, PlanError> {
    let values: Vec<f64> = rows.iter().map(|row| row.score.unwrap_or(0.0)).collect();
    let plan = model.plan(&values, total)?;
    if lines.is_empty() {
        return Ok(None);
    }
    let errors: Vec<f64> = ranked.iter().map(|priority| priority.error.unwrap_or(0.0)).collect();
    let items = model.lines.iter().map(|line| line.items.len()).sum::<usize>().max(1);
    let draws = config.draws.min((MAX_WORK / (items * items)).max(MIN_DRAWS));
    let firmness = stability::of(model, &values, &errors, total, draws, config.seed)?;
    for (i, row) in rows.iter_mut().enumerate().filter(|(_, row)| row.budget.is_some()) {
        row.units = Some(plan.units[i]);
        row.firmness = Some(firmness[i]);
        if plan.gap > NOTED_GAP {
            row.note.push(format!("the best plan may be worth {:.3}% more than this one", 100.0 * plan.gap));
        }
        if draws < config.draws {
            row.note.push(format!("{draws} draws"));
        }
    }
    rows.extend(idle_rows(&plan, lines));
    Ok(Some(model.shadow_price(&values, total)?))
}

fn idle_rows<'a>(plan: &Plan, lines: &[&'a Budget]) -> Vec<Row<'a>> {
    let idle = plan.idle.iter().zip(lines).filter(|(units, _)| **units > 0);
    let row = |(units, budget): (&u64, &&'a Budget)| Row {
        district: Some(budget.district.as_deref().unwrap_or("*")),
        topic: Some(&budget.topic),
        budget: Some(*budget),
        units: Some(*units),
        note: vec!["paid for by fixed_minimum beyond the need that is known".to_owned()],
        ..Row::default()
    };
    idle.map(row).collect()
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::{Float64, Int64, Utf8View};
    schema_of([
        column("window", Utf8View, false, "the window whose needs are planned for"),
        column("total", Float64, true, "money that there is, in the city's currency; null is not asked"),
        column("rank", Int64, true, "rank in priorities of the same window"),
        column("district", Utf8View, true, "district; * is every district of a budget's line"),
        column("topic", Utf8View, true, "topic"),
        column("score", Float64, true, "score in priorities: how much a met need counts"),
        column(
            "need",
            Float64,
            true,
            "units expected to be needed in the next window: reports of this one over the share of incidents that is reported, or what is typical where that is not known well",
        ),
        column("unit", Utf8View, true, "what one unit is"),
        column("unit_cost", Float64, true, "money for one unit; null is no budget"),
        column("funded_units", Int64, true, "units to fund; null is unknown, see note"),
        column("funded_cost", Float64, true, "what they cost; these add up to at most the total"),
        column("need_met", Float64, true, "share of the need that they meet, 0 to 1"),
        column(
            "value",
            Float64,
            true,
            "need met, each unit counted by the score; the plan makes the sum of these as large as it can be",
        ),
        column("value_per_cost", Float64, true, "value that one unit of money buys here"),
        column(
            "shadow_price",
            Float64,
            true,
            "value that one more unit of money would buy, the same in every row (slope of the relaxation, without whole units)",
        ),
        column("funded_in_draws", Float64, true, "share of plans under drawn scores in which anything of it is funded, 0 to 1"),
        column("units_low", Float64, true, "units in all but the lowest 5% of these plans"),
        column("units_high", Float64, true, "units in all but the highest 5% of these plans"),
        column("note", Utf8View, true, "what is missing, and why"),
    ])
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

fn batch(
    window: &str,
    rows: &[Row<'_>],
    total: Option<f64>,
    price: Option<f64>,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let units = |row: &Row<'_>| Some(row.units? as f64);
    let cost = |row: &Row<'_>| Some(row.budget?.unit_cost);
    Columns::of(rows)
        .text(|_| Some(window))
        .number(|_| total)
        .count(|row| row.rank.map(|rank| rank as u64))
        .text(|row| row.district)
        .text(|row| row.topic)
        .number(|row| row.score)
        .number(|row| row.need)
        .text(|row| row.budget?.unit.as_deref())
        .number(cost)
        .count(|row| row.units)
        .number(|row| Some(units(row)? * cost(row)?))
        .number(|row| Some((units(row)? / row.need.filter(|need| *need > 0.0)?).min(1.0)))
        .number(|row| Some(units(row)? * row.score?))
        .number(|row| Some(row.score? / cost(row)?))
        .number(|_| price)
        .number(|row| Some(row.firmness?.funded))
        .number(|row| Some(row.firmness?.low))
        .number(|row| Some(row.firmness?.high))
        .made_text(|row| (!row.note.is_empty()).then(|| row.note.join("; ")))
        .batch(schema())
}

#[cfg(test)]
mod tests;
