//! Reference data that the city supplies: who lives in its districts, and how well off.
//!
//! Each file adds to what the ones before it say of a district. Three shapes are understood:
//! - GeoJSON: properties `population`, `deprivation`, `area_km2`, `language_XX` (share of residents) and `covariate_NAME`; without
//!   `area_km2` the area is that of the polygon;
//! - CSV, a line a district: the column `district` (or `neighborhood`) and columns of the same names;
//! - CSV, a line a group as census offices publish it: `year`, `district` (or `neighborhood`), `group`, `count`. Of the latest year,
//!   the group `total` is the population, and `below_poverty` over `poverty_status_determined` the deprivation.

use std::collections::BTreeMap;
use std::path::Path;

use aggregate::{District, Reference};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

/// Whether a file that the command line names holds polygons, by its name.
pub fn is_geojson(file: &Path) -> bool {
    file.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("geojson") || extension.eq_ignore_ascii_case("json"))
}

/// Reads all files, later ones over earlier ones.
///
/// # Errors
/// A file cannot be read, a line does not parse, or a district stands twice in one.
pub fn from_files<'a>(files: impl IntoIterator<Item = &'a Path>, name_property: &str) -> Result<Reference> {
    let mut known: BTreeMap<String, District> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("districts: cannot read {}", file.display()))?;
        let districts = if text.trim_start().starts_with('{') { geojson(&text, name_property) } else { csv(&text) };
        for district in districts.with_context(|| format!("districts: {}", file.display()))? {
            let name = district.name.clone();
            lay_over(known.entry(name).or_default(), district);
        }
    }
    Ok(Reference { districts: known.into_values().collect(), ..Reference::default() })
}

fn lay_over(known: &mut District, new: District) {
    known.name = new.name;
    known.population = new.population.or(known.population);
    known.deprivation = new.deprivation.or(known.deprivation);
    known.area_km2 = new.area_km2.or(known.area_km2);
    known.languages.extend(new.languages);
    known.covariates.extend(new.covariates);
}

