//! The set family. The rows are in `rows.rs`.
//!
//! `member.rs` has members by their names, and all of them; `random.rs` chooses some; `algebra.rs` unites,
//! intersects and subtracts.

mod algebra;
mod member;
mod random;
mod rows;

pub(crate) use random::{Draws, draws};
pub use rows::ROWS;
