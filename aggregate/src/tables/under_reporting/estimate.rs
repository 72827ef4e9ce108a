//! How often a standing incident is reported, by district and topic (Liu, Bhandaram & Garg 2023).
//!
//! Whoever reports an incident first tells that it is there. From then on the city knows how long it stands, so the further reports
//! about it are a Poisson count with a known exposure, and their rate is how often people there report what they see. It speaks of
//! incidents that were reported at least once; what nobody ever reports leaves no trace. How many those are follows only from an
//! assumption about how long they stand ([`UnderReportingConfig::standing_days`]), and every number that rests on it says so.

use std::collections::BTreeMap;

use feedback::Timestamp;
use feedback::time::DAY_US;

use crate::statistics::gamma_poisson::Prior;
use crate::statistics::poisson::{self, Rate, RateRatio};
use crate::statistics::special::gamma_quantile;
use crate::statistics::{Interval, LEVEL};

/// How reporting rates are estimated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnderReportingConfig {
    /// Incidents first reported within so many days before the watermark are looked at.
    pub history_days: u32,
    /// An incident can be reported again for at most so many days after the first report, closed or not.
    pub max_exposure_days: u32,
    /// The assumption: how long an incident that nobody reports stands on average before it is gone by itself, in days.
    pub standing_days: f64,
}

impl Default for UnderReportingConfig {
    fn default() -> Self {
        Self { history_days: 365, max_exposure_days: 30, standing_days: 10.0 }
    }
}

impl UnderReportingConfig {
    /// Whether the settings make sense; the text says which does not.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=7320).contains(&self.history_days) {
            return Err(format!("under_reporting.history_days is {}: between 1 and 7320", self.history_days));
        }
        if !(1..=366).contains(&self.max_exposure_days) {
            return Err(format!("under_reporting.max_exposure_days is {}: between 1 and 366", self.max_exposure_days));
        }
        if !(self.standing_days.is_finite() && self.standing_days > 0.0) {
            return Err(format!("under_reporting.standing_days is {}: a number of days above 0", self.standing_days));
        }
        Ok(())
    }
}

/// Incidents added up. Integers: the order of the incidents changes no bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Incidents.
    pub incidents: u64,
    /// Reports after the first ones, while they could still come.
    pub repeats: u64,
    /// The time in which they could come.
    pub exposure_us: u128,
}

impl Exposure {
    /// One incident: first reported at a moment, gone at another (closed, or the time of counting), told again at `later` moments.
    /// Only repeats within the exposure count.
    pub fn of(first: Timestamp, gone: Timestamp, later: impl IntoIterator<Item = Timestamp>, max_exposure_days: u32) -> Self {
        let until = gone.min(first.plus_micros(i64::from(max_exposure_days) * DAY_US)).max(first);
        let repeats = later.into_iter().filter(|at| *at >= first && *at <= until).count() as u64;
        let exposure_us = until.micros().saturating_sub(first.micros()).max(0) as u128;
        Self { incidents: 1, repeats, exposure_us }
    }

    /// Adds other incidents.
    pub fn add(&mut self, other: &Self) {
        self.incidents += other.incidents;
        self.repeats += other.repeats;
        self.exposure_us += other.exposure_us;
    }

    /// The time in which repeats could come, in days.
    pub fn days(&self) -> f64 {
        self.exposure_us as f64 / DAY_US as f64
    }
}

/// A rate that borrows from the district's other topics and the topic's other districts, and what it leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adjustment {
    /// Reports a day of one standing incident.
    pub rate: f64,
    /// Its 95% interval: the cell's own uncertainty, and that of what it leans on.
    pub interval: Interval,
    /// Assumed incidents, reported or not, for each one that was reported.
    pub factor: f64,
    /// The factor at both ends of the rate's interval.
    pub factor_interval: Interval,
}

