//! DECLARE, FETCH and CLOSE: how psql (FETCH_COUNT) and Python read a large result piece by piece.
//!
//! A cursor is a running query: it sees the snapshot of its declaration, counts as running, and ends at the deadline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::sql::sqlparser::ast::{CloseCursor, Declare, DeclareType, FetchDirection, Statement, Value};
use datafusion_postgres::pgwire::api::results::{FieldInfo, QueryResponse, Response, Tag};
use datafusion_postgres::pgwire::error::PgWireResult;
use futures::{StreamExt, stream};
use tokio::sync::Mutex as AsyncMutex;

use super::connection::refusal;

/// Cursors that one connection may hold.
const CURSORS: usize = 16;

type Shared = Arc<AsyncMutex<QueryResponse>>;
/// A cursor's columns and its rows.
type Cursor = (Arc<Vec<FieldInfo>>, Shared);

/// The open cursors of one connection, by name.
#[derive(Default)]
pub(super) struct Cursors(Mutex<HashMap<String, Cursor>>);

/// Whether this statement is answered here.
pub(super) fn is_about_cursors(statement: &Statement) -> bool {
    matches!(statement, Statement::Declare { .. } | Statement::Fetch { .. } | Statement::Close { .. })
}

/// The name and the query of `DECLARE name CURSOR FOR query`.
pub(super) fn declared(statements: &[Declare]) -> PgWireResult<(String, Statement)> {
    match statements {
        [Declare { names, declare_type: Some(DeclareType::Cursor), for_query: Some(query), .. }] if names.len() == 1 => {
            Ok((names[0].value.clone(), Statement::Query(query.clone())))
        }
        _ => Err(refusal("42601", "write DECLARE name CURSOR FOR SELECT ...")),
    }
}

impl Cursors {
    /// Opens a cursor; one of the same name is replaced.
    pub(super) fn open(&self, name: String, rows: QueryResponse) -> PgWireResult<Response> {
        let mut cursors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cursors.len() >= CURSORS && !cursors.contains_key(&name) {
            return Err(refusal("54000", format!("this connection holds {CURSORS} cursors: close one")));
        }
        cursors.insert(name, (rows.row_schema(), Arc::new(AsyncMutex::new(rows))));
        Ok(Response::Execution(Tag::new("DECLARE CURSOR")))
    }

    /// The columns of a cursor.
    pub(super) fn columns(&self, name: &str) -> Option<Vec<FieldInfo>> {
        let cursors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cursors.get(name).map(|(columns, _)| columns.as_ref().clone())
    }

    /// The next rows of a cursor.
    pub(super) fn fetch(&self, name: &str, direction: &FetchDirection) -> PgWireResult<Response> {
        let count = match direction {
            FetchDirection::Next | FetchDirection::Forward { limit: None } => 1,
            FetchDirection::All | FetchDirection::ForwardAll => usize::MAX,
            FetchDirection::Count { limit } | FetchDirection::Forward { limit: Some(limit) } => match &**limit {
                Value::Number(number, _) => {
                    number.to_string().parse().map_err(|_| refusal("22023", "FETCH takes a whole number"))?
                }
                _ => return Err(refusal("22023", "FETCH takes a whole number")),
            },
            _ => return Err(refusal("55000", "a cursor only moves forward: use FETCH NEXT, FETCH n or FETCH ALL")),
        };
        let cursors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((columns, rows)) = cursors.get(name) else {
            return Err(refusal("34000", format!("cursor `{name}` does not exist: DECLARE it first")));
        };
        let next = stream::unfold((Arc::clone(rows), count), |(rows, left)| async move {
            if left == 0 {
                return None;
            }
            let row = rows.lock().await.data_rows().next().await?;
            Some((row, (rows, left - 1)))
        });
        let mut response = QueryResponse::new(Arc::clone(columns), next);
        response.set_command_tag("FETCH");
        Ok(Response::Query(response))
    }

    /// Ends cursors, and their queries with them.
    pub(super) fn close(&self, which: &CloseCursor) -> Response {
        let mut cursors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match which {
            CloseCursor::All => cursors.clear(),
            CloseCursor::Specific { name } => drop(cursors.remove(&name.value)),
        }
        Response::Execution(Tag::new("CLOSE CURSOR"))
    }

    /// Ends all of them, as the end of a transaction does.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
