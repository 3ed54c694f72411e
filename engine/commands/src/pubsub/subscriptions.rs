//! Who listens to which channels. Shard channels are kept by slot, so that a cluster node that loses a
//! slot can dismiss those who listen there.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use squall_store::{Slot, glob_match, slot_of};

use crate::session::ClientId;

/// What a subscription is to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    Channel,
    /// All channels that match a pattern.
    Pattern,
    /// A channel of the shard that owns its slot.
    Shard,
}

type Listeners = BTreeMap<Bytes, BTreeSet<ClientId>>;

/// All subscriptions, by channel and by client.
#[derive(Default)]
pub struct Subscriptions {
    channels: Listeners,
    patterns: Listeners,
    shard_channels: BTreeMap<Slot, Listeners>,
    by_client: BTreeMap<ClientId, Subscribed>,
}

/// What one client listens to.
#[derive(Default)]
struct Subscribed {
    channels: BTreeSet<Bytes>,
    patterns: BTreeSet<Bytes>,
    shard_channels: BTreeSet<Bytes>,
}

/// How many subscriptions of each scope a client has, or there are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    pub channels: usize,
    pub patterns: usize,
    pub shard_channels: usize,
}

impl Subscriptions {
    /// False where the client was subscribed already.
    pub fn add(&mut self, client: ClientId, scope: Scope, name: &[u8]) -> bool {
        let own = self.by_client.entry(client).or_default().names_mut(scope);
        if own.contains(name) {
            return false;
        }
        let name = Bytes::copy_from_slice(name);
        own.insert(name.clone());
        let listeners = match scope {
            Scope::Channel => &mut self.channels,
            Scope::Pattern => &mut self.patterns,
            Scope::Shard => self.shard_channels.entry(slot_of(&name)).or_default(),
        };
        listeners.entry(name).or_default().insert(client);
        true
    }

    /// False where the client was not subscribed.
    pub fn remove(&mut self, client: ClientId, scope: Scope, name: &[u8]) -> bool {
        let Some(own) = self.by_client.get_mut(&client) else { return false };
        if !own.names_mut(scope).remove(name) {
            return false;
        }
        if own.is_empty() {
            self.by_client.remove(&client);
        }
        self.strike(client, scope, name);
        true
    }

    /// The client is gone, or was reset.
    pub fn forget(&mut self, client: ClientId) {
        let Some(own) = self.by_client.remove(&client) else { return };
        for scope in [Scope::Channel, Scope::Pattern, Scope::Shard] {
            own.names(scope).iter().for_each(|name| self.strike(client, scope, name));
        }
    }

    /// What a client listens to, in order.
    pub fn names_of(&self, client: ClientId, scope: Scope) -> Vec<Bytes> {
        self.by_client.get(&client).map_or(Vec::new(), |own| own.names(scope).iter().cloned().collect())
    }

    pub fn counts_of(&self, client: ClientId) -> Counts {
        self.by_client.get(&client).map_or(Counts::default(), |own| Counts {
            channels: own.channels.len(),
            patterns: own.patterns.len(),
            shard_channels: own.shard_channels.len(),
        })
    }

    /// How many channels and patterns somebody listens to.
    pub fn counts(&self) -> Counts {
        Counts {
            channels: self.channels.len(),
            patterns: self.patterns.len(),
            shard_channels: self.shard_channels.values().map(Listeners::len).sum(),
        }
    }

    /// How many clients listen to anything.
    pub fn clients(&self) -> usize {
        self.by_client.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// Those who listen to exactly this channel, in order of arrival.
    pub fn listeners(&self, scope: Scope, name: &[u8]) -> impl Iterator<Item = ClientId> + '_ {
        let listeners = match scope {
            Scope::Channel => self.channels.get(name),
            Scope::Pattern => self.patterns.get(name),
            Scope::Shard => self.shard_channels.get(&slot_of(name)).and_then(|slot| slot.get(name)),
        };
        listeners.into_iter().flatten().copied()
    }

