//! What a poller remembers, and how it rebuilds a history that GeoReport does not publish: by comparing what a request looks like
//! now with what it looked like before.

use std::collections::{BTreeMap, HashMap};

use feedback::{Channel, Erase, Feedback, FeedbackError, FeedbackId, Report, SCHEMA_VERSION, Status, StatusEvent, Timestamp};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::decode::Seen;

/// How often an id may be missing from answers before it is no longer asked for.
pub const MAX_MISSES: u8 = 3;

/// The cursor: where the scan stands and which requests are followed. At most `max_followed` of them, about 120 bytes each.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// Everything requested before was seen.
    pub scanned_to: Option<Timestamp>,
    /// The requests that are asked for again, by native id.
    pub followed: BTreeMap<String, Followed>,
    #[serde(skip)]
    round: u64,
}

impl Default for State {
    fn default() -> Self {
        Self { version: 1, scanned_to: None, followed: BTreeMap::new(), round: 0 }
    }
}

/// What a request looked like when it was last seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Followed {
    /// Hash of everything that makes a new version.
    content: u64,
    /// Hash of the notes.
    notes: u64,
    status: Option<Status>,
    /// Event time of the report; never changes, whatever later answers say.
    created_at: Timestamp,
    /// The version that was sent last.
    updated_at: Timestamp,
    /// When the status was reached, as far as known.
    status_at: Timestamp,
    misses: u8,
    /// The round in which it was last seen; see [`State::begin_round`].
    #[serde(skip)]
    round: u64,
}

impl Followed {
    fn is_open(&self) -> bool {
        self.status.is_none_or(Status::is_open)
    }
}

/// What records need beside the request itself.
pub struct Context<'a> {
    /// The source's name.
    pub source: &'a str,
    /// Names of services by code, for servers that leave the name out.
    pub services: &'a HashMap<String, String>,
    /// The present moment.
    pub now: Timestamp,
}

impl State {
    /// Reads a cursor; the error says what is wrong with it.
    pub fn parse(cursor: &str) -> Result<Self, String> {
        let state: Self = serde_json::from_str(cursor).map_err(|error| error.to_string())?;
        if state.version == 1 { Ok(state) } else { Err(format!("its version is {}, this build knows 1", state.version)) }
    }

    /// The cursor.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// From here on, what is observed counts as seen in a new round.
    pub fn begin_round(&mut self) {
        self.round += 1;
    }

    /// Followed requests that were not observed in this round.
    pub fn unseen(&self) -> Vec<String> {
        self.followed.iter().filter(|(_, known)| known.round != self.round).map(|(id, _)| id.clone()).collect()
    }

    /// Compares a request with what is known about it, appends what has happened, and remembers how it looks.
    pub fn observe(&mut self, seen: &Seen, context: &Context<'_>, out: &mut Vec<Feedback>) -> Result<(), FeedbackError> {
        let id = FeedbackId::new(context.source, &seen.id)?;
        let (content, notes) = (content_of(seen), hash(&[seen.notes.as_deref()]));
        match self.followed.get_mut(&seen.id) {
            None => {
                let created_at = seen.requested_at.or(seen.updated_at).unwrap_or(context.now);
                let updated_at = seen.updated_at.map_or(created_at, |updated_at| updated_at.max(created_at));
                let known = Followed {
                    content,
                    notes,
                    status: seen.status,
                    created_at,
                    updated_at,
                    status_at: updated_at,
                    misses: 0,
                    round: self.round,
                };
                out.push(Feedback::Report(report(seen, id.clone(), &known, context)));
                // A life that begins with a closed request has been closed at some time: at the update, or by now.
                if let Some(status) = seen.status.filter(|status| *status != Status::Open) {
                    out.push(event(seen, id, status, seen.updated_at.unwrap_or(context.now), context));
                }
                self.followed.insert(seen.id.clone(), known);
            }
            Some(known) => {
                known.misses = 0;
                known.round = self.round;
                if known.content != content {
                    known.updated_at = later(seen.updated_at, known.updated_at, context.now);
                    known.content = content;
                    out.push(Feedback::Report(report(seen, id.clone(), known, context)));
                }
                let answered = known.notes != notes && seen.notes.is_some() && known.is_open();
                let status = match (known.status, seen.status) {
                    (_, None) => None,
                    (Some(Status::Closed), Some(now)) if now.is_open() => Some((Status::Reopened, Status::Open)),
                    (before, Some(now)) if before != Some(now) => Some((now, now)),
                    (_, Some(now)) if answered => Some((Status::Acknowledged, now)),
                    _ => None,
                };
                if let Some((happened, now)) = status {
                    known.status_at = later(seen.updated_at, known.status_at, context.now);
                    known.status = Some(now);
                    out.push(event(seen, id, happened, known.status_at, context));
                }
                known.notes = notes;
            }
        }
        Ok(())
    }

