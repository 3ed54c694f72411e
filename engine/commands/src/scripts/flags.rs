//! What a script says about itself: the flags of its first line (`#!lua flags=no-writes`), or of
//! `redis.register_function`, and what they mean before it runs.

use crate::engine::{Engine, Role};
use crate::{CommandError, CommandResult};

/// One flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ScriptFlag(u8);

pub(crate) const NO_WRITES: ScriptFlag = ScriptFlag(1);
pub(crate) const ALLOW_OOM: ScriptFlag = ScriptFlag(1 << 1);
pub(crate) const ALLOW_STALE: ScriptFlag = ScriptFlag(1 << 2);
pub(crate) const NO_CLUSTER: ScriptFlag = ScriptFlag(1 << 3);
pub(crate) const ALLOW_CROSS_SLOT_KEYS: ScriptFlag = ScriptFlag(1 << 4);
/// It has no first line of its own: nothing is asked before it runs, each of its commands is.
pub(crate) const UNDECLARED: ScriptFlag = ScriptFlag(1 << 5);

const NAMES: [(&str, ScriptFlag); 5] = [
    ("no-writes", NO_WRITES),
    ("allow-oom", ALLOW_OOM),
    ("allow-stale", ALLOW_STALE),
    ("no-cluster", NO_CLUSTER),
    ("allow-cross-slot-keys", ALLOW_CROSS_SLOT_KEYS),
];

/// A set of flags.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct ScriptFlags(u8);

impl ScriptFlags {
    /// Of a script without a first line of its own.
    pub const UNDECLARED: ScriptFlags = ScriptFlags(UNDECLARED.0);

    pub fn has(self, flag: ScriptFlag) -> bool {
        self.0 & flag.0 != 0
    }

    pub fn with(self, flag: ScriptFlag) -> ScriptFlags {
        ScriptFlags(self.0 | flag.0)
    }

    pub fn by_name(name: &[u8]) -> Option<ScriptFlag> {
        NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, flag)| *flag)
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter(move |(_, flag)| self.has(*flag)).map(|(name, _)| *name)
    }

    /// Refuses to run a script that has said what it needs, where that is not given. `read_only`: it was
    /// called by EVAL_RO or FCALL_RO. What comes back are the flags that it runs under.
    pub fn check(self, engine: &Engine, read_only: bool) -> Result<ScriptFlags, CommandError> {
        let flags = if read_only { self.with(NO_WRITES) } else { self };
        if self.has(UNDECLARED) {
            return Ok(flags);
        }
        if self.has(NO_CLUSTER) && engine.config.cluster_enabled {
            return Err(CommandError::line("ERR Can not run script on cluster, 'no-cluster' flag is set."));
        }
        if engine.primary_link_down && !engine.config.replica_serve_stale_data && !self.has(ALLOW_STALE) {
            return Err(CommandError::line(
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            ));
        }
        if !self.has(NO_WRITES) {
            self.check_may_write(engine, read_only)?;
        }
        Ok(flags)
    }

    fn check_may_write(self, engine: &Engine, read_only: bool) -> CommandResult {
        if read_only {
            return Err(CommandError::line(
                "ERR Can not execute a script with write flag using *_ro command.",
            ));
        }
        if engine.role == Role::Replica && engine.config.replica_read_only {
            return Err(CommandError::line(
                "READONLY You can not run script with write flag on readonly replica.",
            ));
        }
        engine.refuse_writes_by_state()?;
        if !self.has(ALLOW_OOM) && engine.is_out_of_memory() {
            return Err(CommandError::line(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
            ));
        }
        Ok(())
    }
}

/// A script of EVAL: its flags, and its code with the first line empty where it is not Lua.
pub(crate) fn read_shebang(script: &[u8]) -> Result<(ScriptFlags, Vec<u8>), CommandError> {
    let Some(first) = script.strip_prefix(b"#!") else {
        return Ok((ScriptFlags::UNDECLARED, script.to_vec()));
    };
    let end = first.iter().position(|&byte| byte == b'\n');
    let end = end.ok_or(CommandError::line("ERR Invalid script shebang"))?;
    let mut words = first[..end].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let engine = words.next().ok_or(CommandError::line("ERR Invalid engine in script shebang"))?;
    if first[..end].first().is_some_and(u8::is_ascii_whitespace) || engine != b"lua" {
        return Err(CommandError::Bytes([b"ERR Unexpected engine in script shebang: #!", engine].concat()));
    }
    let mut flags = ScriptFlags::default();
    for word in words {
        let Some(names) = word.strip_prefix(b"flags=") else {
            return Err(CommandError::Bytes([b"ERR Unknown lua shebang option: ", word].concat()));
        };
        for name in names.split(|&byte| byte == b',').filter(|name| !name.is_empty()) {
            let unknown = || CommandError::Bytes([b"ERR Unexpected flag in script shebang: ", name].concat());
            flags = flags.with(ScriptFlags::by_name(name).ok_or_else(unknown)?);
        }
    }
    // The line break stays, so that errors name the right line.
    Ok((flags, first[end..].to_vec()))
}
