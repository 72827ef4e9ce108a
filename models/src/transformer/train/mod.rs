//! Fine-tuning: from a sentence encoder and labelled texts to a checkpoint of all heads.
//!
//! The recipe is the usual one for BERT (Devlin et al. 2019): AdamW (Loshchilov & Hutter 2019), warm-up and linear decay of the
//! step, dropout, a few epochs; with batches of texts of similar length, label smoothing (Szegedy et al. 2016), classes
//! weighted against their frequency, and one loss over all heads: a text teaches the heads that it has labels for. The texts
//! are those of the compact tier ([`crate::train`]). The same seed, texts and number of threads give the same weights.

mod batches;
mod checkpoint;
mod fit;
mod loss;

use std::path::PathBuf;

use super::error::TransformerError;
use super::evaluate::predict;
use super::model::Model;
use super::{config, weights};
use crate::cascade::{Heads, Message};
use crate::compact::HEADS;
use crate::train::{Example, examples};

/// How to train. The defaults are the published recipe.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Directory of the encoder to begin from: config.json, vocab.txt and weights of a BERT (MiniLM, ...) or of a checkpoint
    /// that was trained here.
    pub base: PathBuf,
    /// Where the checkpoint goes; a checkpoint that is there already is replaced when the new one is complete.
    pub output: PathBuf,
    /// Only texts of these sources, by the names in [`crate::train::Example::source`]; empty: all.
    pub sources: Vec<String>,
    /// Every random number follows from it.
    pub seed: u64,
    /// Passes over the texts.
    pub epochs: usize,
    /// Ends earlier, after so many batches: for trials.
    pub max_steps: Option<usize>,
    /// Texts of a batch.
    pub batch_texts: usize,
    /// Tokens of a text that are read.
    pub max_tokens: usize,
    /// The largest step.
    pub peak_step: f64,
    /// Share of all steps in which the step grows to its largest.
    pub warm_up: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Share of a label that is spread over all classes.
    pub smoothing: f64,
    /// 0: classes count by their frequency; 1: all classes count the same.
    pub balance: [f64; HEADS.len()],
    /// How much a head counts.
    pub head_weight: [f64; HEADS.len()],
    /// Cores for a batch; 0: as many as there are.
    pub threads: usize,
}

impl Settings {
    /// The defaults, from and to these directories.
    pub fn new(base: PathBuf, output: PathBuf) -> Self {
        Self {
            base,
            output,
            sources: Vec::new(),
            seed: 311,
            epochs: 2,
            max_steps: None,
            batch_texts: 32,
            max_tokens: 128,
            peak_step: 6e-5,
            warm_up: 0.06,
            weight_decay: 0.01,
            smoothing: 0.05,
            balance: [1.0, 0.5, 0.5, 0.5],
            head_weight: [1.0; HEADS.len()],
            threads: 0,
        }
    }

    fn check(&self) -> Result<(), TransformerError> {
        let wrong = |problem| Err(TransformerError::Setting(problem));
        match self {
            _ if self.epochs == 0 => wrong("at least one epoch is needed"),
            _ if !(1..=1024).contains(&self.batch_texts) => wrong("a batch has 1 to 1024 texts"),
            _ if self.max_tokens < 3 => wrong("a text has two tokens around it: max_tokens is at least 3"),
            _ if !(self.peak_step.is_finite() && self.peak_step > 0.0) => wrong("the step must be above zero"),
            _ if !(0.0..1.0).contains(&self.warm_up) => wrong("warm_up is a share of the steps, below 1"),
            _ if !(0.0..1.0).contains(&self.smoothing) => wrong("smoothing is a share of a label, below 1"),
            _ => Ok(()),
        }
    }
}

/// Trains, calibrates and writes the checkpoint, after every epoch anew. `progress` hears a line now and then.
///
/// # Errors
/// The base or the data cannot be read, a head has no text, libtorch fails, or the checkpoint cannot be written.
pub fn train(
    settings: &Settings,
    data: &crate::train::Options,
    progress: &mut dyn FnMut(&str),
) -> Result<(), TransformerError> {
    settings.check()?;
    let mut examples = examples(data)?;
    // A source that evaluation calls unseen must not calibrate either.
    examples.retain(|example| !example.unseen);
    if !settings.sources.is_empty() {
        examples.retain(|example| settings.sources.iter().any(|source| source == example.source));
    }
    let (dev, texts): (Vec<&Example>, Vec<&Example>) = examples.iter().partition(|example| example.dev);
    let reads = taught(&texts, data)?;
    if settings.threads > 0 {
        tch::set_num_threads(i32::try_from(settings.threads).unwrap_or(i32::MAX));
    }
    progress(&format!("{} texts to train, {} kept aside", texts.len(), dev.len()));
    let mut fit = fit::Fit::new(settings, &texts)?;
    for epoch in 1..=settings.epochs {
        let finished = fit.epoch(epoch, progress)?;
        let checkpoint = checkpoint::Checkpoint { settings, reads, texts: texts.len(), epoch, steps: fit.steps_done() };
        checkpoint.write(fit.store(), &dev, progress)?;
        let mut model = Model::load(&settings.output)?;
        let by_head = predict(&mut model, &dev)?;
        for ((head, source), p) in by_head.iter().filter(|((_, source), _)| matches!(*source, "tweets" | "all")) {
            let (recall, top) = (p.macro_recall(), p.top(1));
            progress(&format!(
                "epoch {epoch}: {head} of {source}: macro recall {recall:.4}, top 1 {top:.4}, {} texts",
                p.len()
            ));
        }
        if !finished {
            break;
        }
    }
    Ok(())
}

/// What texts teach: all heads or tone alone. A head that hears of one class, or of none, learns nothing, and a checkpoint with such
/// heads beside others is of no use.
fn taught(texts: &[&Example], data: &crate::train::Options) -> Result<Heads, TransformerError> {
    let is_missing = |head: &usize| {
        let mut classes = texts.iter().filter_map(|example| Some(example.labels.get(*head)?.0));
        let first = classes.next();
        classes.all(|class| Some(class) == first)
    };
    let missing: Vec<usize> = (0..HEADS.len()).filter(is_missing).collect();
    match missing[..] {
        [] => Ok(Heads::All),
        [1, 2, 3] => Ok(Heads::Tone),
        [head, ..] => {
            Err(crate::train::TrainError::Empty { head: HEADS[head].name, path: data.data.display().to_string() }.into())
        }
    }
}

/// Messages of examples, as a model is asked.
fn messages(examples: &[&Example]) -> Vec<Message> {
    examples.iter().map(|example| Message::from(&example.input())).collect()
}
