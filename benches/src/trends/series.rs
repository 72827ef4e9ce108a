//! Weekly series with known truth: the model and the outbreaks of Noufaily et al. (2013), section 3.

use std::f64::consts::TAU;

use aggregate::statistics::negative_binomial;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Parameters of the baseline: `exp(theta + beta t + gamma1 cos(2 pi t / 52) + gamma2 sin(2 pi t / 52))`, variance over mean `phi`.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Level on the log scale.
    pub theta: f64,
    /// Trend a week.
    pub beta: f64,
    /// Season.
    pub gamma1: f64,
    /// Season.
    pub gamma2: f64,
    /// Variance over mean.
    pub phi: f64,
}

/// Scenarios from the paper's range: rare and common, with and without trend and season, calm and wild.
pub const SCENARIOS: [Scenario; 8] = [
    scenario(0.1, 0.0, 0.0, 0.0, 1.5),
    scenario(-2.0, 0.0, 0.0, 0.0, 2.0),
    scenario(1.5, 0.0, 0.2, -0.4, 1.0),
    scenario(1.5, 0.003, 0.2, -0.4, 1.0),
    scenario(2.5, 0.0, 0.5, 0.2, 2.0),
    scenario(3.75, 0.001, 0.1, -0.1, 1.1),
    scenario(5.0, 0.0001, 0.05, 0.01, 1.2),
    scenario(0.5, 0.005, 1.5, 0.1, 5.0),
];

const fn scenario(theta: f64, beta: f64, gamma1: f64, gamma2: f64, phi: f64) -> Scenario {
    Scenario { theta, beta, gamma1, gamma2, phi }
}

/// Weeks of a series.
pub const WEEKS: usize = 624;
/// The last year, in which outbreaks are to be found.
pub const LAST_YEAR: std::ops::Range<usize> = 572..WEEKS;
/// Outbreaks in the history, in these weeks.
const PAST_OUTBREAKS: (std::ops::Range<usize>, usize) = (312..560, 4);

impl Scenario {
    /// Expected cases in a week.
    pub fn mean(&self, week: usize) -> f64 {
        let (t, year) = (week as f64, TAU * week as f64 / 52.0);
        (self.theta + self.beta * t + self.gamma1 * year.cos() + self.gamma2 * year.sin()).exp()
    }

    /// A series with past outbreaks and none in its last year.
    pub fn series(&self, random: &mut ChaCha8Rng) -> Vec<u64> {
        let mut counts: Vec<u64> = (0..WEEKS).map(|week| draw(random, self.mean(week), self.phi)).collect();
        for _ in 0..PAST_OUTBREAKS.1 {
            let (start, factor) = (random.random_range(PAST_OUTBREAKS.0), random.random_range(2.0..10.0));
            self.outbreak(&mut counts, start, factor, random);
        }
        counts
    }

    /// Adds an outbreak: Poisson-many cases, `factor` standard deviations of the baseline, spread over weeks log-normally.
    /// Gives the last week with a case of it.
    pub fn outbreak(&self, counts: &mut [u64], start: usize, factor: f64, random: &mut ChaCha8Rng) -> usize {
        let size = factor * (self.mean(start) * self.phi).sqrt();
        let mut last = start;
        for _ in 0..draw(random, size, 1.0) {
            let delay = (0.5 * normal(random)).exp();
            let week = start + delay as usize;
            if let Some(count) = counts.get_mut(week) {
                *count += 1;
                last = last.max(week);
            }
        }
        last
    }
}

/// A negative-binomial count.
pub fn draw(random: &mut ChaCha8Rng, mean: f64, dispersion: f64) -> u64 {
    let uniform = random.random::<f64>().clamp(1e-12, 1.0 - 1e-12);
    negative_binomial::quantile(uniform, mean, dispersion).unwrap_or(0)
}

/// A standard normal number (Box & Muller 1958).
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (u, v) = (random.random::<f64>().max(1e-300), random.random::<f64>());
    (-2.0 * u.ln()).sqrt() * (TAU * v).cos()
}
