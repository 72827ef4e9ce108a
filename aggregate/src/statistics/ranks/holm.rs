//! Holm's critical value (1979): no draws, valid whatever the covariance, and tens of thousands of quantities in a moment.

use super::{Coverage, Errors, Problem, Request, Separated, Side};
use crate::statistics::special::normal_quantile;

impl Problem<'_> {
    pub(super) fn by_holm(&self, request: &Request) -> Vec<Separated> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
