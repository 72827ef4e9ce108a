//! Confidence sets for ranks: which places could each of several quantities truly hold, given how well each is known?
//!
//! Mogstad, Romano, Shaikh & Wilhelm (2024), "Inference for Ranks with Applications to Mobility across Neighbourhoods and
//! Academic Achievement across Countries", Review of Economic Studies 91(1); two-sided sets with step-down as
//! `csranks::csranks`. Of every two quantities it is tested whether the first is larger and whether the second is; a quantity
//! ranks behind everything that is significantly larger and before everything that is significantly smaller.
//!
//! The critical value is either simulated, as the reference does it, or Holm's (1979), which needs no draws, holds for every
//! covariance, and is a few percent larger.

mod holm;
mod simulated;

/// The places that one quantity may hold; 1 is the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankSet {
    /// Best place that the data allows.
    pub low: usize,
    /// Place of the estimate: one more than the number of larger estimates.
    pub rank: usize,
    /// Worst place that the data allows.
    pub high: usize,
}

impl RankSet {
    /// Whether the data leaves no doubt that this is one of the `k` largest.
    pub fn certainly_top(&self, k: usize) -> bool {
        self.high <= k
    }

    /// Whether the data allows this to be one of the `k` largest.
    pub fn possibly_top(&self, k: usize) -> bool {
        self.low <= k
    }
}

/// What is promised of the sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// All sets together hold the true ranks with the stated probability.
    Simultaneous,
    /// Each set by itself does.
    Marginal,
}

/// How far estimates may be off.
#[derive(Clone, Copy, Debug)]
pub enum Errors<'a> {
    /// Standard errors, independent of one another.
    Independent(&'a [f64]),
    /// A covariance matrix, row by row.
    Covariance(&'a [f64]),
}

/// Where the critical value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Critical {
    /// Holm's: no draws, valid whatever the covariance.
    Holm,
    /// The largest studentised difference in this many draws of the errors.
    Simulated {
        /// How many; at least 1.
        draws: usize,
        /// Seed of the draws: the same seed gives the same sets.
        seed: u64,
    },
}

/// Which ends of a set are asked for. One end alone is sharper for a single quantity; for all at once it is that of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Best and worst place.
    #[default]
    Both,
    /// The best place; the worst is the last.
    Low,
    /// The worst place; the best is the first.
    High,
}

/// What is asked of the sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// What is promised.
    pub coverage: Coverage,
    /// Where the critical value comes from.
    pub critical: Critical,
    /// Probability with which the promise holds.
    pub level: f64,
    /// Which ends.
    pub side: Side,
    /// Whether what is rejected lowers the critical value for the rest (step-down): sharper, and as valid.
    pub stepwise: bool,
}

/// Most quantities that can be simulated or have a covariance matrix: memory is `draws x quantities x 8` bytes.
pub const MAX_SIMULATED: usize = 1000;
/// Most draws.
pub const MAX_DRAWS: usize = 100_000;

/// Why there are no sets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RankError {
    /// Arrays that do not fit together.
    #[error("{estimates} estimates need {needed} entries of error, not {given}")]
    Shape {
        /// How many estimates there are.
        estimates: usize,
        /// How many entries they need.
        needed: usize,
        /// How many there are.
        given: usize,
    },
    /// A number that is not one.
    #[error("estimate {0} or its error is not finite, or a variance is negative: leave it out of the ranking")]
    NotFinite(usize),
    /// A covariance matrix that is none.
    #[error("the covariance matrix is not positive semi-definite")]
    NotCovariance,
    /// Too much to simulate.
    #[error(
        "{estimates} estimates and {draws} draws are more than {MAX_SIMULATED} and {MAX_DRAWS}, or none: use Holm's critical value"
    )]
    TooLarge {
        /// How many estimates there are.
        estimates: usize,
        /// How many draws were asked for.
        draws: usize,
    },
}

/// Confidence sets for the ranks of `estimates` at confidence `level`, in the same order.
///
/// With [`Critical::Simulated`] the draws belong to positions in the input: order the input by something stable.
pub fn sets(
    estimates: &[f64],
    errors: Errors<'_>,
    coverage: Coverage,
    critical: Critical,
    level: f64,
) -> Result<Vec<RankSet>, RankError> {
    sets_as(estimates, errors, &Request { coverage, critical, level, side: Side::Both, stepwise: true })
}

