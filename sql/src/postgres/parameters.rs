//! `$1`, `$2`, ...: their types as the plan needs them, and their values as the client sent them.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ParamValues;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion_postgres::arrow_pg::datatypes::df::deserialize_parameters_with_server_types;
use datafusion_postgres::arrow_pg::datatypes::into_pg_type;
use datafusion_postgres::pgwire::api::Type;
use datafusion_postgres::pgwire::api::portal::Portal;
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};

use super::connection::refusal;

/// Most parameters a statement may have; the protocol's own limit.
const PARAMETERS: usize = 65_535;

/// The parameters of a statement, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters {
    types: Vec<DataType>,
    wire: Vec<Type>,
}

impl Parameters {
    /// Finds the placeholders of a plan. One whose type nothing tells is text, as in Postgres.
    pub(super) fn of(plan: &LogicalPlan) -> PgWireResult<Self> {
        let wrong = |error| PgWireError::ApiError(Box::new(error));
        let mut found: BTreeMap<usize, DataType> = BTreeMap::new();
        let mut note = |id: &str, data_type: Option<DataType>| {
            if let Some(number) = id.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok()) {
                match data_type {
                    Some(data_type) => drop(found.insert(number, data_type)),
                    None => drop(found.entry(number).or_insert(DataType::Utf8)),
                }
            }
        };
        for (id, data_type) in plan.get_parameter_types().map_err(wrong)? {
            note(&id, data_type.filter(|data_type| !data_type.is_null()));
        }
        // `$1::timestamptz` and LIMIT say the type where nothing else does.
        plan.apply_with_subqueries(|node| {
            let counts = matches!(node, LogicalPlan::Limit(_));
            node.apply_expressions(|expr| {
                expr.apply(|expr| {
                    if let Expr::Placeholder(placeholder) = expr
                        && placeholder.field.is_none()
                        && counts
                    {
                        note(&placeholder.id, Some(DataType::Int64));
                    }
                    if let Expr::Cast(cast) = expr
                        && let Expr::Placeholder(placeholder) = cast.expr.as_ref()
                        && placeholder.field.is_none()
                    {
                        note(&placeholder.id, Some(cast.field.data_type().clone()));
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })
        .map_err(wrong)?;
        let count = found.keys().next_back().copied().unwrap_or(0);
        if count > PARAMETERS || found.contains_key(&0) {
            return Err(refusal("42P02", format!("parameters are $1 to ${PARAMETERS}")));
        }
        let types: Vec<DataType> = (1..=count).map(|number| found.remove(&number).unwrap_or(DataType::Utf8)).collect();
        let wire = types.iter().map(into_pg_type).collect::<PgWireResult<_>>()?;
        Ok(Self { types, wire })
    }

    /// The types as clients know them.
    pub(super) fn wire(&self) -> &[Type] {
        &self.wire
    }

    /// Reads the values that a client bound.
    pub(super) fn values<S: Clone>(&self, portal: &Portal<S>) -> PgWireResult<ParamValues> {
        let types: Vec<Option<&DataType>> = self.types.iter().map(Some).collect();
        let wire: Vec<Option<&Type>> = self.wire.iter().map(Some).collect();
        deserialize_parameters_with_server_types(portal, &types, &wire)
    }
}
