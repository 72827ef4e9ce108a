//! Gaps, broken batches, lost records, dead letters, silence, and the loop that runs it all.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aggregate::TableName;
use feedback::time::{HOUR_US, MINUTE_US};
use feedback::{Kind, Timestamp};
use stream::{Ack, Consumer, Event, Fetched, StreamError};

use crate::histories::{Run, START, config};
use crate::show;
use crate::support::{Row, fetched, payload};

fn report(partition: u32, offset: u64, at: i64) -> Vec<u8> {
    let row = Row { raw_offset: offset, ..Row::new(Kind::Report, "app", &format!("{partition}-{offset}"), at) };
    payload(partition, offset, offset + 1, &[row])
}

#[test]
fn a_gap_waits_until_the_missing_is_written_again() {
    let mut run = Run::open(&config(None));
    run.aggregator.take_enriched(&fetched(0, 0, &[report(0, 0, START), report(0, 2, START)])).unwrap();
    run.aggregator.publish();
    let pipeline = run.aggregator.snapshots().load().table(TableName::Pipeline).unwrap();
    assert_eq!(show::lines(&pipeline, &["partition", "applied_next", "enriched_next", "rows", "gaps"])[0], "0|1|2|1|1");
    run.aggregator.take_enriched(&fetched(0, 2, &[report(0, 1, START), report(0, 2, START)])).unwrap();
    let snapshot = run.finish();
    assert_eq!((snapshot.rows(), snapshot.applied_next(0)), (3, Some(3)));
    assert_eq!(run.aggregator.applied().next(0), 3);
}

#[test]
fn what_the_log_has_lost_is_not_waited_for() {
    let mut run = Run::open(&config(None));
    run.aggregator.take_enriched(&fetched(0, 0, &[report(0, 0, START)])).unwrap();
    // Asked for offset 1, retention has left 7.
    let mut late = fetched(0, 7, &[report(0, 5, START)]);
    late.first = 1;
    run.aggregator.take_enriched(&late).unwrap();
    // A batch that is rubbish, and the next one behind its gap.
    run.aggregator.take_enriched(&fetched(0, 8, &[b"rubbish".to_vec(), report(0, 9, START)])).unwrap();
    let snapshot = run.finish();
    assert_eq!((snapshot.rows(), snapshot.applied_next(0)), (3, Some(10)));
    let pipeline = snapshot.table(TableName::Pipeline).unwrap();
    assert_eq!(show::lines(&pipeline, &["partition", "gaps", "gaps_accepted", "undecodable_batches"])[0], "0|0|2|1");
}

#[test]
fn a_restart_changes_nothing_in_what_rows_are_said_to_take() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::open(&config(Some(dir.path())));
    let text = |n: u64| Some(format!("The lamp before number {n} has been dark since Monday."));
    let row = |n| Row { raw_offset: n, text: text(n), ..Row::new(Kind::Report, "app", &n.to_string(), START + n as i64) };
    let rows: Vec<Row> = (0..2000).map(row).collect();
    run.aggregator.take_enriched(&fetched(0, 0, &[payload(0, 0, 2000, &rows)])).unwrap();
    run.aggregator.checkpoint().unwrap();
    let before = run.aggregator.snapshots().load().state_bytes();
    assert!((2000 * 100..2000 * 400).contains(&before.rows), "{before:?}");
    let run = run.crash();
    let after = run.aggregator.snapshots().load().state_bytes();
    assert!(after.rows.abs_diff(before.rows) * 50 < before.rows, "{before:?} became {after:?}");
    assert_eq!((after.events, after.words), (before.events, before.words));
}

#[test]
fn an_idle_partition_lets_go_and_a_restart_holds_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(Some(dir.path()));
    let disorder = config.allowed_disorder_us;
    let mut run = Run::open(&config);
    run.aggregator.take_enriched(&fetched(0, 0, &[report(0, 0, START + 5 * HOUR_US)])).unwrap();
    run.aggregator.take_enriched(&fetched(1, 0, &[report(1, 0, START + HOUR_US)])).unwrap();
    let watermark = |run: &mut Run| {
        run.aggregator.follow_watermark();
        run.aggregator.publish();
        run.aggregator.snapshots().load().watermark().map(|w| w.micros() - START + disorder)
    };
    assert_eq!(watermark(&mut run), Some(HOUR_US));
    run.aggregator.checkpoint().unwrap();
    let mut run = run.crash();
    assert_eq!(watermark(&mut run), Some(HOUR_US), "after a restart a silent partition still holds");
    run.clock.set(Timestamp::from_micros(START + 2 * MINUTE_US));
    run.aggregator.take_enriched(&fetched(0, 1, &[report(0, 1, START + 4 * HOUR_US)])).unwrap();
    assert_eq!(watermark(&mut run), Some(5 * HOUR_US));
    // Late, and counted where it belongs.
    run.aggregator.take_enriched(&fetched(1, 1, &[report(1, 1, START + 2 * HOUR_US)])).unwrap();
    assert_eq!(watermark(&mut run), Some(5 * HOUR_US));
    let snapshot = run.aggregator.snapshots().load_full();
    let windows = show::lines(&snapshot.table(TableName::Windows).unwrap(), &["window", "district", "reports"]);
    assert!(windows.contains(&"24 hours|*|3".to_owned()), "{windows:?}");
    assert_eq!(show::lines(&snapshot.table(TableName::Sources).unwrap(), &["source", "reports", "late"]), ["app|4|1"]);
}

