//! The negative binomial distribution with a given mean and variance over mean: counts that vary more than Poisson's.

use super::special::{beta_cdf, gamma_cdf, gamma_sf, normal_quantile};

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
    }

    proptest! {
        #[test]
        fn tails_add_up_and_quantiles_invert(mean in 0.01..500.0f64, dispersion in 0.5..9.0f64, count in 0u64..800, p in 0.01..0.99f64) {
            prop_assert!((upper_tail(count + 1, mean, dispersion) + cdf(count, mean, dispersion) - 1.0).abs() < 1e-10);
            let q = quantile(p, mean, dispersion).unwrap();
            prop_assert!(cdf(q, mean, dispersion) >= p - 1e-12);
            prop_assert!(q == 0 || cdf(q - 1, mean, dispersion) < p);
        }
    }
}