/// Puts one named number where it belongs; what is named otherwise is not ours.
fn set(district: &mut District, name: &str, value: f64) -> Result<()> {
    let what = &district.name;
    if let Some(language) = name.strip_prefix("language_") {
        if !(0.0..=1.0).contains(&value) {
            bail!("`{name}` of `{what}` is {value}: a share of residents, 0 to 1");
        }
        district.languages.insert(language.to_owned(), value);
    } else if let Some(covariate) = name.strip_prefix("covariate_") {
        district.covariates.insert(covariate.to_owned(), value);
    } else {
        match name {
            "population" if !value.is_finite() || value < 0.0 => bail!("the population of `{what}` is not a number of people"),
            "area_km2" if !value.is_finite() || value <= 0.0 => bail!("the area of `{what}` is not above 0 square kilometres"),
            "population" => district.population = Some(value),
            "deprivation" => district.deprivation = Some(value),
            "area_km2" => district.area_km2 = Some(value),
            _ => {}
        }
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    matches!(name, "population" | "deprivation" | "area_km2") || name.starts_with("language_") || name.starts_with("covariate_")
}

fn geojson(text: &str, name_property: &str) -> Result<Vec<District>> {
    let parsed: Value = serde_json::from_str(text).context("is not GeoJSON")?;
    let features = parsed["features"].as_array().context("must hold a FeatureCollection")?;
    let mut districts: BTreeMap<String, District> = BTreeMap::new();
    for (position, feature) in features.iter().enumerate() {
        let name = match &feature["properties"][name_property] {
            Value::Null => bail!("feature {position} has no property `{name_property}`: name another with --district-name"),
            Value::String(name) => name.clone(),
            other => other.to_string(),
        };
        // A district may be drawn in several pieces; their areas add up.
        let district = districts.entry(name.clone()).or_insert_with(|| District { name, ..District::default() });
        for (property, value) in feature["properties"].as_object().into_iter().flatten().filter(|(name, _)| is_ours(name)) {
            if let Some(value) = value.as_f64() {
                set(district, property, value)?;
            }
        }
        if feature["properties"]["area_km2"].as_f64().is_none() {
            let area = area_km2(&feature["geometry"]);
            district.area_km2 = Some(district.area_km2.unwrap_or(0.0) + area).filter(|area| *area > 0.0);
        }
    }
    Ok(districts.into_values().collect())
}

/// Area of (multi)polygons on a plane that touches the earth at each ring; holes are taken off.
fn area_km2(geometry: &Value) -> f64 {
    let coordinates = &geometry["coordinates"];
    let polygons: Vec<&Value> = match geometry["type"].as_str() {
        Some("Polygon") => vec![coordinates],
        Some("MultiPolygon") => coordinates.as_array().into_iter().flatten().collect(),
        _ => Vec::new(),
    };
    let of_polygon = |polygon: &Value| {
        let rings: Vec<f64> = polygon.as_array().into_iter().flatten().map(ring_km2).collect();
        rings.first().copied().unwrap_or(0.0) - rings.iter().skip(1).sum::<f64>()
    };
    polygons.into_iter().map(of_polygon).sum::<f64>().max(0.0)
}

fn ring_km2(ring: &Value) -> f64 {
    const DEGREE_KM: f64 = 111.195;
    let points: Vec<(f64, f64)> =
        ring.as_array().into_iter().flatten().filter_map(|p| Some((p[0].as_f64()?, p[1].as_f64()?))).collect();
    let Some(&(lon, lat)) = points.first() else { return 0.0 };
    let plane: Vec<(f64, f64)> =
        points.iter().map(|(x, y)| ((x - lon) * DEGREE_KM * lat.to_radians().cos(), (y - lat) * DEGREE_KM)).collect();
    let next = plane.iter().cycle().skip(1);
    0.5 * plane.iter().zip(next).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum::<f64>().abs()
}

fn csv(text: &str) -> Result<Vec<District>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers: Vec<String> =
        reader.headers()?.iter().map(|header| header.trim_start_matches('\u{feff}').to_owned()).collect();
    let place = |name: &str| headers.iter().position(|header| header == name);
    let Some(name) = place("district").or(place("neighborhood")) else {
        bail!(
            "needs the columns district, population and, if known, deprivation, area_km2, language_XX, covariate_NAME; it has {}",
            headers.join(", ")
        );
    };
    if let (Some(group), Some(count)) = (place("group"), place("count")) {
        return census(reader, (place("year"), name, group, count));
    }
    if !headers.iter().any(|header| is_ours(header)) {
        bail!("needs the columns district, population and, if known, deprivation; it has {}", headers.join(", "));
    }
    let mut districts: BTreeMap<String, District> = BTreeMap::new();
    for line in reader.records() {
        let line = line?;
        let cell = |column: usize| line.get(column).unwrap_or_default().trim();
        let mut district = District { name: cell(name).to_owned(), ..District::default() };
        for (column, header) in headers.iter().enumerate().filter(|(_, header)| is_ours(header)) {
            let text = cell(column);
            if !text.is_empty() {
                let value =
                    text.parse().map_err(|_| anyhow!("`{text}` in column {header} of `{}` is not a number", district.name))?;
                set(&mut district, header, value)?;
            }
        }
        if let Some(twice) = districts.insert(district.name.clone(), district) {
            bail!("`{}` stands twice", twice.name);
        }
    }
    Ok(districts.into_values().collect())
}

