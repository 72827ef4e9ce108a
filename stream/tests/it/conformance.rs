//! What every log does. Each test runs against the embedded log and against Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use stream::{Consumer, Event, Log, MAX_PAYLOAD_BYTES, Record, StreamConfig, StreamError, Target, Topic, partition_of};

use crate::support::*;

macro_rules! both {
    ($($name:ident)*) => {
        mod embedded {
            $(#[test] fn $name() { super::$name(&crate::support::Harness::embedded()); })*
        }
        mod kafka {
            $(#[test] fn $name() {
                if let Some(harness) = crate::support::Harness::kafka() {
                    super::$name(&harness);
                }
            })*
        }
    };
}

both! {
    keys_choose_the_partition_and_keep_their_order
    every_partition_gets_a_copy
    topics_are_apart
    producers_side_by_side_keep_their_own_order
    an_ack_can_be_awaited
    the_largest_payload_fits_and_a_larger_one_is_refused
    a_partition_that_is_not_there_is_refused
    nothing_to_read_is_idle
    an_empty_append_is_done_at_once
    a_reader_starts_where_it_is_told_and_can_be_moved
    a_group_continues_where_it_committed
    work_that_was_not_committed_is_done_again
    groups_do_not_disturb_each_other
    two_members_share_the_work_and_one_takes_over
    who_takes_over_starts_at_a_commit_that_nobody_waited_for
    a_commit_without_the_partition_is_refused
    a_restart_keeps_records_offsets_and_commits
    retention_moves_the_beginning_and_readers_learn_what_is_gone
    an_offset_behind_the_end_is_an_error_and_no_silence
    another_number_of_partitions_is_refused
}

fn keys_choose_the_partition_and_keep_their_order(harness: &Harness) {
    let log = harness.open();
    let producer = log.producer().unwrap();
    let mut acks = Vec::new();
    for round in 0..20 {
        let records = (0..50).map(|key| keyed(format!("boston311:{key}"), format!("{key} {round}"))).collect();
        acks.push(producer.append(Topic::Raw, records));
    }
    acks.iter().for_each(|ack| ack.wait(PATIENCE).unwrap());

    let mut rounds = BTreeMap::<String, Vec<String>>::new();
    for (partition, records) in read_all(&*log, Topic::Raw) {
        let offsets: Vec<u64> = records.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(offsets, (0..records.len() as u64).collect::<Vec<_>>());
        for (_, payload) in records {
            let (key, round) = payload.split_once(' ').unwrap();
            assert_eq!(partition, partition_of(format!("boston311:{key}").as_bytes(), PARTITIONS));
            rounds.entry(key.to_owned()).or_default().push(round.to_owned());
        }
    }
    let in_order: Vec<String> = (0..20).map(|round| round.to_string()).collect();
    assert_eq!(rounds.len(), 50);
    rounds.values().for_each(|rounds| assert_eq!(*rounds, in_order));
}

fn every_partition_gets_a_copy(harness: &Harness) {
    let log = harness.open();
    let everywhere = Record { target: Target::EveryPartition, key: b"k".to_vec(), payload: b"erase".to_vec() };
    append(&*log, Topic::Raw, vec![to(2, "before"), everywhere, to(2, "after")]);
    let read = read_all(&*log, Topic::Raw);
    for (partition, records) in read {
        let payloads: Vec<&str> = records.iter().map(|(_, payload)| payload.as_str()).collect();
        let expected: &[&str] = if partition == 2 { &["before", "erase", "after"] } else { &["erase"] };
        assert_eq!(payloads, expected);
    }
}

fn topics_are_apart(harness: &Harness) {
    let log = harness.open();
    assert_eq!(log.partitions(), PARTITIONS);
    for topic in Topic::ALL {
        append(&*log, topic, vec![to(1, topic.name())]);
    }
    for topic in Topic::ALL {
        assert_eq!(read_all(&*log, topic)[&1], [(0, topic.name().to_owned())]);
        let bounds: Vec<_> = log.bounds(topic).unwrap().into_iter().map(|bounds| (bounds.start, bounds.end)).collect();
        assert_eq!(bounds, [(0, 0), (0, 1), (0, 0), (0, 0)]);
    }
}

