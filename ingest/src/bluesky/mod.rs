//! Bluesky by Jetstream: every public post as it is written, of which the city's are taken.
//!
//! `GET /subscribe?wantedCollections=app.bsky.feed.post&cursor=` (microseconds; servers look back some 36 hours). A post becomes a
//! report, an edited one a newer version, a deletion an erasure; an account that is gone erases everything by its author. After a
//! disconnection the stream is resumed a little before the last cursor: what is seen twice is one thing.

mod event;
mod filter;
mod taken;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use feedback::id::is_valid_source;
use feedback::{Channel, Clock, Erase, Feedback, FeedbackId, Report, SCHEMA_VERSION, Timestamp};
use futures::StreamExt;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{self, Message, protocol::WebSocketConfig};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};
use tracing::warn;

use crate::source::{Rejected, Source, SourceBatch, SourceError};
use event::{Envelope, Frame, POSTS, Post};
use filter::Filter;
pub use filter::{FilterConfig, MAX_TERMS};
pub use taken::FILTER_BYTES;
use taken::Taken;

/// Records in one batch, at most.
const BATCH_RECORDS: usize = 500;
/// Frames looked at before a batch is closed even without records, so that the cursor moves.
const BATCH_FRAMES: usize = 20_000;
/// How long a batch with records waits for more.
const LINGER: Duration = Duration::from_millis(250);
/// How long a batch without records is kept open.
const QUIET: Duration = Duration::from_secs(5);
/// The whole network is never silent for so long: the connection is dead.
const SILENCE: Duration = Duration::from_secs(60);
/// Longest wait for a connection with its handshakes.
const CONNECT: Duration = Duration::from_secs(20);
/// Longest frame. Posts have 300 characters; embedded records some kilobytes.
const MAX_FRAME_BYTES: usize = 1 << 20;
/// How far before the cursor a stream is resumed: servers number events by arrival, and those may differ a little.
const OVERLAP_US: i64 = 5_000_000;

/// A Jetstream server and what to take from it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlueskyConfig {
    /// The source's name: the first part of every id.
    #[serde(default = "default_name")]
    pub name: String,
    /// The server's `/subscribe`, `wss://` or `ws://`.
    #[serde(default = "default_endpoint")]
    pub endpoint: String,
    /// What is about this city.
    pub filter: FilterConfig,
}

