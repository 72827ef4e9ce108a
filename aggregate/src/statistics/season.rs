//! The season of the year and the trend of weekly counts: two harmonics and a slope on the log scale.
//!
//! The Farrington-flexible method cuts the year into ten steps, which one district's few reports can bear; here the whole city's counts
//! of a topic say what its year looks like, so the season can be smooth, and each district follows it at its own level.

use std::f64::consts::TAU;

use super::baseline::OUTBREAK_ABOVE;

/// Fewest weeks of history: a year that was seen once may have been any year.
pub const MIN_WEEKS: usize = 104;
/// Weeks that are looked at most.
pub const MAX_WEEKS: usize = 5 * 52 + 1;
/// The latest weeks that are left out, so that what has just begun bends no season.
const GUARD_WEEKS: usize = 4;
/// Fewest reports that draw a season.
const MIN_REPORTS: f64 = 200.0;
const WEEKS_PER_YEAR: f64 = 365.2425 / 7.0;
/// Level, slope, two harmonics.
const TERMS: usize = 6;
/// How far slope (a year) and harmonics are thought to lie from zero: a prior standard deviation, which few reports are drawn by.
const PRIOR_DEVIATION: f64 = 0.5;
const MAX_STEPS: usize = 25;
const ACCURACY: f64 = 1e-8;

/// A fitted year.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Season {
    terms: [f64; TERMS],
}

/// A week of which the count is known.
struct Week {
    count: f64,
    design: [f64; TERMS],
}

impl Season {
    /// From counts by week, the latest first; `None` is a week of which nothing is known. No season without two years of them and
    /// enough reports, or where the regression does not settle.
    pub fn fit(weekly: &[Option<u64>]) -> Option<Self> {
        let known = |(week, count): (usize, &Option<u64>)| Some(Week { count: (*count)? as f64, design: design(week as f64) });
        let weeks: Vec<Week> = weekly.iter().enumerate().take(MAX_WEEKS).skip(GUARD_WEEKS).filter_map(known).collect();
        let reports: f64 = weeks.iter().map(|week| week.count).sum();
        if weekly.len() < MIN_WEEKS || weeks.len() + GUARD_WEEKS < MIN_WEEKS * 3 / 4 || reports < MIN_REPORTS {
            return None;
        }
        let mut level = Self { terms: [0.0; TERMS] };
        level.terms[0] = (reports / weeks.len() as f64).ln();
        let first = level.regress(&weeks, &vec![1.0; weeks.len()], 1.0)?;
        let dispersion = first.dispersion(&weeks);
        let damp = |week: &Week| {
            let mean = first.mean(&week.design);
            let residual = 1.5 * (week.count.cbrt().powi(2) * mean.powf(-1.0 / 6.0) - mean.sqrt()) / dispersion.sqrt();
            if residual > OUTBREAK_ABOVE { residual.powi(-2) } else { 1.0 }
        };
        let damped: Vec<f64> = weeks.iter().map(damp).collect();
        first.regress(&weeks, &damped, dispersion)
    }

    /// What is expected so many weeks back, over what is expected now.
    pub fn relative(&self, weeks_back: f64) -> f64 {
        let change =
            design(weeks_back).into_iter().zip(design(0.0)).zip(self.terms).map(|((then, now), term)| (then - now) * term);
        change.sum::<f64>().exp()
    }

    fn link(&self, design: &[f64; TERMS]) -> f64 {
        design.iter().zip(self.terms).map(|(x, term)| x * term).sum()
    }

    fn mean(&self, design: &[f64; TERMS]) -> f64 {
        self.link(design).exp()
    }

    fn dispersion(&self, weeks: &[Week]) -> f64 {
        let pearson = |week: &Week| {
            let mean = self.mean(&week.design);
            (week.count - mean).powi(2) / mean
        };
        (weeks.iter().map(pearson).sum::<f64>() / (weeks.len() - TERMS) as f64).max(1.0)
    }

