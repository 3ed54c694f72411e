//! What commands answer: by examples, against a model, and against a real redis-server.

mod acl;
mod bitmaps;
mod blocking;
mod cluster;
mod config;
mod eviction;
mod geo;
mod hash_fields;
mod newer_commands;
mod oracle;
mod party;
mod pubsub;
mod replies;
mod scripts;
mod sessions;
mod sorted_sets;
mod strings_and_keys;
mod table_facts;
mod tracking;
mod transactions;
mod world;
