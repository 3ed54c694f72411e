//! The cluster, as one deterministic state machine that never waits: bytes of the bus and the time come in,
//! messages and decisions leave. It knows nothing of keys, and nothing of replication but an offset.
//!
//! - `identity`: names of nodes and shards, epochs; `slots`: sets and owners of hash slots;
//! - `wire`: the messages of the bus.
#![forbid(unsafe_code)]

mod identity;
pub mod slots;
pub mod wire;

pub use identity::{Epoch, NodeId, ShardId};
pub use slots::{Slot, SlotSet};
