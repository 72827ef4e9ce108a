//! How often things happen: the rates of every district and topic, and the bursts on top of them.

use feedback::time::{DAY_US, HOUR_US, MINUTE_US};
use feedback::{Timestamp, Topic};

use super::city::{District, districts};
use super::config::SyntheticConfig;
use super::dice::{Alias, Dice};
use super::topics::{TRAITS, WEEK_H};
use crate::source::SourceError;

/// Microseconds in one week.
pub const WEEK_US: i64 = 7 * DAY_US;
/// How long an incident can go on being reported and a case can stay open before it is never closed, in hours.
pub const CASE_LIMIT_H: f64 = 30.0 * 24.0;
/// How many problems there are among messages, then requests, questions, praise.
pub const SIGNAL_SHARES: [f64; 4] = [0.70, 0.12, 0.10, 0.08];
/// How fast an incident goes away by itself, per day: what was not reported until then never is.
pub const VANISHING_PER_DAY: f64 = 0.1;
/// Most bursts that can begin in one week (a Poisson number is cut here).
pub const MAX_BURSTS_PER_WEEK: u32 = 4_000;

const TOPICS: usize = Topic::ALL.len();

/// A time in which a topic is reported much more than usual in some districts.
#[derive(Clone, Debug, PartialEq)]
pub struct Burst {
    /// Which one, unique in the city.
    pub number: u32,
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub until: Timestamp,
    /// About what.
    pub topic: Topic,
    /// Where: positions in the list of districts.
    pub districts: Vec<u32>,
    /// Reports against what is usual there at that hour (first reports; 5 means four times as many on top).
    pub factor: f64,
    /// Whether all of it is one incident at one place, told by many.
    pub is_one_incident: bool,
}

/// Everything that is fixed about a city.
#[derive(Debug)]
pub struct Model {
    /// The parameters.
    pub config: SyntheticConfig,
    /// The districts.
    pub districts: Vec<District>,
    /// First reports per hour of a district and topic, averaged over the week: `[district][topic]`.
    base_per_hour: Vec<[f64; TOPICS]>,
    season: Vec<[f64; WEEK_H]>,
    /// First reports per hour of the whole city in each hour of the week.
    city_per_hour: [f64; WEEK_H],
    topic_of_hour: Vec<Alias>,
    district_of_topic: Vec<Alias>,
    language_of_district: Vec<Alias>,
}

impl Model {
    /// Lays the city out.
    pub fn new(config: SyntheticConfig) -> Result<Self, SourceError> {
        config.check()?;
        let origin = (config.origin_lat, config.origin_lon);
        let districts = districts(config.seed, config.districts, config.under_reporting, origin);
        let season: Vec<_> = TRAITS.iter().map(|traits| traits.season()).collect();
        let mut base_per_hour: Vec<[f64; TOPICS]> =
            districts.iter().enumerate().map(|(d, district)| relative(&config, d, district)).collect();
        let mut model_total = 0.0;
        for (district, row) in districts.iter().zip(&base_per_hour) {
            for (topic, rate) in row.iter().enumerate() {
                model_total += rate * (1.0 + followers_mean(district, topic));
            }
        }
        let scale = config.rate * 3_600.0 / model_total;
        base_per_hour.iter_mut().flatten().for_each(|rate| *rate *= scale);

        let per_topic: [f64; TOPICS] = std::array::from_fn(|topic| base_per_hour.iter().map(|row| row[topic]).sum());
        let weights = |hour: usize| -> Vec<f64> { (0..TOPICS).map(|topic| per_topic[topic] * season[topic][hour]).collect() };
        let column = |topic: usize| -> Vec<f64> { base_per_hour.iter().map(|row| row[topic]).collect() };
        Ok(Self {
            city_per_hour: std::array::from_fn(|hour| weights(hour).iter().sum()),
            topic_of_hour: (0..WEEK_H).map(|hour| Alias::new(&weights(hour))).collect(),
            district_of_topic: (0..TOPICS).map(|topic| Alias::new(&column(topic))).collect(),
            language_of_district: districts.iter().map(|district| Alias::new(&district.language_shares)).collect(),
            config,
            districts,
            base_per_hour,
            season,
        })
    }

