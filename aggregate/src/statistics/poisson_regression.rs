//! The Poisson regression of counts on covariates with the logarithm of the exposure as an offset: how a rate depends on what is
//! known of a place (McCullagh & Nelder 1989, chapter 6; for reporting rates Liu, Bhandaram & Garg 2023).
//!
//! Standard errors are those of the quasi-Poisson family: where counts scatter more than a Poisson law allows, they grow with the
//! square root of the dispersion; they never shrink below the Poisson ones. A column that earlier ones explain is left out, as R's
//! `glm` does, and said to be. Where the data drives a coefficient to infinity there is no fit, and the column is named.

use super::irls;
use super::special::{student_cdf, student_quantile};
use super::{Interval, LEVEL};

/// A covariate: a value for every row. Centred and scaled values make the fit exact to more digits and coefficients comparable.
#[derive(Clone, Debug, PartialEq)]
pub struct Covariate {
    /// What it is called in the result.
    pub name: String,
    /// A value a row.
    pub values: Vec<f64>,
}

/// What is known of one coefficient, on the log scale: its exponential is a ratio of rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The coefficient.
    pub coefficient: f64,
    /// Its standard error, over-dispersion included.
    pub standard_error: f64,
    /// Its 95% interval (Student's, with the residual degrees of freedom).
    pub interval: Interval,
    /// Two-sided p-value of 0.
    pub p_value: f64,
}

/// A fitted regression.
#[derive(Clone, Debug, PartialEq)]
pub struct Regression {
    /// The intercept and every covariate in order; `None` is explained by earlier ones and left out.
    pub terms: Vec<(String, Option<Estimate>)>,
    /// Rows used.
    pub rows: usize,
    /// Rows less coefficients.
    pub residual_degrees: f64,
    /// Pearson's estimate of variance over mean; standard errors use it where it is above 1.
    pub dispersion: f64,
    /// Fitted rate of every row, per unit of exposure.
    pub rate: Vec<f64>,
}

/// Why there is no fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegressionError {
    /// A covariate has another number of values than there are rows.
    #[error("covariate `{name}` has {values} values for {rows} rows")]
    Shape {
        /// Which.
        name: String,
        /// How many values it has.
        values: usize,
        /// How many there should be.
        rows: usize,
    },
    /// Something is not a finite number, or an exposure is not positive.
    #[error("row {row}: counts are 0 or more, exposures above 0, and everything is finite")]
    Value {
        /// Which, counted from 0.
        row: usize,
    },
    /// Not more rows than coefficients.
    #[error("{rows} rows for {coefficients} coefficients: more rows are needed")]
    TooFew {
        /// Rows.
        rows: usize,
        /// Coefficients.
        coefficients: usize,
    },
    /// No event at all.
    #[error("no event in any row: every rate fits")]
    NoEvent,
    /// The data drives a coefficient to infinity: all rows with a value of the covariate are without an event.
    #[error("`{name}` separates rows with events from rows without: its coefficient has no finite estimate")]
    Separated {
        /// Which covariate.
        name: String,
    },
    /// The iteration did not settle.
    #[error("the regression did not converge")]
    Convergence,
}

/// What is left of a column after the earlier ones, as a share of its own length, below which it counts as explained by them.
const ALIASED_BELOW: f64 = 1e-9;
/// A standard error, in logarithms, that no finite estimate of a scaled covariate has.
const SEPARATED_ABOVE: f64 = 50.0;

