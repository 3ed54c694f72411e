//! The links of the bus: which of the shell's connections is which of the machine's, and the messages that
//! wait to be sent. A peer that does not read is dropped before much has gathered for it.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use squall_cluster::{BusLink, Closed};
use squall_commands::Engine;

use crate::effect::{Effect, Effects, LinkId};
use crate::services::Services;

/// `cluster-link-sendbuf-limit 0` means no limit to others; here it means this one.
const OUTPUT_BYTES_MAX: u64 = 256 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Bus {
    by_id: BTreeMap<LinkId, BusLink>,
    by_link: BTreeMap<BusLink, LinkId>,
    output: BTreeMap<LinkId, Outgoing>,
    /// How many links were dropped for what had gathered.
    pub limit_exceeded: u64,
}

#[derive(Default)]
struct Outgoing {
    messages: VecDeque<Bytes>,
    bytes: u64,
}

impl Bus {
    pub fn link_of(&self, id: LinkId) -> Option<BusLink> {
        self.by_id.get(&id).copied()
    }

    pub fn add(&mut self, id: LinkId, link: BusLink) {
        self.by_id.insert(id, link);
        self.by_link.insert(link, id);
        self.output.insert(id, Outgoing::default());
    }

    pub fn remove(&mut self, id: LinkId) -> Option<BusLink> {
        let link = self.by_id.remove(&id)?;
        self.by_link.remove(&link);
        self.output.remove(&id);
        Some(link)
    }

    pub fn remove_link(&mut self, link: BusLink) -> Option<LinkId> {
        let id = self.by_link.get(&link).copied()?;
        self.remove(id);
        Some(id)
    }

    /// How much waits on that link.
    pub fn pending_bytes(&self, link: BusLink) -> u64 {
        self.by_link.get(&link).and_then(|id| self.output.get(id)).map_or(0, |output| output.bytes)
    }

    /// False: too much waits already.
    pub fn send(&mut self, effects: &mut Effects, link: BusLink, bytes: Bytes, limit: u64) -> bool {
        let Some(id) = self.by_link.get(&link).copied() else { return true };
        let output = self.output.get_mut(&id).expect("every link has an output");
        output.bytes += bytes.len() as u64;
        output.messages.push_back(bytes);
        effects.push(Effect::WakeLink(id));
        let limit = if limit == 0 { OUTPUT_BYTES_MAX } else { limit };
        let fits = output.bytes <= limit;
        self.limit_exceeded += u64::from(!fits);
        fits
    }

    fn slices<'a>(&'a self, id: LinkId, slices: &mut [IoSlice<'a>]) -> Option<usize> {
        let output = self.output.get(&id)?;
        let filled = output.messages.len().min(slices.len());
        for (slice, message) in slices.iter_mut().zip(&output.messages) {
            *slice = IoSlice::new(message);
        }
        Some(filled)
    }

    fn written(&mut self, id: LinkId, mut count: usize) -> bool {
        let Some(output) = self.output.get_mut(&id) else { return false };
        output.bytes -= count as u64;
        while count > 0 {
            let first = output.messages.front_mut().expect("what was sent had waited");
            if first.len() > count {
                first.advance(count);
                break;
            }
            count -= first.len();
            output.messages.pop_front();
        }
        true
    }
}

impl Services {
    pub fn link_accepted(&mut self, engine: &mut Engine, peer: &str, local: &str) -> LinkId {
        let id = self.effects.next_link();
        let membership = self.membership.as_mut().and_then(|membership| {
            let machine = membership.machine.as_mut()?;
            Some((machine, &mut membership.bus))
        });
        match membership {
            Some((machine, bus)) => {
                let link = machine.link_accepted(host_of(peer), host_of(local), engine.now);
                bus.add(id, link);
            }
            // Too early: the other side will try again.
            None => self.effects.push(Effect::CloseLink(id)),
        }
        id
    }

    /// How many links the bus has, and how many bytes wait to be sent over them.
    pub fn bus_figures(&self) -> (usize, u64) {
        let bus = self.membership.as_ref().map(|membership| &membership.bus);
        bus.map_or((0, 0), |bus| (bus.by_id.len(), bus.output.values().map(|output| output.bytes).sum()))
    }

    pub fn bus_link_opened(&mut self, engine: &mut Engine, id: LinkId) -> bool {
        self.with_bus_link(engine, id, |machine, link, engine| machine.link_opened(link, engine.now))
    }

    pub fn bus_link_closed(&mut self, engine: &mut Engine, id: LinkId, reason: &str) -> bool {
        let how = if reason.contains("refused") { Closed::Refused } else { Closed::Lost };
        let known = self
            .with_bus_link(engine, id, |machine, link, engine| machine.link_closed(link, how, engine.now));
        if let Some(membership) = &mut self.membership {
            membership.bus.remove(id);
        }
        known
    }

    pub fn bus_link_data(&mut self, engine: &mut Engine, id: LinkId, input: &mut BytesMut) -> bool {
        self.with_bus_link(engine, id, |machine, link, engine| machine.data(link, input, engine.now))
    }

    pub fn link_output_slices<'a>(&'a self, id: LinkId, slices: &mut [IoSlice<'a>]) -> usize {
        let bus = self.membership.as_ref().map(|membership| &membership.bus);
        match bus.filter(|bus| bus.link_of(id).is_some()) {
            Some(bus) => bus.slices(id, slices).unwrap_or(0),
            None if self.migrations.owns(id) => self.migrations.output_slices(id, slices),
            None if self.metrics.owns(id) => self.metrics.output_slices(id, slices),
            None if self.owns_slot_migration(id) => self.slot_migration_slices(id, slices),
            None => self.replication.link_output_slices(id, slices),
        }
    }

    pub fn link_output_written(&mut self, id: LinkId, count: usize) {
        let bus = self.membership.as_mut().map(|membership| &mut membership.bus);
        if bus.is_some_and(|bus| bus.written(id, count)) {
            return;
        }
        if self.owns_slot_migration(id) {
            self.slot_migration_written(id, count);
        } else if self.migrations.owns(id) {
            self.migrations.output_written(id, count);
        } else if self.metrics.owns(id) {
            self.metrics_written(id, count);
        } else {
            self.replication.link_output_written(id, count);
        }
    }

    /// PUBLISH and SPUBLISH: whoever listens at other nodes hears it too.
    pub fn publish_over_bus(&mut self, engine: &mut Engine, sharded: bool, channel: &[u8], message: &[u8]) {
        let (channel, message) = (Bytes::copy_from_slice(channel), Bytes::copy_from_slice(message));
        if let Some(machine) = self.membership.as_mut().and_then(|membership| membership.machine.as_mut()) {
            machine.publish(sharded, channel, message, engine.now);
        }
        self.settle_cluster(engine);
    }

    /// Tells the machine of one of its links; false where it is not one.
    fn with_bus_link(
        &mut self,
        engine: &mut Engine,
        id: LinkId,
        tell: impl FnOnce(&mut squall_cluster::Cluster, BusLink, &Engine),
    ) -> bool {
        let Some(membership) = &mut self.membership else { return false };
        let Some(link) = membership.bus.link_of(id) else { return false };
        tell(membership.machine(), link, engine);
        self.settle_cluster(engine);
        true
    }
}

/// The host of an `address:port`.
fn host_of(address: &str) -> String {
    address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']).to_owned()
}
