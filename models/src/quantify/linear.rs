//! As much linear algebra as four readings need.

/// A square matrix, row by row.
pub(super) type Square<const N: usize> = [[f64; N]; N];

/// `a * x + b * y`.
pub(super) fn scaled_sum<const N: usize>(a: &Square<N>, x: f64, b: &Square<N>, y: f64) -> Square<N> {
    std::array::from_fn(|row| std::array::from_fn(|column| a[row][column] * x + b[row][column] * y))
}

/// The lower triangle L with L L' = `matrix`; `None` for a matrix that is not positive definite.
pub(super) fn cholesky<const N: usize>(matrix: &Square<N>) -> Option<Square<N>> {
    let mut lower = [[0.0; N]; N];
    for row in 0..N {
        for column in 0..=row {
            let known: f64 = (0..column).map(|k| lower[row][k] * lower[column][k]).sum();
            let rest = matrix[row][column] - known;
            if row == column {
                if rest <= 0.0 || !rest.is_finite() {
                    return None;
                }
                lower[row][row] = rest.sqrt();
            } else {
                lower[row][column] = rest / lower[column][column];
            }
        }
    }
    Some(lower)
}

/// The nearest covariance that can be: correlations shrunk towards none until the matrix is positive definite, variances
/// raised to `least`.
pub(super) fn positive<const N: usize>(matrix: &Square<N>, least: f64) -> Square<N> {
    /// Steps from the matrix as it is to its diagonal alone.
    const STEPS: u32 = 20;
    let shrunk = |part: f64| -> Square<N> {
        std::array::from_fn(|row| {
            std::array::from_fn(|column| if row == column { matrix[row][row].max(least) } else { matrix[row][column] * part })
        })
    };
    (0..=STEPS)
        .map(|step| shrunk(0.99 * (1.0 - f64::from(step) / f64::from(STEPS))))
        .find(|candidate| cholesky(candidate).is_some())
        .unwrap_or_else(|| shrunk(0.0))
}

/// The logarithm of the normal density at `deviation` without its constant, by the covariance's lower triangle.
pub(super) fn log_density<const N: usize>(deviation: &[f64; N], lower: &Square<N>) -> f64 {
    let (mut solved, mut sum, mut log_determinant) = ([0.0; N], 0.0, 0.0);
    for row in 0..N {
        let known: f64 = (0..row).map(|k| lower[row][k] * solved[k]).sum();
        solved[row] = (deviation[row] - known) / lower[row][row];
        sum += solved[row] * solved[row];
        log_determinant += lower[row][row].ln();
    }
    -0.5 * sum - log_determinant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn density_is_that_by_hand() {
        let lower = cholesky(&[[4.0, 2.0], [2.0, 3.0]]).unwrap();
        assert_eq!(lower[0], [2.0, 0.0]);
        // The inverse is [[3, -2], [-2, 4]] / 8; the determinant 8.
        let expected = -0.5 * (3.0 - 2.0 * 2.0 * 2.0 + 4.0 * 4.0) / 8.0 - 0.5 * 8f64.ln();
        assert!((log_density(&[1.0, 2.0], &lower) - expected).abs() < 1e-12);
    }

    #[test]
    fn an_impossible_covariance_becomes_a_possible_one() {
        assert!(cholesky(&[[1.0, 2.0], [2.0, 1.0]]).is_none());
        let near = positive(&[[1.0, 2.0], [2.0, -1.0]], 0.01);
        assert!(cholesky(&near).is_some());
        assert_eq!((near[0][0], near[1][1]), (1.0, 0.01));
    }
}