/// Year, district, group and count, by column.
fn census(
    mut reader: csv::Reader<&[u8]>,
    (year, name, group, count): (Option<usize>, usize, usize, usize),
) -> Result<Vec<District>> {
    let mut groups: BTreeMap<(String, String), BTreeMap<String, f64>> = BTreeMap::new();
    for line in reader.records() {
        let line = line?;
        let cell = |column: usize| line.get(column).unwrap_or_default().trim().to_owned();
        let text = cell(count);
        let number: f64 = text.parse().map_err(|_| anyhow!("`{text}` in column count of `{}` is not a number", cell(name)))?;
        let of = (year.map(cell).unwrap_or_default(), cell(name));
        groups.entry(of).or_default().insert(cell(group), number);
    }
    let latest = groups.keys().map(|(year, _)| year.clone()).max().unwrap_or_default();
    let mut districts = Vec::new();
    for ((_, name), groups) in groups.into_iter().filter(|((year, _), _)| *year == latest) {
        let mut district = District { name, ..District::default() };
        if let Some(total) = groups.get("total") {
            set(&mut district, "population", *total)?;
        }
        let asked = groups.get("poverty_status_determined").filter(|asked| **asked > 0.0);
        district.deprivation = groups.get("below_poverty").zip(asked).map(|(poor, asked)| poor / asked);
        districts.push(district);
    }
    Ok(districts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Reference> {
        let dir = tempfile::tempdir().unwrap();
        let written = files.iter().map(|(name, text)| {
            let file = dir.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        });
        let written: Vec<_> = written.collect();
        from_files(written.iter().map(std::path::PathBuf::as_path), "name")
    }

    #[test]
    fn what_is_unknown_stays_unknown_and_what_is_wrong_is_named() {
        let csv = |text: &str| read(&[("population.csv", text)]);
        let reference = csv("district,population,deprivation\nNorth,1200,0.4\nHarbour,,\n").unwrap();
        assert_eq!(reference.population("North"), Some(1200.0));
        assert_eq!(reference.population("Harbour"), None);
        assert_eq!(csv("district,population\nNorth,10\n").unwrap().districts.len(), 1);
        for (text, expected) in [
            ("name,people\nNorth,1\n", "needs the columns"),
            ("district,people\nNorth,1\n", "needs the columns"),
            ("district,population\nNorth,-3\n", "not a number of people"),
            ("district,population\nNorth,many\n", "is not a number"),
            ("district,population\nNorth,3\nNorth,4\n", "stands twice"),
            ("district,language_es\nNorth,30\n", "0 to 1"),
        ] {
            let error = format!("{:#}", csv(text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
        let missing = from_files([Path::new("nowhere.csv")], "name").unwrap_err();
        assert!(format!("{missing:#}").contains("cannot read nowhere.csv"));
    }

    #[test]
    fn files_add_to_one_another() {
        // A square of a hundredth of a degree at the equator: 1.11 km by 1.11 km.
        let square = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"North","covariate_renters":0.7},
            "geometry":{"type":"Polygon","coordinates":[[[0,0],[0.01,0],[0.01,0.01],[0,0.01],[0,0]]]}}]}"#;
        let people = "year,neighborhood,group,count\n2010,North,total,900\n2020,North,male,400\n2020,North,total,1000\n";
        let poverty = "year,neighborhood,group,count\n2020,North,below_poverty,90\n2020,North,poverty_status_determined,900\n";
        let more = "district,language_es\nNorth,0.25\n";
        let reference = read(&[("a.geojson", square), ("b.csv", people), ("c.csv", poverty), ("d.csv", more)]).unwrap();
        let north = &reference.districts[0];
        assert_eq!((north.population, north.deprivation), (Some(1000.0), Some(0.1)));
        assert!((north.area_km2.unwrap() - 1.2364).abs() < 1e-3);
        assert_eq!((north.languages["es"], north.covariates["renters"]), (0.25, 0.7));
        let error = read(&[("a.json", r#"{"features":[{"properties":{"GEOID":"x"}}]}"#)]).unwrap_err();
        assert!(format!("{error:#}").contains("--district-name"), "{error:#}");
        assert!(read(&[("a.json", "{")]).is_err());
    }
}
