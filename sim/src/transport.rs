//! How bytes travel over an established connection, as the two kernels see it: windows, acknowledgements,
//! retransmission with backing off, resets, keepalive. A process learns only what its own kernel has heard: a
//! cut path is silence, until a retransmission or a keepalive gives up or the peer's reset arrives.
//!
//! Connections begin in [`crate::handshake`].

use std::io;
use std::task::{Context, Poll};

use bytes::BytesMut;
use squall_clock::Nanos;
use tokio::io::ReadBuf;

use crate::agenda::Event;
use crate::bus::BUS_PORT;
use crate::chronicle::Message;
use crate::connection::{ConnId, Connection, EndState, Keepalive, Mark, Retry, Segment, Side};
use crate::machine::MachineId;
use crate::trace::digest;
use crate::world::State;

/// The first retransmission comes after this, each further one after twice the time before it.
const RETRANSMIT_FIRST: Nanos = Nanos::from_millis(200);
const RETRANSMIT_INTERVAL_MAX: Nanos = Nanos::from_secs(120);
/// After as many the kernel gives up: about fifteen minutes, as Linux's `tcp_retries2` has it.
const RETRANSMIT_ATTEMPTS_MAX: u32 = 15;
/// So many unanswered keepalive probes mean that the peer is dead; they come at a third of the idle time.
const KEEPALIVE_PROBES_MAX: u32 = 3;
/// What is written at once travels in segments of this.
const SEGMENT_BYTES_MAX: usize = 16 << 10;

