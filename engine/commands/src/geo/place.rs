//! Places on the earth: as scores of a sorted set, as geohashes, and how far they are from each other.
//!
//! ```text
//! score := the cell of a map of 2^26 by 2^26 cells, as an integer: bit 0 the lowest bit of the row (latitude), bit 1
//!          the lowest of the column (longitude), and so on
//! ```
//! The map is the one of Web Mercator: it ends at 85.05112878 degrees north and south. So cells whose scores
//! share their upper bits lie together. Sine and the like are computed by a library and not by the machine,
//! so that every machine comes to the same result.

use libm::{asin, cos, sin};

pub(super) const LATITUDE_MAX: f64 = 85.051_128_78;
pub(super) const LONGITUDE_MAX: f64 = 180.0;
/// As Redis measures it.
pub(super) const EARTH_RADIUS_M: f64 = 6_372_797.560_856;

const CELL_BITS: u32 = 26;
const CELLS: f64 = (1u64 << CELL_BITS) as f64;
const GEOHASH_LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
const GEOHASH_LEN: u32 = 11;

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Place {
    pub longitude: f64,
    pub latitude: f64,
}

impl Place {
    /// The place, if the map shows it.
    pub fn on_map(longitude: f64, latitude: f64) -> Option<Place> {
        let is_on_map = longitude.abs() <= LONGITUDE_MAX && latitude.abs() <= LATITUDE_MAX;
        is_on_map.then_some(Place { longitude, latitude })
    }

    /// The middle of the cell that a score names.
    pub fn of_score(score: f64) -> Place {
        // Below zero is no place; what bits it has is the same everywhere.
        let bits = if score < 0.0 { score as i64 as u64 } else { score as u64 };
        let middle = |cell: u32, end: f64| {
            let low = -end + f64::from(cell) / CELLS * (2.0 * end);
            let high = -end + (f64::from(cell) + 1.0) / CELLS * (2.0 * end);
            ((low + high) / 2.0).clamp(-end, end)
        };
        Place {
            longitude: middle(every_second_bit(bits >> 1), LONGITUDE_MAX),
            latitude: middle(every_second_bit(bits), LATITUDE_MAX),
        }
    }

    pub fn score(self) -> f64 {
        score_of_cell(column_of(self.longitude), row_of(self.latitude)) as f64
    }

    /// The geohash that other programs use: its map reaches to the poles.
    pub fn geohash(self) -> String {
        let row = (self.latitude + 90.0) / 180.0 * CELLS;
        let bits = score_of_cell(column_of(self.longitude), row as u32);
        // The eleventh letter would need three bits more than there are.
        let letter = |index: u32| match index {
            10 => 0,
            _ => bits >> (2 * CELL_BITS - (index + 1) * 5) & 0x1f,
        };
        (0..GEOHASH_LEN).map(|index| char::from(GEOHASH_LETTERS[letter(index) as usize])).collect()
    }

    /// How far it is to another place, in metres, along the great circle.
    pub fn distance_m(self, other: Place) -> f64 {
        let v = sin((other.longitude.to_radians() - self.longitude.to_radians()) / 2.0);
        if v == 0.0 {
            return latitude_distance_m(self.latitude, other.latitude);
        }
        let (one, other) = (self.latitude.to_radians(), other.latitude.to_radians());
        let u = sin((other - one) / 2.0);
        let a = u * u + cos(one) * cos(other) * v * v;
        2.0 * EARTH_RADIUS_M * asin(a.sqrt())
    }
}

/// How far two circles of latitude are from each other.
pub(super) fn latitude_distance_m(one: f64, other: f64) -> f64 {
    EARTH_RADIUS_M * (other.to_radians() - one.to_radians()).abs()
}

/// The column of the map in which a longitude lies; the last of all has one of its own.
pub(super) fn column_of(longitude: f64) -> u32 {
    ((longitude + LONGITUDE_MAX) / (2.0 * LONGITUDE_MAX) * CELLS) as u32
}

pub(super) fn row_of(latitude: f64) -> u32 {
    ((latitude + LATITUDE_MAX) / (2.0 * LATITUDE_MAX) * CELLS) as u32
}

pub(super) fn score_of_cell(column: u32, row: u32) -> u64 {
    spread(row) | spread(column) << 1
}

/// Puts a zero in front of each bit.
fn spread(bits: u32) -> u64 {
    let mut bits = u64::from(bits);
    for (shift, mask) in SPREADS {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// The bits with even numbers.
fn every_second_bit(bits: u64) -> u32 {
    let mut bits = bits & SPREADS[4].1;
    for ((shift, _), mask) in SPREADS.into_iter().rev().zip([
        SPREADS[3].1,
        SPREADS[2].1,
        SPREADS[1].1,
        SPREADS[0].1,
        u64::from(u32::MAX),
    ]) {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

/// In ever smaller groups, bits move away from each other.
const SPREADS: [(u32, u64); 5] = [
    (16, 0x0000_ffff_0000_ffff),
    (8, 0x00ff_00ff_00ff_00ff),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
    (2, 0x3333_3333_3333_3333),
    (1, 0x5555_5555_5555_5555),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_score_names_the_cell(longitude in -180.0..180.0f64, latitude in -85.05..85.05f64) {
            let place = Place::on_map(longitude, latitude).expect("within the map");
            let middle = Place::of_score(place.score());
            prop_assert!((middle.longitude - longitude).abs() <= 360.0 / CELLS);
            prop_assert!((middle.latitude - latitude).abs() <= 180.0 / CELLS);
            prop_assert_eq!(middle.score(), place.score());
        }

        #[test]
        fn bits_are_spread_and_gathered(column: u32, row: u32) {
            let score = score_of_cell(column, row);
            prop_assert_eq!((every_second_bit(score >> 1), every_second_bit(score)), (column, row));
        }
    }
}