fn producers_side_by_side_keep_their_own_order(harness: &Harness) {
    let log = harness.open();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let producer = log.producer().unwrap();
            scope.spawn(move || {
                let appends = (0..50)
                    .map(|n| producer.append(Topic::Raw, vec![to(0, format!("{thread} {n}")), to(1, format!("{thread} {n}"))]));
                appends.collect::<Vec<_>>().iter().for_each(|ack| ack.wait(PATIENCE).unwrap());
            });
        }
    });
    let read = read_all(&*log, Topic::Raw);
    for partition in [0, 1] {
        let mut next = [0; 4];
        for (_, payload) in &read[&partition] {
            let (thread, n) = payload.split_once(' ').unwrap();
            let thread: usize = thread.parse().unwrap();
            assert_eq!(n.parse::<usize>().unwrap(), next[thread]);
            next[thread] += 1;
        }
        assert_eq!(next, [50; 4]);
    }
}

fn an_ack_can_be_awaited(harness: &Harness) {
    let log = harness.open();
    let ack = log.producer().unwrap().append(Topic::Raw, vec![to(0, "x")]);
    wait_for(ack).unwrap();
    assert_eq!(log.bounds(Topic::Raw).unwrap()[0], 0..1);
}

fn the_largest_payload_fits_and_a_larger_one_is_refused(harness: &Harness) {
    let log = harness.open();
    let producer = log.producer().unwrap();
    // Noise, so that no compression makes it fit.
    let mut seed = 1u64;
    let mut noise = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u8 & 0x7f
    };
    let largest: Vec<u8> = (0..MAX_PAYLOAD_BYTES).map(|_| noise()).collect();
    let record = |payload: Vec<u8>| Record { target: Target::Partition(3), key: b"key".to_vec(), payload };
    let too_large = [largest.clone(), vec![0]].concat();
    let refused = producer.append(Topic::Enriched, vec![to(3, "with it"), record(too_large)]).wait(PATIENCE);
    assert_eq!(refused, Err(StreamError::TooLarge { bytes: MAX_PAYLOAD_BYTES + 1, limit: MAX_PAYLOAD_BYTES }));
    append(&*log, Topic::Enriched, vec![record(largest.clone()), to(3, "small")]);
    let read = read_all(&*log, Topic::Enriched);
    assert_eq!(read[&3].len(), 2, "nothing of a refused append is written");
    assert!(read[&3][0].1.as_bytes() == largest);
}

fn a_partition_that_is_not_there_is_refused(harness: &Harness) {
    let log = harness.open();
    let unknown = StreamError::UnknownPartition { topic: Topic::Raw, partition: PARTITIONS, partitions: PARTITIONS };
    let refused = log.producer().unwrap().append(Topic::Raw, vec![to(PARTITIONS, "x")]).wait(PATIENCE);
    assert_eq!(refused, Err(unknown.clone()));
    assert_eq!(log.reader(Topic::Raw, &[(PARTITIONS, 0)]).err(), Some(unknown));
}

fn nothing_to_read_is_idle(harness: &Harness) {
    let log = harness.open();
    let mut reader = log.reader(Topic::Raw, &[(0, 0)]).unwrap();
    assert_eq!(reader.poll(Duration::from_millis(10)).unwrap(), Event::Idle);
    assert_eq!(reader.poll(Duration::ZERO).unwrap(), Event::Idle);
}

fn an_empty_append_is_done_at_once(harness: &Harness) {
    let log = harness.open();
    append(&*log, Topic::Raw, Vec::new());
    append(&*log, Topic::Raw, vec![to(0, "")]);
    assert_eq!(read_all(&*log, Topic::Raw)[&0], [(0, String::new())], "an empty payload is a record");
}

fn a_reader_starts_where_it_is_told_and_can_be_moved(harness: &Harness) {
    let log = harness.open();
    append(&*log, Topic::Raw, (0..100).map(|n| to(0, n.to_string())).collect());
    append(&*log, Topic::Raw, (100..150).map(|n| to(0, n.to_string())).collect());
    let expected = |from: u64| (from..150).map(|n| (n, n.to_string())).collect::<Vec<_>>();
    for from in [0, 1, 42, 99, 100, 149] {
        assert_eq!(read_from(&*log, Topic::Raw, &[(0, from)])[&0], expected(from));
    }
    let mut reader = log.reader(Topic::Raw, &[(0, 120)]).unwrap();
    assert_eq!(poll_records(&mut *reader).first, 120);
    reader.seek(0, 7).unwrap();
    let mut read = Read::from(&[(0, 7)]);
    while read.next[&0] < 150 {
        read.add(&poll_records(&mut *reader));
    }
    assert_eq!(read.records[&0], expected(7));
    assert!(matches!(reader.seek(1, 0), Err(StreamError::Revoked { partition: 1, .. })));
}

