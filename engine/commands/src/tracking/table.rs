//! Who is to be told of which keys.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::session::ClientId;

/// Which reads are remembered, in the default mode.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Choice {
    #[default]
    All,
    /// Only of the request that follows `CLIENT CACHING yes`.
    OptIn,
    /// All but those of the request that follows `CLIENT CACHING no`.
    OptOut,
}

/// How a client wants to be told.
#[derive(Clone, Default, Debug)]
pub(super) struct Mode {
    pub redirect: Option<ClientId>,
    pub redirect_is_broken: bool,
    /// Broadcasting: of all keys with these prefixes.
    pub prefixes: Option<Vec<Bytes>>,
    pub choice: Choice,
    /// What `CLIENT CACHING` has said of the next request.
    pub caching: Option<bool>,
    /// Not of its own changes.
    pub skips_own: bool,
}

/// All clients that keep what they have read, and what that is.
#[derive(Default)]
pub struct Tracking {
    modes: BTreeMap<ClientId, Mode>,
    readers: BTreeMap<Bytes, BTreeSet<ClientId>>,
    items: usize,
    /// Keys that changed and that broadcasting clients have not been told of: with whose doing it was.
    changed: BTreeMap<Bytes, Option<ClientId>>,
    broadcasting: usize,
}

impl Mode {
    pub fn wants_next_remembered(&self) -> bool {
        self.prefixes.is_none()
            && match self.choice {
                Choice::All => true,
                Choice::OptIn => self.caching == Some(true),
                Choice::OptOut => self.caching != Some(false),
            }
    }
}

impl Tracking {
    /// True where nobody wants to be told of anything.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.modes.is_empty()
    }

    pub fn clients(&self) -> usize {
        self.modes.len()
    }

    /// The client of whom another gets its messages, and whether that other is gone; none where it is not tracked.
    pub fn redirection(&self, client: ClientId) -> Option<(Option<ClientId>, bool)> {
        self.modes.get(&client).map(|mode| (mode.redirect, mode.redirect_is_broken))
    }

    pub fn is_broadcasting(&self, client: ClientId) -> bool {
        self.modes.get(&client).is_some_and(|mode| mode.prefixes.is_some())
    }

    /// How many keys are remembered, for how many clients together, and how many prefixes are broadcast.
    pub fn counts(&self) -> (usize, usize, usize) {
        let prefixes: BTreeSet<&Bytes> =
            self.modes.values().filter_map(|mode| mode.prefixes.as_ref()).flatten().collect();
        (self.readers.len(), self.items, prefixes.len())
    }

    /// The client is gone, or wants to hear no more.
    pub fn forget(&mut self, client: ClientId) {
        let Some(mode) = self.modes.remove(&client) else { return };
        self.broadcasting -= usize::from(mode.prefixes.is_some());
        if self.modes.is_empty() {
            self.readers.clear();
            self.changed.clear();
            self.items = 0;
        }
    }

    /// Whether broadcasting clients have to be told of something.
    #[inline]
    pub fn has_broadcasts(&self) -> bool {
        !self.changed.is_empty()
    }

    pub(super) fn mode(&self, client: ClientId) -> Option<&Mode> {
        self.modes.get(&client)
    }

    pub(super) fn mode_mut(&mut self, client: ClientId) -> Option<&mut Mode> {
        self.modes.get_mut(&client)
    }

    pub(super) fn set(&mut self, client: ClientId, mode: Mode) {
        self.broadcasting += usize::from(mode.prefixes.is_some());
        if let Some(before) = self.modes.insert(client, mode) {
            self.broadcasting -= usize::from(before.prefixes.is_some());
        }
    }

    pub(super) fn break_redirection(&mut self, client: ClientId) {
        if let Some(mode) = self.modes.get_mut(&client) {
            mode.redirect_is_broken = true;
        }
    }

    pub(super) fn keys_len(&self) -> usize {
        self.readers.len()
    }

    pub(super) fn remember(&mut self, client: ClientId, key: &[u8]) {
        match self.readers.get_mut(key) {
            Some(readers) => self.items += usize::from(readers.insert(client)),
            None => {
                self.readers.insert(Bytes::copy_from_slice(key), BTreeSet::from([client]));
                self.items += 1;
            }
        }
    }

    /// Forgets a key, to make room.
    pub(super) fn pop_key(&mut self) -> Option<(Bytes, Vec<ClientId>)> {
        let (key, readers) = self.readers.pop_first()?;
        self.items -= readers.len();
        Some((key, readers.into_iter().collect()))
    }

    /// Those who have read the key and have to be told; they are not told again until they read it again.
    pub(super) fn take_readers(&mut self, key: &[u8], by: Option<ClientId>) -> Vec<ClientId> {
        let Some(readers) = self.readers.remove(key) else { return Vec::new() };
        self.items -= readers.len();
        let is_told = |client: &ClientId| {
            self.modes
                .get(client)
                .is_some_and(|mode| mode.prefixes.is_none() && !(mode.skips_own && by == Some(*client)))
        };
        readers.into_iter().filter(is_told).collect()
    }

    /// A change by several clients is nobody's own.
    pub(super) fn note_for_broadcast(&mut self, key: &[u8], by: Option<ClientId>) {
        if self.broadcasting == 0 {
            return;
        }
        match self.changed.get_mut(key) {
            Some(before) if *before != by => *before = None,
            Some(_) => {}
            None => drop(self.changed.insert(Bytes::copy_from_slice(key), by)),
        }
    }

    /// What broadcasting clients are to be told: for each of their prefixes the changed keys that have it.
    pub(super) fn take_broadcasts(&mut self) -> Vec<(ClientId, Vec<Bytes>)> {
        let changed = std::mem::take(&mut self.changed);
        let mut messages = Vec::new();
        for (client, mode) in &self.modes {
            for prefix in mode.prefixes.iter().flatten() {
                let is_told = |(key, by): &(&Bytes, &Option<ClientId>)| {
                    key.starts_with(prefix) && !(mode.skips_own && **by == Some(*client))
                };
                let keys: Vec<Bytes> = changed.iter().filter(is_told).map(|(key, _)| key.clone()).collect();
                if !keys.is_empty() {
                    messages.push((*client, keys));
                }
            }
        }
        messages
    }

    /// Forgets what everybody has read; tells who is to be told.
    pub(super) fn forget_all_keys(&mut self) -> Vec<ClientId> {
        self.readers.clear();
        self.changed.clear();
        self.items = 0;
        self.modes.keys().copied().collect()
    }
}
