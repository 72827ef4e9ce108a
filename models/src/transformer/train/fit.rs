//! The loop over batches.

use std::time::Instant;

use tch::nn::{self, OptimizerConfig, VarStore};
use tch::{Device, Tensor};

use super::loss::Loss;
use super::{Settings, batches, config, messages, weights};
use crate::train::random::Random;
use crate::train::{Example, Labels};
use crate::transformer::error::TransformerError;
use crate::transformer::network::{Batch, HEAD_PREFIX, MultiHead};
use crate::transformer::tokens::{Context, Tokens};

/// Steps between two lines of progress.
const REPORT_STEPS: usize = 50;
/// The gradient's largest norm: a batch of odd texts does not throw the weights about.
const MAX_GRADIENT: f64 = 1.0;

/// A training run under way.
pub(super) struct Fit<'a> {
    settings: &'a Settings,
    texts: Vec<Vec<i64>>,
    labels: Vec<Labels>,
    padding: i64,
    network: MultiHead,
    store: VarStore,
    optimizer: nn::Optimizer,
    loss: Loss,
    random: Random,
    step: usize,
    steps: usize,
    started: Instant,
}

impl<'a> Fit<'a> {
    /// Everything that does not change from batch to batch; the encoder is loaded, the heads are random.
    pub(super) fn new(settings: &'a Settings, examples: &[&Example]) -> Result<Self, TransformerError> {
        let (bert, _) = config::encoder(&settings.base)?;
        let max_tokens = settings.max_tokens.min(bert.max_position_embeddings as usize);
        let mut tokens = Tokens::word_piece(&settings.base, max_tokens, bert.vocab_size)?;
        let texts: Vec<Vec<i64>> = messages(examples).iter().map(|message| tokens.encode(message, Context::Before)).collect();
        tch::manual_seed(settings.seed as i64);
        let store = VarStore::new(Device::Cpu);
        let network = MultiHead::new(&store.root(), &bert);
        let path = weights::find(&settings.base)?;
        let is_encoder = |name: &str| !name.starts_with(HEAD_PREFIX);
        weights::Weights::read(&path)?.without_prefix("bert.").copy_into(&store, is_encoder)?;
        let adam = nn::AdamW { wd: settings.weight_decay, ..nn::AdamW::default() };
        let optimizer = adam.build(&store, settings.peak_step).map_err(TransformerError::torch("making the optimizer"))?;
        let whole = settings.epochs * texts.len().div_ceil(settings.batch_texts);
        Ok(Self {
            settings,
            labels: examples.iter().map(|example| example.labels).collect(),
            padding: tokens.padding,
            network,
            store,
            optimizer,
            loss: Loss::new(examples, settings),
            random: Random::new(settings.seed),
            step: 0,
            steps: settings.max_steps.map_or(whole, |most| most.min(whole)),
            texts,
            started: Instant::now(),
        })
    }

    /// One pass over the texts; false when the last step of the run came before its end.
    pub(super) fn epoch(&mut self, epoch: usize, progress: &mut dyn FnMut(&str)) -> Result<bool, TransformerError> {
        let lengths: Vec<usize> = self.texts.iter().map(Vec::len).collect();
        let (mut recent, mut count) = (0.0, 0);
        for batch in batches::epoch(&lengths, self.settings.batch_texts, &mut self.random) {
            if self.step >= self.steps {
                return Ok(false);
            }
            recent += self.learn(&batch)?;
            count += 1;
            if self.step.is_multiple_of(REPORT_STEPS) || self.step == self.steps {
                let loss = recent / f64::from(count);
                let seconds = self.started.elapsed().as_secs_f64();
                let left_min = seconds / self.step as f64 * (self.steps - self.step) as f64 / 60.0;
                progress(&format!(
                    "epoch {epoch}, step {} of {}: loss {loss:.4}, {left_min:.0} min left",
                    self.step, self.steps
                ));
                (recent, count) = (0.0, 0);
            }
        }
        Ok(true)
    }

    /// One step; the loss of the batch.
    fn learn(&mut self, batch: &[usize]) -> Result<f64, TransformerError> {
        let doing = "training on a batch";
        self.optimizer.set_lr(self.settings.peak_step * schedule(self.step, self.steps, self.settings.warm_up));
        self.step += 1;
        let input = Batch::new(batch.iter().map(|text| self.texts[*text].as_slice()), self.padding)?;
        let labels: Vec<Labels> = batch.iter().map(|text| self.labels[*text]).collect();
        let loss = self.loss.of(&self.network.logits(&input, true)?, &labels)?;
        let value = value(&loss)?;
        if !value.is_finite() {
            let problem = format!("the loss is {value} at step {}: a smaller step may help", self.step);
            return Err(TransformerError::Torch { doing, problem });
        }
        // A batch without any label has nothing to teach.
        if loss.requires_grad() {
            self.optimizer.backward_step_clip_norm(&loss, MAX_GRADIENT);
        }
        Ok(value)
    }

    /// The variables.
    pub(super) fn store(&self) -> &VarStore {
        &self.store
    }

    /// Batches learnt from.
    pub(super) fn steps_done(&self) -> usize {
        self.step
    }
}

fn value(loss: &Tensor) -> Result<f64, TransformerError> {
    f64::try_from(loss).map_err(TransformerError::torch("computing the loss"))
}

/// The part of the largest step that step `step` of `steps` takes: up in a straight line, then down to zero.
fn schedule(step: usize, steps: usize, warm_up: f64) -> f64 {
    let warm = (steps as f64 * warm_up).ceil();
    let step = step as f64;
    if step < warm { (step + 1.0) / warm } else { (steps as f64 - step) / (steps as f64 - warm).max(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_grows_and_falls_in_straight_lines() {
        let steps: Vec<f64> = (0..100).map(|step| schedule(step, 100, 0.1)).collect();
        assert_eq!((steps[0], steps[9], steps[10]), (0.1, 1.0, 1.0));
        assert!(steps[..10].is_sorted() && steps[10..].iter().rev().is_sorted());
        assert!(steps[99] > 0.0 && steps[99] < 0.02);
        assert_eq!(schedule(0, 1, 0.0), 1.0);
        assert!(schedule(0, 1, 0.5) > 0.0);
    }
}
