//! Confidence sets for ranks: which places could each of several quantities truly hold, given how well each is known?
//!
//! Mogstad, Romano, Shaikh & Wilhelm (2024), "Inference for Ranks with Applications to Mobility across Neighbourhoods and
//! Academic Achievement across Countries", Review of Economic Studies 91(1); two-sided sets with step-down as
//! `csranks::csranks`. Of every two quantities it is tested whether the first is larger and whether the second is; a quantity
//! ranks behind everything that is significantly larger and before everything that is significantly smaller.
//!
//! The critical value is either simulated, as the reference does it, or Holm's (1979), which needs no draws, holds for every
//! covariance, and is a few percent larger.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::special::normal_quantile;

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

    fn by_holm(&self, request: &Request) -> Vec<Separated> {
        let critical = |hypotheses: usize| normal_quantile(1.0 - (1.0 - request.level) / hypotheses.max(1) as f64);
        let n = self.estimates.len();
        let sweep = Sweep::new(self);
        let stepwise = request.stepwise;
        match request.coverage {
            Coverage::Simultaneous => {
                let count_all = |critical| (0..n).map(|i| sweep.count(i, critical)).collect::<Vec<_>>();
                let larger = |counts: &Vec<Separated>| counts.iter().map(|(larger, _)| larger).sum();
                step_down(n * n.saturating_sub(1), stepwise, critical, count_all, larger)
            }
            Coverage::Marginal => {
                let (hypotheses, found): (usize, fn(&Separated) -> usize) = match request.side {
                    Side::Both => (2 * n.saturating_sub(1), |found| found.0 + found.1),
                    Side::Low => (n.saturating_sub(1), |found| found.0),
                    Side::High => (n.saturating_sub(1), |found| found.1),
                };
                (0..n).map(|i| step_down(hypotheses, stepwise, critical, |c| sweep.count(i, c), found)).collect()
            }
        }
    }

    fn by_simulation(&self, request: &Request, draws: usize, seed: u64) -> Result<Vec<Separated>, RankError> {
        let n = self.estimates.len();
        if n > MAX_SIMULATED || !(1..=MAX_DRAWS).contains(&draws) {
            return Err(RankError::TooLarge { estimates: n, draws });
        }
        let errors = self.draw(draws, seed)?;
        let pairs: Vec<(usize, usize)> = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
        let mut counts = vec![(0, 0); n];
        match (request.coverage, request.side) {
            (Coverage::Simultaneous, _) => {
                for (larger, smaller) in self.separated(pairs, &errors, request) {
                    counts[smaller].0 += 1;
                    counts[larger].1 += 1;
                }
            }
            (Coverage::Marginal, Side::Both) => {
                for (i, count) in counts.iter_mut().enumerate() {
                    let own = (0..n).filter(|&j| j != i).map(|j| (i, j)).collect();
                    for (_, smaller) in self.separated(own, &errors, request) {
                        *(if smaller == i { &mut count.0 } else { &mut count.1 }) += 1;
                    }
                }
            }
            (Coverage::Marginal, Side::Low) => {
                let ahead = |i| (0..n).filter(move |&j| j != i).map(move |j| (j, i)).collect();
                counts.iter_mut().enumerate().for_each(|(i, count)| count.0 = self.larger(ahead(i), &errors, request));
            }
            (Coverage::Marginal, Side::High) => {
                let behind = |i| (0..n).filter(move |&j| j != i).map(move |j| (i, j)).collect();
                counts.iter_mut().enumerate().for_each(|(i, count)| count.1 = self.larger(behind(i), &errors, request));
            }
        }
        Ok(counts)
    }

    /// In how many of these pairs the first is significantly larger than the second, which is all that is tested.
    fn larger(&self, mut open: Vec<(usize, usize)>, errors: &[Vec<f64>], request: &Request) -> usize {
        let mut larger = 0;
        loop {
            let weighed: Vec<_> = open.iter().map(|&(a, b)| (a, b, self.difference_variance(a, b).sqrt().recip())).collect();
            let known = weighed.iter().filter(|pair| pair.2.is_finite());
            let largest = |z: &Vec<f64>| known.clone().fold(0.0f64, |m, &(a, b, precision)| m.max((z[a] - z[b]) * precision));
            let critical = quantile(errors.iter().map(largest).collect(), request.level);
            let all = open.len();
            open.retain(|&(a, b)| !(self.estimates[a] > self.estimates[b] && self.differs(a, b, critical)));
            larger += all - open.len();
            if open.len() == all || open.is_empty() || !request.stepwise {
                return larger;
            }
        }
    }

    /// The pairs that differ, by step-down: a hypothesis that is rejected leaves the maximum, which lowers the critical value.
    /// Only one of a pair's two hypotheses can be rejected; the other stays.
    fn separated(&self, mut open: Vec<(usize, usize)>, errors: &[Vec<f64>], request: &Request) -> Vec<(usize, usize)> {
        let precision = |i: usize, j: usize| self.difference_variance(i, j).recip();
        let mut separated: Vec<(usize, usize)> = Vec::new();
        loop {
            let either: Vec<_> = open.iter().map(|&(i, j)| (i, j, precision(i, j))).filter(|p| p.2.is_finite()).collect();
            let other: Vec<_> = separated.iter().map(|&(i, j)| (i, j, precision(i, j))).filter(|p| p.2.is_finite()).collect();
            let largest = |z: &Vec<f64>| {
                let most = either.iter().fold(0.0f64, |m, &(i, j, p)| m.max((z[i] - z[j]).powi(2) * p));
                other.iter().fold(most, |m, &(larger, smaller, p)| m.max((z[smaller] - z[larger]).max(0.0).powi(2) * p))
            };
            let critical = quantile(errors.iter().map(largest).collect(), request.level).sqrt();
            let (found, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|&(i, j)| self.differs(i, j, critical));
            let larger_first = |(i, j)| if self.estimates[i] > self.estimates[j] { (i, j) } else { (j, i) };
            let done = found.is_empty() || rest.is_empty() || !request.stepwise;
            separated.extend(found.into_iter().map(larger_first));
            if done {
                return separated;
            }
            open = rest;
        }
    }

    /// Draws of the errors, mean zero.
    fn draw(&self, draws: usize, seed: u64) -> Result<Vec<Vec<f64>>, RankError> {
        let n = self.estimates.len();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // The open interval, so that no draw is infinite.
        let mut normal = || normal_quantile((random.random::<u64>() >> 11) as f64 / (1u64 << 53) as f64 + 2f64.powi(-54));
        let factor = match self.errors {
            Errors::Independent(_) => Vec::new(),
            Errors::Covariance(matrix) => cholesky(matrix, n).ok_or(RankError::NotCovariance)?,
        };
        let mix = |z: Vec<f64>| match self.errors {
            Errors::Independent(errors) => z.iter().zip(errors).map(|(z, e)| z * e).collect(),
            Errors::Covariance(_) => {
                (0..n).map(|i| factor[i * n..=i * n + i].iter().zip(&z).map(|(f, z)| f * z).sum()).collect()
            }
        };
        Ok((0..draws).map(|_| mix((0..n).map(|_| normal()).collect())).collect())
    }
}

