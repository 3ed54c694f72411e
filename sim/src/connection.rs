//! One connection: two ends, and a pipe of bytes from each end to the other. This is the bookkeeping of a pipe
//! (what is in flight, lost, received, acknowledged); [`crate::transport`] decides what happens to it and when.
//!
//! ```text
//! write -> [ in flight .. ] -> [ received ] -> read        window = in flight + lost + received + credits
//!               |    ^                          |
//!               v    | (sent again)             v
//!            [ lost .. ]            [ credits ] travel back, and only then make room
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddrV4;
use std::task::Waker;

use bytes::BytesMut;
use squall_clock::{Mono, Nanos};

use crate::agenda::Ticket;
use crate::bus::Framing;
use crate::machine::MachineId;

/// Connections are numbered in the order in which they were first heard of at the accepting side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ConnId(pub u64);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub(crate) enum Side {
    Dialler,
    Acceptor,
}

pub(crate) struct Connection {
    ends: [End; 2],
    /// By the side that sends into it.
    pipes: [Pipe; 2],
}

pub(crate) struct End {
    pub(crate) machine: MachineId,
    pub(crate) address: SocketAddrV4,
    pub(crate) state: EndState,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
    pub(crate) keepalive: Option<Keepalive>,
    pub(crate) last_heard: Mono,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EndState {
    /// The process holds it.
    Open,
    /// The process holds it, and its next read or write fails with this.
    Failed(io::ErrorKind),
    /// The process has closed it; its kernel still sends what was written.
    Closed,
    /// Neither the process nor its kernel knows of it any more.
    Forgotten,
}

pub(crate) struct Keepalive {
    pub(crate) idle: Nanos,
    pub(crate) unanswered: u32,
    pub(crate) ticket: Ticket,
}

pub(crate) struct Segment {
    /// Its place in the stream.
    pub(crate) serial: u64,
    /// The place of the last segment that has joined it.
    through: u64,
    /// When it was sent for the first time.
    pub(crate) sent: Mono,
    pub(crate) arrives: Mono,
    pub(crate) bytes: BytesMut,
    pub(crate) mark: Mark,
}

/// What a segment tells beside its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    None,
    /// The last step of the handshake: the acceptor may hand the connection to its process.
    Established,
    /// No more bytes will come.
    Finished,
}

#[derive(Default)]
pub(crate) struct Pipe {
    pub(crate) in_flight: VecDeque<Segment>,
    /// Waits to be sent again, together with all that was sent after it.
    pub(crate) lost: VecDeque<Segment>,
    pub(crate) retry: Option<Retry>,
    pub(crate) received: BytesMut,
    pub(crate) received_end: bool,
    pub(crate) written_end: bool,
    /// Bytes that take room in the window.
    pub(crate) outstanding: usize,
    /// Acknowledged reads on their way back: when they arrive, and how many bytes they free.
    pub(crate) credits: VecDeque<(Mono, usize)>,
    /// Reads whose acknowledgement was lost.
    pub(crate) unacknowledged: usize,
    /// Something was delivered whose acknowledgement was lost.
    pub(crate) acknowledgement_lost: bool,
    /// Nothing gets through, and nobody is told.
    pub(crate) muted: bool,
    pub(crate) last_arrival: Mono,
    /// On the cluster bus: the frames that the bytes make up.
    pub(crate) framing: Option<Framing>,
    next_serial: u64,
    /// The last segment that has been received.
    delivered: u64,
}

pub(crate) struct Retry {
    pub(crate) attempt: u32,
    pub(crate) ticket: Ticket,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::Dialler, Side::Acceptor];

    pub(crate) fn other(self) -> Side {
        match self {
            Side::Dialler => Side::Acceptor,
            Side::Acceptor => Side::Dialler,
        }
    }
}

impl Connection {
    pub(crate) fn between(dialler: End, acceptor: End) -> Connection {
        Connection { ends: [dialler, acceptor], pipes: [Pipe::default(), Pipe::default()] }
    }

    pub(crate) fn end(&self, side: Side) -> &End {
        &self.ends[side as usize]
    }

    pub(crate) fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    /// The pipe that `side` sends into.
    pub(crate) fn pipe(&mut self, side: Side) -> &mut Pipe {
        &mut self.pipes[side as usize]
    }

    /// Nobody holds either end and nothing is left to be sent.
    pub(crate) fn is_over(&self) -> bool {
        Side::BOTH.iter().all(|&side| {
            let pipe = &self.pipes[side as usize];
            match self.ends[side as usize].state {
                EndState::Open | EndState::Failed(_) => false,
                EndState::Closed => pipe.in_flight.is_empty() && pipe.lost.is_empty(),
                EndState::Forgotten => true,
            }
        })
    }
}

