//! Temperatures: one number per head and group of languages that makes probabilities mean what they say.

use super::Example;
use crate::compact::{CompactModel, HEADS, LANGUAGE_GROUPS, OUTPUTS, Scratch, language_group, softmax};

/// Examples of a group below which the temperature of all languages is used.
const MIN_EXAMPLES: usize = 100;

/// Labels that count less are too weak to say how sure a model may be.
const MIN_WEIGHT: f32 = 0.5;

/// The temperatures under which the labels of `dev` are most likely (Guo et al. 2017), by golden-section search.
pub(super) fn temperatures(model: &CompactModel, dev: &[&Example]) -> [[f32; HEADS.len()]; LANGUAGE_GROUPS] {
    let mut scratch = Scratch::default();
    let logits: Vec<[f32; OUTPUTS]> = dev.iter().map(|example| model.logits(&example.input(), &mut scratch)).collect();
    std::array::from_fn(|group| {
        std::array::from_fn(|head| {
            let chosen = |any_group: bool| -> Vec<(&[f32; OUTPUTS], u8, f32)> {
                let of_group = |example: &Example| any_group || language_group(example.language) == group;
                (dev.iter().zip(&logits))
                    .filter(|(example, _)| of_group(example))
                    .filter_map(|(example, logits)| example.labels.get(head).map(|(code, weight)| (logits, code, weight)))
                    .filter(|(_, _, weight)| *weight >= MIN_WEIGHT)
                    .collect()
            };
            let own = chosen(false);
            best_temperature(head, &if own.len() >= MIN_EXAMPLES { own } else { chosen(true) })
        })
    })
}

pub(crate) fn best_temperature(head: usize, labelled: &[(&[f32; OUTPUTS], u8, f32)]) -> f32 {
    if labelled.is_empty() {
        return 1.0;
    }
    let loss = |log_temperature: f32| -> f64 {
        let mut probabilities = [0.0; OUTPUTS];
        let part = &mut probabilities[..HEADS[head].len];
        let mut sum = 0.0;
        for (logits, code, weight) in labelled {
            softmax(&logits[HEADS[head].range()], log_temperature.exp(), part);
            sum -= f64::from(*weight) * f64::from(part[usize::from(*code)].max(1e-9).ln());
        }
        sum
    };
    let golden = (5f32.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (0.2f32.ln(), 8f32.ln());
    for _ in 0..40 {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if loss(left) < loss(right) { high = right } else { low = left }
    }
    f32::midpoint(low, high).exp()
}
