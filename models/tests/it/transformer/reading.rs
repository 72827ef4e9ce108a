//! What a loaded model says: of odd texts, in any company, again and again, and through a full mailbox.

use std::time::Duration;

use models::cascade::{Heads, Message, Refused, SecondReader, SecondReading};
use models::transformer::{MAILBOX_JOBS, MAX_JOB_TEXTS, Transformer};

use super::{alone, messages, tiny};

fn tones(readings: &[SecondReading]) -> Vec<[f32; 3]> {
    readings.iter().map(|reading| *reading.tone()).collect()
}

fn texts() -> Vec<String> {
    let words = ["the", "light", "is", "out", "good", "bad", "bus", "late", "thanks", "park", "zebra"];
    let word = |n: usize| words[n % words.len()];
    (0..150).map(|n| (0..n % 37).map(|k| word(n * 7 + k * (1 + n % 5))).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn every_architecture_reads_odd_texts() {
    let _alone = alone();
    let long = "a".repeat(1 << 20);
    let many = "the light ".repeat(100_000);
    let odd = ["", " ", "🙂", "\u{200d}\u{fe0f}", "אין מים ברחוב", "\u{fffd}", "[SEP] </s> <mask>", "路灯坏了", &long, &many];
    for kind in tiny::ALL {
        let dir = tempfile::tempdir().unwrap();
        tiny::write(kind, dir.path());
        let transformer = Transformer::start(dir.path(), 1).unwrap();
        assert_eq!(transformer.heads(), Heads::Tone);
        assert!(transformer.version().starts_with("transformer-"), "{}", transformer.version());
        let readings = transformer.read(&messages(&odd)).unwrap();
        assert_eq!(readings.len(), odd.len());
        for (text, tone) in odd.iter().zip(tones(&readings)) {
            let sum: f32 = tone.iter().sum();
            assert!((sum - 1.0).abs() < 1e-5 && tone.iter().all(|p| (0.0..=1.0).contains(p)), "{kind:?} {text:.20}: {tone:?}");
        }
        assert!(transformer.read(&[]).unwrap().is_empty());
    }
}

#[test]
fn company_changes_nothing_but_rounding_and_repetition_nothing_at_all() {
    let _alone = alone();
    for kind in tiny::ALL {
        let dir = tempfile::tempdir().unwrap();
        tiny::write(kind, dir.path());
        let transformer = Transformer::start(dir.path(), 1).unwrap();
        let texts = texts();
        let together = tones(&transformer.read(&messages(&texts)).unwrap());
        assert_eq!(together, tones(&transformer.read(&messages(&texts)).unwrap()), "{kind:?}: bit for bit");
        let again = Transformer::start(dir.path(), 1).unwrap();
        assert_eq!(together, tones(&again.read(&messages(&texts)).unwrap()), "{kind:?}: loaded again");
        let mut differ = 0;
        for (text, expected) in texts.iter().zip(&together) {
            let single = tones(&transformer.read(&messages(&[text])).unwrap())[0];
            let apart = single.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-5, "{kind:?} {text}: {single:?} alone, {expected:?} in company");
            differ += usize::from(together[0].iter().zip(expected).any(|(a, b)| (a - b).abs() > 1e-3));
        }
        assert!(differ > texts.len() / 2, "{kind:?}: texts must matter, or this test shows nothing");
    }
}

#[test]
fn a_published_model_sees_the_text_and_a_title_only_where_there_is_none() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    tiny::write(tiny::Network::Bert, dir.path());
    let transformer = Transformer::start(dir.path(), 1).unwrap();
    let with = |text: &str, title: Option<&str>| {
        let message = Message { text: text.into(), title: title.map(str::to_owned), ..Message::default() };
        *transformer.read(&[message]).unwrap()[0].tone()
    };
    assert_eq!(with("the bus is late", Some("bad light")), with("the bus is late", None));
    assert_eq!(with("", Some("bad light")), with("bad light", None));
    assert_eq!(with("thanks @anna http://a.b/c", None), with("thanks <handle> <url>", None));
}

#[test]
fn the_mailbox_is_bounded_and_everything_in_it_is_answered_in_order() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    tiny::write(tiny::Network::Bert, dir.path());
    let transformer = Transformer::start(dir.path(), 1).unwrap();
    let job = messages(&vec!["the light is out ".repeat(30); MAX_JOB_TEXTS]);
    let mut accepted = Vec::new();
    // Handing over takes microseconds, reading a job much longer: the mailbox must be full soon.
    let refused = loop {
        match transformer.offer(job.clone()) {
            Ok(pending) => accepted.push(pending),
            Err(refused) => break refused,
        }
        assert!(accepted.len() <= 200, "the mailbox never fills");
    };
    assert_eq!(refused, Refused::Busy);
    assert!(accepted.len() >= MAILBOX_JOBS, "{}", accepted.len());
    for pending in accepted {
        assert_eq!(pending.wait(Duration::from_secs(60)).unwrap().len(), MAX_JOB_TEXTS);
    }
    let too_many = messages(&vec!["x"; MAX_JOB_TEXTS + 1]);
    let expected = Refused::TooMany { texts: MAX_JOB_TEXTS + 1, most: MAX_JOB_TEXTS };
    assert_eq!(transformer.offer(too_many.clone()).unwrap_err(), expected);
    assert_eq!(transformer.read(&too_many).unwrap().len(), MAX_JOB_TEXTS + 1, "`read` cuts what is too long");
}
