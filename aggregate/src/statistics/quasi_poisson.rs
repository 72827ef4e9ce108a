//! The quasi-Poisson regression of counts on a season (a factor) and, where wanted, a linear trend, with a log link.
//!
//! Iteratively re-weighted least squares ([`irls`](super::irls)). Seasons are orthogonal to one another, so the weighted least
//! squares within a step have a closed form (means by season, then one slope through the centred rest): one pass over the data a
//! step, no matrix.

use super::irls;

/// Rows of the regression.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The count.
    pub count: Vec<f64>,
    /// When, on the scale of the trend.
    pub time: Vec<f64>,
    /// Which season, below `seasons`.
    pub season: Vec<usize>,
    /// How many seasons there are.
    pub seasons: usize,
    /// Logarithm of the exposure of every row; empty where all are 1.
    pub offset: Vec<f64>,
}

/// A fitted regression.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Whether the deviance settled within [`irls::MAX_STEPS`].
    pub converged: bool,
    /// Slope of the trend on the link scale; `None` without a trend.
    pub slope: Option<f64>,
    /// Rows less coefficients.
    pub residual_degrees: f64,
    /// Fitted mean of every row.
    pub mean: Vec<f64>,
    /// Leverage of every row.
    pub leverage: Vec<f64>,
    /// Iteration weight of every row.
    pub weight: Vec<f64>,
    level: Vec<f64>,
    season_weight: Vec<f64>,
    season_time: Vec<f64>,
    time_spread: f64,
}

/// Fits the regression. `weights` are prior weights of the rows; `None` is 1 each.
pub fn fit(rows: &Rows, trend: bool, weights: Option<&[f64]>) -> Fit {
    let mut fit = Fit {
        converged: false,
        slope: None,
        residual_degrees: 0.0,
        mean: Vec::new(),
        leverage: Vec::new(),
        weight: Vec::new(),
        level: Vec::new(),
        season_weight: Vec::new(),
        season_time: Vec::new(),
        time_spread: 0.0,
    };
    let offset = (!rows.offset.is_empty()).then_some(rows.offset.as_slice());
    let settled = irls::run(&rows.count, offset, weights, |weight, response, link| {
        fit.least_squares(rows, trend, weight, response);
        for (i, link) in link.iter_mut().enumerate() {
            *link = fit.link(rows.season[i], rows.time[i]);
        }
    });
    (fit.converged, fit.mean, fit.weight) = (settled.converged, settled.mean, settled.weight);
    let n = rows.count.len();
    let prior = |i: usize| weights.map_or(1.0, |w| w[i]);
    let coefficients = fit.season_weight.iter().filter(|w| **w > 0.0).count() + usize::from(fit.slope.is_some());
    let weighted = (0..n).filter(|&i| prior(i) > 0.0).count();
    fit.residual_degrees = weighted as f64 - coefficients as f64;
    fit.leverage = (0..n).map(|i| fit.weight[i] * fit.variance(rows.season[i], rows.time[i])).collect();
    fit
}

impl Fit {
    /// The linear predictor at exposure 1.
    pub fn link(&self, season: usize, time: f64) -> f64 {
        self.level[season] + self.slope.map_or(0.0, |slope| slope * (time - self.season_time[season]))
    }

    /// Variance of the linear predictor, in units of the dispersion.
    pub fn variance(&self, season: usize, time: f64) -> f64 {
        let moved = time - self.season_time[season];
        1.0 / self.season_weight[season] + if self.slope.is_some() { moved * moved / self.time_spread } else { 0.0 }
    }

    /// Variance of the slope, in units of the dispersion.
    pub fn slope_variance(&self) -> f64 {
        1.0 / self.time_spread
    }

    /// Pearson's estimate of variance over mean, each row's squared working residual weighted with `weights`.
    pub fn dispersion(&self, rows: &Rows, weights: &[f64]) -> f64 {
        let squares = rows.count.iter().zip(&self.mean).zip(weights).filter(|(_, w)| **w > 0.0);
        squares.map(|((y, m), w)| w * ((y - m) / m).powi(2)).sum::<f64>() / self.residual_degrees
    }

    fn least_squares(&mut self, rows: &Rows, trend: bool, row_weight: &[f64], response: &[f64]) {
        let mut weight = vec![0.0; rows.seasons];
        let mut time = vec![0.0; rows.seasons];
        let mut level = vec![0.0; rows.seasons];
        for (i, &season) in rows.season.iter().enumerate() {
            weight[season] += row_weight[i];
            time[season] += row_weight[i] * rows.time[i];
            level[season] += row_weight[i] * response[i];
        }
        for season in 0..rows.seasons {
            time[season] /= weight[season];
            level[season] /= weight[season];
        }
        let (mut spread, mut product) = (0.0, 0.0);
        for (i, &season) in rows.season.iter().enumerate() {
            let moved = rows.time[i] - time[season];
            spread += row_weight[i] * moved * moved;
            product += row_weight[i] * moved * (response[i] - level[season]);
        }
        self.slope = trend.then(|| product / spread);
        (self.season_weight, self.season_time, self.level, self.time_spread) = (weight, time, level, spread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_trend_the_fit_is_the_mean_of_each_season() {
        let rows = Rows {
            count: vec![1.0, 3.0, 10.0, 20.0, 30.0],
            time: (0..5).map(f64::from).collect(),
            season: vec![0, 0, 1, 1, 1],
            seasons: 2,
            ..Rows::default()
        };
        let fit = fit(&rows, false, None);
        assert!(fit.converged && fit.residual_degrees == 3.0);
        assert!((fit.link(0, 9.0).exp() - 2.0).abs() < 1e-7 && (fit.link(1, 0.0).exp() - 20.0).abs() < 1e-7);
        assert!((fit.leverage.iter().sum::<f64>() - 2.0).abs() < 1e-9, "leverages add up to the coefficients");
        // Pearson: (1 + 1) / 2 + (100 + 100) / 20 = 11, over 3.
        assert!((fit.dispersion(&rows, &fit.weight) - 11.0 / 3.0).abs() < 1e-3);
    }

    #[test]
    fn an_exact_exponential_is_found() {
        let rows = Rows {
            count: (0..20).map(|t| (1.0 + 0.1 * f64::from(t)).exp()).collect(),
            time: (0..20).map(f64::from).collect(),
            season: vec![0; 20],
            seasons: 1,
            ..Rows::default()
        };
        let fit = fit(&rows, true, None);
        assert!((fit.slope.unwrap() - 0.1).abs() < 1e-9 && (fit.link(0, 30.0) - 4.0).abs() < 1e-8);
    }

    #[test]
    fn counts_in_proportion_to_exposure_have_one_rate() {
        let exposure = [1.0, 2.0, 5.0, 10.0f64];
        let rows = Rows {
            count: exposure.iter().map(|e| 3.0 * e).collect(),
            time: vec![0.0; 4],
            season: vec![0; 4],
            seasons: 1,
            offset: exposure.iter().map(|e| e.ln()).collect(),
        };
        let fit = fit(&rows, false, None);
        assert!((fit.link(0, 0.0).exp() - 3.0).abs() < 1e-7 && fit.dispersion(&rows, &fit.weight) < 1e-9);
    }

    #[test]
    fn nothing_but_zeros_ends() {
        let rows = Rows { count: vec![0.0; 6], time: vec![0.0; 6], season: vec![0; 6], seasons: 2, ..Rows::default() };
        let fit = fit(&rows, false, None);
        assert!(fit.link(0, 0.0).exp() < 1e-6);
    }
}
