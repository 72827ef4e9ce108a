//! Listening, the limit on connections, and stopping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use datafusion_postgres::pgwire::api::auth::StartupHandler;
use datafusion_postgres::pgwire::api::cancel::CancelHandler;
use datafusion_postgres::pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use datafusion_postgres::pgwire::api::{ClientInfo, ErrorHandler, PgWireServerHandlers, RandomPidSecretKeyGenerator};
use datafusion_postgres::pgwire::error::PgWireError;
use datafusion_postgres::pgwire::tokio::TlsAcceptor;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::access::{Cancel, Registry};
use super::connection::Connection;
use super::conversation::{self, Bounds};
use super::login::{Credentials, Login};
use super::simple::Service;
use super::{PostgresConfig, PostgresError, tls};
use crate::engine::Engine;
use crate::metrics::{Metrics, Running};

/// Clients beyond the limit that are told so at the same time; more are dropped unheard.
const REFUSALS: usize = 16;

/// After the stop signal, how long a client must have asked nothing before it is let go.
const QUIET: Duration = Duration::from_millis(100);

/// How long to wait after the system refused to accept a connection.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// After so much silence a client is asked whether it is still there: one whose machine went away frees its place.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resolves once it has stopped and every connection is closed.
    pub async fn stopped(self) {
        if let Err(fault) = self.task.await {
            tracing::error!(%fault, "the Postgres server ended by a fault");
        }
    }
}

/// Starts to listen; returns once connections are accepted. `stop` ends it: nobody new comes in, running queries may go on
/// for [`PostgresConfig::stop_grace_ms`].
pub async fn serve(config: PostgresConfig, engine: Engine, stop: CancellationToken) -> Result<Server, PostgresError> {
    if config.password.is_none() && !config.listen.ip().is_loopback() {
        return Err(PostgresError::Open(config.listen));
    }
    let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
    let refused = |error| PostgresError::Listen { address: config.listen, error };
    let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let door = Door {
        credentials: config.password.as_ref().map(|password| Credentials::new(&config.user, password)),
        numbers: Arc::new(RandomPidSecretKeyGenerator::default()),
        registry: Arc::new(Registry::default()),
        free: Arc::new(Semaphore::new(config.connections)),
        refusals: Arc::new(Semaphore::new(REFUSALS)),
        grace: Duration::from_millis(config.stop_grace_ms),
        bounds: Bounds { login: Duration::from_millis(config.login_timeout_ms), sql_bytes: engine.limits().sql_bytes },
        tls,
        engine,
        stop,
        config,
    };
    tracing::info!(%address, tls = door.tls.is_some(), password = door.credentials.is_some(), "Postgres wire listens");
    Ok(Server { address, task: tokio::spawn(door.accept(listener)) })
}

/// What every connection needs.
struct Door {
    credentials: Option<Credentials>,
    numbers: Arc<RandomPidSecretKeyGenerator>,
    registry: Arc<Registry>,
    free: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    grace: Duration,
    bounds: Bounds,
    tls: Option<TlsAcceptor>,
    engine: Engine,
    stop: CancellationToken,
    config: PostgresConfig,
}

impl Door {
    async fn accept(self, listener: TcpListener) {
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(_ended) = clients.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => if let Some(client) = self.admit(socket) {
                        clients.spawn(client);
                    },
                    Err(error) => {
                        tracing::warn!(%error, "a Postgres connection could not be accepted; trying on");
                        tokio::time::sleep(ACCEPT_BACKOFF).await;
                    }
                },
            }
        }
        drop(listener);
        while clients.join_next().await.is_some() {}
    }

    /// The task that serves a new connection, or tells it that there is no room; `None` drops it.
    fn admit(&self, socket: TcpStream) -> Option<impl Future<Output = ()> + use<>> {
        watch(&socket, Duration::from_millis(self.config.unread_timeout_ms.into()));
        let metrics = self.engine.metrics();
        let (login, permit, counted) = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => (
                Login::new(self.credentials.as_ref(), &self.numbers, self.tls.is_some()),
                permit,
                Some(metrics.connection_opened()),
            ),
            Err(_full) => {
                metrics.connection_refused("limit");
                (Login::full(self.config.connections), Arc::clone(&self.refusals).try_acquire_owned().ok()?, None)
            }
        };
        let connection = Arc::new(Connection::new(self.engine.clone(), Arc::clone(&self.registry)));
        let handlers = Handlers {
            service: Arc::new(Service(Arc::clone(&connection))),
            login: Arc::new(login),
            cancel: Arc::new(Cancel(Arc::clone(&self.registry))),
            errors: Arc::new(Errors(metrics.clone())),
        };
        let conversation = conversation::converse(socket, self.tls.clone(), handlers, self.bounds);
        Some(serve_one(conversation, connection, self.stop.clone(), self.grace, (permit, counted)))
    }
}

/// Lets the system notice clients that are gone, and those that read nothing of what was sent to them.
fn watch(socket: &TcpStream, unread: Duration) {
    let socket = SockRef::from(socket);
    let set = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    #[cfg(target_os = "linux")]
    let set = set.and_then(|()| socket.set_tcp_user_timeout(Some(unread)));
    #[cfg(not(target_os = "linux"))]
    let _ = unread;
    if let Err(error) = set {
        tracing::debug!(%error, "a Postgres connection is not watched");
    }
}

/// Serves one connection until it, or the server, ends.
async fn serve_one(
    conversation: impl Future<Output = std::io::Result<()>>,
    connection: Arc<Connection>,
    stop: CancellationToken,
    grace: Duration,
    held: (OwnedSemaphorePermit, Option<Running>),
) {
    let end = async {
        stop.cancelled().await;
        // Either way it ends: quiet, or out of time.
        let _ = tokio::time::timeout(grace, connection.quiet(QUIET)).await;
    };
    tokio::select! {
        ended = conversation => if let Err(error) = ended {
            tracing::debug!(%error, "a Postgres connection broke");
        },
        () = end => {}
    }
    drop(held);
}

/// The handlers of one connection.
pub(super) struct Handlers {
    service: Arc<Service>,
    login: Arc<Login>,
    cancel: Arc<Cancel>,
    errors: Arc<Errors>,
}

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        Arc::clone(&self.service)
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        Arc::clone(&self.service)
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        Arc::clone(&self.login)
    }

    fn error_handler(&self) -> Arc<impl ErrorHandler> {
        Arc::clone(&self.errors)
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        Arc::clone(&self.cancel)
    }
}

/// Counts failed logins. Texts of statements stay out of the log.
struct Errors(Metrics);

impl ErrorHandler for Errors {
    fn on_error<C: ClientInfo>(&self, client: &C, error: &mut PgWireError) {
        if matches!(error, PgWireError::InvalidPassword(_)) {
            self.0.connection_refused("password");
            tracing::warn!(from = %client.socket_addr(), "a Postgres login failed");
        }
    }
}
