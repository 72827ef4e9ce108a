//! Predictions for texts that the model was not trained on.
//!
//! For English the training tweets with a topic are predicted by cross-fitting: in turn, all tweets about a third of the
//! topics are left out, a model is trained on the rest and reads them. A topic is left out whole, also its tweets that
//! `quantification/topics_2016.tsv` does not list: a model that had seen only the neutral tweets about a topic would take its
//! name for a sign of neutrality. Every other language has the texts that training keeps aside.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;
use xxhash_rust::xxh3::xxh3_64;

use super::reference::HeldOut;
use super::sketch::TONES;
use crate::compact::{CompactModel, Scratch};
use crate::features::Input;
use crate::train::{Example, Options, TrainError, train_on};

/// Models that cross-fitting trains.
pub const FOLDS: u64 = 3;

/// Labels that count less are too weak to correct by; calibration draws the same line.
const MIN_WEIGHT: f32 = 0.5;

/// Of the examples without a tone, every so many is kept when a fold is trained: the other heads share nothing with tone,
/// but must have something to learn.
const KEEP_EVERY: usize = 10;

/// The source whose tweets are cross-fitted.
const SOURCE: &str = "tweets";

/// A tweet with a topic, read by a model that has seen none about it.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicalText {
    /// What it is about.
    pub topic: String,
    /// Which fold's model has read it.
    pub fold: u64,
    /// Probabilities of negative, neutral, positive.
    pub tone: [f32; TONES],
    /// Its tone in `sentiment/tweets_train.tsv` or `tweets_dev.tsv`: a code of `feedback::Tone`.
    pub tone_label: Option<usize>,
    /// Whether it speaks against its topic, in `topics_2016.tsv`.
    pub against: Option<bool>,
    /// The part of `topics_2016.tsv` that its topic is from.
    pub part: String,
}

impl TopicalText {
    /// As a held-out text, where its tone is known.
    pub fn held_out(&self) -> Option<HeldOut> {
        Some(HeldOut { topic: self.topic.clone(), language: "en", truth: self.tone_label?, tone: self.tone })
    }
}

/// Held-out texts for a reference: what `model` says about the examples that training keeps aside, without English where
/// cross-fitted texts are given instead.
pub fn kept_aside(model: &CompactModel, examples: &[Example], cross_fitted: &[TopicalText]) -> Vec<HeldOut> {
    let mut scratch = Scratch::default();
    let mut held_out: Vec<HeldOut> = cross_fitted.iter().filter_map(TopicalText::held_out).collect();
    let english = held_out.is_empty();
    for example in examples.iter().filter(|example| example.dev && (english || example.language != "en")) {
        let Some((code, weight)) = example.labels.get(0) else { continue };
        if weight >= MIN_WEIGHT {
            let tone = model.read(&example.input(), &mut scratch).tone;
            let (topic, language) = (example.source.to_owned(), example.language);
            held_out.push(HeldOut { topic, language, truth: usize::from(code), tone });
        }
    }
    held_out
}

/// Reads every tweet that has a topic by a model that has seen no tweet about it; nothing where the data has no topics.
///
/// # Errors
/// When the file of topics cannot be read or understood, or training fails.
pub fn cross_fitted(
    options: &Options,
    examples: &[Example],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<TopicalText>, TrainError> {
    let path = options.data.join("quantification/topics_2016.tsv");
    if !path.exists() {
        progress(&format!("{} is not there: English is corrected by the texts that were kept aside", path.display()));
        return Ok(Vec::new());
    }
    let content =
        std::fs::read_to_string(&path).map_err(|source| TrainError::Read { path: path.display().to_string(), source })?;
    let rows = rows(&content).map_err(|line| TrainError::Row {
        path: path.display().to_string(),
        line,
        problem: "expected the four columns part, topic, label, text".to_owned(),
    })?;
    let topics = Topics::new(&rows);
    let of_example: Vec<Option<&str>> =
        examples.iter().map(|example| if example.source == SOURCE { topics.of(&example.text) } else { None }).collect();
    let mut texts = Vec::new();
    for fold in 0..FOLDS {
        progress(&format!("cross-fitting the tone of topics, {} of {FOLDS}", fold + 1));
        let model = without_fold(fold, options, examples, &of_example, progress)?;
        read_fold(fold, &model, &rows, (examples, &of_example), &mut texts);
    }
    Ok(texts)
}

/// One row of the file of topics.
struct Row<'a> {
    part: &'a str,
    topic: &'a str,
    against: bool,
    text: &'a str,
}

/// The rows after the header; the number of the first line that is none.
fn rows(content: &str) -> Result<Vec<Row<'_>>, usize> {
    content.lines().enumerate().skip(1).map(|(number, line)| row(line).ok_or(number + 1)).collect()
}

fn row(line: &str) -> Option<Row<'_>> {
    let [part, topic, label, text] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
    let against = match label {
        "negative" => true,
        "positive" => false,
        _ => return None,
    };
    Some(Row { part, topic, against, text })
}

