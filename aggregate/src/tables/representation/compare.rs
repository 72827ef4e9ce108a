//! Who takes part, against who lives there and who needs it.

use std::collections::BTreeMap;

use super::super::under_reporting::{ALL, Estimate, Exposure};
use crate::reference::Reference;
use crate::statistics::poisson::{self, Rate, RateRatio};
use crate::statistics::representativity::{Representativity, Stratum, indicator};
use crate::statistics::{Interval, LEVEL, special};

/// What the reports of a window are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// Everything.
    City,
    /// Districts of similar deprivation.
    Band,
    /// Where.
    District,
    /// In which language.
    Language,
    /// By which door.
    Channel,
}

impl Dimension {
    /// As the table writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Band => "deprivation band",
            Self::District => "district",
            Self::Language => "language",
            Self::Channel => "channel",
        }
    }
}

/// Reports of a window that have something in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Voices {
    /// Reports.
    pub reports: u64,
    /// Distinct authors; `None` where no report names one.
    pub reporters: Option<u64>,
}

/// What a window says, before it is compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard<'a> {
    /// The window's name.
    pub window: &'a str,
    /// Everybody.
    pub city: Voices,
    /// By district; `None` is unknown.
    pub districts: BTreeMap<Option<&'a str>, Voices>,
    /// By deprivation band, whose districts' authors are counted once.
    pub bands: BTreeMap<usize, Voices>,
    /// By language; `None` is unknown.
    pub languages: BTreeMap<Option<&'a str>, Voices>,
    /// By channel; `None` is unknown.
    pub channels: BTreeMap<Option<&'a str>, Voices>,
}

/// A count against what would be expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Against {
    /// How many reports would come if everybody (or every need) led to as many.
    pub expected: f64,
    /// Reports over expected.
    pub index: f64,
    /// Its exact interval (Clopper & Pearson 1934), given how many reports came in all.
    pub interval: Interval,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Share<'a> {
    /// The window.
    pub window: &'a str,
    /// What it is grouped by.
    pub dimension: Dimension,
    /// Of what; `None` is unknown.
    pub value: Option<String>,
    /// Its reports.
    pub voices: Voices,
    /// Residents it is compared with.
    pub population: Option<f64>,
    /// Reports per 1,000 residents.
    pub reports_per_1000: Option<Rate>,
    /// Distinct authors per 1,000 residents.
    pub reporters_per_1000: Option<Rate>,
    /// Against the population's share.
    pub by_population: Option<Against>,
    /// Against the share of incidents, reported or not, under the assumption of `under_reporting`.
    pub by_need: Option<Against>,
    /// Deprivation of the district, on the city's own scale.
    pub deprivation: Option<f64>,
    /// Its band, 1 the least deprived.
    pub band: Option<usize>,
    /// How often a standing incident is reported, a day.
    pub rate: Option<Rate>,
    /// That against the same topics in the rest of the city.
    pub against_rest: Option<RateRatio>,
    /// Incidents per 1,000 residents, reported or not, under the assumption.
    pub need_per_1000: Option<f64>,
    /// Delay times need: where asking people would find most that is not heard of.
    pub outreach: Option<f64>,
    /// Its place among the districts, 1 the greatest.
    pub outreach_rank: Option<usize>,
    /// How evenly the districts take part; of the city only.
    pub evenness: Option<Representativity>,
    /// What is missing, and why.
    pub note: Option<String>,
}

/// What `under_reporting` says of the districts.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    counts: Exposure,
    adjusted: Option<f64>,
    against_rest: Option<RateRatio>,
}

