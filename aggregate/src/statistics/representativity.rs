//! How evenly people take part: the R-indicator of Schouten, Cobben & Bethlehem (2009), `R = 1 - 2 S`, where S is the standard
//! deviation, over the population, of the chance to take part. 1 is everybody alike; 0 is half of the people always and half never.
//!
//! Chances are estimated by stratum (a district: reporters over residents), so R speaks of differences between strata only. Chance
//! alone makes estimated chances differ: the mean binomial variance is taken off S squared (Shlomo, Skinner & Schouten 2012), not
//! below zero. Where few take part, S cannot be large and R is near 1 whatever happens (S is at most sqrt(p (1 - p))); the
//! coefficient of variation, S over the mean chance, is the number to look at then.

use super::special::two_sided_z;
use super::{Interval, LEVEL};

/// A stratum of the population.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stratum {
    /// How many people it has.
    pub population: f64,
    /// How many of them took part; more than there are count as all.
    pub participants: f64,
}

/// How evenly people took part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Representativity {
    /// The R-indicator.
    pub r: f64,
    /// Its 95% interval, by the delta method; within 0 to 1.
    pub interval: Interval,
    /// The coefficient of variation of the chance to take part, over the population.
    pub variation: f64,
    /// The mean chance to take part.
    pub mean: f64,
}

/// The R-indicator over strata; those without people are left out. `None` with fewer than two strata or without a participant.
/// The order of the strata changes the result by rounding only.
pub fn indicator(strata: &[Stratum]) -> Option<Representativity> {
    let sound = |s: &&Stratum| s.population.is_finite() && s.population > 0.0 && s.participants >= 0.0;
    let strata: Vec<(f64, f64)> =
        strata.iter().filter(sound).map(|s| (s.population, (s.participants / s.population).min(1.0))).collect();
    let people: f64 = strata.iter().map(|(n, _)| n).sum();
    let mean = strata.iter().map(|(n, p)| n * p).sum::<f64>() / people;
    if strata.len() < 2 || mean.is_nan() || mean <= 0.0 {
        return None;
    }
    let observed: f64 = strata.iter().map(|(n, p)| n / people * (p - mean).powi(2)).sum();
    // A stratum of weight w adds w p (1 - p) / n by chance, less its part in the mean.
    let by_chance: f64 = strata.iter().map(|(n, p)| (n / people) * (1.0 - n / people) * p * (1.0 - p) / n).sum();
    let s = (observed - by_chance).max(0.0).sqrt();
    let gradient = |n: f64, p: f64| 2.0 * n / people * (p - mean);
    let variance: f64 = strata.iter().map(|(n, p)| gradient(*n, *p).powi(2) * p * (1.0 - p) / n).sum();
    // Of S squared; its own scatter by chance keeps the interval open where the strata do not differ.
    let half = two_sided_z(LEVEL) * (variance + 2.0 * by_chance.powi(2)).sqrt();
    let (smallest, largest) = ((s * s - half).max(0.0).sqrt(), (s * s + half).sqrt());
    let r = |s: f64| (1.0 - 2.0 * s).clamp(0.0, 1.0);
    Some(Representativity { r: r(s), interval: Interval { low: r(largest), high: r(smallest) }, variation: s / mean, mean })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn strata(of: &[(f64, f64)]) -> Vec<Stratum> {
        of.iter().map(|&(population, participants)| Stratum { population, participants }).collect()
    }

    #[test]
    fn by_hand() {
        // Half of the people take part always, half never: S = 1/2, R = 0.
        let divided = indicator(&strata(&[(1e6, 1e6), (1e6, 0.0)])).unwrap();
        assert!(divided.r < 1e-6 && (divided.variation - 1.0).abs() < 1e-6);
        // 2 % against 6 %, equally many people: mean 4 %, S = 2 %, R = 0.96, coefficient of variation one half.
        let uneven = indicator(&strata(&[(1e8, 2e6), (1e8, 6e6)])).unwrap();
        assert!((uneven.r - 0.96).abs() < 1e-4 && (uneven.variation - 0.5).abs() < 1e-3 && (uneven.mean - 0.04).abs() < 1e-12);
        assert!(uneven.interval.contains(0.96));
    }

    #[test]
    fn nothing_to_say() {
        assert_eq!(indicator(&[]), None);
        assert_eq!(indicator(&strata(&[(100.0, 3.0)])), None, "one stratum");
        assert_eq!(indicator(&strata(&[(100.0, 0.0), (50.0, 0.0)])), None, "nobody");
        assert_eq!(indicator(&strata(&[(100.0, 3.0), (0.0, 2.0), (f64::NAN, 1.0)])), None);
    }

    proptest! {
        #[test]
        fn alike_is_one_and_everything_stays_within_bounds(
            of in prop::collection::vec((1.0..1e5f64, 0.0..1.0f64), 2..30),
            chance in 0.01..0.5f64,
        ) {
            let uneven = indicator(&of.iter().map(|(n, p)| Stratum { population: *n, participants: n * p }).collect::<Vec<_>>());
            if let Some(found) = uneven {
                prop_assert!((0.0..=1.0).contains(&found.r) && found.interval.contains(found.r));
            }
            let alike = indicator(&of.iter().map(|(n, _)| Stratum { population: *n, participants: n * chance }).collect::<Vec<_>>()).unwrap();
            prop_assert!(alike.r == 1.0 && alike.variation == 0.0, "{alike:?}");
        }
    }
}