/// Which topic a tweet is about.
struct Topics<'a> {
    by_text: HashMap<String, &'a str>,
    names: AhoCorasick,
    topics: Vec<&'a str>,
}

impl<'a> Topics<'a> {
    fn new(rows: &[Row<'a>]) -> Self {
        let mut topics: Vec<&str> = rows.iter().map(|row| row.topic).collect();
        topics.sort_unstable();
        topics.dedup();
        let names = AhoCorasick::new(topics.iter().map(|topic| letters(topic))).expect("a few hundred short names");
        Self { by_text: rows.iter().map(|row| (letters(row.text), row.topic)).collect(), names, topics }
    }

    /// The topic under which a tweet is listed, or whose name it contains.
    fn of(&self, text: &str) -> Option<&'a str> {
        let letters = letters(text);
        let named = || self.names.find(&letters).map(|hit| self.topics[hit.pattern().as_usize()]);
        self.by_text.get(&letters).copied().or_else(named)
    }
}

/// Letters and digits in lower case, without user names and links: how shared data compares texts.
fn letters(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !word.starts_with('@') && !word.starts_with("http"));
    words.flat_map(str::chars).filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn fold_of(topic: &str) -> u64 {
    xxh3_64(topic.as_bytes()) % FOLDS
}

/// A model that has seen no tweet about the topics of `fold`.
fn without_fold(
    fold: u64,
    options: &Options,
    examples: &[Example],
    of_example: &[Option<&str>],
    progress: &mut dyn FnMut(&str),
) -> Result<CompactModel, TrainError> {
    let kept: Vec<Example> = (examples.iter().zip(of_example).enumerate())
        .filter(|(_, (_, topic))| topic.is_none_or(|topic| fold_of(topic) != fold))
        .filter(|(number, (example, _))| example.labels.get(0).is_some() || number % KEEP_EVERY == 0)
        .map(|(_, (example, _))| example.clone())
        .collect();
    // Only tone is asked, and its block learns by itself.
    let mut options = options.clone();
    (options.hyper.civic.epochs, options.hyper.civic.branches) = (1, 1);
    let weights = train_on(&kept, &options, progress)?;
    Ok(CompactModel::from_bytes(&weights).expect("weights that were just encoded"))
}

/// What the model of a fold says about its topics: the tweets that have a tone, and the rows of the file that are among them
/// or not.
fn read_fold(
    fold: u64,
    model: &CompactModel,
    rows: &[Row<'_>],
    (examples, of_example): (&[Example], &[Option<&str>]),
    texts: &mut Vec<TopicalText>,
) {
    let mut scratch = Scratch::default();
    let mut read = |text: &str| model.read(&Input { language: "en", ..Input::text(text) }, &mut scratch).tone;
    let mut labels: HashMap<String, usize> = HashMap::new();
    let parts: HashMap<&str, &str> = rows.iter().map(|row| (row.topic, row.part)).collect();
    let listed: HashMap<String, &str> = rows.iter().map(|row| (letters(row.text), row.topic)).collect();
    for (example, topic) in examples.iter().zip(of_example) {
        let Some(topic) = topic.filter(|topic| fold_of(topic) == fold) else { continue };
        let Some((code, _)) = example.labels.get(0) else { continue };
        let letters = letters(&example.text);
        if listed.contains_key(&letters) {
            labels.insert(letters, usize::from(code));
            continue;
        }
        texts.push(TopicalText {
            topic: topic.to_owned(),
            fold,
            tone: read(&example.text),
            tone_label: Some(usize::from(code)),
            against: None,
            part: parts.get(topic).copied().unwrap_or_default().to_owned(),
        });
    }
    for row in rows.iter().filter(|row| fold_of(row.topic) == fold) {
        texts.push(TopicalText {
            topic: row.topic.to_owned(),
            fold,
            tone: read(row.text),
            tone_label: labels.get(&letters(row.text)).copied(),
            against: Some(row.against),
            part: row.part.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str =
        "part\ttopic\tlabel\ttext\ntrain\tice cube\tpositive\t@user Ice Cube tonight!\ntest\tu2\tnegative\tno more of them\n";

    #[test]
    fn a_tweet_belongs_to_the_topic_that_lists_or_names_it() {
        let rows = rows(ROWS).unwrap();
        let topics = Topics::new(&rows);
        assert_eq!(topics.of("No more of THEM http://t.co/x"), Some("u2"));
        assert_eq!(topics.of("I saw ice-cube yesterday"), Some("ice cube"));
        assert_eq!(topics.of("the light is out"), None);
    }

    #[test]
    fn a_line_that_is_no_row_is_named() {
        assert_eq!(rows("part\ttopic\tlabel\ttext\na\tb\tneutral\td\n").err(), Some(2));
        assert_eq!(rows("part\ttopic\tlabel\ttext\na\tb\tnegative\td\na\tb\n").err(), Some(3));
    }
}
