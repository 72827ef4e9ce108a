//! What can be wrong with a query, said so that its author knows what to do.

use std::time::Duration;

use datafusion::common::DataFusionError;
use datafusion::common::SchemaError;

use crate::suggest::nearest;

/// Why a query was refused or failed. [`SqlError::code`] is its SQLSTATE, [`SqlError::reason`] its label in the metrics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The text is not SQL.
    #[error("syntax error: {0}")]
    Syntax(String),
    /// Nothing was asked.
    #[error("the query is empty: write one SQL statement")]
    Empty,
    /// Longer than [`crate::Limits::sql_bytes`].
    #[error("the statement has {bytes} bytes and the limit is {limit}: load long lists into a subquery, or raise sql_bytes")]
    TooLong {
        /// Length of the statement.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Nested so deeply that handling it could overflow a stack.
    #[error("the statement has {what} and the limit is {limit}: use IN lists or VALUES, or split it")]
    TooComplex {
        /// What there is too much of.
        what: String,
        /// The limit.
        limit: usize,
    },
    /// Several statements where one is expected.
    #[error("{count} statements were given and one is expected: send them one by one")]
    Several {
        /// How many.
        count: usize,
    },
    /// The statement would change something, or reach outside the database.
    #[error("{what} is not allowed because this server only reads: use SELECT, WITH, VALUES, EXPLAIN, SHOW or DESCRIBE")]
    ReadOnly {
        /// The statement's first words.
        what: String,
    },
    /// A table that does not exist.
    #[error("table `{name}` does not exist{hint}")]
    UnknownTable {
        /// As written.
        name: String,
        /// The nearest names, or where to look.
        hint: String,
    },
    /// A column that does not exist.
    #[error("column `{name}` does not exist{hint}")]
    UnknownColumn {
        /// As written.
        name: String,
        /// The nearest names, or where to look.
        hint: String,
    },
    /// A function that does not exist.
    #[error("function `{name}` does not exist{hint}")]
    UnknownFunction {
        /// As written.
        name: String,
        /// The nearest name, or where to look.
        hint: String,
    },
    /// A wrong argument, parameter or setting.
    #[error("{0}")]
    Argument(String),
    /// The statement is SQL, but does not make sense: types, grouping, ambiguity.
    #[error("{0}")]
    Plan(String),
    /// Something this server does not do.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Too many queries at once.
    #[error("{running} queries are running and {queued} waiting, and none finished within {wait:?}: try again shortly")]
    Busy {
        /// How many may run at once.
        running: usize,
        /// How many may wait.
        queued: usize,
        /// How long this one waited.
        wait: Duration,
    },
    /// The query took too long.
    #[error("the query did not finish within {0:?}: narrow it by created_at or district, aggregate, or add LIMIT")]
    Deadline(Duration),
    /// The client asked to stop.
    #[error("the query was cancelled at the client's request")]
    Cancelled,
    /// The query needs more memory than all queries may have together.
    #[error(
        "the query needs more than the {limit_mib} MiB that all queries share: narrow it by created_at or district, select fewer columns, or raise memory_bytes"
    )]
    Memory {
        /// The shared limit in MiB.
        limit_mib: usize,
    },
    /// One row that is too large to send.
    #[error("a row of the result has more than {limit} bytes: select fewer columns, or shorten texts by left(text, n)")]
    RowTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A value that cannot be computed: division by zero, overflow, a text that is not a number.
    #[error("{0}")]
    Data(String),
    /// What another server said.
    #[error("{message}")]
    Remote {
        /// Its SQLSTATE.
        code: String,
        /// Its message.
        message: String,
    },
    /// The server is stopping.
    #[error("the server is stopping: connect again in a moment")]
    Stopping,
    /// A fault of this program.
    #[error("internal error: {0}: please report it with the query")]
    Internal(String),
}