impl State {
    pub(crate) fn write(
        &mut self,
        id: ConnId,
        side: Side,
        data: &[u8],
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let State { connections, paths, agenda, now, .. } = self;
        let Some(connection) = connections.get_mut(&id) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let (from, to) = ends(connection, side);
        let (state, finished) = (connection.end(side).state, connection.pipe(side).written_end);
        match state {
            EndState::Open if !finished => {}
            EndState::Failed(kind) => return Poll::Ready(Err(kind.into())),
            _ => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
        let window = paths.settings(from, to).window.0 as usize;
        let pipe = connection.pipe(side);
        let room = pipe.room(*now, window);
        if room == 0 {
            if let Some(&(arrives, _)) = pipe.credits.front() {
                agenda.enter(arrives, Event::Credit(id, side));
            }
            connection.end_mut(side).writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let accepted = paths.moved(from, to, data.len().min(room));
        pipe.outstanding += accepted;
        if connection.end(Side::Acceptor).address.port() == BUS_PORT {
            self.send_frames(id, side, &data[..accepted]);
            return Poll::Ready(Ok(accepted));
        }
        for bytes in data[..accepted].chunks(SEGMENT_BYTES_MAX) {
            self.send(id, side, bytes.into(), Mark::None);
        }
        Poll::Ready(Ok(accepted))
    }

    pub(crate) fn read(
        &mut self,
        id: ConnId,
        side: Side,
        buffer: &mut ReadBuf<'_>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let State { connections, paths, agenda, now, .. } = self;
        let Some(connection) = connections.get_mut(&id) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let (reader, sender) = ends(connection, side);
        let pipe = connection.pipe(side.other());
        if pipe.received.is_empty() {
            if pipe.received_end {
                return Poll::Ready(Ok(()));
            }
            if let EndState::Failed(kind) = connection.end(side).state {
                return Poll::Ready(Err(kind.into()));
            }
            connection.end_mut(side).reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = paths.moved(sender, reader, pipe.received.len().min(buffer.remaining()));
        buffer.put_slice(&pipe.received.split_to(count));
        if !connection.pipe(side).muted
            && let Some(arrives) = paths.acknowledgement(*now, reader, sender)
        {
            connection.pipe(side.other()).credit(arrives, count);
            if connection.end(side.other()).writer.is_some() {
                agenda.enter(arrives, Event::Credit(id, side.other()));
            }
        } else {
            let pipe = connection.pipe(side.other());
            pipe.unacknowledged += count;
            pipe.acknowledgement_lost = true;
            self.retry_later(id, side.other());
        }
        Poll::Ready(Ok(()))
    }

    /// The process has no more to write.
    pub(crate) fn finish(&mut self, id: ConnId, side: Side) {
        if let Some(connection) = self.connections.get_mut(&id)
            && connection.end(side).state == EndState::Open
            && !connection.pipe(side).written_end
        {
            connection.pipe(side).written_end = true;
            self.send(id, side, BytesMut::new(), Mark::Finished);
        }
    }

    /// The process closes its end, or ends: what it did not read is answered with a reset, as Linux does.
    pub(crate) fn close(&mut self, id: ConnId, side: Side) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let unread = !connection.pipe(side.other()).received.is_empty();
        match connection.end(side).state {
            EndState::Closed | EndState::Forgotten => return,
            EndState::Failed(_) => self.forget(id, side),
            EndState::Open if unread => {
                self.send_reset(id, side.other());
                self.forget(id, side);
            }
            EndState::Open => {
                self.finish(id, side);
                self.drop_keepalive(id, side);
                let connection = self.connections.get_mut(&id).expect("it was there above");
                connection.end_mut(side).state = EndState::Closed;
            }
        }
        self.remove_if_over(id);
    }

    /// The machine of `side` loses all knowledge of the connection.
    pub(crate) fn forget(&mut self, id: ConnId, side: Side) {
        self.drop_keepalive(id, side);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let end = connection.end_mut(side);
        end.state = EndState::Forgotten;
        (end.reader, end.writer) = (None, None);
        connection.pipe(side.other()).received.clear();
        if let Some(retry) = connection.pipe(side).abandon() {
            self.agenda.cancel(retry.ticket);
        }
        self.remove_if_over(id);
    }

    pub(crate) fn set_keepalive(&mut self, id: ConnId, side: Side, idle: Option<Nanos>) {
        self.drop_keepalive(id, side);
        if let Some(idle) = idle
            && self.connections.contains_key(&id)
        {
            let ticket = self.agenda.enter(self.now + idle, Event::Keepalive(id, side));
            let end = self.connections.get_mut(&id).expect("it was there above").end_mut(side);
            end.keepalive = Some(Keepalive { idle, unanswered: 0, ticket });
        }
    }

    pub(crate) fn send(&mut self, id: ConnId, side: Side, bytes: BytesMut, mark: Mark) {
        let now = self.now;
        let connection =
            self.connections.get_mut(&id).expect("a segment is sent on a connection that exists");
        let segment = connection.pipe(side).segment(now, bytes, mark);
        self.send_segment(id, side, segment);
    }

    fn send_segment(&mut self, id: ConnId, side: Side, mut segment: Segment) {
        let State { connections, paths, agenda, now, .. } = self;
        let connection = connections.get_mut(&id).expect("a segment is sent on a connection that exists");
        let (from, to) = ends(connection, side);
        let pipe = connection.pipe(side);
        // After a loss, the sender holds back what follows until the gap is filled.
        let arrives = match pipe.lost.is_empty() && !pipe.muted {
            true => paths.transit(*now, from, to, segment.bytes.len()),
            false => None,
        };
        if let Some(arrives) = arrives {
            segment.arrives = arrives;
            if let Some(arrives) = pipe.launch(segment) {
                agenda.enter(arrives, Event::Segment(id, side));
            }
        } else {
            pipe.lose(segment);
            self.retry_later(id, side);
        }
    }

    pub(crate) fn segment_arrives(&mut self, id: ConnId, side: Side) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(segment) = connection.pipe(side).in_flight.pop_front() else { return };
        let (from, to) = ends(connection, side);
        let receiver = connection.end(side.other()).state;
        let listens = receiver != EndState::Forgotten || self.machines[to.index()].has_power();
        let pipe = connection.pipe(side);
        let gap = pipe.has_gap_before(&segment);
        if gap || pipe.muted || !self.paths.is_open(from, to) || !listens {
            pipe.lose(segment);
            self.retry_later(id, side);
            return;
        }
        match receiver {
            EndState::Open => self.receive(id, side, segment),
            EndState::Closed if segment.bytes.is_empty() => {}
            _ => self.send_reset(id, side),
        }
        self.remove_if_over(id);
    }

    fn receive(&mut self, id: ConnId, side: Side, segment: Segment) {
        let State { connections, paths, agenda, now, trace, chronicle, machines, .. } = self;
        let connection = connections.get_mut(&id).expect("the caller has looked it up");
        let (from, to) = ends(connection, side);
        let (sender, receiver) = (&machines[from.index()].name, &machines[to.index()].name);
        let answers = paths.acknowledgement(*now, to, from).filter(|_| !connection.pipe(side.other()).muted);
        let pipe = connection.pipe(side);
        pipe.deliver(&segment);
        if !segment.bytes.is_empty() {
            let (len, print) = (segment.bytes.len(), digest(&segment.bytes));
            trace.line(*now, receiver, format_args!("< {sender} #{} {len}b {print:04x}", id.0));
            if let Some(chronicle) = chronicle {
                let bytes = len as u32;
                chronicle.message(Message {
                    from,
                    to,
                    connection: id,
                    sent: segment.sent,
                    received: *now,
                    bytes,
                });
            }
            if pipe.received.is_empty() {
                pipe.received = segment.bytes;
            } else {
                pipe.received.extend_from_slice(&segment.bytes);
            }
        }
        if segment.mark == Mark::Finished {
            trace.line(*now, receiver, format_args!("< {sender} #{} end", id.0));
            pipe.received_end = true;
        }
        if let Some(arrives) = answers {
            pipe.acknowledgement_lost = false;
            let late = std::mem::take(&mut pipe.unacknowledged);
            if late > 0 {
                pipe.credit(arrives, late);
                agenda.enter(arrives, Event::Credit(id, side));
            }
        } else {
            pipe.acknowledgement_lost = true;
        }
        let end = connection.end_mut(side.other());
        end.last_heard = *now;
        end.wake_reader();
        if answers.is_none() {
            self.retry_later(id, side);
        }
        if segment.mark == Mark::Established {
            self.establish(id);
        }
    }

    pub(crate) fn retransmit(&mut self, id: ConnId, side: Side) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (from, to) = ends(connection, side);
        let receiver = connection.end(side.other()).state;
        let back_muted = connection.pipe(side.other()).muted;
        let pipe = connection.pipe(side);
        let Some(Retry { attempt, .. }) = pipe.retry.take() else { return };
        if !pipe.wants_retry() {
            return;
        }
        let missing = pipe.lost.len();
        let hears = receiver != EndState::Forgotten || self.machines[to.index()].has_power();
        if hears && !pipe.muted && self.paths.is_open(from, to) {
            let again = std::mem::take(&mut pipe.lost);
            if !back_muted && let Some(arrives) = self.paths.acknowledgement(self.now, to, from) {
                pipe.acknowledgement_lost = false;
                let late = std::mem::take(&mut pipe.unacknowledged);
                pipe.credit(arrives, late);
                self.agenda.enter(arrives, Event::Credit(id, side));
            }
            for segment in again {
                self.send_segment(id, side, segment);
            }
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let pipe = connection.pipe(side);
        if !pipe.wants_retry() {
            return;
        }
        // What went through starts the backing off anew (RFC 6298, section 5).
        let attempt = if pipe.lost.len() < missing { 0 } else { attempt + 1 };
        if attempt >= RETRANSMIT_ATTEMPTS_MAX {
            self.fail(id, side, io::ErrorKind::TimedOut);
            return;
        }
        if let Some(early) = pipe.retry.take() {
            self.agenda.cancel(early.ticket);
        }
        self.retry_after(id, side, attempt);
    }

    pub(crate) fn credit_arrives(&mut self, id: ConnId, side: Side) {
        if let Some(connection) = self.connections.get_mut(&id)
            && let Some(writer) = connection.end_mut(side).writer.take()
        {
            writer.wake();
        }
    }

    pub(crate) fn keepalive_is_due(&mut self, id: ConnId, side: Side) {
        let State { connections, paths, agenda, now, machines, .. } = self;
        let Some(connection) = connections.get_mut(&id) else { return };
        let (from, to) = ends(connection, side);
        let peer = connection.end(side.other()).state;
        let muted = connection.pipe(side).muted || connection.pipe(side.other()).muted;
        // While something waits for its acknowledgement, retransmission is what finds out.
        let retransmits = connection.pipe(side).wants_retry();
        let end = connection.end_mut(side);
        let Some(keepalive) = &mut end.keepalive else { return };
        let mut due = end.last_heard + keepalive.idle;
        if due <= *now && !retransmits {
            let reached = !muted && paths.is_open(from, to) && paths.is_open(to, from);
            if reached && peer == EndState::Forgotten && machines[to.index()].has_power() {
                return self.fail(id, side, io::ErrorKind::ConnectionReset);
            }
            if reached && peer != EndState::Forgotten {
                end.last_heard = *now;
                keepalive.unanswered = 0;
                due = *now + keepalive.idle;
            } else {
                keepalive.unanswered += 1;
                if keepalive.unanswered > KEEPALIVE_PROBES_MAX {
                    return self.fail(id, side, io::ErrorKind::TimedOut);
                }
                due = *now + Nanos(keepalive.idle.0 / 3);
            }
        } else if due <= *now {
            due = *now + keepalive.idle;
        }
        keepalive.ticket = agenda.enter(due, Event::Keepalive(id, side));
    }

    /// A reset sets out to `side`. Where it cannot travel, `side` goes on not knowing.
    pub(crate) fn send_reset(&mut self, id: ConnId, side: Side) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (to, from) = ends(connection, side);
        let muted = connection.pipe(side.other()).muted;
        if !muted && let Some(arrives) = self.paths.acknowledgement(self.now, from, to) {
            self.agenda.enter(arrives, Event::Reset(id, side));
        } else {
            // The segment that would have been answered counts as lost, so that its sender asks again.
            connection.pipe(side).acknowledgement_lost = true;
            self.retry_later(id, side);
        }
    }