/// Fits `count` events in `exposure` (any unit) on an intercept and the covariates.
pub fn fit(count: &[f64], exposure: &[f64], covariates: &[Covariate]) -> Result<Regression, RegressionError> {
    let n = count.len();
    for covariate in covariates {
        if covariate.values.len() != n {
            let (name, values) = (covariate.name.clone(), covariate.values.len());
            return Err(RegressionError::Shape { name, values, rows: n });
        }
    }
    let sound = |i: usize| {
        let here = count[i].is_finite() && count[i] >= 0.0 && exposure[i].is_finite() && exposure[i] > 0.0;
        here && covariates.iter().all(|c| c.values[i].is_finite())
    };
    if exposure.len() != n {
        return Err(RegressionError::Shape { name: "exposure".into(), values: exposure.len(), rows: n });
    }
    if let Some(row) = (0..n).find(|&i| !sound(i)) {
        return Err(RegressionError::Value { row });
    }
    if n > 0 && count.iter().all(|y| *y == 0.0) {
        return Err(RegressionError::NoEvent);
    }
    let columns = covariates.len() + 1;
    let value = |i: usize, column: usize| if column == 0 { 1.0 } else { covariates[column - 1].values[i] };
    let kept = Triangle::of(columns, n, value, None).kept();
    if n <= kept.len() {
        return Err(RegressionError::TooFew { rows: n, coefficients: kept.len() });
    }
    let offset: Vec<f64> = exposure.iter().map(|t| t.ln()).collect();
    let of_kept = |i: usize, column: usize| value(i, kept[column]);
    let mut coefficients = Vec::new();
    let settled = irls::run(count, Some(&offset), None, |weight, response, link| {
        let triangle = Triangle::of(kept.len(), n, of_kept, Some(weight));
        coefficients = triangle.solve(n, of_kept, weight, response);
        for (i, link) in link.iter_mut().enumerate() {
            *link = coefficients.iter().enumerate().map(|(column, b)| b * of_kept(i, column)).sum();
        }
    });
    let variances = Triangle::of(kept.len(), n, of_kept, Some(&settled.weight)).inverse_diagonal();
    let name = |column: usize| if column == 0 { "intercept".to_owned() } else { covariates[column - 1].name.clone() };
    let (widest, variance) = variances
        .iter()
        .enumerate()
        .fold((0, 0.0), |most, (column, v)| if *v > most.1 || v.is_nan() { (column, *v) } else { most });
    if variance.is_nan() || variance.sqrt() > SEPARATED_ABOVE {
        return Err(RegressionError::Separated { name: name(kept[widest]) });
    }
    if !settled.converged {
        return Err(RegressionError::Convergence);
    }
    let residual_degrees = (n - kept.len()) as f64;
    let pearson: f64 = count.iter().zip(&settled.mean).map(|(y, m)| (y - m).powi(2) / m).sum();
    let dispersion = pearson / residual_degrees;
    let quantile = student_quantile(0.5 + 0.5 * LEVEL, residual_degrees);
    let mut terms: Vec<(String, Option<Estimate>)> = (0..columns).map(|column| (name(column), None)).collect();
    for (place, &column) in kept.iter().enumerate() {
        let (coefficient, standard_error) = (coefficients[place], (variances[place] * dispersion.max(1.0)).sqrt());
        let half = quantile * standard_error;
        terms[column].1 = Some(Estimate {
            coefficient,
            standard_error,
            interval: Interval { low: coefficient - half, high: coefficient + half },
            p_value: 2.0 * student_cdf(-(coefficient / standard_error).abs(), residual_degrees),
        });
    }
    let rate = settled.mean.iter().zip(exposure).map(|(mean, exposure)| mean / exposure).collect();
    Ok(Regression { terms, rows: n, residual_degrees, dispersion, rate })
}

/// Cholesky's triangle of X'WX, columns that earlier ones explain marked.
struct Triangle {
    size: usize,
    /// Row by row; a marked column's row is zero.
    lower: Vec<f64>,
    aliased: Vec<bool>,
}

