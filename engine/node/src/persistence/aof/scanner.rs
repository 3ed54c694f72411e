//! The bytes of one file of the log, told apart: commands, annotations, and what is neither. It executes
//! nothing, so that whoever checks a log reads it with the same eyes as the server that loads it.

use std::fmt;

use squall_replication::ReplId;
use squall_resp::{Args, Limits, Parsed, RequestParser};
use squall_store::rdb::crc64;

use super::annotation::{Annotation, LINE_BYTES_MAX, checked_len};

pub(crate) struct Scanner {
    parser: RequestParser,
    /// Where in the file the next item begins.
    offset: u64,
    /// The group that is open. What comes between groups was written by somebody else.
    group: Option<Group>,
    /// Where the last group that is as it was written ends, and how much was durable when it was.
    whole_up_to: u64,
    synced_bytes: Option<u64>,
    /// Commands have followed that group which are of none.
    others_follow: bool,
}

/// What a checksum will cover.
#[derive(Clone, Copy)]
struct Group {
    start: u64,
    checksum: u64,
    synced_bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Item {
    /// `Scanner::args` yields it, until it is passed.
    Command,
    Lineage(Option<ReplId>),
    /// A group begins; when it was written, so many bytes of the file were durable.
    Synced(u64),
    History(Option<ReplId>),
    /// All of the group before it is as it was written.
    Offset(Option<u64>),
    /// An annotation of no concern here.
    Other,
}

/// What was found at the start of the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scanned {
    /// More is needed.
    Incomplete,
    Item {
        item: Item,
        len: usize,
    },
}

/// What is wrong with the log, and from which byte of the file on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Damage {
    pub offset: u64,
    pub what: Fault,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Neither a command nor an annotation begins here.
    NoItem,
    /// A command without words, or with impossible lengths.
    Command,
    /// A line that does not end.
    Line,
    /// The commands from here on are not those that were written.
    Checksum,
    /// A group without end.
    Group,
}

/// The log is this server's own: what it wrote it reads, however long it is.
const LIMITS: Limits = Limits {
    bulk_bytes_max: u32::MAX as u64,
    multibulk_count_max: i32::MAX as u32,
    inline_bytes_max: 64 << 10,
    query_buffer_bytes_max: u64::MAX,
    authenticated: true,
};

impl Scanner {
    /// A scanner of a file of which `offset` bytes have been read by somebody else.
    pub fn starting_at(offset: u64) -> Scanner {
        Scanner {
            parser: RequestParser::new(),
            offset,
            group: None,
            whole_up_to: offset,
            synced_bytes: None,
            others_follow: false,
        }
    }

    /// The file is this server's own from its front on.
    pub fn expect_groups(&mut self) {
        self.synced_bytes = Some(self.offset);
    }

    /// How many bytes of the file are known to have been durable, where its end was written by this server.
    pub fn synced_bytes(&self) -> Option<u64> {
        self.synced_bytes.filter(|_| !self.others_follow)
    }

    /// Where the group begins that has no end yet.
    pub fn group_start(&self) -> Option<u64> {
        self.group.map(|group| group.start)
    }

    /// Where in the file the next item begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Looks at the start of `input`, which may only have grown since the last item was passed.
    pub fn look(&mut self, input: &[u8]) -> Result<Scanned, Damage> {
        match input.first() {
            None => Ok(Scanned::Incomplete),
            Some(b'#') => self.look_at_line(input),
            Some(b'*') => match self.parser.parse(input, &LIMITS) {
                Ok(Parsed::Incomplete) => Ok(Scanned::Incomplete),
                Ok(Parsed::Command { consumed }) if is_well_formed(self.parser.args(input), input) => {
                    Ok(Scanned::Item { item: Item::Command, len: consumed })
                }
                Ok(Parsed::Command { .. }) => Err(self.damage(Fault::Command)),
                Ok(Parsed::Empty { .. }) | Err(_) => Err(self.damage(Fault::Command)),
            },
            Some(_) => Err(self.damage(Fault::NoItem)),
        }
    }

    pub fn args<'a>(&'a self, input: &'a [u8]) -> Args<'a> {
        self.parser.args(input)
    }

