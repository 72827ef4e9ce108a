//! Intervals by resampling: the texts of the sample, and how its topic may differ from others.

use super::linear::{Square, cholesky};
use super::methods::Shares;
use super::reference::{READINGS, Rates};
use super::sketch::{Point, TONES};
use crate::train::random::Random;

/// Replicates behind an interval.
pub const REPLICATES: usize = 400;
/// Parts of a probability that lie outside on each side.
const TAIL: f64 = 0.025;
/// Means above which a Poisson number is drawn as a rounded normal one.
const LARGE_MEAN: f64 = 30.0;
/// Every interval follows from it and the data.
const SEED: u64 = 311;

/// A share and the interval that holds it with 95% confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// The estimate.
    pub share: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What a method sees of a sample: its points, and by how much the topic may shift what is read of them.
pub(super) struct Replicate<'a> {
    pub(super) points: &'a [Point],
    pub(super) shift: [f64; READINGS],
}

/// `estimate` with percentile intervals (Efron 1979). Each replicate draws every text a Poisson number of times with mean 1,
/// which for many texts is the classical draw with replacement and costs no more for a million texts than for as many points
/// as they have (Chamandy et al. 2012); and it draws a shift of the readings such as topics have, for the methods that rest
/// on how texts are read elsewhere.
pub(super) fn intervals(points: &[Point], rates: &Rates, estimate: impl Fn(&Replicate<'_>) -> Shares) -> [Share; TONES] {
    let mut random = Random::new(SEED);
    let lower = cholesky(&rates.shift).unwrap_or([[0.0; READINGS]; READINGS]);
    let mut drawn: [Vec<f64>; TONES] = Default::default();
    for _ in 0..REPLICATES {
        let replicate = Replicate { points: &resampled(points, &mut random), shift: shift(&lower, &mut random) };
        drawn.iter_mut().zip(estimate(&replicate)).for_each(|(drawn, share)| drawn.push(share));
    }
    let shares = estimate(&Replicate { points, shift: [0.0; READINGS] });
    std::array::from_fn(|class| {
        drawn[class].sort_unstable_by(f64::total_cmp);
        let share = shares[class];
        Share { share, low: quantile(&drawn[class], TAIL).min(share), high: quantile(&drawn[class], 1.0 - TAIL).max(share) }
    })
}

/// A normal vector with the covariance whose lower triangle is `lower`.
fn shift(lower: &Square<READINGS>, random: &mut Random) -> [f64; READINGS] {
    let independent: [f64; READINGS] = std::array::from_fn(|_| normal(random));
    std::array::from_fn(|row| (0..=row).map(|column| lower[row][column] * independent[column]).sum())
}

fn resampled(points: &[Point], random: &mut Random) -> Vec<Point> {
    let drawn = points.iter().map(|point| Point { texts: poisson(point.texts, random), ..*point });
    let drawn: Vec<Point> = drawn.filter(|point| point.texts > 0.0).collect();
    // Nothing drawn happens to samples of a few texts; a replicate without texts would say nothing.
    if drawn.is_empty() { points.to_vec() } else { drawn }
}

/// A Poisson number: by multiplication of uniforms (Knuth), or normal where the mean is large.
fn poisson(mean: f64, random: &mut Random) -> f64 {
    if mean > LARGE_MEAN {
        return (mean + mean.sqrt() * normal(random)).round().max(0.0);
    }
    let (limit, mut product, mut number) = ((-mean).exp(), 1.0, 0.0);
    loop {
        product *= unit(random);
        if product <= limit {
            return number;
        }
        number += 1.0;
    }
}

/// A standard normal number (Box & Muller 1958).
fn normal(random: &mut Random) -> f64 {
    let (radius, angle) = ((1.0 - unit(random)).ln(), unit(random));
    (-2.0 * radius).sqrt() * (std::f64::consts::TAU * angle).cos()
}

fn unit(random: &mut Random) -> f64 {
    (random.next() >> 11) as f64 / (1u64 << 53) as f64
}

/// The value below which a part of sorted `values` lies, between neighbours in a straight line.
fn quantile(values: &[f64], part: f64) -> f64 {
    let place = part * (values.len().max(1) - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    match (values.get(below), values.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * place.fract(),
        _ => f64::NAN,
    }
}

/// The interval of Wilson (1927) for a share of `texts` texts, at 95%.
pub(super) fn wilson(share: f64, texts: f64) -> Share {
    const Z: f64 = 1.959_963_984_540_054;
    let square = Z * Z;
    let centre = (share + square / (2.0 * texts)) / (1.0 + square / texts);
    let half = Z * (share * (1.0 - share) / texts + square / (4.0 * texts * texts)).sqrt() / (1.0 + square / texts);
    Share { share, low: (centre - half).clamp(0.0, share), high: (centre + half).clamp(share, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_numbers_have_their_mean_and_variance() {
        let mut random = Random::new(5);
        for mean in [0.3, 1.0, 7.0, 90.0] {
            let drawn: Vec<f64> = (0..20_000).map(|_| poisson(mean, &mut random)).collect();
            let average = drawn.iter().sum::<f64>() / 20_000.0;
            let variance = drawn.iter().map(|x| (x - average).powi(2)).sum::<f64>() / 20_000.0;
            assert!(
                (average / mean - 1.0).abs() < 0.05 && (variance / mean - 1.0).abs() < 0.08,
                "{mean}: {average} {variance}"
            );
        }
    }

    #[test]
    fn wilson_agrees_with_the_published_example() {
        // Newcombe (1998), table I: 81 of 263 is 0.3080 (0.2553, 0.3662); 0 of 20 is 0 (0, 0.1611).
        let many = wilson(81.0 / 263.0, 263.0);
        assert!((many.low - 0.2553).abs() < 5e-5 && (many.high - 0.3662).abs() < 5e-5, "{many:?}");
        let none = wilson(0.0, 20.0);
        assert!(none.low == 0.0 && (none.high - 0.1611).abs() < 5e-5, "{none:?}");
    }
}
