//! The Bluesky stream against a Jetstream on loopback.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use feedback::{Feedback, ManualClock, Timestamp};
use futures::{SinkExt, StreamExt};
use ingest::bluesky::{BlueskyConfig, BlueskySource, FilterConfig};
use ingest::source::{Source, SourceBatch, SourceError};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::support::{NOW, shared};

/// What a server does with one connection.
enum Session {
    /// Refuses it.
    Refuse(u16),
    /// Sends frames, then cuts the line.
    Cut(Vec<Message>),
    /// Sends frames, then stays silent.
    Stay(Vec<Message>),
}

#[derive(Default)]
struct Log {
    /// The query of each connection.
    queries: Vec<String>,
}

/// Serves the sessions in order, and then nobody.
#[allow(clippy::result_large_err, reason = "the handshake's callback has this signature")]
async fn server(sessions: Vec<Session>) -> (String, Arc<Mutex<Log>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("ws://{}/subscribe", listener.local_addr().unwrap());
    let log = Arc::new(Mutex::new(Log::default()));
    let shared = log.clone();
    tokio::spawn(async move {
        let mut sessions = VecDeque::from(sessions);
        let mut open = Vec::new();
        while let Some(session) = sessions.pop_front() {
            let (stream, _) = listener.accept().await.unwrap();
            let log = shared.clone();
            let refusal = if let Session::Refuse(status) = &session { Some(*status) } else { None };
            let greet = move |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
                log.lock().unwrap().queries.push(request.uri().query().unwrap_or_default().to_owned());
                match refusal {
                    None => Ok(response),
                    Some(status) => {
                        let mut refused = ErrorResponse::new(None);
                        *refused.status_mut() = StatusCode::from_u16(status).unwrap();
                        Err(refused)
                    }
                }
            };
            let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, greet).await else { continue };
            match session {
                Session::Refuse(_) => {}
                Session::Cut(frames) => {
                    for frame in frames {
                        socket.send(frame).await.unwrap();
                    }
                }
                Session::Stay(frames) => {
                    for frame in frames {
                        // A client that has heard enough may be gone.
                        let _ = socket.send(frame).await;
                    }
                    open.push(tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} }));
                }
            }
        }
        for task in open {
            task.await.unwrap();
        }
    });
    (endpoint, log)
}

const START_US: i64 = 1_780_000_000_000_000;

fn commit(second: i64, did: &str, operation: &str, rkey: &str, text: Option<&str>) -> Message {
    let at = Timestamp::from_micros(START_US + second * 1_000_000);
    let mut commit = json!({ "rev": "r", "operation": operation, "collection": "app.bsky.feed.post", "rkey": rkey });
    if let Some(text) = text {
        commit["record"] = json!({ "$type": "app.bsky.feed.post", "createdAt": at.plus_micros(-500_000).to_string(), "langs": ["en-GB"], "text": text });
    }
    Message::text(json!({ "did": did, "time_us": at.micros(), "kind": "commit", "commit": commit }).to_string())
}

fn gone(second: i64, did: &str, status: &str) -> Message {
    let account = json!({ "active": false, "did": did, "status": status });
    Message::text(
        json!({ "did": did, "time_us": START_US + second * 1_000_000, "kind": "account", "account": account }).to_string(),
    )
}

fn source(endpoint: &str, dir: &Path, words: &[&str], cursor: Option<&str>) -> BlueskySource {
    let filter = FilterConfig { words: words.iter().map(|word| (*word).to_owned()).collect(), ..Default::default() };
    let config = BlueskyConfig { name: "bluesky".into(), endpoint: endpoint.to_owned(), filter };
    let mut source = BlueskySource::new(config, dir, Arc::new(ManualClock::at(NOW))).unwrap();
    source.resume(cursor).unwrap();
    source
}

/// Reads until `count` records and rejects have come; errors are collected and tried again, as the runner does.
async fn read(source: &mut BlueskySource, count: usize) -> (SourceBatch, Vec<SourceError>) {
    let (mut all, mut errors) = (SourceBatch::default(), Vec::new());
    while all.records.len() + all.rejected.len() < count {
        match source.next().await {
            Ok(batch) => {
                let batch = batch.unwrap();
                all.records.extend(batch.records);
                all.rejected.extend(batch.rejected);
                all.cursor = batch.cursor.or(all.cursor);
            }
            Err(error) => errors.push(error),
        }
    }
    (all, errors)
}