impl SqlError {
    /// The SQLSTATE that Postgres uses for this.
    pub fn code(&self) -> &str {
        match self {
            Self::Syntax(_) | Self::Empty | Self::Several { .. } => "42601",
            Self::TooLong { .. } | Self::RowTooLarge { .. } => "54000",
            Self::TooComplex { .. } => "54001",
            Self::ReadOnly { .. } => "25006",
            Self::UnknownTable { .. } => "42P01",
            Self::UnknownColumn { .. } => "42703",
            Self::UnknownFunction { .. } => "42883",
            Self::Argument(_) => "22023",
            Self::Plan(_) => "42000",
            Self::Unsupported(_) => "0A000",
            Self::Busy { .. } => "53300",
            Self::Deadline(_) | Self::Cancelled => "57014",
            Self::Memory { .. } => "53200",
            Self::Data(_) => "22000",
            Self::Remote { code, .. } => code,
            Self::Stopping => "57P01",
            Self::Internal(_) => "XX000",
        }
    }

    /// A short constant word: the label in the metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Syntax(_) | Self::Empty | Self::Several { .. } => "syntax",
            Self::TooLong { .. } => "too_long",
            Self::TooComplex { .. } => "too_complex",
            Self::ReadOnly { .. } => "read_only",
            Self::UnknownTable { .. } | Self::UnknownColumn { .. } | Self::UnknownFunction { .. } => "unknown_name",
            Self::Argument(_) => "argument",
            Self::Plan(_) => "plan",
            Self::Unsupported(_) => "unsupported",
            Self::Busy { .. } => "busy",
            Self::Deadline(_) => "deadline",
            Self::Cancelled => "cancelled",
            Self::Memory { .. } => "memory",
            Self::RowTooLarge { .. } => "row_too_large",
            Self::Data(_) => "data",
            Self::Remote { .. } => "remote",
            Self::Stopping => "stopping",
            Self::Internal(_) => "internal",
        }
    }

    /// Every value of [`SqlError::reason`].
    pub const REASONS: &'static [&'static str] = &[
        "syntax",
        "too_long",
        "too_complex",
        "read_only",
        "unknown_name",
        "argument",
        "plan",
        "unsupported",
        "busy",
        "deadline",
        "cancelled",
        "memory",
        "row_too_large",
        "data",
        "remote",
        "stopping",
        "internal",
    ];

    /// Translates what DataFusion says. `memory_bytes` is the pool's size.
    pub(crate) fn from_datafusion(error: &DataFusionError, known: &Known<'_>, memory_bytes: usize) -> Self {
        let root = error.find_root();
        match root {
            // An error of ours that travelled through DataFusion.
            DataFusionError::External(inner) if inner.downcast_ref::<Self>().is_some() => {
                inner.downcast_ref::<Self>().cloned().unwrap_or(Self::Cancelled)
            }
            DataFusionError::SQL(parser, _) => Self::Syntax(sentence(&parser.to_string())),
            DataFusionError::SchemaError(schema, _) => from_schema(schema),
            DataFusionError::Plan(message) => from_plan(message, known),
            DataFusionError::NotImplemented(message) => Self::Unsupported(sentence(message)),
            DataFusionError::Configuration(message) => Self::Argument(sentence(message)),
            DataFusionError::ResourcesExhausted(_) => Self::Memory { limit_mib: memory_bytes >> 20 },
            DataFusionError::ArrowError(arrow, _) => Self::Data(sentence(&arrow.to_string())),
            DataFusionError::Execution(message) => Self::Data(sentence(message)),
            DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => {
                Self::from_datafusion(inner, known, memory_bytes)
            }
            DataFusionError::Shared(inner) => Self::from_datafusion(inner, known, memory_bytes),
            DataFusionError::Collection(errors) if !errors.is_empty() => Self::from_datafusion(&errors[0], known, memory_bytes),
            other => Self::Internal(sentence(&other.strip_backtrace())),
        }
    }
}

/// The names that a misspelt one is compared with.
#[derive(Default)]
pub(crate) struct Known<'a> {
    pub(crate) tables: Vec<&'a str>,
    pub(crate) functions: Vec<&'a str>,
}

impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> Self {
        Self::External(Box::new(error))
    }
}

fn from_schema(error: &SchemaError) -> SqlError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let known: Vec<&str> = valid_fields.iter().map(|column| column.name()).collect();
            let hint = match nearest(field.name(), &known) {
                hint if hint.is_empty() => ": SELECT table_name, column_name FROM civicpulse.columns lists them".to_owned(),
                hint => hint,
            };
            SqlError::UnknownColumn { name: field.flat_name(), hint }
        }
        SchemaError::AmbiguousReference { field } => {
            SqlError::Plan(format!("column `{}` exists in several tables: write table.column", field.name()))
        }
        other => SqlError::Plan(sentence(&other.to_string())),
    }
}

fn from_plan(message: &str, known: &Known<'_>) -> SqlError {
    if let Some(name) = between(message, "table '", "' not found") {
        let short = name.rsplit('.').next().unwrap_or(name);
        let hint = match nearest(short, &known.tables) {
            hint if hint.is_empty() => format!(": the tables are {}", known.tables.join(", ")),
            hint => hint,
        };
        return SqlError::UnknownTable { name: name.trim_start_matches("civicpulse.public.").to_owned(), hint };
    }
    if let Some(name) = between(message, "table function '", "' not found") {
        let hint =
            ": windows, trends, emerging_terms, priorities, representation and allocation take arguments; generate_series and range make rows"
                .to_owned();
        return SqlError::UnknownFunction { name: name.to_owned(), hint };
    }
    if let Some(name) = between(message, "Invalid function '", "'") {
        let hint = nearest(name, &known.functions);
        return SqlError::UnknownFunction { name: name.to_owned(), hint };
    }
    for what in ["DDL", "DML", "Statement"] {
        if let Some(rest) = message.strip_prefix(what).and_then(|rest| rest.strip_prefix(" not supported: ")) {
            return SqlError::ReadOnly { what: rest.to_uppercase() };
        }
    }
    SqlError::Plan(sentence(message))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// One line without DataFusion's prefixes and call for bug reports.
fn sentence(message: &str) -> String {
    let message = message.split("\n\nbacktrace:").next().unwrap_or(message);
    let message = message.split("This issue was likely caused by").next().unwrap_or(message);
    let mut text = message.trim();
    for prefix in ["sql parser error: ", "Error during planning: ", "Execution error: ", "Arrow error: "] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    const LONGEST: usize = 600;
    if line.len() > LONGEST {
        let cut = (0..=LONGEST).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(cut);
        line.push_str(" ...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(message: &str) -> String {
        let known = Known { tables: vec!["feedback", "windows", "trends"], functions: vec!["count", "cot", "sum"] };
        SqlError::from_datafusion(&DataFusionError::Plan(message.to_owned()), &known, 1 << 20).to_string()
    }

    #[test]
    fn names_that_do_not_exist_come_with_the_nearest_ones() {
        assert_eq!(
            plan("table 'civicpulse.public.feedbck' not found"),
            "table `feedbck` does not exist: did you mean `feedback`?"
        );
        assert_eq!(
            plan("table 'civicpulse.public.zzzzzz' not found"),
            "table `zzzzzz` does not exist: the tables are feedback, windows, trends"
        );
        assert_eq!(
            plan("Invalid function 'cuont'.\nDid you mean 'count'?"),
            "function `cuont` does not exist: did you mean `count` or `cot`?"
        );
    }

    #[test]
    fn what_changes_something_is_called_by_its_name() {
        let error = plan("DML not supported: COPY");
        assert!(error.starts_with("COPY is not allowed because this server only reads"), "{error}");
    }

    #[test]
    fn every_reason_is_listed_once() {
        let mut reasons = SqlError::REASONS.to_vec();
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), SqlError::REASONS.len());
        assert!(reasons.contains(&SqlError::Memory { limit_mib: 1 }.reason()));
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let text = sentence(&"ä".repeat(2_000));
        assert!(text.len() < 700 && text.ends_with(" ..."));
    }
}