    /// Penalised iteratively re-weighted least squares, begun at `self`.
    fn regress(mut self, weeks: &[Week], weights: &[f64], dispersion: f64) -> Option<Self> {
        for _ in 0..MAX_STEPS {
            let mut normal = [[0.0; TERMS]; TERMS];
            let mut right = [0.0; TERMS];
            for (Week { count, design }, weight) in weeks.iter().zip(weights) {
                let link = self.link(design);
                let mean = link.exp().max(f64::EPSILON);
                let response = link + (count - mean) / mean;
                for (i, x) in design.iter().enumerate() {
                    let weighed = weight * mean * x;
                    right[i] += weighed * response;
                    normal[i].iter_mut().zip(&design[..=i]).for_each(|(sum, y)| *sum += weighed * y);
                }
            }
            for (i, row) in normal.iter_mut().enumerate().skip(1) {
                row[i] += dispersion / (PRIOR_DEVIATION * PRIOR_DEVIATION);
            }
            let next = solve(normal, right)?;
            let moved = next.iter().zip(self.terms).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            self.terms = next;
            if moved < ACCURACY {
                return Some(self);
            }
        }
        None
    }
}

fn design(weeks_back: f64) -> [f64; TERMS] {
    let years = -weeks_back / WEEKS_PER_YEAR;
    let (sine, cosine) = (TAU * years).sin_cos();
    [1.0, years, cosine, sine, cosine * cosine - sine * sine, 2.0 * sine * cosine]
}

/// Solves `normal * x = right`, the lower half of a symmetric positive definite matrix given, by Cholesky's decomposition.
fn solve(mut normal: [[f64; TERMS]; TERMS], mut right: [f64; TERMS]) -> Option<[f64; TERMS]> {
    for i in 0..TERMS {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| normal[i][k] * normal[j][k]).sum();
            let rest = normal[i][j] - sum;
            normal[i][j] = if i != j {
                rest / normal[j][j]
            } else if rest > 0.0 && rest.is_finite() {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    for i in 0..TERMS {
        let sum: f64 = (0..i).map(|k| normal[i][k] * right[k]).sum();
        right[i] = (right[i] - sum) / normal[i][i];
    }
    for i in (0..TERMS).rev() {
        let sum: f64 = (i + 1..TERMS).map(|k| normal[k][i] * right[k]).sum();
        right[i] = (right[i] - sum) / normal[i][i];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weekly(weeks: usize, of: impl Fn(f64) -> f64) -> Vec<Option<u64>> {
        (0..weeks).map(|week| Some(of(week as f64 / WEEKS_PER_YEAR).round() as u64)).collect()
    }

    #[test]
    fn a_year_with_a_trend_is_found() {
        let truth = |years_back: f64| 500.0 * (0.6 * (TAU * years_back).cos() - 0.2 * years_back).exp();
        let season = Season::fit(&weekly(200, truth)).unwrap();
        for weeks in [1.0, 12.0, 26.0, 40.0] {
            let expected = truth(weeks / WEEKS_PER_YEAR) / truth(0.0);
            assert!((season.relative(weeks) / expected - 1.0).abs() < 0.02, "{weeks}: {} {expected}", season.relative(weeks));
        }
    }

    #[test]
    fn an_outbreak_bends_no_season() {
        let mut counts = weekly(156, |_| 100.0);
        counts[30] = Some(2_000);
        counts[2] = Some(900);
        counts[50] = None;
        let season = Season::fit(&counts).unwrap();
        assert!((season.relative(30.0) - 1.0).abs() < 0.03, "{}", season.relative(30.0));
    }

    #[test]
    fn too_little_is_no_season() {
        assert_eq!(Season::fit(&weekly(100, |_| 50.0)), None, "less than two years");
        assert_eq!(Season::fit(&weekly(156, |years| if years < 1.0 { 1.0 } else { 0.0 })), None, "a report now and then");
        assert_eq!(Season::fit(&vec![None; 156]), None);
        assert_eq!(Season::fit(&weekly(156, |_| 0.0)), None);
    }
}
