//! Read-only, checked twice: a statement's kind before it is planned, and every node of its plan afterwards, so that
//! nothing hides in a subquery, an EXPLAIN or a data-modifying WITH.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{Query, SetExpr, Statement};

use crate::error::{Known, SqlError};

/// Refuses every kind of statement that is not known to only read.
pub(crate) fn check_statement(statement: &Statement) -> Result<(), SqlError> {
    match statement {
        Statement::Query(query) => match writing(query) {
            Some(what) => Err(SqlError::ReadOnly { what: what.to_owned() }),
            None => Ok(()),
        },
        Statement::ExplainTable { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowFunctions { .. }
        | Statement::ShowVariable { .. } => Ok(()),
        Statement::Explain { statement, .. } => check_statement(statement),
        other => Err(SqlError::ReadOnly { what: first_words(other) }),
    }
}

/// What a query writes, where PostgreSQL allows it to: in its body or in a WITH.
fn writing(query: &Query) -> Option<&'static str> {
    let with = query.with.iter().flat_map(|with| &with.cte_tables);
    with.map(|cte| cte.query.as_ref()).find_map(writing).or_else(|| body_writing(&query.body))
}

fn body_writing(body: &SetExpr) -> Option<&'static str> {
    match body {
        SetExpr::Insert(_) => Some("INSERT"),
        SetExpr::Update(_) => Some("UPDATE"),
        SetExpr::Delete(_) => Some("DELETE"),
        SetExpr::Merge(_) => Some("MERGE"),
        SetExpr::Select(select) if select.into.is_some() => Some("SELECT INTO"),
        SetExpr::Query(query) => writing(query),
        SetExpr::SetOperation { left, right, .. } => body_writing(left).or_else(|| body_writing(right)),
        SetExpr::Select(_) | SetExpr::Values(_) | SetExpr::Table(_) => None,
    }
}

/// Refuses a plan in which any node writes, defines or configures something.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<(), SqlError> {
    let only_read = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    only_read.verify_plan(plan).map_err(|error| SqlError::from_datafusion(&error, &Known::default(), 0))?;
    let mut foreign = None;
    plan.apply_with_subqueries(|node| {
        // No extension nodes are registered, so one can only be a mistake: refuse what nobody has reviewed.
        if let LogicalPlan::Extension(extension) = node {
            foreign = Some(extension.node.name().to_owned());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(|error| SqlError::from_datafusion(&error, &Known::default(), 0))?;
    match foreign {
        Some(what) => Err(SqlError::ReadOnly { what }),
        None => Ok(()),
    }
}

/// `INSERT INTO`, `CREATE TABLE`, `COPY`: the key words at the beginning, at most two.
fn first_words(statement: &Statement) -> String {
    let text = statement.to_string();
    let words: Vec<&str> =
        text.split_whitespace().take_while(|word| word.bytes().all(|byte| byte.is_ascii_uppercase())).take(2).collect();
    if words.is_empty() { "this statement".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn refused(sql: &str) -> Option<String> {
        let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        check_statement(&statement).err().map(|error| match error {
            SqlError::ReadOnly { what } => what,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn only_statements_that_read_pass() {
        for sql in ["SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "VALUES (1)", "EXPLAIN SELECT 1", "SHOW TABLES"] {
            assert_eq!(refused(sql), None, "{sql}");
        }
        assert_eq!(refused("INSERT INTO t VALUES (1)").as_deref(), Some("INSERT INTO"));
        assert_eq!(refused("EXPLAIN ANALYZE DELETE FROM t").as_deref(), Some("DELETE FROM"));
        assert_eq!(refused("COPY t TO '/tmp/x'").as_deref(), Some("COPY"));
        assert_eq!(refused("CREATE TABLE t (a int)").as_deref(), Some("CREATE TABLE"));
        assert_eq!(refused("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a").as_deref(), Some("DELETE"));
        assert_eq!(refused("SELECT 1 INTO t UNION SELECT 2").as_deref(), Some("SELECT INTO"));
        assert_eq!(refused("SET datafusion.execution.batch_size = 1").as_deref(), Some("SET"));
    }
}
