//! The negative binomial distribution with a given mean and variance over mean: counts that vary more than Poisson's.

use super::special::{BetaTails, beta_cdf, gamma_cdf, gamma_sf, ln_beta, normal_quantile};

/// P(Y >= `count`) where Y has `mean` and variance `dispersion * mean`; Poisson where `dispersion` is 1 or less.
pub fn upper_tail(count: u64, mean: f64, dispersion: f64) -> f64 {
    if count == 0 {
        1.0
    } else if mean.is_nan() || mean < 0.0 {
        f64::NAN
    } else if mean == 0.0 {
        0.0
    } else if dispersion > 1.0 {
        beta_cdf(count as f64, mean / (dispersion - 1.0), 1.0 - 1.0 / dispersion)
    } else {
        gamma_cdf(count as f64, mean)
    }
}

/// P(Y <= `count`).
pub fn cdf(count: u64, mean: f64, dispersion: f64) -> f64 {
    if mean.is_nan() || mean < 0.0 {
        f64::NAN
    } else if mean == 0.0 {
        1.0
    } else if dispersion > 1.0 {
        beta_cdf(mean / (dispersion - 1.0), count as f64 + 1.0, 1.0 / dispersion)
    } else {
        gamma_sf(count as f64 + 1.0, mean)
    }
}

/// ln P(Y = 0).
pub fn ln_none(mean: f64, dispersion: f64) -> f64 {
    if dispersion > 1.0 { -mean / (dispersion - 1.0) * (dispersion - 1.0).ln_1p() } else { -mean }
}

/// Both tails of a count, itself included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tails {
    /// P(Y <= count).
    pub at_most: f64,
    /// P(Y >= count).
    pub at_least: f64,
}

/// Counts up to here are summed term by term, which is several times faster than the beta function; see [`tails`].
const MAX_SUMMED: u64 = 300;
/// Terms of a small upper tail that are summed at most; the beta function answers beyond.
const MAX_TAIL_TERMS: u64 = 400;
/// 1 / k, so that the sum below divides nothing.
const INVERSE: [f64; (MAX_SUMMED + MAX_TAIL_TERMS + 2) as usize] = {
    let mut inverse = [0.0; (MAX_SUMMED + MAX_TAIL_TERMS + 2) as usize];
    let mut k = 1;
    while k < inverse.len() {
        inverse[k] = 1.0 / k as f64;
        k += 1;
    }
    inverse
};

/// Both tails at once, to about 1e-12 of their value: what a table tick evaluates some hundred thousand times. A mean that is
/// not positive and finite has no tails: NaN.
pub fn tails(count: u64, mean: f64, dispersion: f64) -> Tails {
    if !(mean > 0.0 && mean.is_finite()) {
        return Tails { at_most: f64::NAN, at_least: f64::NAN };
    }
    if let Some(tails) = summed(count, mean, dispersion) {
        return tails;
    }
    if dispersion > 1.0 && count > 0 {
        let (a, b) = (count as f64, mean / (dispersion - 1.0));
        let BetaTails { at_most, above, front } = BetaTails::of(a, b, ln_beta(a, b), 1.0 - 1.0 / dispersion);
        return Tails { at_most: above + front / a, at_least: at_most };
    }
    Tails { at_most: cdf(count, mean, dispersion), at_least: upper_tail(count, mean, dispersion) }
}

/// The tails by the recurrence of the probabilities from zero; `None` where it would be long or underflow.
fn summed(count: u64, mean: f64, dispersion: f64) -> Option<Tails> {
    if count > MAX_SUMMED {
        return None;
    }
    // p(k + 1) / p(k) = (slope * k + start) / (k + 1).
    let ln_first = ln_none(mean, dispersion);
    let (start, slope) = if dispersion > 1.0 { (mean / dispersion, 1.0 - 1.0 / dispersion) } else { (mean, 0.0) };
    if ln_first < -600.0 {
        return None;
    }
    let mut term = ln_first.exp();
    let mut at_most = term;
    for k in 0..count as usize {
        term *= (slope * k as f64 + start) * INVERSE[k + 1];
        at_most += term;
    }
    let rest = 1.0 - (at_most - term);
    if rest > 1e-3 {
        return Some(Tails { at_most: at_most.min(1.0), at_least: rest });
    }
    let mut at_least = term;
    for k in count as usize..(count + MAX_TAIL_TERMS) as usize {
        term *= (slope * k as f64 + start) * INVERSE[k + 1];
        at_least += term;
        if term <= 1e-16 * at_least {
            return Some(Tails { at_most: at_most.min(1.0), at_least });
        }
    }
    None
}

