//! The command table: data about each command, and its function. Routing, permission checks, COMMAND and
//! its documentation all derive from the row. The rows stand beside the functions of their family; this
//! module gathers them once, numbers them, and finds a row by a request's first words.
//!
//! The look-up is on the path of every request: a hash over two words of the lower-cased name, one probe
//! in a table a quarter full, no allocation.

mod argument;
mod flags;
mod key_spec;
mod row;

use std::sync::LazyLock;

pub use argument::{Argument, ArgumentKind};
pub use flags::{Categories, Category, Flag, Flags};
pub use key_spec::{BeginSearch, FindKeys, FoundKey, KeyFlag, KeyFlags, KeySpec};
pub use row::{Command, Group, KeyFinder};
use squall_resp::Args;

use crate::dispatch::Gates;

/// All families. A new family is added here and nowhere else.
const FAMILIES: &[&[Command]] = &[
    crate::administration::ROWS,
    crate::catalog::ROWS,
    crate::connection::ROWS,
    crate::generic::ROWS,
    crate::strings::ROWS,
    crate::transactions::ROWS,
];

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::gather(FAMILIES));

/// A row's number: the index of its counters in [`crate::stats::Stats`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CommandId(pub u16);

/// A row in its place.
pub struct Row {
    pub id: CommandId,
    /// `get`, `client|list`.
    pub full_name: String,
    pub command: &'static Command,
    /// What the dispatcher has to be sure of before the call.
    pub gates: Gates,
    /// The rows of its subcommands, which follow each other.
    subcommands: std::ops::Range<usize>,
    pub parent: Option<CommandId>,
}

/// Every command, commands before subcommands.
pub struct Table {
    rows: Vec<Row>,
    top_level: usize,
    /// Row number plus one, by hash; zero is free.
    slots: Box<[u16; SLOTS]>,
}

const SLOTS: usize = 1024;

