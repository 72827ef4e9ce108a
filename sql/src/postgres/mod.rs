//! Postgres wire protocol: psql, drivers, notebooks, Grafana and Metabase speak it.
//!
//! Handshake, messages and value encoding are pgwire's and datafusion-postgres'; which statements run, on which snapshot,
//! for how long and for whom is decided here. Every statement sees one snapshot; so does every execution of a prepared one.

mod access;
mod connection;
mod conversation;
mod cursors;
mod extended;
mod login;
mod parameters;
mod rows;
mod server;
mod session_statement;
mod simple;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

pub use server::{Server, serve};

/// A text that no log, error or debug output shows.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Certificate and key for TLS, both PEM.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate, followed by its issuers.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Where and for whom to listen.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The only user, where a password is set; any name is welcome where none is.
    pub user: String,
    /// Checked by SCRAM-SHA-256. Without one, only loopback addresses may be listened on.
    pub password: Option<Secret>,
    /// TLS; without it connections are plain. Set but unusable means that the server does not start.
    pub tls: Option<TlsFiles>,
    /// Connections at the same time; more are refused with a message.
    pub connections: usize,
    /// How long a client may take over its login; one that says nothing holds a place no longer.
    pub login_timeout_ms: u64,
    /// How long a client may leave unread what was sent to it; on Linux only. A query is over at its deadline in any case: this frees
    /// the connection.
    pub unread_timeout_ms: u32,
    /// How long running queries may go on after the stop signal.
    pub stop_grace_ms: u64,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5433),
            user: "civicpulse".to_owned(),
            password: None,
            tls: None,
            connections: 64,
            login_timeout_ms: 10_000,
            unread_timeout_ms: 60_000,
            stop_grace_ms: 10_000,
        }
    }
}

/// Why the server did not start. Trying again helps only where an address was in use.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No password, and other machines could connect.
    #[error("{0} can be reached from other machines, and no password is set: set one, or listen on 127.0.0.1")]
    Open(SocketAddr),
    /// TLS was asked for and cannot be had. There is no falling back to plain connections.
    #[error("TLS cannot be set up from {file}: {problem}")]
    Tls {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {error}; choose another port or stop what uses it")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
}
