//! `windows(as_of => '2011-08-28T18:00:00Z')`, `trends(window => '3 hours')`: tables as they stood at a moment, and for windows
//! of another length.
//!
//! DataFusion plans table functions with positional arguments only, and has no table function that knows its arguments'
//! names; a relation planner sees the call as it was written, so the names reach it.

use std::sync::Arc;

use aggregate::{Asked, TableName};
use datafusion::common::{Result, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::sql::sqlparser::ast::{self, FunctionArg, TableFactor};
use feedback::Clock;

use crate::tables::arguments::{Call, names, wrong};
use crate::tables::snapshot_table::SnapshotTable;

/// Plans calls of tables that take arguments, refuses those of other tables of ours, and leaves everything else to DataFusion.
pub(crate) struct CallPlanner {
    /// For `as_of => now() - interval '1 day'`.
    pub(crate) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for CallPlanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallPlanner")
    }
}

impl RelationPlanner for CallPlanner {
    fn plan_relation(&self, relation: TableFactor, context: &mut dyn RelationPlannerContext) -> Result<RelationPlanning> {
        let Some((table, args, alias)) = call(&relation) else { return Ok(RelationPlanning::Original(Box::new(relation))) };
        let name = table.as_str();
        if names(table).is_empty() {
            return Err(wrong(format!(
                "table `{name}` takes no arguments: windows, trends, emerging_terms, priorities, representation and allocation do"
            )));
        }
        let asked = Call { table, context, clock: self.clock.as_ref() }.read(args)?;
        // DataFusion takes scans of the same name for the same scan: what is asked for belongs to the name, or two moments in
        // one query would show one of them twice. The alias keeps `windows.district` working.
        let scanned = scan_name(name, &asked);
        let source = provider_as_source(Arc::new(SnapshotTable::new(table, asked)));
        let plan = LogicalPlanBuilder::scan(TableReference::bare(scanned), source, None)?.alias(name)?.build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.cloned()))))
    }
}

/// A name that differs where what is asked for does.
fn scan_name(table: &str, asked: &Asked) -> String {
    let window = asked.window.as_ref().map(|spec| format!("window => {} us", spec.length_us));
    let as_of = asked.as_of.map(|moment| format!("as_of => {moment}"));
    let weights = asked.weights.as_ref().map(|weights| format!("weights => {weights:?}"));
    let top_k = asked.top_k.map(|top_k| format!("top_k => {top_k}"));
    let total = asked.total.map(|total| format!("total => {total}"));
    let said: Vec<String> = [window, as_of, weights, top_k, total].into_iter().flatten().collect();
    if said.is_empty() { table.to_owned() } else { format!("{table}({})", said.join(", ")) }
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
