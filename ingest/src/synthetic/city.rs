//! The districts: a grid of bent quadrilaterals with people in them.

use std::fmt::Write;

use super::dice::Dice;
use super::grammar::LANGUAGES;

/// Most districts a synthetic city can have.
pub const MAX_DISTRICTS: u32 = 512;

/// One district and what is true about it.
#[derive(Clone, Debug)]
pub struct District {
    /// Its name, unique.
    pub name: String,
    /// Residents.
    pub population: u32,
    /// Deprivation, 0 (best off) to 1.
    pub deprivation: f64,
    /// Corners (lat, lon) in degrees: south-west, south-east, north-east, north-west. Convex.
    pub corners: [(f64, f64); 4],
    /// How often one standing incident is reported, in reports per day.
    pub reporting_rate_per_day: f64,
    /// Whether it reports far less than it has reason to.
    pub is_under_reporting: bool,
    /// How long the city takes here, against its average.
    pub service_factor: f64,
    /// Need against the city's average, per resident.
    pub need: f64,
    /// Share of messages in each of [`LANGUAGES`].
    pub language_shares: [f64; LANGUAGES.len()],
}

const NAMES: [&str; 24] = [
    "Harbor",
    "Old Town",
    "Northgate",
    "Mill Quarter",
    "Riverside",
    "Chapel Hill",
    "Eastfield",
    "Station",
    "Orchard",
    "Stonebridge",
    "Lakeview",
    "Market",
    "Southbank",
    "Foundry",
    "Kingsmead",
    "Westfield",
    "Garden City",
    "Brickworks",
    "University",
    "Meadows",
    "Highlands",
    "Docklands",
    "Fairgrounds",
    "Summit",
];

/// Lays a city out: `count` districts, of which `under_reporting` report far less than they have reason to, the south-west
/// corner at `origin` (lat, lon in degrees).
pub fn districts(seed: u64, count: u32, under_reporting: u32, origin: (f64, f64)) -> Vec<District> {
    const CELL: (f64, f64) = (0.012, 0.016);
    let columns = (f64::from(count) * 1.5).sqrt().ceil() as u32;
    let corner = |column: u32, row: u32| {
        let mut dice = Dice::new(seed, 11, u64::from(row) << 32 | u64::from(column));
        let bend = |dice: &mut Dice| dice.between(-0.2, 0.2);
        let lat = origin.0 + (f64::from(row) + bend(&mut dice)) * CELL.0;
        let lon = origin.1 + (f64::from(column) + bend(&mut dice)) * CELL.1;
        (round_e6(lat), round_e6(lon))
    };
    let mut districts: Vec<District> = (0..count)
        .map(|index| {
            let (column, row) = (index % columns, index / columns);
            let mut dice = Dice::new(seed, 12, u64::from(index));
            let deprivation = dice.unit();
            District {
                name: name(index),
                population: 8_000 + dice.below(50_000),
                deprivation,
                corners: [corner(column, row), corner(column + 1, row), corner(column + 1, row + 1), corner(column, row + 1)],
                reporting_rate_per_day: dice.between(0.10, 0.20),
                is_under_reporting: false,
                service_factor: dice.between(0.7, 1.2) + 0.4 * deprivation,
                need: dice.between(0.7, 1.1) + 0.6 * deprivation,
                language_shares: language_shares(&mut dice),
            }
        })
        .collect();
    let mut poorest: Vec<usize> = (0..districts.len()).collect();
    poorest.sort_by(|a, b| districts[*b].deprivation.total_cmp(&districts[*a].deprivation));
    for index in poorest.into_iter().take(under_reporting as usize) {
        let mut dice = Dice::new(seed, 13, index as u64);
        districts[index].is_under_reporting = true;
        districts[index].reporting_rate_per_day = dice.between(0.02, 0.04);
    }
    districts
}

fn name(index: u32) -> String {
    let (name, round) = (NAMES[index as usize % NAMES.len()], index as usize / NAMES.len());
    if round == 0 { name.to_owned() } else { format!("{name} {}", round + 1) }
}

/// English first, one strong second language, the others in small numbers.
fn language_shares(dice: &mut Dice) -> [f64; LANGUAGES.len()] {
    let others = LANGUAGES.len() - 1;
    let minority = dice.between(0.1, 0.5);
    let second = 1 + dice.below(others as u32) as usize;
    let mut shares = [minority * 0.3 / others as f64; LANGUAGES.len()];
    shares[0] = 1.0 - minority;
    shares[second] += minority * 0.7;
    shares
}

/// To a millionth of a degree, which is what records carry.
pub fn round_e6(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6
}

impl District {
    /// The point at (u, v) of the unit square, in millionths of a degree (lat, lon). Inside for 0 <= u, v <= 1.
    pub fn point_e6(&self, u: f64, v: f64) -> (i64, i64) {
        let [sw, se, ne, nw] = self.corners;
        let at = |sw: f64, se: f64, ne: f64, nw: f64| {
            ((sw * (1.0 - u) * (1.0 - v) + se * u * (1.0 - v) + ne * u * v + nw * (1.0 - u) * v) * 1e6).round() as i64
        };
        (at(sw.0, se.0, ne.0, nw.0), at(sw.1, se.1, ne.1, nw.1))
    }
}

/// The districts as GeoJSON (RFC 7946): a feature collection of polygons with `name`, `population` and `deprivation`.
pub fn geojson(districts: &[District]) -> String {
    let mut text = String::from("{\"type\":\"FeatureCollection\",\"features\":[");
    for (index, district) in districts.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let ring = district.corners.iter().chain(&district.corners[..1]);
        let ring: Vec<String> = ring.map(|(lat, lon)| format!("[{lon},{lat}]")).collect();
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "{comma}\n{{\"type\":\"Feature\",\"properties\":{{\"name\":\"{}\",\"population\":{},\"deprivation\":{:.4}}},\
             \"geometry\":{{\"type\":\"Polygon\",\"coordinates\":[[{}]]}}}}",
            district.name,
            district.population,
            district.deprivation,
            ring.join(",")
        );
    }
    text.push_str("\n]}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn districts_are_convex_counter_clockwise_and_do_not_overlap() {
        let districts = districts(7, 40, 5, (42.30, -71.15));
        assert_eq!(districts.iter().filter(|d| d.is_under_reporting).count(), 5);
        let names: std::collections::HashSet<_> = districts.iter().map(|d| &d.name).collect();
        assert_eq!(names.len(), 40);
        let inside = |district: &District, (lat, lon): (f64, f64)| {
            (0..4).all(|i| {
                let ((y0, x0), (y1, x1)) = (district.corners[i], district.corners[(i + 1) % 4]);
                (x1 - x0) * (lat - y0) - (y1 - y0) * (lon - x0) >= -1e-12
            })
        };
        let mut dice = Dice::new(1, 1, 1);
        for (index, district) in districts.iter().enumerate() {
            let (u, v) = (dice.between(0.01, 0.99), dice.between(0.01, 0.99));
            let (lat, lon) = district.point_e6(u, v);
            let point = (lat as f64 / 1e6, lon as f64 / 1e6);
            let holders: Vec<usize> = (0..districts.len()).filter(|other| inside(&districts[*other], point)).collect();
            assert_eq!(holders, [index]);
            assert!((district.language_shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        let parsed: serde_json::Value = serde_json::from_str(&geojson(&districts)).unwrap();
        assert_eq!(parsed["features"].as_array().unwrap().len(), 40);
    }
}
