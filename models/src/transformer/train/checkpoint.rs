//! A checkpoint on disk: complete, or not there.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tch::Tensor;
use tch::nn::VarStore;

use super::{Settings, config, messages, weights};
use crate::cascade::Heads;
use crate::compact::{HEADS, OUTPUTS};
use crate::train::Example;
use crate::train::calibrate::best_temperature;
use crate::transformer::config::{CONFIG, FORMAT, Own};
use crate::transformer::error::TransformerError;
use crate::transformer::model::Model;
use crate::transformer::tokens::{TOKENIZER_CONFIG, VOCAB_TXT};

/// Labels that count less are too weak to say how sure a model may be.
const MIN_WEIGHT: f32 = 0.5;
/// Texts per language group and head that a temperature is fitted on at most: it is one number.
const MAX_CALIBRATION_TEXTS: usize = 4000;

/// What a checkpoint says about itself.
pub(super) struct Checkpoint<'a> {
    pub(super) settings: &'a Settings,
    /// What the texts teach.
    pub(super) reads: Heads,
    pub(super) texts: usize,
    pub(super) epoch: usize,
    pub(super) steps: usize,
}

impl Checkpoint<'_> {
    /// Writes the variables beside `output`, fits the temperatures on `dev` with the model as it will be loaded, and puts the
    /// directory in its place.
    pub(super) fn write(
        &self,
        store: &VarStore,
        dev: &[&Example],
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), TransformerError> {
        let output = &self.settings.output;
        let part = beside(output, "part");
        if part.exists() {
            std::fs::remove_dir_all(&part).map_err(TransformerError::writing(&part))?;
        }
        std::fs::create_dir_all(&part).map_err(TransformerError::writing(&part))?;
        let path = part.join(weights::FILES[0]);
        let mut tensors: Vec<(String, Tensor)> = store.variables().into_iter().collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        Tensor::write_safetensors(&tensors, &path).map_err(TransformerError::torch("writing the weights"))?;
        for name in [VOCAB_TXT, TOKENIZER_CONFIG] {
            let (from, to) = (self.settings.base.join(name), part.join(name));
            if from.is_file() {
                std::fs::copy(&from, &to).map_err(TransformerError::writing(&to))?;
            }
        }
        let mut own = self.own(weights::checksum(&path)?);
        self.write_config(&part, &own)?;
        own.temperatures = temperatures(&mut Model::load(&part)?, dev)?;
        progress(&format!("temperatures {:.3?}", own.temperatures));
        self.write_config(&part, &own)?;
        replace(output, &part)
    }

    fn own(&self, checksum: u64) -> Own {
        let Settings { base, seed, batch_texts, peak_step, sources, .. } = self.settings;
        let base = base.file_name().map(|name| name.to_string_lossy().into_owned());
        Own {
            format: FORMAT,
            heads: config::own_heads(self.reads),
            temperatures: [1.0; HEADS.len()],
            max_tokens: self.settings.max_tokens,
            weights_xxh3: format!("{checksum:016x}"),
            made: json!({
                "base": base, "texts": self.texts, "sources": sources, "epochs": self.epoch, "steps": self.steps,
                "batch_texts": batch_texts, "peak_step": peak_step, "seed": seed,
            }),
        }
    }

    fn write_config(&self, part: &Path, own: &Own) -> Result<(), TransformerError> {
        let (_, base) = config::encoder(&self.settings.base)?;
        let value: Value = config::multi_head(base, own);
        let path = part.join(CONFIG);
        std::fs::write(&path, format!("{value:#}\n")).map_err(TransformerError::writing(&path))
    }
}

/// The temperatures under which the labels of `dev` are most likely (Guo et al. 2017); 1 where there is no label.
fn temperatures(model: &mut Model, dev: &[&Example]) -> Result<[f32; HEADS.len()], TransformerError> {
    // Evenly over the sources, which stand one behind the other.
    let every = dev.len().div_ceil(MAX_CALIBRATION_TEXTS).max(1);
    let dev: Vec<&Example> = dev.iter().step_by(every).copied().collect();
    let logits: Vec<[f32; OUTPUTS]> = model.head_logits(&messages(&dev))?;
    Ok(std::array::from_fn(|head| {
        let labelled: Vec<(&[f32; OUTPUTS], u8, f32)> = (dev.iter().zip(&logits))
            .filter_map(|(example, logits)| example.labels.get(head).map(|(code, weight)| (logits, code, weight)))
            .filter(|(_, _, weight)| *weight >= MIN_WEIGHT)
            .collect();
        best_temperature(head, &labelled)
    }))
}

/// Puts `part` where `output` is. Between the two renames there is no checkpoint under its name; a crash there leaves the old
/// one as `.old` and the new one as `.part`, both whole.
fn replace(output: &Path, part: &Path) -> Result<(), TransformerError> {
    let old = beside(output, "old");
    if old.exists() {
        std::fs::remove_dir_all(&old).map_err(TransformerError::writing(&old))?;
    }
    if output.exists() {
        std::fs::rename(output, &old).map_err(TransformerError::writing(output))?;
    }
    std::fs::rename(part, output).map_err(TransformerError::writing(output))?;
    if old.exists() {
        std::fs::remove_dir_all(&old).map_err(TransformerError::writing(&old))?;
    }
    Ok(())
}

fn beside(output: &Path, ending: &str) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    output.with_file_name(name)
}
