//! Tweets with a tone: English (SemEval 2013-2016) and eight languages (UMSAB).

use std::path::Path;

use feedback::{Signal, Tone, Topic, Urgency};

use super::table::Table;
use crate::train::{Example, Labels, TrainError};

/// Tweets are hardly ever messages to a city: a weak label for the heads that have few other texts of this register.
const OFF_TOPIC_WEIGHT: f32 = 0.05;

/// SemEval's English tweets. `tweets_dev` is kept aside whole.
pub(super) fn tweets(data: &Path, examples: &mut Vec<Example>) -> Result<(), TrainError> {
    for (file, dev) in [("tweets_train.tsv", false), ("tweets_dev.tsv", true)] {
        let table = Table::read(&data.join("sentiment").join(file))?;
        table.rows(&["label", "text"], |row| {
            let Ok(tone) = row.get("label").parse::<Tone>() else { return };
            let labels = if dev { Labels::none() } else { off_topic() };
            let mut example = Example::new("tweets", "en", row.get("text"), labels.tone(tone.code(), 1.0));
            example.dev = dev;
            examples.push(example);
        })?;
    }
    Ok(())
}

/// How much a tweet in one of the other languages counts: there are few of them.
const LANGUAGE_WEIGHT: f32 = 2.0;
/// How much a Hindi one counts. Its labels follow each other as negative, neutral, positive whatever the text says
/// ("masha allah good" positive, "i love u salman vai" negative): they teach hardly anything, and calibrate nothing.
const HINDI_WEIGHT: f32 = 0.2;

/// UMSAB's languages but English, whose rows are those of `tweets_dev`.
pub(super) fn languages(data: &Path, examples: &mut Vec<Example>) -> Result<(), TrainError> {
    const LANGUAGES: [(&str, &str); 7] = [
        ("ar", "umsab_ar"),
        ("de", "umsab_de"),
        ("es", "umsab_es"),
        ("fr", "umsab_fr"),
        ("hi", "umsab_hi"),
        ("it", "umsab_it"),
        ("pt", "umsab_pt"),
    ];
    for (language, source) in LANGUAGES {
        for (part, dev) in [("train", false), ("dev", true)] {
            let table = Table::read(&data.join("multilingual").join(format!("umsab_{language}_{part}.tsv")))?;
            table.rows(&["label", "text"], |row| {
                let Ok(tone) = row.get("label").parse::<Tone>() else { return };
                let labels = if dev { Labels::none() } else { off_topic() };
                let weight = match language {
                    "hi" => HINDI_WEIGHT,
                    _ if dev => 1.0,
                    _ => LANGUAGE_WEIGHT,
                };
                let mut example = Example::new(source, language, row.get("text"), labels.tone(tone.code(), weight));
                example.dev = dev;
                examples.push(example);
            })?;
        }
    }
    Ok(())
}

fn off_topic() -> Labels {
    Labels::none()
        .signal(Signal::Other.code(), OFF_TOPIC_WEIGHT)
        .topic(Topic::Other.code(), OFF_TOPIC_WEIGHT)
        .urgency(Urgency::Routine.code(), OFF_TOPIC_WEIGHT)
}
