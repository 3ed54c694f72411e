//! Clusters of nodes without a network: convergence, failures, elections, hostile messages.

mod convergence;
mod hostile;
mod nodes_conf;
mod scale;
mod stories;
mod transcripts;
mod wire;
mod world;
