//! The sections of the configuration, as [`super::DEFAULTS`] lists and explains them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use stream::{EmbeddedConfig, KafkaConfig};

use crate::http::HttpBounds;

/// Local files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Where they lie.
    pub dir: PathBuf,
}

/// Logging.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// tracing filter directives.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For a person.
    Text,
    /// For a collector.
    Json,
}

/// Reference data.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CityConfig {
    /// GeoJSON; empty for none.
    pub districts_file: PathBuf,
    /// Which property is the name.
    pub districts_name_property: String,
    /// CSV; empty for none.
    pub population_file: PathBuf,
    /// What the command line names, whatever it is; see [`crate::reference`].
    #[serde(skip)]
    pub files: Vec<PathBuf>,
    /// CSV; empty for none.
    pub budgets_file: PathBuf,
}

/// HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// Connections at the same time.
    pub connections: usize,
    /// How long a client may take to send a request's header.
    pub header_timeout_ms: u64,
    /// File with the senders' token; empty for none.
    pub api_token_file: PathBuf,
    /// Largest body in bytes.
    pub max_body_bytes: usize,
    /// Requests at a time.
    pub max_concurrent: usize,
    /// How long a request waits for the log.
    pub log_timeout_ms: u64,
}

impl HttpConfig {
    /// What clients may take.
    pub fn bounds(&self) -> HttpBounds {
        HttpBounds { connections: self.connections, header_timeout: Duration::from_millis(self.header_timeout_ms) }
    }
}

/// Postgres wire.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresSection {
    /// Address and port.
    pub listen: SocketAddr,
    /// The only user, where a password is set.
    pub user: String,
    /// File with the password; empty for none.
    pub password_file: PathBuf,
    /// PEM; empty for none.
    pub tls_certificate_file: PathBuf,
    /// PEM; empty for none.
    pub tls_key_file: PathBuf,
    /// Connections at the same time.
    pub connections: usize,
    /// How long a client may take over its login.
    pub login_timeout_ms: u64,
    /// How long a client may leave unread what was sent to it.
    pub unread_timeout_ms: u32,
    /// How long running queries may go on after the stop signal.
    pub stop_grace_ms: u64,
}

/// The log: which, and the settings of both.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSection {
    /// Which is used.
    pub kind: StreamKind,
    /// Of the embedded one.
    pub embedded: EmbeddedConfig,
    /// Of Kafka.
    pub kafka: KafkaConfig,
}

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// On local disk, in this process.
    Embedded,
    /// An Apache Kafka cluster.
    Kafka,
}

/// Enrichment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrichSection {
    /// Worker threads.
    pub workers: usize,
    /// File with the pseudonym key; empty for none.
    pub pseudonym_key_file: PathBuf,
}

/// Aggregation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AggregateSection {
    /// How far behind the newest event of its partition an event may come without being late.
    pub allowed_disorder_s: u32,
    /// A partition that brought nothing for so long stops holding the watermark back.
    pub idle_after_s: u32,
    /// Reports older than this leave memory.
    pub retention_days: u32,
    /// How long minute cells are kept.
    pub minute_cells_days: u32,
    /// How long hour cells are kept.
    pub hour_cells_days: u32,
    /// How long day cells are kept.
    pub day_cells_days: u32,
    /// Windows besides the four.
    pub more_windows_days: Vec<u32>,
    /// Rows at which a segment is sealed.
    pub segment_rows: usize,
    /// Shortest time between two snapshots.
    pub publish_interval_ms: u32,
    /// Time between checkpoints.
    pub checkpoint_interval_ms: u32,
}

/// When a difference is called a trend.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrendsSection {
    /// Highest false-discovery rate.
    pub max_q_value: f64,
    /// Smallest ratio of a rise; its inverse is the largest of a fall.
    pub min_ratio: f64,
    /// Smallest difference, in reports.
    pub min_change: f64,
}

/// How long the city takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceLevelsSection {
    /// Fewest cases of which a median or a share is shown.
    pub min_cases: u64,
    /// Days after its closing in which a case can come up again.
    pub again_within_days: u32,
}

/// How often people report what they see.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnderReportingSection {
    /// Incidents first reported within so many days are looked at.
    pub history_days: u32,
    /// An incident can be reported again for at most so many days.
    pub max_exposure_days: u32,
    /// How long an incident that nobody reports is assumed to stand.
    pub standing_days: f64,
}

/// What everybody may see.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishSection {
    /// Fewest contributors of a count that is shown.
    pub threshold: u64,
    /// Days from the end of a month to its release.
    pub settle_days: u32,
}

/// A live source.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SourceConfig {
    /// An Open311 GeoReport v2 endpoint that is polled.
    Open311(ingest::open311::Open311Config),
    /// Bluesky by Jetstream.
    Bluesky(ingest::bluesky::BlueskyConfig),
}
