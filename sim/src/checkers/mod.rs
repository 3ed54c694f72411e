//! What a run is judged by. Each checker looks at one property, at what clients and operators could see, and
//! gives a measurement as well as a verdict: asynchronous replication is allowed its window, and no more.
//! Each has a test in which it catches a violation that was planted.

mod channels;
mod deliveries;
mod linearizability;
mod locks;
mod lost_writes;
mod memory;
mod offsets;
mod prefix;
mod sessions;
mod stale_reads;
mod torn;
mod views;

pub use channels::{Channels, Heard, Subscription, channels};
pub use deliveries::{Deliveries, deliveries};
pub use linearizability::{Verdict, linearizable, linearizable_keys};
pub use locks::{Hold, SharedHold, shared_holds};
pub use lost_writes::{LostWrites, lost_writes};
pub use memory::{Memory, MemorySample, Overgrown, memory};
pub use offsets::{ImpossibleOffset, Position, impossible_offsets};
pub use prefix::{Divergence, NodeSample, diverging};
pub use sessions::{SessionReads, session_reads};
pub use stale_reads::{StaleReads, stale_reads};
pub use torn::{Torn, torn};
pub use views::{
    Member, Sighting, View, chains, cycles, double_votes, epoch_conflicts, owner_conflicts, strangers,
};

#[cfg(test)]
mod scripted;
