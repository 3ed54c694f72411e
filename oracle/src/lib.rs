//! The differential tester: generated commands, sent to Squall and to a real server, and everything compared that
//! anybody could see: replies byte for byte, who waits and who is served, what is published, what replicas are
//! sent, and what the datasets hold in the end.
//!
//! [`sequence`] draws what is played: [`grammar`] makes requests from the command table's own rows, with
//! [`values`] in place of their arguments; [`furnishing`] gives them something to work on, [`scripting`] wraps them
//! into Lua. [`play`] plays it on both servers, [`verdict`] says which replies are alike, and [`age`]
//! what an older reference does otherwise; [`shrink`] makes a
//! difference short, [`show`] prints it. Words that the reference does not know are not sent to it: what is newer
//! than Debian's redis-server is compared by hand with servers that have it, and by written expectations.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "this crate compares real servers over real sockets")]

pub mod age;
pub mod chance;
pub mod connection;
pub mod effects;
pub mod family;
pub mod furnishing;
pub mod grammar;
pub mod play;
pub mod scripting;
pub mod sequence;
pub mod server;
pub mod show;
pub mod shrink;
pub mod side;
pub mod state;
pub mod values;
pub mod verdict;