impl Adjustment {
    /// While it stands, an incident is first reported at the rate, or is gone by itself at 1 / `standing_days`, whichever comes first:
    /// a share rate / (rate + 1 / standing_days) of them is heard of.
    fn new(rate: f64, interval: Interval, standing_days: f64) -> Self {
        let factor = |rate: f64| 1.0 + 1.0 / (rate * standing_days);
        let factor_interval = Interval { low: factor(interval.high), high: factor(interval.low) };
        Self { rate, interval, factor: factor(rate), factor_interval }
    }
}

/// Incidents, reported or not, under the assumption.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adjusted {
    /// How many.
    pub incidents: f64,
    /// At both ends of the rates' intervals.
    pub interval: Interval,
}

/// What is known of a district (`*`: the city) and a topic (`*`: all).
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate<'a> {
    /// The district; `None` is unknown.
    pub district: Option<&'a str>,
    /// The topic; `None` is unknown.
    pub topic: Option<&'a str>,
    /// The incidents.
    pub counts: Exposure,
    /// Reports a day of one standing incident; `None` without exposure.
    pub rate: Option<Rate>,
    /// The rate against that of the same topics in the rest of the city.
    pub against_rest: Option<RateRatio>,
    /// The rate that borrows strength; of single topics of single districts.
    pub adjustment: Option<Adjustment>,
    /// Incidents, reported or not, under the assumption.
    pub adjusted: Option<Adjusted>,
    /// Why something is missing.
    pub note: Option<&'static str>,
}

/// A district, or `None`, and a topic, or `None`.
type Key<'a> = (Option<&'a str>, Option<&'a str>);

/// What stands for every district, and for every topic.
pub const ALL: &str = "*";

/// The estimates of every district and topic with incidents, of every topic in the city, of every district over its topics, and of
/// everything; ordered by district, then topic. `cells` are added up where a key comes twice.
pub fn estimates<'a>(cells: impl IntoIterator<Item = (Key<'a>, Exposure)>, config: &UnderReportingConfig) -> Vec<Estimate<'a>> {
    let mut all: BTreeMap<Key<'a>, Exposure> = BTreeMap::new();
    for (key, counts) in cells.into_iter().filter(|(_, counts)| counts.incidents > 0) {
        all.entry(key).or_default().add(&counts);
    }
    let mut of_topic: BTreeMap<Option<&'a str>, Exposure> = BTreeMap::new();
    let mut of_district: BTreeMap<Option<&'a str>, Exposure> = BTreeMap::new();
    let mut total = Exposure::default();
    for ((district, topic), counts) in &all {
        of_topic.entry(*topic).or_default().add(counts);
        of_district.entry(*district).or_default().add(counts);
        total.add(counts);
    }
    let pooled = Pooled::fit(&all, &of_topic);
    let mut found: Vec<Estimate<'a>> = Vec::with_capacity(all.len() + of_topic.len() + of_district.len() + 1);
    for (key, counts) in &all {
        let adjustment = pooled.adjustment(*key, counts, config.standing_days);
        let scaled = |factor: f64| factor * counts.incidents as f64;
        let adjusted = adjustment.map(|a| Adjusted {
            incidents: scaled(a.factor),
            interval: Interval { low: scaled(a.factor_interval.low), high: scaled(a.factor_interval.high) },
        });
        let mut estimate = Estimate { adjustment, adjusted, ..plain(*key, counts) };
        estimate.against_rest = against(counts, &less(&of_topic[&key.1], counts));
        if adjusted.is_none() {
            estimate.note = Some("nobody reported an incident of this topic twice, anywhere: no adjustment");
        }
        found.push(estimate);
    }
    let sum = |of: &dyn Fn(&Estimate<'a>) -> bool| {
        let parts = found.iter().filter(|estimate| of(estimate)).filter_map(|estimate| estimate.adjusted);
        parts.reduce(|a, b| Adjusted {
            incidents: a.incidents + b.incidents,
            interval: Interval { low: a.interval.low + b.interval.low, high: a.interval.high + b.interval.high },
        })
    };
    let mut sums: Vec<Estimate<'a>> = Vec::new();
    for (topic, counts) in &of_topic {
        let adjusted = sum(&|estimate| estimate.topic == *topic);
        sums.push(Estimate { adjusted, ..plain((Some(ALL), *topic), counts) });
    }
    for (district, counts) in &of_district {
        let adjusted = sum(&|estimate| estimate.district == *district);
        let against_rest = pooled.standardised(*district);
        sums.push(Estimate { adjusted, against_rest, ..plain((*district, Some(ALL)), counts) });
    }
    if total.incidents > 0 {
        let adjusted = sum(&|_| true);
        sums.push(Estimate { adjusted, ..plain((Some(ALL), Some(ALL)), &total) });
    }
    found.extend(sums);
    found.sort_by_key(|estimate| (estimate.district, estimate.topic));
    found
}