    /// First reports per hour of a district and topic at a moment, bursts left out.
    pub fn usual_per_hour(&self, district: usize, topic: usize, at_us: i64) -> f64 {
        self.base_per_hour[district][topic] * self.season[topic][hour_of_week(at_us)]
    }

    /// First reports per hour of the whole city, bursts left out.
    pub fn city_per_hour(&self, at_us: i64) -> f64 {
        self.city_per_hour[hour_of_week(at_us)]
    }

    /// What a usual first report at this moment is about, and where.
    pub fn draw_cell(&self, at_us: i64, dice: &mut Dice) -> (usize, usize) {
        let topic = self.topic_of_hour[hour_of_week(at_us)].draw(dice);
        (self.district_of_topic[topic].draw(dice), topic)
    }

    /// The language of a message from a district.
    pub fn draw_language(&self, district: usize, dice: &mut Dice) -> usize {
        self.language_of_district[district].draw(dice)
    }

    /// How often a standing incident is reported, per hour; 0 where a message is about the sender's own case.
    pub fn reporting_per_hour(&self, district: usize, topic: usize) -> f64 {
        if TRAITS[topic].shared { self.districts[district].reporting_rate_per_day / 24.0 } else { 0.0 }
    }

    /// Mean hours until a case is closed (of the exponential law before it is cut at [`CASE_LIMIT_H`]).
    pub fn close_mean_h(&self, district: usize, topic: usize) -> f64 {
        TRAITS[topic].close_mean_h * self.districts[district].service_factor
    }

    /// Incidents per hour on the weekly average, reported or not; `None` where messages are no incidents.
    pub fn incidents_per_hour(&self, district: usize, topic: usize) -> Option<f64> {
        let rate = self.districts[district].reporting_rate_per_day;
        let reported = rate / (rate + VANISHING_PER_DAY);
        TRAITS[topic].shared.then(|| self.base_per_hour[district][topic] * SIGNAL_SHARES[0] / reported)
    }

    /// Mean number of further reports of an incident's first problem report, over all first reports.
    pub fn followers_mean(&self, district: usize, topic: usize) -> f64 {
        followers_mean(&self.districts[district], topic)
    }

    /// The bursts that begin in a week (weeks are counted from the start).
    pub fn bursts_of_week(&self, week: u32) -> Vec<Burst> {
        let mut dice = Dice::new(self.config.seed, 21, u64::from(week));
        let count = dice.poisson(self.config.bursts_per_week).min(MAX_BURSTS_PER_WEEK);
        (0..count).map(|index| self.draw_burst(week, index, &mut dice)).collect()
    }

    fn draw_burst(&self, week: u32, index: u32, dice: &mut Dice) -> Burst {
        let from = self.config.start_us() + i64::from(week) * WEEK_US + i64::from(dice.below(7 * 24 * 60)) * MINUTE_US;
        let minutes = 180 + dice.below(45 * 60);
        let topic = dice.below(TOPICS as u32) as usize;
        let is_one_incident = TRAITS[topic].shared && dice.happens(0.3);
        let reach = if is_one_incident || dice.happens(0.5) { 1 } else { 2 + dice.below(5) };
        let first = dice.below(self.config.districts);
        let mut districts: Vec<u32> = (0..reach).map(|step| (first + step) % self.config.districts).collect();
        districts.sort_unstable();
        districts.dedup();
        Burst {
            number: week * (MAX_BURSTS_PER_WEEK + 1) + index,
            from: Timestamp::from_micros(from),
            until: Timestamp::from_micros(from + i64::from(minutes) * MINUTE_US),
            topic: Topic::ALL[topic],
            districts,
            factor: dice.between(4.0, 20.0),
            is_one_incident,
        }
    }

    /// Bursts that may be going on in a week: those that begin in it and in the one before.
    pub fn bursts_around(&self, week: u32) -> Vec<Burst> {
        let before = week.checked_sub(1).map(|before| self.bursts_of_week(before)).unwrap_or_default();
        before.into_iter().chain(self.bursts_of_week(week)).collect()
    }

