//! The critical value as the reference has it: the largest studentised difference in draws of the errors.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Coverage, Errors, MAX_DRAWS, MAX_SIMULATED, Problem, RankError, Request, Separated, Side};
use crate::statistics::special::normal_quantile;

impl Problem<'_> {
    pub(super) fn by_simulation(&self, request: &Request, draws: usize, seed: u64) -> Result<Vec<Separated>, RankError> {
        let n = self.estimates.len();
        if n > MAX_SIMULATED || !(1..=MAX_DRAWS).contains(&draws) {
            return Err(RankError::TooLarge { estimates: n, draws });
        }
        let errors = self.draw(draws, seed)?;
        let pairs: Vec<(usize, usize)> = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
        let mut counts = vec![(0, 0); n];
        match (request.coverage, request.side) {
            (Coverage::Simultaneous, _) => {
                for (larger, smaller) in self.separated(pairs, &errors, request) {
                    counts[smaller].0 += 1;
                    counts[larger].1 += 1;
                }
            }
            (Coverage::Marginal, Side::Both) => {
                for (i, count) in counts.iter_mut().enumerate() {
                    let own = (0..n).filter(|&j| j != i).map(|j| (i, j)).collect();
                    for (_, smaller) in self.separated(own, &errors, request) {
                        *(if smaller == i { &mut count.0 } else { &mut count.1 }) += 1;
                    }
                }
            }
            (Coverage::Marginal, Side::Low) => {
                let ahead = |i| (0..n).filter(move |&j| j != i).map(move |j| (j, i)).collect();
                counts.iter_mut().enumerate().for_each(|(i, count)| count.0 = self.larger(ahead(i), &errors, request));
            }
            (Coverage::Marginal, Side::High) => {
                let behind = |i| (0..n).filter(move |&j| j != i).map(move |j| (i, j)).collect();
                counts.iter_mut().enumerate().for_each(|(i, count)| count.1 = self.larger(behind(i), &errors, request));
            }
        }
        Ok(counts)
    }

    /// In how many of these pairs the first is significantly larger than the second, which is all that is tested.
    fn larger(&self, mut open: Vec<(usize, usize)>, errors: &[Vec<f64>], request: &Request) -> usize {
        let mut larger = 0;
        loop {
            let weighed: Vec<_> = open.iter().map(|&(a, b)| (a, b, self.difference_variance(a, b).sqrt().recip())).collect();
            let known = weighed.iter().filter(|pair| pair.2.is_finite());
            let largest = |z: &Vec<f64>| known.clone().fold(0.0f64, |m, &(a, b, precision)| m.max((z[a] - z[b]) * precision));
            let critical = quantile(errors.iter().map(largest).collect(), request.level);
            let all = open.len();
            open.retain(|&(a, b)| !(self.estimates[a] > self.estimates[b] && self.differs(a, b, critical)));
            larger += all - open.len();
            if open.len() == all || open.is_empty() || !request.stepwise {
                return larger;
            }
        }
    }

    /// The pairs that differ, by step-down: a hypothesis that is rejected leaves the maximum, which lowers the critical value.
    /// Only one of a pair's two hypotheses can be rejected; the other stays.
    fn separated(&self, mut open: Vec<(usize, usize)>, errors: &[Vec<f64>], request: &Request) -> Vec<(usize, usize)> {
        let precision = |i: usize, j: usize| self.difference_variance(i, j).recip();
        let mut separated: Vec<(usize, usize)> = Vec::new();
        loop {
            let either: Vec<_> = open.iter().map(|&(i, j)| (i, j, precision(i, j))).filter(|p| p.2.is_finite()).collect();
            let other: Vec<_> = separated.iter().map(|&(i, j)| (i, j, precision(i, j))).filter(|p| p.2.is_finite()).collect();
            let largest = |z: &Vec<f64>| {
                let most = either.iter().fold(0.0f64, |m, &(i, j, p)| m.max((z[i] - z[j]).powi(2) * p));
                other.iter().fold(most, |m, &(larger, smaller, p)| m.max((z[smaller] - z[larger]).max(0.0).powi(2) * p))
            };
            let critical = quantile(errors.iter().map(largest).collect(), request.level).sqrt();
            let (found, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|&(i, j)| self.differs(i, j, critical));
            let larger_first = |(i, j)| if self.estimates[i] > self.estimates[j] { (i, j) } else { (j, i) };
            let done = found.is_empty() || rest.is_empty() || !request.stepwise;
            separated.extend(found.into_iter().map(larger_first));
            if done {
                return separated;
            }
            open = rest;
        }
    }

    /// Draws of the errors, mean zero.
    fn draw(&self, draws: usize, seed: u64) -> Result<Vec<Vec<f64>>, RankError> {
        let n = self.estimates.len();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // The open interval, so that no draw is infinite.
        let mut normal = || normal_quantile((random.random::<u64>() >> 11) as f64 / (1u64 << 53) as f64 + 2f64.powi(-54));
        let factor = match self.errors {
            Errors::Independent(_) => Vec::new(),
            Errors::Covariance(matrix) => cholesky(matrix, n).ok_or(RankError::NotCovariance)?,
        };
        let mix = |z: Vec<f64>| match self.errors {
            Errors::Independent(errors) => z.iter().zip(errors).map(|(z, e)| z * e).collect(),
            Errors::Covariance(_) => {
                (0..n).map(|i| factor[i * n..=i * n + i].iter().zip(&z).map(|(f, z)| f * z).sum()).collect()
            }
        };
        Ok((0..draws).map(|_| mix((0..n).map(|_| normal()).collect())).collect())
    }
}

/// The smallest of the values that a share of `level` of them does not exceed.
fn quantile(mut values: Vec<f64>, level: f64) -> f64 {
    let place = ((level * values.len() as f64).ceil() as usize).clamp(1, values.len()) - 1;
    *values.select_nth_unstable_by(place, f64::total_cmp).1
}

/// The lower Cholesky factor of a positive semi-definite matrix, row by row.
fn cholesky(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; n * n];
    let scale = (0..n).map(|i| matrix[i * n + i]).fold(0.0, f64::max);
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| factor[i * n + k] * factor[j * n + k]).sum();
            let rest = matrix[i * n + j] - dot;
            if (matrix[i * n + j] - matrix[j * n + i]).abs() > 1e-9 * scale || rest.is_nan() {
                return None;
            }
            factor[i * n + j] = if i == j {
                if rest < -1e-9 * scale {
                    return None;
                }
                rest.max(0.0).sqrt()
            } else if factor[j * n + j] > 0.0 {
                rest / factor[j * n + j]
            } else {
                0.0
            };
        }
    }
    Some(factor)
}
