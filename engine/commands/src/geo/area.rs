//! Areas around a place: what lies in one, and which scores can.
//!
//! An area is covered by squares of the map, found by quartering the map where the area's border runs. The cells of a
//! square have scores that follow each other, so each square is a range of scores.
//!
//! A polygon lies flat on the map, its edges straight in degrees; it does not reach across the date line.

use std::ops::RangeInclusive;

use libm::{asin, atan2, cos, sin};

use super::place::{EARTH_RADIUS_M, LATITUDE_MAX, LONGITUDE_MAX};
use super::place::{Place, column_of, latitude_distance_m, row_of, score_of_cell};

/// The map with one row and one column more than it has, as a square whose side is a power of two.
const MAP_BITS: u32 = 27;
/// Squares are quartered until so many of them lie along the longer side of the area.
const SQUARES_ALONG: u32 = 4;
/// For what the arithmetic loses.
const MARGIN: f64 = 1.000_001;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Shape {
    Circle { radius_m: f64 },
    Box { width_m: f64, height_m: f64 },
    Polygon { corners: Vec<Place> },
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Area {
    pub centre: Place,
    pub shape: Shape,
}

/// A rectangle of the map, in cells.
#[derive(Clone, Debug)]
struct Cells {
    columns: RangeInclusive<u32>,
    rows: RangeInclusive<u32>,
}

impl Area {
    /// A polygon's centre is the middle of its corners on the globe.
    pub fn polygon(corners: Vec<Place>) -> Area {
        let mut sum = [0.0; 3];
        for corner in &corners {
            let (longitude, latitude) = (corner.longitude.to_radians(), corner.latitude.to_radians());
            sum[0] += cos(latitude) * cos(longitude);
            sum[1] += cos(latitude) * sin(longitude);
            sum[2] += sin(latitude);
        }
        let [x, y, z] = sum;
        let centre = Place {
            longitude: atan2(y, x).to_degrees(),
            latitude: atan2(z, (x * x + y * y).sqrt()).to_degrees(),
        };
        Area { centre, shape: Shape::Polygon { corners } }
    }

    /// How far a place is from the centre, in metres, if it lies in the area.
    pub fn distance_m(&self, place: Place) -> Option<f64> {
        let distance = self.centre.distance_m(place);
        let is_inside = match &self.shape {
            Shape::Circle { radius_m } => distance <= *radius_m,
            Shape::Box { width_m, height_m } => {
                // The width is measured where the place is.
                let beside = Place { longitude: self.centre.longitude, latitude: place.latitude };
                latitude_distance_m(place.latitude, self.centre.latitude) <= height_m / 2.0
                    && place.distance_m(beside) <= width_m / 2.0
            }
            Shape::Polygon { corners } => is_within(corners, place),
        };
        is_inside.then_some(distance)
    }

    /// Ranges of scores, in order, that hold all places of the area, and some around it.
    pub fn scores(&self) -> Vec<RangeInclusive<u64>> {
        let mut found = Vec::new();
        for cells in self.cells() {
            let longer =
                (cells.columns.end() - cells.columns.start()).max(cells.rows.end() - cells.rows.start());
            let square_bits = (longer / SQUARES_ALONG).max(1).ilog2();
            cells.cover((0, 0), MAP_BITS, square_bits, &mut found);
        }
        found.sort_by_key(|scores| *scores.start());
        found.dedup_by(|next, scores| {
            let is_next = *next.start() <= scores.end() + 1;
            if is_next {
                *scores = *scores.start()..=*next.end().max(scores.end());
            }
            is_next
        });
        found
    }

    /// The rectangles that hold the area: two, where it reaches across the date line.
    fn cells(&self) -> Vec<Cells> {
        let (half_width_m, half_height_m) = match &self.shape {
            Shape::Circle { radius_m } => (*radius_m, *radius_m),
            Shape::Box { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
            Shape::Polygon { corners } => return vec![Cells::around(corners)],
        };
        let up = (half_height_m / EARTH_RADIUS_M * MARGIN).to_degrees();
        let (south, north) = (self.centre.latitude - up, self.centre.latitude + up);
        // Where meridians are closest to each other, the area spans most of them.
        let narrowest = cos(south.abs().max(north.abs()).min(90.0).to_radians());
        let angle = half_width_m / (2.0 * EARTH_RADIUS_M) * MARGIN;
        let ratio = if angle < std::f64::consts::FRAC_PI_2 { sin(angle) / narrowest } else { f64::INFINITY };
        let aside = if ratio < 1.0 { (2.0 * asin(ratio) * MARGIN).to_degrees() } else { LONGITUDE_MAX };
        let rows = row_of(south.max(-LATITUDE_MAX))..=row_of(north.min(LATITUDE_MAX));
        let rectangle = |west: f64, east: f64| Cells {
            columns: column_of(west.max(-LONGITUDE_MAX))..=column_of(east.min(LONGITUDE_MAX)),
            rows: rows.clone(),
        };
        let (west, east) = (self.centre.longitude - aside, self.centre.longitude + aside);
        if aside >= LONGITUDE_MAX {
            vec![rectangle(-LONGITUDE_MAX, LONGITUDE_MAX)]
        } else if west < -LONGITUDE_MAX {
            vec![rectangle(-LONGITUDE_MAX, east), rectangle(west + 2.0 * LONGITUDE_MAX, LONGITUDE_MAX)]
        } else if east > LONGITUDE_MAX {
            vec![rectangle(west, LONGITUDE_MAX), rectangle(-LONGITUDE_MAX, east - 2.0 * LONGITUDE_MAX)]
        } else {
            vec![rectangle(west, east)]
        }
    }
}

impl Cells {
    fn around(corners: &[Place]) -> Cells {
        let bounds = |of: fn(&Place) -> f64| {
            let of_all = corners.iter().map(of);
            (of_all.clone().fold(f64::INFINITY, f64::min), of_all.fold(f64::NEG_INFINITY, f64::max))
        };
        let (west, east) = bounds(|corner| corner.longitude);
        let (south, north) = bounds(|corner| corner.latitude);
        Cells { columns: column_of(west)..=column_of(east), rows: row_of(south)..=row_of(north) }
    }

    /// Adds the scores of the squares that meet these cells: of the square at `corner`, with a side of
    /// `2^bits` cells, or of its quarters.
    fn cover(&self, corner: (u32, u32), bits: u32, bits_min: u32, found: &mut Vec<RangeInclusive<u64>>) {
        let last = (corner.0 + (1 << bits) - 1, corner.1 + (1 << bits) - 1);
        let meets =
            |own: &RangeInclusive<u32>, first: u32, last: u32| *own.start() <= last && first <= *own.end();
        if !meets(&self.columns, corner.0, last.0) || !meets(&self.rows, corner.1, last.1) {
            return;
        }
        let holds =
            |own: &RangeInclusive<u32>, first: u32, last: u32| *own.start() <= first && last <= *own.end();
        let is_within = holds(&self.columns, corner.0, last.0) && holds(&self.rows, corner.1, last.1);
        if is_within || bits <= bits_min {
            found.push(score_of_cell(corner.0, corner.1)..=score_of_cell(last.0, last.1));
            return;
        }
        let half = 1 << (bits - 1);
        for (right, up) in [(0, 0), (0, half), (half, 0), (half, half)] {
            self.cover((corner.0 + right, corner.1 + up), bits - 1, bits_min, found);
        }
    }
}

/// Whether a line from the place to the east crosses the border an odd number of times.
fn is_within(corners: &[Place], place: Place) -> bool {
    let ends = corners.iter().cycle().skip(1);
    let crossed = corners.iter().zip(ends).filter(|(start, end)| {
        let spans = (start.latitude > place.latitude) != (end.latitude > place.latitude);
        let along = (place.latitude - start.latitude) / (end.latitude - start.latitude);
        spans && place.longitude < start.longitude + along * (end.longitude - start.longitude)
    });
    crossed.count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place() -> impl Strategy<Value = Place> {
        let near_edges = prop_oneof![-180.0..180.0f64, 179.9..180.0f64, -180.0..-179.9f64];
        (near_edges, prop_oneof![-85.05..85.05f64, 84.9..85.05f64])
            .prop_map(|(longitude, latitude)| Place { longitude, latitude })
    }

    fn shape() -> impl Strategy<Value = Shape> {
        let length = || prop_oneof![0.0..1e3f64, 0.0..1e6f64, 0.0..3e7f64];
        prop_oneof![
            length().prop_map(|radius_m| Shape::Circle { radius_m }),
            (length(), length()).prop_map(|(width_m, height_m)| Shape::Box { width_m, height_m }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn no_place_of_an_area_is_left_out(centre in place(), shape in shape(), step in (-1.0..1.0f64, -1.0..1.0f64)) {
            let area = Area { centre, shape: shape.clone() };
            let scores = area.scores();
            prop_assert!(scores.len() < 200, "{} ranges", scores.len());
            prop_assert!(scores.windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start()));
            // Somewhere about as far as the area reaches.
            let reach = match shape {
                Shape::Circle { radius_m } => (radius_m, radius_m),
                Shape::Box { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
                Shape::Polygon { .. } => unreachable!("polygons have a test of their own"),
            };
            let degrees = |metres: f64| (metres / EARTH_RADIUS_M).to_degrees();
            let latitude = (centre.latitude + step.1 * degrees(reach.1)).clamp(-LATITUDE_MAX, LATITUDE_MAX);
            let aside = degrees(reach.0) / cos(latitude.to_radians());
            let longitude = centre.longitude + step.0 * aside;
            let longitude = longitude - 360.0 * ((longitude + 180.0) / 360.0).floor();
            let place = Place::of_score(Place { longitude, latitude }.score());
            if area.distance_m(place).is_some() {
                let score = place.score() as u64;
                prop_assert!(scores.iter().any(|range| range.contains(&score)), "{place:?} is left out");
            }
        }

        #[test]
        fn no_place_of_a_polygon_is_left_out(
            corners in proptest::collection::vec(place(), 3..8),
            weights in proptest::collection::vec(0.0..1.0f64, 8),
        ) {
            // Somewhere between the corners.
            let sum: f64 = weights[..corners.len()].iter().sum::<f64>() + 1e-9;
            let mean = |of: fn(&Place) -> f64| {
                corners.iter().zip(&weights).map(|(corner, weight)| of(corner) * weight).sum::<f64>() / sum
            };
            let place = Place { longitude: mean(|at| at.longitude), latitude: mean(|at| at.latitude) };
            let place = Place::of_score(place.score());
            let area = Area::polygon(corners);
            if area.distance_m(place).is_some() {
                let score = place.score() as u64;
                prop_assert!(area.scores().iter().any(|range| range.contains(&score)), "{place:?} is left out");
            }
        }
    }

    #[test]
    fn a_polygon_holds_what_its_border_surrounds() {
        let corner = |longitude, latitude| Place { longitude, latitude };
        // A square with a notch from above down to its middle.
        let notched = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (2.0, 2.0), (0.0, 4.0)];
        let area = Area::polygon(notched.map(|(x, y)| corner(x, y)).to_vec());
        let holds = |x, y| area.distance_m(corner(x, y)).is_some();
        assert!(holds(2.0, 1.0) && holds(0.5, 3.0) && holds(3.5, 3.0));
        assert!(!holds(2.0, 3.0) && !holds(-0.1, 1.0) && !holds(4.1, 1.0) && !holds(2.0, -0.1));
    }
}
