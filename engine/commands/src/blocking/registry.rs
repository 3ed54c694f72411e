//! Who waits for which keys, since when in relation to others, and until when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use squall_clock::Mono;
use squall_resp::OwnedArgs;

use super::Wish;
use crate::session::ClientId;
use crate::table::CommandId;

/// All clients that wait for keys.
pub struct Waiting {
    by_client: BTreeMap<ClientId, Waiter>,
    /// For each database the keys that are waited for, and by whom: who came first is first.
    by_key: Vec<BTreeMap<Bytes, VecDeque<ClientId>>>,
    deadlines: BTreeSet<(Mono, ClientId)>,
    /// Keys that have changed, in order, each once.
    ready: VecDeque<(usize, Bytes)>,
    marked: BTreeSet<(usize, Bytes)>,
}

/// A client that waits.
pub(super) struct Waiter {
    pub db: usize,
    pub row: CommandId,
    pub request: OwnedArgs,
    pub wish: Wish,
    keys: BTreeSet<Bytes>,
}

impl Waiter {
    pub fn of<'k>(
        db: usize,
        row: CommandId,
        request: OwnedArgs,
        wish: Wish,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> Waiter {
        Waiter { db, row, request, wish, keys: keys.map(Bytes::copy_from_slice).collect() }
    }
}

impl Waiting {
    pub fn new(databases: usize) -> Waiting {
        Waiting {
            by_client: BTreeMap::new(),
            by_key: vec![BTreeMap::new(); databases],
            deadlines: BTreeSet::new(),
            ready: VecDeque::new(),
            marked: BTreeSet::new(),
        }
    }

