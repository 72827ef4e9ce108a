//! The extended protocol: prepared statements, parameters, binary values. What drivers speak.
//!
//! pgwire's own handling is replaced where it is unbounded: it keeps any number of statements, and gathers a whole result in
//! memory before it sends the first row.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::pgwire::api::portal::{Format, Portal, PortalExecutionState};
use datafusion_postgres::pgwire::api::query::{ExtendedQueryHandler, send_execution_response, send_query_response};
use datafusion_postgres::pgwire::api::results::{FieldInfo, QueryResponse, Response};
use datafusion_postgres::pgwire::api::stmt::{QueryParser, StoredStatement};
use datafusion_postgres::pgwire::api::store::{Entry, PortalStore};
use datafusion_postgres::pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, PgWireConnectionState, Type};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::PgWireBackendMessage;
use datafusion_postgres::pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Execute, Parse, ParseComplete, TARGET_TYPE_BYTE_PORTAL,
    TARGET_TYPE_BYTE_STATEMENT,
};
use datafusion_postgres::pgwire::messages::response::EmptyQueryResponse;
use datafusion_postgres::pgwire::types::format::FormatOptions;
use futures::{Sink, SinkExt, stream};

use super::connection::{Connection, Kind, refusal};
use super::parameters::Parameters;
use super::simple::Service;
use super::{cursors, rows, session_statement};
use crate::engine::{Plan, Run};

/// Rows of one piece, where a client reads in pieces: more are sent as several.
const PIECE_ROWS: i32 = 65_536;

/// A prepared statement.
#[derive(Clone, Debug)]
pub(super) enum Prepared {
    /// About the session or a cursor.
    Session(Box<Statement>),
    /// About data. Executed on the newest snapshot each time.
    Query(Arc<(Plan, Parameters)>),
}

#[async_trait]
impl QueryParser for Connection {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, _: &C, sql: &str, _: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut statements = self.engine.parse(sql)?;
        let statement = match (statements.len(), statements.pop()) {
            (1, Some(statement)) => statement,
            (0, _) => return Ok(None),
            (count, _) => return Err(refusal("42601", format!("{count} statements cannot be prepared at once: send one"))),
        };
        if session_statement::is_about_session(&statement) || cursors::is_about_cursors(&statement) {
            return Ok(Some(Prepared::Session(Box::new(statement))));
        }
        let plan = self.engine.plan(statement).await?;
        let parameters = Parameters::of(plan.logical())?;
        Ok(Some(Prepared::Query(Arc::new((plan, parameters)))))
    }

    fn get_parameter_types(&self, prepared: &Prepared) -> PgWireResult<Vec<Type>> {
        Ok(match prepared {
            Prepared::Session(_) => vec![],
            Prepared::Query(query) => query.1.wire().to_vec(),
        })
    }

    fn get_result_schema(&self, prepared: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        match prepared {
            Prepared::Session(statement) => Ok(match statement.as_ref() {
                Statement::Fetch { name, .. } => self.cursors.columns(&name.value).unwrap_or_default(),
                other => session_statement::describe(other).unwrap_or_default(),
            }),
            Prepared::Query(query) => rows::fields(query.0.schema(), format.unwrap_or(&Format::UnifiedText), None),
        }
    }
}

#[async_trait]
impl ExtendedQueryHandler for Service {
    type Statement = Prepared;
    type QueryParser = Connection;

    fn query_parser(&self) -> Arc<Connection> {
        Arc::clone(&self.0)
    }

