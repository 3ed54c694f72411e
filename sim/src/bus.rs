//! Messages of the cluster bus on their way: told apart by kind, so that a fault may drop or hold back just votes,
//! or just pongs; and the votes among them, which a checker counts from outside.
//!
//! A connection to a bus port is cut into frames as its bytes are written. What is held back holds back what its
//! sender says after it on the same connection, as TCP does; the other connection of the pair is not concerned.
//!
//! ```text
//! frame  [ RCmb | length: u32 | version: u16 | port: u16 | kind: u16 | count: u16 | current epoch: u64 | ... 16 bytes
//!        | sender's name: 40 bytes | ... ]
//! ```

use std::collections::VecDeque;
use std::fmt;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use squall_clock::{Mono, Nanos};

use crate::agenda::Event;
use crate::connection::{ConnId, Mark, Side};
use crate::entropy::{below, stream};
use crate::machine::MachineId;
use crate::world::{State, World};

/// Where servers of a scenario listen for each other.
pub(crate) const BUS_PORT: u16 = 16_379;
const KIND_AT: usize = 12;
const EPOCH_AT: usize = 16;
const SENDER_AT: usize = 40;
const NAME_BYTES: usize = 40;
/// Here ends what the sender says of itself.
const HEADER_BYTES: usize = 2_256;
const GARBLED_BITS: u32 = 3;
/// The light form of a message has this bit in its kind.
const LIGHT: u16 = 0x8000;

/// What nodes of a cluster say to each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BusMessage {
    Ping,
    Pong,
    Meet,
    Fail,
    Publish,
    VoteRequest,
    Vote,
    Update,
    HandOver,
    Module,
    PublishShard,
}

/// A vote, as its voter sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vote {
    pub at: Mono,
    /// The voter's name in the cluster, which survives its process.
    pub voter: String,
    pub epoch: u64,
    /// The machine that got it.
    pub candidate: String,
}

/// What befalls messages from one machine to another.
#[derive(Clone, Debug)]
pub(crate) struct BusRule {
    pub(crate) number: u64,
    pub(crate) from: MachineId,
    pub(crate) to: MachineId,
    pub(crate) messages: Vec<BusMessage>,
    pub(crate) meddling: Meddling,
}

/// What becomes of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meddling {
    Dropped,
    Delayed(Nanos),
    /// Some bits of what the sender says of others are inverted. The bus has no checksum: a slot or an epoch that
    /// its owner itself claims is believed, whatever nodes do.
    Garbled,
}

/// All rules that hold, and all votes that there were.
#[derive(Default)]
pub(crate) struct BusWatch {
    pub(crate) rules: Vec<BusRule>,
    pub(crate) last_rule: u64,
    pub(crate) votes: Vec<Vote>,
    garbled: u64,
}

/// One direction of a bus connection: what has not become a whole frame, and what is held back.
#[derive(Default)]
pub(crate) struct Framing {
    partial: BytesMut,
    held: VecDeque<(Mono, BytesMut)>,
}

impl Meddling {
    pub(crate) fn of(delay: Option<Nanos>, garbled: bool) -> Meddling {
        match delay {
            _ if garbled => Meddling::Garbled,
            Some(delay) => Meddling::Delayed(delay),
            None => Meddling::Dropped,
        }
    }
}

impl BusMessage {
    const ALL: [BusMessage; 11] = [
        BusMessage::Ping,
        BusMessage::Pong,
        BusMessage::Meet,
        BusMessage::Fail,
        BusMessage::Publish,
        BusMessage::VoteRequest,
        BusMessage::Vote,
        BusMessage::Update,
        BusMessage::HandOver,
        BusMessage::Module,
        BusMessage::PublishShard,
    ];

    fn of_frame(frame: &[u8]) -> Option<BusMessage> {
        let kind = u16::from_be_bytes(frame.get(KIND_AT..KIND_AT + 2)?.try_into().ok()?);
        BusMessage::ALL.get(usize::from(kind & !LIGHT)).copied()
    }
}

impl fmt::Display for BusMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl World {
    /// From now on that is what becomes of such messages from one machine to another.
    pub(crate) fn meddle(
        &self,
        from: MachineId,
        to: MachineId,
        messages: &[BusMessage],
        meddling: Meddling,
    ) -> u64 {
        let mut state = self.state();
        state.bus.last_rule += 1;
        let number = state.bus.last_rule;
        state.bus.rules.push(BusRule { number, from, to, messages: messages.to_vec(), meddling });
        number
    }

    pub(crate) fn stop_meddling(&self, number: u64) {
        self.state().bus.rules.retain(|rule| rule.number != number);
    }

    /// All votes that were sent, in order.
    pub fn votes(&self) -> Vec<Vote> {
        self.state().bus.votes.clone()
    }

    fn release(&self, id: ConnId, side: Side) {
        let mut state = self.state();
        let now = state.now;
        loop {
            let Some(connection) = state.connections.get_mut(&id) else { return };
            let Some(framing) = &mut connection.pipe(side).framing else { return };
            if framing.held.front().is_none_or(|(due, _)| *due > now) {
                return;
            }
            let (_, bytes) = framing.held.pop_front().expect("looked at above");
            state.send(id, side, bytes, Mark::None);
        }
    }
}