/// The smallest of the values that a share of `level` of them does not exceed.
fn quantile(mut values: Vec<f64>, level: f64) -> f64 {
    let place = ((level * values.len() as f64).ceil() as usize).clamp(1, values.len()) - 1;
    *values.select_nth_unstable_by(place, f64::total_cmp).1
}

/// Repeats a test with the critical value for those hypotheses that earlier rounds left open, until a round rejects nothing new.
fn step_down<T>(
    all: usize,
    stepwise: bool,
    critical: impl Fn(usize) -> f64,
    count: impl Fn(f64) -> T,
    found: impl Fn(&T) -> usize,
) -> T {
    let mut rejected = 0;
    loop {
        let counts = count(critical(all - rejected));
        let now = found(&counts);
        if now <= rejected || now >= all || !stepwise {
            return counts;
        }
        rejected = now;
    }
}

/// Quantities sorted so that hardly any pair has to be looked at: by standard error into groups, by estimate within a group.
///
/// Within a group errors are alike, so that all but a narrow zone of estimates is decided by two binary searches; with a
/// covariance nothing is known of a difference's error beforehand, and every pair is looked at.
struct Sweep<'a> {
    problem: &'a Problem<'a>,
    groups: Vec<Group>,
}

struct Group {
    smallest_variance: f64,
    largest_variance: f64,
    /// Ascending.
    estimates: Vec<f64>,
    variances: Vec<f64>,
}

/// Quantities in a group of a [`Sweep`].
const GROUP: usize = 256;