fn plain<'a>((district, topic): Key<'a>, counts: &Exposure) -> Estimate<'a> {
    let rate = poisson::rate(counts.repeats, counts.days());
    let note = match rate {
        None => Some("every incident was closed at once: no exposure, no rate"),
        Some(rate) if rate.mean_delay.is_none() => Some("no incident was reported twice: the delay has no upper end"),
        Some(_) => None,
    };
    Estimate { district, topic, counts: *counts, rate, against_rest: None, adjustment: None, adjusted: None, note }
}

fn less(all: &Exposure, part: &Exposure) -> Exposure {
    Exposure {
        incidents: all.incidents - part.incidents,
        repeats: all.repeats - part.repeats,
        exposure_us: all.exposure_us - part.exposure_us,
    }
}

/// The ratio of two rates, exactly; `None` where either has no exposure.
fn against(counts: &Exposure, rest: &Exposure) -> Option<RateRatio> {
    if counts.exposure_us == 0 || rest.exposure_us == 0 {
        return None;
    }
    Some(poisson::rate_ratio(counts.repeats, rest.repeats, rest.days() / counts.days(), 1.0, LEVEL))
}

/// What topics and districts have in common, for cells too small to speak for themselves.
struct Pooled<'a> {
    /// Repeats a day of exposure, by topic.
    of_topic: BTreeMap<Option<&'a str>, f64>,
    /// Repeats, by topic.
    repeats_of_topic: BTreeMap<Option<&'a str>, u64>,
    /// Repeats, and how many were expected from the topics' rates, by district.
    of_district: BTreeMap<Option<&'a str>, (u64, f64)>,
    total: (u64, f64),
    districts: Option<Prior>,
    cells: Option<Prior>,
}

impl<'a> Pooled<'a> {
    fn fit(all: &BTreeMap<Key<'a>, Exposure>, of_topic: &BTreeMap<Option<&'a str>, Exposure>) -> Self {
        let rate = |counts: &Exposure| if counts.exposure_us > 0 { counts.repeats as f64 / counts.days() } else { 0.0 };
        let repeats_of_topic = of_topic.iter().map(|(topic, counts)| (*topic, counts.repeats)).collect();
        let of_topic: BTreeMap<_, _> = of_topic.iter().map(|(topic, counts)| (*topic, rate(counts))).collect();
        let mut of_district: BTreeMap<Option<&'a str>, (u64, f64)> = BTreeMap::new();
        let mut total = (0, 0.0);
        for ((district, topic), counts) in all {
            let expected = of_topic[topic] * counts.days();
            for sum in [of_district.entry(*district).or_default(), &mut total] {
                *sum = (sum.0 + counts.repeats, sum.1 + expected);
            }
        }
        let districts = Prior::fit(of_district.values().copied());
        let mut pooled = Self { of_topic, repeats_of_topic, of_district, total, districts, cells: None };
        pooled.cells = Prior::fit(all.iter().map(|(key, counts)| (counts.repeats, pooled.usual(*key) * counts.days())));
        pooled
    }

