//! Tweets of residents to Boston's 311, which nobody had labelled: this project read each of them and wrote down what it says.

use std::collections::HashMap;
use std::path::Path;

use feedback::{Signal, Tone, Topic, Urgency};
use xxhash_rust::xxh3::xxh3_64;

use super::table::{Row, Table};
use crate::train::{Example, Labels, TrainError};

/// How often a tweet stands in an epoch: the only texts by residents whose topic somebody has read.
const REPEATS: usize = 3;

/// The tweets that `seeds/bos311.tsv` has labels for, by the hash of the text. Each was read without the thread that it stands in; `-` is
/// what the text alone does not say. Those kept aside were read twice.
pub(super) fn read_tweets(data: &Path, seeds: &Path, examples: &mut Vec<Example>) -> Result<(), TrainError> {
    let mut readings: [HashMap<u64, Labels>; 2] = Default::default();
    let columns = ["text_xxh3", "reading", "topic", "signal", "urgency", "tone"];
    Table::read(&seeds.join("bos311.tsv"))?.try_rows(&columns, |row| {
        let text = u64::from_str_radix(row.get("text_xxh3"), 16).map_err(|_| "`text_xxh3` is not a hash".to_owned())?;
        let reading = ["1", "2"].into_iter().position(|reading| reading == row.get("reading"));
        readings[reading.ok_or("`reading` is neither 1 nor 2")?].insert(text, labels(row)?);
        Ok(())
    })?;
    Table::read(&data.join("citizen_reports/bos311_tweets_unlabelled.tsv"))?.rows(&["split", "text"], |row| {
        let text = row.get("text");
        let hash = xxh3_64(text.as_bytes());
        let Some(first) = readings[0].get(&hash) else { return };
        let mut example = Example::new("bos311", "en", text, *first);
        example.dev = row.get("split") == "dev";
        example.read_again = readings[1].get(&hash).copied();
        examples.extend(std::iter::repeat_n(example.clone(), if example.dev { 1 } else { REPEATS }));
    })
}

fn labels(row: &Row<'_>) -> Result<Labels, String> {
    let is_known = |column: &str| row.get(column) != "-";
    let mut labels = Labels::none();
    if is_known("topic") {
        labels = labels.topic(row.word::<Topic>("topic")?.code(), 1.0);
    }
    if is_known("signal") {
        labels = labels.signal(row.word::<Signal>("signal")?.code(), 1.0);
    }
    if is_known("urgency") {
        labels = labels.urgency(row.word::<Urgency>("urgency")?.code(), 1.0);
    }
    if is_known("tone") {
        labels = labels.tone(row.word::<Tone>("tone")?.code(), 1.0);
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(labels: &str) -> Result<Vec<Example>, TrainError> {
        let directory = tempfile::tempdir().unwrap();
        let (data, seeds) = (directory.path().join("data"), directory.path().join("seeds"));
        std::fs::create_dir_all(data.join("citizen_reports")).unwrap();
        std::fs::create_dir_all(&seeds).unwrap();
        let tweets = "split\ttext\ntrain\tpotholes!\ndev\twho?\ntrain\tnobody read this\n";
        std::fs::write(data.join("citizen_reports/bos311_tweets_unlabelled.tsv"), tweets).unwrap();
        let labels = format!("text_xxh3\treading\ttopic\tsignal\turgency\ttone\n{labels}");
        std::fs::write(seeds.join("bos311.tsv"), labels).unwrap();
        let mut examples = Vec::new();
        read_tweets(&data, &seeds, &mut examples).map(|()| examples)
    }

    fn row(text: &str, rest: &str) -> String {
        format!("{:016x}\t{}\n", xxh3_64(text.as_bytes()), rest.replace(' ', "\t"))
    }

    #[test]
    fn a_text_finds_its_labels_by_what_it_says() {
        let labels = [
            row("who?", "1 - question routine neutral"),
            row("who?", "2 other question routine -"),
            row("potholes!", "1 roads problem soon negative"),
            row("a text that is not there", "1 roads problem soon negative"),
        ];
        let examples = read(&labels.concat()).unwrap();
        let (aside, taught): (Vec<&Example>, Vec<&Example>) = examples.iter().partition(|example| example.dev);
        assert_eq!((aside.len(), taught.len()), (1, REPEATS));
        let codes = |labels: Labels| [0, 1, 2, 3].map(|head| labels.get(head).map(|(code, _)| code));
        assert_eq!(codes(taught[0].labels), [Some(0), Some(0), Some(Topic::Roads.code()), Some(1)]);
        assert_eq!((taught[0].text.as_str(), taught[0].read_again), ("potholes!", None));
        assert_eq!(codes(aside[0].labels), [Some(1), Some(2), None, Some(0)]);
        assert_eq!(codes(aside[0].read_again.unwrap()), [None, Some(2), Some(Topic::Other.code()), Some(0)]);
    }

    #[test]
    fn a_label_that_is_none_is_reported_with_its_line() {
        let problem = |labels: &str| read(labels).unwrap_err().to_string();
        assert!(problem(&row("who?", "3 roads problem soon neutral")).contains("line 2: `reading` is neither 1 nor 2"));
        assert!(problem(&row("who?", "1 rods problem soon neutral")).contains("`rods` is not a topic"));
        assert!(problem("who\t1\troads\tproblem\tsoon\tneutral\n").contains("`text_xxh3` is not a hash"));
    }
}