/// Reads until everything that is there was read; commits each batch if told to.
fn work(log: &dyn Log, consumer: &mut dyn Consumer, commits: bool) -> Vec<String> {
    let total: u64 = log.bounds(Topic::Raw).unwrap().iter().map(|bounds| bounds.end).sum();
    let (mut read, mut payloads) = (BTreeMap::new(), Vec::new());
    while read.values().sum::<u64>() < total {
        match poll(consumer) {
            Event::Assigned(partitions) => {
                let committed = log.committed(Topic::Raw, "workers").unwrap();
                read.extend(partitions.iter().map(|partition| (*partition, committed[*partition as usize].unwrap_or(0))));
            }
            Event::Fetched(fetched) => {
                assert_eq!(read.insert(fetched.partition, fetched.next), Some(fetched.first));
                payloads.extend(fetched.records().map(|(_, payload)| String::from_utf8(payload.to_vec()).unwrap()));
                if commits {
                    commit(&mut *consumer, fetched.partition, fetched.next).unwrap();
                }
            }
            event => panic!("{event:?}"),
        }
    }
    payloads.sort();
    payloads
}

fn numbered(range: std::ops::Range<u32>) -> (Vec<Record>, Vec<String>) {
    let payloads: Vec<String> = range.map(|n| format!("{n:05}")).collect();
    (payloads.iter().map(|payload| keyed(payload.clone(), payload.clone())).collect(), payloads)
}

fn a_group_continues_where_it_committed(harness: &Harness) {
    let log = harness.open();
    let (first, first_payloads) = numbered(0..100);
    append(&*log, Topic::Raw, first);
    let mut consumer = log.group_consumer(Topic::Raw, "workers").unwrap();
    assert_eq!(work(&*log, &mut *consumer, true), first_payloads);
    drop(consumer);
    let ends: Vec<_> = log.bounds(Topic::Raw).unwrap().iter().map(|bounds| Some(bounds.end)).collect();
    assert_eq!(log.committed(Topic::Raw, "workers").unwrap(), ends);

    let (second, second_payloads) = numbered(100..150);
    append(&*log, Topic::Raw, second);
    let mut consumer = log.group_consumer(Topic::Raw, "workers").unwrap();
    assert_eq!(work(&*log, &mut *consumer, true), second_payloads);
}

fn work_that_was_not_committed_is_done_again(harness: &Harness) {
    let log = harness.open();
    let (records, payloads) = numbered(0..100);
    append(&*log, Topic::Raw, records);
    for _ in 0..2 {
        let mut consumer = log.group_consumer(Topic::Raw, "workers").unwrap();
        assert_eq!(work(&*log, &mut *consumer, false), payloads);
    }
    assert_eq!(log.committed(Topic::Raw, "workers").unwrap(), [None; PARTITIONS as usize]);
}

fn groups_do_not_disturb_each_other(harness: &Harness) {
    let log = harness.open();
    append(&*log, Topic::Raw, vec![to(0, "a"), to(0, "b")]);
    for group in ["one", "other"] {
        let mut consumer = log.group_consumer(Topic::Raw, group).unwrap();
        let fetched = poll_records(&mut *consumer);
        assert_eq!((fetched.first, fetched.next), (0, 2));
        commit(&mut *consumer, 0, if group == "one" { 1 } else { 2 }).unwrap();
    }
    assert_eq!(log.committed(Topic::Raw, "one").unwrap()[0], Some(1));
    assert_eq!(log.committed(Topic::Raw, "other").unwrap()[0], Some(2));
    assert_eq!(log.committed(Topic::Dead, "other").unwrap()[0], None, "topics are apart");
}

/// A worker that commits what it reads, and what it saw.
struct Worker {
    consumer: Box<dyn Consumer>,
    assigned: BTreeSet<u32>,
    done: Vec<String>,
}

impl Worker {
    fn join(log: &dyn Log) -> Self {
        Self { consumer: log.group_consumer(Topic::Raw, "workers").unwrap(), assigned: BTreeSet::new(), done: Vec::new() }
    }