    pub(crate) fn reset_arrives(&mut self, id: ConnId, side: Side) {
        self.fail(id, side, io::ErrorKind::ConnectionReset);
    }

    /// The kernel of `side` gives the connection up and tells its process.
    pub(crate) fn fail(&mut self, id: ConnId, side: Side, kind: io::ErrorKind) {
        self.drop_keepalive(id, side);
        let State { connections, agenda, now, trace, machines, .. } = self;
        let Some(connection) = connections.get_mut(&id) else { return };
        let (from, to) = ends(connection, side);
        if let Some(retry) = connection.pipe(side).abandon() {
            agenda.cancel(retry.ticket);
        }
        let end = connection.end_mut(side);
        match end.state {
            EndState::Open => {
                let (name, peer) = (&machines[from.index()].name, &machines[to.index()].name);
                trace.line(*now, name, format_args!("fail #{} with {peer}: {kind}", id.0));
                end.state = EndState::Failed(kind);
                end.wake();
            }
            EndState::Closed => end.state = EndState::Forgotten,
            EndState::Failed(_) | EndState::Forgotten => {}
        }
        self.remove_if_over(id);
    }

    fn retry_later(&mut self, id: ConnId, side: Side) {
        self.retry_after(id, side, 0);
    }

    fn retry_after(&mut self, id: ConnId, side: Side, attempt: u32) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.end(side).state == EndState::Forgotten {
            connection.pipe(side).abandon();
        } else if connection.pipe(side).retry.is_none() {
            let wait = Nanos(RETRANSMIT_FIRST.0 << attempt).min(RETRANSMIT_INTERVAL_MAX);
            let ticket = self.agenda.enter(self.now + wait, Event::Retransmit(id, side));
            connection.pipe(side).retry = Some(Retry { attempt, ticket });
        }
    }

    fn drop_keepalive(&mut self, id: ConnId, side: Side) {
        if let Some(connection) = self.connections.get_mut(&id)
            && let Some(keepalive) = connection.end_mut(side).keepalive.take()
        {
            self.agenda.cancel(keepalive.ticket);
        }
    }

    fn remove_if_over(&mut self, id: ConnId) {
        if self.connections.get(&id).is_some_and(Connection::is_over) {
            let mut connection = self.connections.remove(&id).expect("it was there above");
            for side in Side::BOTH {
                if let Some(retry) = connection.pipe(side).abandon() {
                    self.agenda.cancel(retry.ticket);
                }
            }
        }
    }
}

/// The machines of `side` and of its peer.
fn ends(connection: &Connection, side: Side) -> (MachineId, MachineId) {
    (connection.end(side).machine, connection.end(side.other()).machine)
}
