//! `civicpulse shares`: shares of the tones among texts, group by group.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use anyhow::{Context, Result, bail};
use models::quantify::{Estimate, Method, Reference, Share, Sketch, by_method, quantify};
use serde_json::{Map, Value, json};

use super::classify::Reader;
use super::progress::Spinner;
use super::texts::{Row, Texts};
use crate::cli::{Shares, SharesFormat};

/// Most groups in one table. A group takes at most `models::quantify::MAX_CELLS` cells of some 40 bytes, whatever the
/// number of its texts, and as many as it has texts where those are fewer.
const MAX_GROUPS: usize = 20_000;
/// Longest name of a group in bytes: a column of texts given as the group by mistake is noticed here.
const MAX_GROUP_BYTES: usize = 1000;
/// Texts between two messages on a terminal.
const SAY_EVERY: u64 = 2000;

const TONES: [&str; 3] = ["negative", "neutral", "positive"];

/// Reads the texts of the input and prints the shares of each group, in the order of their names.
pub fn execute(arguments: &Shares) -> Result<()> {
    let groups = read(arguments)?;
    let mut out = BufWriter::new(io::stdout().lock());
    match arguments.format {
        SharesFormat::Csv => write_csv(&mut out, &groups)?,
        SharesFormat::Json => write_json(&mut out, &groups)?,
    }
    out.flush().context("cannot write the output")
}

fn read(arguments: &Shares) -> Result<BTreeMap<String, Sketch>> {
    let mut texts = Texts::open_grouped(&arguments.input, &arguments.text_column, &arguments.group_column)?;
    let spinner = Spinner::new("reading texts");
    let mut groups: BTreeMap<String, Sketch> = BTreeMap::new();
    let mut reader = Reader::new();
    let (mut row, mut number) = (Row::default(), 0);
    while texts.next(&mut row)? {
        let (reading, language) = reader.read(&row);
        let group = row.group.take().unwrap_or_default();
        if !groups.contains_key(&group) {
            check_group(&group, groups.len(), &arguments.group_column)?;
        }
        groups.entry(group).or_default().add(&reading.tone, language.as_str());
        number += 1;
        if number % SAY_EVERY == 0 {
            spinner.say(&format!("{number} texts, {} groups", groups.len()));
        }
    }
    spinner.finish();
    Ok(groups)
}

/// Whether one more group is all right.
fn check_group(group: &str, groups: usize, column: &str) -> Result<()> {
    if groups >= MAX_GROUPS {
        bail!(
            "column `{column}` has more than {MAX_GROUPS} values: it does not look like a group; name another with --group-column"
        );
    }
    if group.len() > MAX_GROUP_BYTES {
        bail!(
            "column `{column}` has a value of {} bytes: it does not look like a group; name another with --group-column",
            group.len()
        );
    }
    Ok(())
}

fn estimate(sketch: &Sketch) -> Result<Estimate> {
    quantify(sketch, Reference::shipped()).context("a group without texts")
}

fn write_csv(out: &mut impl Write, groups: &BTreeMap<String, Sketch>) -> Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let shares = TONES.iter().flat_map(|tone| [(*tone).to_owned(), format!("{tone}_low"), format!("{tone}_high")]);
    let counted = TONES.iter().map(|tone| format!("counted_{tone}"));
    writer.write_record(["group", "n", "method"].map(str::to_owned).into_iter().chain(shares).chain(counted))?;
    for (group, sketch) in groups {
        let estimate = estimate(sketch)?;
        let shares = estimate.shares.iter().flat_map(|share| [share.share, share.low, share.high]);
        let numbers = shares.chain(estimate.counted).map(decimals);
        let key = [group.clone(), estimate.texts.to_string(), estimate.method.as_str().to_owned()];
        writer.write_record(key.into_iter().chain(numbers))?;
    }
    writer.flush().context("cannot write the output")
}

/// Six decimals: more would suggest a precision that no sample has.
fn decimals(share: f64) -> String {
    format!("{share:.6}")
}

fn write_json(out: &mut impl Write, groups: &BTreeMap<String, Sketch>) -> Result<()> {
    out.write_all(b"[")?;
    for (number, (group, sketch)) in groups.iter().enumerate() {
        let estimate = estimate(sketch)?;
        let mut object = Map::new();
        object.insert("group".to_owned(), json!(group));
        object.insert("n".to_owned(), json!(estimate.texts));
        object.insert("method".to_owned(), json!(estimate.method.as_str()));
        insert_shares(&mut object, &estimate.shares);
        for (tone, share) in TONES.iter().zip(estimate.counted) {
            object.insert(format!("counted_{tone}"), json!(rounded(share)));
        }
        object.insert("methods".to_owned(), Value::Object(methods(sketch)));
        out.write_all(if number == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &object).context("cannot write the output")?;
    }
    out.write_all(b"\n]\n").context("cannot write the output")
}

/// What every method says, so that their differences can be seen.
fn methods(sketch: &Sketch) -> Map<String, Value> {
    let mut all = Map::new();
    for method in Method::ALL {
        if let Some(estimate) = by_method(sketch, Reference::shipped(), method) {
            let mut object = Map::new();
            insert_shares(&mut object, &estimate.shares);
            all.insert(method.as_str().to_owned(), Value::Object(object));
        }
    }
    all
}

fn insert_shares(object: &mut Map<String, Value>, shares: &[Share]) {
    for (tone, share) in TONES.iter().zip(shares) {
        object.insert((*tone).to_owned(), json!(rounded(share.share)));
        object.insert(format!("{tone}_low"), json!(rounded(share.low)));
        object.insert(format!("{tone}_high"), json!(rounded(share.high)));
    }
}

fn rounded(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}
