//! The data: keys, values and their encodings, expiry times, and (as bytes) the RDB format.
//!
//! The store owns where an entry lives and what it weighs. It never decides what a command means,
//! when a key counts as expired or what is propagated: it is told, and it answers. Nothing here reads
//! a clock, draws from a global generator or iterates in an order that depends on either: the same
//! calls on the same seed give the same bytes.
//!
//! - [`Keyspace`]: the numbered databases. [`Db`]: one database: partitions of extendible hash tables.
//! - [`Entry`]: one key with its value, in one allocation. The only `unsafe` code is in `entry/block.rs`.
//! - [`Value`]: a value on its own, on its way in or out.
#![deny(unsafe_code)]

mod db;
mod dict;
mod digest;
mod discarded;
mod entry;
mod glob;
mod keyspace;
mod number;
mod place;
pub mod rdb;
mod slot;
mod snapshot;

pub use db::{Cursor, Db, EntryMut, Inserted, Sweep, Warming};
pub use digest::Digest;
pub use discarded::Discarded;
pub use entry::{Entry, INLINE_BYTES_MAX, Kind, Removed, StringRef, StringValue, Value};
pub use glob::glob_match;
pub use keyspace::Keyspace;
pub use number::parse_i64;
pub use place::Partitioning;
pub use slot::{SLOT_COUNT, Slot, slot_of};
pub use snapshot::{SnapshotOptions, SnapshotRunning, SnapshotState};
