//! Table `budgets`: reference data that the city supplies, what it costs to meet a need and how much can be done.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use feedback::Topic;

use super::columns::Columns;
use super::{column, schema_of};
use crate::config::Reference;
use crate::error::AggregateError;
use crate::suggest::nearest;

/// What it costs to meet needs of a topic: in one district, or in all that have no line of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// The topic.
    pub topic: String,
    /// The district; `None` is every district without a line of its own.
    pub district: Option<String>,
    /// What one unit is, for people to read: `pothole filled`.
    pub unit: Option<String>,
    /// Money for one unit, which meets the need of one report; above 0.
    pub unit_cost: f64,
    /// Most units that can be done in a window; `None` is as many as are paid for.
    pub capacity: Option<u64>,
    /// Units that are paid for in any case.
    pub fixed_minimum: u64,
}

/// Most units of one line: what a solver in floating point still tells apart.
pub const MAX_UNITS: u64 = 1_000_000_000;

/// Checks what a city says its budgets are; the error names the line and what would be right.
pub fn check(budgets: &[Budget]) -> Result<(), String> {
    for (position, budget) in budgets.iter().enumerate() {
        let district = budget.district.as_deref().map_or(String::new(), |district| format!(" in `{district}`"));
        let refuse = |problem: String| Err(format!("budget for `{}`{district}: {problem}", budget.topic));
        if !Topic::ALL.iter().any(|topic| topic.as_str() == budget.topic) {
            let topics: Vec<&str> = Topic::ALL.iter().map(|topic| topic.as_str()).collect();
            return refuse(format!("there is no such topic{}", nearest(&budget.topic, &topics)));
        }
        if !(budget.unit_cost.is_finite() && budget.unit_cost > 0.0) {
            return refuse(format!("unit_cost is {}: give an amount above 0", budget.unit_cost));
        }
        let most = budget.capacity.unwrap_or(0).max(budget.fixed_minimum);
        if most > MAX_UNITS {
            return refuse(format!("{most} units are more than the {MAX_UNITS} that can be planned"));
        }
        if let Some(capacity) = budget.capacity.filter(|capacity| *capacity < budget.fixed_minimum) {
            return refuse(format!("fixed_minimum is {} and capacity only {capacity}", budget.fixed_minimum));
        }
        let same = |other: &Budget| (&other.topic, &other.district) == (&budget.topic, &budget.district);
        if budgets[..position].iter().any(same) {
            return refuse("it stands twice".into());
        }
    }
    Ok(())
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::{Float64, Int64, Utf8View};
    schema_of([
        column("topic", Utf8View, false, "topic; see table topics"),
        column("district", Utf8View, true, "district; null is every district without a line of its own"),
        column("unit", Utf8View, true, "what one unit is, for people to read"),
        column("unit_cost", Float64, false, "money for one unit, which meets the need of one report, in the city's currency"),
        column("capacity", Int64, true, "most units that can be done in a window; null is as many as are paid for"),
        column("fixed_minimum", Int64, false, "units that are paid for in any case"),
    ])
});

/// The table's schema.
pub fn schema() -> SchemaRef {
    SCHEMA.clone()
}

pub(crate) fn table(reference: &Reference) -> Result<RecordBatch, AggregateError> {
    Ok(Columns::of(&reference.budgets)
        .text(|budget| Some(&budget.topic))
        .text(|budget| budget.district.as_deref())
        .text(|budget| budget.unit.as_deref())
        .number(|budget| Some(budget.unit_cost))
        .count(|budget| budget.capacity)
        .count(|budget| Some(budget.fixed_minimum))
        .batch(schema())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roads() -> Budget {
        Budget { topic: "roads".into(), district: None, unit: None, unit_cost: 120.0, capacity: Some(50), fixed_minimum: 5 }
    }

    #[test]
    fn what_cannot_be_planned_is_refused_with_the_reason() {
        let own = Budget { district: Some("North".into()), capacity: None, ..roads() };
        assert_eq!(check(&[roads(), own]), Ok(()));
        let refused = |budgets: &[Budget]| check(budgets).unwrap_err();
        assert!(refused(&[Budget { topic: "raods".into(), ..roads() }]).ends_with("no such topic: did you mean `roads`?"));
        for unit_cost in [0.0, -3.0, f64::NAN, f64::INFINITY] {
            assert!(refused(&[Budget { unit_cost, ..roads() }]).contains("give an amount above 0"));
        }
        assert!(refused(&[Budget { fixed_minimum: 51, ..roads() }]).contains("fixed_minimum is 51 and capacity only 50"));
        assert!(refused(&[Budget { capacity: Some(u64::MAX), ..roads() }]).contains("can be planned"));
        assert_eq!(refused(&[roads(), roads()]), "budget for `roads`: it stands twice");
    }
}