impl Triangle {
    fn of(size: usize, n: usize, value: impl Fn(usize, usize) -> f64, weight: Option<&[f64]>) -> Self {
        let mut lower = vec![0.0; size * size];
        let mut row = vec![0.0; size];
        for i in 0..n {
            let w = weight.map_or(1.0, |w| w[i]);
            row.iter_mut().enumerate().for_each(|(column, x)| *x = value(i, column));
            for a in (0..size).filter(|&a| row[a] != 0.0) {
                let wa = w * row[a];
                for b in 0..=a {
                    lower[a * size + b] += wa * row[b];
                }
            }
        }
        let mut aliased = vec![false; size];
        for a in 0..size {
            let length = lower[a * size + a];
            for b in 0..a {
                let known: f64 = (0..b).map(|k| lower[a * size + k] * lower[b * size + k]).sum();
                let rest = lower[a * size + b] - known;
                lower[a * size + b] = if aliased[b] { 0.0 } else { rest / lower[b * size + b] };
            }
            let explained: f64 = (0..a).map(|k| lower[a * size + k].powi(2)).sum();
            let rest = length - explained;
            aliased[a] = rest.is_nan() || rest <= ALIASED_BELOW * length;
            lower[a * size + a] = if aliased[a] { 0.0 } else { rest.sqrt() };
        }
        Self { size, lower, aliased }
    }

    fn kept(&self) -> Vec<usize> {
        (0..self.size).filter(|&column| !self.aliased[column]).collect()
    }

    /// The weighted least squares.
    fn solve(&self, n: usize, value: impl Fn(usize, usize) -> f64, weight: &[f64], response: &[f64]) -> Vec<f64> {
        let mut right = vec![0.0; self.size];
        for i in 0..n {
            let wz = weight[i] * response[i];
            right.iter_mut().enumerate().for_each(|(column, x)| *x += wz * value(i, column));
        }
        self.forward(&mut right);
        self.backward(&mut right);
        right
    }

    /// Replaces b by the x with L x = b.
    fn forward(&self, b: &mut [f64]) {
        for a in 0..self.size {
            let known: f64 = (0..a).map(|k| self.lower[a * self.size + k] * b[k]).sum();
            b[a] = (b[a] - known) / self.lower[a * self.size + a];
        }
    }

    /// Replaces b by the x with L' x = b.
    fn backward(&self, b: &mut [f64]) {
        for a in (0..self.size).rev() {
            let known: f64 = (a + 1..self.size).map(|k| self.lower[k * self.size + a] * b[k]).sum();
            b[a] = (b[a] - known) / self.lower[a * self.size + a];
        }
    }

