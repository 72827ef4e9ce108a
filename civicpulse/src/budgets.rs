//! Reference data that the city supplies: what it costs to meet a need, and how much can be done.

use std::path::Path;

use aggregate::tables::budgets::{self, Budget};
use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

/// One line of the file; what is left empty is unknown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    topic: String,
    #[serde(default)]
    district: Option<String>,
    #[serde(default)]
    unit: Option<String>,
    unit_cost: f64,
    #[serde(default)]
    capacity: Option<u64>,
    #[serde(default)]
    fixed_minimum: Option<u64>,
}

const COLUMNS: &str =
    "needs the columns topic and unit_cost and, if wanted, district, unit, capacity and fixed_minimum (whole numbers)";

/// Reads a CSV file with the columns `topic`, `unit_cost` and, if wanted, `district`, `unit`, `capacity` and `fixed_minimum`.
///
/// # Errors
/// The file cannot be read, a line does not parse, or says what cannot be planned.
pub fn from_file(file: &Path) -> Result<Vec<Budget>> {
    let mut reader =
        csv::Reader::from_path(file).with_context(|| format!("city.budgets_file: cannot read {}", file.display()))?;
    let filled = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let mut lines: Vec<Budget> = Vec::new();
    for line in reader.deserialize() {
        let line: Line = line.with_context(|| format!("city.budgets_file: {} {COLUMNS}", file.display()))?;
        lines.push(Budget {
            topic: line.topic.trim().to_owned(),
            district: filled(line.district),
            unit: filled(line.unit),
            unit_cost: line.unit_cost,
            capacity: line.capacity,
            fixed_minimum: line.fixed_minimum.unwrap_or(0),
        });
    }
    budgets::check(&lines).map_err(|problem| anyhow!("city.budgets_file: {}: {problem}", file.display()))?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Budget>> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("budgets.csv");
        std::fs::write(&file, text).unwrap();
        from_file(&file)
    }

    #[test]
    fn what_is_empty_is_unknown_and_what_is_wrong_is_named() {
        let lines =
            read("topic,district,unit,unit_cost,capacity,fixed_minimum\nroads,,pothole,120.5,40,\nroads,North,,90,,3\n")
                .unwrap();
        assert_eq!(
            (lines[0].district.as_deref(), lines[0].unit.as_deref(), lines[0].capacity),
            (None, Some("pothole"), Some(40))
        );
        assert_eq!((lines[1].district.as_deref(), lines[1].capacity, lines[1].fixed_minimum), (Some("North"), None, 3));
        assert_eq!(read("topic,unit_cost\nnoise,1\n").unwrap().len(), 1);
        for (text, expected) in [
            ("topic,price\nroads,1\n", "needs the columns"),
            ("topic,unit_cost,capacity\nroads,1,-4\n", "needs the columns"),
            ("topic,unit_cost\nroads,0\n", "give an amount above 0"),
            ("topic,unit_cost\nraods,1\n", "did you mean `roads`?"),
            ("topic,unit_cost\nroads,1\nroads,2\n", "stands twice"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
