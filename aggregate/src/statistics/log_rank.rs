//! The log-rank test (Mantel 1966, Peto & Peto 1972): do the cases of one group last as long as all cases together?
//!
//! As R's `survival::survdiff(rho = 0)` for two groups, the group and everybody else. At every moment at which something ended, a
//! group that lasts as long as the others has its share of the endings: those at risk in it, over all at risk.
//!
//! The sums over moments are prefix sums over everybody, taken once: a group then costs its own size times a logarithm, so that
//! each of many groups can be compared with the rest.

use super::kaplan_meier::Duration;
use super::special::gamma_sf;

/// Everybody's endings, as sums up to each moment at which something ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Everybody {
    sums: Vec<Sums>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    time: f64,
    /// Endings over at risk: the cumulative hazard (Nelson 1972, Aalen 1978).
    hazard: f64,
    /// d (n - d) / (n (n - 1)), what variance a member at risk adds ...
    linear: f64,
    /// ... and d (n - d) / (n^2 (n - 1)), what a pair of members takes off.
    square: f64,
}

/// How a group compares with everybody else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogRank {
    /// Endings in the group.
    pub observed: u64,
    /// Endings that it would have had, had its cases lasted as long as everybody's.
    pub expected: f64,
    /// Variance of the difference (hypergeometric).
    pub variance: f64,
    /// Two-sided p-value (chi-squared, one degree of freedom); `None` where nothing can be compared: no endings, or nobody else.
    pub p_value: Option<f64>,
}

impl Everybody {
    /// Sums up all durations, ascending by time.
    pub fn new(sorted: &[Duration]) -> Self {
        let mut sums: Vec<Sums> = Vec::new();
        let (mut now, mut at_risk) = (Sums::default(), sorted.len() as f64);
        for together in sorted.chunk_by(|a, b| a.time == b.time) {
            let ended = together.iter().filter(|d| d.ended).count() as f64;
            if ended > 0.0 {
                let scatter = if at_risk > 1.0 { ended * (at_risk - ended) / (at_risk * (at_risk - 1.0)) } else { 0.0 };
                now = Sums {
                    time: together[0].time,
                    hazard: now.hazard + ended / at_risk,
                    linear: now.linear + scatter,
                    square: now.square + scatter / at_risk,
                };
                sums.push(now);
            }
            at_risk -= together.len() as f64;
        }
        Self { sums }
    }

    /// Compares a group that is among everybody, ascending by time.
    pub fn compare(&self, group: &[Duration]) -> LogRank {
        let (mut observed, mut expected, mut variance) = (0, 0.0, 0.0);
        let (mut from, mut before, mut at_risk) = (0, Sums::default(), group.len() as f64);
        for together in group.chunk_by(|a, b| a.time == b.time) {
            // Whoever lasts to this moment is at risk up to and in it.
            let rest = &self.sums[from..];
            from += gallop(rest, together[0].time);
            let upto = if from == 0 { Sums::default() } else { self.sums[from - 1] };
            expected += at_risk * (upto.hazard - before.hazard);
            variance += at_risk * (upto.linear - before.linear) - at_risk * at_risk * (upto.square - before.square);
            observed += together.iter().filter(|d| d.ended).count() as u64;
            at_risk -= together.len() as f64;
            before = upto;
        }
        // A group that is everybody differs from nobody; rounding may leave a trace.
        let comparable = variance > 1e-9 * expected.max(1.0);
        let p_value = comparable.then(|| gamma_sf(0.5, 0.5 * (observed as f64 - expected).powi(2) / variance));
        LogRank { observed, expected, variance: variance.max(0.0), p_value }
    }
}