    /// The rate that topic and district lead one to expect.
    fn usual(&self, (district, topic): Key<'a>) -> f64 {
        let of_district = self.districts.zip(self.of_district.get(&district));
        let ratio = of_district.map_or(1.0, |(prior, (repeats, expected))| prior.shrink(*repeats, *expected).mean);
        self.of_topic.get(&topic).copied().unwrap_or(0.0) * ratio
    }

    /// The cell's own count, drawn towards the usual rate. That rate is an estimate too: as far as the cell leans on it, the topic's
    /// and the district's relative variances (one over their counts) add to its own.
    fn adjustment(&self, key: Key<'a>, counts: &Exposure, standing_days: f64) -> Option<Adjustment> {
        let (usual, prior) = (self.usual(key), self.cells?);
        let expected = usual * counts.days();
        let shrunk = prior.shrink(counts.repeats, expected);
        let of_topic = *self.repeats_of_topic.get(&key.1)? as f64;
        let of_district = self.of_district.get(&key.0)?.0 as f64 + self.districts?.shape;
        let leaning = prior.rate / (prior.rate + expected);
        let own = (shrunk.standard_deviation / shrunk.mean).powi(2);
        let shape = 1.0 / (own + leaning * leaning * (1.0 / of_topic + 1.0 / of_district));
        let rate = shrunk.mean * usual;
        let end = |p: f64| gamma_quantile(shape, p) / shape * rate;
        let interval = Interval { low: end(0.5 * (1.0 - LEVEL)), high: end(0.5 * (1.0 + LEVEL)) };
        (rate > 0.0 && interval.low > 0.0).then(|| Adjustment::new(rate, interval, standing_days))
    }

    /// A district's repeats against what the same topics' rates in the rest of the city lead one to expect: rates over different
    /// mixes of topics are not comparable, this is (indirect standardisation; Breslow & Day 1987).
    fn standardised(&self, district: Option<&'a str>) -> Option<RateRatio> {
        let (repeats, expected) = *self.of_district.get(&district)?;
        let (others, others_expected) = (self.total.0 - repeats, self.total.1 - expected);
        (expected > 0.0 && others_expected > 0.0)
            .then(|| poisson::rate_ratio(repeats, others, others_expected / expected, 1.0, LEVEL))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(incidents: u64, repeats: u64, days: u64) -> Exposure {
        Exposure { incidents, repeats, exposure_us: u128::from(days) * DAY_US as u128 }
    }

    fn find<'a, 'b>(all: &'b [Estimate<'a>], district: &str, topic: &str) -> &'b Estimate<'a> {
        all.iter().find(|e| (e.district, e.topic) == (Some(district), Some(topic))).unwrap()
    }

    #[test]
    fn an_incident_can_be_reported_again_until_it_is_gone() {
        let day = |days: i64| Timestamp::from_micros(days * DAY_US);
        let later = [day(2), day(3), day(9), day(40), day(0)];
        assert_eq!(Exposure::of(day(1), day(8), later, 30), counts(1, 2, 7));
        assert_eq!(Exposure::of(day(1), day(99), later, 30), counts(1, 3, 30), "not for ever");
        assert_eq!(Exposure::of(day(8), day(1), later, 30), counts(1, 0, 0), "gone before it came");
        assert_eq!(Exposure::of(Timestamp::MIN, Timestamp::from_micros(i64::MAX), later, 30).repeats, 0);
    }

