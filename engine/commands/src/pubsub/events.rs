//! Keyspace events: what commands do to keys, published for whoever listens (`notify-keyspace-events`).
//!
//! A command that has changed a key says so with [`Engine::notify`], after [`Engine::changed`]: one call for
//! each thing that happened, in the words of Redis (`"set"`, `"expire"`, `"lpush"`, `"del"` when a
//! collection has become empty). Storing and looking up by themselves tell of new, overwritten and missing
//! keys, and expiry of expired ones: commands need not.

use squall_store::{Inserted, Kind, Value};

use crate::Engine;
use crate::config::EventClass;

impl Engine {
    /// `event` has happened to `key`.
    #[inline]
    pub fn notify(&mut self, class: EventClass, event: &str, db: usize, key: &[u8]) {
        if self.config.notify_keyspace_events.publish_anything() {
            self.publish_event(class, event, db, key);
        }
    }

    #[cold]
    fn publish_event(&mut self, class: EventClass, event: &str, db: usize, key: &[u8]) {
        let classes = self.config.notify_keyspace_events;
        if !classes.has(class) {
            return;
        }
        if classes.has(EventClass::Keyspace) {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.publish(&channel, event.as_bytes());
        }
        if classes.has(EventClass::Keyevent) {
            self.publish(format!("__keyevent@{db}__:{event}").as_bytes(), key);
        }
    }

    /// A value of `kind` has been stored under `key`, with this outcome.
    #[inline]
    pub(crate) fn notify_stored(&mut self, kind: Kind, stored: &Inserted, db: usize, key: &[u8]) {
        if !self.config.notify_keyspace_events.publish_anything() {
            return;
        }
        match stored {
            Inserted::Created => self.publish_event(EventClass::New, "new", db, key),
            Inserted::Replaced(old) => {
                // Small strings leave nothing to free, and so are not handed over.
                let old_kind = old.as_ref().map_or(Kind::String, Value::kind);
                self.publish_event(EventClass::Overwritten, "overwritten", db, key);
                if old_kind != kind {
                    self.publish_event(EventClass::TypeChanged, "type_changed", db, key);
                }
            }
        }
    }

    /// A command looks for `key` to read it; where it does so in vain, that is an event. True where it does.
    #[cold]
    pub(crate) fn notify_missing(&mut self, db: usize, key: &[u8], expired: bool) -> bool {
        let missing = expired || !self.keyspace.db(db).contains(key);
        if missing {
            self.notify(EventClass::KeyMiss, "keymiss", db, key);
        }
        missing
    }
}