    /// Notes that an id was asked for and not in the answer. `true`: it is no longer followed.
    pub fn missed(&mut self, id: &str) -> bool {
        let Some(known) = self.followed.get_mut(id) else { return false };
        known.misses = known.misses.saturating_add(1);
        let is_gone = known.misses >= MAX_MISSES;
        if is_gone {
            self.followed.remove(id);
        }
        is_gone
    }

    /// Stops following what was closed before `closed_before`. Only between windows and questions: neighbouring windows share a
    /// second, and a closed request in it would be told twice.
    pub fn forget_closed(&mut self, closed_before: Timestamp) {
        self.followed.retain(|_, known| known.is_open() || known.status_at >= closed_before);
    }

    /// Stops following closed requests, then the oldest, until at most `limit` are left. Returns how many open ones were given up.
    pub fn limit(&mut self, limit: usize) -> usize {
        let excess = self.followed.len().saturating_sub(limit);
        if excess == 0 {
            return 0;
        }
        let mut order: Vec<(bool, Timestamp, String)> =
            self.followed.iter().map(|(id, known)| (known.is_open(), known.created_at, id.clone())).collect();
        order.sort_unstable();
        order.truncate(excess);
        order.iter().for_each(|(_, _, id)| _ = self.followed.remove(id));
        order.iter().filter(|(is_open, ..)| *is_open).count()
    }
}

/// The forgetting of a request that its portal has taken away.
pub fn erasure(source: &str, native_id: &str, now: Timestamp) -> Result<Feedback, FeedbackError> {
    let id = Some(FeedbackId::new(source, native_id)?);
    Ok(Feedback::Erase(Erase { schema_version: SCHEMA_VERSION, id, source: None, author: None, at: now, received_at: now }))
}

/// The stated time of a change if it is later than the one before and has come; else the moment at which we noticed.
fn later(stated: Option<Timestamp>, before: Timestamp, now: Timestamp) -> Timestamp {
    stated.filter(|stated| *stated > before && *stated <= now).unwrap_or_else(|| now.max(before.plus_micros(1)))
}

fn report(seen: &Seen, id: FeedbackId, known: &Followed, context: &Context<'_>) -> Report {
    let named = || seen.service_code.as_ref().map(|code| context.services.get(code).unwrap_or(code).clone());
    Report {
        updated_at: known.updated_at,
        received_at: context.now,
        channel: Some(Channel::Web),
        category: seen.service_name.clone().or_else(named),
        text: seen.description.clone(),
        status: seen.status,
        due_at: seen.expected_at,
        closed_at: seen.updated_at.filter(|_| seen.status == Some(Status::Closed)),
        agency: seen.agency.clone(),
        lat: seen.point.map(|(lat, _)| lat),
        lon: seen.point.map(|(_, lon)| lon),
        ..Report::new(id, known.created_at)
    }
}

fn event(seen: &Seen, id: FeedbackId, status: Status, at: Timestamp, context: &Context<'_>) -> Feedback {
    Feedback::Status(StatusEvent {
        schema_version: SCHEMA_VERSION,
        id,
        at,
        received_at: context.now,
        status,
        reason: seen.notes.clone(),
        agency: seen.agency.clone(),
    })
}

fn content_of(seen: &Seen) -> u64 {
    let point = seen.point.map(|(lat, lon)| format!("{lat} {lon}"));
    let expected = seen.expected_at.map(|at| at.to_string());
    hash(&[
        seen.description.as_deref(),
        seen.service_code.as_deref(),
        seen.service_name.as_deref(),
        seen.agency.as_deref(),
        point.as_deref(),
        expected.as_deref(),
    ])
}

