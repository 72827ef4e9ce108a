//! Places on a grid, so that who is near is found without looking at everybody.

/// Metres in a degree of latitude (mean radius of the Earth).
const DEGREE_M: f64 = 111_195.0;

/// Degrees are held as whole numbers of this fraction: 1.1 cm.
const PER_DEGREE: f64 = 1e7;

/// No report is joined by place nearer to a pole than this, degrees: the grid ends there. Nor across the 180th meridian.
const LAST_LATITUDE: f64 = 89.0;

/// A place on Earth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    lat_e7: i32,
    lon_e7: i32,
}

impl Place {
    /// `None` for what is no place, or too near to a pole.
    pub(crate) fn new(lat: f64, lon: f64) -> Option<Self> {
        let inside = lat.abs() <= LAST_LATITUDE && lon.abs() <= 180.0;
        inside.then(|| Self { lat_e7: (lat * PER_DEGREE).round() as i32, lon_e7: (lon * PER_DEGREE).round() as i32 })
    }

    fn lat(self) -> f64 {
        f64::from(self.lat_e7) / PER_DEGREE
    }

    fn lon(self) -> f64 {
        f64::from(self.lon_e7) / PER_DEGREE
    }

    /// Metres to a place nearby: on the plane that touches the Earth between them, right to a millimetre within a kilometre.
    pub(crate) fn metres_to(self, other: Self) -> f64 {
        let narrowing = ((self.lat() + other.lat()) / 2.0).to_radians().cos();
        let (north, east) = (self.lat() - other.lat(), (self.lon() - other.lon()) * narrowing);
        (north * north + east * east).sqrt() * DEGREE_M
    }
}

/// A square of the grid of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Square(u64);

/// Rows of squares from south to north, each divided by its own circumference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    /// Side of a square in metres.
    side_m: f64,
    class: u8,
}

impl Grid {
    /// The grid in which everything within `reach_m` of a place lies in one to four squares.
    pub(crate) fn new(class: u8, reach_m: f64) -> Self {
        Self { side_m: 2.0 * reach_m, class }
    }

    fn row(self, lat: f64) -> i64 {
        (lat * DEGREE_M / self.side_m).floor() as i64
    }

    fn column(self, row: i64, lon: f64) -> i64 {
        let narrowing = ((row as f64 + 0.5) * self.side_m / DEGREE_M).to_radians().cos();
        (lon * DEGREE_M * narrowing / self.side_m).floor() as i64
    }

    fn at(self, row: i64, column: i64) -> Square {
        const MASK: u64 = (1 << 28) - 1;
        Square(u64::from(self.class) << 56 | (row as u64 & MASK) << 28 | (column as u64 & MASK))
    }

    /// The square of a place.
    pub(crate) fn square(self, place: Place) -> Square {
        let row = self.row(place.lat());
        self.at(row, self.column(row, place.lon()))
    }

    /// The squares that hold everything within `reach_m` of a place, and more.
    pub(crate) fn around(self, place: Place, reach_m: f64, mut visit: impl FnMut(Square)) {
        // A little more, for what the plane and the roundings are off.
        let reach = reach_m * 1.01 / DEGREE_M;
        let (lat, lon) = (place.lat(), place.lon());
        let reach_east = reach / (lat.abs() + reach).to_radians().cos();
        for row in self.row(lat - reach)..=self.row(lat + reach) {
            for column in self.column(row, lon - reach_east)..=self.column(row, lon + reach_east) {
                visit(self.at(row, column));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn metres_are_metres() {
        let at = |lat, lon| Place::new(lat, lon).unwrap();
        assert!((at(42.36, -71.06).metres_to(at(42.361, -71.06)) - 111.195).abs() < 0.01);
        assert!((at(60.0, 10.0).metres_to(at(60.0, 10.001)) - 55.597).abs() < 0.01);
        assert!(Place::new(f64::NAN, 0.0).is_none() && Place::new(90.0, 0.0).is_none() && Place::new(0.0, 181.0).is_none());
    }

    proptest! {
        #[test]
        fn everything_in_reach_lies_in_the_squares_around(
            lat in -88.9..88.9f64, lon in -179.9..179.9f64, turn in 0.0..std::f64::consts::TAU, far in 0.0..1.0f64, reach in 20.0..200.0f64,
        ) {
            let (north, east) = (turn.sin() * far * reach / DEGREE_M, turn.cos() * far * reach / DEGREE_M / lat.to_radians().cos());
            let (a, b) = (Place::new(lat, lon).unwrap(), Place::new(lat + north, lon + east).unwrap());
            let grid = Grid::new(3, reach);
            let mut squares = Vec::new();
            if a.metres_to(b) <= reach {
                grid.around(a, reach, |square| squares.push(square));
                prop_assert!(squares.contains(&grid.square(b)));
                prop_assert!(squares.len() <= 9);
            }
        }
    }
}
