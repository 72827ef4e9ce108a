//! Agreement with `surveillance::farringtonFlexible`, for every combination of its options that a reference file can name.

use aggregate::statistics::farrington::{Farrington, FarringtonError, Observed, Power, Threshold};
use serde_json::{Value, json};

use crate::statistics::{agree, numbers, reference};

/// The settings that a file's `control` names; what it leaves out is `farringtonFlexible`'s own default. Panics at anything that
/// is not known: a comparison that silently ignored an option would say nothing.
fn settings(frequency: usize, control: &Value) -> Farrington {
    let control = control.as_object().expect("control is an object");
    let get = |key: &str| control.get(key).filter(|value| !value.is_null());
    let whole = |key: &str, default: usize| get(key).map_or(default, |v| v.as_u64().expect(key) as usize);
    let number = |key: &str, default: f64| get(key).map_or(default, |v| v.as_f64().expect(key));
    let flag = |key: &str, default: bool| get(key).map_or(default, |v| v.as_bool().expect(key));
    let word = |key: &str, default: &'static str| get(key).map_or(default.to_owned(), |v| v.as_str().expect(key).to_owned());
    const KNOWN: [&str; 18] = [
        "alpha",
        "b",
        "epochAsDate",
        "fitFun",
        "glmWarnings",
        "limit54",
        "noPeriods",
        "pThresholdTrend",
        "pastWeeksNotIncluded",
        "populationOffset",
        "powertrans",
        "range",
        "reweight",
        "thresholdMethod",
        "trend",
        "verbose",
        "w",
        "weightsThreshold",
    ];
    for key in control.keys() {
        assert!(KNOWN.contains(&key.as_str()), "the reference file names an option of control that is not known here: {key}");
    }
    assert_eq!(word("fitFun", "algo.farrington.fitGLM.flexible"), "algo.farrington.fitGLM.flexible", "unknown fitFun");
    assert!(!flag("epochAsDate", false), "dated periods are not supported: give counts by numbered period");
    let power = match word("powertrans", "2/3").as_str() {
        "2/3" => Power::TwoThirds,
        "1/2" => Power::SquareRoot,
        "none" => Power::One,
        other => panic!("unknown powertrans {other}"),
    };
    let half_window = whole("w", 3);
    let limits = get("limit54").map_or(vec![5, 4], |v| v.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect());
    Farrington {
        periods_per_year: frequency,
        years: whole("b", 5),
        half_window,
        seasons: whole("noPeriods", 1),
        guard: whole("pastWeeksNotIncluded", half_window),
        alpha: number("alpha", 0.05),
        trend: flag("trend", true),
        trend_p_value: number("pThresholdTrend", 0.05),
        reweight: flag("reweight", true),
        reweight_above: number("weightsThreshold", 2.58),
        threshold: match word("thresholdMethod", "delta").as_str() {
            "nbPlugin" => Threshold::NegativeBinomial,
            "muan" => Threshold::UncertainMean,
            "delta" => Threshold::Transformed(power),
            other => panic!("unknown threshold method {other}"),
        },
        least_count: limits[0],
        least_count_periods: limits[1] as usize,
    }
}

#[test]
fn farrington_flexible_agrees() {
    for case in reference("farrington_flexible.json") {
        let name = case["name"].as_str().unwrap();
        let method = settings(case["frequency"].as_u64().unwrap() as usize, &case["control"]);
        let counts: Vec<Option<u64>> = numbers(&case, "counts").iter().map(|c| c.map(|c| c as u64)).collect();
        let offset = case["control"]["populationOffset"].as_bool().unwrap_or(false);
        let population: Option<Vec<f64>> =
            offset.then(|| numbers(&case, "population").into_iter().map(|p| p.expect("population is known")).collect());
        let observed = Observed { counts: &counts, population: population.as_deref() };
        let first = case["range_first_1based"].as_u64().unwrap() as usize - 1;
        let columns = ["expected", "upperbound", "score", "pvalue"].map(|key| numbers(&case, key));
        let [expected, upper, score, p_value] = &columns;
        for i in 0..expected.len() {
            let what = |column: &str| format!("{column} of {name} at {}", first + i + 1);
            let verdict = match method.at_observed(&observed, first + i) {
                Ok(verdict) => verdict,
                Err(FarringtonError::Convergence { .. }) => {
                    let theirs = [expected[i], upper[i], score[i], p_value[i]];
                    assert_eq!(theirs, [None; 4], "no convergence here, but a result in the reference: {}", what("period"));
                    continue;
                }
                Err(error) => panic!("{}: {error}", what("period")),
            };
            let shown = |value: Option<f64>| value.filter(|_| verdict.enough);
            agree(&what("expected"), shown(verdict.upper.and(Some(verdict.expected))), expected[i], 1e-6);
            agree(&what("upper bound"), shown(verdict.upper), upper[i], 1e-6);
            agree(&what("score"), verdict.score, score[i], 1e-6);
            agree(&what("p-value"), verdict.p_value, p_value[i], 1e-6);
            assert_eq!(Some(verdict.alarm), case["alarm"][i].as_bool(), "{}", what("alarm"));
        }
    }
}

#[test]
fn settings_that_a_file_leaves_out_are_those_of_the_reference() {
    let method = settings(365, &json!({ "w": 7, "powertrans": "1/2", "pastWeeksNotIncluded": null }));
    let expected = Farrington {
        periods_per_year: 365,
        half_window: 7,
        seasons: 1,
        guard: 7,
        alpha: 0.05,
        threshold: Threshold::Transformed(Power::SquareRoot),
        ..Farrington::default()
    };
    assert_eq!(method, expected);
}

#[test]
#[should_panic(expected = "not known here: alpah")]
fn an_unknown_option_is_refused() {
    settings(52, &json!({ "alpah": 0.05 }));
}
