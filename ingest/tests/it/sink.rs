//! The one way into the log.

use feedback::{Erase, Feedback, Report, Timestamp};
use ingest::SinkConfig;
use ingest::source::Rejected;
use std::time::Duration;
use stream::{Log, StreamError, Topic};

use crate::support::{NOW, World};

fn report(id: &str, text: &str) -> Feedback {
    Feedback::Report(Report { text: Some(text.into()), ..Report::new(id.parse().unwrap(), NOW) })
}

#[test]
fn records_go_by_key_erasures_of_an_author_everywhere_and_rejects_to_the_dead_letters() {
    let world = World::new();
    let door = world.sink.door("app");
    let author =
        Erase { schema_version: 1, id: None, source: Some("app".into()), author: Some("x".into()), at: NOW, received_at: NOW };
    let off_the_planet =
        Feedback::Report(Report { lat: Some(912.0), lon: Some(0.0), ..Report::new("app:3".parse().unwrap(), NOW) });
    let records = [report("app:1", "a"), report("app:1", "b"), Feedback::Erase(author), off_the_planet];
    let rejected = [Rejected { reason: "no id".into(), bytes: b"\xff".to_vec() }];
    let accepted = door.submit(&records, &rejected).unwrap().wait(Duration::from_secs(10)).unwrap();
    assert_eq!((accepted.records, accepted.rejected), ([2, 0, 1], 2));

    let bounds = world.log.bounds(Topic::Raw).unwrap();
    let counts: Vec<u64> = bounds.iter().map(|range| range.end).collect();
    assert_eq!(counts.iter().sum::<u64>(), 2 + u64::from(world.log.partitions()));
    assert!(counts.contains(&3), "both versions of a report lie in one partition: {counts:?}");
    let mut reasons: Vec<String> = world.dead().into_iter().map(|letter| letter.reason).collect();
    reasons.sort();
    assert!(reasons[0].contains("912") && reasons[1] == "no id", "{reasons:?}");
    let text = prometheus::TextEncoder::new().encode_to_string(&world.registry.gather()).unwrap();
    assert!(text.contains(r#"civicpulse_ingest_records_total{kind="report",source="app"} 2"#), "{text}");
    assert!(text.contains(r#"civicpulse_ingest_rejected_total{reason="invalid",source="app"} 1"#), "{text}");
    assert!(text.contains("civicpulse_ingest_in_flight_bytes 0"), "{text}");
}

#[test]
fn a_record_that_the_log_would_choke_on_is_a_dead_letter() {
    let world = World::new();
    // Three texts within their own bounds, together more than a record may have.
    let text = "\u{1}".repeat(feedback::MAX_TEXT_BYTES);
    let mut accepted = world.sink.door("app").submit(&[report("app:1", &text)], &[]).unwrap();
    assert_eq!(accepted.wait(Duration::from_secs(10)).unwrap().rejected, 1);
    let dead = world.dead();
    assert!(dead[0].truncated && dead[0].reason.contains("at most 1048576"), "{}", dead[0].reason);
}

#[test]
fn bytes_in_flight_are_bounded_and_given_back() {
    let world = World::with(SinkConfig { max_in_flight_bytes: 1_000, max_wait_ms: 20 });
    let door = world.sink.door("app");
    let large = report("app:1", &"x".repeat(5_000));
    let mut first = door.submit(std::slice::from_ref(&large), &[]).unwrap();
    let error = door.submit(&[report("app:2", "y")], &[]).err().unwrap();
    assert!(matches!(error, StreamError::Full { limit_bytes: 1_000, .. }), "a batch larger than the bound goes alone: {error}");
    first.wait(Duration::from_secs(10)).unwrap();
    let _ = door.submit(&[report("app:2", "y")], &[]).unwrap().wait(Duration::from_secs(10)).unwrap();
    assert_eq!(world.reports().len(), 2);
    assert!(world.reports().iter().all(|report| report.created_at > Timestamp::MIN));
}
