//! The command path: one table row per command, one folder or file per family, and what the rows act on.
//!
//! [`Engine`] is everything a command may read or change: the keyspace, the configuration, the sessions,
//! the statistics, the effects to propagate. [`Server`] is what commands ask of the node around them
//! (replication, persistence, shutdown). [`Engine::dispatch`] takes one request from parsed arguments to
//! reply: look-up, checks that derive from the row, call, propagation, statistics.
//!
//! Nothing here waits, and nothing here reads a clock: `engine.now` is set by the node once per turn.
#![forbid(unsafe_code)]

pub mod acl;
pub mod administration;
pub mod bitmaps;
pub mod blocking;
pub mod catalog;
pub mod clients;
pub mod cluster;
pub mod collections;
pub mod config;
pub mod connection;
pub mod context;
pub mod dispatch;
pub mod engine;
pub mod error;
mod eviction;
mod expiration;
mod float;
mod functions;
pub mod generic;
pub mod geo;
pub mod hashes;
pub mod hyperloglog;
pub mod lists;
pub mod propagation;
pub mod pubsub;
pub mod recency;
mod renames;
pub mod scripts;
pub mod server;
pub mod session;
pub mod sets;
pub mod sorted_sets;
pub mod stats;
mod stopwatch;
pub mod streams;
pub mod strings;
pub mod table;
pub mod tracking;
pub mod transactions;
mod writes;

pub use clients::{Client, Clients};
pub use config::{Config, ConfigError};
pub use context::{Context, Handler};
pub use dispatch::Dispatched;
pub use engine::{Engine, Role};
pub use error::{CommandError, CommandResult};
pub use propagation::Propagation;
pub use server::{Environment, FailoverRequest, LogLevel, Server, ShutdownOptions};
pub use session::{Blocked, ClientId, ReplyMode, Session};
pub use table::{Command, Flag, KeySpec};

/// The version of Redis that clients should take this server for; they decide by it what they may use.
pub const REDIS_VERSION: &str = "8.2.0";
/// This server's own version.
pub const SQUALL_VERSION: &str = env!("CARGO_PKG_VERSION");