/// As [`sets`], with every choice that the method has.
pub fn sets_as(estimates: &[f64], errors: Errors<'_>, request: &Request) -> Result<Vec<RankSet>, RankError> {
    let problem = Problem::new(estimates, errors)?;
    let counts = match request.critical {
        Critical::Holm => problem.by_holm(request),
        Critical::Simulated { draws, seed } => problem.by_simulation(request, draws, seed)?,
    };
    let mut sorted = estimates.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = estimates.len();
    let rank_set = |(estimate, (larger, smaller)): (&f64, Separated)| RankSet {
        low: if request.side == Side::High { 1 } else { 1 + larger },
        rank: 1 + n - sorted.partition_point(|s| s <= estimate),
        high: if request.side == Side::Low { n } else { n - smaller },
    };
    Ok(estimates.iter().zip(counts).map(rank_set).collect())
}

/// How many quantities are significantly larger and smaller than one.
type Separated = (usize, usize);

struct Problem<'a> {
    estimates: &'a [f64],
    errors: Errors<'a>,
}

impl<'a> Problem<'a> {
    fn new(estimates: &'a [f64], errors: Errors<'a>) -> Result<Self, RankError> {
        let n = estimates.len();
        let (needed, given) = match errors {
            Errors::Independent(errors) => (n, errors.len()),
            Errors::Covariance(matrix) => (n * n, matrix.len()),
        };
        if needed != given {
            return Err(RankError::Shape { estimates: n, needed, given });
        }
        let problem = Self { estimates, errors };
        match (0..n).find(|&i| !(estimates[i].is_finite() && problem.variance(i).is_finite() && problem.variance(i) >= 0.0)) {
            Some(i) => Err(RankError::NotFinite(i)),
            None => Ok(problem),
        }
    }

    fn variance(&self, i: usize) -> f64 {
        match self.errors {
            Errors::Independent(errors) => errors[i] * errors[i],
            Errors::Covariance(matrix) => matrix[i * self.estimates.len() + i],
        }
    }

    /// Variance of the difference between two estimates.
    fn difference_variance(&self, i: usize, j: usize) -> f64 {
        let shared = match self.errors {
            Errors::Independent(_) => 0.0,
            Errors::Covariance(matrix) => 2.0 * matrix[i * self.estimates.len() + j],
        };
        (self.variance(i) + self.variance(j) - shared).max(0.0)
    }

