//! `windows(as_of => '2011-08-28T18:00:00Z')`: tables as they stood at a moment.
//!
//! DataFusion plans table functions with positional arguments only, and has no table function that knows its arguments'
//! names; a relation planner sees the call as it was written, so the names reach it.

use std::sync::Arc;

use aggregate::TableName;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{self, FunctionArg, FunctionArgExpr, TableFactor};
use feedback::{Clock, Timestamp};

use crate::error::SqlError;
use crate::suggest::nearest;
use crate::tables::snapshot_table::SnapshotTable;

/// The tables that can be asked for as of a moment.
pub(crate) const FUNCTIONS: &[TableName] =
    &[TableName::Windows, TableName::Trends, TableName::Priorities, TableName::Representation];

/// Plans calls of [`FUNCTIONS`], refuses those of other tables of ours, and leaves everything else to DataFusion.
pub(crate) struct AsOfPlanner {
    /// For `as_of => now() - interval '1 day'`.
    pub(crate) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for AsOfPlanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AsOfPlanner")
    }
}

impl RelationPlanner for AsOfPlanner {
    fn plan_relation(&self, relation: TableFactor, context: &mut dyn RelationPlannerContext) -> Result<RelationPlanning> {
        let Some((table, args, alias)) = call(&relation) else { return Ok(RelationPlanning::Original(Box::new(relation))) };
        let name = table.as_str();
        if !FUNCTIONS.contains(&table) {
            return Err(wrong(format!(
                "table `{name}` takes no arguments: windows, trends, priorities and representation take as_of"
            )));
        }
        let mut as_of = None;
        for arg in args {
            let expr = value_of(name, arg)?;
            if as_of.is_some() {
                return Err(wrong(format!("{name}() was given as_of twice: give it once")));
            }
            let expr = context.sql_to_expr(expr, &DFSchema::empty())?;
            as_of = Some(self.moment(name, expr, context)?);
        }
        let source = provider_as_source(Arc::new(SnapshotTable::new(table, as_of)));
        // DataFusion takes scans of the same name for the same scan: the moment belongs to the name, or two moments in one
        // query would show one of them twice. The alias keeps `windows.district` working.
        let scanned = match as_of {
            Some(moment) => format!("{name}(as_of => {moment})"),
            None => name.to_owned(),
        };
        let plan = LogicalPlanBuilder::scan(TableReference::bare(scanned), source, None)?.alias(name)?.build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.cloned()))))
    }
}

impl AsOfPlanner {
    /// Computes a constant expression to a moment.
    fn moment(&self, name: &str, expr: Expr, context: &dyn RelationPlannerContext) -> Result<Timestamp> {
        let simplify = SimplifyContext::builder()
            .with_config_options(Arc::new(context.context_provider().options().clone()))
            .with_query_execution_start_time(self.clock.now().to_datetime())
            .build();
        let simplifier = ExprSimplifier::new(simplify);
        let written = expr.to_string();
        let expr = simplifier.coerce(expr, &DFSchema::empty()).and_then(|expr| simplifier.simplify(expr))?;
        let Expr::Literal(value, _) = expr else {
            return Err(wrong(format!(
                "{name}(as_of => {written}) is not a constant: give a time such as '2011-08-28T18:00:00Z', \
                 or an expression of now(), without parameters or columns"
            )));
        };
        let not_a_time =
            || wrong(format!("{name}(as_of => {written}) is not a time: write it as '2011-08-28T18:00:00Z' or '2011-08-28'"));
        let is_time = matches!(value.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Date64);
        let is_text = matches!(value.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
        if value.is_null() || !(is_time || is_text) {
            return Err(not_a_time());
        }
        let target = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        match value.cast_to(&target) {
            Ok(ScalarValue::TimestampMicrosecond(Some(micros), _)) => Ok(Timestamp::from_micros(micros)),
            _ => Err(not_a_time()),
        }
    }
}

/// The table, arguments and alias, where `relation` calls one of our tables like a function.
fn call(relation: &TableFactor) -> Option<(TableName, &[FunctionArg], Option<&ast::TableAlias>)> {
    let (name, args, alias) = match relation {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, args.args.as_slice(), alias.as_ref()),
        TableFactor::Function { name, args, alias, .. } => (name, args.as_slice(), alias.as_ref()),
        _ => return None,
    };
    let ident = name.0.last()?.as_ident()?;
    let written = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() };
    Some((TableName::from_name(&written)?, args, alias))
}

/// The expression given for `as_of`, by name or as the only argument.
fn value_of(function: &str, arg: &FunctionArg) -> Result<ast::Expr> {
    let (name, value) = match arg {
        FunctionArg::Named { name, arg, .. } => (Some(name.value.clone()), arg),
        FunctionArg::ExprNamed { name, arg, .. } => (Some(name.to_string()), arg),
        FunctionArg::Unnamed(arg) => (None, arg),
    };
    if let Some(name) = name.filter(|name| !name.eq_ignore_ascii_case("as_of")) {
        let hint = match nearest(&name, &["as_of"]) {
            hint if hint.is_empty() => ": it takes as_of".to_owned(),
            hint => hint,
        };
        return Err(wrong(format!("{function}() has no argument `{name}`{hint}")));
    }
    match value {
        FunctionArgExpr::Expr(expr) => Ok(expr.clone()),
        _ => Err(wrong(format!("{function}(*) makes no sense: give as_of => '2011-08-28T18:00:00Z'"))),
    }
}

fn wrong(problem: String) -> DataFusionError {
    SqlError::Argument(problem).into()
}