    /// True where nobody waits for anything.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    pub fn contains(&self, client: ClientId) -> bool {
        self.by_client.contains_key(&client)
    }

    /// The key has changed.
    pub fn mark(&mut self, db: usize, key: &[u8]) {
        if let Some((key, _)) = self.by_key[db].get_key_value(key) {
            let place = (db, key.clone());
            if self.marked.insert(place.clone()) {
                self.ready.push_back(place);
            }
        }
    }

    /// All keys of a database may have changed.
    pub fn mark_all(&mut self, db: usize) {
        for key in self.by_key[db].keys() {
            let place = (db, key.clone());
            if self.marked.insert(place.clone()) {
                self.ready.push_back(place);
            }
        }
    }

    /// Whether a key has changed that somebody waits for.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When the first of those that do not wait for ever gives up.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The keys that are waited for; those whose absence would be told; and clients with a deadline.
    pub fn counts(&self) -> (usize, usize, usize) {
        let needed =
            |clients: &VecDeque<ClientId>| clients.iter().any(|id| self.by_client[id].wish.needs_key);
        let keys = || self.by_key.iter().flat_map(BTreeMap::values);
        (keys().count(), keys().filter(|clients| needed(clients)).count(), self.deadlines.len())
    }

    /// The client is gone.
    pub fn forget(&mut self, client: ClientId) {
        self.remove(client);
    }

    pub(super) fn insert(&mut self, client: ClientId, waiter: Waiter) {
        for key in &waiter.keys {
            self.by_key[waiter.db].entry(key.clone()).or_default().push_back(client);
        }
        if let Some(deadline) = waiter.wish.deadline {
            self.deadlines.insert((deadline, client));
        }
        let before = self.by_client.insert(client, waiter);
        assert!(before.is_none(), "a client waits for one request");
    }

    /// One of the keys that a client waits for: in a cluster they share a slot.
    pub fn first_key_of(&self, client: ClientId) -> Option<&[u8]> {
        self.by_client.get(&client)?.keys.first().map(|key| &key[..])
    }

    /// The client does not wait any more.
    pub(super) fn remove(&mut self, client: ClientId) -> Option<Waiter> {
        let waiter = self.by_client.remove(&client)?;
        for key in &waiter.keys {
            let clients = self.by_key[waiter.db].get_mut(key).expect("a key that is waited for has clients");
            clients.retain(|&other| other != client);
            if clients.is_empty() {
                self.by_key[waiter.db].remove(key);
            }
        }
        if let Some(deadline) = waiter.wish.deadline {
            self.deadlines.remove(&(deadline, client));
        }
        Some(waiter)
    }

    pub(super) fn get_mut(&mut self, client: ClientId) -> Option<&mut Waiter> {
        self.by_client.get_mut(&client)
    }

    pub(super) fn next_ready(&mut self) -> Option<(usize, Bytes)> {
        let place = self.ready.pop_front()?;
        self.marked.remove(&place);
        Some(place)
    }

    /// Those who wait for a key, in order, with what they wait for.
    pub(super) fn waiting_for(&self, db: usize, key: &[u8]) -> Vec<(ClientId, Wish)> {
        let clients = self.by_key[db].get(key).into_iter().flatten();
        clients.map(|&client| (client, self.by_client[&client].wish)).collect()
    }

    pub(super) fn overdue(&self, now: Mono) -> Option<ClientId> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|(_, client)| *client)
    }

    pub(crate) fn clients(&self) -> Vec<ClientId> {
        self.by_client.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use squall_store::Kind;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64, Vec<u8>, Option<u64>),
        Remove(u64),
        Mark(u8),
        MarkAll,
        TakeReady,
    }

    fn step() -> impl Strategy<Value = Step> {
        let keys = prop::collection::vec(0..5u8, 1..4);
        prop_oneof![
            4 => (0..6u64, keys, prop::option::of(0..9u64)).prop_map(|(client, keys, deadline)| Step::Insert(client, keys, deadline)),
            2 => (0..6u64).prop_map(Step::Remove),
            2 => (0..6u8).prop_map(Step::Mark),
            1 => Just(Step::MarkAll),
            2 => Just(Step::TakeReady),
        ]
    }

    /// A list of those who wait, in order of arrival, and a list of the keys that are ready.
    #[derive(Default)]
    struct Model {
        waiting: Vec<(u64, Vec<u8>, Option<u64>)>,
        ready: Vec<u8>,
    }

    impl Model {
        fn mark(&mut self, key: u8) {
            let is_waited_for = self.waiting.iter().any(|(_, keys, _)| keys.contains(&key));
            if is_waited_for && !self.ready.contains(&key) {
                self.ready.push(key);
            }
        }
    }

    proptest! {
        #[test]
        fn the_first_to_come_is_first(steps in prop::collection::vec(step(), 0..60)) {
            let (mut waiting, mut model) = (Waiting::new(2), Model::default());
            for step in steps {
                match step {
                    Step::Insert(client, _, _) if waiting.contains(ClientId(client)) => {}
                    Step::Insert(client, keys, deadline) => {
                        let wish = Wish { kind: Kind::List, needs_key: false, deadline: deadline.map(Mono) };
                        let names: Vec<[u8; 1]> = keys.iter().map(|key| [*key]).collect();
                        let names = names.iter().map(|name| &name[..]);
                        let waiter = Waiter::of(1, CommandId(0), OwnedArgs::default(), wish, names);
                        waiting.insert(ClientId(client), waiter);
                        model.waiting.push((client, keys, deadline));
                    }
                    Step::Remove(client) => {
                        let was = model.waiting.iter().any(|(id, _, _)| *id == client);
                        prop_assert_eq!(waiting.remove(ClientId(client)).is_some(), was);
                        model.waiting.retain(|(id, _, _)| *id != client);
                    }
                    Step::Mark(key) => {
                        waiting.mark(1, &[key]);
                        model.mark(key);
                    }
                    Step::MarkAll => {
                        waiting.mark_all(1);
                        (0..6).for_each(|key| model.mark(key));
                    }
                    Step::TakeReady => {
                        let expected = (!model.ready.is_empty()).then(|| model.ready.remove(0));
                        prop_assert_eq!(waiting.next_ready(), expected.map(|key| (1, Bytes::copy_from_slice(&[key]))));
                    }
                }
                for key in 0..6u8 {
                    let told: Vec<u64> = waiting.waiting_for(1, &[key]).iter().map(|(id, _)| id.0).collect();
                    let known = model.waiting.iter().filter(|(_, keys, _)| keys.contains(&key));
                    prop_assert_eq!(told, known.map(|(id, _, _)| *id).collect::<Vec<_>>());
                }
                let first = model.waiting.iter().filter_map(|(_, _, deadline)| *deadline).min();
                prop_assert_eq!(waiting.next_deadline(), first.map(Mono));
                prop_assert_eq!(waiting.is_empty(), model.waiting.is_empty());
            }
        }
    }
}
