//! The difference of two shares, with Newcombe's hybrid score interval (1998, method 10): good for small numbers and shares near 0.

use super::special::{normal_cdf, two_sided_z};
use super::{Interval, LEVEL, wilson};

/// How one share differs from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The first less the second.
    pub difference: f64,
    /// Its interval at [`LEVEL`].
    pub interval: Interval,
    /// Two-sided p-value of no difference: the level at which the interval begins to hold zero.
    pub p_value: f64,
}

/// Compares shares of `successes` of `n`, both possibly fractional, as sums of probabilities are. `None` where a side has nothing.
///
/// Texts count as independent. A probability varies less than the label it stands for, so for sums of probabilities the interval is
/// on the wide side.
pub fn compare(first: (f64, f64), second: (f64, f64)) -> Option<Difference> {
    if first.1 <= 0.0 || second.1 <= 0.0 {
        return None;
    }
    let interval = interval_at(first, second, LEVEL)?;
    let difference = first.0 / first.1 - second.0 / second.1;
    // The interval grows with its level: halve between none and nearly all.
    let (mut holds_not, mut holds) = (0.0, 1.0 - 1e-15);
    for _ in 0..60 {
        let level = 0.5 * (holds_not + holds);
        if interval_at(first, second, level)?.contains(0.0) { holds = level } else { holds_not = level }
    }
    let p_value = if difference == 0.0 { 1.0 } else { 2.0 * normal_cdf(-two_sided_z(holds)) };
    Some(Difference { difference, interval, p_value })
}

fn interval_at(first: (f64, f64), second: (f64, f64), level: f64) -> Option<Interval> {
    let (a, b) = (wilson::interval(first.0, first.1, level)?, wilson::interval(second.0, second.1, level)?);
    let (p, q) = (first.0 / first.1, second.0 / second.1);
    Some(Interval { low: p - q - (p - a.low).hypot(b.high - q), high: p - q + (a.high - p).hypot(q - b.low) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_published() {
        // Newcombe (1998), table II, method 10: 56/70 - 48/80 and 9/10 - 3/10.
        let a = compare((56.0, 70.0), (48.0, 80.0)).unwrap();
        assert!((a.interval.low - 0.0524).abs() < 5e-5 && (a.interval.high - 0.3339).abs() < 5e-5, "{a:?}");
        let b = compare((9.0, 10.0), (3.0, 10.0)).unwrap();
        assert!((b.interval.low - 0.1705).abs() < 5e-5 && (b.interval.high - 0.8090).abs() < 5e-5, "{b:?}");
        assert_eq!(compare((0.0, 0.0), (1.0, 2.0)), None);
        assert_eq!(compare((1.0, 2.0), (0.0, 0.0)), None);
    }

    proptest! {
        #[test]
        fn interval_and_p_value_say_the_same(n in 1u32..400, m in 1u32..400, p in 0.0..=1.0f64, q in 0.0..=1.0f64) {
            let (n, m) = (f64::from(n), f64::from(m));
            let found = compare((p * n, n), (q * m, m)).unwrap();
            prop_assert!(found.interval.contains(found.difference));
            let near = (found.p_value - 0.05).abs() < 1e-6;
            prop_assert!(near || (found.p_value < 0.05) != found.interval.contains(0.0), "{found:?}");
        }
    }
}
