//! How deep a statement may nest. Trees are walked, copied and dropped by recursion here and in DataFusion, and a stack
//! that overflows ends the process, not the query.

use std::ops::ControlFlow;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{Statement, visit_relations};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::SqlError;

/// Operators of a statement: a chain of so many makes a tree so deep. Lists (`IN (...)`) do not count.
const OPERATORS: usize = 1_000;

/// Tables that a statement may name: the work of planning grows with their square.
const TABLES: usize = 200;

/// Depth of a plan: a chain of joins makes a tree so deep.
const PLAN_DEPTH: usize = 300;

/// Refuses a text whose tree could be too deep, before it is parsed.
pub(crate) fn check_text(sql: &str) -> Result<(), SqlError> {
    // Two bytes an operator at least: a short text need not be looked at.
    if sql.len() <= 2 * OPERATORS {
        return Ok(());
    }
    let dialect = PostgreSqlDialect {};
    // A text that is no sequence of tokens is refused by the parser, with a better message.
    let Ok(tokens) = Tokenizer::new(&dialect, sql).tokenize() else { return Ok(()) };
    let operators = tokens.iter().filter(|token| is_operator(token)).count();
    if operators > OPERATORS {
        return Err(SqlError::TooComplex { what: format!("{operators} operators"), limit: OPERATORS });
    }
    Ok(())
}

/// Refuses a statement that names too many tables, before it is planned.
pub(crate) fn check_statement(statement: &Statement) -> Result<(), SqlError> {
    let mut tables = 0;
    let _: ControlFlow<()> = visit_relations(statement, |_| {
        tables += 1;
        ControlFlow::Continue(())
    });
    if tables > TABLES {
        return Err(SqlError::TooComplex { what: format!("{tables} tables"), limit: TABLES });
    }
    Ok(())
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::SIMILAR
                | Keyword::BETWEEN
                | Keyword::IN
                | Keyword::AT
                | Keyword::CASE
                | Keyword::SELECT
                | Keyword::COLLATE
                | Keyword::JOIN
                | Keyword::UNION
                | Keyword::INTERSECT
                | Keyword::EXCEPT
        ),
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::Comma
        | Token::Period
        | Token::LParen
        | Token::RParen
        | Token::SemiColon
        | Token::Placeholder(_)
        | Token::Whitespace(_)
        | Token::EOF => false,
        _ => true,
    }
}

/// Refuses a plan that is too deep to be handed around.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<(), SqlError> {
    let mut todo = vec![(plan, 1)];
    while let Some((node, depth)) = todo.pop() {
        if depth > PLAN_DEPTH {
            let what = format!("more than {PLAN_DEPTH} joins or other steps one above the other");
            return Err(SqlError::TooComplex { what, limit: PLAN_DEPTH });
        }
        todo.extend(node.inputs().into_iter().map(|input| (input, depth + 1)));
        // The parser bounds how deeply subqueries nest.
        let mut outcome = Ok(());
        let walked = node.apply_subqueries(|subquery| {
            outcome = check_plan(subquery);
            Ok(if outcome.is_ok() { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        });
        outcome?;
        walked.map_err(|error| SqlError::Internal(error.to_string()))?;
    }
    Ok(())
}
