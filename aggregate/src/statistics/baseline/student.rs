//! Tails where the variance was estimated with so many degrees of freedom: Student's instead of normal ones, by the deviates of Wallace
//! (1959), good to 2% of a standard deviation for all of them.

use std::collections::HashMap;
use std::f64::consts::TAU;

use crate::statistics::LEVEL;
use crate::statistics::special::{normal_cdf, normal_quantile, two_sided_z};

/// A tail as it is where the variance was guessed.
pub(super) fn heavier(tail: f64, degrees: f64) -> f64 {
    let z = -normal_quantile(tail.max(f64::MIN_POSITIVE));
    normal_cdf(-wallace(degrees) * (degrees * (z * z / degrees).ln_1p()).sqrt())
}

/// The normal deviate whose tail [`heavier`] makes half of what [`LEVEL`] leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deviate {
    pub(super) z: f64,
    ln_tail: f64,
    /// Density over tail.
    hazard: f64,
}

impl Deviate {
    /// For so many degrees of freedom.
    pub(super) fn of(degrees: f64) -> Self {
        static Z: std::sync::LazyLock<f64> = std::sync::LazyLock::new(|| two_sided_z(LEVEL));
        let z = *Z / wallace(degrees);
        let z = (degrees * (z * z / degrees).exp_m1()).sqrt();
        let tail = normal_cdf(-z);
        Self { z, ln_tail: tail.ln(), hazard: (-0.5 * z * z).exp() / (TAU.sqrt() * tail) }
    }

    /// How many deviates nearer to the middle than this one a tail lies whose logarithm is given: by the first two terms of its
    /// series, which is good near by and grows farther away.
    pub(super) fn beyond(&self, ln_tail: f64) -> f64 {
        let linear = (ln_tail - self.ln_tail) / self.hazard;
        linear * (1.0 + 0.5 * (self.hazard - self.z) * linear.clamp(-1.0, 1.0))
    }
}

/// Deviates by degrees of freedom, each computed once: of the thousands of cells of a window most have the same few.
#[derive(Debug, Default)]
pub struct Deviates(HashMap<u64, Deviate>);

impl Deviates {
    pub(super) fn of(&mut self, degrees: f64) -> Deviate {
        *self.0.entry(degrees.to_bits()).or_insert_with(|| Deviate::of(degrees))
    }
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
            let deviate = Deviate::of(degrees);
            prop_assert!((heavier(normal_cdf(-deviate.z), degrees) - 0.025).abs() < 1e-9);
            for nearer in [-0.1, -0.01, 0.01, 0.1] {
                let ln_tail = normal_cdf(nearer - deviate.z).ln();
                prop_assert!((deviate.beyond(ln_tail) - nearer).abs() < 0.3 * nearer.abs().powi(3), "{nearer} {}", deviate.beyond(ln_tail));
            }
        }
    }
}
