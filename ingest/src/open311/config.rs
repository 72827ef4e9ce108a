//! A portal and how to ask it.

use std::path::PathBuf;

use chrono_tz::Tz;
use feedback::id::is_valid_source;
use serde::Deserialize;

use crate::source::SourceError;

/// The standard lets no window be longer.
pub const MAX_WINDOW_DAYS: u32 = 90;

/// A portal and how to ask it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open311Config {
    /// The source's name: the first part of every id.
    pub name: String,
    /// The URL that `/requests.json` is appended to.
    pub endpoint: String,
    /// For servers that serve several cities.
    #[serde(default)]
    pub jurisdiction_id: Option<String>,
    /// The environment variable that holds the API key.
    #[serde(default)]
    pub api_key_env: Option<String>,
    /// The file that holds the API key.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// `json` or `xml`: what is asked for. Either answer is understood.
    #[serde(default)]
    pub format: Format,
    /// Seconds between the ends of one round and the begin of the next.
    #[serde(default = "default_poll_s")]
    pub poll_s: u64,
    /// Only these services; empty: all.
    #[serde(default)]
    pub service_codes: Vec<String>,
    /// How the server hands out more than a page.
    #[serde(default)]
    pub paging: Paging,
    /// How many requests a full answer has. An answer of 50, 100, 150, ... counts as full in any case: servers cut at round numbers.
    #[serde(default = "default_page_size")]
    pub page_size: usize,
    /// How far back the first round looks, in days.
    #[serde(default = "default_backfill_days")]
    pub backfill_days: u32,
    /// How long a window is at first, in days.
    #[serde(default = "default_window_days")]
    pub window_days: u32,
    /// How far each round looks back behind the last one, in seconds: portals publish requests late.
    #[serde(default = "default_overlap_s")]
    pub overlap_s: u64,
    /// How many known requests one question asks for again; 1 asks for each at `/requests/{id}`.
    #[serde(default = "default_ids_per_question")]
    pub ids_per_question: usize,
    /// Most requests that are followed; beyond, closed ones and then the oldest are let go.
    #[serde(default = "default_max_followed")]
    pub max_followed: usize,
    /// For how many days a closed request is still asked for, in case it is reopened.
    #[serde(default = "default_follow_closed_days")]
    pub follow_closed_days: u32,
    /// Whether a request that the portal no longer shows is to be forgotten here too (else it is only no longer followed).
    #[serde(default)]
    pub erase_missing: bool,
    /// The zone of times without one, by its IANA name, such as `Europe/Berlin`.
    #[serde(default = "default_time_zone", deserialize_with = "zone_by_name")]
    pub time_zone: Tz,
    /// Pause before each question, in milliseconds.
    #[serde(default = "default_pause_ms")]
    pub pause_ms: u64,
    /// Longest wait for an answer, in seconds.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: u64,
    /// Longest answer.
    #[serde(default = "default_max_body_bytes")]
    pub max_body_bytes: usize,
}

/// The format that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `requests.json`
    #[default]
    Json,
    /// `requests.xml`
    Xml,
}

/// How a server hands out more than a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Paging {
    /// It does not: a full window is split in two.
    #[default]
    Split,
    /// By `page` and `page_size`. A server that ignores them is noticed, and its windows are split.
    Page,
}

fn default_poll_s() -> u64 {
    300
}
fn default_page_size() -> usize {
    1_000
}
fn default_backfill_days() -> u32 {
    30
}
fn default_window_days() -> u32 {
    7
}
fn default_overlap_s() -> u64 {
    3_600
}
fn default_ids_per_question() -> usize {
    50
}
fn default_max_followed() -> usize {
    20_000
}
fn default_follow_closed_days() -> u32 {
    7
}
fn default_time_zone() -> Tz {
    Tz::UTC
}
fn zone_by_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}
fn default_pause_ms() -> u64 {
    200
}
fn default_timeout_s() -> u64 {
    60
}
fn default_max_body_bytes() -> usize {
    16 << 20
}

impl Open311Config {
    pub(super) fn check(&self) -> Result<(), SourceError> {
        let problem = if !is_valid_source(&self.name) {
            "name: use lower-case letters, digits, `_` or `-`"
        } else if !(1..=MAX_WINDOW_DAYS).contains(&self.window_days) {
            "window_days: 1 to 90"
        } else if self.page_size == 0 || self.ids_per_question == 0 || self.max_followed == 0 || self.max_body_bytes == 0 {
            "page_size, ids_per_question, max_followed and max_body_bytes: at least 1"
        } else if self.max_followed > 100_000 || self.ids_per_question > 500 {
            "max_followed: at most 100,000 (the cursor holds them); ids_per_question: at most 500 (a URL holds them)"
        } else if self.poll_s == 0 || self.timeout_s == 0 {
            "poll_s and timeout_s: at least 1"
        } else {
            return Ok(());
        };
        Err(SourceError::unusable(format!("the Open311 source `{}` cannot run", self.name), problem))
    }

    /// What is sent with every question.
    pub(super) fn credentials(&self) -> Result<Vec<(&'static str, String)>, SourceError> {
        let mut credentials = Vec::new();
        credentials.extend(self.jurisdiction_id.clone().map(|id| ("jurisdiction_id", id)));
        let key = match (&self.api_key_env, &self.api_key_file) {
            (Some(variable), _) => Some(std::env::var(variable).map_err(|_| {
                SourceError::unusable(
                    format!("the environment variable {variable} holds no API key"),
                    "set it, or remove api_key_env",
                )
            })?),
            (None, Some(path)) => Some(std::fs::read_to_string(path).map_err(|error| {
                SourceError::unusable(
                    format!("cannot read the API key from {}: {error}", path.display()),
                    "correct api_key_file",
                )
            })?),
            (None, None) => None,
        };
        credentials.extend(key.map(|key| ("api_key", key.trim().to_owned())));
        Ok(credentials)
    }
}