    /// The patterns that a channel matches, each with those who listen to it.
    pub fn matching<'a>(
        &'a self,
        channel: &'a [u8],
    ) -> impl Iterator<Item = (&'a Bytes, &'a BTreeSet<ClientId>)> {
        self.patterns.iter().filter(move |(pattern, _)| glob_match(pattern, channel))
    }

    /// The channels that somebody listens to and that match `pattern`, in order. Patterns have no such list.
    pub fn active(&self, scope: Scope, pattern: &[u8]) -> Vec<Bytes> {
        let matching = |listeners: &Listeners| -> Vec<Bytes> {
            listeners.keys().filter(|name| glob_match(pattern, name)).cloned().collect()
        };
        match scope {
            Scope::Channel => matching(&self.channels),
            Scope::Pattern => matching(&self.patterns),
            Scope::Shard => self.shard_channels.values().flat_map(matching).collect(),
        }
    }

    /// Ends all subscriptions to channels of `slot`, which another node serves from now on; tells which they
    /// were.
    pub fn leave_slot(&mut self, slot: Slot) -> Vec<(ClientId, Bytes)> {
        let mut dismissed = Vec::new();
        for (name, listeners) in self.shard_channels.remove(&slot).unwrap_or_default() {
            for client in listeners {
                let own = self.by_client.get_mut(&client).expect("a listener is subscribed");
                own.shard_channels.remove(&name);
                if own.is_empty() {
                    self.by_client.remove(&client);
                }
                dismissed.push((client, name.clone()));
            }
        }
        dismissed
    }

    /// Takes a client off the listeners of a channel.
    fn strike(&mut self, client: ClientId, scope: Scope, name: &[u8]) {
        let slot = slot_of(name);
        let listeners = match scope {
            Scope::Channel => &mut self.channels,
            Scope::Pattern => &mut self.patterns,
            Scope::Shard => self.shard_channels.get_mut(&slot).expect("the slot has listeners"),
        };
        let clients = listeners.get_mut(name).expect("the channel has listeners");
        clients.remove(&client);
        if clients.is_empty() {
            listeners.remove(name);
        }
        if scope == Scope::Shard && listeners.is_empty() {
            self.shard_channels.remove(&slot);
        }
    }
}

impl Counts {
    pub fn total(self) -> usize {
        self.channels + self.patterns + self.shard_channels
    }
}

impl Subscribed {
    fn names(&self, scope: Scope) -> &BTreeSet<Bytes> {
        match scope {
            Scope::Channel => &self.channels,
            Scope::Pattern => &self.patterns,
            Scope::Shard => &self.shard_channels,
        }
    }

    fn names_mut(&mut self, scope: Scope) -> &mut BTreeSet<Bytes> {
        match scope {
            Scope::Channel => &mut self.channels,
            Scope::Pattern => &mut self.patterns,
            Scope::Shard => &mut self.shard_channels,
        }
    }

    fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shard_channels.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Add(u64, u8, u8),
        Remove(u64, u8, u8),
        Forget(u64),
        LeaveSlot(u8),
    }

    const SCOPES: [Scope; 3] = [Scope::Channel, Scope::Pattern, Scope::Shard];

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..4u64, 0..3u8, 0..4u8).prop_map(|(client, scope, name)| Step::Add(client, scope, name)),
            2 => (0..4u64, 0..3u8, 0..4u8).prop_map(|(client, scope, name)| Step::Remove(client, scope, name)),
            1 => (0..4u64).prop_map(Step::Forget),
            1 => (0..4u8).prop_map(Step::LeaveSlot),
        ]
    }

    proptest! {
        /// Against a plain set of (client, scope, name).
        #[test]
        fn both_sides_know_the_same(steps in prop::collection::vec(step(), 0..60)) {
            let (mut subscriptions, mut model) = (Subscriptions::default(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Add(client, scope, name) => {
                        let fresh = subscriptions.add(ClientId(client), SCOPES[usize::from(scope)], &[name]);
                        prop_assert_eq!(fresh, model.insert((client, scope, name)));
                    }
                    Step::Remove(client, scope, name) => {
                        let was = subscriptions.remove(ClientId(client), SCOPES[usize::from(scope)], &[name]);
                        prop_assert_eq!(was, model.remove(&(client, scope, name)));
                    }
                    Step::Forget(client) => {
                        subscriptions.forget(ClientId(client));
                        model.retain(|(other, _, _)| *other != client);
                    }
                    Step::LeaveSlot(name) => {
                        let dismissed = subscriptions.leave_slot(slot_of(&[name]));
                        let before = model.len();
                        model.retain(|(_, scope, other)| *scope != 2 || *other != name);
                        prop_assert_eq!(dismissed.len(), before - model.len());
                    }
                }
                for scope in 0..3u8 {
                    for name in 0..4u8 {
                        let told = subscriptions.listeners(SCOPES[usize::from(scope)], &[name]).map(|id| id.0);
                        let known = model.iter().filter(|(_, s, n)| (*s, *n) == (scope, name)).map(|(id, _, _)| *id);
                        prop_assert_eq!(told.collect::<BTreeSet<_>>(), known.collect::<BTreeSet<_>>());
                    }
                }
                let clients: BTreeSet<u64> = model.iter().map(|(client, _, _)| *client).collect();
                prop_assert_eq!(subscriptions.clients(), clients.len());
                let total: usize = clients.iter().map(|id| subscriptions.counts_of(ClientId(*id)).total()).sum();
                prop_assert_eq!(total, model.len());
                let channels: BTreeSet<_> = model.iter().map(|(_, scope, name)| (scope, name)).collect();
                prop_assert_eq!(subscriptions.counts().total(), channels.len());
            }
        }
    }
}
