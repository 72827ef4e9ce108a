//! Wilson's score interval for a share (Wilson 1927; Brown, Cai & DasGupta 2001 recommend it for small n).

use super::Interval;
use super::special::two_sided_z;

/// The interval of a share after `successes` of `n`, both possibly fractional (weighted or expected counts).
/// Without observations it is `[0, 1]`; NaN or a share outside of 0 to 1 gives `None`.
pub fn interval(successes: f64, n: f64, level: f64) -> Option<Interval> {
    if !(n.is_finite() && n >= 0.0 && successes >= 0.0 && successes <= n) {
        return None;
    }
    if n == 0.0 {
        return Some(Interval { low: 0.0, high: 1.0 });
    }
    let z = two_sided_z(level);
    let (share, z2) = (successes / n, z * z);
    let centre = (successes + 0.5 * z2) / (n + z2);
    let half = z / (n + z2) * (n * share * (1.0 - share) + 0.25 * z2).sqrt();
    // The ends touch 0 and 1 exactly where the share does, whatever the rounding.
    let low = if successes == 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if successes == n { 1.0 } else { (centre + half).min(1.0) };
    Some(Interval { low, high })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_published() {
        // Newcombe (1998), table I: 81 of 263 and 15 of 148.
        let interval_of = |x, n| interval(x, n, 0.95).unwrap();
        let (a, b) = (interval_of(81.0, 263.0), interval_of(15.0, 148.0));
        assert!((a.low - 0.2553).abs() < 5e-5 && (a.high - 0.3662).abs() < 5e-5, "{a:?}");
        assert!((b.low - 0.0624).abs() < 5e-5 && (b.high - 0.1605).abs() < 5e-5, "{b:?}");
        assert_eq!(interval(1.0, 0.0, 0.95), None);
        assert_eq!(interval(f64::NAN, 3.0, 0.95), None);
        assert_eq!(interval_of(0.0, 0.0), Interval { low: 0.0, high: 1.0 });
    }

    proptest! {
        #[test]
        fn contains_the_share(n in 1u32..5000, share in 0.0..=1.0f64) {
            let n = f64::from(n);
            let x = (share * n).floor();
            let interval = interval(x, n, 0.95).unwrap();
            prop_assert!(interval.contains(x / n) && interval.low >= 0.0 && interval.high <= 1.0);
        }
    }
}
