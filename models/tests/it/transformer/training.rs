//! Training from a tiny encoder on a tiny vocabulary.

use std::fmt::Write;
use std::path::Path;

use models::cascade::{Heads, SecondReader, SecondReading};
use models::train::{Hyper, Options};
use models::transformer::train::{Settings, train};
use models::transformer::{Transformer, evaluate};

use super::{alone, messages, tiny};

/// Tweets whose tone is one word, and messages of all heads.
fn data(dir: &Path) -> Options {
    let words = ["bad", "bus", "good"];
    let labels = ["negative", "neutral", "positive"];
    std::fs::create_dir_all(dir.join("sentiment")).unwrap();
    for (file, rows) in [("tweets_train.tsv", 0..240usize), ("tweets_dev.tsv", 240..300)] {
        let mut table = "label\ttext\n".to_owned();
        for n in rows {
            let filler = ["the", "light", "is", "a b", "late", "park"][(n / 3) % 6];
            let text = if n % 2 == 0 { format!("{} {filler}", words[n % 3]) } else { format!("{filler} {}", words[n % 3]) };
            writeln!(table, "{}\t{text}", labels[n % 3]).unwrap();
        }
        std::fs::write(dir.join("sentiment").join(file), table).unwrap();
    }
    std::fs::create_dir_all(dir.join("seeds")).unwrap();
    let mut seeds = "topic\tsignal\turgency\ttone\tlanguage\ttext\n".to_owned();
    for _ in 0..20 {
        seeds.push_str("street_lighting\tproblem\tsoon\tneutral\ten\tthe light is out\n");
        seeds.push_str("parks_trees\tpraise\troutine\tpositive\ten\tthanks park\n");
    }
    std::fs::write(dir.join("seeds/messages.tsv"), seeds).unwrap();
    Options { data: dir.to_owned(), seeds: dir.join("seeds"), hyper: Hyper::default() }
}

struct Trained {
    dir: tempfile::TempDir,
    options: Options,
    lines: Vec<String>,
}

fn trained(change: impl Fn(&mut Settings)) -> Trained {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    std::fs::create_dir(&base).unwrap();
    tiny::write_encoder(&base);
    let options = data(&dir.path().join("data"));
    let mut settings = Settings::new(base, dir.path().join("model"));
    (settings.epochs, settings.peak_step, settings.threads) = (20, 2e-3, 1);
    change(&mut settings);
    let mut lines = Vec::new();
    train(&settings, &options, &mut |line| lines.push(line.to_owned())).unwrap();
    Trained { dir, options, lines }
}

#[test]
fn all_heads_learn_and_the_checkpoint_is_a_model() {
    let _alone = alone();
    let Trained { dir, options, lines } = trained(|_| {});
    let model = dir.path().join("model");
    let transformer = Transformer::start(&model, 1).unwrap();
    assert_eq!(transformer.heads(), Heads::All);
    let texts = messages(&["a good light", "bad park", "the light is out", "thanks park"]);
    let readings: Vec<_> = (transformer.read(&texts).unwrap().into_iter())
        .map(|reading| match reading {
            SecondReading::All(reading) => reading,
            SecondReading::Tone(_) => panic!("it has all heads"),
        })
        .collect();
    for reading in &readings {
        for head in [&reading.tone[..], &reading.signal, &reading.topic, &reading.urgency] {
            assert!((head.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
    }
    assert_eq!(readings[0].tone_label(), feedback::Tone::Positive);
    assert_eq!(readings[1].tone_label(), feedback::Tone::Negative);
    assert_eq!(readings[2].topic_label(), feedback::Topic::StreetLighting);
    assert_eq!(readings[3].topic_label(), feedback::Topic::ParksTrees);
    assert_eq!(readings[3].signal_label(), feedback::Signal::Praise);
    let last = lines.iter().rfind(|line| line.contains("tone of tweets")).unwrap();
    let recall: f64 = last.split("macro recall ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    assert!(recall > 0.95, "{last}");
    let report = evaluate::report(&model, &models::train::examples(&options).unwrap()).unwrap();
    assert!(report.contains("| tone | tweets | 60 |") && report.contains("| topic | seeds |"), "{report}");
    let left: Vec<String> =
        std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| !name.contains(".part") && !name.contains(".old")), "{left:?}");
}

#[test]
fn trained_on_tweets_alone_it_reads_tone_and_nothing_else() {
    let _alone = alone();
    let Trained { dir, options, .. } = trained(|settings| {
        settings.sources = vec!["tweets".to_owned()];
        settings.max_steps = Some(2);
    });
    let model = dir.path().join("model");
    let transformer = Transformer::start(&model, 1).unwrap();
    assert_eq!(transformer.heads(), Heads::Tone);
    assert!(matches!(transformer.read(&messages(&["a good light"])).unwrap()[..], [SecondReading::Tone(_)]));
    let report = evaluate::report(&model, &models::train::examples(&options).unwrap()).unwrap();
    assert!(report.contains("| tone | tweets | 60 |") && !report.contains("| topic |"), "{report}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let _alone = alone();
    let weights = |seed: u64| {
        let trained = trained(|settings| (settings.seed, settings.max_steps) = (seed, Some(12)));
        assert!(trained.lines.iter().any(|line| line.contains("step 12 of 12")), "{:?}", trained.lines);
        std::fs::read(trained.dir.path().join("model/model.safetensors")).unwrap()
    };
    let first = weights(1);
    assert!(first == weights(1), "the same seed");
    assert!(first != weights(2), "another seed");
}

#[test]
fn a_checkpoint_that_was_altered_or_is_of_another_version_is_refused() {
    let _alone = alone();
    let Trained { dir, .. } = trained(|settings| settings.max_steps = Some(2));
    let model = dir.path().join("model");
    let refused = || match Transformer::start(&model, 1) {
        Ok(_) => panic!("it was read"),
        Err(error) => error.to_string(),
    };
    let config = tiny::read_config(&model);
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut changed = config.clone();
        change(&mut changed["civicpulse"]);
        tiny::write_config(&model, &changed);
        refused()
    };
    assert!(with(&|own| own["format"] = 9.into()).contains("checkpoint format 9"));
    assert!(with(&|own| own["heads"]["tone"][0] = "angry".into()).contains("other classes"));
    assert!(with(&|own| own["temperatures"][0] = 0.0.into()).contains("above zero"));
    assert!(with(&|own| *own = serde_json::Value::Null).contains("config.json"));
    tiny::write_config(&model, &config);
    let path = model.join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(refused().contains("checksum"));
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(Transformer::start(&model, 1).is_ok());
}

#[test]
fn what_cannot_be_trained_is_said_before_it_begins() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    std::fs::create_dir(&base).unwrap();
    tiny::write_encoder(&base);
    let options = data(&dir.path().join("data"));
    let attempt = |base: &Path, change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::new(base.to_owned(), dir.path().join("model"));
        change(&mut settings);
        train(&settings, &options, &mut |_| {}).unwrap_err().to_string()
    };
    assert!(attempt(&dir.path().join("none"), &|_| {}).contains("none has no"));
    assert!(attempt(&base, &|settings| settings.epochs = 0).contains("at least one epoch"));
    assert!(attempt(&base, &|settings| settings.sources = vec!["no-such-source".to_owned()]).contains("no labelled text"));
    let roberta = dir.path().join("roberta");
    std::fs::create_dir(&roberta).unwrap();
    tiny::write(tiny::Network::Roberta, &roberta);
    assert!(attempt(&roberta, &|_| {}).contains("begins from a BERT encoder"));
    assert!(!dir.path().join("model").exists());
}
