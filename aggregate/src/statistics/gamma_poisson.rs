//! Gamma-Poisson shrinkage: a noisy ratio of a small cell is drawn towards what all cells together say.

use super::Interval;
use super::special::gamma_quantile;

/// What is believed of a cell's ratio before its own counts are seen: a Gamma distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Shape, in counts.
    pub shape: f64,
    /// Rate, in expected counts.
    pub rate: f64,
}

/// A cell's ratio after prior and counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shrunk {
    /// Posterior mean.
    pub mean: f64,
    /// Posterior standard deviation.
    pub standard_deviation: f64,
    shape: f64,
    rate: f64,
}

/// The prior counts at most: beyond this the cells do not differ as far as the data can tell.
const MAX_SHAPE: f64 = 1e6;

impl Prior {
    /// Empirical Bayes by moments (Marshall 1991) from pairs of observed and expected counts; pairs without an expectation
    /// are left out. `None` where nothing is left or nothing was observed. The order of the cells changes no bit.
    pub fn fit(cells: impl IntoIterator<Item = (u64, f64)>) -> Option<Self> {
        let mut cells: Vec<(u64, f64)> = cells.into_iter().filter(|(_, e)| e.is_finite() && *e > 0.0).collect();
        cells.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let observed: u64 = cells.iter().map(|(o, _)| o).sum();
        let expected: f64 = cells.iter().map(|(_, e)| e).sum();
        if observed == 0 {
            return None;
        }
        let mean = observed as f64 / expected;
        let spread: f64 = cells.iter().map(|(o, e)| e * (*o as f64 / e - mean).powi(2)).sum();
        // What Poisson noise alone would add to the spread is taken off; what remains is how much cells truly differ.
        let between = (spread - mean * cells.len() as f64) / expected;
        let shape = if between > 0.0 { (mean * mean / between).min(MAX_SHAPE) } else { MAX_SHAPE };
        Some(Self { shape, rate: shape / mean })
    }

    /// The ratio of a cell with `observed` counts where `expected` were expected.
    pub fn shrink(&self, observed: u64, expected: f64) -> Shrunk {
        let (shape, rate) = (self.shape + observed as f64, self.rate + expected.max(0.0));
        Shrunk { mean: shape / rate, standard_deviation: shape.sqrt() / rate, shape, rate }
    }
}

impl Shrunk {
    /// The central posterior interval.
    pub fn interval(&self, level: f64) -> Interval {
        let tail = 0.5 * (1.0 - level);
        let end = |p| gamma_quantile(self.shape, p) / self.rate;
        Interval { low: end(tail), high: end(1.0 - tail) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_that_do_not_differ_share_one_ratio() {
        let prior = Prior::fit((0..50).map(|_| (10, 10.0))).unwrap();
        assert!((prior.shrink(12, 10.0).mean - 1.0).abs() < 1e-4);
        assert_eq!(Prior::fit([(0, 3.0), (4, 0.0), (1, f64::NAN)]), None);
    }

    #[test]
    fn by_hand() {
        // mean 2; spread 10 * 1 + 10 * 1 = 20; Poisson part 2 * 2 = 4; between = 16 / 20 = 0.8; shape 5, rate 2.5.
        let prior = Prior::fit([(10, 10.0), (30, 10.0)]).unwrap();
        assert!((prior.shape - 5.0).abs() < 1e-12 && (prior.rate - 2.5).abs() < 1e-12);
        assert!((prior.shrink(30, 10.0).mean - 2.8).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn shrinks_towards_the_prior(cells in prop::collection::vec((0u64..200, 0.01..100.0f64), 2..60), turn in 0usize..60) {
            let Some(prior) = Prior::fit(cells.iter().copied()) else { return Ok(()) };
            let mut turned = cells.clone();
            turned.rotate_left(turn % cells.len());
            prop_assert_eq!(Prior::fit(turned), Some(prior));
            let centre = prior.shape / prior.rate;
            for (o, e) in cells {
                let (raw, shrunk) = (o as f64 / e, prior.shrink(o, e));
                let slack = 1e-9 * (raw + centre);
                prop_assert!(shrunk.mean >= raw.min(centre) - slack && shrunk.mean <= raw.max(centre) + slack);
                let interval = shrunk.interval(0.95);
                prop_assert!(interval.low < interval.high && interval.high > 0.0 && shrunk.standard_deviation > 0.0);
            }
        }
    }
}
