//! The data: keys, values and their encodings, expiry times, and (as bytes) the RDB format.
//!
//! The store owns where an entry lives and what it weighs. It never decides what a command means,
//! when a key counts as expired or what is propagated: it is told, and it answers. Nothing here reads
//! a clock, draws from a global generator or iterates in an order that depends on either: the same
//! calls on the same seed give the same bytes.
//!
//! - [`Keyspace`]: the numbered databases. [`Db`]: one database: partitions of extendible hash tables.
//! - [`Entry`]: one key with its value, in one allocation. The only `unsafe` code is in `entry/block.rs`.
//! - [`Value`]: a value on its own, on its way in or out. Each data type has a folder; `packed/` is the block that
//!   all small collections are, `table/` the hash table of the large ones.
//! - [`Limits`]: from what size on collections change their encoding; a keyspace has them from its server.
//!
//! A data type is a variant of [`Value`] and a [`Collection`]. It lies in its entry's block (`Form::Rich`), and it owes:
//! - `Clone` that is cheap however large it is, by sharing chunks (`Arc`, and `Arc::make_mut` before a change): the
//!   clone is a frozen copy. A snapshot holds large values so while commands go on, and COPY is a clone too;
//! - its weight in `heap_bytes()` at any time, at once: the database's count follows when an `EntryMut` is dropped;
//! - `encoding()` as OBJECT ENCODING names it, `mix_into()` for the digest, `free_part()` to be freed in slices;
//! - its form in RDB in `rdb.rs` of its folder: `type_byte()`, `put_piece()` that writes piece after piece of a frozen
//!   value (a small one is one piece), `begin()` that reads a small form whole and a large one as `rdb::Elements`;
//!   `rdb::kind_of` knows which type bytes are whose. What is read is checked to the last byte.
//!
//! Commands use it through `read`, `edit` and `edit_or_create` of their engine, which delete what became empty.
#![deny(unsafe_code)]

mod chance;
mod collection;
mod db;
mod dict;
mod digest;
mod discarded;
mod entry;
mod glob;
mod hash;
mod keyspace;
mod limits;
mod list;
mod number;
pub mod packed;
mod place;
pub mod rdb;
pub mod recency;
mod set;
mod slot;
mod snapshot;
pub mod stream;
pub mod table;
mod text;
mod zset;

pub use collection::Collection;
pub use db::{Cursor, Db, EntryMut, Inserted, Sweep, Warming};
pub use digest::Digest;
pub use discarded::Discarded;
pub use entry::{Entry, INLINE_BYTES_MAX, Kind, Removed, StringRef, StringValue, Value};
pub use glob::glob_match;
pub use hash::{FIELD_EXPIRY_MAX, Hash};
pub use keyspace::Keyspace;
pub use limits::Limits;
pub use list::{End, List};
pub use number::parse_i64;
pub use place::Partitioning;
pub use set::Set;
pub use slot::{SLOT_COUNT, Slot, slot_of};
pub use snapshot::{SnapshotOptions, SnapshotRunning, SnapshotState};
pub use stream::Stream;
pub use zset::{Members, ZSet};
