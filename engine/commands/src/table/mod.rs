//! The command table: data about each command, and its function. Routing, permission checks, COMMAND and
//! its documentation all derive from the row. The rows stand beside the functions of their family; this
//! module gathers them once, numbers them, and finds a row by a request's first words.
//!
//! The look-up is on the path of every request: the name's two ends as lower-cased words are hashed and
//! compared, one probe in a table a quarter full, no allocation.

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
    crate::bitmaps::ROWS,
    crate::blocking::ROWS,
    crate::catalog::ROWS,
    crate::cluster::ROWS,
    crate::connection::ROWS,
    crate::functions::ROWS,
    crate::generic::ROWS,
    crate::geo::ROWS,
    crate::hashes::ROWS,
    crate::hyperloglog::ROWS,
    crate::lists::ROWS,
    crate::pubsub::ROWS,
    crate::scripts::ROWS,
    crate::sets::ROWS,
    crate::sorted_sets::ROWS,
    crate::streams::ROWS,
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
    slots: Box<[Slot; SLOTS]>,
}

const SLOTS: usize = 1024;

/// A row by the hash of its name; of no length where it is free.
#[derive(Clone, Copy, Default)]
struct Slot {
    name: Name,
    row: u16,
}

/// A name without its case: its length and both of its ends, in one word if they fit. Up to 16 bytes that is all of
/// it.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Name {
    head: u64,
    tail: u64,
    len: usize,
}

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
        let mut slots = Box::new([Slot::default(); SLOTS]);
        for (index, row) in rows[..top_level].iter().enumerate() {
            let name = Name::of(row.command.name.as_bytes());
            let mut slot = name.slot();
            while slots[slot].name.len != 0 {
                assert_ne!(
                    rows[slots[slot].row as usize].command.name, row.command.name,
                    "two rows of one name"
                );
                slot = (slot + 1) % SLOTS;
            }
            slots[slot] = Slot { name, row: index as u16 };
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
    pub fn command(&self, text: &[u8]) -> Option<&Row> {
        let name = Name::of(text);
        let mut at = name.slot();
        loop {
            let slot = &self.slots[at];
            if slot.name == name && name.len != 0 {
                let row = &self.rows[slot.row as usize];
                if name.is_whole() || row.command.name.as_bytes().eq_ignore_ascii_case(text) {
                    return Some(row);
                }
            }
            if slot.name.len == 0 {
                return None;
            }
            at = (at + 1) % SLOTS;
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

impl Name {
    #[inline]
    fn of(name: &[u8]) -> Name {
        let (head, tail) = match name.len() {
            0 => (0, 0),
            1..4 => {
                let ends = u64::from(name[0]) | u64::from(name[name.len() - 1]) << 8;
                (ends | u64::from(name[name.len() / 2]) << 16, 0)
            }
            4..8 => (u64::from(four(name)) | u64::from(four(&name[name.len() - 4..])) << 32, 0),
            _ => (eight(name), eight(&name[name.len() - 8..])),
        };
        Name { head: lower_case(head), tail: lower_case(tail), len: name.len() }
    }

    /// True where the ends leave nothing out.
    fn is_whole(self) -> bool {
        self.len <= 16
    }

    /// Where the search for it begins. Two names may meet.
    #[inline]
    fn slot(self) -> usize {
        let mixed = self.head ^ self.tail.rotate_left(29) ^ self.len as u64;
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SLOTS
    }
}

/// Each of the eight bytes in lower case, at once.
#[inline]
fn lower_case(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let seven_bits = word & !HIGH;
    // The high bit of each byte tells, of its other seven: at least 'A', and above 'Z'.
    let from_a = seven_bits + (0x80 - b'A' as u64) * ONES;
    let above_z = seven_bits + (0x80 - b'Z' as u64 - 1) * ONES;
    let capital = from_a & !above_z & !word & HIGH;
    word | capital >> 2
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
        for near in [b"ge\x54".as_slice(), b"g\x45t", b"get\0", b"\x07et", b"ge"] {
            assert_eq!(table.command(near).is_some(), near.eq_ignore_ascii_case(b"get"));
        }
        assert!(table.command(b"").is_none());
        assert!(table.by_full_name(b"get|x").is_none());
    }

    #[test]
    fn lower_case_is_that_of_ascii() {
        for byte in 0..=u8::MAX {
            let word = u64::from_le_bytes([byte, b'A', byte, b'[', 0xff, b'Z', b'@', byte]);
            let expected = word.to_le_bytes().map(|byte| byte.to_ascii_lowercase());
            assert_eq!(lower_case(word).to_le_bytes(), expected);
        }
    }

    #[test]
    fn look_ups_seldom_probe_twice() {
        let table = Table::shared();
        let crowded = table
            .commands()
            .iter()
            .filter(|row| table.slots[Name::of(row.command.name.as_bytes()).slot()].row != row.id.0)
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