/// What happened, in short.
fn told(records: &[Feedback]) -> Vec<String> {
    let tell = |record: &Feedback| match record {
        Feedback::Report(report) => format!("{} {}", report.id.native_id(), report.text.as_deref().unwrap_or_default()),
        Feedback::Status(event) => format!("{} {}", event.id, event.status),
        Feedback::Erase(erase) => match (&erase.id, &erase.author) {
            (Some(id), _) => format!("erase {}", id.native_id()),
            (None, author) => format!("erase all of {}", author.as_deref().unwrap_or_default()),
        },
    };
    records.iter().map(tell).collect()
}

#[tokio::test]
async fn posts_edits_and_deletions_across_disconnections_and_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (endpoint, log) = server(vec![
        Session::Cut(vec![
            commit(1, "did:plc:a", "create", "1", Some("Springfield needs trees")),
            commit(2, "did:plc:b", "create", "1", Some("elsewhere")),
            commit(3, "did:plc:b", "delete", "1", None),
            commit(4, "did:plc:c", "create", "1", Some("again in springfield")),
        ]),
        Session::Refuse(500),
        Session::Refuse(429),
        Session::Cut(vec![
            commit(4, "did:plc:c", "create", "1", Some("again in springfield")),
            commit(5, "did:plc:a", "update", "1", Some("needs more trees")),
            commit(6, "did:plc:b", "update", "2", Some("still elsewhere")),
        ]),
        Session::Stay(vec![
            commit(7, "did:plc:a", "delete", "1", None),
            commit(8, "did:plc:z", "delete", "9", None),
            gone(9, "did:plc:c", "suspended"),
            gone(10, "did:plc:c", "deleted"),
            gone(11, "did:plc:z", "deleted"),
            commit(12, "did:plc:d", "create", "1", Some("springfield!")),
        ]),
    ])
    .await;

    let mut first = source(&endpoint, dir.path(), &["Springfield"], None);
    let (batch, errors) = read(&mut first, 4).await;
    assert_eq!(
        told(&batch.records),
        [
            "did:plc:a/1 Springfield needs trees",
            "did:plc:c/1 again in springfield",
            "did:plc:c/1 again in springfield",
            "did:plc:a/1 needs more trees"
        ]
    );
    assert_eq!(batch.records[1], batch.records[2], "what is repeated after a disconnection is the same record");
    let [Feedback::Report(new), .., Feedback::Report(edited)] = &batch.records[..] else { panic!() };
    assert_eq!((new.created_at.micros(), new.updated_at.micros()), (START_US + 500_000, START_US + 1_000_000));
    assert_eq!((new.language.as_deref(), new.author.as_deref()), (Some("en"), Some("did:plc:a")));
    assert_eq!(new.url.as_deref(), Some("https://bsky.app/profile/did:plc:a/post/1"));
    assert!(edited.updated_at > new.updated_at);
    assert_eq!(errors.iter().filter(|error| error.wait().is_some()).count(), 1, "{errors:?}");
    assert_eq!(batch.cursor, Some((START_US + 6_000_000).to_string()));
    drop(first);

    let mut second = source(&endpoint, dir.path(), &["Springfield"], batch.cursor.as_deref());
    let (batch, _) = read(&mut second, 3).await;
    assert_eq!(told(&batch.records), ["erase did:plc:a/1", "erase all of did:plc:c", "did:plc:d/1 springfield!"]);
    let queries = log.lock().unwrap().queries.clone();
    assert_eq!(queries[0], "wantedCollections=app.bsky.feed.post");
    assert!(queries.last().unwrap().ends_with(&format!("cursor={}", START_US + 1_000_000)), "5 s before the last: {queries:?}");
}

