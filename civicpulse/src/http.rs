//! HTTP: the webhook, `/metrics`, `/healthz`, `/readyz`, and a front page that says where everything is.

mod connections;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use connections::HttpBounds;

/// Whether each part of this process is up; what `/readyz` answers from.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Vec<Part>>);

#[derive(Debug)]
struct Part {
    name: &'static str,
    ready: AtomicBool,
}

impl Readiness {
    /// Parts by name, none of them ready.
    pub fn of(names: &[&'static str]) -> Self {
        Self(Arc::new(names.iter().map(|name| Part { name, ready: AtomicBool::new(false) }).collect()))
    }

    /// Says whether a part is up.
    pub fn set(&self, name: &str, ready: bool) {
        if let Some(part) = self.0.iter().find(|part| part.name == name) {
            part.ready.store(ready, Ordering::Relaxed);
        }
    }

    /// The parts that are not up.
    pub fn missing(&self) -> Vec<&'static str> {
        self.0.iter().filter(|part| !part.ready.load(Ordering::Relaxed)).map(|part| part.name).collect()
    }
}

#[derive(Clone)]
struct Shared {
    registry: Registry,
    readiness: Readiness,
}

/// Serves `webhook` (where this process has one), what is public, and the operator's endpoints until `stop`. Returns the bound
/// address.
///
/// # Errors
/// The address cannot be listened on, or lies beyond loopback while anybody could write.
pub async fn serve(
    (listen, bounds): (SocketAddr, HttpBounds),
    webhook: Option<(Router, bool)>,
    public: Option<Router>,
    registry: Registry,
    readiness: Readiness,
    stop: CancellationToken,
) -> Result<(SocketAddr, JoinHandle<()>)> {
    let mut app = Router::new()
        .route("/", get(front_page))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(Shared { registry, readiness });
    if let Some((router, has_token)) = webhook {
        if !listen.ip().is_loopback() && !has_token {
            bail!(
                "http.listen is {listen}, beyond loopback, where anybody could send feedback: set http.api_token_file (or \
                 CIVICPULSE_API_TOKEN), or listen on 127.0.0.1"
            );
        }
        app = app.merge(router);
    }
    if let Some(router) = public {
        app = app.merge(router);
    }
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen} (http.listen)"))?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(connections::accept(listener, app, bounds, stop));
    Ok((address, server))
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let mut text = Vec::with_capacity(64 << 10);
    match TextEncoder::new().encode(&shared.registry.gather(), &mut text) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    match shared.readiness.missing().as_slice() {
        [] => (StatusCode::OK, "ready\n".to_owned()),
        missing => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join(", "))),
    }
}

async fn front_page() -> Html<&'static str> {
    Html(include_str!("front_page.html"))
}
