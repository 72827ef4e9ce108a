//! The service as a whole: a report comes in by HTTP and is there for SQL; it survives being killed.

use crate::support::{Server, eventually, program};

const REPORT: &str = r#"{"id":"api:1","text":"The street light at 5th and Main is out. Call me at 617-555-0134","created_at":"2026-03-01T10:00:00Z"}"#;

#[test]
fn a_report_by_http_is_in_the_tables_masked_and_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Server::start(program().args(["run", "--data-dir"]).arg(dir.path()));
    let mut server = start();
    assert_eq!(server.get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(server.get("/readyz").0, 200);
    let (status, answer) = server.post("/api/v1/feedback", "application/json", REPORT.as_bytes());
    assert!((200..300).contains(&status), "{status} {answer}");
    let count = "SELECT count(*) AS n FROM feedback";
    eventually("the report", &"n\n1\n".to_owned(), || server.sql(count));
    let text = server.sql("SELECT text FROM feedback");
    assert!(text.contains("<phone>") && !text.contains("0134"), "{text}");

    // Killed before any checkpoint: the log has it.
    server.kill();
    let server = start();
    eventually("the report after a kill", &"n\n1\n".to_owned(), || server.sql(count));
    // The same again, and a status from the city.
    let closed =
        r#"{"kind":"status","id":"api:1","at":"2026-03-02T09:00:00Z","received_at":"2026-03-02T09:00:00Z","status":"closed"}"#;
    let both = format!("{REPORT}\n{closed}\n");
    let (status, answer) = server.post("/api/v1/feedback", "application/x-ndjson", both.as_bytes());
    assert!((200..300).contains(&status), "{status} {answer}");
    eventually("the status", &"n,status\n1,closed\n".to_owned(), || {
        server.sql("SELECT count(*) AS n, max(status) AS status FROM feedback")
    });
    let metrics = server.get("/metrics").1;
    for stage in ["civicpulse_stream_", "civicpulse_ingest_", "civicpulse_enrich_", "civicpulse_aggregate_", "civicpulse_sql_"]
    {
        assert!(metrics.contains(stage), "no {stage} in /metrics");
    }
    // While it runs, nobody else may open its directory; afterwards anybody may.
    let refused = crate::support::fail(program().args(["sql", count, "--data-dir"]).arg(dir.path()), 1);
    assert!(refused.contains("in use by process"), "{refused}");
    server.stop();
    assert_eq!(crate::support::sql(dir.path(), count), "n\n1\n");
}

#[test]
fn beyond_loopback_nothing_opens_without_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let attempt = |variable: &str| {
        let mut command = program();
        command.args(["run", "--data-dir"]).arg(dir.path()).env("CIVICPULSE__HTTP__LISTEN", "127.0.0.1:0");
        command.env("CIVICPULSE__POSTGRES__LISTEN", "127.0.0.1:0").env(variable, "0.0.0.0:0");
        crate::support::fail(&mut command, 1)
    };
    assert!(attempt("CIVICPULSE__HTTP__LISTEN").contains("api_token_file"));
    assert!(attempt("CIVICPULSE__POSTGRES__LISTEN").contains("password"));
}
