//! The server family: what operators and tools ask of a server.

pub mod monitor;
pub mod slowlog;

use crate::table::Command;

pub const ROWS: &[Command] = &[];
