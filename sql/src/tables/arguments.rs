//! What is written between the parentheses of `trends(window => '3 hours', as_of => '2011-08-28')`: names, and constants.

use std::sync::Arc;

use aggregate::tables::priorities::PriorityWeights;
use aggregate::{Asked, TableName, WindowSpec};
use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{self, FunctionArg, FunctionArgExpr};
use feedback::time::DAY_US;
use feedback::{Clock, Timestamp};

use crate::error::SqlError;
use crate::suggest::nearest;

/// The names of a table's arguments; empty for a table that takes none.
pub(crate) const fn names(table: TableName) -> &'static [&'static str] {
    match table {
        TableName::Windows
        | TableName::Trends
        | TableName::ToneShifts
        | TableName::EmergingTerms
        | TableName::Representation => &["as_of", "window"],
        TableName::Priorities => &["as_of", "window", "weights", "top_k"],
        TableName::Allocation => &["total", "window", "as_of", "weights"],
        _ => &[],
    }
}

/// One call being read.
pub(crate) struct Call<'a> {
    pub(crate) table: TableName,
    pub(crate) context: &'a mut dyn RelationPlannerContext,
    /// For `as_of => now() - interval '1 day'`.
    pub(crate) clock: &'a dyn Clock,
}

impl Call<'_> {
    /// Reads all arguments; each is given once.
    pub(crate) fn read(&mut self, args: &[FunctionArg]) -> Result<Asked> {
        let function = self.table.as_str();
        let mut asked = Asked::default();
        for arg in args {
            let (name, expr) = self.argument(arg)?;
            let twice = match name {
                "window" => asked.window.replace(self.window(expr)?).is_some(),
                "weights" => asked.weights.replace(self.weights(expr)?).is_some(),
                "top_k" => asked.top_k.replace(self.places(expr)?).is_some(),
                "total" => asked.total.replace(self.amount(expr)?).is_some(),
                _ => asked.as_of.replace(self.moment(expr)?).is_some(),
            };
            if twice {
                return Err(wrong(format!("{function}() was given {name} twice: give it once")));
            }
        }
        Ok(asked)
    }

    /// The name and expression of an argument; the first of a table goes without its name.
    fn argument(&self, arg: &FunctionArg) -> Result<(&'static str, ast::Expr)> {
        let (function, known) = (self.table.as_str(), names(self.table));
        let (name, value) = match arg {
            FunctionArg::Named { name, arg, .. } => (name.value.clone(), arg),
            FunctionArg::ExprNamed { name: ast::Expr::Identifier(name), arg, .. } => (name.value.clone(), arg),
            FunctionArg::ExprNamed { name, arg, .. } => (name.to_string(), arg),
            FunctionArg::Unnamed(arg) => (known.first().copied().unwrap_or_default().to_owned(), arg),
        };
        let Some(name) = known.iter().find(|known| name.eq_ignore_ascii_case(known)) else {
            let hint = match nearest(&name, known) {
                hint if hint.is_empty() => format!(": it takes {}", known.join(" and ")),
                hint => hint,
            };
            return Err(wrong(format!("{function}() has no argument `{name}`{hint}")));
        };
        match value {
            FunctionArgExpr::Expr(expr) => Ok((*name, expr.clone())),
            _ => Err(wrong(format!("{function}(*) makes no sense: it takes {}", known.join(" and ")))),
        }
    }

    /// The value of a constant expression and how it was written; `None` where it is not one.
    fn constant(&mut self, expr: ast::Expr) -> Result<(String, Option<ScalarValue>)> {
        let expr = self.context.sql_to_expr(expr, &DFSchema::empty())?;
        let simplify = SimplifyContext::builder()
            .with_config_options(Arc::new(self.context.context_provider().options().clone()))
            .with_query_execution_start_time(self.clock.now().to_datetime())
            .build();
        let simplifier = ExprSimplifier::new(simplify);
        let written = expr.to_string();
        let expr = simplifier.coerce(expr, &DFSchema::empty()).and_then(|expr| simplifier.simplify(expr))?;
        let value = if let Expr::Literal(value, _) = expr { Some(value) } else { None };
        Ok((written, value))
    }

    fn moment(&mut self, expr: ast::Expr) -> Result<Timestamp> {
        let name = self.table.as_str();
        let (written, value) = self.constant(expr)?;
        let Some(value) = value else {
            return Err(wrong(format!(
                "{name}(as_of => {written}) is not a constant: give a time such as '2011-08-28T18:00:00Z', \
                 or an expression of now(), without parameters or columns"
            )));
        };
        let not_a_time =
            || wrong(format!("{name}(as_of => {written}) is not a time: write it as '2011-08-28T18:00:00Z' or '2011-08-28'"));
        let is_time = matches!(value.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Date64);
        if value.is_null() || !(is_time || is_text(&value)) {
            return Err(not_a_time());
        }
        let target = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        match value.cast_to(&target) {
            Ok(ScalarValue::TimestampMicrosecond(Some(micros), _)) => Ok(Timestamp::from_micros(micros)),
            _ => Err(not_a_time()),
        }
    }

    /// Weights that make sense; which ones are meant by `configured` is known to the snapshot.
    fn weights(&mut self, expr: ast::Expr) -> Result<String> {
        let name = self.table.as_str();
        let (written, value) = self.constant(expr)?;
        let text = value.filter(is_text).and_then(|value| value.try_as_str().flatten().map(str::to_owned));
        let text = text.ok_or_else(|| {
            wrong(format!(
                "{name}(weights => {written}) is not a text: write it as 'severity=2, backlog=1', without parameters or columns"
            ))
        })?;
        PriorityWeights::parse(&text, &PriorityWeights::default()).map_err(|error| wrong(error.to_string()))?;
        Ok(text)
    }

    fn places(&mut self, expr: ast::Expr) -> Result<usize> {
        let name = self.table.as_str();
        let (written, value) = self.constant(expr)?;
        let whole = value.filter(|value| value.data_type().is_integer()).and_then(|value| value.cast_to(&DataType::Int64).ok());
        match whole {
            Some(ScalarValue::Int64(Some(places))) if (1..=MAX_TOP).contains(&places) => Ok(places as usize),
            _ => Err(wrong(format!(
                "{name}(top_k => {written}) is not a number of places: write a whole number from 1 to {MAX_TOP}"
            ))),
        }
    }

    fn amount(&mut self, expr: ast::Expr) -> Result<f64> {
        let name = self.table.as_str();
        let (written, value) = self.constant(expr)?;
        let number =
            value.filter(|value| value.data_type().is_numeric()).and_then(|value| value.cast_to(&DataType::Float64).ok());
        match number {
            Some(ScalarValue::Float64(Some(amount))) => Ok(amount),
            _ => Err(wrong(format!("{name}(total => {written}) is not an amount: write a number such as 250000"))),
        }
    }

    fn window(&mut self, expr: ast::Expr) -> Result<WindowSpec> {
        let name = self.table.as_str();
        let (written, value) = self.constant(expr)?;
        let Some(value) = value else {
            return Err(wrong(format!(
                "{name}(window => {written}) is not a constant: give a length such as '24 hours', without parameters or columns"
            )));
        };
        let spec = match (value.is_null(), length_us(&value), value.try_as_str().flatten()) {
            (false, Some(length_us), _) => WindowSpec::from_micros(length_us),
            (false, None, Some(text)) => text.parse(),
            _ => {
                return Err(wrong(format!("{name}(window => {written}) is not a length: write it as '24 hours' or '7 days'")));
            }
        };
        spec.map_err(|error| wrong(format!("{name}(window => {written}): {error}")))
    }
}

/// The largest top that can be asked for.
const MAX_TOP: i64 = 1_000_000;

fn is_text(value: &ScalarValue) -> bool {
    matches!(value.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
}

/// The length of an interval without months, which have none.
fn length_us(value: &ScalarValue) -> Option<i64> {
    let target = DataType::Interval(IntervalUnit::MonthDayNano);
    if !matches!(value.data_type(), DataType::Interval(_)) {
        return None;
    }
    match value.cast_to(&target) {
        Ok(ScalarValue::IntervalMonthDayNano(Some(interval))) if interval.months == 0 => {
            i64::from(interval.days).checked_mul(DAY_US)?.checked_add(interval.nanoseconds / 1_000)
        }
        _ => None,
    }
}

pub(crate) fn wrong(problem: String) -> DataFusionError {
    SqlError::Argument(problem).into()
}