    /// Goes on behind the item that was found at the start of the input: it consists of these bytes.
    pub fn pass(&mut self, item: Item, bytes: &[u8]) {
        let start = self.offset;
        self.offset += bytes.len() as u64;
        match (item, &mut self.group) {
            (Item::Synced(synced_bytes), group) => {
                *group = Some(Group { start, checksum: crc64(0, bytes), synced_bytes });
            }
            (Item::Offset(_), group) => {
                self.synced_bytes = group.take().map(|group| group.synced_bytes);
                self.whole_up_to = self.offset;
                self.others_follow = false;
            }
            (_, Some(group)) => group.checksum = crc64(group.checksum, bytes),
            (_, None) => self.others_follow |= item == Item::Command,
        }
    }

    /// How long the input must be before it is worth looking at again.
    pub fn bytes_wanted(&self, input_len: usize) -> usize {
        self.parser.bytes_wanted(input_len)
    }

    fn look_at_line(&self, input: &[u8]) -> Result<Scanned, Damage> {
        let within = &input[..input.len().min(LINE_BYTES_MAX)];
        let Some(end) = within.iter().position(|&byte| byte == b'\n') else {
            let is_too_long = input.len() >= LINE_BYTES_MAX;
            return if is_too_long { Err(self.damage(Fault::Line)) } else { Ok(Scanned::Incomplete) };
        };
        let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        if line.iter().any(u8::is_ascii_control) {
            return Err(self.damage(Fault::Line));
        }
        let item = match Annotation::parse(line) {
            Annotation::Other => Item::Other,
            Annotation::Lineage(lineage) => Item::Lineage(lineage),
            Annotation::Synced(synced_bytes) => match self.group {
                Some(group) => return Err(Damage { offset: group.start, what: Fault::Checksum }),
                None => Item::Synced(synced_bytes),
            },
            Annotation::History(id) => Item::History(id),
            Annotation::Offset { offset, checksum } => {
                let unknown = Damage { offset: self.whole_up_to, what: Fault::Checksum };
                let group = self.group.ok_or(unknown)?;
                if crc64(group.checksum, &line[..checked_len(line)]) != checksum {
                    return Err(Damage { offset: group.start, what: Fault::Checksum });
                }
                Item::Offset(offset)
            }
        };
        Ok(Scanned::Item { item, len: end + 1 })
    }

    fn damage(&self, what: Fault) -> Damage {
        Damage { offset: self.offset, what }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::NoItem => "no command and no annotation begins",
            Fault::Command => "an impossible command begins",
            Fault::Line => "a line without end, or with other than text, begins",
            Fault::Checksum => "commands that do not match their checksum begin",
            Fault::Group => "a group of commands without its end begins",
        })
    }
}

/// Whether each word of a command ends as a word does. A client's mistake there is its own business, but in a
/// file it means that what lies before the end is not what was written.
fn is_well_formed(args: Args<'_>, input: &[u8]) -> bool {
    let after_line =
        |at: usize| input.get(at..)?.iter().position(|&byte| byte == b'\n').map(|end| at + end + 1);
    let mut at = after_line(0);
    for arg in args.iter() {
        let end = at.and_then(after_line).map(|start| start + arg.len());
        at = end
            .filter(|&end| input.get(end..).is_some_and(|rest| rest.starts_with(b"\r\n")))
            .map(|end| end + 2);
    }
    at.is_some()
}

/// Whether a whole command begins anywhere in these bytes but at their front: then they are no torn end,
/// for something was written behind the damage. Text in a value can look like a command; then this errs on
/// the side of keeping it.
pub(crate) fn holds_whole_command(bytes: &[u8]) -> bool {
    let starts = bytes.windows(2).enumerate().filter(|(_, pair)| pair == b"\n*").map(|(at, _)| at + 1);
    for (number, start) in starts.enumerate() {
        let found = Scanner::starting_at(0).look(&bytes[start..]);
        // So many beginnings are no accident either.
        if matches!(found, Ok(Scanned::Item { .. })) || number >= CANDIDATES_MAX {
            return true;
        }
    }
    false
}

/// How much of a file was durable, by the last group in these bytes that is as it was written. What lies
/// before that group may be damaged.
pub(crate) fn last_synced_bytes(bytes: &[u8]) -> Option<u64> {
    let mut synced_bytes = None;
    let mut rest = bytes;
    for _ in 0..CANDIDATES_MAX {
        let Some(start) = memchr::memmem::find(rest, GROUP_BEGINS) else { break };
        rest = &rest[start..];
        let (passed, found) = pass_groups(rest, usize::MAX);
        synced_bytes = synced_bytes.max(found);
        rest = &rest[passed.max(GROUP_BEGINS.len())..];
    }
    synced_bytes
}

