//! A user: passwords, and what may be done with which keys and channels. A request is in order where one
//! selector alone, the user's own or one of the additional ones, allows all of it.

use std::collections::{BTreeMap, BTreeSet};

use squall_resp::Args;
use squall_store::glob_match;

use crate::table::{Flag, KeyFlag, Row, Table};

/// SHA-256, as ACL rules write it: 64 hexadecimal digits.
pub(super) type PasswordHash = String;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct User {
    pub enabled: bool,
    /// Any password is right, or none.
    pub nopass: bool,
    /// Whether payloads of RESTORE are looked at closely, where somebody has said so. They always are.
    pub sanitize_payload: Option<bool>,
    /// In the order in which they were added.
    pub passwords: Vec<PasswordHash>,
    /// The user's own permissions.
    pub root: Selector,
    pub selectors: Vec<Selector>,
}

/// What is allowed together.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Selector {
    /// By the row's number, one bit each.
    commands: Vec<u64>,
    /// Commands that are allowed with some first arguments only.
    first_arguments: BTreeMap<u16, BTreeSet<Vec<u8>>>,
    /// How the commands were given and taken, the base first: what is shown.
    pub rules: Vec<String>,
    pub keys: Vec<KeyPattern>,
    pub channels: Vec<Vec<u8>>,
}

/// Keys that may be read, written, or both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeyPattern {
    pub pattern: Vec<u8>,
    pub read: bool,
    pub write: bool,
}

/// What a user may not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Denied {
    Command,
    Key(Vec<u8>),
    Channel(Vec<u8>),
}

impl User {
    /// Nobody who may do nothing.
    pub fn fresh(all_channels: bool) -> User {
        let mut root = Selector::none();
        if all_channels {
            root.channels.push(b"*".to_vec());
        }
        User {
            enabled: false,
            nopass: false,
            sanitize_payload: None,
            passwords: Vec::new(),
            root,
            selectors: Vec::new(),
        }
    }

    /// The default user of a server without rules.
    pub fn unrestricted() -> User {
        let mut user = User::fresh(true);
        (user.enabled, user.nopass) = (true, true);
        user.root.allow_all_commands();
        user.root.keys.push(KeyPattern { pattern: b"*".to_vec(), read: true, write: true });
        user
    }

    /// Whether nothing that the user sends can be refused.
    pub fn is_unrestricted(&self) -> bool {
        let root = &self.root;
        root.rules == ["+@all"]
            && root.keys.iter().any(|key| key.pattern == b"*" && key.read && key.write)
            && root.channels.iter().any(|channel| channel == b"*")
    }

    /// Whether the user may send this request. Of several refusals the one that came furthest is told.
    pub fn check(&self, row: &Row, args: Args<'_>) -> Result<(), Denied> {
        if row.command.flags.has(Flag::NoAuth) {
            return Ok(());
        }
        let mut denied = Denied::Command;
        for selector in std::iter::once(&self.root).chain(&self.selectors) {
            match selector.check(row, args) {
                Ok(()) => return Ok(()),
                Err(further) if rank(&further) > rank(&denied) => denied = further,
                Err(_) => {}
            }
        }
        Err(denied)
    }

    /// Whether the user may listen to this channel, or to all that match this pattern.
    pub fn may_listen(&self, channel: &[u8], is_pattern: bool) -> bool {
        std::iter::once(&self.root)
            .chain(&self.selectors)
            .any(|selector| selector.has_channel(channel, is_pattern))
    }
}

fn rank(denied: &Denied) -> u8 {
    match denied {
        Denied::Command => 0,
        Denied::Key(_) => 1,
        Denied::Channel(_) => 2,
    }
}

impl Selector {
    /// Allows nothing.
    pub fn none() -> Selector {
        let words = Table::shared().rows().len().div_ceil(64);
        Selector { commands: vec![0; words], rules: vec!["-@all".into()], ..Selector::default() }
    }

    pub fn allow_all_commands(&mut self) {
        self.commands.fill(u64::MAX);
        self.first_arguments.clear();
        self.rules = vec!["+@all".into()];
    }

    pub fn deny_all_commands(&mut self) {
        self.commands.fill(0);
        self.first_arguments.clear();
        self.rules = vec!["-@all".into()];
    }

    /// Gives or takes one row, and the subcommands of a container.
    pub fn set(&mut self, row: &Row, allowed: bool) {
        let table = Table::shared();
        let rows = std::iter::once(row).chain(table.subcommands(row));
        for row in rows {
            let (word, bit) = (usize::from(row.id.0) / 64, row.id.0 % 64);
            match allowed {
                true => self.commands[word] |= 1 << bit,
                false => self.commands[word] &= !(1 << bit),
            }
            self.first_arguments.remove(&row.id.0);
        }
    }

    /// Allows a command with one more first argument.
    pub fn allow_first_argument(&mut self, row: &Row, argument: &[u8]) {
        let arguments = self.first_arguments.entry(row.id.0).or_default();
        arguments.insert(argument.to_ascii_lowercase());
    }

    fn check(&self, row: &Row, args: Args<'_>) -> Result<(), Denied> {
        if !self.allows_command(row, args) {
            return Err(Denied::Command);
        }
        if !self.keys.iter().any(|key| key.pattern == b"*" && key.read && key.write) {
            for found in row.command.find_keys(args).unwrap_or_default() {
                let key = args.at(found.index);
                let needs_read = found.flags.has(KeyFlag::Access);
                let needs_write = [KeyFlag::Insert, KeyFlag::Delete, KeyFlag::Update]
                    .into_iter()
                    .any(|flag| found.flags.has(flag));
                let is_channel = found.flags.has(KeyFlag::NotKey);
                let allowed = |known: &KeyPattern| {
                    (known.read || !needs_read)
                        && (known.write || !needs_write)
                        && glob_match(&known.pattern, key)
                };
                if !is_channel && !self.keys.iter().any(allowed) {
                    return Err(Denied::Key(key.to_vec()));
                }
            }
        }
        let (channels, are_patterns) = channels_of(row, args);
        match channels.iter().find(|channel| !self.has_channel(channel, are_patterns)) {
            Some(channel) => Err(Denied::Channel(channel.to_vec())),
            None => Ok(()),
        }
    }

    fn allows_command(&self, row: &Row, args: Args<'_>) -> bool {
        let (word, bit) = (usize::from(row.id.0) / 64, row.id.0 % 64);
        if self.commands[word] & 1 << bit != 0 {
            return true;
        }
        let first = args.get(if row.parent.is_some() { 2 } else { 1 });
        let arguments = self.first_arguments.get(&row.id.0);
        arguments.zip(first).is_some_and(|(known, first)| known.contains(&first.to_ascii_lowercase()))
    }

    /// A pattern to listen to has to be one of the patterns given, word for word.
    fn has_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.channels.iter().any(|known| {
            known == b"*" || if is_pattern { known == channel } else { glob_match(known, channel) }
        })
    }
}

/// The channels that a request is about, and whether they are patterns.
fn channels_of<'a>(row: &Row, args: Args<'a>) -> (Vec<&'a [u8]>, bool) {
    match row.full_name.as_str() {
        "publish" | "spublish" => (args.get(1).into_iter().collect(), false),
        "subscribe" | "ssubscribe" => (args.iter().skip(1).collect(), false),
        "psubscribe" => (args.iter().skip(1).collect(), true),
        _ => (Vec::new(), false),
    }
}
