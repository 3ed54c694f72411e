//! A whole server held in the hand: bytes and time go in, effects come out.

mod append_log;
mod clients;
mod common;
mod damaged_log;
mod dataset_guard;
mod failover;
mod hostile_primary;
mod loading;
mod log_policies;
mod mesh;
mod metrics;
mod pacing;
mod persistence;
mod replication;
mod replication_histories;
mod replication_roles;
mod scripts;
