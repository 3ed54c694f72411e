//! The scripting family: EVAL and its kin, SCRIPT, and the machine that scripts run in. Libraries of
//! functions, which share the machine, are the family `functions`.
//!
//! - `vm`: Lua, its libraries, its memory limit; `prelude.lua`: the part of the sandbox that is Lua;
//! - `running`: a script on its own stack; `drive`: answering what it asks of the engine, slice by slice;
//! - `api`: the table `redis`; `libraries`: cjson, cmsgpack, struct, bit;
//! - `lua_value`, `reply_of`: replies to values and back; `raise`: errors; `flags`: `#!lua flags=...`;
//! - `eval`: the commands and the cache of scripts.
//!
//! Replicas and the append-only file never see a script, only the commands that changed something, as one
//! unit. The specification is Redis's documentation of its Lua API; a running Redis 7.0 is asked in the tests.

mod api;
pub(crate) mod drive;
mod eval;
pub(crate) mod flags;
mod libraries;
mod lua_value;
mod numbers;
mod order;
mod patterns;
pub(crate) mod raise;
mod random;
mod reply_of;
pub(crate) mod running;
pub(crate) mod vm;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use mlua::Function;
use squall_resp::Args;

use crate::functions::Libraries;
use crate::server::Environment;
use crate::table::{Argument, Category, Command, Flag, FoundKey, Group, KeyFlag, KeyFlags, KeySpec};
use crate::{Context, catalog};
pub(crate) use drive::Run;
pub(crate) use drive::Spec;
pub(crate) use eval::kill_running;
pub(crate) use flags::ScriptFlags;
pub(crate) use running::Running;
use vm::{Purpose, Vm};

const SCRIPTING: &[Category] = &[Category::Scripting];
const RUN: &[Flag] = &[Flag::NoScript, Flag::Stale, Flag::SkipMonitor, Flag::NoMandatoryKeys];
const RUN_READ_ONLY: &[Flag] =
    &[Flag::NoScript, Flag::Stale, Flag::SkipMonitor, Flag::ReadOnly, Flag::NoMandatoryKeys];
const WRITTEN_KEYS: &[KeySpec] = &[KeySpec::counted(2, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update])
    .notes("The script may do anything to them.")];
const READ_KEYS: &[KeySpec] = &[KeySpec::counted(2, &[KeyFlag::Ro, KeyFlag::Access])];

pub(crate) const fn runs(name: &'static str, handler: crate::Handler) -> Command {
    Command::new(name, -3, handler)
        .group(Group::Scripting)
        .flags(RUN)
        .acl(SCRIPTING)
        .keys(WRITTEN_KEYS)
        .keys_found_by(keys_for_writing)
        .complexity("Depends on what is executed.")
}

pub(crate) const fn runs_read_only(name: &'static str, handler: crate::Handler) -> Command {
    Command::new(name, -3, handler)
        .group(Group::Scripting)
        .flags(RUN_READ_ONLY)
        .acl(SCRIPTING)
        .keys(READ_KEYS)
        .keys_found_by(keys_for_reading)
        .complexity("Depends on what is executed.")
}

pub(crate) const ARGUMENTS_TAIL: [Argument; 3] = [
    Argument::integer("numkeys"),
    Argument::key("key", 0).optional().multiple(),
    Argument::string("arg").optional().multiple(),
];

const BY_TEXT: &[Argument] =
    &[Argument::string("script"), ARGUMENTS_TAIL[0], ARGUMENTS_TAIL[1], ARGUMENTS_TAIL[2]];
const BY_DIGEST: &[Argument] =
    &[Argument::string("sha1"), ARGUMENTS_TAIL[0], ARGUMENTS_TAIL[1], ARGUMENTS_TAIL[2]];

pub const ROWS: &[Command] = &[
    runs("eval", eval::eval).since("2.6.0").summary("Runs a script.").arguments(BY_TEXT),
    runs_read_only("eval_ro", eval::eval)
        .since("7.0.0")
        .summary("Runs a script that does not write.")
        .arguments(BY_TEXT),
    runs("evalsha", eval::evalsha)
        .since("2.6.0")
        .summary("Runs a script that the server knows, by its SHA-1 digest.")
        .arguments(BY_DIGEST),
    runs_read_only("evalsha_ro", eval::evalsha)
        .since("7.0.0")
        .summary("Runs a script that does not write, by its SHA-1 digest.")
        .arguments(BY_DIGEST),
    Command::container("script", SUBCOMMANDS)
        .group(Group::Scripting)
        .since("2.6.0")
        .summary("The scripts that the server knows."),
];

const fn script(name: &'static str, arity: i32, handler: crate::Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Scripting).flags(&[Flag::NoScript]).acl(SCRIPTING)
}

