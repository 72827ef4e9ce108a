//! Exact inference about Poisson counts and rates.

use super::special::{beta_cdf_with, beta_quantile_with, gamma_quantile, ln_beta};
use super::{Interval, LEVEL};

/// The exact (Garwood 1936) interval for a Poisson mean after seeing `count`, in counts:
/// `[chi2(2n, a/2) / 2, chi2(2n + 2, 1 - a/2) / 2]` with `a = 1 - level`.
pub fn mean_interval(count: u64, level: f64) -> Interval {
    let tail = 0.5 * (1.0 - level);
    Interval { low: gamma_quantile(count as f64, tail), high: gamma_quantile(count as f64 + 1.0, 1.0 - tail) }
}

/// A rate per unit of exposure, and how long one event takes to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Events per unit of exposure.
    pub rate: f64,
    /// Exact 95% interval of the rate.
    pub interval: Interval,
    /// 1 / rate, in units of exposure; `None` without an event.
    pub mean_delay: Option<f64>,
    /// The exact interval of 1 / rate; without an event it has no upper end.
    pub delay_interval: Interval,
}

/// The reporting rate of Liu, Bhandaram & Garg (2023): `events` reports after the first ones, over the summed time in which
/// they could have come. `None` where the exposure is not positive and finite.
///
/// Incidents that nobody ever reported are not in the data: the rate speaks of those reported at least once.
pub fn rate(events: u64, exposure: f64) -> Option<Rate> {
    if !(exposure.is_finite() && exposure > 0.0) {
        return None;
    }
    let counts = mean_interval(events, LEVEL);
    Some(Rate {
        rate: events as f64 / exposure,
        interval: Interval { low: counts.low / exposure, high: counts.high / exposure },
        mean_delay: (events > 0).then(|| exposure / events as f64),
        delay_interval: Interval { low: exposure / counts.high, high: exposure / counts.low },
    })
}

/// How one Poisson rate compares with another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateRatio {
    /// Observed rate over reference rate; infinite without a reference event, NaN without any event.
    pub ratio: f64,
    /// Exact interval of the ratio; `[0, inf)` without any event.
    pub interval: Interval,
    /// Two-sided p-value of ratio 1; below `1 - level` exactly where the interval leaves 1 out.
    pub p_value: f64,
}

