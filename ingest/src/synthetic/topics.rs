//! How the city talks about each topic: how often, when, how urgent, who answers and how fast.

use feedback::Topic;

/// What is known about a topic.
#[derive(Clone, Copy, Debug)]
pub struct TopicTraits {
    /// Share of first reports, relative to the other topics.
    pub weight: f64,
    /// Hour of the day (0 to 24) at which most is reported, and how wide the peak is (standard deviation, hours).
    pub peak: (f64, f64),
    /// Saturdays and Sundays against a working day.
    pub weekend: f64,
    /// Mean hours until the city closes a report, in a district served as the average is.
    pub close_mean_h: f64,
    /// Hours in which the city promises to be done.
    pub promise_h: u32,
    /// Whether a problem is an incident that several people can report.
    pub shared: bool,
    /// Urgency of the three matters that the phrase files tell, in their order (code of `feedback::Urgency`).
    pub urgency: [u8; 3],
    /// Who answers.
    pub agency: &'static str,
    /// What the portal calls it: coarser than the topic.
    pub category: &'static str,
}

const WORKS: &str = "Public Works";
const TRANSPORT: &str = "Transport";
const PARKS: &str = "Parks and Recreation";
const SANITATION: &str = "Sanitation";
const WATER: &str = "Water and Sewer";
const HEALTH: &str = "Health and Social Services";
const SAFETY: &str = "Public Safety";
const HOUSING: &str = "Housing and Inspections";
const CLERK: &str = "City Clerk";
const FINANCE: &str = "Finance";

/// The table, in the order of [`Topic::ALL`].
pub const TRAITS: [TopicTraits; 33] = [
    row(Topic::Roads, 9.0, (11.0, 4.0), 0.5, 96.0, true, [1, 0, 2], WORKS, "Streets"),
    row(Topic::Sidewalks, 4.0, (11.0, 4.0), 0.6, 120.0, true, [1, 0, 1], WORKS, "Streets"),
    row(Topic::StreetLighting, 4.0, (20.0, 3.0), 0.9, 110.0, true, [1, 0, 3], WORKS, "Lights"),
    row(Topic::TrafficSignals, 2.5, (9.0, 3.5), 0.6, 20.0, true, [2, 1, 2], TRANSPORT, "Lights"),
    row(Topic::Parking, 7.0, (13.0, 5.0), 0.9, 8.0, true, [1, 0, 1], TRANSPORT, "Traffic and parking"),
    row(Topic::PublicTransport, 4.0, (8.5, 2.5), 0.4, 72.0, false, [0, 0, 1], TRANSPORT, "Transit"),
    row(Topic::CyclingWalking, 2.5, (17.5, 3.0), 1.2, 130.0, true, [1, 0, 2], TRANSPORT, "Traffic and parking"),
    row(Topic::WasteCollection, 9.0, (9.0, 3.0), 0.4, 30.0, true, [0, 1, 1], SANITATION, "Trash"),
    row(Topic::StreetCleaning, 5.0, (11.0, 4.0), 0.7, 40.0, true, [0, 0, 2], SANITATION, "Trash"),
    row(Topic::Graffiti, 3.5, (12.0, 4.0), 0.7, 90.0, true, [0, 0, 0], WORKS, "Buildings and walls"),
    row(Topic::WaterSupply, 2.5, (8.0, 4.0), 0.9, 18.0, true, [2, 1, 2], WATER, "Water"),
    row(Topic::DrainageFlooding, 2.5, (12.0, 5.0), 1.0, 26.0, true, [2, 1, 3], WATER, "Water"),
    row(Topic::Power, 1.5, (19.0, 4.0), 1.0, 10.0, true, [2, 1, 3], SAFETY, "Utilities"),
    row(Topic::ParksTrees, 5.0, (14.0, 4.0), 1.3, 140.0, true, [1, 0, 2], PARKS, "Parks"),
    row(Topic::AnimalsPests, 3.5, (13.0, 5.0), 1.0, 50.0, true, [1, 1, 2], HEALTH, "Animals"),
    row(Topic::Noise, 5.0, (23.0, 2.5), 1.9, 6.0, true, [0, 1, 0], SAFETY, "Noise"),
    row(Topic::AirEnvironment, 1.5, (16.0, 5.0), 1.0, 60.0, true, [1, 1, 2], HEALTH, "Environment"),
    row(Topic::HousingBuildings, 4.0, (12.0, 4.0), 0.5, 160.0, false, [2, 1, 2], HOUSING, "Housing"),
    row(Topic::Homelessness, 2.5, (10.0, 5.0), 0.8, 36.0, true, [1, 2, 1], HEALTH, "Social"),
    row(Topic::PublicSafety, 2.5, (22.0, 4.0), 1.3, 14.0, false, [2, 1, 3], SAFETY, "Police"),
    row(Topic::Emergencies, 0.8, (18.0, 6.0), 1.1, 3.0, true, [3, 3, 3], SAFETY, "Police"),
    row(Topic::HealthServices, 1.5, (10.0, 3.0), 0.3, 90.0, false, [0, 1, 1], HEALTH, "Social"),
    row(Topic::SchoolsChildcare, 1.5, (8.0, 2.5), 0.2, 100.0, false, [0, 1, 2], CLERK, "Schools"),
    row(Topic::SocialServices, 1.5, (10.0, 3.0), 0.2, 110.0, false, [1, 1, 0], HEALTH, "Social"),
    row(Topic::PermitsLicences, 2.0, (11.0, 3.0), 0.1, 120.0, false, [0, 0, 0], HOUSING, "Counter"),
    row(Topic::TaxesBilling, 2.0, (11.0, 3.0), 0.2, 100.0, false, [0, 0, 1], FINANCE, "Counter"),
    row(Topic::StaffConduct, 1.2, (15.0, 3.5), 0.4, 130.0, false, [0, 0, 1], CLERK, "General"),
    row(Topic::DigitalServices, 1.5, (20.0, 3.5), 0.9, 60.0, false, [0, 0, 0], CLERK, "General"),
    row(Topic::PlanningDevelopment, 1.5, (19.0, 3.0), 0.7, 170.0, false, [0, 0, 1], HOUSING, "General"),
    row(Topic::Accessibility, 1.2, (13.0, 4.0), 0.8, 120.0, true, [1, 1, 1], WORKS, "Streets"),
    row(Topic::ElectionsGovernance, 0.8, (20.0, 3.0), 0.8, 90.0, false, [0, 0, 0], CLERK, "General"),
    row(Topic::CultureEvents, 1.2, (18.0, 3.5), 1.6, 60.0, false, [0, 0, 1], PARKS, "Parks"),
    row(Topic::Other, 1.5, (14.0, 5.0), 0.9, 70.0, false, [0, 0, 0], CLERK, "General"),
];

