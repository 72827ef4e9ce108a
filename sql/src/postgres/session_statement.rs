//! Statements about the session rather than the data: SET, SHOW, BEGIN, DISCARD and what else clients send unasked.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self, ContextModifier, DiscardObject, Set, Statement};
use datafusion_postgres::pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse, Response, Tag};
use datafusion_postgres::pgwire::api::{ClientInfo, Type};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::response::TransactionStatus;
use futures::stream;

use super::connection::{Connection, Kind, STATEMENT_TIMEOUT, refusal};
use crate::pg_functions::setting;

/// Settings that a client may change for itself.
const CHANGEABLE: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_min_messages",
    "datestyle",
    "extra_float_digits",
    "intervalstyle",
    "search_path",
];

/// Longest value of a setting that is kept.
const VALUE_BYTES: usize = 256;

/// Whether this statement is answered here.
pub(super) fn is_about_session(statement: &Statement) -> bool {
    match statement {
        Statement::Set(_)
        | Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Discard { .. }
        | Statement::Deallocate { .. } => true,
        Statement::ShowVariable { variable } => named(variable).is_some(),
        _ => false,
    }
}

/// The column that a SHOW answers with; `None` for everything else.
pub(super) fn describe(statement: &Statement) -> Option<Vec<FieldInfo>> {
    let Statement::ShowVariable { variable } = statement else { return None };
    named(variable).map(column)
}

/// Answers.
pub(super) fn answer<C: ClientInfo>(connection: &Connection, client: &mut C, statement: &Statement) -> PgWireResult<Response> {
    match statement {
        Statement::Set(set) => change(client, set),
        Statement::ShowVariable { variable } => show(client, variable),
        Statement::StartTransaction { .. } => match client.transaction_status() {
            TransactionStatus::Error => Err(aborted()),
            TransactionStatus::Transaction => Ok(Response::Execution(Tag::new("BEGIN"))),
            TransactionStatus::Idle => Ok(Response::TransactionStart(Tag::new("BEGIN"))),
        },
        Statement::Commit { .. } if client.transaction_status() == TransactionStatus::Error => {
            Ok(Response::TransactionEnd(Tag::new("ROLLBACK")))
        }
        Statement::Commit { .. } => Ok(Response::TransactionEnd(Tag::new("COMMIT"))),
        Statement::Rollback { .. } => Ok(Response::TransactionEnd(Tag::new("ROLLBACK"))),
        Statement::Discard { object_type } => {
            if matches!(object_type, DiscardObject::ALL) {
                client.metadata_mut().retain(|name, _| !CHANGEABLE.contains(&name.as_str()) && name != STATEMENT_TIMEOUT);
                connection.forget_all(Kind::Portal);
            }
            Ok(Response::Execution(Tag::new("DISCARD")))
        }
        Statement::Deallocate { name, .. } => {
            connection.forget(Kind::Statement, &name.value);
            Ok(Response::Execution(Tag::new("DEALLOCATE")))
        }
        _ => Err(refusal("0A000", "this statement is not supported")),
    }
}

/// What a failed transaction answers until it ends.
pub(super) fn aborted() -> PgWireError {
    refusal("25P02", "the transaction failed: send ROLLBACK before anything else")
}

fn change<C: ClientInfo>(client: &mut C, set: &Set) -> PgWireResult<Response> {
    let done = || Ok(Response::Execution(Tag::new("SET")));
    let (name, value) = match set {
        Set::SingleAssignment { scope, variable, values, .. } if !matches!(scope, Some(ContextModifier::Global)) => {
            (variable.to_string().to_lowercase(), values.iter().map(text).collect::<Vec<_>>().join(", "))
        }
        Set::SetTimeZone { value, .. } => ("timezone".to_owned(), text(value)),
        // Isolation levels and character sets: everything is read-only UTF-8, one snapshot a statement.
        Set::SetTransaction { .. } | Set::SetNames { .. } | Set::SetNamesDefault {} | Set::SetSessionParam(_) => return done(),
        _ => return Err(refusal("42704", "this form of SET is not supported: write SET name = value")),
    };
    if value.len() > VALUE_BYTES {
        return Err(refusal("22023", format!("the value of {name} is longer than {VALUE_BYTES} bytes")));
    }
    if name == STATEMENT_TIMEOUT {
        let millis = milliseconds(&value).ok_or_else(|| {
            refusal("22023", format!("`{value}` is not a time: write milliseconds, or a number with ms, s, min or h"))
        })?;
        client.metadata_mut().insert(name, millis.to_string());
        return done();
    }
    if CHANGEABLE.contains(&name.as_str()) {
        client.metadata_mut().insert(name, value);
        return done();
    }
    match setting(&name) {
        // Times are shown with their offset, +00, so a client that asks for another zone still reads the right moment.
        Some(_) if name == "timezone" => done(),
        Some(fixed) if fixed.eq_ignore_ascii_case(&value) => done(),
        // What drivers set while connecting and what changes nothing here.
        Some(_) if name.ends_with("_timeout") || name.ends_with("_isolation") || name == "row_security" => done(),
        Some(fixed) if name == "client_encoding" && value.to_uppercase().replace('-', "") == fixed => done(),
        Some(fixed) => Err(refusal("55P02", format!("{name} is {fixed} and cannot be changed"))),
        None => Err(refusal("42704", format!("there is no setting `{name}` that a client may change"))),
    }
}

fn show<C: ClientInfo>(client: &C, variable: &[ast::Ident]) -> PgWireResult<Response> {
    let name = named(variable).unwrap_or_default();
    let value = match client.metadata().get(&name) {
        Some(own) if CHANGEABLE.contains(&name.as_str()) => own.clone(),
        Some(millis) if name == STATEMENT_TIMEOUT => format!("{millis}ms"),
        _ if name == STATEMENT_TIMEOUT => "0".to_owned(),
        _ => setting(&name).unwrap_or_default().to_owned(),
    };
    let fields = Arc::new(column(name));
    let mut row = DataRowEncoder::new(Arc::clone(&fields));
    row.encode_field(&value)?;
    Ok(Response::Query(QueryResponse::new(fields, stream::iter([Ok(row.take_row())]))))
}

fn column(name: String) -> Vec<FieldInfo> {
    vec![FieldInfo::new(name, None, None, Type::TEXT, FieldFormat::Text)]
}

/// The setting that `SHOW variable` asks for, if it is one.
fn named(variable: &[ast::Ident]) -> Option<String> {
    let words: Vec<String> = variable.iter().map(|word| word.value.to_lowercase()).collect();
    let name = match words.join(" ").as_str() {
        "time zone" => "timezone".to_owned(),
        "transaction isolation level" => "transaction_isolation".to_owned(),
        other => other.to_owned(),
    };
    (name == STATEMENT_TIMEOUT || setting(&name).is_some()).then_some(name)
}

fn text(value: &ast::Expr) -> String {
    let text = value.to_string();
    text.trim_matches(['\'', '"']).to_owned()
}

/// `5000`, `500ms`, `5s`, `2min`, `1h`; 0 is none.
fn milliseconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let split = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let factor = match value[split..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    value[..split].parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_with_their_units() {
        assert_eq!(milliseconds("5000"), Some(5_000));
        assert_eq!(milliseconds("2 min"), Some(120_000));
        assert_eq!(milliseconds("0"), Some(0));
        assert_eq!(milliseconds("-1"), None);
        assert_eq!(milliseconds("soon"), None);
        assert_eq!(milliseconds("99999999999999999999h"), None);
    }
}
