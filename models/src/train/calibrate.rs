//! Temperatures: one number per head and group of messages that makes probabilities mean what they say.

use super::Example;
use super::seeds;
use crate::compact::{CompactModel, HEADS, LANGUAGE_GROUPS, OUTPUTS, Scratch, Temperatures, softmax, temperature_group};

/// Examples of a group below which a wider group's temperature is used.
const MIN_EXAMPLES: usize = 100;

/// Labels that count less are too weak to say how sure a model may be.
const MIN_WEIGHT: f32 = 0.5;

/// The temperatures under which the labels of `dev` are most likely (Guo et al. 2017), by golden-section search. The project's
/// own messages are read once as they are and once with a title, as a portal has it: hardly any other source has titles.
pub(super) fn temperatures(model: &CompactModel, dev: &[&Example]) -> Temperatures {
    let titled: Vec<Example> = dev.iter().filter(|example| example.source == seeds::SOURCE).map(|e| seeds::titled(e)).collect();
    let examples: Vec<&Example> = dev.iter().copied().chain(&titled).collect();
    let mut scratch = Scratch::default();
    let logits: Vec<[f32; OUTPUTS]> = examples.iter().map(|example| model.logits(&example.input(), &mut scratch)).collect();
    std::array::from_fn(|group| {
        std::array::from_fn(|head| {
            let chosen = |fits: &dyn Fn(usize) -> bool| -> Vec<(&[f32; OUTPUTS], u8, f32)> {
                (examples.iter().zip(&logits))
                    .filter(|(example, _)| fits(temperature_group(&example.input())))
                    .filter_map(|(example, logits)| example.labels.get(head).map(|(code, weight)| (logits, code, weight)))
                    .filter(|(_, _, weight)| *weight >= MIN_WEIGHT)
                    .collect()
            };
            // The group itself, its language with and without a title, everything.
            let widening: [&dyn Fn(usize) -> bool; 3] =
                [&|of| of == group, &|of| of % LANGUAGE_GROUPS == group % LANGUAGE_GROUPS, &|_| true];
            let enough = widening.iter().map(|fits| chosen(fits)).find(|labelled| labelled.len() >= MIN_EXAMPLES);
            best_temperature(head, &enough.unwrap_or_else(|| chosen(&|_| true)))
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
