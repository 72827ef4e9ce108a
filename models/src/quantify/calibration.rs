//! Probabilities that hold under the shares of the held-out texts: a temperature and a bias for each tone, the form of
//! calibration that expectation-maximisation needs (Alexandari, Kundaje & Shrikumar 2020). A temperature alone keeps what
//! training made of the shares: it weighs rare tones up.

use serde::{Deserialize, Serialize};

use super::sketch::TONES;

/// Rounds of Newton's method; it converges in a handful.
const ROUNDS: usize = 30;
/// Smallest probability whose logarithm is taken.
const LEAST: f64 = 1e-6;

/// `softmax(scale * log p + bias)`; the bias of neutral is zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Calibration {
    scale: f64,
    negative: f64,
    positive: f64,
}

impl Calibration {
    /// Says what the model says.
    pub(super) const NONE: Self = Self { scale: 1.0, negative: 0.0, positive: 0.0 };

    /// The parameters under which the true tones are most likely.
    pub(super) fn fit<'a>(labelled: impl Iterator<Item = (&'a [f32; TONES], usize)> + Clone) -> Self {
        let mut fitted = Self::NONE;
        for _ in 0..ROUNDS {
            let (mut gradient, mut curvature) = ([0.0; 3], [[1e-9, 0.0, 0.0], [0.0, 1e-9, 0.0], [0.0, 0.0, 1e-9]]);
            for (tone, truth) in labelled.clone() {
                let tone = tone.map(f64::from);
                let logs = tone.map(|p| p.max(LEAST).ln());
                let p = fitted.apply(&tone);
                // The derivative of each logit by scale, negative and positive.
                let by = [[logs[0], 1.0, 0.0], [logs[1], 0.0, 0.0], [logs[2], 0.0, 1.0]];
                let expected: [f64; 3] = std::array::from_fn(|k| (0..TONES).map(|class| p[class] * by[class][k]).sum());
                for row in 0..3 {
                    gradient[row] += by[truth][row] - expected[row];
                    for column in 0..3 {
                        let product: f64 = (0..TONES).map(|class| p[class] * by[class][row] * by[class][column]).sum();
                        curvature[row][column] += product - expected[row] * expected[column];
                    }
                }
            }
            let Some(step) = solve(&curvature, &gradient) else { break };
            fitted.scale = (fitted.scale + step[0]).clamp(0.05, 20.0);
            fitted.negative += step[1];
            fitted.positive += step[2];
            if step.iter().all(|step| step.abs() < 1e-9) {
                break;
            }
        }
        let round = |value: f64| (value * 1e6).round() / 1e6;
        Self { scale: round(fitted.scale), negative: round(fitted.negative), positive: round(fitted.positive) }
    }

    /// Calibrated probabilities.
    pub(super) fn apply(&self, tone: &[f64; TONES]) -> [f64; TONES] {
        let bias = [self.negative, 0.0, self.positive];
        let logits: [f64; TONES] = std::array::from_fn(|class| self.scale * tone[class].max(LEAST).ln() + bias[class]);
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers = logits.map(|logit| (logit - largest).exp());
        let sum: f64 = powers.iter().sum();
        powers.map(|power| power / sum)
    }

    /// Between this and `other`, which has the share `of_other`.
    pub(super) fn mixed(&self, other: &Self, of_other: f64) -> Self {
        let mix = |a: f64, b: f64| a * (1.0 - of_other) + b * of_other;
        Self {
            scale: mix(self.scale, other.scale),
            negative: mix(self.negative, other.negative),
            positive: mix(self.positive, other.positive),
        }
    }

    pub(super) fn is_possible(&self) -> bool {
        self.scale > 0.0 && [self.scale, self.negative, self.positive].iter().all(|value| value.is_finite())
    }
}

/// Solves a symmetric positive definite system by its triangle.
fn solve(matrix: &[[f64; 3]; 3], right: &[f64; 3]) -> Option<[f64; 3]> {
    let lower = super::linear::cholesky(matrix)?;
    let mut solved = *right;
    for row in 0..3 {
        let known: f64 = (0..row).map(|k| lower[row][k] * solved[k]).sum();
        solved[row] = (solved[row] - known) / lower[row][row];
    }
    for row in (0..3).rev() {
        let known: f64 = (row + 1..3).map(|k| lower[k][row] * solved[k]).sum();
        solved[row] = (solved[row] - known) / lower[row][row];
    }
    Some(solved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fitted_probabilities_have_the_true_shares() {
        // Nine of ten are neutral, and the model thinks that all three are equally frequent.
        let texts: Vec<([f32; TONES], usize)> = (0..100)
            .map(|number| {
                let truth = match number % 20 {
                    0 => 0,
                    1 => 2,
                    _ => 1,
                };
                let mut tone = [0.2; TONES];
                tone[if number % 7 == 0 { (truth + 1) % TONES } else { truth }] = 0.6;
                (tone, truth)
            })
            .collect();
        let fitted = Calibration::fit(texts.iter().map(|(tone, truth)| (tone, *truth)));
        for class in 0..TONES {
            let mean = texts.iter().map(|(tone, _)| fitted.apply(&tone.map(f64::from))[class]).sum::<f64>() / 100.0;
            let share = texts.iter().filter(|(_, truth)| *truth == class).count() as f64 / 100.0;
            assert!((mean - share).abs() < 1e-4, "{class}: {mean} {share}");
        }
        assert!(fitted.is_possible() && fitted.negative < 0.0 && fitted.positive < 0.0);
    }

    #[test]
    fn no_calibration_changes_nothing() {
        let tone = [0.1, 0.7, 0.2];
        assert!(Calibration::NONE.apply(&tone).iter().zip(tone).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
