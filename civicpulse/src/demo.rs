//! The synthetic city of `civicpulse demo`: begun once, continued at every later start.

use std::path::Path;

use aggregate::{District, Reference};
use anyhow::{Context, Result, bail};
use enrich::DistrictIndex;
use feedback::time::{DAY_US, HOUR_US};
use feedback::{Clock, Timestamp};
use ingest::synthetic::SyntheticConfig;
use ingest::synthetic::Truth;
use ingest::synthetic::grammar::LANGUAGES;
use serde::{Deserialize, Serialize};

use crate::node::City;

/// What makes a city the same city at the next start; kept in the data directory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// Everything random follows from it.
    pub seed: u64,
    /// Reports a second.
    pub rate: f64,
    /// The first simulated moment.
    pub start: Timestamp,
}

impl Begun {
    /// The city that lies in `data_dir`, or a new one whose history began `history_days` ago.
    ///
    /// # Errors
    /// Another city lies there, or it cannot be read or kept.
    pub fn open(data_dir: &Path, seed: u64, rate: f64, history_days: u32, clock: &dyn Clock) -> Result<Self> {
        let path = data_dir.join("demo.json");
        if path.exists() {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let begun: Self = serde_json::from_str(&text).with_context(|| format!("{} is not a demo's", path.display()))?;
            if (begun.seed, begun.rate) != (seed, rate) {
                bail!(
                    "{} holds the city of --seed {} --rate {}: continue that one, or choose another --data-dir",
                    data_dir.display(),
                    begun.seed,
                    begun.rate
                );
            }
            return Ok(begun);
        }
        let start = clock.now().plus_micros(-i64::from(history_days) * DAY_US).floor(HOUR_US);
        let begun = Self { seed, rate, start };
        std::fs::create_dir_all(data_dir).with_context(|| format!("cannot make {}", data_dir.display()))?;
        std::fs::write(&path, serde_json::to_vec(&begun)?).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(begun)
    }

    /// The parameters of the simulation.
    pub fn config(&self) -> SyntheticConfig {
        SyntheticConfig { seed: self.seed, rate: self.rate, start: self.start, ..SyntheticConfig::default() }
    }
}

/// The languages of residents, as of messages.
fn languages(shares: &[f64]) -> std::collections::BTreeMap<String, f64> {
    LANGUAGES.iter().zip(shares).map(|(language, share)| ((*language).to_owned(), *share)).collect()
}

/// Area of a small quadrilateral, corners (lat, lon) in order.
fn area_km2(corners: &[(f64, f64); 4]) -> f64 {
    const DEGREE_KM: f64 = 111.195;
    let wide = corners[0].0.to_radians().cos();
    let twice: f64 = (0..4)
        .map(|i| {
            let ((y0, x0), (y1, x1)) = (corners[i], corners[(i + 1) % 4]);
            x0 * y1 - x1 * y0
        })
        .sum();
    0.5 * twice.abs() * wide * DEGREE_KM * DEGREE_KM
}

/// What a synthetic city looks like to the rest of the program.
///
/// # Errors
/// Its polygons are none, which would be a defect.
pub fn city(truth: &Truth) -> Result<City> {
    let districts = DistrictIndex::from_geojson(&truth.geojson(), "name").map_err(anyhow::Error::msg)?;
    let reference = truth.districts().iter().map(|district| District {
        name: district.name.clone(),
        population: Some(f64::from(district.population)),
        deprivation: Some(district.deprivation),
        area_km2: Some(area_km2(&district.corners)),
        languages: languages(&district.language_shares),
        ..District::default()
    });
    Ok(City { districts: districts.into(), reference: Reference { districts: reference.collect(), ..Reference::default() } })
}