impl<'a> Sweep<'a> {
    fn new(problem: &'a Problem<'a>) -> Self {
        let (estimates, variance) = (problem.estimates, |i: &usize| problem.variance(*i));
        let mut order: Vec<usize> = (0..estimates.len()).collect();
        order.sort_unstable_by(|a, b| variance(a).total_cmp(&variance(b)));
        let group = |members: &mut [usize]| {
            let (smallest_variance, largest_variance) = (variance(&members[0]), variance(&members[members.len() - 1]));
            members.sort_unstable_by(|&a, &b| estimates[a].total_cmp(&estimates[b]));
            let variances = members.iter().map(variance).collect();
            Group { smallest_variance, largest_variance, estimates: members.iter().map(|&i| estimates[i]).collect(), variances }
        };
        let groups = match problem.errors {
            Errors::Independent(_) => order.chunks_mut(GROUP).map(group).collect(),
            Errors::Covariance(_) => Vec::new(),
        };
        Self { problem, groups }
    }

    /// How many are larger and smaller than `i` by more than `critical` standard errors of the difference.
    fn count(&self, i: usize, critical: f64) -> Separated {
        let estimate = self.problem.estimates[i];
        if let Errors::Covariance(_) = self.problem.errors {
            let apart = || (0..self.problem.estimates.len()).filter(|&j| self.problem.differs(i, j, critical));
            let larger = apart().filter(|&j| self.problem.estimates[j] > estimate).count();
            return (larger, apart().count() - larger);
        }
        let counts = self.groups.iter().map(|group| group.count(estimate, self.problem.variance(i), critical * critical));
        counts.fold((0, 0), |(larger, smaller), (l, s)| (larger + l, smaller + s))
    }
}

impl Group {
    fn count(&self, estimate: f64, variance: f64, critical_squared: f64) -> Separated {
        let reach = |other: f64| (critical_squared * (variance + other)).sqrt();
        // A little more than the zone, against rounding; inside of it the test itself decides.
        let (inner, outer) = (reach(self.smallest_variance) * (1.0 - 1e-9), reach(self.largest_variance) * (1.0 + 1e-9));
        let below = |limit: f64| self.estimates.partition_point(|e| *e < limit);
        let up_to = |limit: f64| self.estimates.partition_point(|e| *e <= limit);
        let (far_low, low) = (below(estimate - outer), up_to(estimate - inner));
        let (high, far_high) = (below(estimate + inner), up_to(estimate + outer));
        let differs = |zone: std::ops::Range<usize>| {
            let pairs = self.estimates[zone.clone()].iter().zip(&self.variances[zone]);
            pairs.filter(|(e, v)| (*e - estimate) * (*e - estimate) > critical_squared * (variance + *v)).count()
        };
        (self.estimates.len() - far_high + differs(high..far_high), far_low + differs(far_low..low))
    }
}

/// The lower Cholesky factor of a positive semi-definite matrix, row by row.
fn cholesky(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; n * n];
    let scale = (0..n).map(|i| matrix[i * n + i]).fold(0.0, f64::max);
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| factor[i * n + k] * factor[j * n + k]).sum();
            let rest = matrix[i * n + j] - dot;
            if (matrix[i * n + j] - matrix[j * n + i]).abs() > 1e-9 * scale || rest.is_nan() {
                return None;
            }
            factor[i * n + j] = if i == j {
                if rest < -1e-9 * scale {
                    return None;
                }
                rest.max(0.0).sqrt()
            } else if factor[j * n + j] > 0.0 {
                rest / factor[j * n + j]
            } else {
                0.0
            };
        }
    }
    Some(factor)
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
    fn the_sweep_counts_as_looking_at_every_pair_does() {
        let n = 3 * GROUP + 17;
        let estimates: Vec<f64> = (0..n).map(|i| (i * 7919 % 1000) as f64 / 100.0).collect();
        let errors: Vec<f64> = (0..n).map(|i| (i * 104_729 % 77) as f64 / 50.0).collect();
        let problem = Problem::new(&estimates, Errors::Independent(&errors)).unwrap();
        let sweep = Sweep::new(&problem);
        for i in 0..n {
            let apart = |j: &usize| problem.differs(i, *j, 2.5);
            let larger = (0..n).filter(apart).filter(|&j| estimates[j] > estimates[i]).count();
            assert_eq!(sweep.count(i, 2.5), (larger, (0..n).filter(apart).count() - larger));
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
