//! Replication as two pure protocol machines and the memory between them. [`Primary`] serves the
//! replicas that attach to this server; [`Replica`] follows this server's own primary. Neither knows
//! what a key is: a dataset is a stretch of bytes that somebody else writes and reads, the stream of
//! commands after it is bytes too, and every decision is about positions in that stream.
//!
//! The specification is the behaviour of Redis 7 and its documentation of PSYNC. What two servers say
//! to each other, the replica's words on the left:
//!
//! ```text
//! PING                                 ->
//!                                      <-  +PONG            (-NOAUTH also shows a living primary)
//! AUTH [user] password                 ->
//! REPLCONF listening-port 6380         ->
//! REPLCONF ip-address 10.0.0.7         ->
//! REPLCONF capa eof capa psync2        ->
//! REPLCONF version 8.2.1               ->
//!                                      <-  +OK for each; an error to a REPLCONF is no obstacle
//! PSYNC <replid> <offset + 1>          ->                   (PSYNC ? -1 without a history)
//!                                      <-  \n \n            (while the primary prepares)
//!                                      <-  +CONTINUE [<replid>]   stream goes on after <offset>
//!                                      or  +FULLRESYNC <replid> <offset>
//!                                          $<length> and the RDB file, or
//!                                          $EOF:<40 bytes> the RDB file, and the 40 bytes again
//! \n \n                                ->                   (while the replica loads)
//! REPLCONF ACK <offset>                ->                   each second, and when asked
//!                                      <-  the stream: commands, SELECT, PING, REPLCONF GETACK *
//! ```
//!
//! Three rules carry the promises:
//! - **an offset counts bytes of the stream**, all of them, once: an offset and a replication id name one
//!   byte history ([`Position`]);
//! - **an offset moves when its bytes are applied**: the [`Replica`] is told so by the node, unit by unit
//!   (a command, or a whole MULTI to EXEC), and only then acknowledges them and lets them into this
//!   server's own backlog, byte for byte as they came;
//! - **two histories never share an id**: an id changes on promotion, when a backlog is given up, and with
//!   the primary's.
#![forbid(unsafe_code)]

mod backlog;
mod history;
mod primary;
mod replica;
mod timeline;

pub use backlog::Backlog;
pub use history::{History, Position, ReplId, ReplOffset};
pub use primary::{
    Address, Form, OutputLimit, Primary, PrimaryEvent, PrimaryOptions, Psync, Replconf, ReplconfError,
    ReplicaFacts, ReplicaKey, Request, SyncCounts, TransferMark, Wanted,
};
pub use replica::{LinkState, Replica, ReplicaEvent, ReplicaOptions};
pub use timeline::Lag;
