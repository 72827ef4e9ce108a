//! Which words one group says more than another: weighted log-odds with an informative Dirichlet prior.
//!
//! Monroe, Colaresi & Quinn (2008), "Fightin' Words: Lexical Feature Selection and Evaluation for Identifying the Content of Political
//! Conflict", Political Analysis 16(4), equations 16 and 18 to 22. The prior says how often a word is used in general; a word that is rare
//! in both groups has a wide error, one that both use as usual has a difference near nothing.

use super::special::normal_cdf;

/// How often something was said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    /// By so many.
    pub count: f64,
    /// Of so many.
    pub of: f64,
}

/// How often it is said in general: as if so many of so many had said it in each group before anybody was counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// More than 0.
    pub count: f64,
    /// More than `count`.
    pub of: f64,
}

/// A difference of log-odds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Natural logarithm of the ratio of the odds; positive where the first group says it more.
    pub log_odds: f64,
    /// The difference by its standard error.
    pub z: f64,
    /// Probability of a z as great or greater if the groups said it equally often: one-sided, normal.
    pub p_value: f64,
}

/// How much more one group says something than another. `None` where a count is no number, negative, or more than all, or the prior is
/// none.
pub fn difference(one: Said, other: Said, prior: Prior) -> Option<Difference> {
    let is_count = |said: Said| (0.0..=said.of).contains(&said.count) && said.of.is_finite();
    let is_prior = prior.count > 0.0 && prior.of > prior.count && prior.of.is_finite();
    if !(is_count(one) && is_count(other) && is_prior) {
        return None;
    }
    let log_odds = |said: Said| {
        let count = said.count + prior.count;
        (count / (said.of + prior.of - count)).ln()
    };
    let difference = log_odds(one) - log_odds(other);
    let variance = 1.0 / (one.count + prior.count) + 1.0 / (other.count + prior.count);
    let z = difference / variance.sqrt();
    Some(Difference { log_odds: difference, z, p_value: normal_cdf(-z) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn by_hand() {
        // 12 of 200 now and 3 of 1,000 before, where in general 1.25 of 100 say it: odds 13.25/286.75 against 4.25/1,095.75;
        // ln = 2.4776, error sqrt(1/13.25 + 1/4.25) = 0.5575.
        let found =
            difference(Said { count: 12.0, of: 200.0 }, Said { count: 3.0, of: 1000.0 }, Prior { count: 1.25, of: 100.0 });
        let found = found.unwrap();
        assert!((found.log_odds - 2.4776).abs() < 1e-3, "{found:?}");
        assert!((found.z - 4.444).abs() < 1e-2, "{found:?}");
        assert!(found.p_value < 1e-5 && found.p_value > 1e-6, "{found:?}");
        let no = |one, other, prior| assert_eq!(difference(one, other, prior), None);
        let (said, prior) = (Said { count: 1.0, of: 2.0 }, Prior { count: 1.0, of: 2.0 });
        no(Said { count: 3.0, of: 2.0 }, said, prior);
        no(said, Said { count: f64::NAN, of: 2.0 }, prior);
        no(said, said, Prior { count: 0.0, of: 2.0 });
    }

    proptest! {
        #[test]
        fn groups_change_sides_and_nothing_is_no_difference(a in 0u32..50, b in 0u32..50, more in 1u32..1000, prior in 0.01..5.0f64) {
            let (a, b) = (f64::from(a), f64::from(b));
            let prior = Prior { count: prior, of: 100.0 };
            let said = |count: f64| Said { count, of: 50.0 + f64::from(more) };
            let one = difference(said(a), said(b), prior).unwrap();
            let other = difference(said(b), said(a), prior).unwrap();
            prop_assert!((one.z + other.z).abs() < 1e-9);
            prop_assert_eq!(one.z > 0.0, a > b);
        }
    }
}
