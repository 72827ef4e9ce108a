//! What a city can set of the rule: which topics can be joined, and how near in place, time and words.

use std::collections::BTreeMap;

use feedback::Topic;
use serde::{Deserialize, Serialize};

/// Widest reach of a class in metres. Everything within it is compared, so it bounds what a report costs.
const MAX_FAR_M: f64 = 1_000.0;

/// Longest span of a class in days.
const MAX_SPAN_DAYS: u32 = 366;

/// Topics whose reports may be about the same thing, and how near in place and time such reports are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentClass {
    /// The topics; none switches the class off.
    pub topics: Vec<Topic>,
    /// Metres between reports whose words do not speak against it.
    pub near_m: f64,
    /// Metres between reports whose words are alike.
    pub far_m: f64,
    /// Days after the first report in which others can join, if it is not closed before.
    pub span_days: u32,
}

/// When reports are about the same thing. See `docs/methods/incidents.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentConfig {
    /// Words of at least this similarity (0 to 1) tell the same thing: such reports may lie [`IncidentClass::far_m`] apart, or have
    /// another topic of the class.
    pub words_alike: f32,
    /// Words in one language of less similarity than this tell different things, however near.
    pub words_fit: f32,
    /// By name. A topic that is in none is about the sender's own case: only the source's links join its reports.
    pub classes: BTreeMap<String, IncidentClass>,
}

impl Default for IncidentConfig {
    fn default() -> Self {
        use Topic::*;
        let class = |name: &str, topics: &[Topic], near_m, far_m, span_days| {
            (name.to_owned(), IncidentClass { topics: topics.to_vec(), near_m, far_m, span_days })
        };
        // 40 m is the width of a junction, and twice what coordinates of four decimals and telephones in a street are off. Things that
        // stand until somebody comes have two weeks, what passes by itself a day.
        let classes = [
            class("streets", &[Roads, Sidewalks, CyclingWalking, Accessibility], 40.0, 80.0, 14),
            class("power", &[StreetLighting, Power], 40.0, 80.0, 14),
            class("traffic_signals", &[TrafficSignals], 40.0, 80.0, 14),
            class("waste", &[WasteCollection, StreetCleaning], 40.0, 80.0, 14),
            class("graffiti", &[Graffiti], 40.0, 80.0, 14),
            class("water", &[WaterSupply, DrainageFlooding], 40.0, 120.0, 14),
            class("trees", &[ParksTrees], 40.0, 80.0, 14),
            class("animals", &[AnimalsPests], 40.0, 80.0, 14),
            class("buildings", &[HousingBuildings], 25.0, 40.0, 14),
            class("homelessness", &[Homelessness], 60.0, 120.0, 14),
            class("parking", &[Parking], 40.0, 60.0, 7),
            class("noise", &[Noise], 60.0, 150.0, 1),
            class("air", &[AirEnvironment, Emergencies], 60.0, 150.0, 1),
            class("safety", &[PublicSafety], 40.0, 80.0, 1),
            class("transit", &[PublicTransport], 40.0, 80.0, 1),
        ];
        Self { words_alike: 0.6, words_fit: 0.3, classes: classes.into() }
    }
}

impl IncidentConfig {
    /// Whether the settings make a rule; the text says which does not.
    pub fn check(&self) -> Result<(), String> {
        for (name, value) in [("words_alike", self.words_alike), ("words_fit", self.words_fit)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("incidents.{name} is {value}: a similarity is between 0 and 1"));
            }
        }
        if self.words_fit > self.words_alike {
            let (fit, alike) = (self.words_fit, self.words_alike);
            return Err(format!("incidents.words_fit is {fit}: at most incidents.words_alike, {alike}"));
        }
        if self.classes.len() >= usize::from(u8::MAX) {
            return Err(format!("incidents.classes has {} classes: at most 254", self.classes.len()));
        }
        let mut class_of: BTreeMap<Topic, &str> = BTreeMap::new();
        for (name, class) in &self.classes {
            if !(1.0..=MAX_FAR_M).contains(&class.far_m) {
                return Err(format!("incidents.classes.{name}.far_m is {}: between 1 and {MAX_FAR_M} m", class.far_m));
            }
            if !(class.near_m > 0.0 && class.near_m <= class.far_m) {
                let (near, far) = (class.near_m, class.far_m);
                return Err(format!("incidents.classes.{name}.near_m is {near}: more than 0 m, and at most far_m, {far}"));
            }
            if !(1..=MAX_SPAN_DAYS).contains(&class.span_days) {
                let span = class.span_days;
                return Err(format!("incidents.classes.{name}.span_days is {span}: between 1 and {MAX_SPAN_DAYS} days"));
            }
            for topic in &class.topics {
                if let Some(other) = class_of.insert(*topic, name) {
                    let where_else =
                        if other == name { "twice".into() } else { format!("which incidents.classes.{other} has too") };
                    return Err(format!(
                        "incidents.classes.{name}.topics names {topic}, {where_else}: a topic is in one class at most"
                    ));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_and_what_cannot_is_named() {
        IncidentConfig::default().check().unwrap();
        let refused = |change: &dyn Fn(&mut IncidentConfig)| {
            let mut config = IncidentConfig::default();
            change(&mut config);
            config.check().unwrap_err()
        };
        let noise =
            |change: fn(&mut IncidentClass)| refused(&|config| config.classes.get_mut("noise").into_iter().for_each(change));
        assert_eq!(noise(|class| class.far_m = f64::NAN), "incidents.classes.noise.far_m is NaN: between 1 and 1000 m");
        assert_eq!(noise(|class| class.far_m = 5_000.0), "incidents.classes.noise.far_m is 5000: between 1 and 1000 m");
        assert_eq!(
            noise(|class| class.near_m = 151.0),
            "incidents.classes.noise.near_m is 151: more than 0 m, and at most far_m, 150"
        );
        assert!(noise(|class| class.near_m = f64::NAN).contains("near_m is NaN"));
        assert_eq!(noise(|class| class.span_days = 0), "incidents.classes.noise.span_days is 0: between 1 and 366 days");
        assert_eq!(
            noise(|class| class.topics.push(Topic::Roads)),
            "incidents.classes.streets.topics names roads, which incidents.classes.noise has too: a topic is in one class at most"
        );
        assert!(noise(|class| class.topics.push(Topic::Noise)).contains("names noise, twice"));
        assert_eq!(refused(&|config| config.words_alike = 2.0), "incidents.words_alike is 2: a similarity is between 0 and 1");
        assert_eq!(refused(&|config| config.words_fit = 0.7), "incidents.words_fit is 0.7: at most incidents.words_alike, 0.6");
        assert!(refused(&|config| config.words_fit = f32::NAN).contains("words_fit is NaN"));
    }
}
