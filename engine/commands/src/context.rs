//! What a command's function is given. The fields are disjoint on purpose: an entry borrowed from the
//! engine can be written to the reply without a copy.

use squall_resp::{Args, Reply};

use crate::{CommandError, CommandResult, Engine, Server, Session};

/// One command in execution.
pub struct Context<'a> {
    pub engine: &'a mut Engine,
    pub session: &'a mut Session,
    pub reply: Reply<'a>,
    /// The command's words, its name first.
    pub args: Args<'a>,
    pub server: &'a mut dyn Server,
}

/// A command's function. An error is rendered by the dispatcher; nothing may have been replied before it.
pub type Handler = fn(&mut Context<'_>) -> CommandResult;

impl<'a> Context<'a> {
    /// The argument at `index`; the arity check has made sure that the fixed ones are there.
    pub fn arg(&self, index: usize) -> &'a [u8] {
        self.args.at(index)
    }

    /// The argument at `index` as a 64-bit integer in Redis's strict form.
    pub fn integer(&self, index: usize) -> Result<i64, CommandError> {
        squall_store::parse_i64(self.arg(index)).ok_or(CommandError::NotAnInteger)
    }

    /// `number` as the number of a database.
    pub fn database(&self, number: i64) -> Result<usize, CommandError> {
        let db = usize::try_from(number).ok().filter(|&db| db < self.engine.keyspace.databases());
        db.ok_or(CommandError::line("ERR DB index is out of range"))
    }

    /// The argument at `index` as a timeout in milliseconds.
    pub fn timeout_ms(&self, index: usize) -> Result<u64, CommandError> {
        let timeout = squall_store::parse_i64(self.arg(index))
            .ok_or(CommandError::line("ERR timeout is not an integer or out of range"))?;
        u64::try_from(timeout).map_err(|_| CommandError::line("ERR timeout is negative"))
    }
}
