//! What is true about a synthetic city: what an estimate downstream is compared with.

use std::sync::Arc;

use feedback::time::HOUR_US;
use feedback::{Signal, Timestamp, Tone, Topic, Urgency};

use super::city::{District, geojson};
use super::grammar::LANGUAGES;
use super::life::{Action, Life, LifeKey};
use super::model::{Burst, CASE_LIMIT_H, Model, SIGNAL_SHARES};
use super::render::parse_id;

/// The truth about a city. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Truth(pub(super) Arc<Model>);

/// The truth about one report.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Name of its district.
    pub district: String,
    /// What it is about.
    pub topic: Topic,
    /// In which feeling it is said.
    pub tone: Tone,
    /// What the sender wants.
    pub signal: Signal,
    /// How soon somebody must act.
    pub urgency: Urgency,
    /// ISO 639-1.
    pub language: &'static str,
    /// Whether the text holds personal data.
    pub is_personal: bool,
    /// Who sent it, as in the record.
    pub author: Option<String>,
    /// The same for all reports of one incident.
    pub incident: String,
    /// Whether it is a further report of an incident.
    pub is_duplicate: bool,
    /// The burst to which it belongs.
    pub burst: Option<u32>,
    /// When it was said.
    pub created_at: Timestamp,
    /// When it is first closed, if it is.
    pub closed_at: Option<Timestamp>,
    /// When it is to be forgotten, if it is (erasures by author left out).
    pub erased_at: Option<Timestamp>,
}

impl Truth {
    /// The districts: population, deprivation, corners, reporting rate and need.
    pub fn districts(&self) -> &[District] {
        &self.0.districts
    }

    /// The districts as GeoJSON; see [`geojson`].
    pub fn geojson(&self) -> String {
        geojson(&self.0.districts)
    }

    /// The bursts that overlap a span of time, by begin.
    pub fn bursts(&self, from: Timestamp, until: Timestamp) -> Vec<Burst> {
        let weeks = self.0.week_of(from.micros()).saturating_sub(1)..=self.0.week_of(until.micros());
        let mut bursts: Vec<Burst> = weeks.flat_map(|week| self.0.bursts_of_week(week)).collect();
        bursts.retain(|burst| burst.from < until && burst.until > from);
        bursts.sort_by_key(|burst| (burst.from, burst.number));
        bursts
    }

    /// Expected reports of a district (its position) and topic that are said in `from..until`, both on the hour: first reports,
    /// those of bursts, and further reports of standing incidents. Bursts that cut an hour count in proportion.
    pub fn expected_reports(&self, district: usize, topic: Topic, from: Timestamp, until: Timestamp) -> f64 {
        let topic = usize::from(topic.code());
        let (start_us, until_us) = (self.0.config.start_us(), until.micros());
        let from_us = from.micros().max(start_us);
        let reach_h = CASE_LIMIT_H as i64;
        let lookback_us = (from_us - reach_h * HOUR_US).max(start_us);
        let bursts = self.bursts(Timestamp::from_micros(lookback_us), until);
        let hours = |from_us: i64| (from_us..until_us).step_by(HOUR_US as usize);
        let firsts: Vec<(i64, f64, f64)> =
            hours(lookback_us).map(|at_us| self.first_reports(district, topic, at_us, &bursts)).collect();
        let direct: f64 = firsts.iter().filter(|(at_us, ..)| *at_us >= from_us).map(|(_, _, all)| all).sum();
        let rate = SIGNAL_SHARES[0] * self.0.reporting_per_hour(district, topic);
        if rate == 0.0 {
            return direct;
        }
        let mean_h = self.0.close_mean_h(district, topic);
        // How long an incident stands in the first so many hours, for every number of hours.
        let stands_h: Vec<f64> = (0..=reach_h)
            .scan(0.0, |sum, gap_h| {
                let before = *sum;
                *sum += exposure_h(mean_h, gap_h);
                Some(before)
            })
            .collect();
        let stood = |until_us: i64, at_us: i64| stands_h[((until_us - at_us) / HOUR_US).clamp(0, reach_h) as usize];
        let exposure: f64 =
            firsts.iter().map(|(at_us, followed, _)| followed * (stood(until_us, *at_us) - stood(from_us, *at_us))).sum();
        direct + rate * exposure
    }