    async fn on_parse<C>(&self, client: &mut C, message: Parse) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let _busy = self.0.begin(client);
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        self.0.name(Kind::Statement, name)?;
        match StoredStatement::parse(client, &message, self.query_parser()).await? {
            Some(statement) => client.portal_store().put_statement(Arc::new(statement)),
            None => client.portal_store().put_empty_statement(name),
        }
        client.feed(PgWireBackendMessage::ParseComplete(ParseComplete::new())).await?;
        Ok(())
    }

    async fn on_bind<C>(&self, client: &mut C, message: Bind) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statement = message.statement_name.as_deref().unwrap_or(DEFAULT_NAME);
        let name = message.portal_name.as_deref().unwrap_or(DEFAULT_NAME);
        self.0.name(Kind::Portal, name)?;
        match client.portal_store().get_statement(statement) {
            Some(Entry::Value(statement)) => {
                self.0.check_bind(&statement.statement, &message)?;
                client.portal_store().put_portal(Arc::new(Portal::try_new(&message, statement)?));
            }
            Some(Entry::Empty) => client.portal_store().put_empty_portal(name),
            None => return Err(PgWireError::StatementNotFound(statement.to_owned())),
        }
        client.feed(PgWireBackendMessage::BindComplete(BindComplete::new())).await?;
        Ok(())
    }

    async fn on_execute<C>(&self, client: &mut C, mut message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let _busy = self.0.begin(client);
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        let portal = match client.portal_store().get_portal(name) {
            Some(Entry::Value(portal)) if message.max_rows <= 0 => portal,
            _ => {
                // In pieces: pgwire gathers one piece at a time.
                message.max_rows = message.max_rows.min(PIECE_ROWS);
                return self._on_execute(client, message).await;
            }
        };
        if !matches!(client.state(), PgWireConnectionState::ReadyForQuery) {
            return Err(PgWireError::NotReadyForQuery);
        }
        client.set_state(PgWireConnectionState::QueryInProgress);
        let mut status = client.transaction_status();
        let state = std::mem::replace(&mut *portal.state().lock().await, PortalExecutionState::Finished);
        let response = match state {
            PortalExecutionState::Initial => self.do_query(client, &portal, 0).await?,
            PortalExecutionState::Suspended(rest) => Response::Query(rest),
            PortalExecutionState::Finished => Response::Query(QueryResponse::new(Arc::default(), stream::empty())),
        };
        match response {
            Response::Query(results) => send_query_response(client, results, false).await?,
            Response::TransactionStart(tag) => {
                send_execution_response(client, tag).await?;
                status = status.to_in_transaction_state();
            }
            Response::TransactionEnd(tag) => {
                send_execution_response(client, tag).await?;
                status = status.to_idle_state();
            }
            Response::Execution(tag) => send_execution_response(client, tag).await?,
            Response::Error(error) => return Err(PgWireError::UserError(error)),
            _ => client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?,
        }
        client.set_state(PgWireConnectionState::ReadyForQuery);
        client.set_transaction_status(status);
        Ok(())
    }

    async fn on_close<C>(&self, client: &mut C, message: Close) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        match message.target_type {
            TARGET_TYPE_BYTE_STATEMENT => {
                self.0.forget(Kind::Statement, name);
                client.portal_store().rm_statement(name);
            }
            TARGET_TYPE_BYTE_PORTAL => {
                self.0.forget(Kind::Portal, name);
                client.portal_store().rm_portal(name);
            }
            _ => {}
        }
        client.feed(PgWireBackendMessage::CloseComplete(CloseComplete::new())).await?;
        Ok(())
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Prepared>, _: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match &portal.statement.statement {
            Prepared::Session(statement) => match self.0.respond_without_data(client, statement).await? {
                Some(response) => Ok(response),
                None => Ok(Response::EmptyQuery),
            },
            Prepared::Query(query) => {
                self.0.check_transaction(client)?;
                let (plan, parameters) = query.as_ref();
                let params = if parameters.wire().is_empty() { None } else { Some(parameters.values(portal)?) };
                let batches = self.0.engine.run(plan, Run { params, ..self.0.run(client) });
                let options = FormatOptions::from_client_metadata(client.metadata());
                Ok(Response::Query(rows::response(batches, &portal.result_column_format, options)?))
            }
        }
    }
}

impl Connection {
    /// Counts must agree: pgwire indexes formats by column and would fall over the end.
    fn check_bind(&self, prepared: &Prepared, bind: &Bind) -> PgWireResult<()> {
        let parameters = self.get_parameter_types(prepared)?.len();
        let given = bind.parameters.len();
        if given != parameters {
            return Err(refusal("08P01", format!("{given} parameters were bound and the statement has {parameters}")));
        }
        let columns = self.get_result_schema(prepared, None)?.len();
        for (what, formats, items) in [
            ("parameters", bind.parameter_format_codes.len(), parameters),
            ("columns", bind.result_column_format_codes.len(), columns),
        ] {
            if formats > 1 && formats != items {
                return Err(refusal("08P01", format!("{formats} formats were given for {items} {what}")));
            }
        }
        Ok(())
    }
}
