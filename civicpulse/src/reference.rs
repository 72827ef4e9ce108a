//! Reference data that the city supplies: residents and deprivation of its districts.

use std::path::Path;

use aggregate::{District, Reference};
use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// One line of the file.
#[derive(Deserialize)]
struct Line {
    district: String,
    population: Option<f64>,
    deprivation: Option<f64>,
}

/// Reads a CSV file with the columns `district`, `population` and, if known, `deprivation`.
///
/// # Errors
/// The file cannot be read, a line does not parse, or a district stands twice.
pub fn from_file(file: &Path) -> Result<Reference> {
    let mut reader =
        csv::Reader::from_path(file).with_context(|| format!("city.population_file: cannot read {}", file.display()))?;
    let mut districts: Vec<District> = Vec::new();
    for line in reader.deserialize() {
        let line: Line = line.with_context(|| {
            format!(
                "city.population_file: {} needs the columns district, population and, if known, deprivation",
                file.display()
            )
        })?;
        if line.population.is_some_and(|population| !population.is_finite() || population < 0.0) {
            bail!("city.population_file: {}: the population of `{}` is not a number of people", file.display(), line.district);
        }
        if districts.iter().any(|known| known.name == line.district) {
            bail!("city.population_file: {}: `{}` stands twice", file.display(), line.district);
        }
        districts.push(District { name: line.district, population: line.population, deprivation: line.deprivation });
    }
    Ok(Reference { districts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Reference> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("population.csv");
        std::fs::write(&file, text).unwrap();
        from_file(&file)
    }

    #[test]
    fn what_is_unknown_stays_unknown_and_what_is_wrong_is_named() {
        let reference = read("district,population,deprivation\nNorth,1200,0.4\nHarbour,,\n").unwrap();
        assert_eq!(reference.population("North"), Some(1200.0));
        assert_eq!(reference.population("Harbour"), None);
        assert_eq!(read("district,population\nNorth,10\n").unwrap().districts.len(), 1);
        for (text, expected) in [
            ("name,people\nNorth,1\n", "needs the columns"),
            ("district,population\nNorth,-3\n", "not a number of people"),
            ("district,population\nNorth,3\nNorth,4\n", "stands twice"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