/// Compares what a window says with who lives there. Rows in the order of [`Dimension`], then by value; without a report there
/// are still rows for the city and for the districts that it describes.
pub fn compare<'a>(heard: &Heard<'a>, reference: &Reference, estimates: &[Estimate<'_>]) -> Vec<Share<'a>> {
    let needs: BTreeMap<&str, Need> = estimates
        .iter()
        .filter(|e| e.topic == Some(ALL))
        .filter_map(|e| {
            let need = Need { counts: e.counts, adjusted: e.adjusted.map(|a| a.incidents), against_rest: e.against_rest };
            Some((e.district?, need))
        })
        .collect();
    let comparison = Comparison { heard, reference, needs, bands: reference.bands() };
    let mut rows = vec![comparison.city()];
    rows.extend(comparison.of_bands());
    rows.extend(comparison.of_districts());
    rows.extend(comparison.of_languages());
    rows.extend(comparison.of_channels());
    rows
}

struct Comparison<'h, 'a> {
    heard: &'h Heard<'a>,
    reference: &'h Reference,
    needs: BTreeMap<&'h str, Need>,
    bands: BTreeMap<&'h str, usize>,
}

impl<'h, 'a> Comparison<'h, 'a> {
    /// A row with its rates per resident.
    fn row(&self, dimension: Dimension, value: Option<String>, voices: &Voices, population: Option<f64>) -> Share<'a> {
        let thousands = population.map(|people| people / 1000.0);
        let per_1000 = |count: u64| poisson::rate(count, thousands?);
        Share {
            window: self.heard.window,
            dimension,
            value,
            voices: voices.clone(),
            population,
            reports_per_1000: per_1000(voices.reports),
            reporters_per_1000: voices.reporters.and_then(per_1000),
            by_population: None,
            by_need: None,
            deprivation: None,
            band: None,
            rate: None,
            against_rest: None,
            need_per_1000: None,
            outreach: None,
            outreach_rank: None,
            evenness: None,
            note: None,
        }
    }

    fn city(&self) -> Share<'a> {
        let population = self.reference.city_population();
        let mut row = self.row(Dimension::City, Some(ALL.to_owned()), &self.heard.city, population);
        let mut notes = Vec::new();
        if population.is_none() {
            notes.push("no district has a population");
        }
        let named = self.heard.city.reporters.is_some();
        let strata: Vec<Stratum> = self
            .reference
            .districts
            .iter()
            .filter_map(|district| {
                let voices = self.heard.districts.get(&Some(district.name.as_str())).cloned().unwrap_or_default();
                let participants = if named { voices.reporters.unwrap_or(0) } else { voices.reports };
                Some(Stratum { population: district.residents()?, participants: participants as f64 })
            })
            .collect();
        row.evenness = indicator(&strata);
        match row.evenness {
            None => notes.push("R-score: two districts with a population and one reporter are needed"),
            Some(_) if !named => notes.push("authors unknown: in the R-score every report stands for a reporter"),
            Some(_) => {}
        }
        self.add_need(&mut row, self.needs.get(ALL).copied());
        row.note = join(&notes);
        row
    }

    fn of_districts(&self) -> Vec<Share<'a>> {
        let placed: Vec<(&str, f64, u64)> = self
            .reference
            .districts
            .iter()
            .filter_map(|d| {
                let reports = self.heard.districts.get(&Some(d.name.as_str())).map_or(0, |v| v.reports);
                Some((d.name.as_str(), d.residents()?, reports))
            })
            .collect();
        let people: f64 = placed.iter().map(|(_, people, _)| people).sum();
        let told: u64 = placed.iter().map(|(.., reports)| reports).sum();
        let needed: f64 = self.needs.iter().filter(|(name, _)| **name != ALL).filter_map(|(_, need)| need.adjusted).sum();
        let told_of_need: u64 = self
            .heard
            .districts
            .iter()
            .filter(|(name, _)| name.and_then(|name| self.needs.get(name)?.adjusted).is_some())
            .map(|(_, voices)| voices.reports)
            .sum();
        let mut names: Vec<Option<&str>> = self.heard.districts.keys().copied().collect();
        names.extend(self.reference.districts.iter().map(|d| Some(d.name.as_str())));
        names.sort_unstable();
        names.dedup();
        let mut rows: Vec<Share<'a>> = Vec::with_capacity(names.len());
        for name in names {
            let voices = self.heard.districts.get(&name).cloned().unwrap_or_default();
            let population = name.and_then(|name| self.reference.population(name));
            let mut row = self.row(Dimension::District, name.map(str::to_owned), &voices, population);
            let need = name.and_then(|name| self.needs.get(name).copied());
            self.add_need(&mut row, need);
            row.deprivation = name.and_then(|name| self.reference.deprivation(name));
            row.band = name.and_then(|name| self.bands.get(name).copied());
            row.by_population = population.and_then(|population| against(voices.reports, told, population / people));
            row.by_need = need.and_then(|n| n.adjusted).and_then(|n| against(voices.reports, told_of_need, n / needed));
            row.outreach = row.rate.and_then(|rate| rate.mean_delay).zip(row.need_per_1000).map(|(delay, need)| delay * need);
            let mut notes = Vec::new();
            match (name, population) {
                (None, _) => notes.push("district unknown"),
                (Some(_), None) => notes.push("the city supplies no population of it: no rates per resident"),
                (Some(_), Some(_)) => {}
            }
            if name.is_some() {
                match (need, row.outreach) {
                    (None, _) => notes.push("no problem was reported in the time looked at: delay and need unknown"),
                    (Some(need), None) if need.counts.repeats == 0 => {
                        notes.push(
                            "no problem was reported twice: the delay has no estimate, see under_reporting for its bound",
                        );
                    }
                    _ => {}
                }
            }
            row.note = join(&notes);
            rows.push(row);
        }
        let mut order: Vec<usize> = (0..rows.len()).filter(|&i| rows[i].outreach.is_some()).collect();
        order.sort_by(|&a, &b| rows[b].outreach.unwrap_or(0.0).total_cmp(&rows[a].outreach.unwrap_or(0.0)));
        for (place, &i) in order.iter().enumerate() {
            rows[i].outreach_rank = Some(place + 1);
        }
        rows
    }

    fn of_bands(&self) -> Vec<Share<'a>> {
        let mut bands: BTreeMap<usize, (f64, Vec<&str>)> = BTreeMap::new();
        for (name, band) in &self.bands {
            let entry = bands.entry(*band).or_default();
            entry.0 += self.reference.population(name).unwrap_or(0.0);
            entry.1.push(name);
        }
        let people: f64 = bands.values().map(|(people, _)| people).sum();
        let told: u64 = bands.keys().filter_map(|band| self.heard.bands.get(band)).map(|voices| voices.reports).sum();
        let of_band = |(band, (population, names)): (&usize, &(f64, Vec<&str>))| {
            let voices = self.heard.bands.get(band).cloned().unwrap_or_default();
            let known = names.iter().all(|name| self.reference.population(name).is_some());
            let mut row =
                self.row(Dimension::Band, Some(band.to_string()), &voices, Some(*population).filter(|p| known && *p > 0.0));
            let needs: Vec<Need> = names.iter().filter_map(|name| self.needs.get(name).copied()).collect();
            let mut counts = Exposure::default();
            needs.iter().for_each(|need| counts.add(&need.counts));
            let adjusted = needs.iter().map(|need| need.adjusted).sum::<Option<f64>>().filter(|_| !needs.is_empty());
            self.add_need(&mut row, Some(Need { counts, adjusted, against_rest: None }));
            row.band = Some(*band);
            if known {
                row.by_population = against(voices.reports, told, population / people);
            } else {
                row.note = Some("a district of the band has no population: no rates per resident".to_owned());
            }
            row
        };
        bands.iter().map(of_band).collect()
    }

    fn of_languages(&self) -> Vec<Share<'a>> {
        let told_by = self.reference.districts.iter().filter(|d| !d.languages.is_empty());
        let people: f64 = told_by.filter_map(|d| d.residents()).sum();
        let total: u64 = self.heard.languages.iter().filter(|(name, _)| name.is_some()).map(|(_, v)| v.reports).sum();
        let of_language = |(language, voices): (&Option<&'a str>, &Voices)| {
            let speakers = language.and_then(|language| self.reference.speakers(language));
            let mut row = self.row(Dimension::Language, language.map(str::to_owned), voices, speakers);
            row.by_population = speakers.and_then(|speakers| against(voices.reports, total, speakers / people));
            row.note = match (language, speakers) {
                (None, _) => Some("language unknown"),
                (Some(_), None) if people == 0.0 => Some("the city supplies no language shares"),
                (Some(_), None) => Some("the city supplies no share of this language"),
                (Some(_), Some(_)) => None,
            }
            .map(str::to_owned);
            row
        };
        self.heard.languages.iter().map(of_language).collect()
    }

    fn of_channels(&self) -> Vec<Share<'a>> {
        let population = self.reference.city_population();
        let of_channel = |(channel, voices): (&Option<&'a str>, &Voices)| {
            let mut row = self.row(Dimension::Channel, channel.map(str::to_owned), voices, population);
            row.note = match *channel {
                None => Some("channel unknown".to_owned()),
                Some("staff" | "sensor") => Some("no resident's words: counted in this row only".to_owned()),
                Some(_) => None,
            };
            row
        };
        self.heard.channels.iter().map(of_channel).collect()
    }

    fn add_need(&self, row: &mut Share<'a>, need: Option<Need>) {
        let Some(need) = need else { return };
        row.rate = poisson::rate(need.counts.repeats, need.counts.days());
        row.against_rest = need.against_rest;
        row.need_per_1000 = need.adjusted.zip(row.population).map(|(incidents, people)| 1000.0 * incidents / people);
    }
}

