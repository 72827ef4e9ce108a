//! Agreement with the published implementations' figures: every file of the known names in the directory that
//! CIVICPULSE_REFERENCE_DIR names, by default the one beside the workspace.

use std::path::PathBuf;

use aggregate::statistics::kaplan_meier::{Curve, Duration};
use aggregate::statistics::poisson;
use aggregate::statistics::ranks::{self, Coverage, Critical, Errors, RankSet, Request, Side};
use serde_json::Value;

/// The cases in `name`, or nothing, said aloud, where the file is missing.
pub fn reference(name: &str) -> Vec<Value> {
    let default = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/reference"));
    let directory = std::env::var_os("CIVICPULSE_REFERENCE_DIR").map_or(default, PathBuf::from);
    let path = directory.join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not there", path.display());
        return Vec::new();
    };
    match serde_json::from_str(&text).unwrap() {
        Value::Array(cases) => cases,
        case => vec![case],
    }
}

fn number(case: &Value, key: &str) -> f64 {
    case[key].as_f64().unwrap_or_else(|| panic!("{key} is not a number in {case}"))
}

pub fn numbers(case: &Value, key: &str) -> Vec<Option<f64>> {
    let list = case[key].as_array().unwrap_or_else(|| panic!("{key} is not a list"));
    list.iter().map(Value::as_f64).collect()
}

#[track_caller]
pub fn agree(what: &str, ours: Option<f64>, theirs: Option<f64>, tolerance: f64) {
    match (ours, theirs) {
        (None, None) => {}
        (Some(a), Some(b)) if (a - b).abs() <= tolerance * b.abs().max(1.0) => {}
        _ => panic!("{what}: {ours:?} here, {theirs:?} in the reference"),
    }
}

#[test]
fn poisson_rates_agree() {
    for case in reference("poisson_rate.json") {
        let rate = poisson::rate(case["reports_after_first"].as_u64().unwrap(), number(&case, "exposure_days")).unwrap();
        for (key, ours) in [("rate", rate.rate), ("lower", rate.interval.low), ("upper", rate.interval.high)] {
            agree(key, Some(ours), Some(number(&case, key)), 1e-9);
        }
        agree("mean delay", rate.mean_delay, case["mean_delay_days"].as_f64(), 1e-9);
    }
}

#[test]
fn survival_curves_agree() {
    for case in reference("kaplan_meier.json") {
        let (times, ended) = (numbers(&case, "time"), numbers(&case, "event"));
        let durations = times.iter().zip(&ended).map(|(t, e)| Duration { time: t.unwrap(), ended: *e == Some(1.0) });
        let curve = Curve::fit(durations, 0.95);
        let (at, survival) = (numbers(&case, "curve_time"), numbers(&case, "survival"));
        let (lower, upper) = (numbers(&case, "lower"), numbers(&case, "upper"));
        assert_eq!(curve.steps().len(), at.len());
        for (i, step) in curve.steps().iter().enumerate() {
            agree("time", Some(step.time), at[i], 1e-12);
            agree("survival", Some(step.survival), survival[i], 1e-10);
            agree("lower", step.interval.map(|i| i.low), lower[i], 1e-9);
            agree("upper", step.interval.map(|i| i.high), upper[i], 1e-9);
        }
        let median = curve.median();
        for (key, ours) in [("median", median.value), ("median_lower", median.low), ("median_upper", median.high)] {
            agree(key, ours, case[key].as_f64(), 1e-9);
        }
    }
}

/// Draws of the reference, and ours.
const DRAWS: usize = 20_000;

/// The reference simulates its critical value from 20,000 draws, and so do we, from others: an end may differ by a place where a
/// difference lies on the edge of what either calls significant. So an end that differs must be one that chance decides: other
/// seeds of ours give the reference's.
#[test]
fn rank_sets_agree() {
    for case in reference("rank_confidence_sets.json") {
        let name = case["name"].as_str().unwrap();
        let all = |key: &str| numbers(&case, key).into_iter().map(Option::unwrap).collect::<Vec<_>>();
        let estimates = all("estimate");
        let covariance: Option<Vec<f64>> = case["covariance"]
            .as_array()
            .map(|rows| rows.iter().flat_map(|row| row.as_array().unwrap()).map(|v| v.as_f64().unwrap()).collect());
        let standard_errors = if covariance.is_none() { all("standard_error") } else { Vec::new() };
        let errors = covariance.as_deref().map_or(Errors::Independent(&standard_errors), Errors::Covariance);
        // As csranks calls its arguments; what a case does not say is the default there.
        let side = match case["cstype"].as_str() {
            None | Some("two-sided") => Side::Both,
            Some("lower") => Side::Low,
            Some("upper") => Side::High,
            Some(other) => panic!("unknown type of confidence set {other}"),
        };
        let (level, stepwise) = (case["coverage"].as_f64().unwrap_or(0.95), case["stepdown"].as_bool().unwrap_or(true));
        for (key, coverage) in [("simultaneous", Coverage::Simultaneous), ("marginal", Coverage::Marginal)] {
            if case[key].is_null() {
                continue;
            }
            let request =
                |seed| Request { coverage, critical: Critical::Simulated { draws: DRAWS, seed }, level, side, stepwise };
            let sets = |request: &Request| ranks::sets_as(&estimates, errors, request).unwrap();
            let ours = sets(&request(1));
            let ends = |end: &str| numbers(&case[key], end).into_iter().map(|v| v.unwrap() as usize).collect::<Vec<_>>();
            let [low, rank, high] = ["lower", "rank", "upper"].map(ends);
            let mut different = 0;
            for (i, set) in ours.iter().enumerate() {
                assert_eq!(set.rank, rank[i], "rank {i} of {name}");
                let off = set.low.abs_diff(low[i]) + set.high.abs_diff(high[i]);
                assert!(off <= 1, "{key} set {i} of {name}: {set:?} here, {}..{} in the reference", low[i], high[i]);
                let theirs = |set: &RankSet| (set.low, set.high) == (low[i], high[i]);
                assert!(off == 0 || (2..=20).any(|seed| theirs(&sets(&request(seed))[i])), "{key} set {i} of {name}: {set:?}");
                different += off;
            }
            println!("{name}, {key}: {different} of {} ends differ by one place", 2 * ours.len());
            assert!(different * 20 <= 2 * ours.len(), "{different} ends of the {key} sets of {name} differ");

            // Holm's critical value is never smaller, so its sets hold the reference's up to the same edge.
            let wide = sets(&Request { critical: Critical::Holm, ..request(1) });
            let holds = |(wide, exact): (&RankSet, &RankSet)| wide.low <= exact.low && exact.high <= wide.high;
            assert!(wide.iter().zip(&ours).all(holds), "{name}, {key}");
        }
    }
}