#[test]
fn erased_means_gone_and_a_later_version_may_come() {
    let mut run = Run::open(&config(None));
    let row = |kind, at| Row::new(kind, "app", "1", START + at);
    let rows = [
        Row { text: Some("first".into()), district: Some("north".into()), ..row(Kind::Report, 0) },
        Row { status: Some(feedback::Status::Closed), ..row(Kind::Status, 5) },
        row(Kind::Erase, 10),
    ];
    let rows: Vec<Row> = rows.into_iter().enumerate().map(|(n, row)| Row { raw_offset: n as u64, ..row }).collect();
    run.aggregator.take_enriched(&fetched(0, 0, &[payload(0, 0, 3, &rows)])).unwrap();
    run.aggregator.publish();
    let snapshot = run.aggregator.snapshots().load_full();
    for table in [TableName::StatusEvents, TableName::Cells, TableName::Windows] {
        assert_eq!(snapshot.table(table).unwrap().num_rows(), 0, "{}", table.as_str());
    }
    assert_eq!(snapshot.rows(), 0);
    let again = Row { raw_offset: 3, updated_at: Some(START + 11), text: Some("second".into()), ..row(Kind::Report, 0) };
    run.aggregator.take_enriched(&fetched(0, 1, &[payload(0, 3, 4, &[again])])).unwrap();
    assert_eq!(show::feedback(&run.finish(), &["id", "text", "status"]), ["app:1|second|-"]);
}

/// A reader that yields what it is given and then nothing.
struct Script(Arc<Mutex<VecDeque<Fetched>>>);

impl Consumer for Script {
    fn poll(&mut self, wait: Duration) -> Result<Event, StreamError> {
        match self.0.lock().unwrap().pop_front() {
            Some(fetched) => Ok(Event::Fetched(fetched)),
            None => {
                std::thread::sleep(wait.min(Duration::from_millis(5)));
                Ok(Event::Idle)
            }
        }
    }

    fn commit(&mut self, _: u32, _: u64) -> Result<Ack, StreamError> {
        unreachable!("positions lie in the checkpoint")
    }

    fn seek(&mut self, _: u32, _: u64) -> Result<(), StreamError> {
        Ok(())
    }
}

#[test]
fn the_loop_reads_publishes_and_saves_when_told_to_stop() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(Some(dir.path()));
    let run = Run::open(&config);
    let (snapshots, applied) = (run.aggregator.snapshots(), run.aggregator.applied());
    let enriched = Script(Arc::new(Mutex::new(VecDeque::from([
        fetched(0, 0, &[report(0, 0, START)]),
        fetched(1, 0, &[report(1, 0, START)]),
    ]))));
    let letter =
        br#"{"stage":"enrich","source":"app","reason":"not JSON","at":"2011-08-01T00:00:00Z","length":3,"bytes":"eHl6"}"#;
    let dead = Script(Arc::new(Mutex::new(VecDeque::from([fetched(1, 0, &[letter.to_vec()])]))));
    let stop = Arc::new(AtomicBool::new(false));
    let (told, aggregator) = (stop.clone(), run.aggregator);
    let thread = std::thread::spawn(move || aggregator.run(Box::new(enriched), Box::new(dead), &told));
    while applied.next(0) < 1 || applied.next(1) < 1 || snapshots.load().table(TableName::DeadLetters).unwrap().num_rows() < 1 {
        std::thread::sleep(Duration::from_millis(2));
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap().unwrap();
    let again = Run::open(&config);
    let positions = again.aggregator.positions();
    assert_eq!((positions.enriched, positions.dead), (vec![(0, 1), (1, 1)], vec![(0, 0), (1, 1)]));
    let snapshot = again.aggregator.snapshots().load_full();
    assert_eq!(snapshot.rows(), 2);
    let letters = snapshot.table(TableName::DeadLetters).unwrap();
    assert_eq!(show::lines(&letters, &["stage", "source", "reason", "bytes", "same_reason"]), ["enrich|app|not JSON|eHl6|1"]);
}
