//! The Open311 poller against a portal on loopback: the recordings, and what portals do when they are unwell.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use feedback::{Clock, Feedback, ManualClock, Report, Status, StatusEvent, Timestamp};
use ingest::open311::{Open311Config, Open311Source};
use ingest::source::{Rejected, Source, SourceError};
use serde_json::{Value, json};

use crate::support::shared;

/// What the portal holds and how it behaves.
#[derive(Default)]
struct Portal {
    requests: Vec<Value>,
    /// Most objects in an answer.
    cap: usize,
    /// Answers in this dialect.
    dialect: Dialect,
    /// Answers to give before any real one.
    trouble: Vec<(u16, Option<&'static str>)>,
    /// Every question: path and query.
    asked: Vec<String>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Dialect {
    #[default]
    Json,
    /// `{"requests": [...]}`
    Wrapped,
    Xml,
}

type Shared = Arc<Mutex<Portal>>;

fn time(request: &Value) -> Option<Timestamp> {
    let text = request["requested_datetime"].as_str()?;
    text.parse().ok().or_else(|| format!("{}Z", text.replace(' ', "T")).parse().ok())
}

async fn answer(State(portal): State<Shared>, uri: Uri, Query(query): Query<HashMap<String, String>>) -> Response {
    let mut portal = portal.lock().unwrap();
    portal.asked.push(uri.to_string());
    if uri.path().contains("/services") {
        return match portal.dialect {
            Dialect::Xml => {
                "<services><service><service_code>T</service_code><service_name>Trees</service_name></service></services>"
                    .into_response()
            }
            _ => json!([{"service_code": "T", "service_name": "Trees"}]).to_string().into_response(),
        };
    }
    if !portal.trouble.is_empty() {
        let (status, wait) = portal.trouble.remove(0);
        let status = StatusCode::from_u16(status).unwrap();
        return match wait {
            Some(wait) => (status, [("retry-after", wait)], "later").into_response(),
            None => (status, "[{\"code\":500,\"description\":\"oops\"}]").into_response(),
        };
    }
    let ids: Option<Vec<&str>> = query.get("service_request_id").map(|ids| ids.split(',').collect());
    let single = uri.path().strip_prefix("/v2/requests/").map(|rest| rest.rsplit_once('.').unwrap().0.to_owned());
    let id_of = |request: &Value| request["service_request_id"].to_string().trim_matches('"').to_owned();
    let bound = |name: &str| query.get(name).map(|text| text.parse::<Timestamp>().unwrap());
    let (from, until) = (bound("start_date"), bound("end_date"));
    let within = |request: &&Value| match (&ids, &single) {
        (Some(ids), _) => ids.contains(&id_of(request).as_str()),
        (None, Some(id)) => id_of(request) == *id,
        (None, None) => {
            time(request).is_none_or(|at| from.is_none_or(|from| at >= from) && until.is_none_or(|until| at <= until))
        }
    };
    let page: usize = query.get("page").map_or(1, |page| page.parse().unwrap());
    let found: Vec<&Value> = portal.requests.iter().filter(within).skip((page - 1) * portal.cap).take(portal.cap).collect();
    if single.is_some() && found.is_empty() {
        return (StatusCode::NOT_FOUND, "[{\"code\":404,\"description\":\"unknown\"}]").into_response();
    }
    match portal.dialect {
        Dialect::Json => json!(found).to_string().into_response(),
        Dialect::Wrapped => json!({ "requests": found }).to_string().into_response(),
        Dialect::Xml => {
            let field = |(name, value): (&String, &Value)| match value {
                Value::String(text) => format!("<{name}>{}</{name}>", text.replace('&', "&amp;").replace('<', "&lt;")),
                Value::Null => format!("<{name}/>"),
                other => format!("<{name}>{other}</{name}>"),
            };
            let one = |request: &&Value| {
                format!("<request>{}</request>", request.as_object().unwrap().iter().map(field).collect::<String>())
            };
            format!("<?xml version=\"1.0\"?><service_requests>{}</service_requests>", found.iter().map(one).collect::<String>())
                .into_response()
        }
    }
}

struct World {
    portal: Shared,
    endpoint: String,
    clock: Arc<ManualClock>,
    cursor: Option<String>,
}

impl World {
    async fn new(portal: Portal, now: &str) -> Self {
        let portal = Arc::new(Mutex::new(portal));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v2", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(portal.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { portal, endpoint, clock: Arc::new(ManualClock::at(now.parse().unwrap())), cursor: None }
    }

    fn source(&self, settings: Value) -> Result<Open311Source, SourceError> {
        let mut config = json!({ "name": "portal", "endpoint": self.endpoint, "pause_ms": 0, "page_size": 100 });
        config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let config: Open311Config = serde_json::from_value(config).unwrap();
        let mut source = Open311Source::new(config, self.clock.clone())?;
        source.resume(self.cursor.as_deref())?;
        Ok(source)
    }

    /// One round of a poller that was just started from the last cursor: every round is a restart.
    async fn round(&mut self, settings: Value) -> Seen {
        let mut source = self.source(settings).unwrap();
        let mut seen = Seen::default();
        loop {
            match source.next().await {
                Ok(batch) => {
                    let batch = batch.unwrap();
                    self.cursor = batch.cursor.or(self.cursor.take());
                    seen.rejected.extend(batch.rejected);
                    for record in batch.records {
                        assert_eq!(record.check(), Ok(()));
                        match record {
                            Feedback::Report(report) => seen.reports.push(report),
                            Feedback::Status(event) => seen.statuses.push(event),
                            Feedback::Erase(erase) => seen.erased.push(erase.id.unwrap().to_string()),
                        }
                    }
                    if source.is_between_rounds() {
                        return seen;
                    }
                }
                Err(error) => {
                    assert!(!error.is_terminal());
                    seen.errors.push(error);
                }
            }
        }
    }
}

#[derive(Default)]
struct Seen {
    reports: Vec<Report>,
    statuses: Vec<StatusEvent>,
    erased: Vec<String>,
    rejected: Vec<Rejected>,
    errors: Vec<SourceError>,
}

impl Seen {
    fn is_nothing(&self) -> bool {
        self.reports.is_empty() && self.statuses.is_empty() && self.erased.is_empty()
    }
}

fn request(id: u32, minute: u32, status: &str) -> Value {
    let at = format!("2026-03-{:02}T{:02}:{:02}:00Z", 1 + minute / 1_440, minute / 60 % 24, minute % 60);
    json!({ "service_request_id": id, "status": status, "service_code": "T", "description": format!("a <tree> & {id}"), "lat": "42.1",
            "long": -71.0, "requested_datetime": at, "updated_datetime": at })
}

fn forest(count: u32) -> Vec<Value> {
    (0..count).map(|id| request(id, id * 7, if id % 3 == 0 { "closed" } else { "open" })).collect()
}

#[tokio::test]
async fn every_request_is_found_however_the_portal_pages_and_speaks() {
    for dialect in [Dialect::Json, Dialect::Wrapped, Dialect::Xml] {
        for (cap, paging) in [(50, "split"), (37, "page"), (1_000, "split")] {
            let mut world =
                World::new(Portal { requests: forest(431), cap, dialect, ..Default::default() }, "2026-03-10T00:00:00Z").await;
            let format = if dialect == Dialect::Xml { "xml" } else { "json" };
            let settings = json!({ "paging": paging, "page_size": cap, "format": format });
            let seen = world.round(settings.clone()).await;
            let ids: BTreeMap<&str, usize> = seen.reports.iter().fold(BTreeMap::new(), |mut ids, report| {
                *ids.entry(report.id.native_id()).or_default() += 1;
                ids
            });
            assert_eq!(ids.len(), 431);
            assert!(ids.values().all(|times| *times == 1), "each once");
            assert_eq!(seen.statuses.len(), 144, "those that were closed already");
            assert_eq!(seen.reports[0].category.as_deref(), Some("Trees"));
            assert_eq!(seen.reports[0].text.as_deref(), Some("a <tree> & 0"));
            assert!(world.round(settings).await.is_nothing(), "a restarted poller repeats nothing");
        }
    }
}

#[tokio::test]
async fn a_life_is_told_across_restarts() {
    let mut world =
        World::new(Portal { requests: forest(120), cap: 1_000, ..Default::default() }, "2026-03-10T00:00:00Z").await;
    for ids_per_question in [25, 1] {
        let settings = json!({ "ids_per_question": ids_per_question, "erase_missing": true });
        world.cursor = None;
        world.portal.lock().unwrap().requests = forest(120);
        world.round(settings.clone()).await;

        world.clock.set(world.clock.now().plus_micros(3_600_000_000));
        {
            let requests = &mut world.portal.lock().unwrap().requests;
            requests[1]["status"] = "closed".into();
            requests[1]["status_notes"] = "felled".into();
            requests[1]["updated_datetime"] = "2026-03-10T00:30:00Z".into();
            requests[2]["description"] = "two trees".into();
            requests[4]["status_notes"] = "on our list".into();
        }
        let seen = world.round(settings.clone()).await;
        let [felled, listed] = &seen.statuses[..] else { panic!("{:?}", seen.statuses) };
        assert_eq!((felled.id.native_id(), felled.status, felled.reason.as_deref()), ("1", Status::Closed, Some("felled")));
        assert_eq!(felled.at.to_string(), "2026-03-10T00:30:00Z");
        assert_eq!((listed.id.native_id(), listed.status), ("4", Status::Acknowledged));
        let [edited] = &seen.reports[..] else { panic!("{:?}", seen.reports) };
        assert_eq!((edited.id.native_id(), edited.text.as_deref()), ("2", Some("two trees")));
        assert!(edited.updated_at > edited.created_at);

        {
            let requests = &mut world.portal.lock().unwrap().requests;
            requests[1]["status"] = "open".into();
            requests.remove(5);
        }
        let reopened = world.round(settings.clone()).await;
        assert_eq!(reopened.statuses.iter().map(|event| event.status).collect::<Vec<_>>(), [Status::Reopened]);
        assert!(world.round(settings.clone()).await.is_nothing());
        assert_eq!(world.round(settings.clone()).await.erased, ["portal:5"], "missing for the third time");
        assert!(world.round(settings).await.is_nothing());
        world.clock.set("2026-03-10T00:00:00Z".parse().unwrap());
    }
}

#[tokio::test]
async fn trouble_is_waited_out_and_nothing_is_lost() {
    let trouble = vec![(500, None), (429, Some("7")), (503, None), (403, None), (500, None)];
    let mut world =
        World::new(Portal { requests: forest(90), cap: 1_000, trouble, ..Default::default() }, "2026-03-10T00:00:00Z").await;
    let seen = world.round(json!({ "window_days": 3 })).await;
    assert_eq!(seen.reports.len(), 90);
    let waits: Vec<Option<u64>> = seen.errors.iter().map(|error| error.wait().map(|wait| wait.as_secs())).collect();
    assert_eq!(waits, [None, Some(7), Some(60), None, None]);
    assert!(seen.errors[3].to_string().contains("check api_key"), "{}", seen.errors[3]);
}

#[tokio::test]
async fn no_key_shows_in_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "s3cret\n").unwrap();
    let world = World::new(Portal { trouble: vec![(500, None)], cap: 1, ..Default::default() }, "2026-03-10T00:00:00Z").await;
    let mut source = world.source(json!({ "api_key_file": path, "jurisdiction_id": "town" })).unwrap();
    let error = source.next().await.unwrap_err().to_string();
    assert!(error.contains("status 500") && !error.contains("s3cret"), "{error}");
    let asked = world.portal.lock().unwrap().asked.join(" ");
    assert!(asked.contains("jurisdiction_id=town&api_key=s3cret"), "{asked}");
    let mut nobody = world.source(json!({ "endpoint": "http://127.0.0.1:1/v2", "api_key_file": path })).unwrap();
    let error = nobody.next().await.unwrap_err().to_string();
    assert!(!error.contains("s3cret"), "{error}");
    assert!(world.source(json!({ "api_key_env": "NO_SUCH_VARIABLE_HERE" })).err().unwrap().is_terminal());
}