    /// (hour, first reports that others can follow, all first reports) of one hour.
    fn first_reports(&self, district: usize, topic: usize, at_us: i64, bursts: &[Burst]) -> (i64, f64, f64) {
        let usual = self.0.usual_per_hour(district, topic, at_us);
        let (mut followed, mut all) = (usual, usual);
        for burst in bursts {
            if usize::from(burst.topic.code()) == topic && burst.districts.contains(&(district as u32)) {
                let overlap_us = burst.until.micros().min(at_us + HOUR_US) - burst.from.micros().max(at_us);
                let extra = usual * (burst.factor - 1.0) * (overlap_us.max(0) as f64 / HOUR_US as f64);
                all += extra;
                followed += if burst.is_one_incident { 0.0 } else { extra };
            }
        }
        (at_us, followed, all)
    }

    /// How often a standing incident is reported, per day; `None` where messages of the topic are no incidents.
    pub fn reporting_rate_per_day(&self, district: usize, topic: Topic) -> Option<f64> {
        Some(self.0.reporting_per_hour(district, usize::from(topic.code())) * 24.0).filter(|rate| *rate > 0.0)
    }

    /// Incidents per hour on the weekly average, reported or not, bursts left out; `None` where messages are no incidents.
    pub fn incidents_per_hour(&self, district: usize, topic: Topic) -> Option<f64> {
        self.0.incidents_per_hour(district, usize::from(topic.code()))
    }

    /// Mean hours until a report is closed, of the exponential law that is cut at thirty days.
    pub fn close_mean_h(&self, district: usize, topic: Topic) -> f64 {
        self.0.close_mean_h(district, usize::from(topic.code()))
    }

    /// The truth about a report of this city, by its id; `None` for what is no id of this city.
    pub fn label(&self, id: &str) -> Option<Label> {
        let key = parse_id(&self.0.config.name, id)?;
        let bursts = key.burst_week().map(|week| self.0.bursts_of_week(week)).unwrap_or_default();
        let burst = bursts.iter().find(|burst| Some(burst.number) == key.lane.checked_sub(1));
        if key.lane > 0 && burst.is_none() {
            return None;
        }
        let life = Life::of(&self.0, key, burst);
        let incident = match burst {
            Some(burst) if burst.is_one_incident => format!("burst {}", burst.number),
            _ => format!("{}.{}.{}", key.slot, key.lane, key.index),
        };
        let at = |action: Action| life.moment(action).map(|moment| Timestamp::from_micros(moment.at_us));
        Some(Label {
            district: self.0.districts[life.district].name.clone(),
            topic: life.speech.topic,
            tone: life.speech.tone,
            signal: life.speech.signal,
            urgency: Urgency::from_code(life.urgency)?,
            language: LANGUAGES[life.language],
            is_personal: life.speech.is_personal,
            author: life.author.map(|number| format!("r{}-{number}", life.district)),
            incident,
            is_duplicate: is_further(key, burst),
            burst: burst.map(|burst| burst.number),
            created_at: Timestamp::from_micros(life.created_us()),
            closed_at: at(Action::Close),
            erased_at: at(Action::Erase),
        })
    }
}

fn is_further(key: LifeKey, burst: Option<&Burst>) -> bool {
    let opens_burst = burst.is_none_or(|burst| !burst.is_one_incident);
    key.follower > 0 || !opens_burst
}

/// Hours that an incident first reported somewhere in one hour is expected to stand within the hour `gap_h` later, its standing
/// time being exponential.
fn exposure_h(mean_h: f64, gap_h: i64) -> f64 {
    let decay = (-1.0 / mean_h).exp();
    if gap_h == 0 {
        mean_h - mean_h * mean_h * (1.0 - decay)
    } else {
        mean_h * mean_h * (1.0 - decay) * (1.0 - decay) * (-((gap_h - 1) as f64) / mean_h).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposures_add_up_to_the_standing_time() {
        for mean_h in [3.0, 40.0, 160.0] {
            let total: f64 = (0..20_000).map(|gap_h| exposure_h(mean_h, gap_h)).sum();
            assert!((total / mean_h - 1.0).abs() < 1e-6, "{mean_h}: {total}");
        }
    }
}
