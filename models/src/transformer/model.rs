//! A loaded model: messages in, probabilities out, on the caller's thread.

use std::path::Path;

use tch::nn::VarStore;
use tch::{Device, Kind};

use super::config::{Architecture, Config};
use super::error::TransformerError;
use super::network::{Batch, Network};
use super::tokens::{Context, Tokens};
use super::weights::{self, Weights};
use crate::cascade::{Heads, Message, SecondReading};
use crate::compact::{Calibration, HEADS, OUTPUTS, Reading, softmax};

/// Texts that go through the network together.
const BATCH_TEXTS: usize = 64;
/// Tokens that go through together, fillers included: bounds the memory of a batch of long texts, and keeps what passes between two layers
/// (some MiB) in the cores' caches.
const BATCH_TOKENS: usize = 512;

/// A model with its tokenizer. `Send`, not `Sync`: one thread reads with it.
pub(super) struct Model {
    tokens: Tokens,
    network: Network,
    config: Config,
    version: String,
    // Owns the memory of the variables.
    _store: VarStore,
}

impl Model {
    /// Loads a directory.
    ///
    /// # Errors
    /// A file is missing or damaged, the architecture is unknown, the files do not belong together, or the labels are no tones.
    pub(super) fn load(dir: &Path) -> Result<Self, TransformerError> {
        let config = Config::read(dir)?;
        let tokens = Tokens::read(dir, &config)?;
        let path = weights::find(dir)?;
        let checksum = weights::checksum(&path)?;
        if let Architecture::MultiHead(_, own) = &config.architecture
            && own.weights_xxh3 != format!("{checksum:016x}")
        {
            let problem = "its checksum is not the one in config.json: the file is damaged, or from another training";
            return Err(TransformerError::content(&path, problem));
        }
        let mut store = VarStore::new(Device::Cpu);
        let network = Network::new(&store, &config.architecture)?;
        Weights::read(&path)?.copy_into(&store, |_| true)?;
        store.freeze();
        let version = format!("transformer-{:08x}", checksum >> 32);
        Ok(Self { tokens, network, config, version, _store: store })
    }

    /// Tier, and the beginning of the checksum of the weights.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// What it reads.
    pub(super) fn heads(&self) -> Heads {
        if let Architecture::MultiHead(_, own) = &self.config.architecture { own.reads() } else { Heads::Tone }
    }

    /// Reads messages: one reading each, in their order. Texts of similar length go through the network together, so what
    /// stands beside a text changes its probabilities by rounding only (less than 1e-5).
    pub(super) fn read(&mut self, messages: &[Message]) -> Result<Vec<SecondReading>, TransformerError> {
        let rows = self.logits(messages)?;
        Ok(rows.iter().map(|logits| self.reading(logits)).collect())
    }

    /// Logits of all heads before calibration; only of a multi-head model.
    pub(super) fn head_logits(&mut self, messages: &[Message]) -> Result<Vec<[f32; OUTPUTS]>, TransformerError> {
        let rows = self.logits(messages)?;
        Ok(rows.iter().map(|row| std::array::from_fn(|output| row[output])).collect())
    }

    fn logits(&mut self, messages: &[Message]) -> Result<Vec<Vec<f32>>, TransformerError> {
        let is_own = matches!(self.config.architecture, Architecture::MultiHead(..));
        let context = if is_own { Context::Before } else { Context::TextAlone };
        let texts: Vec<Vec<i64>> = messages.iter().map(|message| self.tokens.encode(message, context)).collect();
        let mut rows = vec![Vec::new(); texts.len()];
        for batch in batches(&texts) {
            let tokens = Batch::new(batch.iter().map(|text| texts[*text].as_slice()), self.tokens.padding)?;
            let logits = self.network.logits(&tokens)?.to_kind(Kind::Float);
            let values = Vec::<Vec<f32>>::try_from(&logits).map_err(TransformerError::torch("reading a batch"))?;
            for (text, values) in batch.iter().zip(values) {
                rows[*text] = values;
            }
        }
        Ok(rows)
    }

    fn reading(&self, logits: &[f32]) -> SecondReading {
        match &self.config.architecture {
            Architecture::MultiHead(_, own) => {
                let logits: [f32; OUTPUTS] = std::array::from_fn(|output| logits[output]);
                let reading = Reading::new(&logits, &own.temperatures.map(Calibration::of_temperature));
                if own.reads() == Heads::All { SecondReading::All(reading) } else { SecondReading::Tone(reading.tone) }
            }
            _ => {
                let mut classes = vec![0.0; self.config.tones.classes()];
                softmax(logits, 1.0, &mut classes);
                SecondReading::Tone(self.config.tones.tones(&classes))
            }
        }
    }
}

/// Positions of texts in batches, shortest first, so that little is filled up.
fn batches(texts: &[Vec<i64>]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|text| texts[*text].len());
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for text in order {
        let length = texts[text].len();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_TEXTS && (batch.len() + 1) * length <= BATCH_TOKENS => batch.push(text),
            _ => batches.push(vec![text]),
        }
    }
    batches
}

const _: () = assert!(HEADS[HEADS.len() - 1].start + HEADS[HEADS.len() - 1].len == OUTPUTS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_every_text_once_within_their_bounds() {
        let texts: Vec<Vec<i64>> = (0..1000).map(|n| vec![1; 2 + (n * 37) % 255]).collect();
        let batches = batches(&texts);
        let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
        let lengths: Vec<usize> = seen.iter().map(|text| texts[*text].len()).collect();
        assert!(lengths.is_sorted(), "shortest first");
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..1000));
        for batch in &batches {
            let longest = batch.iter().map(|text| texts[*text].len()).max().unwrap();
            assert!(batch.len() <= BATCH_TEXTS && batch.len() * longest <= BATCH_TOKENS.max(longest));
        }
        assert!(super::batches(&[]).is_empty());
    }
}
