//! Writing to the keyspace as commands do: each of these counts a change and breaks the transactions that
//! watch the key. What replicas hear of it is the command's own business (see `propagation.rs`), and so is what
//! subscribers hear of it: a command that has changed a key calls [`Engine::notify`] (`pubsub/events.rs`).

use squall_clock::UnixMs;
use squall_store::{Discarded, EntryMut, Inserted, Kind, Removed, Value};

use crate::strings::text_of;
use crate::{CommandError, Engine, recency};

impl Engine {
    /// Stores a string under `key`, whatever was there before.
    #[inline]
    pub fn set_string(&mut self, db: usize, key: &[u8], bytes: &[u8], expire_at: Option<UnixMs>) {
        self.note_access(db, key);
        let stored = self.keyspace.db_mut(db).set_string(key, bytes, expire_at);
        self.changed(db, key);
        self.notify_stored(Kind::String, &stored, db, key);
        self.dispose_replaced(stored);
    }

    /// Stores a value under `key`, whatever was there before.
    pub fn insert(&mut self, db: usize, key: &[u8], value: Value, expire_at: Option<UnixMs>) {
        self.note_access(db, key);
        let kind = value.kind();
        let stored = self.keyspace.db_mut(db).insert(key, value, expire_at);
        self.changed(db, key);
        self.notify_stored(kind, &stored, db, key);
        self.dispose_replaced(stored);
    }

    /// The string under `key`, to be changed in place; an empty one is created if there is none. Nothing is
    /// counted as a change yet.
    pub(crate) fn string_to_change(&mut self, db: usize, key: &[u8]) -> Result<EntryMut<'_>, CommandError> {
        let found = self.lookup_write(db, key).map(|entry| text_of(&entry).map(drop));
        if found.transpose()?.is_none() {
            self.note_access(db, key);
            let stored = self.keyspace.db_mut(db).set_string(key, b"", None);
            self.notify_stored(Kind::String, &stored, db, key);
        }
        Ok(self.keyspace.db_mut(db).lookup_mut(key).expect("it is there, or was just made"))
    }

    /// Removes the live entry under `key`; false if there is none.
    pub fn delete(&mut self, db: usize, key: &[u8]) -> bool {
        let Some(removed) = self.take(db, key) else { return false };
        self.dispose(removed);
        self.changed(db, key);
        true
    }

    /// Puts the live entry under `from` where `to` says, expiry time and access word with it.
    pub fn relocate(&mut self, from: (usize, &[u8]), to: (usize, &[u8])) {
        let removed = self.take(from.0, from.1).expect("the caller has looked the key up");
        self.touched(from.0, from.1);
        let (access, expire_at) = (removed.access(), removed.expire_at());
        self.insert(to.0, to.1, removed.into_value(), expire_at);
        self.restore_access(to.0, to.1, access);
    }

    /// Sets or clears the expiry time of a key that exists.
    pub fn set_expire(&mut self, db: usize, key: &[u8], expire_at: Option<UnixMs>) {
        let exists = self.keyspace.db_mut(db).set_expire(key, expire_at);
        assert!(exists, "the caller has looked the key up");
        self.changed(db, key);
    }

    /// Gives an entry the access word of another, or of an earlier time.
    pub fn restore_access(&mut self, db: usize, key: &[u8], access: u32) {
        if let Some(entry) = self.keyspace.db(db).lookup(key) {
            entry.touch(access);
        }
    }

    /// Empties a database. Its content is freed later, by [`Engine::free_step`].
    pub fn discard(&mut self, db: usize) {
        self.discarded.append(self.keyspace.flush(db));
    }

    /// Content that nobody needs any more, to be freed in slices.
    pub fn free_later(&mut self, content: Discarded) {
        self.discarded.append(content);
    }

    /// Frees about `budget` discarded entries; true when nothing is left. The node calls it in slices.
    pub fn free_step(&mut self, budget: usize) -> bool {
        let before = self.discarded.len();
        let is_done = self.discarded.free_step(budget);
        self.stats.freed_later += before.saturating_sub(self.discarded.len()) as u64;
        is_done
    }

    /// Frees an entry: a large value in slices, later.
    pub(crate) fn dispose(&mut self, removed: Removed) {
        if removed.is_apart() {
            self.discarded.push(removed.into_value());
        }
    }

    /// Frees what a new value has replaced.
    #[inline]
    fn dispose_replaced(&mut self, inserted: Inserted) {
        if let Inserted::Replaced(Some(old)) = inserted {
            self.discarded.push(old);
        }
    }

    /// Storing a value counts as an access; under LFU the new value inherits how often the old one was used.
    #[inline]
    pub(crate) fn note_access(&mut self, db: usize, key: &[u8]) {
        let mut access = recency::first_access(&self.config, self.now);
        if self.is_lfu()
            && let Some(old) = self.keyspace.db(db).lookup(key)
        {
            recency::touch(old, &self.config, self.now, &mut self.rng);
            access = old.access();
        }
        self.keyspace.db_mut(db).set_access_of_stored(access);
    }
}