    /// Whether the estimates at `i` and `j` differ by more than `critical` standard errors.
    fn differs(&self, i: usize, j: usize, critical: f64) -> bool {
        let difference = self.estimates[i] - self.estimates[j];
        difference * difference > critical * critical * self.difference_variance(i, j)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIMULATED: Critical = Critical::Simulated { draws: 2000, seed: 7 };

    #[test]
    fn clear_and_unclear_orders() {
        let sets_of = |estimates: &[f64], errors: &[f64], critical| {
            let sets = sets(estimates, Errors::Independent(errors), Coverage::Simultaneous, critical, 0.95).unwrap();
            sets.iter().map(|s| (s.low, s.rank, s.high)).collect::<Vec<_>>()
        };
        for critical in [Critical::Holm, SIMULATED] {
            assert_eq!(sets_of(&[1.0, 9.0, 5.0], &[0.1; 3], critical), [(3, 3, 3), (1, 1, 1), (2, 2, 2)]);
            assert_eq!(sets_of(&[1.0, 1.1, 1.05], &[1.0; 3], critical), [(1, 3, 3), (1, 1, 3), (1, 2, 3)]);
            assert_eq!(sets_of(&[2.0, 2.0, 1.0], &[0.0; 3], critical), [(1, 1, 2), (1, 1, 2), (3, 3, 3)], "known exactly");
            assert_eq!(sets_of(&[4.0], &[1.0], critical), [(1, 1, 1)]);
            assert_eq!(sets_of(&[], &[], critical), []);
        }
    }

    #[test]
    fn top_k() {
        let set = RankSet { low: 8, rank: 9, high: 12 };
        assert!(!set.certainly_top(10) && set.possibly_top(10) && set.certainly_top(12) && !set.possibly_top(7));
    }

    #[test]
    fn one_end_alone_is_sharper_and_a_single_step_wider() {
        let estimates: Vec<f64> = (0..12).map(|i| 0.8 * f64::from(i)).collect();
        let errors = [1.0; 12];
        for critical in [Critical::Holm, SIMULATED] {
            let of = |coverage, side, stepwise| {
                let request = Request { coverage, critical, level: 0.95, side, stepwise };
                sets_as(&estimates, Errors::Independent(&errors), &request).unwrap()
            };
            for coverage in [Coverage::Simultaneous, Coverage::Marginal] {
                let (both, low, high) =
                    (of(coverage, Side::Both, true), of(coverage, Side::Low, true), of(coverage, Side::High, true));
                let single = of(coverage, Side::Both, false);
                for (((both, low), high), single) in both.iter().zip(&low).zip(&high).zip(&single) {
                    assert!(low.low >= both.low && low.high == 12 && high.high <= both.high && high.low == 1);
                    assert!(single.low <= both.low && both.high <= single.high);
                    assert!(coverage == Coverage::Marginal || (low.low, high.high) == (both.low, both.high));
                }
            }
            let total = |sets: Vec<RankSet>| sets.iter().map(|set| set.low).sum::<usize>();
            assert!(total(of(Coverage::Marginal, Side::Low, true)) > total(of(Coverage::Marginal, Side::Both, true)));
        }
    }

    #[test]
    fn wrong_input_is_said() {
        let holm = |e: &[f64], errors| sets(e, errors, Coverage::Marginal, Critical::Holm, 0.95).unwrap_err();
        assert!(matches!(holm(&[1.0], Errors::Independent(&[])), RankError::Shape { .. }));
        assert_eq!(holm(&[1.0, f64::NAN], Errors::Independent(&[1.0, 1.0])), RankError::NotFinite(1));
        assert_eq!(holm(&[1.0], Errors::Covariance(&[-1.0])), RankError::NotFinite(0));
        let indefinite = [1.0, 3.0, 3.0, 1.0];
        let result = sets(&[1.0, 2.0], Errors::Covariance(&indefinite), Coverage::Marginal, SIMULATED, 0.95);
        assert_eq!(result, Err(RankError::NotCovariance));
    }

    #[test]
    fn a_common_error_cancels() {
        // Correlation near 1: the difference is known far better than either.
        let matrix = [1.0, 0.999, 0.999, 1.0];
        for critical in [Critical::Holm, SIMULATED] {
            let sets = sets(&[1.0, 1.5], Errors::Covariance(&matrix), Coverage::Simultaneous, critical, 0.95).unwrap();
            assert_eq!((sets[0].low, sets[1].high), (2, 1));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn sets_hold_the_estimate_and_marginal_ones_are_no_wider(
            cells in prop::collection::vec((-5.0..5.0f64, 0.01..2.0f64), 1..30), turn in 0usize..30,
        ) {
            let (estimates, errors): (Vec<f64>, Vec<f64>) = cells.iter().copied().unzip();
            let of = |coverage, critical| sets(&estimates, Errors::Independent(&errors), coverage, critical, 0.95).unwrap();
            for critical in [Critical::Holm, SIMULATED] {
                let (all, each) = (of(Coverage::Simultaneous, critical), of(Coverage::Marginal, critical));
                for set in all.iter().chain(&each) {
                    prop_assert!(1 <= set.low && set.low <= set.rank && set.rank <= set.high && set.high <= cells.len());
                }
                if critical == Critical::Holm {
                    for (all, each) in all.iter().zip(&each) {
                        prop_assert!(all.low <= each.low && each.high <= all.high);
                    }
                }
            }
            let mut turned = cells.clone();
            turned.rotate_left(turn % cells.len());
            let (e, s): (Vec<f64>, Vec<f64>) = turned.into_iter().unzip();
            let mut back = sets(&e, Errors::Independent(&s), Coverage::Simultaneous, Critical::Holm, 0.95).unwrap();
            back.rotate_right(turn % cells.len());
            prop_assert_eq!(back, of(Coverage::Simultaneous, Critical::Holm));
        }
    }
}