fn default_name() -> String {
    "bluesky".into()
}
fn default_endpoint() -> String {
    "wss://jetstream2.us-east.bsky.network/subscribe".into()
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The stream.
pub struct BlueskySource {
    config: BlueskyConfig,
    clock: Arc<dyn Clock>,
    filter: Filter,
    taken: Taken,
    tls: Connector,
    socket: Option<Socket>,
    /// When something came last.
    heard: Instant,
    /// Time of the last frame that was looked at, microseconds.
    position_us: Option<i64>,
    /// What has been read since the last batch. It lives here and not in the future, which may be dropped.
    open: Open,
    /// What ended the connection while records were waiting to be handed over.
    broken: Option<SourceError>,
}

#[derive(Default)]
struct Open {
    batch: SourceBatch,
    /// Frames looked at.
    frames: usize,
    /// When the first record or reject came.
    filled: Option<Instant>,
}

impl BlueskySource {
    /// A stream from the server of `config`. `state_dir` keeps `<name>.taken`, a filter of [`FILTER_BYTES`] that recognises
    /// deletions of what was taken. Errors name the setting that is wrong.
    pub fn new(config: BlueskyConfig, state_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, SourceError> {
        if !is_valid_source(&config.name) {
            return Err(SourceError::unusable(
                "the Bluesky source has no valid name",
                "use lower-case letters, digits, `_` or `-`",
            ));
        }
        let url =
            reqwest::Url::parse(&config.endpoint).ok().filter(|url| matches!(url.scheme(), "ws" | "wss") && url.has_host());
        let Some(url) = url else {
            let problem = format!("`{}` is no Jetstream endpoint", config.endpoint);
            return Err(SourceError::unusable(problem, "give its ws:// or wss:// URL, ending in /subscribe"));
        };
        let path = state_dir.join(format!("{}.taken", config.name));
        let taken = Taken::open(&path).map_err(|error| {
            let problem = format!("cannot use {}: {error}", path.display());
            SourceError::unusable(problem, "restore it; without it, deletions of posts taken so far would be missed")
        })?;
        let tls = if url.scheme() == "wss" { Connector::Rustls(tls_config()?) } else { Connector::Plain };
        let filter = Filter::new(config.filter.clone())?;
        Ok(Self {
            config,
            clock,
            filter,
            taken,
            tls,
            socket: None,
            heard: Instant::now(),
            position_us: None,
            open: Open::default(),
            broken: None,
        })
    }

    async fn connect(&self) -> Result<Socket, SourceError> {
        let failed = |problem: String| SourceError::upstream(self.config.endpoint.clone(), problem);
        let mut url = reqwest::Url::parse(&self.config.endpoint).map_err(|error| failed(error.to_string()))?;
        url.query_pairs_mut().append_pair("wantedCollections", POSTS);
        if let Some(position_us) = self.position_us {
            url.query_pairs_mut().append_pair("cursor", &position_us.saturating_sub(OVERLAP_US).max(0).to_string());
        }
        let limits = WebSocketConfig::default().max_message_size(Some(MAX_FRAME_BYTES)).max_frame_size(Some(MAX_FRAME_BYTES));
        let connecting =
            tokio_tungstenite::connect_async_tls_with_config(url.as_str(), Some(limits), false, Some(self.tls.clone()));
        let connected = tokio::time::timeout(CONNECT, connecting).await;
        let connected = connected.map_err(|_| failed(format!("no connection within {} s", CONNECT.as_secs())))?;
        match connected {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(response)) if matches!(response.status().as_u16(), 429 | 503) => {
                let asked = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                Err(SourceError::Busy {
                    upstream: self.config.endpoint.clone(),
                    wait: Duration::from_secs(asked.unwrap_or(60)),
                })
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Looks at one message; an error ends the connection.
    fn look_at(&mut self, message: Message) -> Result<(), SourceError> {
        match message {
            Message::Text(text) => self.look_at_frame(text.as_str()),
            Message::Binary(bytes) => {
                self.open.frames += 1;
                self.reject("a binary frame, though text was asked for".into(), &bytes);
                Ok(())
            }
            Message::Close(reason) => {
                let reason =
                    reason.map_or_else(|| "without a reason".into(), |frame| format!("{}: {}", frame.code, frame.reason));
                Err(SourceError::upstream(self.config.endpoint.clone(), format!("the server closed the connection, {reason}")))
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn look_at_frame(&mut self, text: &str) -> Result<(), SourceError> {
        self.open.frames += 1;
        let frame: Frame<'_> = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) => {
                match serde_json::from_str::<Envelope>(text) {
                    Ok(other) if other.commit.collection != POSTS => self.advance(other.time_us),
                    _ => self.reject(format!("not a Jetstream frame: {error}"), text.as_bytes()),
                }
                return Ok(());
            }
        };
        if let Some(error) = &frame.error {
            let message = frame.message.as_deref().unwrap_or_default();
            return Err(SourceError::upstream(self.config.endpoint.clone(), format!("the server gave up: {error} {message}")));
        }
        if frame.time_us <= 0 || frame.did.is_empty() {
            self.reject("a frame without time_us or did".into(), text.as_bytes());
            return Ok(());
        }
        let at = Timestamp::from_micros(frame.time_us);
        if let Some(commit) = frame.commit.as_ref().filter(|commit| commit.collection == POSTS) {
            let native_id = format!("{}/{}", frame.did, commit.rkey);
            match (&*commit.operation, &commit.record) {
                ("create" | "update", Some(post)) => {
                    let was_taken = commit.operation == "update" && self.taken.may_contain(&native_id);
                    if self.filter.takes(&frame.did, post) || was_taken {
                        self.take(&frame.did, &native_id, post, at, text);
                    }
                }
                ("delete", _) if self.taken.may_contain(&native_id) => self.erase_post(&native_id, at, text),
                ("delete", _) => {}
                (operation, _) => {
                    let reason = format!("a post's `{}` without a record", operation.chars().take(32).collect::<String>());
                    self.reject(reason, text.as_bytes());
                }
            }
        } else if frame.kind == "account"
            && frame.account.as_ref().is_some_and(event::Account::is_gone)
            && self.taken.may_contain(&frame.did)
        {
            self.erase_author(&frame.did, at);
        }
        self.advance(frame.time_us);
        Ok(())
    }

    fn take(&mut self, did: &str, native_id: &str, post: &Post<'_>, at: Timestamp, frame: &str) {
        let id = match FeedbackId::new(&self.config.name, native_id) {
            Ok(id) => id,
            Err(error) => return self.reject(error.to_string(), frame.as_bytes()),
        };
        let rkey = native_id.rsplit('/').next().unwrap_or_default();
        self.taken.insert(native_id);
        self.taken.insert(did);
        self.open.batch.records.push(Feedback::Report(Report {
            updated_at: at,
            received_at: self.clock.now(),
            channel: Some(Channel::Social),
            text: Some(post.text.clone().into_owned()),
            author: Some(did.to_owned()),
            url: Some(format!("https://bsky.app/profile/{did}/post/{rkey}")),
            language: post.languages().next().map(str::to_ascii_lowercase),
            ..Report::new(id, post.said_at(at))
        }));
    }

    fn erase_post(&mut self, native_id: &str, at: Timestamp, frame: &str) {
        match FeedbackId::new(&self.config.name, native_id) {
            Ok(id) => self.erase(Some(id), None, at),
            Err(error) => self.reject(error.to_string(), frame.as_bytes()),
        }
    }

    fn erase_author(&mut self, did: &str, at: Timestamp) {
        self.erase(None, Some(did.to_owned()), at);
    }

    fn erase(&mut self, id: Option<FeedbackId>, author: Option<String>, at: Timestamp) {
        let source = author.is_some().then(|| self.config.name.clone());
        let received_at = self.clock.now();
        let erase = Erase { schema_version: SCHEMA_VERSION, id, source, author, at, received_at };
        self.open.batch.records.push(Feedback::Erase(erase));
    }

    fn reject(&mut self, reason: String, bytes: &[u8]) {
        self.open.batch.rejected.push(Rejected { reason, bytes: bytes.to_vec() });
    }

    /// A resumed stream repeats a little; the cursor never goes back for that.
    fn advance(&mut self, time_us: i64) {
        self.position_us = Some(self.position_us.map_or(time_us, |position_us| position_us.max(time_us)));
    }

    fn is_open(&self) -> bool {
        let batch = &self.open.batch;
        batch.records.len() < BATCH_RECORDS && batch.rejected.len() < BATCH_RECORDS && self.open.frames < BATCH_FRAMES
    }

    /// The batch, once the filter's bits are on disk.
    fn close(&mut self) -> Result<SourceBatch, SourceError> {
        self.taken.sync().map_err(|error| SourceError::upstream(format!("{}.taken", self.config.name), error))?;
        let mut batch = std::mem::take(&mut self.open).batch;
        batch.cursor = self.position_us.map(|position_us| position_us.to_string());
        Ok(batch)
    }
}

/// TLS with the system's roots. The provider is named, because a process may have more than one.
fn tls_config() -> Result<Arc<rustls::ClientConfig>, SourceError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(SourceError::unusable("the system has no root certificates", "install them (package ca-certificates)"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config =
        config.map_err(|error| SourceError::unusable(format!("no TLS: {error}"), "report this, it is a fault of the build"))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

#[async_trait::async_trait]
impl Source for BlueskySource {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn resume(&mut self, cursor: Option<&str>) -> Result<(), SourceError> {
        let Some(cursor) = cursor else { return Ok(()) };
        let position_us = cursor.parse::<i64>().map_err(|_| {
            let problem = format!("the cursor of `{}` is not a number of microseconds", self.config.name);
            SourceError::unusable(problem, "delete it to begin with the present")
        })?;
        self.position_us = Some(position_us);
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<SourceBatch>, SourceError> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let mut begun = Instant::now();
        while self.is_open() {
            let socket = match &mut self.socket {
                Some(socket) => socket,
                None => {
                    let socket = self.connect().await?;
                    self.heard = Instant::now();
                    self.socket.insert(socket)
                }
            };
            let closes = self.open.filled.map_or(begun + QUIET, |filled| filled + LINGER);
            let silent = self.heard + SILENCE;
            let message = match tokio::time::timeout_at(closes.min(silent), socket.next()).await {
                Ok(message) => message,
                Err(_) if Instant::now() >= silent => Some(Err(tungstenite::Error::ConnectionClosed)),
                Err(_) if self.open.frames > 0 => break,
                Err(_) => {
                    begun = Instant::now();
                    continue;
                }
            };
            self.heard = Instant::now();
            let ended = match message {
                Some(Ok(message)) => self.look_at(message).err(),
                Some(Err(error)) => Some(SourceError::upstream(self.config.endpoint.clone(), error)),
                None => Some(SourceError::upstream(self.config.endpoint.clone(), "the connection ended")),
            };
            if self.open.filled.is_none() && !(self.open.batch.records.is_empty() && self.open.batch.rejected.is_empty()) {
                self.open.filled = Some(self.heard);
            }
            if let Some(error) = ended {
                warn!(source = self.config.name, "the stream broke off: {error}");
                self.socket = None;
                if self.open.frames == 0 {
                    return Err(error);
                }
                self.broken = Some(error);
                break;
            }
        }
        self.close().map(Some)
    }
}
