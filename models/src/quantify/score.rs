//! How far estimated shares are from true ones, as SemEval-2016/2017 task 4, subtask D measures it.

/// Kullback-Leibler divergence and absolute error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Distance {
    /// Sum of p ln(p / q) over smoothed true shares p and estimates q.
    pub kld: f64,
    /// Mean of |p - q| over classes.
    pub ae: f64,
}

/// The distance of `estimate` from `truth` for a topic with `texts` texts. For the divergence both are smoothed with
/// epsilon = 1 / (2 texts), so that a share of zero costs something finite (Nakov et al. 2016).
pub fn distance(truth: &[f64], estimate: &[f64], texts: u64) -> Distance {
    let epsilon = 1.0 / (2.0 * texts.max(1) as f64);
    let smooth = |share: f64| (share + epsilon) / (1.0 + epsilon * truth.len() as f64);
    let pairs = || truth.iter().zip(estimate);
    Distance {
        kld: pairs().map(|(p, q)| smooth(*p) * (smooth(*p) / smooth(*q)).ln()).sum(),
        ae: pairs().map(|(p, q)| (p - q).abs()).sum::<f64>() / truth.len().max(1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_by_hand() {
        let same = distance(&[0.3, 0.7], &[0.3, 0.7], 100);
        assert_eq!((same.kld, same.ae), (0.0, 0.0));
        // epsilon 0.05: 0.25 / 1.1, 0.85 / 1.1 against 0.55 / 1.1 twice.
        let off = distance(&[0.2, 0.8], &[0.5, 0.5], 10);
        let expected = 0.25 / 1.1 * (0.25f64 / 0.55).ln() + 0.85 / 1.1 * (0.85f64 / 0.55).ln();
        assert!((off.kld - expected).abs() < 1e-12 && (off.ae - 0.3).abs() < 1e-12, "{off:?}");
        assert!(distance(&[0.0, 1.0], &[1.0, 0.0], 10).kld.is_finite());
    }
}
