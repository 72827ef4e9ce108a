//! `POST /api/v1/feedback`: one JSON object, an array, or NDJSON, answered only after the log has it.
//!
//! A retry is harmless: a record is identified by its id and version, and an id that the sender leaves out is derived from what was
//! sent. What is refused is told to the sender, record by record, and goes nowhere else: the sender still has it.

mod request;
mod response;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::post;
use stream::StreamError;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::metrics::Refusal;
use crate::sink::{Door, Sink};
use request::{Defaults, read_records};
use response::{Answer, answer, busy, refuse};

/// Names a request, so that its retry is the same request. Needed only when records carry no id.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

const INTERRUPTED: &str = "the server is stopping: send this request again, nothing is doubled";

/// The webhook's settings and bounds.
#[derive(Clone)]
pub struct WebhookConfig {
    /// The source of records that name none.
    pub source: String,
    /// Largest body in bytes.
    pub max_body_bytes: usize,
    /// Requests that are read and written at a time; one more is answered with 503.
    pub max_concurrent: usize,
    /// How long a sender may take to send its body.
    pub body_timeout_ms: u64,
    /// How long a request waits for the log before it is answered with 503.
    pub log_timeout_ms: u64,
    /// What a sender must present as `Authorization: Bearer ...`; none: everybody may send.
    pub bearer_token: Option<String>,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            source: "api".into(),
            max_body_bytes: 8 << 20,
            max_concurrent: 16,
            body_timeout_ms: 30_000,
            log_timeout_ms: 10_000,
            bearer_token: None,
        }
    }
}

impl std::fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("source", &self.source)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("max_concurrent", &self.max_concurrent)
            .field("body_timeout_ms", &self.body_timeout_ms)
            .field("log_timeout_ms", &self.log_timeout_ms)
            .field("bearer_token", &self.bearer_token.as_ref().map(|_| "***"))
            .finish()
    }
}

struct Webhook {
    config: WebhookConfig,
    door: Door,
    /// Held from before the body is read until the log has answered, also past a timeout: what waits for a slow log stays bounded.
    slots: Arc<Semaphore>,
}

/// The routes. Merge them into the server's router.
pub fn router(config: WebhookConfig, sink: &Sink) -> Router {
    let door = sink.door(&config.source);
    let slots = Arc::new(Semaphore::new(config.max_concurrent));
    Router::new().route("/api/v1/feedback", post(receive)).with_state(Arc::new(Webhook { config, door, slots }))
}

async fn receive(State(webhook): State<Arc<Webhook>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !webhook.admits(&parts.headers) {
        return refuse(StatusCode::UNAUTHORIZED, "this server asks for a token: send `Authorization: Bearer TOKEN`");
    }
    if let Some(encoding) = compression(&parts.headers) {
        let reason =
            format!("the body is compressed ({encoding}), which is not taken: send it as it is, without Content-Encoding");
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, &reason);
    }
    let Ok(slot) = webhook.slots.clone().try_acquire_owned() else {
        return busy("too many requests at a time: send this one again");
    };
    let body = match webhook.read_body(body).await {
        Ok(body) => body,
        Err((status, reason)) => return refuse(status, &reason),
    };
    let reading = {
        let webhook = webhook.clone();
        let key = parts.headers.get(IDEMPOTENCY_KEY).cloned();
        let content_type = parts.headers.get(CONTENT_TYPE).cloned();
        // A full body takes a tenth of a second to read: too long for a thread that serves everybody.
        tokio::task::spawn_blocking(move || {
            let idempotency_key = key.as_ref().map(HeaderValue::as_bytes);
            let defaults = Defaults { source: &webhook.config.source, now: webhook.door.clock().now(), idempotency_key };
            let records = read_records(&body, content_type.as_ref().and_then(|value| value.to_str().ok()), &defaults);
            (records, slot)
        })
    };
    let (records, slot) = match reading.await {
        Ok((Ok(records), slot)) => (records, slot),
        Ok((Err(reason), _)) => {
            webhook.door.metrics().rejected(Refusal::Undecodable, 1);
            return refuse(StatusCode::BAD_REQUEST, &reason);
        }
        Err(_) => return busy(INTERRUPTED),
    };
    let (outcome, accepted) = Answer::sort(records);
    webhook.door.metrics().rejected(Refusal::Invalid, outcome.rejected as u64);
    // The write is a task of its own: a sender that hangs up or a timeout here does not let go of the slot before the log has answered.
    let door = webhook.door.clone();
    let write = tokio::spawn(async move {
        let result = door.deliver(accepted, Vec::new()).await;
        drop(slot);
        result
    });
    match tokio::time::timeout(Duration::from_millis(webhook.config.log_timeout_ms), write).await {
        Ok(Ok(Ok(_))) => answer(&outcome),
        Ok(Ok(Err(error))) => {
            tracing::warn!(%error, "the log did not take a request");
            busy(&log_problem(&error))
        }
        Ok(Err(_)) => busy(INTERRUPTED),
        Err(_) => busy("the log did not answer in time: send this request again, nothing is doubled"),
    }
}

/// How the body is compressed, by the sender's word; `None` if it is not. Nothing is unpacked here: a few bytes that become
/// gigabytes would have to be stopped half way.
fn compression(headers: &HeaderMap) -> Option<String> {
    let encoding = headers.get(CONTENT_ENCODING)?.as_bytes().trim_ascii();
    let is_plain = encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity");
    (!is_plain).then(|| String::from_utf8_lossy(&encoding[..encoding.len().min(32)]).into_owned())
}

impl Webhook {
    /// Whether the request may come in. The comparison takes as long for a wrong token as for the right one.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.config.bearer_token else { return true };
        let given = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
        let scheme_is_bearer = given.len() > 7 && given[..7].eq_ignore_ascii_case(b"bearer ");
        scheme_is_bearer && bool::from(given[7..].ct_eq(token.as_bytes()))
    }

    async fn read_body(&self, body: Body) -> Result<axum::body::Bytes, (StatusCode, String)> {
        let limit = self.config.max_body_bytes;
        let too_long =
            || (StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {limit} bytes: send fewer records at a time"));
        // By its sender's own word; nobody waits for the rest of it.
        if body.size_hint().lower() > limit as u64 {
            return Err(too_long());
        }
        let wait = Duration::from_millis(self.config.body_timeout_ms);
        match tokio::time::timeout(wait, axum::body::to_bytes(body, limit)).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) if is_length_limit(&error) => Err(too_long()),
            Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the body was cut off: send it again".into())),
            Err(_) => Err((
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not arrive within {} ms: send it again", wait.as_millis()),
            )),
        }
    }
}

/// Whether the body was longer than allowed; axum tells this only by the cause of its error.
fn is_length_limit(error: &axum::Error) -> bool {
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| error.source())
        .any(|cause| cause.to_string() == "length limit exceeded")
}

/// What a sender may know of a failure: that it may come again, not where our disks are.
fn log_problem(error: &StreamError) -> String {
    match error {
        StreamError::Full { .. } | StreamError::Timeout { .. } => {
            "the log is busy: send this request again, nothing is doubled".into()
        }
        _ => "the log does not take records now: send this request again later, nothing is doubled".into(),
    }
}
