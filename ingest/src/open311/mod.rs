//! Open311 GeoReport v2: a poller for city portals (<http://wiki.open311.org/GeoReport_v2/>).
//!
//! GeoReport has no "changed since", no history and no agreed paging. So the poller looks at windows over the time of request, splits
//! a window whose answer is full, asks again for the requests it knows to be open (and for a while for closed ones, which may be
//! reopened), and rebuilds what happened in between by comparison (`state.rs`). Its memory is its cursor.

mod client;
mod config;
pub mod decode;
mod state;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use feedback::time::{DAY_US, SECOND_US};
use feedback::{Clock, Timestamp};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::source::{Rejected, Source, SourceBatch, SourceError};
use client::Client;
pub use config::{Format, MAX_WINDOW_DAYS, Open311Config, Paging};
use decode::Page;
use state::{Context, State};

/// A window is not split below this: some servers ignore fractions of a second.
const MIN_WINDOW_US: i64 = SECOND_US;
/// Most pages of one window, where a server counts pages.
const MAX_PAGES: u32 = 10_000;

/// Something to ask. A task leaves the queue only once its answer has been used.
#[derive(Clone, Debug, PartialEq)]
enum Task {
    /// The names of services.
    Services,
    /// Requests made in a span of time; `first_id` is the first id of the page before, `page` counts from 1.
    Window { from: Timestamp, until: Timestamp, page: u32, first_id: Option<String>, splits: bool },
    /// Makes the questions of this round about known requests.
    FollowUp,
    /// Known requests.
    Ask(Vec<String>),
}

/// The poller.
pub struct Open311Source {
    config: Open311Config,
    client: Client,
    clock: Arc<dyn Clock>,
    state: State,
    services: HashMap<String, String>,
    services_at: Option<Timestamp>,
    tasks: VecDeque<Task>,
    /// When the next round begins; `None`: at once.
    next_round: Option<Instant>,
}

impl Open311Source {
    /// A poller for the portal of `config`. Errors name the setting that is wrong.
    pub fn new(config: Open311Config, clock: Arc<dyn Clock>) -> Result<Self, SourceError> {
        config.check()?;
        let timeout = Duration::from_secs(config.timeout_s);
        let client = Client::new(&config.endpoint, config.credentials()?, timeout, config.max_body_bytes)?;
        Ok(Self {
            config,
            client,
            clock,
            state: State::default(),
            services: HashMap::new(),
            services_at: None,
            tasks: VecDeque::new(),
            next_round: None,
        })
    }

    /// Whether everything of a round has been asked, so that the next call waits until the next round is due.
    pub fn is_between_rounds(&self) -> bool {
        self.tasks.is_empty()
    }

    fn path(&self, name: &str) -> String {
        let extension = if self.config.format == Format::Json { "json" } else { "xml" };
        format!("{name}.{extension}")
    }

    /// The tasks of a round.
    fn plan(&mut self) {
        let now = self.clock.now();
        self.state.begin_round();
        if self.services_at.is_none_or(|at| now.micros() - at.micros() >= DAY_US) {
            self.tasks.push_back(Task::Services);
        }
        let backfill = now.plus_micros(-i64::from(self.config.backfill_days) * DAY_US);
        let overlap_us = i64::try_from(self.config.overlap_s).unwrap_or(i64::MAX).saturating_mul(SECOND_US);
        let mut from =
            self.state.scanned_to.map_or(backfill, |scanned_to| scanned_to.plus_micros(-overlap_us)).floor(SECOND_US);
        let width_us = i64::from(self.config.window_days) * DAY_US;
        while from < now {
            let until = from.plus_micros(width_us).min(now);
            self.tasks.push_back(Task::Window {
                from,
                until,
                page: 1,
                first_id: None,
                splits: self.config.paging == Paging::Split,
            });
            from = until;
        }
        self.tasks.push_back(Task::FollowUp);
    }

    async fn ask(&self, task: &Task) -> Result<Option<Vec<u8>>, SourceError> {
        tokio::time::sleep(Duration::from_millis(self.config.pause_ms)).await;
        match task {
            Task::Services => self.client.get(&self.path("services"), &[], &*self.clock).await,
            Task::Window { from, until, page, splits, .. } => {
                // The standard's windows are whole seconds; the end is rounded up so that none is lost.
                let until = until.plus_micros(SECOND_US - 1).floor(SECOND_US);
                let mut query = vec![("start_date", from.floor(SECOND_US).to_string()), ("end_date", until.to_string())];
                if !self.config.service_codes.is_empty() {
                    query.push(("service_code", self.config.service_codes.join(",")));
                }
                if !splits {
                    query.extend([("page", page.to_string()), ("page_size", self.config.page_size.to_string())]);
                }
                self.client.get(&self.path("requests"), &query, &*self.clock).await
            }
            Task::Ask(ids) if self.config.ids_per_question == 1 && ids.len() == 1 => {
                let id = path_segment(&ids[0]);
                self.client.get(&self.path(&format!("requests/{id}")), &[], &*self.clock).await
            }
            Task::Ask(ids) => {
                self.client.get(&self.path("requests"), &[("service_request_id", ids.join(","))], &*self.clock).await
            }
            Task::FollowUp => Ok(None),
        }
    }

