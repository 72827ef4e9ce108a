//! The probability of each composition given what was read of a sample: a probabilistic adjusted count that knows how far
//! it may be off (Keith & O'Connor 2018; Ziegler & Czyż 2023).
//!
//! What is read of n texts, the four [`READINGS`], is nearly normal around the mean that the composition leads to expect. Its
//! covariance has two parts: which texts the sample happens to have, which falls with n, and how topics differ in the way
//! they are read, which does not. Before the texts
//! are read, compositions are as likely as the Dirichlet distribution of the held-out topics says: worth about as much as
//! half a dozen texts that are read without error.

use super::bootstrap::Share;
use super::linear::{cholesky, log_density};
use super::methods::Shares;
use super::reference::{READINGS, Rates};
use super::sketch::{Point, TONES};

/// Steps in which compositions are tried between 0 and 1.
const STEPS: usize = 50;
/// Part of the probability outside of an interval on each side.
const TAIL: f64 = 0.025;

/// Mean shares, and the interval of each that holds 95% of its probability.
pub(super) fn posterior(points: &[Point], rates: &Rates) -> [Share; TONES] {
    let (read, texts) = read_of(points);
    let weighed: Vec<(Shares, f64)> =
        compositions().filter_map(|shares| Some((shares, log_likelihood(&shares, &read, texts, rates)?))).collect();
    let largest = weighed.iter().map(|(_, log)| *log).fold(f64::NEG_INFINITY, f64::max);
    let mut marginals = [[0.0; STEPS + 1]; TONES];
    for (shares, log) in &weighed {
        let weight = (log - largest).exp();
        for (marginal, share) in marginals.iter_mut().zip(shares) {
            marginal[(share * STEPS as f64).round() as usize] += weight;
        }
    }
    marginals.map(|marginal| summary(&marginal))
}

/// What was read of the sample, and of how many texts.
fn read_of(points: &[Point]) -> ([f64; READINGS], f64) {
    let (mut sum, mut texts) = ([0.0; READINGS], 0.0);
    for point in points {
        let is = |class: usize| f64::from(u8::from(point.counted == class));
        let reading = [is(0), is(2), point.tone[0], point.tone[2]];
        sum.iter_mut().zip(reading).for_each(|(sum, value)| *sum += value * point.texts);
        texts += point.texts;
    }
    (sum.map(|sum| sum / texts.max(1.0)), texts.max(1.0))
}

/// Every composition on the grid.
fn compositions() -> impl Iterator<Item = Shares> {
    let part = |steps: usize| steps as f64 / STEPS as f64;
    (0..=STEPS)
        .flat_map(move |first| (0..=STEPS - first).map(move |second| [part(first), part(STEPS - first - second), part(second)]))
}

fn log_likelihood(shares: &Shares, read: &[f64; READINGS], texts: f64, rates: &Rates) -> Option<f64> {
    let mixed = |of_tone: &dyn Fn(usize) -> f64| (0..TONES).map(|tone| shares[tone] * of_tone(tone)).sum::<f64>();
    let deviation: [f64; READINGS] = std::array::from_fn(|k| read[k] - mixed(&|tone| rates.means[tone][k]));
    let covariance = std::array::from_fn(|row| {
        std::array::from_fn(|column| mixed(&|tone| rates.spreads[tone][row][column]) / texts + rates.shift[row][column])
    });
    // A share of zero is a step of the grid that reaches a half beyond.
    let before: f64 = shares
        .iter()
        .zip(rates.compositions)
        .map(|(share, parameter)| (parameter - 1.0) * share.max(0.25 / STEPS as f64).ln())
        .sum();
    Some(before + log_density(&deviation, &cholesky(&covariance)?))
}

/// Mean and interval of one share by its weights on the grid, each spread evenly over its step.
fn summary(marginal: &[f64; STEPS + 1]) -> Share {
    let total: f64 = marginal.iter().sum();
    if total <= 0.0 {
        // No composition explains the sample: nothing is known.
        return Share { share: 1.0 / TONES as f64, low: 0.0, high: 1.0 };
    }
    let part = |step: usize| step as f64 / STEPS as f64;
    let share = marginal.iter().enumerate().map(|(step, weight)| part(step) * weight).sum::<f64>() / total;
    let quantile = |wanted: f64| {
        let mut below = 0.0;
        for (step, weight) in marginal.iter().enumerate() {
            let weight = weight / total;
            if below + weight >= wanted && weight > 0.0 {
                let inside = (wanted - below) / weight - 0.5;
                return (part(step) + inside / STEPS as f64).clamp(0.0, 1.0);
            }
            below += weight;
        }
        1.0
    };
    Share { share, low: quantile(TAIL).min(share), high: quantile(1.0 - TAIL).max(share) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_holds_every_composition_once() {
        let all: Vec<Shares> = compositions().collect();
        assert_eq!(all.len(), (STEPS + 1) * (STEPS + 2) / 2);
        assert!(all.iter().all(|shares| (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9));
    }

    #[test]
    fn flat_weights_give_the_middle_and_nearly_everything() {
        let flat = summary(&[1.0; STEPS + 1]);
        assert!((flat.share - 0.5).abs() < 1e-9 && flat.low < 0.03 && flat.high > 0.97, "{flat:?}");
    }
}
