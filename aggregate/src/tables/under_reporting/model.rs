//! What reporting rates go with: a Poisson regression of the districts' repeat reports on what the city knows of them.
//!
//! One row of the regression is a district. Its exposure is the number of repeats that its incidents would have had at the topics'
//! rates in the whole city, so that another mix of topics is no reason to differ; a ratio of 0.5 is half as many reports about the
//! same things in the same time. Districts scatter around any covariate; the dispersion carries that into the standard errors.

use std::collections::BTreeMap;

use super::estimate::{ALL, Estimate};
use crate::reference::{District, Reference};
use crate::statistics::poisson_regression::{self, Covariate, Regression, RegressionError};

/// A term of the regression as the table shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Its name: `intercept`, or the covariate.
    pub name: String,
    /// Mean and standard deviation of the covariate over the districts; a coefficient is for one standard deviation more.
    pub scale: Option<(f64, f64)>,
    /// What was found; `None` with a reason in `note`.
    pub estimate: Option<poisson_regression::Estimate>,
    /// Districts in the regression.
    pub districts: usize,
    /// Variance over mean.
    pub dispersion: Option<f64>,
    /// Why there is no estimate.
    pub note: Option<String>,
}

/// A name, and how to know it of a district.
type Known = (String, Box<dyn Fn(&District) -> Option<f64>>);

/// What the regression may use, in this order: deprivation, population density, population, then the city's own covariates.
fn candidates(reference: &Reference) -> Vec<Known> {
    let finite = |value: Option<f64>| value.filter(|v| v.is_finite());
    let mut known: Vec<Known> = vec![
        ("deprivation".into(), Box::new(move |d| finite(d.deprivation))),
        ("ln_density".into(), Box::new(move |d| finite(d.density_per_km2().map(f64::ln)))),
        ("ln_population".into(), Box::new(move |d| finite(d.residents().map(f64::ln)))),
    ];
    let names: std::collections::BTreeSet<&String> = reference.districts.iter().flat_map(|d| d.covariates.keys()).collect();
    for name in names {
        let name = name.clone();
        known.push((name.clone(), Box::new(move |d| finite(d.covariates.get(&name).copied()))));
    }
    known
}

