//! Connections between machines: what is sent arrives whole, in order, after a latency; or never, when the
//! path is cut or the machine has lost power, and then nothing that follows arrives either.

use bytes::{Bytes, BytesMut};
use rand_core::Rng;
use squall_cluster::wire::{Message, decode};
use squall_cluster::{BusLink, Closed};

use crate::forming::{BUS_OFFSET, FIRST_PORT, HOST};
use crate::picture;
use crate::world::{Action, MS, World};

/// After how long what was lost is sent again, for the first time.
const RETRANSMISSION: u64 = 200 * MS;

pub(crate) struct Connection {
    /// The dialling side, then the other.
    pub(crate) ends: [(usize, BusLink); 2],
    input: [BytesMut; 2],
    arrives: [u64; 2],
    /// Something was lost: nothing arrives any more.
    pub(crate) stalled: bool,
}

impl World {
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    /// Nothing passes between the two groups.
    pub fn part(&mut self, one: &[usize], other: &[usize]) {
        for a in one {
            for b in other {
                self.cut.insert((*a, *b));
                self.cut.insert((*b, *a));
            }
        }
        self.note(format!("parted: {one:?} | {other:?}"));
    }

    pub fn heal(&mut self) {
        self.cut.clear();
        self.note("healed".to_owned());
    }

    pub(crate) fn dial(&mut self, machine: usize, link: BusLink, port: u16) {
        let life = self.machines[machine].life;
        let target = usize::from(port - BUS_OFFSET - FIRST_PORT);
        if target >= self.machines.len()
            || self.cut.contains(&(machine, target))
            || self.cut.contains(&(target, machine))
        {
            // Nobody answers; a second later the system gives up.
            return self
                .plan(self.now + 1_000 * MS, Action::Close { machine, life, link, how: Closed::Lost });
        }
        if self.machines[target].cluster.is_none() {
            let at = self.now + self.settings.latency_min;
            return self.plan(at, Action::Close { machine, life, link, how: Closed::Refused });
        }
        let now = self.time();
        let other = self.machines[target].cluster.as_mut().expect("looked at above");
        let inbound = other.link_accepted(HOST.to_owned(), HOST.to_owned(), now);
        self.sequence += 1;
        let id = self.sequence;
        self.connections.insert(
            id,
            Connection {
                ends: [(machine, link), (target, inbound)],
                input: [BytesMut::new(), BytesMut::new()],
                arrives: [self.now; 2],
                stalled: false,
            },
        );
        self.machines[machine].links.insert(link, id);
        self.machines[target].links.insert(inbound, id);
        self.machines[machine].cluster.as_mut().expect("it dials").link_opened(link, now);
        self.settle(machine);
        self.settle(target);
    }

    pub(crate) fn send(&mut self, machine: usize, link: BusLink, bytes: Bytes) {
        let Some(id) = self.machines[machine].links.get(&link).copied() else { return };
        self.bytes_sent += bytes.len() as u64;
        self.messages_sent += 1;
        let latency = self.latency();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let from = usize::from(connection.ends[0] != (machine, link));
        let side = 1 - from;
        let target = connection.ends[side].0;
        if connection.stalled || self.cut.contains(&(machine, target)) {
            connection.stalled = true;
            return;
        }
        let at = (self.now + latency).max(connection.arrives[side]);
        connection.arrives[side] = at;
        if self.settings.keeps_transcript {
            let line = picture::message(self, machine, target, &bytes);
            self.messages.extend(line);
        }
        self.note_vote(machine, target, &bytes);
        self.plan(at, Action::Arrive { connection: id, side, bytes });
    }

    /// What every voter has granted, as it left: the network knows.
    fn note_vote(&mut self, machine: usize, target: usize, bytes: &Bytes) {
        if bytes[12..14] == [0, 6]
            && let Ok(Message::Full { header, .. }) = decode(bytes)
        {
            let candidate = self.id(target);
            self.machines[machine].votes.push((header.current_epoch.0, candidate));
        }
    }

    pub(crate) fn arrive(&mut self, id: u64, side: usize, bytes: &Bytes) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (machine, link) = connection.ends[side];
        let from = connection.ends[1 - side].0;
        if connection.stalled || self.cut.contains(&(from, machine)) {
            connection.stalled = true;
            return;
        }
        connection.input[side].extend_from_slice(bytes);
        let mut input = std::mem::take(&mut connection.input[side]);
        let now = self.time();
        if let Some(cluster) = self.machines[machine].cluster.as_mut() {
            cluster.data(link, &mut input, now);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.input[side] = input;
        }
        self.settle(machine);
    }

    pub(crate) fn drop_connection(&mut self, id: u64, by: usize, how: Closed) {
        let Some(connection) = self.connections.remove(&id) else { return };
        for (machine, link) in connection.ends {
            if machine != by && !connection.stalled && !self.cut.contains(&(by, machine)) {
                let (at, life) = (self.now + self.settings.latency_min, self.machines[machine].life);
                self.plan(at.max(connection.arrives[0]), Action::Close { machine, life, link, how });
            }
        }
    }

    pub(crate) fn latency(&mut self) -> u64 {
        let mut latency =
            self.settings.latency_min + self.rng.next_u64() % self.settings.latency_spread.max(1);
        let mut again = RETRANSMISSION;
        while self.settings.lost_per_million > 0
            && self.rng.next_u64() % 1_000_000 < u64::from(self.settings.lost_per_million)
        {
            latency += again;
            again *= 2;
        }
        latency
    }
}
