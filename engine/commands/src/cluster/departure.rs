//! What becomes of those who are busy with a slot that another node serves from now on: listeners to its shard
//! channels are told that they no longer are, and those who wait for its keys are told where to go.

use squall_store::{Slot, slot_of};

use super::{Routing, SlotOwner};
use crate::Engine;

impl Engine {
    /// There is news of who serves what; `before` is what was known until now.
    pub fn slots_moved(&mut self, before: Option<&Routing>) {
        let (Some(before), Some(routing)) = (before, self.routing.as_deref()) else { return };
        let (lost, silenced) = (routing.lost_since(before), routing.silenced_since(before));
        for slot in &lost {
            self.dismiss_shard_listeners(*slot);
            self.slot_stats.forget(*slot);
        }
        silenced.into_iter().for_each(|slot| self.dismiss_shard_listeners(slot));
        if !self.waiting.is_empty() {
            self.redirect_waiting();
        }
    }

    /// Those who wait for keys that are not served here any more, or by a cluster that does not work.
    fn redirect_waiting(&mut self) {
        let Some(routing) = self.routing.as_deref() else { return };
        let mut answers = Vec::new();
        for client in self.waiting.clients() {
            let Some(slot) = self.waiting.first_key_of(client).map(slot_of) else { continue };
            let reads_here = self.clients.get(client).is_some_and(|client| client.session.read_only);
            match routing.away(slot, reads_here) {
                Some(answer) => answers.push((client, answer)),
                None if !routing.ok => {
                    answers.push((client, "CLUSTERDOWN The cluster is down".to_owned()));
                }
                None => {}
            }
        }
        for (client, answer) in answers {
            self.end_waiting(client, |reply| reply.error(&answer));
        }
    }
}

impl Routing {
    /// Where to send those who ask for a slot that is not served here.
    fn away(&self, slot: Slot, reads_here: bool) -> Option<String> {
        match self.owner(slot) {
            SlotOwner::Me => None,
            SlotOwner::Nobody => Some("CLUSTERDOWN Hash slot not served".to_owned()),
            SlotOwner::Other(number) if reads_here && self.my_primary == Some(number) => None,
            SlotOwner::Other(_) if self.importing.contains(&slot) => None,
            SlotOwner::Other(number) => Some(format!("MOVED {} {}", slot.number(), self.endpoint(number))),
        }
    }
}
