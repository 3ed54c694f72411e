//! The protocol machines of both sides, wired together without a network.

mod hostile_peers;
mod model;
mod transcripts;
mod world;
