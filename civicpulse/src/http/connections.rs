//! Accepting HTTP connections within bounds. axum's own loop takes any number of them and waits for ever for the rest of a header.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// After so much silence a client is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How long a client may leave unread what was sent to it, on Linux.
#[cfg(target_os = "linux")]
const UNREAD: Duration = Duration::from_secs(60);

/// How long to wait after the system refused to accept a connection.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// How long open requests may go on after the stop signal.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// What clients may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpBounds {
    /// Connections at the same time; more wait to be accepted.
    pub connections: usize,
    /// How long a client may take to send a request's header, or to begin another one on the same connection.
    pub header_timeout: Duration,
}

/// Answers connections until `stop`; then lets open requests finish, for a while.
pub(super) async fn accept(listener: TcpListener, app: Router, bounds: HttpBounds, stop: CancellationToken) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(bounds.header_timeout);
    let free = Arc::new(Semaphore::new(bounds.connections));
    let mut clients = JoinSet::new();
    loop {
        let next = async {
            // Before accepting: who finds no room waits in the system's own queue.
            let permit = Arc::clone(&free).acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_ended) = clients.join_next() => {}
            (permit, accepted) = next => match accepted {
                Ok((socket, _)) => {
                    watch(&socket);
                    let connection = server.serve_connection(TokioIo::new(socket), TowerToHyperService::new(app.clone()));
                    let stop = stop.clone();
                    clients.spawn(async move {
                        let _held = permit;
                        let mut connection = std::pin::pin!(connection);
                        let ended = tokio::select! {
                            ended = connection.as_mut() => ended,
                            () = stop.cancelled() => {
                                connection.as_mut().graceful_shutdown();
                                connection.await
                            }
                        };
                        if let Err(error) = ended {
                            tracing::debug!(%error, "an HTTP connection broke");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "an HTTP connection could not be accepted; trying on");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            },
        }
    }
    drop(listener);
    // What is still open then is broken off with the set.
    let _ = tokio::time::timeout(STOP_GRACE, async { while clients.join_next().await.is_some() {} }).await;
}

/// Lets the system notice clients that are gone, and those that read nothing of what was sent to them.
fn watch(socket: &TcpStream) {
    let socket = SockRef::from(socket);
    let set = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    #[cfg(target_os = "linux")]
    let set = set.and_then(|()| socket.set_tcp_user_timeout(Some(UNREAD)));
    if let Err(error) = set {
        tracing::debug!(%error, "an HTTP connection is not watched");
    }
}
