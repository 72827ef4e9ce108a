//! Five estimates of the shares of three tones. Each takes weighted points, so that plain samples, sketches and bootstrap
//! replicates are one thing to it.

use super::sketch::{Point, TONES};

/// Shares of the tones; they sum to 1.
pub type Shares = [f64; TONES];

/// What is read of texts whose tone is known: `matrix[read][known]`, each column sums to 1.
pub type Matrix = [[f64; TONES]; TONES];

/// Most rounds of expectation and maximisation.
const MAX_ROUNDS: usize = 500;
/// Rounds end when no share moves by more.
const CONVERGED: f64 = 1e-6;

/// Classify and count: the share of texts whose most probable tone it is.
pub(super) fn counted(points: &[Point]) -> Shares {
    let mut sums = [0.0; TONES];
    points.iter().for_each(|point| sums[point.counted] += point.texts);
    normalised(sums)
}

/// Probabilistic classify and count: the mean probability (Bella et al. 2010).
pub(super) fn mean(points: &[Point]) -> Shares {
    let mut sums = [0.0; TONES];
    for point in points {
        sums.iter_mut().zip(point.tone).for_each(|(sum, p)| *sum += p * point.texts);
    }
    normalised(sums)
}

/// Adjusted count: the shares that, read as `matrix` says, come nearest to the shares that were read (Forman 2008 for
/// counts, Bella et al. 2010 for mean probabilities; several classes as least squares, Hopkins & King 2010). Nearest by the
/// sum of squares, among shares that are none negative and sum to 1: inverting the matrix would leave that triangle.
pub(super) fn adjusted(read: &Shares, matrix: &Matrix) -> Shares {
    let miss = |shares: &Shares| -> f64 {
        (0..TONES).map(|k| ((0..TONES).map(|c| matrix[k][c] * shares[c]).sum::<f64>() - read[k]).powi(2)).sum()
    };
    if let Some(inside) = inside(read, matrix) {
        return inside;
    }
    // The best is on an edge: between two tones, the third absent.
    let edges = [(0, 1), (0, 2), (1, 2)].map(|(a, b)| on_edge(read, matrix, a, b));
    edges.into_iter().min_by(|x, y| miss(x).total_cmp(&miss(y))).unwrap_or([1.0 / TONES as f64; TONES])
}

/// The unconstrained solution, where it is inside the triangle. Columns and shares sum to 1, so two rows say everything.
fn inside(read: &Shares, matrix: &Matrix) -> Option<Shares> {
    let row = |k: usize| [matrix[k][0] - matrix[k][2], matrix[k][1] - matrix[k][2], read[k] - matrix[k][2]];
    let ([a, b, e], [c, d, f]) = (row(0), row(1));
    let determinant = a * d - b * c;
    if determinant.abs() < 1e-9 {
        return None;
    }
    let (first, second) = ((e * d - b * f) / determinant, (a * f - e * c) / determinant);
    let shares = [first, second, 1.0 - first - second];
    shares.iter().all(|share| (0.0..=1.0).contains(share)).then_some(shares)
}

/// The best mixture of tones `a` and `b`.
fn on_edge(read: &Shares, matrix: &Matrix, a: usize, b: usize) -> Shares {
    let (mut top, mut bottom) = (0.0, 0.0);
    for (row, read) in matrix.iter().zip(read) {
        let difference = row[a] - row[b];
        top += difference * (read - row[b]);
        bottom += difference * difference;
    }
    let of_a = if bottom > 0.0 { (top / bottom).clamp(0.0, 1.0) } else { 0.5 };
    let mut shares = [0.0; TONES];
    shares[a] = of_a;
    shares[b] = 1.0 - of_a;
    shares
}

/// Expectation-maximisation (Saerens, Latinne & Decaestecker 2002): the shares under which the texts are most likely, when
/// the probabilities are those of a population whose shares were `prior`.
pub(super) fn em(points: &[Point], prior: &Shares) -> Shares {
    let total: f64 = points.iter().map(|point| point.texts).sum();
    let mut shares = *prior;
    if total <= 0.0 {
        return shares;
    }
    for _ in 0..MAX_ROUNDS {
        let mut next = [0.0; TONES];
        for point in points {
            let joint: Shares = std::array::from_fn(|c| point.tone[c] * shares[c] / prior[c].max(1e-9));
            let sum: f64 = joint.iter().sum();
            if sum > 0.0 {
                next.iter_mut().zip(joint).for_each(|(next, joint)| *next += point.texts * joint / sum);
            }
        }
        next = normalised(next);
        let moved = next.iter().zip(shares).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        shares = next;
        if moved < CONVERGED {
            break;
        }
    }
    shares
}

/// Scaled to sum to 1; equal shares where nothing is there.
fn normalised(sums: [f64; TONES]) -> Shares {
    let total: f64 = sums.iter().sum();
    if total > 0.0 { sums.map(|sum| sum / total) } else { [1.0 / TONES as f64; TONES] }
}