/// A count of a total against a share of it; `None` where nothing can be expected.
fn against(count: u64, total: u64, share: f64) -> Option<Against> {
    if total == 0 || !(share > 0.0 && share <= 1.0) || count > total {
        return None;
    }
    let (x, n, tail) = (count as f64, total as f64, 0.5 * (1.0 - LEVEL));
    let interval = Interval {
        low: special::beta_quantile(x, n - x + 1.0, tail) / share,
        high: special::beta_quantile(x + 1.0, n - x, 1.0 - tail) / share,
    };
    Some(Against { expected: n * share, index: x / (n * share), interval })
}

fn join(notes: &[&str]) -> Option<String> {
    (!notes.is_empty()).then(|| notes.join("; "))
}

#[cfg(test)]
mod tests {
    use feedback::time::DAY_US;

    use super::super::super::under_reporting::{UnderReportingConfig, estimates};
    use super::*;
    use crate::reference::District;

    fn voices(reports: u64, reporters: u64) -> Voices {
        Voices { reports, reporters: Some(reporters) }
    }

    fn reference() -> Reference {
        let district = |name: &str, population, deprivation| District {
            name: name.into(),
            population,
            deprivation: Some(deprivation),
            languages: [("en".to_owned(), 0.8), ("es".to_owned(), 0.2)].into(),
            ..District::default()
        };
        let districts =
            vec![district("North", Some(30_000.0), 0.1), district("South", Some(10_000.0), 0.9), district("Docks", None, 0.5)];
        Reference { districts, ..Reference::default() }
    }