#[tokio::test]
async fn malformed_frames_are_dead_letters_and_error_frames_end_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let (endpoint, _) = server(vec![
        Session::Stay(vec![
            Message::text("{not json"),
            Message::binary(vec![0xff, 0]),
            Message::text("[]"),
            Message::text(r#"{"kind":"commit","time_us":5}"#),
            Message::text(r#"{"did":"did:plc:a","time_us":6,"kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.post","rkey":"1","record":{"text":7}}}"#),
            Message::text(r#"{"did":"did:plc:a","time_us":7,"kind":"commit","commit":{"operation":"create","collection":"org.other","rkey":"1","record":{"text":7}}}"#),
            Message::text(r#"{"did":"did:plc:a","time_us":8,"kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.post","rkey":"1"}}"#),
            Message::text(r#"{"did":"did:plc:a","time_us":9,"kind":"something new"}"#),
            Message::text(r#"{"error":"ConsumerTooSlow","message":"cannot keep up"}"#),
        ]),
        Session::Stay(vec![commit(1, "did:plc:a", "create", "1", Some("springfield"))]),
    ])
    .await;
    let mut source = source(&endpoint, dir.path(), &["springfield"], None);
    let (batch, errors) = read(&mut source, 7).await;
    assert_eq!((batch.records.len(), batch.rejected.len()), (1, 6), "{:?}", batch.rejected);
    assert_eq!(batch.rejected[0].bytes, b"{not json");
    assert!(errors[0].to_string().contains("ConsumerTooSlow cannot keep up"), "{errors:?}");
}

#[tokio::test]
async fn a_frame_that_is_too_long_ends_the_connection_and_not_the_source() {
    let dir = tempfile::tempdir().unwrap();
    let (endpoint, _) = server(vec![
        Session::Stay(vec![Message::text("x".repeat(3 << 20))]),
        Session::Stay(vec![commit(1, "did:plc:a", "create", "1", Some("springfield"))]),
    ])
    .await;
    let mut source = source(&endpoint, dir.path(), &["springfield"], None);
    let (batch, errors) = read(&mut source, 1).await;
    assert_eq!((batch.records.len(), errors.len()), (1, 1), "{errors:?}");
}

#[tokio::test]
async fn the_recording_is_filtered_and_resumed() {
    for file in shared("feeds", "bluesky_jetstream") {
        let text = std::fs::read_to_string(file).unwrap();
        let frames = || text.lines().map(Message::text).collect::<Vec<_>>();
        let dir = tempfile::tempdir().unwrap();
        let (endpoint, _) = server(vec![Session::Cut(frames()), Session::Stay(frames())]).await;
        let mut first = source(&endpoint, dir.path(), &["america", "show", "политика", "hlavním městě"], None);
        let (batch, _) = read(&mut first, 3).await;
        assert_eq!((batch.records.len(), batch.rejected.len()), (3, 0));
        for record in &batch.records {
            let Feedback::Report(report) = record else { panic!("{record:?}") };
            assert_eq!(record.check(), Ok(()));
            assert!(report.created_at <= report.updated_at && report.text.is_some());
        }
        let last: i64 = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["time_us"].as_i64().unwrap())
            .max()
            .unwrap();
        assert_eq!(batch.cursor, Some(last.to_string()));
        drop(first);
        let mut second =
            source(&endpoint, dir.path(), &["america", "show", "политика", "hlavním městě"], batch.cursor.as_deref());
        assert_eq!(told(&read(&mut second, 3).await.0.records), told(&batch.records));
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let build = |endpoint: &str, name: &str| {
        let filter = FilterConfig { words: vec!["x".into()], ..Default::default() };
        let config = BlueskyConfig { name: name.into(), endpoint: endpoint.into(), filter };
        BlueskySource::new(config, dir.path(), Arc::new(ManualClock::at(NOW))).err()
    };
    assert!(build("ws://localhost/subscribe", "bluesky").is_none());
    for (endpoint, name) in [("http://localhost", "bluesky"), ("", "bluesky"), ("ws://localhost", "Blue sky")] {
        assert!(build(endpoint, name).unwrap().is_terminal());
    }
    std::fs::write(dir.path().join("bluesky.taken"), "short").unwrap();
    assert!(build("ws://localhost/subscribe", "bluesky").unwrap().to_string().contains("restore it"));
}