#[allow(clippy::too_many_arguments, reason = "a row of the table above, each column named in TopicTraits")]
const fn row(
    _topic: Topic,
    weight: f64,
    peak: (f64, f64),
    weekend: f64,
    close_mean_h: f64,
    shared: bool,
    urgency: [u8; 3],
    agency: &'static str,
    category: &'static str,
) -> TopicTraits {
    let promise_h = if close_mean_h < 48.0 { 24 } else { 168 };
    TopicTraits { weight, peak, weekend, close_mean_h, promise_h, shared, urgency, agency, category }
}

/// Hours in a week, Monday 0:00 UTC first.
pub const WEEK_H: usize = 168;

impl TopicTraits {
    /// How much is reported in each hour of the week, against the week's mean.
    pub fn season(&self) -> [f64; WEEK_H] {
        let (peak, width) = self.peak;
        let mut season = [0.0; WEEK_H];
        for (hour, value) in season.iter_mut().enumerate() {
            let distance = ((hour % 24) as f64 + 0.5 - peak).abs();
            let distance = distance.min(24.0 - distance);
            let day = 0.12 + (-distance * distance / (2.0 * width * width)).exp();
            *value = if hour / 24 >= 5 { day * self.weekend } else { day };
        }
        let mean = season.iter().sum::<f64>() / WEEK_H as f64;
        season.map(|value| value / mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seasons_average_to_one_and_peak_where_they_say() {
        for (traits, topic) in TRAITS.iter().zip(Topic::ALL) {
            let season = traits.season();
            assert!((season.iter().sum::<f64>() / WEEK_H as f64 - 1.0).abs() < 1e-12);
            let busiest = (0..24).max_by(|a, b| season[*a].total_cmp(&season[*b])).unwrap();
            let distance = (busiest as f64 + 0.5 - traits.peak.0).abs();
            assert!(distance.min(24.0 - distance) <= 0.5, "{topic}: {busiest}");
        }
    }
}