fn hash(parts: &[Option<&str>]) -> u64 {
    let mut hasher = Xxh3::new();
    for part in parts {
        // The mark keeps "ab" + nothing apart from "a" + "b".
        hasher.update(&[u8::from(part.is_some()), 0xff]);
        hasher.update(part.unwrap_or_default().as_bytes());
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: Status, text: &str, updated_s: Option<i64>) -> Seen {
        Seen {
            id: "7".into(),
            status: Some(status),
            notes: None,
            service_code: Some("4".into()),
            service_name: None,
            description: Some(text.into()),
            agency: None,
            requested_at: Some(Timestamp::from_secs(100)),
            updated_at: updated_s.map(Timestamp::from_secs),
            expected_at: None,
            point: None,
            media_url: None,
        }
    }

    fn observe(state: &mut State, seen: &Seen, now_s: i64) -> Vec<Feedback> {
        let services = HashMap::from([("4".to_owned(), "Trees".to_owned())]);
        let mut out = Vec::new();
        let context = Context { source: "portal", services: &services, now: Timestamp::from_secs(now_s) };
        state.observe(seen, &context, &mut out).unwrap();
        *state = State::parse(&state.write().unwrap()).unwrap();
        out
    }

    fn statuses(records: &[Feedback]) -> Vec<(Status, i64)> {
        let status = |record: &Feedback| match record {
            Feedback::Status(event) => Some((event.status, event.at.micros() / 1_000_000)),
            _ => None,
        };
        records.iter().filter_map(status).collect()
    }

    #[test]
    fn a_life_is_rebuilt_from_glimpses() {
        let mut state = State::default();
        let first = observe(&mut state, &seen(Status::Open, "tree", None), 200);
        let [Feedback::Report(report)] = &first[..] else { panic!("{first:?}") };
        assert_eq!((report.category.as_deref(), report.updated_at), (Some("Trees"), Timestamp::from_secs(100)));
        assert!(observe(&mut state, &seen(Status::Open, "tree", None), 210).is_empty());

        let edited = observe(&mut state, &seen(Status::Open, "two trees", None), 220);
        let [Feedback::Report(report)] = &edited[..] else { panic!("{edited:?}") };
        assert_eq!((report.created_at, report.updated_at), (Timestamp::from_secs(100), Timestamp::from_secs(220)));

        let answered = Seen { notes: Some("on our list".into()), ..seen(Status::Open, "two trees", Some(225)) };
        assert_eq!(statuses(&observe(&mut state, &answered, 230)), [(Status::Acknowledged, 225)]);
        assert!(observe(&mut state, &answered, 231).is_empty());
        assert_eq!(statuses(&observe(&mut state, &seen(Status::Closed, "two trees", Some(240)), 250)), [(Status::Closed, 240)]);
        // An update time that has not moved, or lies ahead, is not when this happened.
        assert_eq!(statuses(&observe(&mut state, &seen(Status::Open, "two trees", Some(240)), 260)), [(Status::Reopened, 260)]);
        assert_eq!(statuses(&observe(&mut state, &seen(Status::Closed, "two trees", Some(999)), 270)), [(Status::Closed, 270)]);
    }

    #[test]
    fn what_is_closed_when_first_seen_has_its_closing() {
        let mut state = State::default();
        let records = observe(&mut state, &seen(Status::Closed, "tree", Some(150)), 200);
        assert_eq!((records.len(), statuses(&records)), (2, vec![(Status::Closed, 150)]));
        state.forget_closed(Timestamp::from_secs(150));
        assert_eq!(state.followed.len(), 1);
        state.forget_closed(Timestamp::from_secs(151));
        assert!(state.followed.is_empty());
    }

    #[test]
    fn the_followed_are_bounded_and_the_oldest_go_first() {
        let mut state = State::default();
        for id in 0..10 {
            let seen = Seen {
                id: id.to_string(),
                requested_at: Some(Timestamp::from_secs(100 - id)),
                ..seen(Status::Open, "x", None)
            };
            observe(&mut state, &seen, 200);
        }
        observe(&mut state, &Seen { id: "c".into(), ..seen(Status::Closed, "x", Some(300)) }, 310);
        assert_eq!(state.limit(8), 2);
        assert_eq!(state.followed.keys().map(String::as_str).collect::<Vec<_>>(), ["0", "1", "2", "3", "4", "5", "6", "7"]);
        assert!(!state.missed("0") && !state.missed("0") && state.missed("0"));
        assert!(!state.followed.contains_key("0"));
    }
}
