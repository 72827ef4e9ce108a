//! From scaled components to one score: which mean, how far it may be off, and what each component contributes.

use serde::{Deserialize, Serialize};

use super::component::COMPONENTS;

/// How the scaled components are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Formula {
    /// The weighted mean: a high component makes up for a low one.
    #[default]
    Arithmetic,
    /// The weighted geometric mean: a cell is high only where everything with a weight is.
    Geometric,
}

/// A component of one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// As it was measured.
    pub raw: f64,
    /// Its place among all cells, above 0 and below 1.
    pub scaled: f64,
    /// How far the place may be off: one standard error.
    pub error: f64,
}

impl Formula {
    /// The score over the components that are known; the others' weight goes to these in proportion. `None` where no component with
    /// a weight is known.
    pub fn score(self, parts: &[Option<Part>; COMPONENTS], weights: &[f64; COMPONENTS]) -> Option<f64> {
        let known = || parts.iter().zip(weights).filter_map(|(part, weight)| Some((part.as_ref()?.scaled, *weight)));
        let weight: f64 = known().map(|(_, w)| w).sum();
        let score = match self {
            Self::Arithmetic => known().map(|(scaled, w)| w * scaled).sum::<f64>() / weight,
            // Without a weight a component says nothing, not even where it is 0.
            Self::Geometric => {
                (known().filter(|(_, w)| *w > 0.0).map(|(scaled, w)| w * scaled.ln()).sum::<f64>() / weight).exp()
            }
        };
        (weight > 0.0).then_some(score)
    }

    /// The standard error of `score`, components taken as independent (to first order for the geometric mean).
    pub fn error(self, parts: &[Option<Part>; COMPONENTS], weights: &[f64; COMPONENTS], score: f64) -> f64 {
        let known = || parts.iter().zip(weights).filter_map(|(part, weight)| Some((part.as_ref()?, *weight)));
        let weight: f64 = known().map(|(_, w)| w).sum();
        let slope = |part: &Part, w: f64| match self {
            Self::Arithmetic => w,
            Self::Geometric if w == 0.0 => 0.0,
            Self::Geometric => score * w / part.scaled,
        };
        known().map(|(part, w)| (slope(part, w) * part.error).powi(2)).sum::<f64>().sqrt() / weight
    }

    /// What each known component contributes: terms that add up to the score, or factors that multiply to it.
    pub fn contributions(self, parts: &[Option<Part>; COMPONENTS], weights: &[f64; COMPONENTS]) -> [Option<f64>; COMPONENTS] {
        let weight: f64 = parts.iter().zip(weights).filter(|(part, _)| part.is_some()).map(|(_, w)| w).sum();
        std::array::from_fn(|c| {
            let (scaled, w) = (parts[c]?.scaled, weights[c] / weight);
            (weight > 0.0).then(|| match self {
                Self::Arithmetic => w * scaled,
                Self::Geometric if w == 0.0 => 1.0,
                Self::Geometric => scaled.powf(w),
            })
        })
    }

    /// How much each known component draws the score away from `base`, a place between 0 and 1; they add up to the distance
    /// (of the logarithms, for the geometric mean).
    pub fn pulls(
        self,
        parts: &[Option<Part>; COMPONENTS],
        weights: &[f64; COMPONENTS],
        base: f64,
    ) -> [Option<f64>; COMPONENTS] {
        let weight: f64 = parts.iter().zip(weights).filter(|(part, _)| part.is_some()).map(|(_, w)| w).sum();
        std::array::from_fn(|c| {
            let (scaled, w) = (parts[c]?.scaled, weights[c] / weight);
            (weight > 0.0).then(|| match self {
                Self::Arithmetic => w * (scaled - base),
                Self::Geometric if w == 0.0 => 0.0,
                Self::Geometric => w * (scaled / base).ln(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(scaled: [Option<f64>; COMPONENTS]) -> [Option<Part>; COMPONENTS] {
        scaled.map(|scaled| Some(Part { raw: 0.0, scaled: scaled?, error: 0.1 }))
    }

    const TWO: [Option<f64>; COMPONENTS] = [Some(0.9), Some(0.4), None, None, None, None, Some(0.2)];
    /// Of the known ones 2 to 1; the third component is unknown, the last has no weight.
    const WEIGHTS: [f64; COMPONENTS] = [0.4, 0.2, 0.4, 0.0, 0.0, 0.0, 0.0];

    #[test]
    fn by_hand() {
        let parts = parts(TWO);
        let (sum, product) = (Formula::Arithmetic, Formula::Geometric);
        let (mean, geometric) = (sum.score(&parts, &WEIGHTS).unwrap(), product.score(&parts, &WEIGHTS).unwrap());
        assert!((mean - (2.0 * 0.9 + 0.4) / 3.0).abs() < 1e-15);
        assert!((geometric - (0.9f64 * 0.9 * 0.4).cbrt()).abs() < 1e-15);
        assert!((sum.error(&parts, &WEIGHTS, mean) - 0.1 * 5f64.sqrt() / 3.0).abs() < 1e-15);
        let slopes = (2.0 / 3.0 * geometric / 0.9f64).hypot(geometric / 3.0 / 0.4);
        assert!((product.error(&parts, &WEIGHTS, geometric) - 0.1 * slopes).abs() < 1e-15);
        assert_eq!(sum.score(&[None; COMPONENTS], &WEIGHTS), None);
        let without_weight = parts.map(|part| part.filter(|part| part.scaled == 0.2));
        assert_eq!(sum.score(&without_weight, &WEIGHTS), None);
    }

    #[test]
    fn contributions_make_the_score_and_pulls_the_distance() {
        let parts = parts(TWO);
        let known = |all: [Option<f64>; COMPONENTS]| all.into_iter().flatten().collect::<Vec<_>>();
        for (formula, of) in [(Formula::Arithmetic, None), (Formula::Geometric, Some(f64::ln as fn(f64) -> f64))] {
            let score = formula.score(&parts, &WEIGHTS).unwrap();
            let terms = known(formula.contributions(&parts, &WEIGHTS));
            let whole = if of.is_none() { terms.iter().sum::<f64>() } else { terms.iter().product() };
            assert!((whole - score).abs() < 1e-15, "{formula:?}");
            let distance = of.map_or(score - 0.5, |of| of(score) - of(0.5));
            assert!((known(formula.pulls(&parts, &WEIGHTS, 0.5)).iter().sum::<f64>() - distance).abs() < 1e-15, "{formula:?}");
        }
    }
}
