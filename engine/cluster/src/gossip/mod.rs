//! How nodes learn of one another: pings and their answers, each with a few words about others.
//!
//! - `send`: what is said, to whom, how often;
//! - `receive`: what a message changes, once it is known to be its sender's latest word;
//! - `meeting`: strangers, addresses, and names;
//! - `watch`: who asks whom, in clusters so large that not everybody asks everybody.

mod meeting;
mod receive;
mod send;
mod watch;

pub(crate) use watch::Watch;