impl State {
    /// Bytes of the bus: whole frames go on their way, or what the rules say.
    pub(crate) fn send_frames(&mut self, id: ConnId, side: Side, data: &[u8]) {
        let connection = self.connections.get_mut(&id).expect("the caller has looked it up");
        let (from, to) = (connection.end(side).machine, connection.end(side.other()).machine);
        let framing = connection.pipe(side).framing.get_or_insert_default();
        framing.partial.extend_from_slice(data);
        let mut frames = Vec::new();
        while let Some(frame) = next_frame(&mut framing.partial) {
            frames.push(frame);
        }
        let mut passing = BytesMut::new();
        for frame in frames {
            let message = BusMessage::of_frame(&frame);
            if message == Some(BusMessage::Vote) {
                self.note_vote(&frame, to);
            }
            let rule = self.rule_for(from, to, message);
            let dropped = frame.len();
            match rule {
                Some(Meddling::Dropped) => self.forgive(id, side, dropped),
                Some(Meddling::Delayed(delay)) => self.hold_back(id, side, frame, self.now + delay),
                Some(Meddling::Garbled) => passing.extend_from_slice(&self.garbled(frame)),
                None if self.holds_back(id, side) => self.hold_back(id, side, frame, self.now),
                None => passing.extend_from_slice(&frame),
            }
        }
        if !passing.is_empty() {
            self.send(id, side, passing, Mark::None);
        }
    }

    fn rule_for(&self, from: MachineId, to: MachineId, message: Option<BusMessage>) -> Option<Meddling> {
        let message = message?;
        let concerned =
            |rule: &&BusRule| rule.from == from && rule.to == to && rule.messages.contains(&message);
        self.bus.rules.iter().find(concerned).map(|rule| rule.meddling)
    }

    /// Bits are drawn by what has been sent so far: the same run garbles the same ones.
    fn garbled(&mut self, mut frame: BytesMut) -> BytesMut {
        let mut rng = stream(self.seed, "garbled", self.bus.garbled);
        self.bus.garbled += 1;
        if let Some(said) = frame.get_mut(HEADER_BYTES..).filter(|said| !said.is_empty()) {
            for _ in 0..GARBLED_BITS {
                let at = below(&mut rng, said.len() as u64) as usize;
                said[at] ^= 1 << below(&mut rng, 8);
            }
        }
        frame
    }

    fn holds_back(&mut self, id: ConnId, side: Side) -> bool {
        let connection = self.connections.get_mut(&id);
        let framing = connection.and_then(|connection| connection.pipe(side).framing.as_ref());
        framing.is_some_and(|framing| !framing.held.is_empty())
    }

    /// Not before what is held back already.
    fn hold_back(&mut self, id: ConnId, side: Side, frame: BytesMut, due: Mono) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let framing = connection.pipe(side).framing.get_or_insert_default();
        let due = framing.held.back().map_or(due, |(before, _)| due.max(*before));
        framing.held.push_back((due, frame));
        self.agenda.enter(due, Event::Act(Box::new(move |world| world.release(id, side))));
    }

    /// What is dropped takes no room in the window.
    fn forgive(&mut self, id: ConnId, side: Side, bytes: usize) {
        if let Some(connection) = self.connections.get_mut(&id) {
            let pipe = connection.pipe(side);
            pipe.outstanding = pipe.outstanding.saturating_sub(bytes);
        }
    }

    fn note_vote(&mut self, frame: &[u8], to: MachineId) {
        let epoch = frame.get(EPOCH_AT..EPOCH_AT + 8).and_then(|bytes| bytes.try_into().ok());
        let voter = frame.get(SENDER_AT..SENDER_AT + NAME_BYTES);
        if let (Some(epoch), Some(voter)) = (epoch, voter) {
            let candidate = self.machine(to).name.clone();
            let (voter, epoch) = (String::from_utf8_lossy(voter).into_owned(), u64::from_be_bytes(epoch));
            self.bus.votes.push(Vote { at: self.now, voter, epoch, candidate });
        }
    }
}

/// Takes the first frame; what is no frame at all goes as it is.
fn next_frame(partial: &mut BytesMut) -> Option<BytesMut> {
    let head = partial.first_chunk::<8>()?;
    let len = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
    if !head.starts_with(b"RCmb") || len < 8 {
        return Some(partial.split());
    }
    (partial.len() >= len).then(|| partial.split_to(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_wherever_the_writes_ended() {
        let frame = |kind: u16, filler: usize| {
            let mut bytes = BytesMut::from(&b"RCmb"[..]);
            bytes.extend_from_slice(&(14 + filler as u32).to_be_bytes());
            bytes.extend_from_slice(&[0, 1, 0, 0]);
            bytes.extend_from_slice(&kind.to_be_bytes());
            bytes.resize(14 + filler, 7);
            bytes
        };
        let stream = [frame(1, 3), frame(6, 0), frame(0x8004, 9)].concat();
        for cut in 0..stream.len() {
            let (mut partial, mut kinds) = (BytesMut::new(), Vec::new());
            for part in [&stream[..cut], &stream[cut..]] {
                partial.extend_from_slice(part);
                while let Some(frame) = next_frame(&mut partial) {
                    kinds.push(BusMessage::of_frame(&frame).unwrap());
                }
            }
            assert_eq!(kinds, [BusMessage::Pong, BusMessage::Vote, BusMessage::Publish]);
            assert!(partial.is_empty());
        }
    }
}