/// The smallest count whose [`cdf`] reaches `p`. `None` where `p` is not inside 0 to 1 or the mean is not finite and
/// non-negative.
pub fn quantile(p: f64, mean: f64, dispersion: f64) -> Option<u64> {
    if !(mean.is_finite() && mean >= 0.0 && p > 0.0 && p < 1.0) {
        return None;
    }
    // As R does it, so that a cdf that is p up to rounding counts as reaching it.
    let p = p * (1.0 - 64.0 * f64::EPSILON);
    let reaches = |count: u64| cdf(count, mean, dispersion) >= p;
    let guess = mean + normal_quantile(p) * (mean * dispersion.max(1.0)).sqrt();
    let (mut low, mut high) = (0u64, guess.max(1.0) as u64 + 1);
    while !reaches(high) {
        low = high;
        high = high.checked_mul(2)?;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if reaches(middle) { high = middle } else { low = middle + 1 }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_values() {
        // Poisson(3): P(Y >= 5); geometric with mean 1: P(Y >= k) = 2^-k.
        assert!((upper_tail(5, 3.0, 1.0) - 0.184_736_755_476_228_4).abs() < 1e-12);
        assert!((upper_tail(4, 1.0, 2.0) - 1.0 / 16.0).abs() < 1e-14);
        assert_eq!((quantile(0.95, 1.0, 2.0), quantile(0.95, 3.0, 1.0), quantile(0.95, 0.0, 2.0)), (Some(4), Some(6), Some(0)));
        assert_eq!((quantile(f64::NAN, 1.0, 1.0), quantile(0.9, f64::INFINITY, 1.0)), (None, None));
        assert_eq!((upper_tail(0, 0.0, 1.0), upper_tail(1, 0.0, 1.0)), (1.0, 0.0));
        assert!(tails(3, 0.0, 1.0).at_least.is_nan() && tails(0, f64::INFINITY, 1.0).at_most.is_nan());
    }

    proptest! {
        #[test]
        fn tails_are_those_of_the_beta_function(mean in 1e-4..900.0f64, dispersion in 0.9..12.0f64, count in 0u64..1200) {
            let tails = tails(count, mean, dispersion);
            // Next to Poisson's the beta function takes differences of the logarithms of huge factorials, and loses digits to them.
            let lost = 1e-14 * mean / (dispersion - 1.0).abs().max(1e-9);
            let close = |a: f64, b: f64| (a - b).abs() <= (1e-9 + lost) * b + 1e-280;
            prop_assert!(close(tails.at_least, upper_tail(count, mean, dispersion)), "{tails:?} {}", upper_tail(count, mean, dispersion));
            prop_assert!(close(tails.at_most, cdf(count, mean, dispersion)), "{tails:?} {}", cdf(count, mean, dispersion));
        }

        #[test]
        fn tails_add_up_and_quantiles_invert(mean in 0.01..500.0f64, dispersion in 0.5..9.0f64, count in 0u64..800, p in 0.01..0.99f64) {
            prop_assert!((upper_tail(count + 1, mean, dispersion) + cdf(count, mean, dispersion) - 1.0).abs() < 1e-10);
            let q = quantile(p, mean, dispersion).unwrap();
            prop_assert!(cdf(q, mean, dispersion) >= p - 1e-12);
            prop_assert!(q == 0 || cdf(q - 1, mean, dispersion) < p);
        }
    }
}