impl End {
    pub(crate) fn at(machine: MachineId, address: SocketAddrV4, now: Mono) -> End {
        End {
            machine,
            address,
            state: EndState::Open,
            reader: None,
            writer: None,
            keepalive: None,
            last_heard: now,
        }
    }

    pub(crate) fn wake(&mut self) {
        self.wake_reader();
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }

    pub(crate) fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }
}

impl Pipe {
    /// How many bytes may be written now; acknowledgements that have arrived make room.
    pub(crate) fn room(&mut self, now: Mono, window: usize) -> usize {
        while let Some(&(arrives, bytes)) = self.credits.front()
            && arrives <= now
        {
            self.credits.pop_front();
            self.outstanding -= bytes;
        }
        window.saturating_sub(self.outstanding)
    }

    pub(crate) fn credit(&mut self, arrives: Mono, bytes: usize) {
        let arrives = arrives.max(self.credits.back().map_or(Mono(0), |(last, _)| *last));
        match self.credits.back_mut() {
            Some((last, sum)) if *last == arrives => *sum += bytes,
            _ => self.credits.push_back((arrives, bytes)),
        }
    }

    /// Puts a segment behind the others in flight, or into the one that it follows where both arrive together. One that
    /// is sent again flies behind those that it precedes in the stream.
    /// Says when it arrives if that is another time than that of the segment before it.
    pub(crate) fn launch(&mut self, mut segment: Segment) -> Option<Mono> {
        segment.arrives = segment.arrives.max(self.last_arrival);
        self.last_arrival = segment.arrives;
        if let Some(last) = self.in_flight.back_mut()
            && last.arrives == segment.arrives
            && last.through + 1 == segment.serial
            && last.mark == Mark::None
            && segment.mark == Mark::None
        {
            last.bytes.extend_from_slice(&segment.bytes);
            last.through = segment.through;
            return None;
        }
        let arrives = segment.arrives;
        self.in_flight.push_back(segment);
        Some(arrives)
    }

    /// A segment of the stream's next bytes.
    pub(crate) fn segment(&mut self, sent: Mono, bytes: BytesMut, mark: Mark) -> Segment {
        self.next_serial += 1;
        Segment {
            serial: self.next_serial,
            through: self.next_serial,
            sent,
            arrives: Mono::default(),
            bytes,
            mark,
        }
    }

    /// Keeps a segment until it is sent again, in its place among the others.
    pub(crate) fn lose(&mut self, segment: Segment) {
        let place = self.lost.partition_point(|other| other.serial < segment.serial);
        self.lost.insert(place, segment);
    }

    /// Whether something before `segment` has not been delivered, lost or overtaken: then it has to wait.
    pub(crate) fn has_gap_before(&self, segment: &Segment) -> bool {
        segment.serial != self.delivered + 1
    }

    /// Its bytes reach the receiver.
    pub(crate) fn deliver(&mut self, segment: &Segment) {
        self.delivered = segment.through;
    }

    /// Nothing of it is worth sending again: its sender's kernel is gone or has given up.
    pub(crate) fn abandon(&mut self) -> Option<Retry> {
        self.lost.clear();
        self.unacknowledged = 0;
        self.acknowledgement_lost = false;
        self.retry.take()
    }

    pub(crate) fn wants_retry(&self) -> bool {
        !self.lost.is_empty() || self.acknowledgement_lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_opens_only_when_the_acknowledgement_has_arrived() {
        let mut pipe = Pipe { outstanding: 10, ..Pipe::default() };
        pipe.credit(Mono(50), 4);
        pipe.credit(Mono(40), 2);
        assert_eq!(pipe.room(Mono(49), 10), 0, "a later acknowledgement cannot overtake");
        assert_eq!(pipe.room(Mono(50), 10), 6);
        assert_eq!(pipe.room(Mono(50), 3), 0, "a window may shrink below what is outstanding");
    }

    #[test]
    fn segments_keep_their_order_and_join_when_they_arrive_together() {
        let mut pipe = Pipe::default();
        let mut launch = |arrives, text: &str| {
            let mut segment = pipe.segment(Mono(0), text.as_bytes().into(), Mark::None);
            segment.arrives = Mono(arrives);
            pipe.launch(segment)
        };
        assert_eq!(launch(9, "a"), Some(Mono(9)));
        assert_eq!(launch(5, "b"), None, "it cannot overtake, so it joins");
        assert_eq!(launch(12, "c"), Some(Mono(12)));
        let texts: Vec<_> = pipe.in_flight.iter().map(|segment| &segment.bytes[..]).collect();
        assert_eq!(texts, [&b"ab"[..], b"c"]);
    }
}
