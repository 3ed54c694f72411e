//! The hash family. The rows are in `rows.rs`; here is what its files share.
//!
//! `field.rs` reads and writes fields.

mod field;
mod rows;

pub use rows::ROWS;

pub(crate) use crate::collections::reply_item;