    /// The worked example of docs/methods/under_reporting.md.
    #[test]
    fn the_worked_example() {
        let key = |district, topic| (Some(district), Some(topic));
        let cells = [(key("North", "roads"), counts(40, 60, 400)), (key("South", "roads"), counts(20, 10, 400))];
        let all = estimates(cells, &UnderReportingConfig::default());
        let (north, south) = (find(&all, "North", "roads"), find(&all, "South", "roads"));
        let rate = north.rate.unwrap();
        assert!(
            (rate.rate - 0.15).abs() < 1e-12
                && (rate.interval.low - 0.1145).abs() < 5e-5
                && (rate.interval.high - 0.1931).abs() < 5e-5
        );
        let delay = south.rate.unwrap();
        assert!((delay.mean_delay.unwrap() - 40.0).abs() < 1e-9);
        assert!(
            (delay.delay_interval.low - 21.75).abs() < 5e-3 && (delay.delay_interval.high - 83.41).abs() < 5e-3,
            "{delay:?}"
        );
        let ratio = south.against_rest.unwrap();
        assert!((ratio.ratio - 1.0 / 6.0).abs() < 1e-12 && ratio.p_value < 1e-6);
        // Heard of: 0.15 / (0.15 + 0.1) = 0.6, so 40 incidents stand for 67; the cell's own rate is drawn to the district's a little.
        let adjusted = north.adjusted.unwrap().incidents;
        assert!((adjusted - 40.0 / 0.6).abs() < 1.0, "{adjusted}");
        let south = south.adjusted.unwrap().incidents;
        assert!((90.0..101.0).contains(&south), "20 / 0.2 = 100, drawn towards the city: {south}");
        let city = find(&all, "*", "*");
        assert_eq!(city.counts, counts(60, 70, 800));
        assert!((city.adjusted.unwrap().incidents - adjusted - south).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_known_from_nothing() {
        assert!(estimates([], &UnderReportingConfig::default()).is_empty());
        let once = estimates([((Some("a"), Some("noise")), counts(3, 0, 10))], &UnderReportingConfig::default());
        let cell = find(&once, "a", "noise");
        assert_eq!((cell.rate.unwrap().mean_delay, cell.adjusted, cell.against_rest), (None, None, None));
        assert!(cell.note.unwrap().contains("no adjustment"));
        let instant = estimates([((None, None), counts(3, 0, 0))], &UnderReportingConfig::default());
        assert_eq!((instant[0].rate, instant[0].note.is_some()), (None, true));
        for (config, name) in [
            (UnderReportingConfig { standing_days: 0.0, ..Default::default() }, "standing_days"),
            (UnderReportingConfig { standing_days: f64::NAN, ..Default::default() }, "standing_days"),
            (UnderReportingConfig { history_days: 0, ..Default::default() }, "history_days"),
            (UnderReportingConfig { max_exposure_days: 1000, ..Default::default() }, "max_exposure_days"),
        ] {
            assert!(config.check().unwrap_err().contains(name));
        }
    }

    proptest! {
        #[test]
        fn order_changes_no_bit_and_districts_add_up(
            cells in prop::collection::vec((0u8..4, 0u8..3, 0u64..9, 0u64..30, 0u64..200), 0..30),
            turn in 0usize..30,
        ) {
            const DISTRICTS: [&str; 4] = ["a", "b", "c", "d"];
            const TOPICS: [&str; 3] = ["x", "y", "z"];
            let mut cells: Vec<_> = cells
                .into_iter()
                .map(|(d, t, n, m, days)| ((Some(DISTRICTS[usize::from(d)]), Some(TOPICS[usize::from(t)])), counts(n, m, days)))
                .collect();
            let config = UnderReportingConfig::default();
            let all = estimates(cells.iter().copied(), &config);
            if let Some(city) = all.iter().find(|e| (e.district, e.topic) == (Some(ALL), Some(ALL))) {
                let single = || all.iter().filter(|e| e.district != Some(ALL) && e.topic != Some(ALL));
                prop_assert_eq!(single().map(|e| e.counts.repeats).sum::<u64>(), city.counts.repeats);
                for estimate in single() {
                    if let Some(a) = estimate.adjustment {
                        prop_assert!(a.interval.contains(a.rate) && a.factor >= 1.0 && a.factor_interval.contains(a.factor));
                    }
                }
                let middle = turn % cells.len();
                cells.rotate_left(middle);
                // As text, which tells every bit and in which an unknown ratio (NaN) equals itself.
                prop_assert_eq!(format!("{:?}", estimates(cells, &config)), format!("{all:?}"));
            }
        }
    }
}
