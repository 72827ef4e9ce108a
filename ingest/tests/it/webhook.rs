//! The webhook over loopback, before a real log.

use std::net::SocketAddr;

use ingest::SinkConfig;
use ingest::webhook::{WebhookConfig, router};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::support::{NOW, World};

async fn serve(world: &World, config: WebhookConfig) -> String {
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = router(config, &world.sink);
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/api/v1/feedback")
}

async fn send(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_with_200_is_in_the_log_and_a_retry_changes_nothing() {
    let world = World::new();
    let url = serve(&world, WebhookConfig::default()).await;
    let body = json!([{"text": "pothole on Main St"}, {"id": "7", "text": "no light"}]).to_string();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let (status, answer) = send(Client::new().post(&url).body(body.clone())).await;
        assert_eq!((status, &answer["accepted"], &answer["rejected"]), (StatusCode::OK, &json!(2), &json!(0)));
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["ids"][1], "api:7");
    let reports = world.reports();
    assert_eq!(reports.len(), 4, "the log keeps every append");
    let distinct: std::collections::BTreeSet<_> =
        reports.iter().map(|report| (report.id.as_str(), report.updated_at)).collect();
    assert_eq!(distinct.len(), 2, "two versions of two reports, whatever was sent twice");
    assert!(reports.iter().all(|report| report.received_at == NOW));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_and_single_objects_and_partial_failures() {
    let world = World::new();
    let url = serve(&world, WebhookConfig::default()).await;
    let lines = "{\"id\":\"1\"}\n{\"id\":\"2\",\"lat\":912,\"lon\":0}\n{oops\n";
    let (status, answer) = send(Client::new().post(&url).header("content-type", "application/x-ndjson").body(lines)).await;
    assert_eq!(status, StatusCode::MULTI_STATUS);
    assert_eq!((&answer["accepted"], &answer["ids"]), (&json!(1), &json!(["api:1"])));
    assert_eq!((&answer["errors"][0]["index"], &answer["errors"][1]["index"]), (&json!(1), &json!(2)));
    assert!(answer["errors"][0]["reason"].as_str().unwrap().contains("degrees"));

    let (status, answer) = send(Client::new().post(&url).body(r#"{"id":"3","created_at":"soon"}"#)).await;
    assert_eq!((status, &answer["rejected"]), (StatusCode::BAD_REQUEST, &json!(1)));
    let (status, answer) = send(Client::new().post(&url).body("hello")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer["error"].as_str().unwrap().contains("not JSON"));
    assert_eq!((world.reports().len(), world.dead().len()), (1, 0), "the sender still has what was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_is_refused_with_413_and_one_below_the_limit_is_not() {
    let world = World::new();
    let url = serve(&world, WebhookConfig { max_body_bytes: 1_000, ..WebhookConfig::default() }).await;
    let record = |len: usize| json!({"id": "1", "text": "x".repeat(len)}).to_string();
    let (status, answer) = send(Client::new().post(&url).body(record(1_000))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer["error"].as_str().unwrap().contains("1000 bytes"));
    // Also when its length is not announced.
    let chunks = futures::stream::iter((0..10).map(|_| Ok::<_, std::io::Error>(vec![b' '; 200])));
    let (status, _) = send(Client::new().post(&url).body(reqwest::Body::wrap_stream(chunks))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(Client::new().post(&url).body(record(900))).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_body_is_refused_with_415_and_not_unpacked() {
    let world = World::new();
    let url = serve(&world, WebhookConfig::default()).await;
    for encoding in ["gzip", "GZIP", "br", "identity, gzip", "\u{e9}"] {
        let (status, answer) = send(Client::new().post(&url).header("content-encoding", encoding).body("\x1f\x08")).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encoding}");
        assert!(answer["error"].as_str().unwrap().contains("without Content-Encoding"), "{answer}");
    }
    let plain = Client::new().post(&url).header("content-encoding", "identity").body(r#"{"id":"1"}"#);
    assert_eq!(send(plain).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_where_one_is_configured() {
    let world = World::new();
    let config = WebhookConfig { bearer_token: Some("s3cret".into()), ..WebhookConfig::default() };
    assert!(!format!("{config:?}").contains("s3cret"));
    let url = serve(&world, config).await;
    let post = || Client::new().post(&url).body(r#"{"id":"1"}"#);
    for request in
        [post(), post().bearer_auth("wrong"), post().bearer_auth("s3cret2"), post().header("authorization", "Basic s3cret")]
    {
        let (status, _) = send(request).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(send(post().bearer_auth("s3cret")).await.0, StatusCode::OK);
    assert_eq!(world.reports().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_room_means_503_and_retry_after() {
    let world = World::with(SinkConfig { max_in_flight_bytes: 1, max_wait_ms: 50 });
    let url = serve(&world, WebhookConfig::default()).await;
    let record = feedback::Feedback::Report(feedback::Report::new("other:1".parse().unwrap(), NOW));
    // Another door has its bytes on their way, and has not looked at its receipt.
    let receipt = world.sink.door("other").submit(std::slice::from_ref(&record), &[]).unwrap();
    let response = Client::new().post(&url).body(r#"{"id":"1"}"#).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "2");
    drop(receipt);
    assert_eq!(send(Client::new().post(&url).body(r#"{"id":"1"}"#)).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_too_many_means_503() {
    let world = World::with(SinkConfig { max_in_flight_bytes: 1, ..SinkConfig::default() });
    let url = serve(&world, WebhookConfig { max_concurrent: 1, ..WebhookConfig::default() }).await;
    let record = feedback::Feedback::Report(feedback::Report::new("other:1".parse().unwrap(), NOW));
    let receipt = world.sink.door("other").submit(std::slice::from_ref(&record), &[]).unwrap();
    // One takes the only slot and waits for room in the log, which there is not; so the first to be answered is the other.
    let post = |id: &str| Box::pin(send(Client::new().post(&url).body(json!({ "id": id }).to_string())));
    let (first, other) = futures::future::select(post("1"), post("2")).await.factor_first();
    assert_eq!(first.0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(first.1["error"].as_str().unwrap().contains("too many requests"));
    drop(receipt);
    assert_eq!(other.await.0, StatusCode::OK);
}
