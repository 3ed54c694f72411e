//! The generic family: keys and databases, whatever they hold. The rows are in `rows.rs`.

pub(crate) mod databases;
mod dump;
mod expire;
mod keys;
mod migrate;
mod object;
mod relocate;
mod rows;
pub(crate) mod scan;
mod sort;

pub use migrate::Migration;
pub use rows::ROWS;
