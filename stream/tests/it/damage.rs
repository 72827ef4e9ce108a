//! The embedded log's file in bad hands: each time a message that names it and says what to do.

use std::fs;
use std::path::PathBuf;

use redb::{Database, ReadableDatabase, TableDefinition};
use stream::{Event, StreamConfig, StreamError, Topic};

use crate::support::*;

fn file(harness: &Harness) -> PathBuf {
    let StreamConfig::Embedded(config) = &harness.config else { panic!("embedded only") };
    config.dir.join("log.redb")
}

#[test]
fn a_second_opener_is_told_who_is_in_the_way() {
    let harness = Harness::embedded();
    let log = harness.open();
    let error = harness.try_open().err().unwrap();
    assert_eq!(error, StreamError::Locked { path: file(&harness) });
    assert!(error.to_string().contains("open in another process: stop that one"), "{error}");
    drop(log);
    harness.open();
}

#[test]
fn a_file_that_is_something_else_is_left_alone() {
    let harness = Harness::embedded();
    let path = file(&harness);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let content = b"dear diary, ".repeat(10_000);
    fs::write(&path, &content).unwrap();
    let error = harness.try_open().err().unwrap();
    assert!(matches!(error, StreamError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[test]
fn a_damaged_block_is_named_and_the_rest_can_be_read() {
    const BLOCKS: TableDefinition<(u8, u32, u64), &[u8]> = TableDefinition::new("blocks");
    let harness = Harness::embedded();
    let log = harness.open();
    for n in 0..3 {
        append(&*log, Topic::Raw, vec![to(0, format!("first {n}")), to(1, format!("other {n}"))]);
    }
    drop(log);

    let database = Database::open(file(&harness)).unwrap();
    let mut value =
        database.begin_read().unwrap().open_table(BLOCKS).unwrap().get((0, 0, 1)).unwrap().unwrap().value().to_vec();
    *value.last_mut().unwrap() ^= 1;
    let transaction = database.begin_write().unwrap();
    transaction.open_table(BLOCKS).unwrap().insert((0, 0, 1), &value[..]).unwrap();
    transaction.commit().unwrap();
    drop(database);

    let log = harness.open();
    let mut reader = log.reader(Topic::Raw, &[(0, 0)]).unwrap();
    let error = eventually("the damage", || reader.poll(std::time::Duration::ZERO).err());
    assert!(
        matches!(&error, StreamError::Corrupt { path, place, .. } if *path == file(&harness) && place == "raw partition 0 offset 1"),
        "{error:?}"
    );
    assert!(error.to_string().contains("restore the file from a backup"), "{error}");
    assert!(!error.is_retriable());
    assert_eq!(read_from(&*log, Topic::Raw, &[(1, 0)])[&1].len(), 3);
    let mut behind = log.reader(Topic::Raw, &[(0, 2)]).unwrap();
    assert!(matches!(poll(&mut *behind), Event::Fetched(fetched) if fetched.offsets == [2]));
}

#[test]
fn a_missing_block_is_noticed() {
    const BLOCKS: TableDefinition<(u8, u32, u64), &[u8]> = TableDefinition::new("blocks");
    let harness = Harness::embedded();
    let log = harness.open();
    for n in 0..3 {
        append(&*log, Topic::Raw, vec![to(0, n.to_string())]);
    }
    drop(log);
    let database = Database::open(file(&harness)).unwrap();
    let transaction = database.begin_write().unwrap();
    assert!(transaction.open_table(BLOCKS).unwrap().remove((0, 0, 1)).unwrap().is_some());
    transaction.commit().unwrap();
    drop(database);
    let log = harness.open();
    let mut reader = log.reader(Topic::Raw, &[(0, 0)]).unwrap();
    let error = eventually("the hole", || reader.poll(std::time::Duration::ZERO).err());
    assert!(error.to_string().contains("the records 1 to 1 before it are missing"), "{error}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let mut harness = Harness::embedded();
    let blocker = harness.dir().join("blocker");
    fs::write(&blocker, b"a file").unwrap();
    let StreamConfig::Embedded(config) = &mut harness.config else { panic!("embedded only") };
    config.dir = blocker.join("log");
    let error = harness.try_open().err().unwrap();
    assert!(matches!(error, StreamError::Storage { .. }) && error.to_string().contains("blocker"), "{error}");
}
