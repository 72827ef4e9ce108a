//! The table `trends`: what a tick costs, how often it is wrong, how soon it is right.

mod calibration;
mod cost;
mod detection;
mod hourly;
mod series;

use anyhow::Result;
use serde_json::{Value, json};

/// Minutes and full hours that are timed.
const TICKS: usize = 120;
const FULL_HOURS: usize = 24;

/// All figures; `series` simulated series a setting.
pub fn measure(series: usize, seed: u64) -> Result<Value> {
    let detection: Vec<_> = series::SCENARIOS
        .iter()
        .enumerate()
        // The reference fits 235 weeks for every p-value: a tenth of the series is minutes of work.
        .map(|(position, scenario)| detection::measure(position, scenario, (series / 10).max(40), seed))
        .collect();
    Ok(json!({
        "bench": "trends",
        "tick": cost::measure(TICKS, FULL_HOURS, seed)?,
        "calibration": calibration::measure(series, seed),
        "detection": detection,
        "hourly": hourly::measure(24, 0.1, seed)?,
    }))
}

/// What a tick costs, alone.
pub fn tick(ticks: usize, hours: usize, seed: u64) -> Result<Value> {
    Ok(json!({ "bench": "tick", "tick": cost::measure(ticks.max(1), hours.max(1), seed)? }))
}

/// The figures of [`measure`] as the tables of `docs/methods/trends.md`.
pub fn markdown(figures: &Value) -> String {
    let mut text = String::new();
    let mut line = |cells: &[String]| text.push_str(&format!("| {} |\n", cells.join(" | ")));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let number = |value: &Value, places: usize| value.as_f64().map_or("-".to_owned(), |value| format!("{value:.places$}"));
    line(&words(&[
        "variance / mean",
        "mean",
        "periods",
        "flagged at 5%",
        "of nominal",
        "drawn",
        "flagged at 1%",
        "of nominal",
        "drawn",
    ]));
    line(&words(&["---"; 9]));
    for row in figures["calibration"].as_array().into_iter().flatten() {
        line(&[
            number(&row["dispersion"], 1),
            number(&row["mean"], 1),
            row["periods"].to_string(),
            number(&row["flagged"][0], 4),
            number(&row["of_nominal"][0], 2),
            number(&row["of_nominal_drawn"][0], 2),
            number(&row["flagged"][1], 4),
            number(&row["of_nominal"][1], 2),
            number(&row["of_nominal_drawn"][1], 2),
        ]);
    }
    text.push('\n');
    let mut line = |cells: &[String]| text.push_str(&format!("| {} |\n", cells.join(" | ")));
    line(&words(&[
        "scenario",
        "method",
        "false alarms at 1%",
        "as set",
        "found, 3 sd",
        "5 sd",
        "10 sd",
        "weeks, 3 sd",
        "5 sd",
        "10 sd",
    ]));
    line(&words(&["---"; 10]));
    for row in figures["detection"].as_array().into_iter().flatten() {
        for method in ["same_phase", "farrington", "farrington_without_five"] {
            let found = &row[method];
            let three = |key: &str| (0..3).map(|size| number(&found[key][size], 2)).collect::<Vec<_>>();
            let [nominal, set] = ["false_alarms", "false_alarms_set"].map(|key| number(&found[key], 4));
            let head = vec![row["scenario"].to_string(), method.to_owned(), nominal, set];
            line(&[head, three("detected"), three("weeks")].concat());
        }
    }
    text.push('\n');
    let mut line = |cells: &[String]| text.push_str(&format!("| {} |\n", cells.join(" | ")));
    let hourly = &figures["hourly"];
    line(&words(&["method", "false alarms at 0.1%", "bursts found", "median hours"]));
    line(&words(&["---"; 4]));
    for method in ["same_phase", "farrington"] {
        let found = &hourly[method];
        line(&[
            method.to_owned(),
            number(&found["false_alarms"], 5),
            number(&found["found"], 2),
            number(&found["median_hours"], 2),
        ]);
    }
    text.push_str(&format!(
        "\n{} cells, {} hours, {} bursts. With its own rule the table called {} cell-hours rising, {} of them without a burst.\n",
        hourly["cells"], hourly["hours"], hourly["bursts"], hourly["called"], hourly["called_without_a_burst"]
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published scenarios at a reduced size: what the full bench shows must not be far from it.
    #[test]
    fn outbreaks_are_found_as_often_as_by_the_reference() {
        let (mut ours, mut reference) = (0.0, 0.0);
        for (position, scenario) in series::SCENARIOS.iter().enumerate() {
            let found = detection::measure(position, scenario, 120, 7);
            ours += found.same_phase.detected.iter().sum::<f64>();
            reference += found.farrington.detected.iter().sum::<f64>();
        }
        println!("detected, summed over scenarios and sizes: {ours:.2} by the table, {reference:.2} by the reference");
        assert!(ours >= reference, "{ours} {reference}");
    }

    #[test]
    fn bursts_of_a_small_city_are_found_and_little_else() {
        let figures = hourly::measure(6, 0.02, 3).unwrap();
        println!("{figures}");
        let number = |method: &str, key: &str| figures[method][key].as_f64().unwrap();
        assert!(number("same_phase", "false_alarms") <= 1.2e-3, "{figures}");
        assert!(number("same_phase", "found") >= number("farrington", "found"), "{figures}");
    }

    #[test]
    fn a_tick_is_the_same_however_often_it_is_asked() {
        let trends = || {
            let mut fed = cost::Fed::new().unwrap();
            fed.live(&mut cost::City::new(3, 4, 20, 1), 40).unwrap();
            fed.trends().unwrap()
        };
        assert_eq!(trends(), trends());
        assert!(trends().num_rows() > 12);
    }
}