#[tokio::test]
async fn answers_that_are_too_long_or_no_answers_are_errors() {
    let mut world = World::new(Portal { requests: forest(90), cap: 1_000, ..Default::default() }, "2026-03-10T00:00:00Z").await;
    let mut source = world.source(json!({ "max_body_bytes": 5_000 })).unwrap();
    while source.next().await.map_err(|error| assert!(error.to_string().contains("longer than 5000 bytes"))).is_ok() {}
    world.portal.lock().unwrap().requests.push(json!({ "status": "open", "requested_datetime": "2026-03-02T00:00:00Z" }));
    let seen = world.round(json!({})).await;
    assert_eq!((seen.reports.len(), seen.rejected.len()), (90, 1));
    assert_eq!(seen.rejected[0].reason, "a request without service_request_id");
}

#[tokio::test]
async fn the_followed_are_bounded() {
    let mut world =
        World::new(Portal { requests: forest(300), cap: 1_000, ..Default::default() }, "2026-03-10T00:00:00Z").await;
    world.round(json!({ "max_followed": 40, "page_size": 1_000 })).await;
    assert!(world.cursor.as_ref().unwrap().len() < 40 * 250);
}

#[tokio::test]
async fn the_recording_of_2025_is_read_whole() {
    for file in shared("open311", "sf_requests_2025") {
        let requests: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let closed = requests.iter().filter(|request| request["status"] == "closed").count();
        let count = requests.len();
        let mut world = World::new(Portal { requests, cap: 100, ..Default::default() }, "2025-10-01T00:00:00Z").await;
        let settings = json!({ "backfill_days": 90, "window_days": 30 });
        let seen = world.round(settings.clone()).await;
        assert_eq!((seen.reports.len(), seen.statuses.len(), seen.rejected.len()), (count, closed, 0));
        assert!(seen.reports.iter().all(|report| report.lat.is_some() && report.created_at <= report.updated_at));
        assert!(world.round(settings).await.is_nothing());
    }
}

