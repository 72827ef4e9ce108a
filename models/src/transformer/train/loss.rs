//! The loss: cross entropy with smoothed labels, of the heads that a text has labels for, classes weighted.

use tch::{Kind, Tensor};

use super::Settings;
use crate::compact::{HEADS, OUTPUTS};
use crate::train::{Example, Labels};
use crate::transformer::error::TransformerError;

/// A weight per class and head.
pub(super) struct Loss {
    class_weight: [f64; OUTPUTS],
    smoothing: f64,
}

impl Loss {
    /// Class weights: the inverse of their frequency to the power of the head's balance, 1 on average over the labels; times
    /// the weight of the head.
    pub(super) fn new(examples: &[&Example], settings: &Settings) -> Self {
        let mut counts = [0.0f64; OUTPUTS];
        for example in examples {
            for (position, head) in HEADS.iter().enumerate() {
                if let Some((code, weight)) = example.labels.get(position) {
                    counts[head.start + usize::from(code)] += f64::from(weight);
                }
            }
        }
        let mut class_weight = [0.0; OUTPUTS];
        for (position, head) in HEADS.iter().enumerate() {
            let counts = &counts[head.range()];
            let total: f64 = counts.iter().sum();
            let raw = |count: f64| if count > 0.0 { (total / count).powf(settings.balance[position]) } else { 0.0 };
            let mean = counts.iter().map(|count| raw(*count) * count).sum::<f64>() / total.max(1e-12);
            for (weight, count) in class_weight[head.range()].iter_mut().zip(counts) {
                *weight = raw(*count) / mean.max(1e-12) * settings.head_weight[position];
            }
        }
        Self { class_weight, smoothing: settings.smoothing }
    }

    /// The loss of a batch, a scalar: the sum over heads and texts, divided by the number of texts, so that a head with few or
    /// weak labels moves the encoder little.
    pub(super) fn of(&self, logits: &Tensor, labels: &[Labels]) -> Result<Tensor, TransformerError> {
        let doing = "computing the loss";
        let mut sum = Tensor::zeros([], (Kind::Float, logits.device()));
        for (position, head) in HEADS.iter().enumerate() {
            let label = |labels: &Labels| labels.get(position).unwrap_or((0, 0.0));
            let codes: Vec<i64> = labels.iter().map(|labels| i64::from(label(labels).0)).collect();
            let weights: Vec<f32> = labels
                .iter()
                .map(label)
                .map(|(code, weight)| weight * self.class_weight[head.start + usize::from(code)] as f32)
                .collect();
            if weights.iter().all(|weight| *weight == 0.0) {
                continue;
            }
            let log = logits.narrow(1, head.start as i64, head.len as i64).log_softmax(-1, Kind::Float);
            let codes = Tensor::f_from_slice(&codes).map_err(TransformerError::torch(doing))?.unsqueeze(1);
            let hit = -log.f_gather(1, &codes, false).map_err(TransformerError::torch(doing))?.squeeze_dim(1);
            let all = -log.mean_dim([1i64].as_slice(), false, Kind::Float);
            let smoothed = hit * (1.0 - self.smoothing) + all * self.smoothing;
            let weights = Tensor::f_from_slice(&weights).map_err(TransformerError::torch(doing))?;
            sum += (smoothed * weights).sum(Kind::Float);
        }
        Ok(sum / labels.len().max(1) as f64)
    }
}
