//! Reference data that the city supplies: who lives where, and how well off.

use std::collections::{BTreeMap, HashMap};

use crate::statistics::percentile::Percentiles;
use crate::tables::budgets::Budget;

/// Deprivation bands that districts are put into, where there are at least as many.
pub const BANDS: usize = 5;

/// A district as the city describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct District {
    /// The name that reports carry.
    pub name: String,
    /// Residents.
    pub population: Option<f64>,
    /// Deprivation, higher is more deprived; the city's own scale.
    pub deprivation: Option<f64>,
    /// Area in square kilometres.
    pub area_km2: Option<f64>,
    /// Share of residents who mainly speak a language (ISO 639-1), 0 to 1.
    pub languages: BTreeMap<String, f64>,
    /// What else the city knows of it and thinks may matter for reporting, by name.
    pub covariates: BTreeMap<String, f64>,
}

/// Reference data that the city supplies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reference {
    /// The districts.
    pub districts: Vec<District>,
    /// What it costs to meet a need.
    pub budgets: Vec<Budget>,
}

fn positive(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite() && *value > 0.0)
}

impl District {
    /// Residents, where known and positive.
    pub fn residents(&self) -> Option<f64> {
        positive(self.population)
    }

    /// Residents per square kilometre, where both are known.
    pub fn density_per_km2(&self) -> Option<f64> {
        Some(self.residents()? / positive(self.area_km2)?)
    }
}

impl Reference {
    /// A district by name.
    pub fn district(&self, name: &str) -> Option<&District> {
        self.districts.iter().find(|district| district.name == name)
    }

    /// Residents of a district, where known and positive.
    pub fn population(&self, district: &str) -> Option<f64> {
        self.district(district)?.residents()
    }

    /// Residents of all districts together, where any is known.
    pub fn city_population(&self) -> Option<f64> {
        positive(Some(self.districts.iter().filter_map(District::residents).sum()))
    }

    /// How deprived a district is, on the city's own scale.
    pub fn deprivation(&self, district: &str) -> Option<f64> {
        self.district(district)?.deprivation.filter(|value| value.is_finite())
    }

    /// The deprivation band of every district whose deprivation is known, 1 the least deprived: as many districts in each as can
    /// be ([`BANDS`] bands, fewer where there are fewer districts), districts of equal deprivation in the same.
    pub fn bands(&self) -> BTreeMap<&str, usize> {
        let mut known: Vec<f64> = self.districts.iter().filter_map(|d| d.deprivation).filter(|d| d.is_finite()).collect();
        known.sort_unstable_by(f64::total_cmp);
        let bands = BANDS.min(known.len());
        let of = |deprivation: f64| 1 + known.partition_point(|d| *d < deprivation) * bands / known.len();
        let named = self.districts.iter().filter_map(|d| Some((d.name.as_str(), self.deprivation(&d.name)?)));
        named.map(|(name, deprivation)| (name, of(deprivation))).collect()
    }

    /// Each district's place by deprivation among those where it is known: 0 the least deprived to 1, ties half.
    pub fn deprivation_places(&self) -> HashMap<&str, f64> {
        let finite =
            self.districts.iter().filter_map(|d| Some((d.name.as_str(), d.deprivation.filter(|value| value.is_finite())?)));
        let known: Vec<(&str, f64)> = finite.collect();
        let scale = Percentiles::new(known.iter().map(|(_, value)| *value));
        known.into_iter().map(|(name, value)| (name, scale.of(value))).collect()
    }

    /// Residents who mainly speak a language, over all districts that say so; `None` where none does.
    pub fn speakers(&self, language: &str) -> Option<f64> {
        let told = self.districts.iter().filter(|d| !d.languages.is_empty());
        let of = told.filter_map(|d| Some(d.residents()? * d.languages.get(language).copied().unwrap_or(0.0)));
        positive(Some(of.filter(|n| n.is_finite()).sum()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn district(name: &str, population: f64, deprivation: Option<f64>) -> District {
        District { name: name.into(), population: Some(population), deprivation, ..District::default() }
    }

    #[test]
    fn bands_are_even_and_equals_share_one() {
        let districts: Vec<District> =
            (0..10).map(|i| district(&format!("d{i}"), 100.0, Some(f64::from(i)))).chain([district("x", 5.0, None)]).collect();
        let reference = Reference { districts, ..Reference::default() };
        let bands = reference.bands();
        assert_eq!((bands.len(), bands["d0"], bands["d1"], bands["d2"], bands["d9"]), (10, 1, 1, 2, 5));
        let equal =
            Reference { districts: vec![district("a", 1.0, Some(3.0)), district("b", 1.0, Some(3.0))], ..Reference::default() };
        assert_eq!(equal.bands().values().copied().collect::<Vec<_>>(), [1, 1]);
        assert!(Reference::default().bands().is_empty());
    }

    #[test]
    fn what_is_not_a_number_of_people_is_unknown() {
        let mut reference = Reference {
            districts: vec![district("a", f64::NAN, Some(f64::NAN)), district("b", 0.0, None)],
            ..Reference::default()
        };
        assert_eq!((reference.population("a"), reference.population("b"), reference.city_population()), (None, None, None));
        assert_eq!((reference.deprivation("a"), reference.bands().len(), reference.speakers("es")), (None, 0, None));
        reference.districts.push(District {
            area_km2: Some(2.0),
            languages: [("es".to_owned(), 0.25)].into(),
            ..district("c", 400.0, None)
        });
        assert_eq!((reference.speakers("es"), reference.speakers("fr")), (Some(100.0), None));
        assert_eq!(reference.districts[2].density_per_km2(), Some(200.0));
    }
}