/// The exact conditional comparison of two Poisson rates (Przyborowski & Wilenski 1940, Clopper & Pearson 1934).
///
/// Given the sum of both, `observed` is binomial whatever the common rate is, so both counts' uncertainty is in the result.
/// `exposure_ratio` is the reference's exposure in units of the observed one's: eight earlier weeks against one is 8. The
/// p-value is central (twice the smaller tail).
///
/// `dispersion` is variance over mean, at least 1. Above 1 both counts are divided by it first, as many times fewer
/// independent events (a quasi-Poisson count); at 1 the result is exact. Counts up to 2^53.
pub fn rate_ratio(observed: u64, reference: u64, exposure_ratio: f64, dispersion: f64, level: f64) -> RateRatio {
    if observed == 0 && reference == 0 {
        return RateRatio { ratio: f64::NAN, interval: Interval { low: 0.0, high: f64::INFINITY }, p_value: 1.0 };
    }
    let dispersion = dispersion.max(1.0);
    let (o, r) = (observed as f64 / dispersion, reference as f64 / dispersion);
    let tail = 0.5 * (1.0 - level);
    // B(o + 1, r + 1) leads to the two that are needed.
    let shared = ln_beta(o + 1.0, r + 1.0);
    let total = (o + r + 1.0).ln();
    let (ln_beta_low, ln_beta_high) = (shared + total - o.ln(), shared + total - r.ln());
    let odds = |share: f64| exposure_ratio * share / (1.0 - share);
    let interval = Interval {
        low: if observed == 0 { 0.0 } else { odds(beta_quantile_with(o, r + 1.0, ln_beta_low, tail)) },
        high: if reference == 0 { f64::INFINITY } else { odds(beta_quantile_with(o + 1.0, r, ln_beta_high, 1.0 - tail)) },
    };
    let share = 1.0 / (1.0 + exposure_ratio);
    let at_least = || beta_cdf_with(o, r + 1.0, ln_beta_low, share);
    let at_most = || beta_cdf_with(r, o + 1.0, ln_beta_high, 1.0 - share);
    // The tails overlap in what was observed, so one below a half is the smaller; mostly it is the one on the side of the ratio.
    let rising = o * exposure_ratio > r;
    let likely = if rising { at_least() } else { at_most() };
    let smaller = if likely <= 0.5 { likely } else { likely.min(if rising { at_most() } else { at_least() }) };
    RateRatio { ratio: exposure_ratio * observed as f64 / reference as f64, interval, p_value: (2.0 * smaller).min(1.0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn garwood_as_tabulated() {
        let interval = mean_interval(10, 0.95);
        assert!((interval.low - 4.795_389).abs() < 1e-6 && (interval.high - 18.390_356).abs() < 1e-6, "{interval:?}");
        assert_eq!(mean_interval(0, 0.95).low, 0.0);
        assert!((mean_interval(0, 0.95).high - 40f64.ln()).abs() < 1e-12, "-ln(0.025)");
    }

    #[test]
    fn no_exposure_is_no_rate() {
        for exposure in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(rate(3, exposure), None);
        }
        let never = rate(0, 10.0).unwrap();
        assert_eq!((never.mean_delay, never.delay_interval.high), (None, f64::INFINITY));
        assert!((never.delay_interval.low - 10.0 / 40f64.ln()).abs() < 1e-12);
    }

    /// The binomial sum itself, for the p-value.
    fn central_binomial_p(observed: u64, total: u64, share: f64) -> f64 {
        let mut weight = (1.0 - share).powi(total as i32);
        let (mut at_most, mut at_least) = (0.0, 0.0);
        for k in 0..=total {
            if k <= observed {
                at_most += weight;
            }
            if k >= observed {
                at_least += weight;
            }
            weight *= (total - k) as f64 / (k + 1) as f64 * share / (1.0 - share);
        }
        (2.0 * f64::min(at_most, at_least)).min(1.0)
    }

    #[test]
    fn nothing_at_all_says_nothing() {
        let nothing = rate_ratio(0, 0, 8.0, 1.0, 0.95);
        assert!(nothing.ratio.is_nan() && nothing.p_value == 1.0 && nothing.interval.contains(1.0));
        let first = rate_ratio(3, 0, 8.0, 1.0, 0.95);
        assert!(first.ratio.is_infinite() && first.interval.high.is_infinite() && first.interval.low > 0.0);
    }

    proptest! {
        #[test]
        fn the_p_value_is_the_binomial_sum(o in 0u64..60, r in 0u64..200, k in 1u32..13) {
            let p = rate_ratio(o, r, f64::from(k), 1.0, 0.95).p_value;
            let sum = central_binomial_p(o, o + r, 1.0 / (1.0 + f64::from(k)));
            prop_assert!((p - sum).abs() < 1e-9, "{p} {sum}");
        }

        #[test]
        fn interval_and_p_value_say_the_same(o in 0u64..2000, r in 0u64..9000, k in 1u32..13, phi in 1.0..6.0f64) {
            let result = rate_ratio(o, r, f64::from(k), phi, 0.95);
            prop_assert!(o + r == 0 || result.interval.contains(result.ratio), "{result:?}");
            prop_assert!((result.p_value - 0.05).abs() < 1e-9 || (result.p_value < 0.05) != result.interval.contains(1.0), "{result:?}");
        }

        #[test]
        fn intervals_grow_with_the_count(count in 0u64..100_000) {
            let (now, next) = (mean_interval(count, 0.95), mean_interval(count + 1, 0.95));
            prop_assert!(now.contains(count as f64) && now.low < next.low + 1e-12 && now.high < next.high);
            let (fewer, more) = (rate_ratio(count, 70, 8.0, 1.3, 0.95), rate_ratio(count + 1, 70, 8.0, 1.3, 0.95));
            prop_assert!(fewer.interval.low < more.interval.low + 1e-12 && fewer.interval.high < more.interval.high);
        }
    }
}
