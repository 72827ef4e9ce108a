//! The simple protocol: a text with statements, rows as text. What psql speaks.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::pgwire::api::portal::Format;
use datafusion_postgres::pgwire::api::query::SimpleQueryHandler;
use datafusion_postgres::pgwire::api::results::Response;
use datafusion_postgres::pgwire::api::store::PortalStore;
use datafusion_postgres::pgwire::api::{ClientInfo, ClientPortalStore};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::PgWireBackendMessage;
use datafusion_postgres::pgwire::messages::simplequery::Query;
use datafusion_postgres::pgwire::types::format::FormatOptions;
use futures::Sink;

use super::connection::Connection;
use super::{cursors, rows, session_statement};

/// Answers the statements of one connection.
pub(super) struct Service(pub(super) Arc<Connection>);

#[async_trait]
impl SimpleQueryHandler for Service {
    async fn on_query<C>(&self, client: &mut C, query: Query) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let _busy = self.0.begin(client);
        self._on_query(client, query).await
    }

    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let mut responses = Vec::new();
        for statement in self.0.engine.parse(query)? {
            match self.0.respond(client, statement).await {
                Ok(response) => responses.push(response),
                Err(error) if responses.is_empty() => return Err(error),
                Err(error) => {
                    // What came before is answered; what comes after is not run.
                    responses.push(Response::Error(Box::new(error.into())));
                    break;
                }
            }
        }
        if responses.is_empty() {
            responses.push(Response::EmptyQuery);
        }
        Ok(responses)
    }
}

impl Connection {
    /// Answers one statement with text.
    async fn respond<C: ClientInfo>(&self, client: &mut C, statement: Statement) -> PgWireResult<Response> {
        if let Some(response) = self.respond_without_data(client, &statement).await? {
            return Ok(response);
        }
        let plan = self.engine.plan(statement).await?;
        let batches = self.engine.run(&plan, self.run(client));
        Ok(Response::Query(rows::response(
            batches,
            &Format::UnifiedText,
            FormatOptions::from_client_metadata(client.metadata()),
        )?))
    }

    /// Answers statements about the session and its cursors; `None` for all others.
    pub(super) async fn respond_without_data<C: ClientInfo>(
        &self,
        client: &mut C,
        statement: &Statement,
    ) -> PgWireResult<Option<Response>> {
        if session_statement::is_about_session(statement) {
            let response = session_statement::answer(self, client, statement)?;
            if matches!(response, Response::TransactionEnd(_)) {
                self.cursors.clear();
            }
            return Ok(Some(response));
        }
        self.check_transaction(client)?;
        match statement {
            Statement::Declare { stmts } => {
                let (name, query) = cursors::declared(stmts)?;
                let plan = self.engine.plan(query).await?;
                let batches = self.engine.run(&plan, self.run(client));
                let options = FormatOptions::from_client_metadata(client.metadata());
                self.cursors.open(name, rows::response(batches, &Format::UnifiedText, options)?).map(Some)
            }
            Statement::Fetch { name, direction, into: None, .. } => self.cursors.fetch(&name.value, direction).map(Some),
            Statement::Close { cursor } => Ok(Some(self.cursors.close(cursor))),
            _ => Ok(None),
        }
    }
}
