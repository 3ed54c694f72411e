//! A machine's wall clock: an offset and a drift against the world's own time, and jumps. The monotonic clock
//! is the world's time for every machine. Also the timer future that every sleep in a world is.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use squall_clock::{Mono, Now};

use crate::agenda::{Event, Ticket};
use crate::world::World;

/// Where the wall clocks start: 2026-01-01 00:00:00 UTC, in microseconds.
const EPOCH_US: u64 = 1_767_225_600_000_000;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WallClock {
    /// Distance from true time at `since`, in microseconds.
    offset_us: i64,
    /// How many microseconds it gains in each second of true time.
    drift_ppm: i64,
    since: Mono,
}

impl WallClock {
    pub(crate) fn read(&self, now: Mono) -> Now {
        let unix_us = (EPOCH_US + now.0 / 1_000).saturating_add_signed(self.error_us(now));
        Now { mono: now, unix_us }
    }

    pub(crate) fn jump(&mut self, now: Mono, by_us: i64) {
        self.offset_us = self.error_us(now).saturating_add(by_us);
        self.since = now;
    }

    pub(crate) fn set_drift(&mut self, now: Mono, drift_ppm: i64) {
        self.jump(now, 0);
        self.drift_ppm = drift_ppm;
    }

    fn error_us(&self, now: Mono) -> i64 {
        let elapsed_us = (now.since(self.since).0 / 1_000) as i64;
        self.offset_us.saturating_add(elapsed_us.saturating_mul(self.drift_ppm) / 1_000_000)
    }
}

/// Completes at a time of the world; dropping it takes its entry out of the agenda.
pub struct Sleep {
    world: World,
    deadline: Mono,
    ticket: Option<Ticket>,
}

impl Sleep {
    pub(crate) fn until(world: World, deadline: Mono) -> Sleep {
        Sleep { world, deadline, ticket: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.world.state();
        if state.now >= this.deadline {
            return Poll::Ready(());
        }
        match this.ticket {
            Some(ticket) => state.agenda.rewake(ticket, context.waker()),
            None => {
                let at = round_up(this.deadline);
                this.ticket = Some(state.agenda.enter(at, Event::Wake(context.waker().clone())));
            }
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.world.state().agenda.cancel(ticket);
        }
    }
}

/// The world moves in whole microseconds: that is what one millisecond of the executor stands for.
pub(crate) fn round_up(time: Mono) -> Mono {
    Mono(time.0.div_ceil(1_000).saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_clock::Nanos;

    #[test]
    fn a_wall_clock_jumps_and_drifts_while_the_monotonic_one_does_not() {
        let mut clock = WallClock::default();
        let start = clock.read(Mono(0));
        clock.jump(Mono(0), -5_000_000);
        assert_eq!(clock.read(Mono(0)).unix_us, start.unix_us - 5_000_000);
        clock.set_drift(Mono(0), 100);
        let later = Mono(0) + Nanos::from_secs(1_000);
        let read = clock.read(later);
        assert_eq!(read.mono, later);
        assert_eq!(read.unix_us, start.unix_us - 5_000_000 + 1_000_000_000 + 100_000);
        clock.set_drift(later, 0);
        assert_eq!(clock.read(later), read);
    }
}
