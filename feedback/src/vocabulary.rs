//! The closed vocabularies. A word's position is its code in Arrow, so words are only ever added at the end.

use crate::error::FeedbackError;

/// Declares an enum whose variants are words with stable codes.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[repr(u8)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`")] $(#[$vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every word, in code order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// Every word as text, in code order.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The stable code: the position in [`Self::ALL`].
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The word with this code.
            pub fn from_code(code: u8) -> Option<Self> {
                Self::ALL.get(usize::from(code)).copied()
            }

            /// The word as text.
            pub const fn as_str(self) -> &'static str {
                Self::WORDS[self as usize]
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = FeedbackError;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match Self::WORDS.iter().position(|known| *known == word) {
                    Some(position) => Ok(Self::ALL[position]),
                    None => Err(FeedbackError::Word {
                        vocabulary: $what,
                        word: word.chars().take(64).collect(),
                        known: Self::WORDS.join(", "),
                    }),
                }
            }
        }
    };
}

vocabulary! {
    /// What a message is about.
    Topic, "topic" {
        Roads = "roads", Sidewalks = "sidewalks", StreetLighting = "street_lighting", TrafficSignals = "traffic_signals",
        Parking = "parking", PublicTransport = "public_transport", CyclingWalking = "cycling_walking",
        WasteCollection = "waste_collection", StreetCleaning = "street_cleaning", Graffiti = "graffiti",
        WaterSupply = "water_supply", DrainageFlooding = "drainage_flooding", Power = "power", ParksTrees = "parks_trees",
        AnimalsPests = "animals_pests", Noise = "noise", AirEnvironment = "air_environment",
        HousingBuildings = "housing_buildings", Homelessness = "homelessness", PublicSafety = "public_safety",
        Emergencies = "emergencies", HealthServices = "health_services", SchoolsChildcare = "schools_childcare",
        SocialServices = "social_services", PermitsLicences = "permits_licences", TaxesBilling = "taxes_billing",
        StaffConduct = "staff_conduct", DigitalServices = "digital_services", PlanningDevelopment = "planning_development",
        Accessibility = "accessibility", ElectionsGovernance = "elections_governance", CultureEvents = "culture_events",
        Other = "other",
    }
}

vocabulary! {
    /// The feeling in which something is said.
    Tone, "tone" { Negative = "negative", Neutral = "neutral", Positive = "positive" }
}

vocabulary! {
    /// What the sender wants from the city.
    Signal, "signal" { Problem = "problem", Request = "request", Question = "question", Praise = "praise", Other = "other" }
}

vocabulary! {
    /// How soon somebody must act.
    Urgency, "urgency" { Routine = "routine", Soon = "soon", Urgent = "urgent", Emergency = "emergency" }
}

vocabulary! {
    /// Where a report stands. `reopened` is open again after having been closed.
    Status, "status" {
        Open = "open", Acknowledged = "acknowledged", InProgress = "in_progress", Closed = "closed", Reopened = "reopened",
    }
}

vocabulary! {
    /// The door by which a report came.
    Channel, "channel" {
        App = "app", Web = "web", Phone = "phone", Email = "email", Social = "social", InPerson = "in_person", Staff = "staff",
        Sensor = "sensor", Other = "other",
    }
}

vocabulary! {
    /// The three kinds of record in the log.
    Kind, "kind" { Report = "report", Status = "status", Erase = "erase" }
}

impl Status {
    /// Whether the city still owes something.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Closed)
    }

    /// Whether reaching this status means that the city has answered.
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::Acknowledged | Self::InProgress | Self::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_words_and_variants_agree() {
        assert_eq!(Topic::ALL.len(), 33);
        for (code, topic) in Topic::ALL.iter().enumerate() {
            assert_eq!(usize::from(topic.code()), code);
            assert_eq!(topic.as_str().parse::<Topic>().unwrap(), *topic);
            assert_eq!(serde_json::to_string(topic).unwrap(), format!("\"{topic}\""));
        }
        assert_eq!(Topic::from_code(33), None);
        let error = "angry".parse::<Tone>().unwrap_err().to_string();
        assert_eq!(error, "`angry` is not a tone: use one of negative, neutral, positive");
    }
}
