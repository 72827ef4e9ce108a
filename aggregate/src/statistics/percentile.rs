//! A number's place among others, between 0 and 1: a scale that no outlier stretches and no change of unit moves.

/// Values to be placed among.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Percentiles {
    sorted: Vec<f64>,
}

impl Percentiles {
    /// From all values there are; NaN is left out.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Self { sorted }
    }

    /// The share of values below, ties counting half; one half where there are none.
    pub fn of(&self, value: f64) -> f64 {
        if self.sorted.is_empty() {
            return 0.5;
        }
        let below = self.sorted.partition_point(|v| *v < value);
        let up_to = self.sorted.partition_point(|v| *v <= value);
        (below + up_to) as f64 / (2 * self.sorted.len()) as f64
    }

    /// How far the place moves when the value moves by its standard error: half the distance between one below and one above.
    pub fn error(&self, value: f64, standard_error: f64) -> f64 {
        0.5 * (self.of(value + standard_error) - self.of(value - standard_error))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places() {
        let percentiles = Percentiles::new([10.0, 30.0, 20.0, 20.0, f64::NAN]);
        assert_eq!([5.0, 10.0, 20.0, 30.0, 40.0].map(|v| percentiles.of(v)), [0.0, 0.125, 0.5, 0.875, 1.0]);
        assert_eq!((percentiles.error(20.0, 0.0), percentiles.error(20.0, 10.0)), (0.0, 0.375));
        assert_eq!(Percentiles::default().of(3.0), 0.5);
    }

    proptest! {
        #[test]
        fn the_unit_does_not_matter(values in prop::collection::vec(0.001..1000.0f64, 1..50)) {
            let (plain, logs) = (Percentiles::new(values.clone()), Percentiles::new(values.iter().map(|v| v.ln())));
            for value in values {
                prop_assert_eq!(plain.of(value), logs.of(value.ln()));
                prop_assert!(plain.error(value, 1.0) >= 0.0 && plain.error(value, 1.0) <= 0.5);
            }
        }
    }
}
