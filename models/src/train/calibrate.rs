//! Calibration: three numbers per head and group of messages that make probabilities mean what they say.

use super::Example;
use super::seeds;
use crate::compact::{
    Calibration, Calibrations, CompactModel, HEADS, LANGUAGE_GROUPS, OUTPUTS, Scratch, against_top, argmax, calibration_group,
    softmax,
};

/// Examples of a group below which a wider group's calibration is used.
const MIN_EXAMPLES: usize = 100;

/// Labels that count less are too weak to say how sure a model may be.
const MIN_WEIGHT: f32 = 0.5;

/// A label with its logits and its weight.
type Labelled<'a> = (&'a [f32; OUTPUTS], u8, f32);

/// The calibrations under which the labels of `dev` are most likely. The project's own messages are read once as they are and once with a
/// title, as a portal has it: hardly any other source has titles.
pub(super) fn calibrations(model: &CompactModel, dev: &[&Example]) -> Calibrations {
    let titled: Vec<Example> = dev.iter().filter(|example| example.source == seeds::SOURCE).map(|e| seeds::titled(e)).collect();
    let examples: Vec<&Example> = dev.iter().copied().chain(&titled).collect();
    let mut scratch = Scratch::default();
    let logits: Vec<[f32; OUTPUTS]> = examples.iter().map(|example| model.logits(&example.input(), &mut scratch)).collect();
    std::array::from_fn(|group| {
        std::array::from_fn(|head| {
            let chosen = |fits: &dyn Fn(usize) -> bool| -> Vec<Labelled<'_>> {
                (examples.iter().zip(&logits))
                    .filter(|(example, _)| fits(calibration_group(&example.input())))
                    .filter_map(|(example, logits)| example.labels.get(head).map(|(code, weight)| (logits, code, weight)))
                    .filter(|(_, _, weight)| *weight >= MIN_WEIGHT)
                    .collect()
            };
            // The group itself, its language with and without a title, everything.
            let widening: [&dyn Fn(usize) -> bool; 3] =
                [&|of| of == group, &|of| of % LANGUAGE_GROUPS == group % LANGUAGE_GROUPS, &|_| true];
            let enough = widening.iter().map(|fits| chosen(fits)).find(|labelled| labelled.len() >= MIN_EXAMPLES);
            best_calibration(head, &enough.unwrap_or_else(|| chosen(&|_| true)))
        })
    })
}

/// The best temperature, and the line by which the most probable class is then right as often as it says: a logistic regression on its
/// log odds, by Newton's method.
fn best_calibration(head: usize, labelled: &[Labelled<'_>]) -> Calibration {
    /// More than it takes.
    const STEPS: usize = 25;
    /// A line steeper or flatter than this is one of too few texts.
    const SLOPES: std::ops::RangeInclusive<f64> = 0.3..=3.0;
    let temperature = best_temperature(head, labelled);
    let mut terms = [0.0; OUTPUTS];
    let mut top = |(logits, code, weight): &Labelled<'_>| {
        let logits = &logits[HEADS[head].range()];
        // Beyond these odds nobody can tell how sure a class is.
        let odds_against = f64::from(against_top(logits, temperature, &mut terms)).clamp(1e-6, 1e6);
        (-odds_against.ln(), f64::from(u8::from(argmax(logits) == usize::from(*code))), f64::from(*weight))
    };
    let tops: Vec<(f64, f64, f64)> = labelled.iter().map(&mut top).collect();
    let (mut slope, mut shift) = (1.0, 0.0);
    for _ in 0..STEPS {
        // Gradient and curvature of the log likelihood, with a report's worth of belief in the line as it is.
        let (mut by_slope, mut by_shift) = (1.0 - slope, -shift);
        let (mut slope_slope, mut slope_shift, mut shift_shift) = (1.0, 0.0, 1.0);
        for (log_odds, is_right, weight) in &tops {
            let sure = 1.0 / (1.0 + (-(slope * log_odds + shift)).exp());
            let (miss, curve) = (weight * (is_right - sure), weight * sure * (1.0 - sure));
            by_slope += miss * log_odds;
            by_shift += miss;
            slope_slope += curve * log_odds * log_odds;
            slope_shift += curve * log_odds;
            shift_shift += curve;
        }
        let determinant = slope_slope * shift_shift - slope_shift * slope_shift;
        slope += (shift_shift * by_slope - slope_shift * by_shift) / determinant;
        shift += (slope_slope * by_shift - slope_shift * by_slope) / determinant;
        slope = slope.clamp(*SLOPES.start(), *SLOPES.end());
    }
    Calibration { temperature, slope: slope as f32, shift: shift as f32 }
}

/// The temperature under which labels are most likely (Guo et al. 2017), by golden-section search.
pub(crate) fn best_temperature(head: usize, labelled: &[Labelled<'_>]) -> f32 {
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
