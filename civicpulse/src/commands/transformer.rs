//! What the commands do with a transformer. Without the feature they say that it is not there.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use models::cascade::{Message, SecondReader};
use models::compact::Reading;

pub use built::{evaluate, fetch, train};

use super::classify::{Reader, write_line};
use super::texts::{Row, Texts};
use crate::cli::LinesFormat;

/// Rows that are read together: enough to sort by length, few enough that lines keep coming.
const ROWS_TOGETHER: usize = 512;
/// How long such a part may take before something must be wrong. The largest models read some texts a second.
const PATIENCE: Duration = Duration::from_secs(600);

/// `classify` with a transformer: its heads from it, the others from the compact tier, in input order.
pub fn classify(
    texts: &mut Texts,
    reader: &mut Reader,
    second: &dyn SecondReader,
    format: LinesFormat,
    out: &mut impl Write,
) -> Result<()> {
    let mut number = 0;
    let mut row = Row::default();
    let mut more = true;
    while more {
        let mut first: Vec<(Reading, models::language::Language)> = Vec::with_capacity(ROWS_TOGETHER);
        let mut messages = Vec::with_capacity(ROWS_TOGETHER);
        while messages.len() < ROWS_TOGETHER.min(second.most_texts()) {
            more = texts.next(&mut row)?;
            if !more {
                break;
            }
            first.push(reader.read(&row));
            messages.push(Message {
                text: reader.masked(&row).to_owned(),
                title: row.title.take(),
                category: row.category.take(),
                prompt: row.prompt.take(),
            });
        }
        let readings = second.hand(messages)?.wait(PATIENCE)?;
        for ((first, language), reading) in first.iter().zip(readings) {
            write_line(out, format, number, language.as_str(), &reading.over(first))?;
            number += 1;
        }
        out.flush().context("cannot write the output")?;
    }
    Ok(())
}

#[cfg(feature = "transformer")]
mod built {
    use std::path::Path;

    use anyhow::{Context, Result};
    use models::train::Options;
    use models::transformer::fetch::{Fetch, HUB};
    use models::transformer::train::Settings;

    use crate::cli::{ModelEvaluate, ModelTrain};

    /// `model train --tier transformer`.
    pub fn train(arguments: &ModelTrain, data: &Options) -> Result<()> {
        let base = arguments.base.clone().context("name the encoder to begin from with --base")?;
        let settings = Settings {
            epochs: arguments.epochs,
            max_steps: arguments.steps,
            sources: arguments.sources.clone(),
            seed: arguments.seed,
            ..Settings::new(base, arguments.output.clone())
        };
        models::transformer::train::train(&settings, data, &mut |line| eprintln!("{line}"))?;
        println!("the checkpoint is in {}", arguments.output.display());
        Ok(())
    }

    /// `model evaluate --tier transformer`.
    pub fn evaluate(arguments: &ModelEvaluate, data: &Options) -> Result<()> {
        let model = arguments.model.as_deref().context("name the model with --model")?;
        print!("{}", models::transformer::evaluate::report(model, &models::train::examples(data)?)?);
        Ok(())
    }

    /// `model fetch`.
    pub fn fetch(name: &str, dir: &Path, revision: &str) -> Result<()> {
        let set = |variable: &str| std::env::var(variable).ok().filter(|value| !value.is_empty());
        let fetch = Fetch {
            name: name.to_owned(),
            revision: revision.to_owned(),
            endpoint: set("HF_ENDPOINT").unwrap_or_else(|| HUB.to_owned()),
            token: set("HF_TOKEN"),
            dir: dir.to_owned(),
        };
        let commit = models::transformer::fetch::fetch(&fetch, &mut |line| eprintln!("{line}"))?;
        println!("{name} at {commit} is in {}", dir.display());
        Ok(())
    }
}

#[cfg(not(feature = "transformer"))]
mod built {
    use std::path::Path;

    use anyhow::Result;
    use models::train::Options;

    use crate::cli::{ModelEvaluate, ModelTrain};
    use crate::tier::not_built;

    /// `model train --tier transformer`.
    pub fn train(_arguments: &ModelTrain, _data: &Options) -> Result<()> {
        Err(not_built())
    }

    /// `model evaluate --tier transformer`.
    pub fn evaluate(_arguments: &ModelEvaluate, _data: &Options) -> Result<()> {
        Err(not_built())
    }

    /// `model fetch`.
    pub fn fetch(_name: &str, _dir: &Path, _revision: &str) -> Result<()> {
        Err(not_built())
    }
}
