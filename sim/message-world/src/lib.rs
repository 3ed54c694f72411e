//! The message world: clusters on one event heap, without sockets, bytes in flight or keys. Each machine runs
//! `squall_cluster::Cluster`, as servers do; what it sends arrives whole and in order, after a latency, unless
//! the machines or the paths between them have failed. That is enough for gossip, elections and epochs, and
//! cheap enough for a thousand nodes and for thousands of seeds. Everything follows from the seed.
//!
//! - `world`: time, and what happens next;
//! - `machine`: a process with its disk: it starts, is killed, paused, loses power;
//! - `network`: connections, latencies, what is cut;
//! - `forming`: clusters that are made by orders, or have been made before;
//! - `migration`: slots that move whole, and the writes that they have seen;
//! - `views`: what is seen from outside, and what must always hold; `picture`: the same in words;
//! - `census`: what gossip costs, how soon a dead primary is replaced, how often a live one is.
#![forbid(unsafe_code)]

pub mod census;
mod forming;
mod machine;
mod migration;
mod network;
mod picture;
mod views;
mod world;

pub use forming::share;
pub use machine::Machine;
pub use migration::{Side, holders};
pub use views::owners;
pub use world::{MS, Settings, World};