    fn step(&mut self) {
        match self.consumer.poll(Duration::from_millis(50)).unwrap() {
            Event::Assigned(partitions) => partitions.iter().for_each(|partition| assert!(self.assigned.insert(*partition))),
            Event::Revoked(partitions) => {
                for partition in partitions {
                    assert!(self.assigned.remove(&partition));
                    let late = commit(&mut *self.consumer, partition, 0);
                    assert!(matches!(late, Err(StreamError::Revoked { .. })), "{late:?}");
                }
            }
            Event::Fetched(fetched) => {
                assert!(self.assigned.contains(&fetched.partition), "records of a partition that is not its own");
                self.done.extend(fetched.records().map(|(_, payload)| String::from_utf8(payload.to_vec()).unwrap()));
                commit(&mut *self.consumer, fetched.partition, fetched.next).unwrap();
            }
            Event::Idle => {}
        }
    }
}

fn two_members_share_the_work_and_one_takes_over(harness: &Harness) {
    let log = harness.open();
    let mut one = Worker::join(&*log);
    eventually("one has everything", || {
        one.step();
        (one.assigned.len() == PARTITIONS as usize).then_some(())
    });
    let mut other = Worker::join(&*log);
    eventually("two share", || {
        one.step();
        other.step();
        assert!(one.assigned.is_disjoint(&other.assigned));
        (one.assigned.len() == 2 && other.assigned.len() == 2).then_some(())
    });
    let (records, payloads) = numbered(0..200);
    append(&*log, Topic::Raw, records);
    eventually("all is done", || {
        one.step();
        other.step();
        (one.done.len() + other.done.len() >= 200).then_some(())
    });
    assert!(!one.done.is_empty() && !other.done.is_empty());
    let mut done = [std::mem::take(&mut one.done), std::mem::take(&mut other.done)].concat();
    done.sort();
    assert_eq!(done, payloads, "each record was done once");

    drop(other);
    eventually("one takes over", || {
        one.step();
        (one.assigned.len() == PARTITIONS as usize).then_some(())
    });
    let (records, payloads) = numbered(200..300);
    append(&*log, Topic::Raw, records);
    eventually("all is done by one", || {
        one.step();
        (one.done.len() >= 100).then_some(())
    });
    one.done.sort();
    assert_eq!(one.done, payloads, "and nothing twice, for the other one had committed");
}

fn who_takes_over_starts_at_a_commit_that_nobody_waited_for(harness: &Harness) {
    let log = harness.open();
    append(&*log, Topic::Raw, (0..4).map(|n| to(0, n.to_string())).collect());
    let mut first = log.group_consumer(Topic::Raw, "workers").unwrap();
    assert_eq!(poll_records(&mut *first).next, 4);
    let ack = first.commit(0, 3).unwrap();
    drop(first);
    let mut second = log.group_consumer(Topic::Raw, "workers").unwrap();
    assert_eq!(poll_records(&mut *second).first, 3);
    ack.wait(PATIENCE).unwrap();
    assert_eq!(log.committed(Topic::Raw, "workers").unwrap()[0], Some(3));
}

fn a_commit_without_the_partition_is_refused(harness: &Harness) {
    let log = harness.open();
    let mut reader = log.reader(Topic::Raw, &[(0, 0)]).unwrap();
    assert_eq!(commit(&mut *reader, 0, 0), Err(StreamError::NoGroup { topic: Topic::Raw }));
    let mut member = log.group_consumer(Topic::Raw, "workers").unwrap();
    assert_eq!(commit(&mut *member, 0, 0), Err(StreamError::Revoked { topic: Topic::Raw, partition: 0 }));
    assert_eq!(log.committed(Topic::Raw, "workers").unwrap()[0], None);
}

fn a_restart_keeps_records_offsets_and_commits(harness: &Harness) {
    let mut expected = Vec::new();
    for restart in 0..3u64 {
        let log = harness.open();
        assert_eq!(log.bounds(Topic::Raw).unwrap()[1], 0..restart * 10);
        assert_eq!(log.committed(Topic::Raw, "workers").unwrap()[1], restart.checked_sub(1).map(|last| last * 10 + 5));
        append(&*log, Topic::Raw, (0..10).map(|n| to(1, format!("{restart} {n}"))).collect());
        expected.extend((0..10).map(|n| (restart * 10 + n, format!("{restart} {n}"))));
        assert_eq!(read_all(&*log, Topic::Raw)[&1], expected);
        let mut consumer = log.group_consumer(Topic::Raw, "workers").unwrap();
        let fetched = poll_records(&mut *consumer);
        assert_eq!(fetched.first, restart.checked_sub(1).map_or(0, |last| last * 10 + 5));
        commit(&mut *consumer, 1, restart * 10 + 5).unwrap();
    }
}

