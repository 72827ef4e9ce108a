//! Asks a GeoReport server, politely: time-outs, a size limit, its own word about when to come back. No secret leaves in an error.

use std::time::Duration;

use feedback::Clock;
use reqwest::{StatusCode, header};

use crate::source::SourceError;

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The wait when a server is busy and does not say for how long.
const BUSY_WAIT: Duration = Duration::from_secs(60);
/// How much of an error's body is shown.
const SHOWN_CHARS: usize = 200;

/// A connection to one server.
pub struct Client {
    http: reqwest::Client,
    endpoint: String,
    /// Sent with every question; never logged.
    credentials: Vec<(&'static str, String)>,
    max_body_bytes: usize,
}

impl Client {
    /// A client for `endpoint` (up to and without `/requests.json`).
    pub fn new(
        endpoint: &str,
        credentials: Vec<(&'static str, String)>,
        timeout: Duration,
        max_body_bytes: usize,
    ) -> Result<Self, SourceError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::limited(4))
            .user_agent(concat!("civicpulse/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                SourceError::unusable(format!("no HTTP client: {error}"), "check the system's TLS certificates")
            })?;
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let is_http =
            reqwest::Url::parse(&endpoint).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_http {
            return Err(SourceError::unusable(
                format!("`{endpoint}` is no endpoint"),
                "give the URL that `/requests.json` is appended to",
            ));
        }
        Ok(Self { http, endpoint, credentials, max_body_bytes })
    }

    /// The body of `GET {endpoint}/{path}`; `None` for 404.
    pub async fn get(&self, path: &str, query: &[(&str, String)], clock: &dyn Clock) -> Result<Option<Vec<u8>>, SourceError> {
        let upstream = format!("{}/{path}", self.endpoint);
        // An error of reqwest shows the URL, and the URL holds the key.
        let failed = |error: reqwest::Error| SourceError::upstream(upstream.clone(), chain(&error.without_url()));
        let request = self.http.get(&upstream).query(&self.credentials).query(query);
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let asked = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let wait = asked.and_then(|text| retry_after(text, clock)).unwrap_or(BUSY_WAIT);
            return Err(SourceError::Busy { upstream, wait });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.max_body_bytes {
                let problem =
                    format!("the answer is longer than {} bytes; lower page_size or raise max_body_bytes", self.max_body_bytes);
                return Err(SourceError::upstream(upstream, problem));
            }
            body.extend_from_slice(&chunk);
        }
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(body)),
            status => {
                let hint = if matches!(status.as_u16(), 401 | 403) { " (check api_key_env or api_key_file)" } else { "" };
                let shown: String = String::from_utf8_lossy(&body).chars().take(SHOWN_CHARS).collect();
                Err(SourceError::upstream(upstream, format!("status {status}{hint}: {}", shown.escape_debug())))
            }
        }
    }
}

/// Seconds, or a moment (RFC 9110, 10.2.3).
fn retry_after(text: &str, clock: &dyn Clock) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
    let left_us = moment.timestamp_micros().saturating_sub(clock.now().micros());
    Some(Duration::from_micros(u64::try_from(left_us).unwrap_or(0)))
}

/// An error with its causes: reqwest tells the interesting part there.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use feedback::{ManualClock, Timestamp};

    #[test]
    fn servers_say_when_to_come_back_in_two_ways() {
        let clock = ManualClock::at("2026-03-20T09:00:00Z".parse::<Timestamp>().unwrap());
        assert_eq!(retry_after("120", &clock), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Fri, 20 Mar 2026 09:01:00 GMT", &clock), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Fri, 20 Mar 2026 08:00:00 GMT", &clock), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", &clock), None);
    }

    #[test]
    fn an_endpoint_is_a_web_address() {
        for bad in ["", "example.org", "file:///etc", "http://"] {
            assert!(Client::new(bad, Vec::new(), BUSY_WAIT, 1).is_err(), "{bad}");
        }
    }
}