    /// The variances: the diagonal of the inverse of L L'.
    fn inverse_diagonal(&self) -> Vec<f64> {
        let unit = |column: usize| {
            let mut b = vec![0.0; self.size];
            b[column] = 1.0;
            self.forward(&mut b);
            b.iter().map(|x| x * x).sum()
        };
        (0..self.size).map(unit).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covariate(name: &str, values: &[f64]) -> Covariate {
        Covariate { name: name.into(), values: values.to_vec() }
    }

    fn term<'a>(regression: &'a Regression, name: &str) -> &'a Estimate {
        let found = regression.terms.iter().find(|(known, _)| known == name).unwrap();
        found.1.as_ref().unwrap()
    }

    #[test]
    fn two_groups_have_a_closed_form() {
        // 20 events in 100 days against 30 in 50, twice each: the ratio is 3, its standard error sqrt(1/40 + 1/60).
        let poor = covariate("poor", &[0.0, 1.0, 0.0, 1.0]);
        let fit = fit(&[20.0, 30.0, 20.0, 30.0], &[100.0, 50.0, 100.0, 50.0], &[poor]).unwrap();
        let (intercept, poor) = (term(&fit, "intercept"), term(&fit, "poor"));
        assert!((intercept.coefficient - 0.2f64.ln()).abs() < 1e-9 && (poor.coefficient - 3f64.ln()).abs() < 1e-9);
        assert!((poor.standard_error - (1.0f64 / 40.0 + 1.0 / 60.0).sqrt()).abs() < 1e-7);
        assert!(fit.dispersion < 1e-9 && fit.residual_degrees == 2.0, "an exact fit; errors stay those of Poisson");
        assert!((fit.rate[1] - 0.6).abs() < 1e-9);
    }

    #[test]
    fn more_scatter_means_wider_errors() {
        let poor = || covariate("poor", &[0.0, 1.0, 0.0, 1.0]);
        let even = fit(&[20.0, 30.0, 20.0, 30.0], &[1.0; 4], &[poor()]).unwrap();
        let wild = fit(&[2.0, 6.0, 38.0, 54.0], &[1.0; 4], &[poor()]).unwrap();
        // Pearson: 2 * 18^2/20 + 2 * 24^2/30 = 70.8, over 2.
        assert!((wild.dispersion - 35.4).abs() < 1e-6, "{}", wild.dispersion);
        let ratio = term(&wild, "poor").standard_error / term(&even, "poor").standard_error;
        assert!((ratio - 35.4f64.sqrt()).abs() < 1e-3);
        assert!((term(&wild, "poor").coefficient - term(&even, "poor").coefficient).abs() < 1e-8);
    }

    #[test]
    fn what_says_the_same_twice_is_left_out() {
        let density = [1.0, 2.0, 3.0, 4.0, 5.0];
        let double: Vec<f64> = density.iter().map(|d| 2.0 * d + 1.0).collect();
        let covariates = [covariate("density", &density), covariate("double", &double), covariate("one", &[1.0; 5])];
        let fit = fit(&[3.0, 4.0, 9.0, 10.0, 17.0], &[2.0; 5], &covariates).unwrap();
        let left_out: Vec<_> = fit.terms.iter().filter(|(_, e)| e.is_none()).map(|(name, _)| name.as_str()).collect();
        assert_eq!(left_out, ["double", "one"]);
    }

    #[test]
    fn what_cannot_be_fitted_is_said() {
        let quiet = covariate("quiet", &[0.0, 0.0, 1.0, 1.0]);
        let error = fit(&[4.0, 5.0, 0.0, 0.0], &[1.0; 4], std::slice::from_ref(&quiet)).unwrap_err();
        assert_eq!(error, RegressionError::Separated { name: "quiet".into() });
        assert_eq!(fit(&[0.0; 4], &[1.0; 4], std::slice::from_ref(&quiet)).unwrap_err(), RegressionError::NoEvent);
        assert!(matches!(fit(&[1.0, 2.0], &[1.0; 2], &[covariate("x", &[0.0, 1.0])]), Err(RegressionError::TooFew { .. })));
        assert!(matches!(fit(&[1.0; 3], &[1.0, 0.0, 1.0], &[]), Err(RegressionError::Value { row: 1 })));
        assert!(matches!(fit(&[], &[], &[]), Err(RegressionError::TooFew { .. })));
        assert!(matches!(fit(&[1.0; 4], &[1.0; 4], &[covariate("x", &[0.0])]), Err(RegressionError::Shape { .. })));
    }

    proptest! {
        /// The maximum's own equations: residuals are orthogonal to the intercept and to every covariate.
        #[test]
        fn the_score_is_zero(
            rows in prop::collection::vec((0u32..40, 1u32..50, -2.0..2.0f64, -2.0..2.0f64), 6..40),
        ) {
            let count: Vec<f64> = rows.iter().map(|r| f64::from(r.0)).collect();
            let exposure: Vec<f64> = rows.iter().map(|r| f64::from(r.1)).collect();
            let covariates = [covariate("a", &rows.iter().map(|r| r.2).collect::<Vec<_>>()), covariate("b", &rows.iter().map(|r| r.3).collect::<Vec<_>>())];
            if let Ok(fit) = fit(&count, &exposure, &covariates) {
                let total: f64 = count.iter().sum();
                let residual = |i: usize| count[i] - fit.rate[i] * exposure[i];
                let against = |x: &dyn Fn(usize) -> f64| (0..count.len()).map(|i| residual(i) * x(i)).sum::<f64>();
                prop_assert!(against(&|_| 1.0).abs() < 1e-4 * (1.0 + total));
                for covariate in &covariates {
                    prop_assert!(against(&|i| covariate.values[i]).abs() < 1e-3 * (1.0 + total));
                }
            }
        }
    }
}