    fn heard() -> Heard<'static> {
        Heard {
            window: "28 days",
            city: voices(420, 300),
            districts: [
                (Some("North"), voices(360, 270)),
                (Some("South"), voices(40, 20)),
                (Some("Docks"), voices(10, 9)),
                (None, voices(10, 9)),
            ]
            .into(),
            bands: [(1, voices(360, 270)), (2, voices(10, 9)), (3, voices(40, 20))].into(),
            languages: [(Some("en"), voices(400, 290)), (Some("es"), voices(20, 10))].into(),
            channels: [(Some("app"), voices(420, 300))].into(),
        }
    }

    fn find<'b>(rows: &'b [Share<'static>], dimension: Dimension, value: &str) -> &'b Share<'static> {
        rows.iter().find(|row| row.dimension == dimension && row.value.as_deref() == Some(value)).unwrap()
    }

    /// The worked example of docs/methods/representation.md.
    #[test]
    fn the_worked_example() {
        let counts = |incidents, repeats| Exposure { incidents, repeats, exposure_us: 400 * DAY_US as u128 };
        let cells = [((Some("North"), Some("roads")), counts(40, 60)), ((Some("South"), Some("roads")), counts(20, 10))];
        let estimates = estimates(cells, &UnderReportingConfig::default());
        let rows = compare(&heard(), &reference(), &estimates);
        let (north, south) = (find(&rows, Dimension::District, "North"), find(&rows, Dimension::District, "South"));
        assert_eq!((north.reports_per_1000.unwrap().rate, south.reports_per_1000.unwrap().rate), (12.0, 4.0));
        let index = south.by_population.unwrap();
        assert!(
            (index.expected - 100.0).abs() < 1e-9 && (index.index - 0.4).abs() < 1e-9,
            "a quarter of the people, 400 reports"
        );
        assert!((index.interval.low - 0.290).abs() < 1e-3 && (index.interval.high - 0.535).abs() < 1e-3, "{index:?}");
        let need = south.by_need.unwrap();
        assert!(need.index < 0.2 && need.interval.contains(need.index), "against need it is worse: {need:?}");
        assert_eq!((south.outreach_rank, north.outreach_rank), (Some(1), Some(2)));
        assert!((south.rate.unwrap().mean_delay.unwrap() - 40.0).abs() < 1e-9);
        assert_eq!((north.band, south.band), (Some(1), Some(3)));
        // 0.9 % against 0.2 % of the residents: mean 0.725 %, S = 0.303 %, R = 0.994.
        let evenness = find(&rows, Dimension::City, "*").evenness.unwrap();
        assert!((evenness.r - 0.9940).abs() < 2e-4 && (evenness.variation - 0.41).abs() < 0.02, "{evenness:?}");
        let spanish = find(&rows, Dimension::Language, "es").by_population.unwrap();
        assert!((spanish.index - 20.0 / 84.0).abs() < 1e-9, "a fifth of the people, 420 reports");
    }

    #[test]
    fn what_is_unknown_is_said() {
        let rows = compare(&heard(), &reference(), &[]);
        let docks = find(&rows, Dimension::District, "Docks");
        assert_eq!((docks.reports_per_1000, docks.by_population, docks.outreach_rank), (None, None, None));
        let note = docks.note.as_deref().unwrap();
        assert!(note.contains("no population") && note.contains("no problem was reported"), "{note}");
        assert!(find(&rows, Dimension::Band, "2").note.as_deref().unwrap().contains("no population"));
        let nobody = compare(&Heard { window: "7 days", ..Heard::default() }, &Reference::default(), &[]);
        assert_eq!(nobody.len(), 1);
        let note = nobody[0].note.as_deref().unwrap();
        assert!(note.contains("no district has a population") && note.contains("R-score"));
        let quiet = compare(&Heard { window: "7 days", ..Heard::default() }, &reference(), &[]);
        let north = find(&quiet, Dimension::District, "North");
        assert_eq!((north.voices.reports, north.by_population), (0, None), "without a report nothing is expected");
        assert_eq!(north.reports_per_1000.unwrap().rate, 0.0);
    }
}
