//! Waiting for keys: clients whose command (BLPOP, XREAD BLOCK) found nothing yet, and who are answered when
//! another's command has put it there.
//!
//! A command that finds nothing calls [`Context::wait_for`] and replies nothing. The session is blocked; its
//! request is kept here. Every change of a key ([`Engine::changed`], expiry, flushes) marks it as ready where
//! somebody waits for it; after the request that did it, EXEC as a whole, [`Engine::serve_waiting`] executes the
//! kept requests again, for each key those first that have waited longest, as long as it holds a value of the
//! type that they wait for. A request that finds nothing again keeps its place. So the command is written once,
//! propagates what it does, and knows nothing of how often it was tried.
//!
//! `pops.rs` has the commands that wait for lists and sorted sets, `rows.rs` their rows; streams' are with streams.
//! `registry.rs` knows who waits for what; `serve.rs` ends the waiting: by an answer, a timeout, CLIENT UNBLOCK,
//! a change of role.

mod pops;
mod registry;
mod rows;
mod serve;

use squall_clock::{Mono, Nanos};
use squall_resp::OwnedArgs;
use squall_store::Kind;

use registry::Waiter;
pub use registry::Waiting;
pub use rows::ROWS;

use crate::session::Blocked;
use crate::strings::extended::Extended;
use crate::{CommandError, Context};

/// What a command waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wish {
    /// A key that holds this.
    pub kind: Kind,
    /// The key exists already, and what is done to it concerns the client in any case: that it is deleted, or
    /// replaced by a value of another type (XREADGROUP).
    pub needs_key: bool,
    /// None waits for ever.
    pub deadline: Option<Mono>,
}

impl Context<'_> {
    /// Waits until one of `keys` may have what the command wants; then `request` is executed: mostly the command
    /// as it is. False where this session may not wait, in a transaction or a script: then the command answers at
    /// once that there is nothing.
    #[must_use]
    pub fn wait_for<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
        wish: Wish,
        request: OwnedArgs,
    ) -> bool {
        if self.session.deny_blocking || self.session.is_primary_link {
            return false;
        }
        self.session.blocked = Some(Blocked::Keys);
        let waiting = &mut self.engine.waiting;
        if !waiting.contains(self.session.id) {
            let row = self.session.last_command.expect("a command is running");
            let waiter = Waiter::of(self.session.db, row, request, wish, keys);
            waiting.insert(self.session.id, waiter);
        }
        true
    }

    /// When to give up, from a timeout in seconds; zero is never.
    pub fn deadline_from_seconds(&self, text: &[u8]) -> Result<Option<Mono>, CommandError> {
        let seconds = Extended::parse(text)
            .ok_or(CommandError::line("ERR timeout is not a float or out of range"))?
            .to_f64();
        self.deadline((seconds * 1_000.0).ceil())
    }

    /// When to give up, from a timeout in milliseconds; zero is never.
    pub fn deadline_from_ms(&self, text: &[u8]) -> Result<Option<Mono>, CommandError> {
        let ms = squall_store::parse_i64(text)
            .ok_or(CommandError::line("ERR timeout is not an integer or out of range"))?;
        self.deadline(ms as f64)
    }

    fn deadline(&self, ms: f64) -> Result<Option<Mono>, CommandError> {
        if ms < 0.0 {
            return Err(CommandError::line("ERR timeout is negative"));
        }
        let now_ms = self.engine.now.unix_ms().0 as f64;
        if ms + now_ms >= i64::MAX as f64 {
            return Err(CommandError::line("ERR timeout is out of range"));
        }
        let nanos = Nanos((ms * 1e6) as u64);
        Ok((ms > 0.0).then(|| Mono(self.engine.now.mono.0.saturating_add(nanos.0))))
    }
}
