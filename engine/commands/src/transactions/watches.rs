//! Who watches which keys, and whose transaction a change has broken.

use std::collections::{BTreeMap, BTreeSet};

use crate::session::ClientId;

/// All keys under WATCH, by database.
pub struct Watches {
    by_key: Vec<BTreeMap<Vec<u8>, BTreeSet<ClientId>>>,
    by_client: BTreeMap<ClientId, Watching>,
}

/// What one client watches.
#[derive(Default)]
struct Watching {
    keys: Vec<WatchedKey>,
    /// One of the keys has changed: EXEC will do nothing.
    broken: bool,
}

/// A key under WATCH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchedKey {
    pub db: usize,
    pub key: Vec<u8>,
    /// It had expired already when WATCH was called: its deletion is no change.
    pub was_expired: bool,
}

impl Watches {
    pub fn new(databases: usize) -> Watches {
        Watches { by_key: vec![BTreeMap::new(); databases], by_client: BTreeMap::new() }
    }

    /// True where nobody watches anything.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    pub fn add(&mut self, client: ClientId, watched: WatchedKey) {
        let watching = self.by_client.entry(client).or_default();
        if watching.keys.iter().any(|other| other.db == watched.db && other.key == watched.key) {
            return;
        }
        self.by_key[watched.db].entry(watched.key.clone()).or_default().insert(client);
        watching.keys.push(watched);
    }

    /// UNWATCH, and the end of a transaction or of a client.
    pub fn forget(&mut self, client: ClientId) {
        let Some(watching) = self.by_client.remove(&client) else { return };
        for watched in watching.keys {
            let watchers = self.by_key[watched.db].get_mut(&watched.key).expect("a watched key has watchers");
            watchers.remove(&client);
            if watchers.is_empty() {
                self.by_key[watched.db].remove(&watched.key);
            }
        }
    }

    /// The key has changed.
    pub fn touch(&mut self, db: usize, key: &[u8]) {
        if let Some(watchers) = self.by_key[db].get(key) {
            break_all(&mut self.by_client, watchers);
        }
    }

    /// Breaks the transactions of all who watch a key of `db` that `changes` names.
    pub fn touch_where(&mut self, db: usize, changes: impl Fn(&[u8]) -> bool) {
        for (_, watchers) in self.by_key[db].iter().filter(|(key, _)| changes(key)) {
            break_all(&mut self.by_client, watchers);
        }
    }

    pub fn is_broken(&self, client: ClientId) -> bool {
        self.by_client.get(&client).is_some_and(|watching| watching.broken)
    }

    pub fn keys_of(&self, client: ClientId) -> &[WatchedKey] {
        self.by_client.get(&client).map_or(&[], |watching| &watching.keys)
    }

    /// Clients that watch something, and keys that are watched by somebody.
    pub fn counts(&self) -> (usize, usize) {
        (self.by_client.len(), self.by_key.iter().map(BTreeMap::len).sum())
    }
}

fn break_all(by_client: &mut BTreeMap<ClientId, Watching>, watchers: &BTreeSet<ClientId>) {
    for client in watchers {
        by_client.get_mut(client).expect("a watcher watches").broken = true;
    }
}
