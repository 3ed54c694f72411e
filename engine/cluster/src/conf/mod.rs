//! nodes.conf: what a node knows of its cluster, as Redis writes it.
//!
//! ```text
//! <id> <host>:<port>@<bus port>[,<hostname>[,shard-id=<id>]...] <flags> <primary id or -> \
//!     <ping sent> <pong received> <config epoch> <connected|disconnected> [<slot>|<first>-<last>]...
//! vars currentEpoch <epoch> lastVoteEpoch <epoch>
//! ```
//!
//! Times are Unix milliseconds. This node's own line also holds `[slot->-id]` and `[slot-<-id]` for slots on
//! their way out and in. A file without the `vars` line was not written to its end.
//!
//! The lines, without what only the file needs, are also what CLUSTER NODES answers.

mod parse;
mod write;

use std::fmt;

pub use parse::parse;
pub use write::{line, text};

/// Why a file is no nodes.conf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfError {
    Empty,
    /// It does not end with `vars`.
    Torn,
    NotText,
    /// The line's number, and what is wrong with it.
    Line(usize, &'static str),
    NoMyself,
}

impl fmt::Display for ConfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfError::Empty => f.write_str("the file is empty"),
            ConfError::Torn => f.write_str("the file was not written to its end: there is no `vars` line"),
            ConfError::NotText => f.write_str("the file is not text"),
            ConfError::Line(number, what) => write!(f, "line {number}: {what}"),
            ConfError::NoMyself => f.write_str("no line, or more than one, is this node's own (`myself`)"),
        }
    }
}
