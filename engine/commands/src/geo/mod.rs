//! The geo family: members of a sorted set whose scores are places. The rows are in `rows.rs`.
//!
//! `place.rs` is the arithmetic of places, `area.rs` what lies around one, `add.rs` GEOADD, `look_up.rs` tells of
//! single members, `query.rs` reads the words of a search and `search.rs` answers it.

mod add;
mod area;
mod look_up;
mod place;
mod query;
mod rows;
mod search;

pub use rows::ROWS;

use squall_resp::Args;

use crate::CommandError;
use crate::float::float_argument;
use place::Place;

/// A unit of length, in metres.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Unit(f64);

impl Unit {
    fn parse(word: &[u8]) -> Result<Unit, CommandError> {
        match word.to_ascii_lowercase().as_slice() {
            b"m" => Ok(Unit(1.0)),
            b"km" => Ok(Unit(1_000.0)),
            b"ft" => Ok(Unit(0.3048)),
            b"mi" => Ok(Unit(1_609.34)),
            _ => Err(CommandError::line("ERR unsupported unit provided. please use M, KM, FT, MI")),
        }
    }
}

/// The place that two words name: longitude and latitude.
fn place_at(args: Args<'_>, index: usize) -> Result<Place, CommandError> {
    let (longitude, latitude) = (float_argument(args.at(index))?, float_argument(args.at(index + 1))?);
    Place::on_map(longitude, latitude).ok_or_else(|| {
        let line = format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}");
        CommandError::line(line)
    })
}
