//! Bounds, snapshots and time.

use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use feedback::Clock;
use futures::StreamExt;
use sql::{Engine, Limits, Run, SqlError};

use crate::city::{City, Record, hurricane};

async fn number(engine: &Engine, sql: &str) -> Result<i64, SqlError> {
    let batches = engine.query(sql).await?.collect().await?;
    Ok(batches[0].column(0).as_primitive::<Int64Type>().value(0))
}

/// A query that would run for hours.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 10000000000) a(x) WHERE x % 7 = 8";

#[tokio::test]
async fn a_query_sees_one_snapshot_and_the_next_query_a_newer_one() {
    let mut city = hurricane();
    let engine = city.engine(Limits::default());
    let statement = engine.parse("SELECT (SELECT count(*) FROM feedback) * 1000 + count(*) FROM feedback").unwrap().remove(0);
    let plan = engine.plan(statement).await.unwrap();
    let count = |batches: Vec<arrow::array::RecordBatch>| batches[0].column(0).as_primitive::<Int64Type>().value(0);
    assert_eq!(count(engine.run(&plan, Run::default()).collect().await.unwrap()), 12_012);
    city.take(&[Record::report("boston311:900", "2011-08-28T21:00:00Z", "one more")]);
    assert_eq!(
        count(engine.run(&plan, Run::default()).collect().await.unwrap()),
        13_013,
        "the plan is not bound to its snapshot"
    );
}

#[tokio::test]
async fn a_running_query_keeps_its_snapshot() {
    let mut city = City::new(1 << 10);
    let many = |from: u32| {
        (from..from + 20_000).map(|n| Record::report(format!("a:{n}"), "2011-08-28T10:00:00Z", "x")).collect::<Vec<_>>()
    };
    city.take(&many(0));
    let engine = city.engine(Limits { partitions: 1, ..Limits::default() });
    let mut batches = engine.query("SELECT id FROM feedback").await.unwrap();
    let mut rows = batches.next().await.unwrap().unwrap().num_rows();
    city.take(&many(20_000));
    while let Some(batch) = batches.next().await {
        rows += batch.unwrap().num_rows();
    }
    assert_eq!(rows, 20_000);
    assert_eq!(number(&engine, "SELECT count(*) FROM feedback").await, Ok(40_000));
}

#[tokio::test]
async fn a_deadline_covers_the_result_too() {
    let city = hurricane();
    let engine = city.engine(Limits { deadline_ms: 200, ..Limits::default() });
    assert_eq!(number(&engine, ENDLESS).await, Err(SqlError::Deadline(Duration::from_millis(200))));
    // A reader that does not read.
    let mut batches = engine.query("SELECT * FROM generate_series(1, 10000000)").await.unwrap();
    assert!(batches.next().await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_millis(400)).await;
    let mut last = None;
    while let Some(batch) = batches.next().await {
        last = Some(batch.map(|batch| batch.num_rows()));
    }
    assert_eq!(last, Some(Err(SqlError::Deadline(Duration::from_millis(200)))));
    // A client may ask for less time, not for more.
    let plan = engine.plan(engine.parse(ENDLESS).unwrap().remove(0)).await.unwrap();
    let run = |deadline| Run { deadline: Some(Duration::from_millis(deadline)), ..Run::default() };
    assert_eq!(engine.run(&plan, run(50)).collect().await, Err(SqlError::Deadline(Duration::from_millis(50))));
    assert_eq!(engine.run(&plan, run(60_000)).collect().await, Err(SqlError::Deadline(Duration::from_millis(200))));
}