    /// Uses an answer. `None`: it was of no consequence, go on.
    fn use_answer(&mut self, task: Task, body: Option<Vec<u8>>) -> Result<Option<SourceBatch>, SourceError> {
        let decode = |body: Option<Vec<u8>>| match body {
            Some(body) => decode::page(&body, self.config.time_zone)
                .map_err(|problem| SourceError::upstream(format!("{}/requests", self.config.endpoint), problem)),
            None => Ok(Page::default()),
        };
        match task {
            Task::Services => {
                match body.as_deref().map(decode::services) {
                    Some(Ok(services)) => self.services = services.into_iter().collect(),
                    Some(Err(problem)) => {
                        warn!(source = self.config.name, "categories will be codes: no list of services: {problem}")
                    }
                    None => debug!(source = self.config.name, "the server has no list of services"),
                }
                self.services_at = Some(self.clock.now());
                Ok(None)
            }
            Task::FollowUp => {
                let closed_before = self.clock.now().plus_micros(-i64::from(self.config.follow_closed_days) * DAY_US);
                self.state.forget_closed(closed_before);
                let known = self.state.unseen();
                self.tasks.extend(known.chunks(self.config.ids_per_question).map(|ids| Task::Ask(ids.to_vec())));
                Ok(None)
            }
            Task::Window { from, until, page: number, first_id, splits } => {
                if body.is_none() {
                    return Err(SourceError::upstream(
                        format!("{}/requests", self.config.endpoint),
                        "status 404: check the endpoint",
                    ));
                }
                let page = decode(body)?;
                let is_full = page.len() >= self.config.page_size || (page.len() >= 50 && page.len() % 50 == 0);
                let this_first = page.requests.first().map(|seen| seen.id.clone());
                let repeats = number > 1 && this_first.is_some() && this_first == first_id;
                let width_us = until.micros() - from.micros();
                if is_full && (splits || repeats) && width_us > MIN_WINDOW_US {
                    let middle = from.plus_micros(width_us / 2).floor(SECOND_US).max(from.plus_micros(MIN_WINDOW_US));
                    let half = |from, until| Task::Window { from, until, page: 1, first_id: None, splits: true };
                    self.tasks.push_front(half(middle, until));
                    self.tasks.push_front(half(from, middle));
                    return Ok(None);
                }
                if is_full && !splits && !repeats && number < MAX_PAGES {
                    self.tasks.push_front(Task::Window { from, until, page: number + 1, first_id: this_first, splits });
                } else {
                    if is_full {
                        warn!(source = self.config.name, %from, "the window cannot be split further, and its answer is full: some requests may be missing");
                    }
                    self.state.scanned_to = self.state.scanned_to.max(Some(until));
                }
                self.batch(page, Vec::new()).map(Some)
            }
            Task::Ask(ids) => {
                let page = decode(body)?;
                let answered: HashSet<&str> = page.requests.iter().map(|seen| seen.id.as_str()).collect();
                let missing: Vec<String> = ids.iter().filter(|id| !answered.contains(id.as_str())).cloned().collect();
                if missing.len() == ids.len() && ids.len() > 1 {
                    warn!(
                        source = self.config.name,
                        asked = ids.len(),
                        "none of the known requests was in the answer: nothing is concluded from that"
                    );
                    return Ok(None);
                }
                self.batch(page, missing).map(Some)
            }
        }
    }

    fn batch(&mut self, page: Page, missing: Vec<String>) -> Result<SourceBatch, SourceError> {
        let now = self.clock.now();
        let mut batch = SourceBatch::default();
        let context = Context { source: &self.config.name, services: &self.services, now };
        for seen in &page.requests {
            if let Err(error) = self.state.observe(seen, &context, &mut batch.records) {
                batch.rejected.push(Rejected { reason: error.to_string(), bytes: seen.id.clone().into_bytes() });
            }
        }
        batch.rejected.extend(page.rejected.into_iter().map(|(reason, text)| Rejected { reason, bytes: text.into_bytes() }));
        for id in missing {
            if self.state.missed(&id) && self.config.erase_missing {
                batch.records.extend(state::erasure(&self.config.name, &id, now));
            }
        }
        let given_up = self.state.limit(self.config.max_followed);
        if given_up > 0 {
            warn!(
                source = self.config.name,
                given_up,
                limit = self.config.max_followed,
                "open requests are no longer followed: raise max_followed"
            );
        }
        let cursor = self.state.write().map_err(|error| SourceError::upstream("the poller's memory", error))?;
        batch.cursor = Some(cursor);
        Ok(batch)
    }
}

/// Percent-encodes what a path segment must not hold (RFC 3986, 3.3).
fn path_segment(id: &str) -> String {
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

#[async_trait::async_trait]
impl Source for Open311Source {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn resume(&mut self, cursor: Option<&str>) -> Result<(), SourceError> {
        let Some(cursor) = cursor else { return Ok(()) };
        self.state = State::parse(cursor).map_err(|problem| {
            let remedy = "delete the cursor to begin with backfill_days again";
            SourceError::unusable(format!("the cursor of `{}` does not parse: {problem}", self.config.name), remedy)
        })?;
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<SourceBatch>, SourceError> {
        loop {
            if self.tasks.is_empty() {
                if let Some(next_round) = self.next_round {
                    tokio::time::sleep_until(next_round).await;
                }
                self.plan();
                self.next_round = None;
            }
            let Some(task) = self.tasks.front().cloned() else { continue };
            // The task stays in front while the answer is awaited: a dropped future or an error asks it again.
            let answer = match self.ask(&task).await {
                // Without names, categories are codes; that must not keep the reports away.
                Err(error) if task == Task::Services && error.wait().is_none() => {
                    warn!(source = self.config.name, "no list of services: {error}");
                    None
                }
                answer => answer?,
            };
            self.tasks.pop_front();
            let used = self.use_answer(task.clone(), answer);
            if used.is_err() {
                self.tasks.push_front(task);
            }
            let used = used?;
            if self.is_between_rounds() {
                self.next_round = Some(Instant::now() + Duration::from_secs(self.config.poll_s));
                // The end of a round is told even if nothing has happened: the source has been seen.
                return Ok(Some(used.unwrap_or_default()));
            }
            if used.is_some() {
                return Ok(used);
            }
        }
    }
}
