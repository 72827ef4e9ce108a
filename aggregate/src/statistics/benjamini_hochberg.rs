//! The false-discovery rate of Benjamini & Hochberg (1995).

/// The q-value of each p-value: the smallest false-discovery rate at which it would be called. Same length and order as
/// `p_values`; equal p-values get equal q-values whatever the order. NaN stays NaN and does not count as a test.
pub fn q_values(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).filter(|&i| !p_values[i].is_nan()).collect();
    order.sort_unstable_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let tests = order.len() as f64;
    let mut q_values = vec![f64::NAN; p_values.len()];
    let mut smallest = 1.0f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        smallest = smallest.min(tests / (rank + 1) as f64 * p_values[i]);
        q_values[i] = smallest;
    }
    q_values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_r_has_it() {
        // p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.8), "BH")
        let q = q_values(&[0.01, 0.04, 0.03, 0.005, 0.8]);
        for (q, expected) in q.iter().zip([0.025, 0.05, 0.05, 0.025, 0.8]) {
            assert!((q - expected).abs() < 1e-12, "{q} {expected}");
        }
        assert!(q_values(&[]).is_empty());
        let with_gap = q_values(&[0.04, f64::NAN]);
        assert!(with_gap[0] == 0.04 && with_gap[1].is_nan());
    }

    proptest! {
        #[test]
        fn order_does_not_matter(p in prop::collection::vec((0u8..40).prop_map(|p| f64::from(p) / 40.0), 1..80), shift in 0usize..80) {
            let q = q_values(&p);
            let mut turned = p.clone();
            turned.rotate_left(shift % p.len());
            let mut turned_q = q_values(&turned);
            turned_q.rotate_right(shift % p.len());
            prop_assert_eq!(&turned_q, &q);
            for (p, q) in p.iter().zip(&q) {
                prop_assert!(q >= p && *q <= 1.0);
            }
        }
    }
}