/// How many sums lie at or before a moment, looking near the beginning first: moments of a group come in order.
fn gallop(sums: &[Sums], time: f64) -> usize {
    let mut reach = 1;
    while reach < sums.len() && sums[reach].time <= time {
        reach *= 2;
    }
    let reach = reach.saturating_add(1).min(sums.len());
    sums[..reach].partition_point(|sum| sum.time <= time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(durations: &[(f64, bool)]) -> Vec<Duration> {
        let mut all: Vec<_> = durations.iter().map(|&(time, ended)| Duration { time, ended }).collect();
        all.sort_by(|a, b| a.time.total_cmp(&b.time));
        all
    }

    /// The tables of the textbook, one a moment.
    fn plain(group: &[Duration], all: &[Duration]) -> (f64, f64) {
        let mut times: Vec<f64> = all.iter().filter(|d| d.ended).map(|d| d.time).collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        let (mut expected, mut variance) = (0.0, 0.0);
        for time in times {
            let at_risk = |of: &[Duration]| of.iter().filter(|d| d.time >= time).count() as f64;
            let d = all.iter().filter(|x| x.ended && x.time == time).count() as f64;
            let (n1, n) = (at_risk(group), at_risk(all));
            expected += d * n1 / n;
            if n > 1.0 {
                variance += d * n1 / n * (1.0 - n1 / n) * (n - d) / (n - 1.0);
            }
        }
        (expected, variance)
    }

    #[test]
    fn the_leukaemia_trial() {
        // Freireich et al. (1963), as tabulated in Cox & Oakes (1984): survdiff gives 19.3 expected against 9 observed, chi-squared 16.8.
        let treated = [
            (6.0, true),
            (6.0, true),
            (6.0, true),
            (6.0, false),
            (7.0, true),
            (9.0, false),
            (10.0, true),
            (10.0, false),
            (11.0, false),
            (13.0, true),
            (16.0, true),
            (17.0, false),
            (19.0, false),
            (20.0, false),
            (22.0, true),
            (23.0, true),
            (25.0, false),
            (32.0, false),
            (32.0, false),
            (34.0, false),
            (35.0, false),
        ];
        let control =
            [1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 5.0, 8.0, 8.0, 8.0, 8.0, 11.0, 11.0, 12.0, 12.0, 15.0, 17.0, 22.0, 23.0];
        let all: Vec<(f64, bool)> = treated.iter().copied().chain(control.iter().map(|t| (*t, true))).collect();
        let result = Everybody::new(&sorted(&all)).compare(&sorted(&treated));
        assert_eq!(result.observed, 9);
        assert!((result.expected - 19.25).abs() < 0.01, "{result:?}");
        let chi_squared = (9.0 - result.expected).powi(2) / result.variance;
        assert!((chi_squared - 16.79).abs() < 0.01, "{chi_squared}");
        assert!((result.p_value.unwrap() - 4.17e-5).abs() < 1e-6);
    }

    #[test]
    fn nothing_to_compare() {
        let all = sorted(&[(1.0, true), (2.0, false), (3.0, true)]);
        let everybody = Everybody::new(&all);
        assert_eq!(everybody.compare(&all).p_value, None, "nobody else");
        assert_eq!(everybody.compare(&[]).p_value, None);
        let open = sorted(&[(1.0, false), (2.0, false)]);
        assert_eq!(Everybody::new(&open).compare(&open[..1]).p_value, None, "nothing has ended");
    }

    proptest! {
        #[test]
        fn prefix_sums_are_the_tables(
            group in prop::collection::vec(((0u8..30).prop_map(f64::from), any::<bool>()), 0..60),
            others in prop::collection::vec(((0u8..30).prop_map(f64::from), any::<bool>()), 0..60),
        ) {
            let all = sorted(&group.iter().chain(&others).copied().collect::<Vec<_>>());
            let (mine, theirs) = (sorted(&group), sorted(&others));
            let everybody = Everybody::new(&all);
            let (result, rest) = (everybody.compare(&mine), everybody.compare(&theirs));
            let (expected, variance) = plain(&mine, &all);
            prop_assert!((result.expected - expected).abs() < 1e-9 && (result.variance - variance).abs() < 1e-9);
            // Both sides of one comparison say the same.
            prop_assert!((result.observed + rest.observed) as f64 - (result.expected + rest.expected) < 1e-9);
            match (result.p_value, rest.p_value) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-6),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }
}
