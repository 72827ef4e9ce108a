//! What everybody may see: counts of a month, released once.
//!
//! A release is a file that is written when a month is first asked for, and handed out from then on. It is never computed again: two
//! states of one month, subtracted, would give small cells away. So a report that comes after the release, or is erased, changes no
//! release; the wait of `publish.settle_days` is for the former.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aggregate::Snapshot;
use aggregate::disclosure::{self, Release};
use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use feedback::Timestamp;
use feedback::time::DAY_US;

use crate::config::Config;

/// The releases of a data directory.
#[derive(Clone, Debug)]
pub struct Releases {
    dir: PathBuf,
    threshold: u64,
    settle_days: u32,
    /// One release is written at a time.
    gate: Arc<Mutex<()>>,
}

impl Releases {
    /// Where the configuration has them.
    pub fn of(config: &Config) -> Self {
        let dir = config.data.dir.join("public");
        Self { dir, threshold: config.publish.threshold, settle_days: config.publish.settle_days, gate: Arc::default() }
    }

    /// The release of a month that was asked for before.
    ///
    /// # Errors
    /// It is no month, or the file cannot be read.
    pub fn kept(&self, month: &str) -> Result<Option<String>> {
        span(month)?;
        let file = self.file(month);
        if !file.exists() {
            return Ok(None);
        }
        std::fs::read_to_string(&file).map(Some).with_context(|| format!("cannot read {}", file.display()))
    }

    /// The release of a month: the kept one, or a new one that is kept.
    ///
    /// # Errors
    /// It is no month or not over for long enough, too little is in it, or the file cannot be written.
    pub fn get(&self, month: &str, snapshot: &Snapshot) -> Result<String> {
        let _one_at_a_time = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = self.kept(month)? {
            return Ok(text);
        }
        let text = csv(month, &self.compute(span(month)?, snapshot)?);
        keep(&self.file(month), &text)?;
        Ok(text)
    }

    fn file(&self, month: &str) -> PathBuf {
        self.dir.join(format!("reports-{month}.csv"))
    }

    fn compute(&self, (from, until): (Timestamp, Timestamp), snapshot: &Snapshot) -> Result<Release> {
        let settled = until.plus_micros(i64::from(self.settle_days) * DAY_US);
        if snapshot.watermark().is_none_or(|watermark| watermark < settled) {
            let reach = snapshot.watermark().map_or("hold nothing yet".to_owned(), |watermark| format!("reach {watermark}"));
            bail!(
                "a month is released once, {} days after its end: this one from {settled} on. The tables {reach}",
                self.settle_days
            );
        }
        let cells = disclosure::contributions(snapshot, from, until)?;
        Ok(disclosure::release(&cells, self.threshold)?)
    }
}

/// `GET /public/reports/2011-08`: the release as CSV, for anybody.
pub fn router(releases: Releases, snapshots: Arc<ArcSwap<Snapshot>>) -> Router {
    Router::new().route("/public/reports/{month}", get(answer)).with_state((releases, snapshots))
}

async fn answer(
    State((releases, snapshots)): State<(Releases, Arc<ArcSwap<Snapshot>>)>,
    UrlPath(month): UrlPath<String>,
) -> Response {
    let found = tokio::task::spawn_blocking(move || releases.get(&month, &snapshots.load())).await;
    match found {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response(),
        // Where our files lie is nobody's business out there.
        Ok(Err(error)) if error.chain().any(|cause| cause.is::<std::io::Error>()) => {
            tracing::error!("a release cannot be handed out: {error:#}");
            (StatusCode::INTERNAL_SERVER_ERROR, "the release cannot be read or written now; its operator's log says why\n")
                .into_response()
        }
        Ok(Err(error)) => (StatusCode::NOT_FOUND, format!("{error:#}\n")).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// First moment of a month and of the next, from `2011-08`.
fn span(text: &str) -> Result<(Timestamp, Timestamp)> {
    let wrong = || format!("`{text}` is not a month: write it as 2011-08. Nothing but whole months is released");
    let (year, month) = text.split_once('-').with_context(wrong)?;
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if !(digits(year, 4) && digits(month, 2)) {
        bail!(wrong());
    }
    let (year, month): (i32, u32) = (year.parse().with_context(wrong)?, month.parse().with_context(wrong)?);
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let first = |(year, month): (i32, u32)| format!("{year:04}-{month:02}-01T00:00:00Z").parse::<Timestamp>();
    Ok((first((year, month)).with_context(wrong)?, first(next).with_context(wrong)?))
}

/// Writes a file that did not exist, whole or not at all.
fn keep(file: &Path, text: &str) -> Result<()> {
    let dir = file.parent().context("a release lies in a directory")?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let partial = file.with_extension("csv.partial");
    let written =
        std::fs::File::create(&partial).and_then(|mut out| out.write_all(text.as_bytes()).and_then(|()| out.sync_all()));
    written.and_then(|()| std::fs::rename(&partial, file)).with_context(|| format!("cannot write {}", file.display()))
}

/// One line a cell; `*` is a total, an empty count is withheld.
fn csv(month: &str, release: &Release) -> String {
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut line = |district: &str, topic: &str, reports: Option<u64>| {
        let (count, status) = reports.map_or((String::new(), "withheld"), |n| (n.to_string(), "shown"));
        // Writing into memory cannot fail.
        let _ = out.write_record([month, district, topic, &count, status]);
    };
    let columns = release.topics.len();
    let mut lines: Vec<(&str, &str, Option<u64>)> = vec![("*", "*", Some(release.total))];
    lines.extend(release.topics.iter().zip(&release.topic_totals).map(|(topic, total)| ("*", topic.as_str(), Some(*total))));
    for (row, district) in release.districts.iter().enumerate() {
        lines.push((district, "*", Some(release.district_totals[row])));
        let cells = &release.cells[row * columns..(row + 1) * columns];
        lines.extend(release.topics.iter().zip(cells).map(|(topic, cell)| (district.as_str(), topic.as_str(), *cell)));
    }
    lines.into_iter().for_each(|(district, topic, reports)| line(district, topic, reports));
    let text = out.into_inner().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    format!("month,district,topic,reports,status\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_months_are_released() {
        let (from, until) = span("2011-12").unwrap();
        assert_eq!(
            (from.to_string(), until.to_string()),
            ("2011-12-01T00:00:00Z".to_owned(), "2012-01-01T00:00:00Z".to_owned())
        );
        for text in ["2011", "2011-13", "2011-00", "2011-08-15", "last", "11-08", "2011-8", "../../etc", "2011-0a"] {
            let error = format!("{:#}", span(text).unwrap_err());
            assert!(error.contains("is not a month"), "{text}: {error}");
        }
    }

    #[test]
    fn a_withheld_cell_is_empty() {
        let release = Release {
            districts: vec!["A".into(), "B, C".into()],
            topics: vec!["roads".into()],
            cells: vec![None, Some(12)],
            district_totals: vec![9, 12],
            topic_totals: vec![21],
            total: 21,
        };
        let text = csv("2011-08", &release);
        assert!(text.contains("2011-08,A,roads,,withheld\n") && text.contains("2011-08,\"B, C\",*,12,shown\n"), "{text}");
        assert_eq!(text.lines().count(), 1 + 2 + 2 * 2);
    }
}
