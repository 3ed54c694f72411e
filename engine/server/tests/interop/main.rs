//! Squall among the programs that people use with Redis: redis-cli, redis-benchmark, redis-py, and the
//! real redis-server as primary and as replica; and as a process of its own among connections and signals.
//!
//! Every test starts its own servers, on free ports of 127.0.0.1 and in directories of their own, and waits
//! for conditions, never for time to pass. A program that is not installed makes the tests that need it
//! say so and pass; continuous integration installs them all.
//!
//! `SQUALL_SERVER=/usr/bin/redis-server cargo test -p squall-server --test interop` runs them with
//! another server in Squall's place: what the original does not pass, Squall need not.
#![allow(
    clippy::disallowed_methods,
    reason = "these tests live in the real world: its clock, files and processes"
)]

mod append_log;
mod certificates;
mod client;
mod dataset;
mod dataset_guard;
mod harness;
mod load;
mod proxy;

mod cluster;
mod cluster_clients;
mod cluster_tools;
mod connections;
mod encryption;
mod failover;
mod hostile;
mod ioredis;
mod persistence;
mod process;
mod redis_benchmark;
mod redis_cli;
mod redis_py;
mod replication;
mod slot_migration;
