//! A command as data: its name, shape, permissions, keys and documentation, and the function that does it.
//! Rows are constants beside the functions of their family, built with const chains:
//!
//! ```
//! use squall_commands::table::{Category, Command, Flag, Group, KeyFlag, KeySpec};
//! # fn get(_: &mut squall_commands::Context<'_>) -> squall_commands::CommandResult { Ok(()) }
//! const ROWS: &[Command] = &[Command::new("get", 2, get)
//!     .group(Group::String)
//!     .flags(&[Flag::ReadOnly, Flag::Fast])
//!     .keys(&[KeySpec::one(1, &[KeyFlag::Ro, KeyFlag::Access])])
//!     .acl(&[Category::String])
//!     .since("1.0.0")
//!     .complexity("O(1)")
//!     .summary("Returns the string value of a key.")];
//! # assert_eq!(ROWS.len(), 1);
//! ```

use squall_resp::Args;

use super::{Argument, Categories, Category, Flag, Flags, FoundKey, KeySpec};
use crate::context::Handler;
use crate::{CommandError, CommandResult, Context};

/// The chapter of the documentation that a command belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    PubSub,
    Transactions,
    Connection,
    Server,
    Scripting,
    HyperLogLog,
    Cluster,
    Sentinel,
    Geo,
    Stream,
    Bitmap,
}

impl Group {
    pub const fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::PubSub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::HyperLogLog => "hyperloglog",
            Group::Cluster => "cluster",
            Group::Sentinel => "sentinel",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
        }
    }
}

/// Finds the keys of a command whose words decide where they are, or what is done to them. `None`: the
/// words do not fit the command.
pub type KeyFinder = fn(Args<'_>) -> Option<Vec<FoundKey>>;

/// One row of the command table. A subcommand is a row too, in its container's `subcommands`.
pub struct Command {
    pub name: &'static str,
    /// The number of words, the name (and a subcommand's) counted; negative: at least so many.
    pub arity: i32,
    pub handler: Handler,
    pub flags: Flags,
    pub group: Group,
    pub categories: Categories,
    pub key_specs: &'static [KeySpec],
    pub key_finder: Option<KeyFinder>,
    /// What cluster clients need to know to send the command to several nodes, and to compare replies.
    pub tips: &'static [&'static str],
    pub since: &'static str,
    pub complexity: &'static str,
    pub summary: &'static str,
    /// (version, what changed in it)
    pub history: &'static [(&'static str, &'static str)],
    /// (version, what to use instead)
    pub deprecated: Option<(&'static str, &'static str)>,
    pub arguments: &'static [Argument],
    pub subcommands: &'static [Command],
}

impl Command {
    pub const fn new(name: &'static str, arity: i32, handler: Handler) -> Command {
        Command {
            name,
            arity,
            handler,
            flags: Flags::of(&[]),
            group: Group::Generic,
            categories: Categories::of(&[]),
            key_specs: &[],
            key_finder: None,
            tips: &[],
            since: "1.0.0",
            complexity: "O(1)",
            summary: "",
            history: &[],
            deprecated: None,
            arguments: &[],
            subcommands: &[],
        }
    }

    /// A command that does nothing itself: `CONFIG`, `CLIENT`.
    pub const fn container(name: &'static str, subcommands: &'static [Command]) -> Command {
        let mut command = Command::new(name, -2, refuse_container).complexity("Depends on subcommand.");
        command.subcommands = subcommands;
        command
    }

    pub const fn group(mut self, group: Group) -> Command {
        self.group = group;
        self
    }

    pub const fn flags(mut self, flags: &[Flag]) -> Command {
        self.flags = Flags::of(flags);
        self
    }

    /// The ACL categories that do not follow from the flags.
    pub const fn acl(mut self, categories: &[Category]) -> Command {
        self.categories = Categories::of(categories);
        self
    }

    pub const fn keys(mut self, specs: &'static [KeySpec]) -> Command {
        self.key_specs = specs;
        self
    }

    /// Where the specs cannot tell: COMMAND GETKEYS and routing ask `finder` instead.
    pub const fn keys_found_by(mut self, finder: KeyFinder) -> Command {
        self.key_finder = Some(finder);
        self
    }

    pub const fn tips(mut self, tips: &'static [&'static str]) -> Command {
        self.tips = tips;
        self
    }

    pub const fn since(mut self, version: &'static str) -> Command {
        self.since = version;
        self
    }

    pub const fn complexity(mut self, complexity: &'static str) -> Command {
        self.complexity = complexity;
        self
    }

    pub const fn summary(mut self, summary: &'static str) -> Command {
        self.summary = summary;
        self
    }

    pub const fn history(mut self, history: &'static [(&'static str, &'static str)]) -> Command {
        self.history = history;
        self
    }

    pub const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Command {
        self.deprecated = Some((since, replaced_by));
        self
    }

    pub const fn arguments(mut self, arguments: &'static [Argument]) -> Command {
        self.arguments = arguments;
        self
    }

    pub const fn subcommands(mut self, subcommands: &'static [Command]) -> Command {
        self.subcommands = subcommands;
        self
    }

    pub const fn accepts(&self, words: usize) -> bool {
        if self.arity >= 0 {
            words == self.arity as usize
        } else {
            words >= self.arity.unsigned_abs() as usize
        }
    }

    /// The ACL categories, those that follow from the flags included.
    pub const fn all_categories(&self) -> Categories {
        self.categories.implied_by(self.flags)
    }

    /// The flags, those that follow from the key specs included.
    pub fn all_flags(&self) -> Flags {
        let movable = self.key_specs.iter().any(|spec| spec.triple().is_none() || !spec.is_complete());
        if movable { self.flags.with(Flag::MovableKeys) } else { self.flags }
    }

    /// The keys among `args`; `None` where the words do not fit the command.
    pub fn find_keys(&self, args: Args<'_>) -> Option<Vec<FoundKey>> {
        if let Some(finder) = self.key_finder {
            return finder(args);
        }
        let mut found = Vec::new();
        self.key_specs.iter().all(|spec| spec.find(args, &mut found)).then_some(found)
    }

    /// The classic (first, last, step) of COMMAND over all specs: from the first key to the last.
    pub fn key_triple(&self) -> (i64, i64, i64) {
        let mut triples = self.key_specs.iter().filter_map(KeySpec::triple);
        let Some((mut first, mut last, mut step)) = triples.next() else { return (0, 0, 0) };
        for (next_first, next_last, next_step) in triples {
            first = first.min(next_first);
            // A negative last counts from the end, which is behind every fixed word.
            last = if last < 0 || (next_last >= 0 && next_last < last) { last } else { next_last };
            step = step.min(next_step);
        }
        (first, last, step)
    }
}

/// A container alone is refused by the arity check, an unknown subcommand by the look-up.
fn refuse_container(_context: &mut Context<'_>) -> CommandResult {
    Err(CommandError::Syntax)
}
