//! One client: what it prepared, whether it is busy, how to cancel it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use datafusion_postgres::pgwire::api::ClientInfo;
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError};
use datafusion_postgres::pgwire::messages::response::TransactionStatus;
use tokio::sync::watch;

use super::access::{Registered, Registry};
use super::cursors::Cursors;
use super::session_statement;
use crate::engine::{Engine, Run};
use crate::error::SqlError;

/// Prepared statements, and open cursors and portals, that one connection may hold.
const NAMES: usize = 256;

/// The setting under which a connection keeps its own deadline, in milliseconds.
pub(super) const STATEMENT_TIMEOUT: &str = "statement_timeout";

/// The state of one connection, shared by its handlers.
pub(super) struct Connection {
    pub(super) engine: Engine,
    registry: Arc<Registry>,
    registered: OnceLock<Registered>,
    cancel: watch::Sender<u64>,
    busy: watch::Sender<usize>,
    names: Mutex<HashSet<(Kind, String)>>,
    pub(super) cursors: Cursors,
}

/// What a client gives names to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Statement,
    Portal,
}

/// Marks the connection as busy until dropped.
pub(super) struct Busy(watch::Sender<usize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|messages| *messages -= 1);
    }
}

impl Connection {
    pub(super) fn new(engine: Engine, registry: Arc<Registry>) -> Self {
        Self {
            engine,
            registry,
            registered: OnceLock::new(),
            cancel: watch::Sender::new(0),
            busy: watch::Sender::new(0),
            names: Mutex::default(),
            cursors: Cursors::default(),
        }
    }

    /// Called at the beginning of every message that does work.
    pub(super) fn begin<C: ClientInfo>(&self, client: &C) -> Busy {
        self.registered.get_or_init(|| {
            let (number, secret) = client.pid_and_secret_key();
            self.registry.register((number, secret.to_bytes().to_vec()), self.cancel.clone())
        });
        self.busy.send_modify(|messages| *messages += 1);
        Busy(self.busy.clone())
    }

    /// Resolves once nothing has been asked for `quiet`.
    pub(super) async fn quiet(&self, quiet: Duration) {
        let mut busy = self.busy.subscribe();
        loop {
            if busy.wait_for(|messages| *messages == 0).await.is_err() {
                return;
            }
            if tokio::time::timeout(quiet, busy.changed()).await.is_err() {
                return;
            }
        }
    }

    /// How to run a statement: its client's deadline and cancel requests from now on.
    pub(super) fn run<C: ClientInfo>(&self, client: &C) -> Run {
        let timeout = client.metadata().get(STATEMENT_TIMEOUT).and_then(|millis| millis.parse().ok());
        let mut cancel = self.cancel.subscribe();
        cancel.mark_unchanged();
        Run { params: None, deadline: timeout.filter(|millis| *millis > 0).map(Duration::from_millis), cancel: Some(cancel) }
    }

    /// Notes a name; refuses when the connection holds too many.
    pub(super) fn name(&self, kind: Kind, name: &str) -> Result<(), PgWireError> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES && !names.contains(&(kind, name.to_owned())) {
            return Err(refusal(
                "54000",
                format!("this connection holds {NAMES} statements and cursors: close some, or reconnect"),
            ));
        }
        names.insert((kind, name.to_owned()));
        Ok(())
    }

    /// Forgets a name.
    pub(super) fn forget(&self, kind: Kind, name: &str) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).remove(&(kind, name.to_owned()));
    }

    /// Forgets every name of a kind.
    pub(super) fn forget_all(&self, kind: Kind) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).retain(|(held, _)| *held != kind);
    }

    /// Refuses while the client's transaction has failed.
    pub(super) fn check_transaction<C: ClientInfo>(&self, client: &C) -> Result<(), PgWireError> {
        match client.transaction_status() {
            TransactionStatus::Error => Err(session_statement::aborted()),
            _ => Ok(()),
        }
    }
}

/// An error for the client, which may go on.
pub(super) fn refusal(code: &str, message: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".to_owned(), code.to_owned(), message.into())))
}

impl From<SqlError> for PgWireError {
    fn from(error: SqlError) -> Self {
        refusal(error.code(), error.to_string())
    }
}
