//! How long commands take, where the shell lends a clock for it ([`Environment::stopwatch`]). What it says is
//! shown by INFO, SLOWLOG and LATENCY, and decides nothing; a simulated world has none.
//!
//! A command begins when the one before it in the same turn has ended: so a batch costs one look at the
//! clock for each command, and one for its beginning.
//!
//! [`Environment::stopwatch`]: crate::server::Environment

use squall_clock::{Mono, Nanos};

/// The last look at the clock, and the turn that it was taken in.
#[derive(Default)]
pub(crate) struct Stopwatch {
    last: Mono,
    turn: Option<Mono>,
}

impl Stopwatch {
    /// A command begins, in the turn that is known by its time.
    #[inline]
    pub fn start(&mut self, read: fn() -> Mono, turn: Mono) -> Mono {
        if self.turn != Some(turn) {
            self.turn = Some(turn);
            self.last = read();
        }
        self.last
    }

    /// It has ended: how long it took.
    #[inline]
    pub fn stop(&mut self, read: fn() -> Mono, started: Mono) -> Nanos {
        self.last = read();
        self.last.since(started)
    }
}
