//! Who owns which hash slot: sets of slots, the map, and the rules by which claims change it.
//!
//! - `set`: a set of slots, as the bus carries it;
//! - `map`: one owner per slot, at most;
//! - `claims`: what a primary says that it owns, held against what is known;
//! - `transfers`: slots on their way from one shard to another, by an operator's word.

mod claims;
mod map;
mod set;
mod transfers;

pub use map::SlotMap;
pub use set::{SLOT_COUNT, Slot, SlotSet};
pub(crate) use transfers::Promise;
pub use transfers::SlotStep;