    /// First reports per hour that a burst adds at a moment, all its districts together.
    pub fn burst_extra_per_hour(&self, burst: &Burst, at_us: i64) -> f64 {
        let usual = |district: &u32| self.usual_per_hour(*district as usize, usize::from(burst.topic.code()), at_us);
        (burst.factor - 1.0) * burst.districts.iter().map(usual).sum::<f64>()
    }

    /// Where a burst's report comes from.
    pub fn draw_burst_district(&self, burst: &Burst, dice: &mut Dice) -> usize {
        let topic = usize::from(burst.topic.code());
        let weight = |district: &u32| self.base_per_hour[*district as usize][topic];
        let mut rest = dice.unit() * burst.districts.iter().map(weight).sum::<f64>();
        for district in &burst.districts {
            rest -= weight(district);
            if rest < 0.0 {
                return *district as usize;
            }
        }
        burst.districts[0] as usize
    }

    /// The week that holds a moment.
    pub fn week_of(&self, at_us: i64) -> u32 {
        ((at_us - self.config.start_us()).max(0) / WEEK_US) as u32
    }
}

/// Unscaled first reports of a district by topic.
fn relative(config: &SyntheticConfig, index: usize, district: &District) -> [f64; TOPICS] {
    let mut dice = Dice::new(config.seed, 22, index as u64);
    let rate = district.reporting_rate_per_day;
    std::array::from_fn(|topic| {
        let traits = &TRAITS[topic];
        let own = dice.between(0.6, 1.4);
        // Who seldom reports what stands in the street seldom writes about a bill either.
        let heard = rate / (rate + VANISHING_PER_DAY);
        f64::from(district.population) * district.need * traits.weight * own * heard
    })
}

fn followers_mean(district: &District, topic: usize) -> f64 {
    let traits = &TRAITS[topic];
    if !traits.shared {
        return 0.0;
    }
    let mean_h = traits.close_mean_h * district.service_factor;
    let exposure_h = mean_h * (1.0 - (-CASE_LIMIT_H / mean_h).exp());
    SIGNAL_SHARES[0] * district.reporting_rate_per_day / 24.0 * exposure_h
}

/// Hours since Monday 0:00 UTC. 1970-01-01 was a Thursday.
pub fn hour_of_week(at_us: i64) -> usize {
    ((at_us.div_euclid(HOUR_US) + 72).rem_euclid(WEEK_H as i64)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_what_was_asked_for() {
        for (districts, rate) in [(1, 0.5), (24, 3.0)] {
            let config = SyntheticConfig { districts, rate, under_reporting: 1, ..Default::default() };
            let model = Model::new(config).unwrap();
            let start = model.config.start_us();
            let mut total = 0.0;
            for hour in 0..WEEK_H as i64 {
                for district in 0..model.districts.len() {
                    for topic in 0..TOPICS {
                        let first = model.usual_per_hour(district, topic, start + hour * HOUR_US);
                        total += first * (1.0 + model.followers_mean(district, topic));
                    }
                }
            }
            assert!((total / (WEEK_H as f64 * 3_600.0) / rate - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn the_week_begins_on_monday() {
        let monday: Timestamp = "2026-03-16T00:00:00Z".parse().unwrap();
        assert_eq!(hour_of_week(monday.micros()), 0);
        assert_eq!(hour_of_week(monday.micros() - 1), 167);
    }

    #[test]
    fn what_cannot_be_simulated_is_refused() {
        for bad in [
            SyntheticConfig { districts: 0, ..Default::default() },
            SyntheticConfig { rate: f64::NAN, ..Default::default() },
            SyntheticConfig { name: "A".into(), ..Default::default() },
            SyntheticConfig { start: Timestamp::MIN, ..Default::default() },
            SyntheticConfig { origin_lat: 89.0, ..Default::default() },
            SyntheticConfig { edited_share: -1.0, ..Default::default() },
        ] {
            assert!(Model::new(bad).unwrap_err().is_terminal());
        }
    }
}
