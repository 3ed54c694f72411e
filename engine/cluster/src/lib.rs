//! The cluster, as one deterministic state machine that never waits: bytes of the bus and the time come in,
//! messages and decisions leave. It knows nothing of keys, and nothing of replication but an offset.
//!
//! - `cluster`: the machine and its calls; `event`: what it wants done;
//! - `identity`, `node`, `nodes`: names, what is known of each node, the table of all;
//! - `slots`: sets and owners of hash slots, and the rules by which claims change them;
//! - `wire`: the messages of the bus; `links`: its connections; `gossip`: who says what to whom;
//! - `failure`: who is dead; `availability`: whether the cluster works;
//! - `election`: how a replica takes its primary's place; `migration`: replicas that move;
//! - `durability`: what must be on the disk before it is said; `conf`: nodes.conf;
//! - `slot_migration`: slots that move as a whole, driven by the servers themselves;
//! - `admin`: what operators order; `facts`: what can be asked; `turns`: what became of it, for tests.
//!
//! The calling contract: after any call, poll events until there are none, then wait for input, or until
//! `poll_timeout`. The specification is that of Redis Cluster, as documented and as redis-server 7.0 is
//! seen to behave.
//!
//! Rules that carry the promises:
//! - **one owner per slot**: a claim is taken with its epoch, from primaries alone, and never from a message
//!   that is older than its sender's last;
//! - **one vote per epoch**, on the disk before it leaves; so is an epoch, a role, a slot before it is
//!   claimed;
//! - **a forest of depth one**: nobody follows a replica, or itself;
//! - **membership is closed**: an operator's MEET, or a member's word about another, by name.
#![forbid(unsafe_code)]

mod admin;
mod availability;
mod cluster;
mod conf;
mod durability;
mod election;
mod event;
mod facts;
mod failure;
mod gossip;
mod identity;
mod links;
mod migration;
mod node;
mod nodes;
mod options;
mod slot_migration;
pub mod slots;
mod turns;
pub mod wire;

pub use admin::OrderResult;
pub use cluster::Cluster;
pub use conf::ConfError;
pub use election::FailoverKind;
pub use event::{BusLink, Event, ReplicationFacts, Severity};
pub use facts::ClusterInfo;
pub use identity::{Epoch, JobName, NodeId, ShardId};
pub use links::{Closed, Direction, Link};
pub use node::{Health, Node, Stage};
pub use options::Options;
pub use slot_migration::{
    JobFacts, JobState, MigrationLink, MigrationOrder, Operation, Record, RecordKind, Words, parse_slots,
};
pub use slots::{Slot, SlotSet, SlotStep};
pub use turns::{Turn, Turns};
