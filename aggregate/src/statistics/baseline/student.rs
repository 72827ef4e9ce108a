//! Tails where the variance was estimated with so many degrees of freedom: Student's instead of normal ones, by the deviates of Wallace
//! (1959), good to 2% of a standard deviation for all of them.

use crate::statistics::LEVEL;
use crate::statistics::special::{normal_cdf, normal_quantile, two_sided_z};

/// A tail as it is where the variance was guessed.
pub(super) fn heavier(tail: f64, degrees: f64) -> f64 {
    let z = -normal_quantile(tail.max(f64::MIN_POSITIVE));
    normal_cdf(-wallace(degrees) * (degrees * (z * z / degrees).ln_1p()).sqrt())
}

/// The normal deviate whose tail [`heavier`] makes half of what [`LEVEL`] leaves.
pub(super) fn deviate(degrees: f64) -> f64 {
    static Z: std::sync::LazyLock<f64> = std::sync::LazyLock::new(|| two_sided_z(LEVEL));
    let z = *Z / wallace(degrees);
    (degrees * (z * z / degrees).exp_m1()).sqrt()
}

fn wallace(degrees: f64) -> f64 {
    (8.0 * degrees + 1.0) / (8.0 * degrees + 3.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_variance_that_is_guessed_makes_tails_heavier_as_students() {
        // P(T > 2.5758) with 17 degrees of freedom, against 0.005 of the normal.
        assert!((heavier(0.005, 17.0) - 0.0098).abs() < 4e-4, "{}", heavier(0.005, 17.0));
        assert!((heavier(0.005, 1e9) - 0.005).abs() < 1e-7);
    }

    proptest! {
        #[test]
        fn the_deviate_is_that_of_the_tail(degrees in 6.0..500.0f64) {
            prop_assert!((heavier(normal_cdf(-deviate(degrees)), degrees) - 0.025).abs() < 1e-9);
        }
    }
}
