use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};

use super::super::priorities::{PriorityConfig, PriorityInput, Reporting, priorities};
use super::*;

fn input<'a>(district: &'a str, topic: &'a str, reports: u64, urgent: u64) -> PriorityInput<'a> {
    PriorityInput {
        district: Some(district),
        topic: Some(topic),
        reports,
        reporters: Some(reports),
        population: Some(10_000.0),
        urgencies: [reports - urgent, 0, 0, urgent],
        ..PriorityInput::default()
    }
}

fn budget(topic: &str, district: Option<&str>, unit_cost: f64) -> Budget {
    Budget {
        topic: topic.into(),
        district: district.map(str::to_owned),
        unit: None,
        unit_cost,
        capacity: None,
        fixed_minimum: 0,
    }
}

fn allocate(inputs: &[PriorityInput<'_>], budgets: &[Budget], total: Option<f64>) -> Result<RecordBatch, AggregateError> {
    let ranked = priorities("28 days", inputs, &PriorityConfig::default()).unwrap();
    table("28 days", &ranked, budgets, total, &AllocationConfig { draws: 50, ..AllocationConfig::default() })
}

fn whole(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().iter().collect()
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().iter().collect()
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    batch.column_by_name(name).unwrap().as_string_view().iter().map(|text| text.unwrap_or("-").to_owned()).collect()
}

#[test]
fn a_districts_own_line_wins_and_the_plan_keeps_to_the_total() {
    let inputs = [input("North", "roads", 30, 20), input("South", "roads", 20, 1), input("North", "graffiti", 40, 0)];
    let budgets = [budget("roads", None, 100.0), budget("roads", Some("South"), 400.0), budget("graffiti", None, 50.0)];
    let batch = allocate(&inputs, &budgets, Some(4000.0)).unwrap();
    assert_eq!(texts(&batch, "district"), ["North", "North", "South"]);
    assert_eq!(texts(&batch, "topic"), ["roads", "graffiti", "roads"]);
    assert_eq!(numbers(&batch, "unit_cost"), [Some(100.0), Some(50.0), Some(400.0)]);
    let units = whole(&batch, "funded_units");
    let spent: f64 = numbers(&batch, "funded_cost").into_iter().flatten().sum();
    assert!(spent <= 4000.0 && spent > 3950.0, "{units:?}");
    // Graffiti costs half and scores more than half: all of it, then roads in the North; the South is dear.
    assert_eq!(units, [Some(20), Some(40), Some(0)]);
    let (price, per_cost) = (numbers(&batch, "shadow_price"), numbers(&batch, "value_per_cost"));
    assert!((price[0].unwrap() - per_cost[0].unwrap()).abs() < 1e-9, "the next unit of money goes to the North's roads");
    assert!(numbers(&batch, "funded_in_draws").into_iter().flatten().all(|share| (0.0..=1.0).contains(&share)));
    assert!(texts(&batch, "note")[0].contains("need is what was reported"));
}

#[test]
fn unreported_need_is_planned_for() {
    let half = PriorityInput { reporting: Some(Reporting { share: 0.5, error: 0.1 }), ..input("North", "roads", 30, 2) };
    let batch = allocate(&[half], &[budget("roads", None, 1.0)], Some(1000.0)).unwrap();
    assert_eq!((numbers(&batch, "need")[0], whole(&batch, "funded_units")[0]), (Some(60.0), Some(60)));
    assert_eq!((numbers(&batch, "need_met")[0], numbers(&batch, "shadow_price")[0]), (Some(1.0), Some(0.0)));
}

#[test]
fn what_is_missing_is_null_with_the_reason() {
    let inputs = [input("North", "roads", 30, 2), input("North", "noise", 5, 0)];
    let unasked = allocate(&inputs, &[budget("roads", None, 9.0)], None).unwrap();
    assert!(whole(&unasked, "funded_units").iter().all(Option::is_none));
    assert!(texts(&unasked, "note").iter().all(|note| note.contains("no total")));
    let without = allocate(&inputs, &[], Some(10.0)).unwrap();
    assert!(whole(&without, "funded_units").iter().chain(&whole(&without, "rank")).filter(|n| n.is_none()).count() == 2);
    assert!(texts(&without, "note").iter().all(|note| note.contains("no budgets: name a file")));
    let some = allocate(&inputs, &[budget("roads", None, 9.0)], Some(0.0)).unwrap();
    let note = |topic: &str| {
        let row = texts(&some, "topic").iter().position(|t| t == topic).unwrap();
        (whole(&some, "funded_units")[row], texts(&some, "note")[row].clone())
    };
    assert_eq!(note("roads").0, Some(0), "a total of nothing funds nothing");
    assert!(note("noise").0.is_none() && note("noise").1.contains("no budget for this topic"));
    assert!(numbers(&some, "shadow_price")[0].unwrap() > 0.0, "and still says what the first money would buy");
    assert_eq!(allocate(&[], &[], Some(10.0)).unwrap().num_rows(), 0);
}

#[test]
fn minimums_are_paid_or_refused() {
    let fixed = Budget { fixed_minimum: 4, ..budget("noise", None, 25.0) };
    let batch = allocate(&[input("North", "noise", 1, 0)], std::slice::from_ref(&fixed), Some(500.0)).unwrap();
    assert_eq!(
        (texts(&batch, "district"), whole(&batch, "funded_units")),
        (vec!["North".into(), "*".into()], vec![Some(1), Some(3)])
    );
    let refused = allocate(&[input("North", "noise", 1, 0)], &[fixed], Some(99.0)).unwrap_err().to_string();
    assert!(refused.contains("cost 100.00, and the total is 99.00: raise the total"), "{refused}");
}
