//! Trains and measures language identification.
//!
//! `language train DATA OUT` writes the weights that ship; `language measure DATA` trains on four fifths of the words, pairs and
//! sentences and prints accuracy on the other fifth and on tweets, calibration and speed: the table of `LANGUAGE.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use models::language::train::{Example, parse_tsv, train};
use models::language::{Identifier, MIN_CONFIDENCE};

/// Languages that have tweets; so many of each are trained on.
const TWEETS: [&str; 7] = ["ar", "de", "en", "es", "fr", "it", "pt"];
const TWEETS_EACH: usize = 400;

const SETS: [(&str, bool); 3] = [("single_words", false), ("word_pairs", false), ("sentences", true)];

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["train", data, out] => {
            let mut examples = tweets(Path::new(data), "train")?;
            for (name, cut) in SETS {
                examples.extend(parse_tsv(&read(&Path::new(data).join("language"), name)?, cut));
            }
            Ok(std::fs::write(out, train(&examples))?)
        }
        ["measure", data] => measure(Path::new(data)),
        _ => Err("usage: language train DATA OUT | language measure DATA".into()),
    }
}

fn read(folder: &Path, name: &str) -> Result<String, Error> {
    let path: PathBuf = folder.join(format!("{name}.tsv"));
    std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()).into())
}

/// Tweets of the seven languages. Only `train` is cut to a few hundred.
fn tweets(data: &Path, split: &str) -> Result<Vec<Example>, Error> {
    let mut examples = Vec::new();
    for language in TWEETS {
        let tsv = read(&data.join("multilingual"), &format!("umsab_{language}_{split}"))?;
        let limit = if split == "train" { TWEETS_EACH } else { usize::MAX };
        examples.extend(
            parse_tsv(&tsv, false).into_iter().take(limit).map(|example| Example { language: language.to_owned(), ..example }),
        );
    }
    Ok(examples)
}

fn measure(data: &Path) -> Result<(), Error> {
    let mut examples = tweets(data, "train")?;
    let mut held_out: Vec<(String, Vec<Example>)> = Vec::new();
    for (name, cut) in SETS {
        let (out, kept) =
            parse_tsv(&read(&data.join("language"), name)?, cut).into_iter().partition(|example| is_held_out(&example.text));
        examples.extend::<Vec<_>>(kept);
        held_out.push((name.to_owned(), out));
    }
    for example in tweets(data, "dev")? {
        let name = format!("tweets {}", example.language);
        match held_out.iter_mut().find(|(known, _)| *known == name) {
            Some((_, rows)) => rows.push(example),
            None => held_out.push((name, vec![example])),
        }
    }
    let weights = train(&examples);
    let identifier = Identifier::from_bytes(&weights).ok_or("the trainer wrote no weights file")?;
    for (name, rows) in &held_out {
        report(&identifier, name, rows);
    }
    Ok(())
}

/// A fifth, by the text.
fn is_held_out(text: &str) -> bool {
    text.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)) >> 7
        & 0xFF
        < 51
}

fn report(identifier: &Identifier<'_>, name: &str, rows: &[Example]) {
    let start = Instant::now();
    let answers: Vec<_> = rows.iter().map(|row| identifier.identify(&row.text)).collect();
    let us = start.elapsed().as_secs_f64() * 1e6 / rows.len() as f64;
    let mut by: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    let mut bins = [(0.0, 0.0, 0.0); 10];
    let mut undetermined = 0;
    for (row, (language, confidence)) in rows.iter().zip(&answers) {
        let right = f64::from(u8::from(language.as_str() == row.language));
        let entry = by.entry(&row.language).or_default();
        *entry = (entry.0 + right, entry.1 + 1.0);
        undetermined += usize::from(*confidence < MIN_CONFIDENCE);
        let bin = &mut bins[((f64::from(*confidence) * 10.0) as usize).min(9)];
        *bin = (bin.0 + 1.0, bin.1 + right, bin.2 + f64::from(*confidence));
    }
    let mean = by.values().map(|(right, all)| right / all).sum::<f64>() / by.len() as f64;
    let ece = bins.iter().map(|(_, right, confidence)| (right - confidence).abs()).sum::<f64>() / rows.len() as f64;
    println!(
        "{name}: {} rows, {} languages, accuracy {:.1} %, und {undetermined}, calibration error {ece:.3}, {us:.2} us a text",
        rows.len(),
        by.len(),
        mean * 100.0
    );
    if by.len() > 1 {
        let each: Vec<String> =
            by.iter().map(|(language, (right, all))| format!("{language} {:.0}", right / all * 100.0)).collect();
        println!("  {}", each.join(", "));
    }
}