fn retention_moves_the_beginning_and_readers_learn_what_is_gone(harness: &Harness) {
    let log = harness.open();
    append(&*log, Topic::Raw, (0..10).map(|n| to(2, n.to_string())).collect());
    let mut consumer = log.group_consumer(Topic::Raw, "workers").unwrap();
    assert_eq!(poll_records(&mut *consumer).next, 10);
    commit(&mut *consumer, 2, 4).unwrap();
    drop(consumer);
    let oldest = harness.expire(&*log, Topic::Raw, 2);
    assert_eq!(oldest, 10);
    assert_eq!(log.bounds(Topic::Raw).unwrap()[2], 10..11);

    let mut reader = log.reader(Topic::Raw, &[(2, 3)]).unwrap();
    let fetched = poll_records(&mut *reader);
    assert_eq!((fetched.first, fetched.next, fetched.records().collect::<Vec<_>>()), (3, 11, vec![(10, &b"newest"[..])]));
    let mut consumer = log.group_consumer(Topic::Raw, "workers").unwrap();
    let fetched = poll_records(&mut *consumer);
    assert_eq!((fetched.first, fetched.next, fetched.offsets), (4, 11, vec![10]));
    let mut consumer = log.group_consumer(Topic::Raw, "new").unwrap();
    let fetched = poll_records(&mut *consumer);
    assert_eq!((fetched.first, fetched.next), (0, 11), "a new group begins at the very beginning");
}

fn an_offset_behind_the_end_is_an_error_and_no_silence(harness: &Harness) {
    let log = harness.open();
    append(&*log, Topic::Raw, vec![to(0, "x")]);
    let error = match log.reader(Topic::Raw, &[(0, 5)]) {
        Err(error) => error,
        Ok(mut reader) => eventually("the error", || reader.poll(Duration::from_millis(100)).err()),
    };
    assert_eq!(error, StreamError::BeyondEnd { topic: Topic::Raw, partition: 0, offset: 5, end: 1 });
}

fn another_number_of_partitions_is_refused(harness: &Harness) {
    drop(harness.open());
    let mut config = harness.config.clone();
    match &mut config {
        StreamConfig::Embedded(config) => config.partitions = 5,
        StreamConfig::Kafka(config) => config.partitions = 5,
    }
    let opened = stream::open(&config, harness.clock.clone(), &prometheus::Registry::new(), &|| false);
    let error = opened.err().unwrap().to_string();
    assert!(error.contains("partitions") && error.contains('4') && error.contains('5'), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    /// Any split into appends, any restart in between, any place to start: what was appended is what is read.
    #[test]
    fn the_embedded_log_is_a_list(
        appends in proptest::collection::vec(proptest::collection::vec((0..PARTITIONS, "[a-z]{0,40}"), 0..30), 1..12),
        restarts in proptest::collection::btree_set(0usize..12, 0..3),
        cache_bytes in prop_oneof![Just(0usize), Just(2000), Just(1 << 20)],
        fetch_bytes in prop_oneof![Just(1usize), Just(100), Just(1 << 20)],
    ) {
        let mut harness = Harness::embedded();
        if let StreamConfig::Embedded(config) = &mut harness.config {
            (config.linger_ms, config.cache_bytes, config.fetch_bytes) = (0, cache_bytes, fetch_bytes);
        }
        let mut model: BTreeMap<u32, Vec<String>> = (0..PARTITIONS).map(|partition| (partition, Vec::new())).collect();
        let mut log = harness.open();
        for (index, records) in appends.into_iter().enumerate() {
            if restarts.contains(&index) {
                drop(log);
                log = harness.open();
            }
            records.iter().for_each(|(partition, payload)| model.get_mut(partition).unwrap().push(payload.clone()));
            append(&*log, Topic::Raw, records.into_iter().map(|(partition, payload)| to(partition, payload)).collect());
        }
        for start in [0, 1, 7] {
            let from: Vec<_> = model.iter().map(|(partition, all)| (*partition, start.min(all.len() as u64))).collect();
            let read = read_from(&*log, Topic::Raw, &from);
            for (partition, start) in from {
                let expected: Vec<_> = (start..).zip(model[&partition].iter().skip(start as usize).cloned()).collect();
                prop_assert_eq!(&read[&partition], &expected);
            }
        }
    }
}
