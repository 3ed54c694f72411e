//! The generic family: what works on keys whatever they hold.

use crate::table::Command;

pub const ROWS: &[Command] = &[];
