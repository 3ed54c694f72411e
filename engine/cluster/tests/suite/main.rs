//! Clusters of nodes without a network: convergence, failures, elections, hostile messages.

mod chance;
mod convergence;
mod hand_over;
mod hostile;
mod large;
mod nodes_conf;
mod open_slots;
mod publishing;
mod rumours;
mod slot_migration;
mod stories;
mod transcripts;
mod wire;
