//! What is going to happen: every future event of a world in one queue, ordered by time and, at one time, by
//! the order in which the events were entered. Cancelling takes the entry out, so abandoned timeouts cost nothing.

use std::collections::BTreeMap;
use std::task::Waker;

use squall_clock::Mono;

use crate::connection::{ConnId, Side};
use crate::world::World;

pub(crate) enum Event {
    /// A task's timer.
    Wake(Waker),
    /// The oldest segment in flight from `Side` reaches the other end.
    Segment(ConnId, Side),
    /// The kernel of `Side` sends again what was lost.
    Retransmit(ConnId, Side),
    /// An acknowledgement makes room in the window of `Side`.
    Credit(ConnId, Side),
    /// A reset reaches `Side`.
    Reset(ConnId, Side),
    /// The kernel of `Side` wonders whether its peer is alive.
    Keepalive(ConnId, Side),
    /// Anything that the world does by itself: a fault, its end, a restart.
    Act(Box<dyn FnOnce(&World)>),
}

/// Names an entry, so that it can be taken out again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Ticket {
    at: Mono,
    serial: u64,
}

#[derive(Default)]
pub(crate) struct Agenda {
    entries: BTreeMap<Ticket, Event>,
    next_serial: u64,
}

impl Agenda {
    pub(crate) fn enter(&mut self, at: Mono, event: Event) -> Ticket {
        let ticket = Ticket { at, serial: self.next_serial };
        self.next_serial += 1;
        self.entries.insert(ticket, event);
        ticket
    }

    pub(crate) fn cancel(&mut self, ticket: Ticket) {
        self.entries.remove(&ticket);
    }

    /// Replaces the waker of a timer that is still to come.
    pub(crate) fn rewake(&mut self, ticket: Ticket, waker: &Waker) {
        if let Some(Event::Wake(current)) = self.entries.get_mut(&ticket)
            && !current.will_wake(waker)
        {
            current.clone_from(waker);
        }
    }

    pub(crate) fn next_time(&self) -> Option<Mono> {
        self.entries.first_key_value().map(|(ticket, _)| ticket.at)
    }

    /// The next event that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Mono) -> Option<Event> {
        let entry = self.entries.first_entry()?;
        (entry.key().at <= now).then(|| entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order_of_time_and_then_of_entry() {
        let mut agenda = Agenda::default();
        let reset = |n| Event::Reset(ConnId(n), Side::Dialler);
        agenda.enter(Mono(20), reset(1));
        agenda.enter(Mono(10), reset(2));
        let cancelled = agenda.enter(Mono(10), reset(3));
        agenda.enter(Mono(10), reset(4));
        agenda.cancel(cancelled);
        assert!(agenda.pop_due(Mono(9)).is_none());
        let mut order = Vec::new();
        while let Some(Event::Reset(conn, _)) = agenda.pop_due(Mono(30)) {
            order.push(conn.0);
        }
        assert_eq!(order, [2, 4, 1]);
    }
}