/// Whether a group at the front of these bytes is as it was written.
pub(crate) fn begins_with_whole_group(bytes: &[u8]) -> bool {
    bytes.starts_with(GROUP_BEGINS) && pass_groups(bytes, 1).0 > 0
}

const GROUP_BEGINS: &[u8] = b"#SYNCED:";

/// How long the groups at the front are that are as they were written, and what the last of them says.
fn pass_groups(bytes: &[u8], groups_max: usize) -> (usize, Option<u64>) {
    let mut scanner = Scanner::starting_at(0);
    let mut groups = 0;
    while groups < groups_max {
        let rest = &bytes[scanner.offset() as usize..];
        let Ok(Scanned::Item { item, len }) = scanner.look(rest) else { break };
        scanner.pass(item, &rest[..len]);
        groups += usize::from(matches!(item, Item::Offset(_)));
    }
    (scanner.whole_up_to as usize, scanner.synced_bytes)
}

const CANDIDATES_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use squall_resp::encode_command;

    use super::super::annotation::{begin_group, end_group, put_history};
    use super::*;

    /// Two groups, as they are written.
    fn log() -> BytesMut {
        let mut log = BytesMut::new();
        begin_group(&mut log);
        put_history(&mut log, None);
        encode_command(&mut log, [b"SET".as_slice(), b"k", b"value"].into_iter());
        end_group(&mut log, 0, 0, Some(30));
        let second = log.len();
        begin_group(&mut log);
        encode_command(&mut log, [b"INCR".as_slice(), b"n"].into_iter());
        encode_command(&mut log, [b"INCR".as_slice(), b"n"].into_iter());
        end_group(&mut log, second, second as u64, Some(70));
        log
    }

    /// All items, or the damage; false where the end is torn.
    fn scan(bytes: &[u8]) -> Result<(Vec<Item>, bool), Damage> {
        let mut scanner = Scanner::starting_at(0);
        let mut items = Vec::new();
        loop {
            let rest = &bytes[scanner.offset() as usize..];
            match scanner.look(rest)? {
                Scanned::Incomplete => return Ok((items, rest.is_empty())),
                Scanned::Item { item, len } => {
                    scanner.pass(item, &rest[..len]);
                    items.push(item);
                }
            }
        }
    }

    #[test]
    fn groups_are_scanned() {
        let second = last_synced_bytes(&log()).expect("whole groups");
        let items = [
            Item::Synced(0),
            Item::History(None),
            Item::Command,
            Item::Offset(Some(30)),
            Item::Synced(second),
            Item::Command,
            Item::Command,
            Item::Offset(Some(70)),
        ];
        assert_eq!(scan(&log()), Ok((items.to_vec(), true)));
    }

    /// No bit can turn without being noticed, but that of a letter in a checksum, which changes nothing.
    #[test]
    fn every_flipped_bit_is_noticed() {
        let log = log();
        let (whole, _) = scan(&log).unwrap();
        for bit in 0..log.len() * 8 {
            let mut flipped = log.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let noticed = match scan(&flipped) {
                Err(_) => true,
                Ok((items, complete)) => !complete || items != whole,
            };
            let is_case_of_letter = log[bit / 8].is_ascii_alphabetic() && bit % 8 == 5;
            assert!(noticed || is_case_of_letter, "bit {bit} of {:?}", log.escape_ascii());
        }
    }

    #[test]
    fn a_group_behind_damage_tells_what_was_durable() {
        let log = log();
        let second = last_synced_bytes(&log).expect("whole groups");
        assert!(log[second as usize..].starts_with(GROUP_BEGINS) && begins_with_whole_group(&log));
        for at in 0..log.len() {
            let mut holed = log.clone();
            holed[at] = 0;
            let is_first = (at as u64) < second;
            assert_eq!(last_synced_bytes(&holed), Some(if is_first { second } else { 0 }), "byte {at}");
            assert_eq!(begins_with_whole_group(&holed), !is_first, "byte {at}");
        }
        assert_eq!(last_synced_bytes(&log[..second as usize - 1]), None);
    }

    #[test]
    fn a_torn_end_is_told_from_damage_in_the_middle() {
        let log = log();
        for len in 0..log.len() {
            assert!(scan(&log[..len]).is_ok(), "{len}");
        }
        assert!(holds_whole_command(&log));
        assert!(!holds_whole_command(b"*2\r\n$3\r\nGET\r\n$100\r\nabc"));
        assert!(holds_whole_command(b"garbage\r\n*1\r\n$4\r\nPING\r\n"));
        assert!(!holds_whole_command(&[0; 4096]));
    }
}