const FLUSH_MODE: &[Argument] =
    &[Argument::one_of("flush-type", &[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")])
        .since("6.2.0")
        .optional()];
const DEBUG_MODE: &[Argument] = &[Argument::one_of(
    "mode",
    &[Argument::word("yes", "YES"), Argument::word("sync", "SYNC"), Argument::word("no", "NO")],
)];
const ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

const SUBCOMMANDS: &[Command] = &[
    script("debug", 3, eval::debug)
        .since("3.2.0")
        .summary("Sets the debugger for the scripts of this connection.")
        .arguments(DEBUG_MODE),
    script("exists", -3, eval::exists)
        .since("2.6.0")
        .complexity("O(N) where N is the number of digests.")
        .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"])
        .summary("Which scripts the server knows.")
        .arguments(&[Argument::string("sha1").multiple()]),
    script("flush", -2, eval::flush)
        .since("2.6.0")
        .complexity("O(N) where N is the number of scripts.")
        .tips(ALL_NODES)
        .history(&[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")])
        .summary("Forgets all scripts.")
        .arguments(FLUSH_MODE),
    script("help", 2, catalog::help)
        .flags(&[Flag::Loading, Flag::Stale])
        .since("5.0.0")
        .summary("Tells what SCRIPT can do."),
    script("kill", 2, eval::kill)
        .flags(&[Flag::NoScript, Flag::AllowBusy])
        .since("2.6.0")
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .summary("Ends the script that is running, if it has not written."),
    script("load", 3, eval::load)
        .flags(&[Flag::NoScript, Flag::Stale])
        .since("2.6.0")
        .complexity("O(N) where N is the length of the script.")
        .tips(ALL_NODES)
        .summary("Makes a script known to the server.")
        .arguments(&[Argument::string("script")]),
    script("show", 3, eval::show)
        .flags(&[Flag::NoScript, Flag::Stale])
        .since("8.0.0")
        .summary("The text of a script that the server knows.")
        .arguments(&[Argument::string("sha1")]),
];

/// The SHA-1 digest of a script's text: its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Digest([u8; 20]);

impl Digest {
    pub fn of(text: &[u8]) -> Digest {
        use sha1::Digest as _;
        Digest(sha1::Sha1::digest(text).into())
    }

    /// Forty hexadecimal digits, in either case.
    pub fn parse(text: &[u8]) -> Option<Digest> {
        let mut bytes = [0; 20];
        if text.len() != 40 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
            let digit = |letter: u8| char::from(letter).to_digit(16);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Some(Digest(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A script that the server knows.
pub(crate) struct Script {
    text: Vec<u8>,
    function: Function,
    flags: ScriptFlags,
    /// SCRIPT LOAD has made it known: it is kept until SCRIPT FLUSH.
    kept: bool,
}

/// Scripts that only EVAL has brought are forgotten beyond this number, the oldest first.
const EVALUATED_MAX: usize = 500;

/// All that the server knows of scripts and functions.
#[derive(Default)]
pub struct Scripts {
    /// The machine of EVAL; made when it is first needed.
    eval: Option<Vm>,
    known: BTreeMap<Digest, Script>,
    /// Those that only EVAL has brought, the oldest first.
    evaluated: VecDeque<Digest>,
    evicted: u64,
    pub(crate) libraries: Libraries,
    pub(crate) run: Option<Run>,
    pub(crate) running: Option<Running>,
}

impl Scripts {
    fn eval_vm(&mut self) -> &mut Vm {
        self.eval.get_or_insert_with(|| Vm::new(Purpose::Eval))
    }

    /// The script has ended.
    pub(crate) fn retire(&mut self, running: Running, purpose: Purpose) {
        match purpose {
            Purpose::Eval => running.retire(self.eval_vm()),
            Purpose::Functions => running.retire(self.libraries.vm()),
        }
    }

    /// How many scripts were forgotten to make room.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// For INFO: scripts known, bytes of their texts, bytes of the machines.
    pub fn figures(&self, environment: &Environment) -> ScriptFigures {
        let told = |bytes: usize| if environment.measures_scripts { bytes } else { 0 };
        ScriptFigures {
            scripts: self.known.len(),
            text_bytes: self.known.values().map(|script| script.text.len()).sum(),
            eval_vm_bytes: told(self.eval.as_ref().map_or(0, Vm::used_bytes)),
            functions_vm_bytes: told(self.libraries.vm_bytes()),
            functions: self.libraries.functions(),
            libraries: self.libraries.len(),
            functions_text_bytes: self.libraries.text_bytes(),
        }
    }
}

/// What INFO and MEMORY STATS tell of scripts.
#[derive(Clone, Copy, Default, Debug)]
pub struct ScriptFigures {
    pub scripts: usize,
    pub text_bytes: usize,
    pub eval_vm_bytes: usize,
    pub functions_vm_bytes: usize,
    pub functions: usize,
    pub libraries: usize,
    pub functions_text_bytes: usize,
}

/// The number of keys that a request announces, if it has as many words.
pub(crate) fn keys_len(
    context: &Context<'_>,
    not_a_number: &'static str,
) -> Result<usize, crate::CommandError> {
    let count = squall_store::parse_i64(context.arg(2)).ok_or(crate::CommandError::line(not_a_number))?;
    if count < 0 {
        return Err(crate::CommandError::line("ERR Number of keys can't be negative"));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > context.args.len() - 3 {
        return Err(crate::CommandError::line("ERR Number of keys can't be greater than number of args"));
    }
    Ok(count)
}

fn keys_for_writing(args: Args<'_>) -> Option<Vec<FoundKey>> {
    keys(args, KeyFlags::of(&[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update]))
}

fn keys_for_reading(args: Args<'_>) -> Option<Vec<FoundKey>> {
    keys(args, KeyFlags::of(&[KeyFlag::Ro, KeyFlag::Access]))
}

/// `script numkeys key ...`: none is a number of keys, too.
fn keys(args: Args<'_>, flags: KeyFlags) -> Option<Vec<FoundKey>> {
    let count = args.get(2).and_then(squall_store::parse_i64)?;
    let count = usize::try_from(count).ok().filter(|&count| count <= args.len() - 3)?;
    Some((3..3 + count).map(|index| FoundKey { index, flags }).collect())
}