#[tokio::test]
async fn queries_wait_their_turn_in_a_bounded_queue() {
    let city = hurricane();
    let engine = city.engine(Limits { running: 1, queued: 1, queue_wait_ms: 100, ..Limits::default() });
    let holder = {
        let engine = engine.clone();
        tokio::spawn(async move { number(&engine, ENDLESS).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (first, second) = tokio::join!(number(&engine, "SELECT 1"), number(&engine, "SELECT 2"));
    let busy = |wait| Err(SqlError::Busy { running: 1, queued: 1, wait });
    // Whoever comes first waits, then gives up; for the other the queue is full.
    let expected = [busy(Duration::from_millis(100)), busy(Duration::ZERO)];
    assert!(expected == [first.clone(), second.clone()] || expected == [second, first]);
    // Whoever goes away frees the turn at once.
    holder.abort();
    let _ = holder.await;
    tokio::time::timeout(Duration::from_secs(10), async { while number(&engine, "SELECT 3").await != Ok(3) {} }).await.unwrap();
}

#[tokio::test]
async fn a_query_is_cancelled_by_its_signal() {
    let city = hurricane();
    let engine = city.engine(Limits::default());
    let plan = engine.plan(engine.parse(ENDLESS).unwrap().remove(0)).await.unwrap();
    let (cancel, receiver) = tokio::sync::watch::channel(0);
    let running = tokio::spawn(engine.run(&plan, Run { cancel: Some(receiver), ..Run::default() }).collect());
    tokio::time::sleep(Duration::from_millis(50)).await;
    cancel.send(1).unwrap();
    assert_eq!(running.await.unwrap(), Err(SqlError::Cancelled));
}

#[tokio::test]
async fn memory_is_bounded() {
    let city = hurricane();
    let sort = "SELECT x FROM (SELECT random() AS r, repeat('text', 100) || x AS x FROM generate_series(1, 300000) g(x)) \
                ORDER BY r, x OFFSET 299999";
    let engine = city.engine(Limits { memory_bytes: 64 << 20, ..Limits::default() });
    let error = engine.query(sort).await.unwrap().collect().await.unwrap_err();
    assert_eq!(error, SqlError::Memory { limit_mib: 64 });
    // What failed gave its memory back.
    assert_eq!(
        number(&engine, "SELECT count(*) FROM (SELECT DISTINCT x FROM generate_series(1, 100000) g(x))").await,
        Ok(100_000)
    );
}

#[tokio::test]
async fn a_row_that_is_too_large_is_refused() {
    let city = hurricane();
    let engine = city.engine(Limits { row_bytes: 4 << 10, ..Limits::default() });
    let sql = "SELECT repeat('x', 100000) FROM topics";
    assert_eq!(engine.query(sql).await.unwrap().collect().await.unwrap_err(), SqlError::RowTooLarge { limit: 4 << 10 });
    let sql = format!("SELECT '{}'", "x".repeat(300_000));
    assert_eq!(engine.query(&sql).await.unwrap_err(), SqlError::TooLong { bytes: 300_009, limit: 256 << 10 });
}

#[tokio::test]
async fn now_is_what_the_clock_says() {
    let city = hurricane();
    let engine = city.engine(Limits::default());
    let batches = engine.query("SELECT CAST(now() AS VARCHAR)").await.unwrap().collect().await.unwrap();
    let text = arrow::util::display::array_value_to_string(batches[0].column(0), 0).unwrap();
    assert!(text.starts_with("2011-08-29T12:00:00"), "{text}");
    assert_eq!(city.clock.now(), crate::city::time("2011-08-29T12:00:00Z"));
}

/// Whatever the segments and the filter: what the scan leaves out is what a filter above it would.
#[tokio::test]
async fn pruned_and_filtered_scans_agree_with_counting_by_hand() {
    let mut city = City::new(7);
    let mut state = 42u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let start = crate::city::time("2011-08-01T00:00:00Z").micros();
    let mut times = Vec::new();
    for piece in 0..20u64 {
        let records: Vec<Record> = (0..10)
            .map(|n| {
                let micros = start + (piece * 3_600 + random(7_200)) as i64 * 1_000_000;
                times.push(micros);
                let votes = Some(random(10) as u32).filter(|votes| *votes > 2);
                Record { micros: Some(micros), votes, ..Record::report(format!("a:{piece}-{n}"), "", "x") }
            })
            .collect();
        city.take(&records);
    }
    let engine = city.engine(Limits::default());
    for _ in 0..30 {
        let (from, to) = (start + random(80_000) as i64 * 1_000_000, start + random(80_000) as i64 * 1_000_000);
        let text = |micros| feedback::Timestamp::from_micros(micros).to_string();
        let sql = format!("SELECT count(*) FROM feedback WHERE created_at >= '{}' AND created_at < '{}'", text(from), text(to));
        let expected = times.iter().filter(|at| (from..to).contains(*at)).count() as i64;
        assert_eq!(number(&engine, &sql).await, Ok(expected), "{sql}");
        let sql = format!("SELECT count(votes) FROM feedback WHERE votes > 4 OR created_at = '{}'", text(from));
        assert!(number(&engine, &sql).await.is_ok(), "{sql}");
    }
    let newest = engine
        .query("SELECT created_at FROM feedback ORDER BY created_at DESC LIMIT 15")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    times.sort_unstable_by(|a, b| b.cmp(a));
    let found: Vec<i64> = newest
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<arrow::datatypes::TimestampMicrosecondType>().values().to_vec())
        .collect();
    assert_eq!(found, times[..15]);
}

#[tokio::test]
async fn an_engine_may_be_made_and_dropped_inside_a_runtime() {
    let city = hurricane();
    for _ in 0..3 {
        let engine = city.engine(Limits { running: 1, threads: 1, partitions: 1, ..Limits::default() });
        assert_eq!(number(&engine, "SELECT count(*) FROM feedback").await, Ok(12));
    }
    let refused = Engine::new(
        city.snapshots(),
        Limits { threads: 0, ..Limits::default() },
        city.clock.clone(),
        &prometheus::Registry::new(),
    );
    assert_eq!(refused.err(), Some(SqlError::Argument("sql limits: threads is 0: set it to at least 1".into())));
}

/// What would overflow a stack is refused, and what is just below the bound is not: also on a thread with a small stack.
#[tokio::test]
async fn deep_statements_are_refused_before_they_overflow_a_stack() {
    let city = hurricane();
    let engine = city.engine(Limits::default());
    let chain = |length: usize, operator: &str| format!("SELECT {} FROM topics", vec!["code"; length].join(operator));
    let refused = async |sql: String| match engine.query(&sql).await {
        Ok(batches) => batches.collect().await.err(),
        Err(error) => Some(error),
    };
    assert_eq!(refused(chain(900, " + ")).await, None);
    assert_eq!(refused(chain(900, " = 1 AND 1 = ")).await.unwrap().code(), "54001");
    for sql in [
        chain(20_000, " + "),
        chain(12_000, "::text || "),
        format!("SELECT 1 {}", " UNION SELECT 1".repeat(10_000)),
        format!("SELECT code{} FROM topics", "::text".repeat(20_000)),
        format!("SELECT code FROM topics {}", ", topics".repeat(20_000)),
        format!("SELECT {}1", "- ".repeat(50_000)),
        format!("SELECT {}1", "NOT ".repeat(50_000)),
        format!("SELECT {}1{}", "(".repeat(50_000), ")".repeat(50_000)),
        format!("SELECT {}1{}", "[".repeat(50_000), "]".repeat(50_000)),
        format!("{}SELECT 1{}", "SELECT * FROM (".repeat(5_000), ")".repeat(5_000)),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(5_000), " END".repeat(5_000)),
        format!("SELECT {}1{}", "abs(".repeat(5_000), ")".repeat(5_000)),
    ] {
        let error = refused(sql.clone()).await.unwrap_or_else(|| panic!("{} ran", &sql[..60]));
        assert!(["54001", "42601"].contains(&error.code()), "{}: {error}", &sql[..60]);
    }
    let list = format!(
        "SELECT count(*) FROM topics WHERE code IN ({})",
        (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ")
    );
    assert_eq!(number(&engine, &list).await, Ok(33));
}
