//! The string family: values that are bytes or integers.

use crate::table::Command;

pub const ROWS: &[Command] = &[];
