//! How long commands take, where the shell lends a clock for it ([`Environment::stopwatch`]). What it says is
//! shown by INFO, SLOWLOG and LATENCY, and decides nothing; a simulated world has none.
//!
//! A command begins when the one before it in the same turn has ended: so a batch costs one look at the
//! clock for each command, and one for its beginning.
//!
//! [`Environment::stopwatch`]: crate::server::Environment

use squall_clock::{Mono, Nanos, Now};

use crate::engine::Engine;

/// The last look at the clock, and the turn that it was taken in.
#[derive(Default)]
pub(crate) struct Stopwatch {
    last: Mono,
    turn: Option<Mono>,
}

impl Stopwatch {
    /// A turn begins, and its first command with it.
    #[inline]
    fn begin_turn(&mut self, read: fn() -> Mono, turn: Mono) -> Mono {
        self.turn = Some(turn);
        self.last = read();
        self.last
    }

    /// A command begins, in the turn that is known by its time.
    #[inline]
    pub fn start(&mut self, read: fn() -> Mono, turn: Mono) -> Mono {
        if self.turn == Some(turn) { self.last } else { self.begin_turn(read, turn) }
    }

    /// It has ended, a command or a turn: how long it took.
    #[inline]
    pub fn stop(&mut self, read: fn() -> Mono, started: Mono) -> Nanos {
        self.last = read();
        self.last.since(started)
    }
}

impl Engine {
    /// The node is entered: at this time, and from this look at the clock on.
    #[inline]
    pub fn begin_turn(&mut self, now: Now) -> Option<Mono> {
        self.now = now;
        self.stats.turns += 1;
        self.environment.stopwatch.map(|read| self.stopwatch.begin_turn(read, now.mono))
    }

    /// The node is left.
    #[inline]
    pub fn end_turn(&mut self, began: Option<Mono>) {
        if let (Some(read), Some(began)) = (self.environment.stopwatch, began) {
            self.stats.turn_nanos += self.stopwatch.stop(read, began).0;
        }
    }
}