/// The outcome of a look-up by a request's words.
#[derive(Clone, Copy)]
pub enum Found<'t> {
    Row(&'t Row),
    UnknownCommand,
    /// The container exists, but not its subcommand.
    UnknownSubcommand(&'t Row),
}

impl Table {
    /// The one table; the same in every node of a process, and never changed.
    pub fn shared() -> &'static Table {
        &TABLE
    }

    fn gather(families: &[&'static [Command]]) -> Table {
        let mut rows = Vec::new();
        for command in families.iter().copied().flatten() {
            rows.push(Row::new(rows.len(), command, None));
        }
        let top_level = rows.len();
        for parent in 0..top_level {
            let first = rows.len();
            let subcommands = rows[parent].command.subcommands;
            for command in subcommands {
                let row = Row::new(rows.len(), command, Some(&rows[parent]));
                rows.push(row);
            }
            rows[parent].subcommands = first..rows.len();
        }
        assert!(top_level * 2 < SLOTS, "too many commands for the look-up table");
        let mut slots = Box::new([0u16; SLOTS]);
        for (index, row) in rows[..top_level].iter().enumerate() {
            let name = row.command.name.as_bytes();
            let mut slot = slot_of(name);
            while slots[slot] != 0 {
                let other = &rows[slots[slot] as usize - 1];
                assert_ne!(other.command.name.as_bytes(), name, "two rows of one name");
                slot = (slot + 1) % SLOTS;
            }
            slots[slot] = index as u16 + 1;
        }
        Table { rows, top_level, slots }
    }

    /// The row that a request is for: by its first word, or its first two where the first is a container.
    #[inline]
    pub fn find(&self, args: Args<'_>) -> Found<'_> {
        let Some(row) = args.get(0).and_then(|name| self.command(name)) else { return Found::UnknownCommand };
        if row.subcommands.is_empty() {
            return Found::Row(row);
        }
        match args.get(1) {
            None => Found::Row(row),
            Some(name) => match self.subcommand(row, name) {
                Some(subcommand) => Found::Row(subcommand),
                None => Found::UnknownSubcommand(row),
            },
        }
    }

    /// A command by name alone, in any case.
    #[inline]
    pub fn command(&self, name: &[u8]) -> Option<&Row> {
        let mut slot = slot_of(name);
        loop {
            let index = (self.slots[slot] as usize).checked_sub(1)?;
            let row = &self.rows[index];
            if row.command.name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(row);
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    pub fn subcommand(&self, container: &Row, name: &[u8]) -> Option<&Row> {
        self.subcommands(container).iter().find(|row| row.command.name.as_bytes().eq_ignore_ascii_case(name))
    }

    pub fn subcommands(&self, container: &Row) -> &[Row] {
        &self.rows[container.subcommands.clone()]
    }

    /// `get`, `CLIENT|LIST`.
    pub fn by_full_name(&self, name: &[u8]) -> Option<&Row> {
        match name.iter().position(|&byte| byte == b'|') {
            None => self.command(name),
            Some(bar) => self.subcommand(self.command(&name[..bar])?, &name[bar + 1..]),
        }
    }

    pub fn row(&self, id: CommandId) -> &Row {
        &self.rows[id.0 as usize]
    }

    /// All rows, subcommands too.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub fn commands(&self) -> &[Row] {
        &self.rows[..self.top_level]
    }
}

impl Row {
    fn new(index: usize, command: &'static Command, parent: Option<&Row>) -> Row {
        let full_name = match parent {
            None => command.name.to_string(),
            Some(parent) => format!("{}|{}", parent.full_name, command.name),
        };
        Row {
            id: CommandId(u16::try_from(index).expect("fewer than 65536 commands")),
            full_name,
            command,
            gates: Gates::of(command),
            subcommands: 0..0,
            parent: parent.map(|parent| parent.id),
        }
    }

    pub fn is_container(&self) -> bool {
        !self.command.subcommands.is_empty()
    }
}

/// Folds the ends of the name, its case dropped, into a slot. Two names may meet; names are compared after.
#[inline]
fn slot_of(name: &[u8]) -> usize {
    const LOWER: u64 = 0x2020_2020_2020_2020;
    let (head, tail) = match name.len() {
        0 => (0, 0),
        1..4 => (u64::from(name[0]), u64::from(name[name.len() / 2]) << 8 | u64::from(name[name.len() - 1])),
        4..8 => (u64::from(four(name)), u64::from(four(&name[name.len() - 4..]))),
        _ => (eight(name), eight(&name[name.len() - 8..])),
    };
    let mixed = (head | LOWER).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (tail | LOWER).wrapping_add(name.len() as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((mixed ^ mixed >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SLOTS
}

fn four(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn eight(bytes: &[u8]) -> u64 {
    u64::from(four(bytes)) | u64::from(four(&bytes[4..])) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_in_any_case() {
        let table = Table::shared();
        for row in table.rows() {
            let found = table.by_full_name(row.full_name.to_uppercase().as_bytes()).expect("row is found");
            assert_eq!(found.id, row.id);
        }
        assert!(table.command(b"nosuch").is_none());
        assert!(table.command(b"").is_none());
        assert!(table.by_full_name(b"get|x").is_none());
    }

    #[test]
    fn look_ups_seldom_probe_twice() {
        let table = Table::shared();
        let crowded = table
            .commands()
            .iter()
            .filter(|row| table.slots[slot_of(row.command.name.as_bytes())] as usize != row.id.0 as usize + 1)
            .count();
        assert!(crowded * 5 < table.commands().len(), "{crowded} rows are not in their own slot");
    }

    #[test]
    fn rows_are_documented() {
        for row in Table::shared().rows() {
            let command = row.command;
            assert!(
                command
                    .name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
            );
            assert!(!command.summary.is_empty(), "{} has no summary", row.full_name);
            assert!(command.arity != 0, "{} has no arity", row.full_name);
        }
    }
}
