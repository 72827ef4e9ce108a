//! Checkpoints that are torn, flipped, incomplete or cannot be written.

use std::fs;
use std::path::{Path, PathBuf};

use aggregate::AggregateError;
use feedback::time::MINUTE_US;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::histories::{Run, config, record, seeds};
use crate::show;
use crate::support::{Row, fetched, payload};

fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_str().unwrap().ends_with(suffix));
    files.sort_by_key(|path| (fs::metadata(path).unwrap().modified().unwrap(), path.clone()));
    files
}

fn log(records: Vec<Row>) -> Vec<Vec<u8>> {
    let numbered = records.into_iter().enumerate().map(|(offset, row)| Row { raw_offset: offset as u64, ..row });
    numbered.map(|row| payload(0, row.raw_offset, row.raw_offset + 1, &[row])).collect()
}

fn read_on(run: &mut Run, log: &[Vec<u8>], end: usize) {
    let next = run.aggregator.positions().enriched[0].1 as usize;
    if next < end {
        run.aggregator.take_enriched(&fetched(0, next as u64, &log[next..end])).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_to_any_file_costs_time_not_truth(
        seeds in seeds(40),
        stops in prop::collection::vec(any::<Index>(), 1..5),
        damage in (any::<Index>(), any::<Index>(), 0..4u8),
    ) {
        let log = log(seeds.iter().filter(|seed| !record(seed, 1).id.is_empty()).map(|seed| record(seed, MINUTE_US)).collect());
        let dir = tempfile::tempdir().unwrap();
        let mut run = Run::open(&config(Some(dir.path())));
        let mut stops: Vec<usize> = stops.iter().map(|stop| stop.index(log.len() + 1)).collect();
        stops.sort_unstable();
        for stop in stops {
            read_on(&mut run, &log, stop);
            run.aggregator.checkpoint().unwrap();
        }
        let all = files(dir.path(), "");
        let victim = &all[damage.0.index(all.len())];
        let mut bytes = fs::read(victim).unwrap();
        let place = damage.1.index(bytes.len().max(1));
        match damage.2 {
            0 => fs::remove_file(victim).unwrap(),
            1 => fs::write(victim, &bytes[..place.min(bytes.len())]).unwrap(),
            2 => fs::write(victim, [&bytes[..], b"more"].concat()).unwrap(),
            _ => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << (place % 8);
                }
                fs::write(victim, &bytes).unwrap();
            }
        }
        let mut run = run.crash();
        read_on(&mut run, &log, log.len());
        run.aggregator.checkpoint().unwrap();
        let mut again = run.crash();
        let mut plain = Run::open(&config(None));
        read_on(&mut plain, &log, log.len());
        prop_assert_eq!(show::everything(&again.finish()), show::everything(&plain.finish()));
    }
}

#[test]
fn a_replayed_stretch_that_was_read_otherwise_changes_nothing() {
    // A worker dies before its commit; the next one writes the same stretch again, and this time the second reader was busy,
    // so tone, topic and urgency differ. Then the source sends the same records once more, at new offsets.
    let read = |number: u64, offset: u64, by_second: bool| {
        let row =
            Row::new(feedback::Kind::Report, "app", &number.to_string(), crate::histories::START + number as i64 * MINUTE_US);
        let topic = if by_second { feedback::Topic::Power } else { feedback::Topic::StreetLighting };
        Row {
            raw_offset: offset,
            content_key: number * 31,
            text: Some("dark again".to_owned()),
            tones: Some(if by_second { [0.8, 0.1, 0.1] } else { [0.2, 0.5, 0.3] }),
            topic: Some(topic),
            urgency: Some(if by_second { 2 } else { 0 }),
            ..row
        }
    };
    let stretch = |offsets: std::ops::Range<u64>, by_second: bool| {
        let rows: Vec<Row> = offsets.clone().map(|offset| read(offset % 8, offset, by_second)).collect();
        payload(0, offsets.start, offsets.end, &rows)
    };
    let once = vec![stretch(0..5, true), stretch(5..8, false)];
    let replayed =
        vec![stretch(0..5, true), stretch(0..5, false), stretch(3..8, false), stretch(0..8, true), stretch(8..16, true)];
    let tables = |log: &[Vec<u8>]| {
        let mut run = Run::open(&config(None));
        read_on(&mut run, log, log.len());
        // What a source has sent in all is told too, and it did send twice.
        show::everything(&run.finish()).into_iter().filter(|line| !line.starts_with("sources ")).collect::<Vec<_>>()
    };
    assert_eq!(tables(&replayed), tables(&once));
}

#[test]
fn what_has_not_changed_is_not_written_again_and_what_is_not_needed_goes() {
    let report = |number: u64| {
        let row =
            Row::new(feedback::Kind::Report, "app", &number.to_string(), crate::histories::START + number as i64 * MINUTE_US);
        payload(0, number, number + 1, &[Row { raw_offset: number, ..row }])
    };
    let log: Vec<Vec<u8>> = (0..200).map(report).collect();
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::open(&config(Some(dir.path())));
    read_on(&mut run, &log, 160);
    run.aggregator.checkpoint().unwrap();
    let before = files(dir.path(), ".part");
    run.aggregator.checkpoint().unwrap();
    assert_eq!(files(dir.path(), ".part"), before, "nothing changed: only a manifest is new");
    for end in [170, 180, 190, 200] {
        read_on(&mut run, &log, end);
        run.aggregator.checkpoint().unwrap();
    }
    assert_eq!(files(dir.path(), ".manifest").len(), 2);
    assert_eq!(files(dir.path(), ".tmp").len(), 0);
    let kept = before.iter().filter(|path| path.exists()).filter(|path| path.to_str().unwrap().contains("/rows-")).count();
    assert!(kept > 0, "sealed segments stay as they were");
    let snapshot = run.crash().finish();
    assert_eq!(snapshot.rows(), 200);
}

#[test]
fn a_disk_that_refuses_leaves_the_last_checkpoint_in_use() {
    let log =
        log((0..9).map(|n| Row::new(feedback::Kind::Report, "app", &n.to_string(), crate::histories::START + n)).collect());
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::open(&config(Some(dir.path())));
    read_on(&mut run, &log, 5);
    run.aggregator.checkpoint().unwrap();
    // The name of the next manifest is taken by a directory.
    let obstacle = dir.path().join("checkpoint-1.tmp");
    fs::create_dir(&obstacle).unwrap();
    read_on(&mut run, &log, 9);
    assert!(matches!(run.aggregator.checkpoint(), Err(AggregateError::Disk { .. })));
    let mut run = run.crash();
    assert_eq!(run.aggregator.positions().enriched[0].1, 5);
    fs::remove_dir(&obstacle).unwrap();
    read_on(&mut run, &log, 9);
    run.aggregator.checkpoint().unwrap();
    assert_eq!(run.crash().aggregator.positions().enriched[0].1, 9);
}
