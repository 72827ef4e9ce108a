//! The worked examples of `docs/methods/`: computed here, compared with what the page shows. CIVICPULSE_BLESS=1 writes them again.

use std::fmt::Write as _;

use aggregate::tables::allocation::plan::{Line, Model};
use aggregate::tables::priorities::{Component, PriorityConfig, PriorityInput, PriorityWeights, Reporting, priorities};

use crate::page::page_has;

fn district(name: &str, people: u64, open: u64, reported: f64) -> PriorityInput<'_> {
    PriorityInput {
        district: Some(name),
        topic: Some("roads"),
        reports: people,
        reporters: Some(people),
        population: Some(10_000.0),
        reporting: Some(Reporting { share: reported, error: 0.0 }),
        open: Some(open),
        ..PriorityInput::default()
    }
}

#[test]
fn priorities_by_hand() {
    let inputs = [district("North", 90, 45, 0.5), district("South", 60, 45, 0.9), district("West", 30, 15, 0.8)];
    let weights = PriorityWeights { adjusted_incidence: 3.0, backlog: 1.0, ..PriorityWeights::ZERO };
    let config = PriorityConfig { weights, ..PriorityConfig::default() };
    let ranked = priorities("28 days", &inputs, &config).unwrap();
    let mut table = "| district | people | reported | incidence | place | open | place | score | error | rank | low | high | by reports | moved by |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for cell in &ranked {
        let part = |component: Component| cell.parts[component as usize].unwrap();
        let (incidence, backlog) = (part(Component::AdjustedIncidence), part(Component::Backlog));
        let standing = cell.standing.as_ref().unwrap();
        let (input, rank) = (&cell.input, standing.rank);
        writeln!(
            table,
            "| {} | {} | {} | {:.1} | {:.3} | {:.2} | {:.3} | {:.3} | {:.3} | {} | {} | {} | {} | {} |",
            input.district.unwrap(),
            input.reports,
            input.reporting.unwrap().share,
            incidence.raw,
            incidence.scaled,
            backlog.raw,
            backlog.scaled,
            cell.score.unwrap(),
            cell.error.unwrap(),
            rank.rank,
            rank.low,
            rank.high,
            standing.raw_rank,
            standing.moved_by.as_deref().unwrap_or("")
        )
        .unwrap();
    }
    page_has("priorities.md", "priorities", &table);
}

#[test]
fn allocation_by_hand() {
    let line = |unit_cost, capacity, item| Line { unit_cost, capacity, minimum: 0, items: vec![item] };
    let model = Model { lines: vec![line(100.0, Some(6), 0), line(40.0, None, 1)], needs: vec![8, 5] };
    let (values, total) = ([0.75, 0.4], 700.0);
    let plan = model.plan(&values, total).unwrap();
    let price = model.shadow_price(&values, total).unwrap();
    let mut table = "| topic | need | score | unit cost | value per cost | funded units | funded cost | shadow price |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (item, topic) in ["roads", "graffiti"].into_iter().enumerate() {
        let (need, score, cost, units) = (model.needs[item], values[item], model.lines[item].unit_cost, plan.units[item]);
        let spent = units as f64 * cost;
        writeln!(table, "| {topic} | {need} | {score} | {cost} | {:.4} | {units} | {spent} | {price:.4} |", score / cost)
            .unwrap();
    }
    page_has("allocation.md", "allocation", &table);
}
