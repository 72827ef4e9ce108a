//! `civicpulse model`: weights trained again, evaluated, fetched, described.

use std::path::Path;

use anyhow::{Context, Result};
use feedback::{Signal, Tone, Topic, Urgency};
use models::compact::CompactModel;
use models::quantify::Reference;
use models::train::{Hyper, Options};

use super::transformer;
use crate::cli::{Model, Tier};

/// Does what was asked of the model.
pub fn execute(arguments: &Model) -> Result<()> {
    match arguments {
        Model::Train(arguments) => match arguments.tier {
            Tier::Compact => train(&arguments.data, &arguments.seeds, &arguments.output),
            Tier::Transformer => transformer::train(arguments, &options(&arguments.data, &arguments.seeds)),
        },
        Model::Evaluate(arguments) => match arguments.tier {
            Tier::Compact => evaluate(
                &options(&arguments.data, &arguments.seeds),
                &arguments.output,
                arguments.weights.as_deref(),
                arguments.vader.as_deref(),
            ),
            Tier::Transformer => transformer::evaluate(arguments, &options(&arguments.data, &arguments.seeds)),
        },
        Model::Fetch { name, dir, revision } => transformer::fetch(name, dir, revision),
        Model::Info => {
            info();
            Ok(())
        }
    }
}

fn options(data: &Path, seeds: &Path) -> Options {
    Options { data: data.to_owned(), seeds: seeds.to_owned(), hyper: Hyper::default() }
}

fn train(data: &Path, seeds: &Path, output: &Path) -> Result<()> {
    let weights = models::train::train(&options(data, seeds), &mut |line| eprintln!("{line}"))?;
    std::fs::write(output, &weights).with_context(|| format!("cannot write {}", output.display()))?;
    println!("{} bytes in {}", weights.len(), output.display());
    let reference = Reference::of_training(&weights, &options(data, seeds), &mut |line| eprintln!("{line}"))?;
    let beside = output.with_file_name(Reference::FILE_NAME);
    std::fs::write(&beside, reference.to_json()).with_context(|| format!("cannot write {}", beside.display()))?;
    println!("how they read texts that were kept aside, for `shares`, in {}", beside.display());
    Ok(())
}

fn evaluate(options: &Options, output: &Path, weights: Option<&Path>, vader: Option<&Path>) -> Result<()> {
    let other = weights.map(CompactModel::load).transpose()?;
    let model = other.as_ref().unwrap_or_else(|| CompactModel::shipped());
    let report = models::evaluate::report(model, &models::train::examples(options)?, vader)?;
    std::fs::write(output, report).with_context(|| format!("cannot write {}", output.display()))?;
    println!("the report is in {}", output.display());
    Ok(())
}

fn info() {
    println!("version   {}", CompactModel::shipped().version());
    println!("size      {} bytes", CompactModel::shipped().file_bytes());
    for (head, words) in
        [("tone", Tone::WORDS), ("signal", Signal::WORDS), ("topic", Topic::WORDS), ("urgency", Urgency::WORDS)]
    {
        println!("{head:9} {}", words.join(", "));
    }
}