#[tokio::test]
async fn the_early_dialect_is_read_whole() {
    for file in shared("open311", "sf_requests_2010") {
        let mut recording: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let Value::Array(requests) = recording["requests"].take() else { panic!("the recording is a list") };
        let real = requests.iter().filter(|request| request["service_request_id"].is_number()).count();
        let count = requests.len();
        let portal = Portal { requests, cap: 200, dialect: Dialect::Wrapped, ..Default::default() };
        let mut world = World::new(portal, "2010-11-16T00:00:00Z").await;
        let settings = json!({ "backfill_days": 365, "window_days": 90, "page_size": 200 });
        let seen = world.round(settings).await;
        assert_eq!(seen.reports.len(), real);
        assert!(seen.rejected.iter().all(|reject| reject.reason.contains("without service_request_id")) && real < count);
        assert!(seen.reports.iter().any(|report| report.lat.is_none()), "0, 0 is nowhere");
        assert!(seen.reports.iter().all(|report| report.category.is_some() && report.due_at.is_none()));
    }
}

#[test]
fn service_lists_of_three_cities_are_read() {
    let mut names = BTreeMap::new();
    for file in shared("open311", "").into_iter().filter(|file| file.to_string_lossy().contains("services")) {
        let services = ingest::open311::decode::services(&std::fs::read(&file).unwrap()).unwrap();
        names.insert(file.file_name().unwrap().to_string_lossy().into_owned(), services);
    }
    if !names.is_empty() {
        assert_eq!(names["bloomington_services.json"].len(), 53);
        assert_eq!(names["sf_services_2010.xml"].len(), 36);
        assert_eq!(names["giessen_services.xml"].len(), 8);
        assert!(names["giessen_services.xml"].contains(&("012".into(), "Verkehrsschild beschädigt".into())));
    }
}
