//! How often a count is flagged though nothing has changed, against the nominal rate.

use aggregate::statistics::baseline::{Baseline, Guess, Level, Means, Peers, Weights};
use aggregate::statistics::negative_binomial;
use aggregate::statistics::same_phase::Counts;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::series::draw;

/// Variance over mean, mean, and earlier periods of each setting.
const SETTINGS: [(f64, f64, usize); 12] = [
    (1.0, 0.5, 12),
    (1.0, 3.0, 12),
    (1.0, 20.0, 12),
    (1.0, 100.0, 12),
    (1.5, 5.0, 12),
    (2.0, 20.0, 12),
    (3.0, 2.0, 12),
    (3.0, 50.0, 12),
    (5.0, 50.0, 12),
    (2.0, 20.0, 4),
    (1.5, 20.0, 2),
    (1.5, 20.0, 1),
];
/// One-sided levels.
const LEVELS: [f64; 2] = [0.05, 0.01];

/// One setting.
#[derive(Clone, Debug, Serialize)]
pub struct Calibration {
    dispersion: f64,
    mean: f64,
    periods: usize,
    /// Share of counts flagged, by level.
    flagged: [f64; LEVELS.len()],
    /// That over what the fitted distributions promise for the same counts, by level.
    of_nominal: [f64; LEVELS.len()],
    /// The same where means are drawn to that of all cells, as in windows of whole weeks.
    of_nominal_drawn: [f64; LEVELS.len()],
}

/// `series` series of every setting, the districts of one topic.
pub fn measure(series: usize, seed: u64) -> Vec<Calibration> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    SETTINGS.iter().map(|setting| one(*setting, series, &mut random)).collect()
}

fn one((dispersion, mean, periods): (f64, f64, usize), series: usize, random: &mut ChaCha8Rng) -> Calibration {
    let weights = Weights::new(periods, |_| false);
    let mut history = || Counts::new(0, &(0..periods).map(|_| draw(random, mean, dispersion)).collect::<Vec<_>>());
    let histories: Vec<Counts> = (0..series).map(|_| history()).collect();
    let pooled = |levels: &[Level]| {
        let mut peers = Peers::default();
        levels.iter().for_each(|level| peers.add(level));
        peers
    };
    let alone: Vec<Level> = histories.iter().map(|counts| Level::alone(counts, &weights)).collect();
    let peers = pooled(&alone);
    let damped = |(counts, level): (&Counts, &Level)| level.damped(counts, &weights, peers.dispersion(level).value);
    let levels: Vec<Level> = histories.iter().zip(&alone).map(damped).collect();
    let peers = pooled(&levels);
    let mut means = Means::default();
    levels.iter().for_each(|level| means.add(level, peers.dispersion(level).value));
    let drawn = means.guess();
    // Truly flagged, and promised to be.
    let rates = |level: f64, guess: Guess| {
        let baseline = |history: &Level| Baseline::new(history, peers.dispersion(history), guess);
        levels.iter().filter_map(baseline).fold((0.0, 0.0), |(truth, nominal), baseline| {
            let count = first_flagged(&baseline, level);
            let flagged = negative_binomial::upper_tail(count, mean, dispersion);
            (truth + flagged, nominal + baseline.compare(count).at_least)
        })
    };
    let alone = LEVELS.map(|level| rates(level, Guess::vague()));
    let of_all = LEVELS.map(|level| rates(level, drawn.unwrap_or_else(Guess::vague)));
    let ratio = |(truth, nominal): (f64, f64)| truth / nominal;
    Calibration {
        dispersion,
        mean,
        periods,
        flagged: alone.map(|(truth, _)| truth / series as f64),
        of_nominal: alone.map(ratio),
        of_nominal_drawn: of_all.map(ratio),
    }
}

/// The smallest count that is flagged as too high at this level.
fn first_flagged(baseline: &Baseline, level: f64) -> u64 {
    let (mut low, mut high) = (0, (20.0 * baseline.mean) as u64 + 200);
    while low < high {
        let middle = (low + high) / 2;
        if baseline.compare(middle).at_least <= level { high = middle } else { low = middle + 1 }
    }
    low
}