/// The regression over the districts in `estimates` that the reference data describes. Never empty: where nothing can be fitted,
/// one term says why.
pub fn terms(estimates: &[Estimate<'_>], reference: &Reference) -> Vec<Term> {
    let mut of_topic: BTreeMap<Option<&str>, f64> = BTreeMap::new();
    for estimate in estimates.iter().filter(|e| e.district == Some(ALL) && e.topic != Some(ALL)) {
        of_topic.insert(estimate.topic, estimate.rate.map_or(0.0, |rate| rate.rate));
    }
    let mut rows: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for estimate in estimates.iter().filter(|e| e.topic != Some(ALL)) {
        let Some(district) = estimate.district.filter(|name| *name != ALL) else { continue };
        let row = rows.entry(district).or_default();
        row.0 += estimate.counts.repeats as f64;
        row.1 += of_topic.get(&estimate.topic).copied().unwrap_or(0.0) * estimate.counts.days();
    }
    let rows: Vec<(&District, f64, f64)> = rows
        .into_iter()
        .filter_map(|(name, (repeats, expected))| Some((reference.district(name)?, repeats, expected)))
        .filter(|(_, _, expected)| *expected > 0.0)
        .collect();
    let mut terms = Vec::new();
    let mut used: Vec<(String, Vec<f64>)> = Vec::new();
    for (name, value) in candidates(reference) {
        let values: Option<Vec<f64>> = rows.iter().map(|(district, ..)| value(district)).collect();
        let missing = rows.iter().filter(|(district, ..)| value(district).is_none()).count();
        let note = match values {
            Some(values) if spread(&values).1 > 0.0 => {
                used.push((name, values));
                continue;
            }
            Some(_) if rows.is_empty() => NOBODY.to_owned(),
            Some(_) => "the same in every district".to_owned(),
            None => format!("unknown for {missing} of {} districts", rows.len()),
        };
        terms.push(Term { name, scale: None, estimate: None, districts: rows.len(), dispersion: None, note: Some(note) });
    }
    let scales: Vec<(f64, f64)> = used.iter().map(|(_, values)| spread(values)).collect();
    let covariates: Vec<Covariate> = used
        .iter()
        .zip(&scales)
        .map(|((name, values), (mean, deviation))| Covariate {
            name: name.clone(),
            values: values.iter().map(|v| (v - mean) / deviation).collect(),
        })
        .collect();
    let (count, exposure): (Vec<f64>, Vec<f64>) = rows.iter().map(|(_, repeats, expected)| (*repeats, *expected)).unzip();
    let scale_of = |name: &str| used.iter().position(|(known, _)| known == name).map(|position| scales[position]);
    let mut fitted = match poisson_regression::fit(&count, &exposure, &covariates) {
        Ok(regression) => shown(regression, scale_of),
        Err(error) => vec![refused(&error, rows.len())],
    };
    fitted.extend(terms);
    fitted
}

fn shown(regression: Regression, scale_of: impl Fn(&str) -> Option<(f64, f64)>) -> Vec<Term> {
    let (districts, dispersion) = (regression.rows, Some(regression.dispersion));
    let term = |(name, estimate): (String, Option<poisson_regression::Estimate>)| {
        let note = estimate.is_none().then(|| "the terms above say the same: left out".to_owned());
        Term { scale: scale_of(&name), name, estimate, districts, dispersion, note }
    };
    regression.terms.into_iter().map(term).collect()
}

/// Without rows there is nothing to fit.
const NOBODY: &str = "no district with repeated reports is described in the reference data";

fn refused(error: &RegressionError, districts: usize) -> Term {
    let note = match error {
        RegressionError::TooFew { rows: 0, .. } => NOBODY.to_owned(),
        RegressionError::TooFew { rows, coefficients } => {
            format!("{rows} districts for {coefficients} coefficients: more districts or fewer covariates are needed")
        }
        other => other.to_string(),
    };
    Term { name: "intercept".into(), scale: None, estimate: None, districts, dispersion: None, note: Some(note) }
}

/// Mean and standard deviation (over n); the deviation is 0 where rounding alone makes a difference.
fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    (mean, if deviation > 1e-12 * mean.abs().max(1e-300) { deviation } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use feedback::time::DAY_US;

    use super::super::estimate::{Exposure, UnderReportingConfig, estimates};
    use super::*;

    fn city(repeats: impl Fn(f64) -> u64) -> (Vec<(&'static str, Exposure)>, Reference) {
        const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let mut reference = Reference::default();
        let mut cells = Vec::new();
        for (i, name) in NAMES.into_iter().enumerate() {
            let deprivation = i as f64 / 7.0;
            reference.districts.push(District {
                name: name.into(),
                deprivation: Some(deprivation),
                population: Some(1000.0 * (1 + i % 3) as f64),
                ..District::default()
            });
            let counts = Exposure { incidents: 50, repeats: repeats(deprivation), exposure_us: 1000 * DAY_US as u128 };
            cells.push((name, counts));
        }
        (cells, reference)
    }

    fn fit((cells, reference): &(Vec<(&'static str, Exposure)>, Reference)) -> Vec<Term> {
        let cells = cells.iter().map(|(name, counts)| ((Some(*name), Some("roads")), *counts));
        let all = estimates(cells, &UnderReportingConfig::default());
        terms(&all, reference)
    }

    #[test]
    fn a_known_dependence_is_found_and_what_is_unknown_is_said() {
        let terms = fit(&city(|deprivation| (200.0 * (-1.5 * deprivation).exp()).round() as u64));
        let by_name = |name: &str| terms.iter().find(|term| term.name == name).unwrap();
        let deprivation = by_name("deprivation");
        let (_, deviation) = deprivation.scale.unwrap();
        assert!((deprivation.estimate.unwrap().coefficient / deviation + 1.5).abs() < 0.02, "{deprivation:?}");
        assert!(deprivation.estimate.unwrap().p_value < 1e-4);
        assert!(by_name("ln_population").estimate.unwrap().p_value > 0.05);
        assert_eq!(by_name("ln_density").note.as_deref(), Some("unknown for 8 of 8 districts"));
    }

    #[test]
    fn what_cannot_be_fitted_says_why() {
        let nobody = fit(&city(|_| 0));
        assert!(nobody.iter().any(|term| term.note.is_some()) && nobody.iter().all(|term| term.estimate.is_none()));
        let (cells, _) = city(|_| 9);
        let unknown = fit(&(cells.clone(), Reference::default()));
        assert!(unknown[0].note.as_deref().unwrap().contains("no district"), "{unknown:?}");
        let (_, mut reference) = city(|_| 9);
        reference.districts.iter_mut().for_each(|d| {
            d.covariates.insert("twice".into(), 2.0 * d.deprivation.unwrap_or_default());
            d.covariates.insert("same".into(), 7.0);
        });
        let terms = fit(&(cells, reference));
        let note = |name: &str| terms.iter().find(|term| term.name == name).unwrap().note.clone().unwrap();
        assert!(note("twice").contains("left out") && note("same").contains("the same"));
    }
}
