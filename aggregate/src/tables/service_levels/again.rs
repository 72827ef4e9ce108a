//! What was closed and came up again: the next report about the same topic within 50 metres, within some days of the closing.

/// How far apart two reports of one place may be, in metres: a corner and what is around it; portals round places to some ten.
pub const RADIUS_M: f64 = 50.0;

/// Metres in a degree of latitude.
const DEGREE_M: f64 = 111_195.0;

/// A report at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sighting {
    /// Code of its topic.
    pub topic: u8,
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// When it was said, microseconds.
    pub created_at: i64,
    /// Negative tone in millionths, where it has a text.
    pub negative: Option<u32>,
    /// Whether a resident says it: nothing else comes up again.
    pub is_resident: bool,
    /// When its case was closed, if whether it comes up again is asked.
    pub closed_at: Option<i64>,
    /// Whose sighting it is, for the caller.
    pub case: u32,
}

/// For every sighting with a closing, in the order of places: the case, and the first sighting of a resident after the closing, at
/// most `within_us` later; of several at one moment the one that is negative least. What comes back depends on the set only.
pub fn came_up_again(mut sightings: Vec<Sighting>, within_us: i64) -> Vec<(u32, Option<Sighting>)> {
    sightings.retain(|s| s.lat.abs() <= 90.0 && s.lon.abs() <= 180.0);
    let highest = sightings.iter().fold(0.0f64, |highest, s| highest.max(s.lat.abs()));
    // Squares at least as wide as the radius everywhere: the neighbours of a square hold everybody within it.
    let (high, wide) = (RADIUS_M / DEGREE_M, RADIUS_M / DEGREE_M / highest.to_radians().cos().max(0.01));
    let square = |s: &Sighting| (s.topic, (s.lat / high).floor() as i32, (s.lon / wide).floor() as i32);
    sightings.sort_unstable_by_key(|s| (square(s), s.created_at, s.negative, s.is_resident, s.closed_at, s.case));
    let squares: Vec<&[Sighting]> = sightings.chunk_by(|a, b| square(a) == square(b)).collect();
    let mut found = Vec::new();
    // Squares are walked in order, so the three rows of neighbours are too.
    let mut rows = [0usize; 3];
    for here in &squares {
        let (topic, y, x) = square(&here[0]);
        let mut around: [&[&[Sighting]]; 3] = [&[]; 3];
        for (step, from) in rows.iter_mut().enumerate() {
            let first = (topic, y + step as i32 - 1, x - 1);
            let last = (topic, y + step as i32 - 1, x + 1);
            while *from < squares.len() && square(&squares[*from][0]) < first {
                *from += 1;
            }
            let until = squares[*from..].iter().take(3).take_while(|s| square(&s[0]) <= last).count();
            around[step] = &squares[*from..*from + until];
        }
        for asked in here.iter() {
            let Some(closed_at) = asked.closed_at else { continue };
            let next =
                around.iter().flat_map(|row| row.iter()).filter_map(|square| first_near(square, asked, closed_at, within_us));
            found.push((asked.case, next.min_by_key(|s| (s.created_at, s.negative))));
        }
    }
    found
}

/// The first sighting of a square, which is in order of time, within the radius and the time.
fn first_near(square: &[Sighting], asked: &Sighting, closed_at: i64, within_us: i64) -> Option<Sighting> {
    let from = square.partition_point(|s| s.created_at <= closed_at);
    let until = closed_at.saturating_add(within_us);
    let in_time = square[from..].iter().take_while(|s| s.created_at <= until);
    in_time.copied().find(|s| s.is_resident && distance_m(s, asked) <= RADIUS_M)
}

/// Distance on a plane that touches the earth there; within 50 m as good as any.
fn distance_m(a: &Sighting, b: &Sighting) -> f64 {
    let north = (a.lat - b.lat) * DEGREE_M;
    let east = (a.lon - b.lon) * DEGREE_M * (0.5 * (a.lat + b.lat)).to_radians().cos();
    north.hypot(east)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sighting(case: u32, (north_m, east_m): (f64, f64), created_at: i64, closed_at: Option<i64>) -> Sighting {
        let lat = 42.3 + north_m / DEGREE_M;
        let lon = -71.06 + east_m / DEGREE_M / 42.3f64.to_radians().cos();
        Sighting { topic: 1, lat, lon, created_at, negative: None, is_resident: true, closed_at, case }
    }

    #[test]
    fn the_same_place_soon_after() {
        let again = |other: Sighting| came_up_again(vec![sighting(0, (0.0, 0.0), 0, Some(10)), other], 100)[0].1.is_some();
        assert!(again(sighting(1, (30.0, -30.0), 50, None)));
        assert!(!again(sighting(1, (40.0, 40.0), 50, None)), "56 metres");
        assert!(!again(sighting(1, (0.0, 0.0), 111, None)), "too late");
        assert!(!again(sighting(1, (0.0, 0.0), 10, None)), "not after the closing");
        assert!(!again(Sighting { topic: 2, ..sighting(1, (0.0, 0.0), 50, None) }));
        assert!(!again(Sighting { is_resident: false, ..sighting(1, (0.0, 0.0), 50, None) }));
        assert!(!again(Sighting { lat: f64::NAN, ..sighting(1, (0.0, 0.0), 50, None) }));
        assert!(came_up_again(Vec::new(), 100).is_empty());
    }

    proptest! {
        #[test]
        fn as_comparing_everybody_with_everybody(
            all in prop::collection::vec((0u8..2, 0u32..400, 0u32..400, 0i64..200, prop::option::of(0i64..100), any::<bool>()), 0..60),
            turn in 0usize..60,
        ) {
            let mut all: Vec<Sighting> = all
                .into_iter()
                .enumerate()
                .map(|(i, (topic, y, x, created_at, open, is_resident))| Sighting {
                    topic,
                    is_resident,
                    ..sighting(i as u32, (f64::from(y), f64::from(x)), created_at, open.map(|open| created_at + open))
                })
                .collect();
            let sorted = |mut found: Vec<(u32, Option<Sighting>)>| {
                found.sort_by_key(|(case, _)| *case);
                found.into_iter().map(|(case, next)| (case, next.map(|next| next.created_at))).collect::<Vec<_>>()
            };
            let found = sorted(came_up_again(all.clone(), 50));
            let plain: Vec<(u32, Option<i64>)> = all
                .iter()
                .filter_map(|asked| Some((asked, asked.closed_at?)))
                .map(|(asked, closed)| {
                    let near = |s: &&Sighting| s.topic == asked.topic && s.is_resident && distance_m(s, asked) <= RADIUS_M;
                    let next = all.iter().filter(near).map(|s| s.created_at).filter(|at| (closed + 1..=closed + 50).contains(at)).min();
                    (asked.case, next)
                })
                .collect();
            prop_assert_eq!(&found, &plain);
            if !all.is_empty() {
                let middle = turn % all.len();
                all.rotate_left(middle);
                prop_assert_eq!(sorted(came_up_again(all, 50)), found);
            }
        }
    }
}
