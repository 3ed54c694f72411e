//! How commands find, make, change and delete collections: the one place that knows of missing keys, wrong types and
//! collections that became empty.
//!
//! [`Engine::read`] and [`Engine::edit`] give `None` for a missing key; [`Engine::edit_or_create`] makes a new
//! collection. None of them counts a change: a command that changed something says so by [`Engine::wrote`],
//! with as many changes as Redis counts and the event's name, and what it propagates is its own business. A
//! collection that an edit leaves empty is deleted with its key.

use squall_resp::{Args, Reply};
use squall_store::packed::Item;
use squall_store::{Collection, Limits, parse_i64};

use crate::config::EventClass;
use crate::{CommandError, Engine, recency};

impl Engine {
    /// The collection under `key`, to be read.
    #[inline]
    pub fn read<T: Collection>(&mut self, db: usize, key: &[u8]) -> Result<Option<&T>, CommandError> {
        let Some(entry) = self.lookup_read(db, key) else { return Ok(None) };
        entry.collection().map(Some).ok_or(CommandError::WrongType)
    }

    /// Changes the collection under `key`.
    #[inline]
    pub fn edit<T: Collection, R>(
        &mut self,
        db: usize,
        key: &[u8],
        change: impl FnOnce(&mut T, &Limits) -> R,
    ) -> Result<Option<R>, CommandError> {
        if self.deal_with_expired(db, key) {
            return Ok(None);
        }
        let (db, limits) = self.keyspace.db_and_limits(db);
        let Some(mut entry) = db.lookup_mut(key) else { return Ok(None) };
        if !self.caller.no_touch {
            recency::touch(&entry, &self.config, self.now, &mut self.rng);
        }
        let edited = entry.edit(|collection: &mut T| (change(collection, limits), collection.is_empty()));
        let (result, is_empty) = edited.ok_or(CommandError::WrongType)?;
        if is_empty {
            drop(entry);
            let emptied = db.remove(key).expect("it was there above");
            self.dispose(emptied);
        }
        Ok(Some(result))
    }

    /// Changes the collection under `key`, or an empty one that is stored there if the change puts something in.
    #[inline]
    pub fn edit_or_create<T: Collection, R>(
        &mut self,
        db: usize,
        key: &[u8],
        change: impl FnOnce(&mut T, &Limits) -> R,
    ) -> Result<R, CommandError> {
        let mut change = Some(change);
        let edited = self.edit(db, key, |collection: &mut T, limits| {
            change.take().map(|change| change(collection, limits))
        })?;
        if let Some(result) = edited.flatten() {
            return Ok(result);
        }
        let change = change.expect("nothing was there to be changed");
        let mut collection = T::default();
        let result = change(&mut collection, self.keyspace.limits());
        if !collection.is_empty() {
            self.note_access(db, key);
            let value = collection.into_value();
            let kind = value.kind();
            let stored = self.keyspace.db_mut(db).insert(key, value, None);
            self.notify_stored(kind, &stored, db, key);
        }
        Ok(result)
    }

    /// Stores what a command has made (`SUNIONSTORE`), or deletes the key if that is empty; counts one change if there
    /// was any, and tells of it.
    pub fn store_result<T: Collection>(
        &mut self,
        db: usize,
        key: &[u8],
        result: T,
        class: EventClass,
        event: &str,
    ) {
        if !result.is_empty() {
            self.insert(db, key, result.into_value(), None);
            self.notify(class, event, db, key);
        } else if self.delete(db, key) {
            self.notify(EventClass::Generic, "del", db, key);
        }
    }

    /// To be called by every write that made so many changes under `key`, with the event that it is; none is no write.
    #[inline]
    pub fn wrote(&mut self, db: usize, key: &[u8], changes: u64, class: EventClass, event: &str) {
        if changes == 0 {
            return;
        }
        self.changed(db, key);
        self.dirty += changes - 1;
        self.notify_edited(db, key, class, event);
    }

    /// Tells of an edit, and where it has emptied the collection, of the deletion too.
    #[inline]
    pub(crate) fn notify_edited(&mut self, db: usize, key: &[u8], class: EventClass, event: &str) {
        if self.config.notify_keyspace_events.publish_anything() {
            self.notify(class, event, db, key);
            if !self.keyspace.db(db).contains(key) {
                self.notify(EventClass::Generic, "del", db, key);
            }
        }
    }

    /// Brings the thresholds at which collections change their encoding up to date with the configuration.
    pub(crate) fn apply_limits(&mut self) {
        apply_limits(&self.config, self.keyspace.limits_mut());
    }
}

/// Reads what LMPOP, ZMPOP and their kin say from the word with the number of keys on: the keys, which end (as `end_of`
/// reads it), how many.
pub(crate) fn parse_multiple_pop<'a, E>(
    args: Args<'a>,
    first: usize,
    end_of: impl FnOnce(&[u8]) -> Result<E, CommandError>,
) -> Result<(Args<'a>, E, usize), CommandError> {
    let positive = |text: &[u8]| {
        parse_i64(text).and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0)
    };
    let keys = positive(args.at(first)).ok_or(CommandError::line("ERR numkeys should be greater than 0"))?;
    let at = keys.saturating_add(first + 1);
    let end = end_of(args.get(at).ok_or(CommandError::Syntax)?)?;
    let count = match (args.get(at + 1), args.get(at + 2)) {
        (None, _) => 1,
        (Some(word), Some(count)) if word.eq_ignore_ascii_case(b"COUNT") => {
            let count = positive(count).ok_or(CommandError::line("ERR count should be greater than 0"))?;
            if args.len() > at + 3 {
                return Err(CommandError::Syntax);
            }
            count
        }
        _ => return Err(CommandError::Syntax),
    };
    Ok((args.skip(first + 1).first(keys), end, count))
}

/// Replies with one element of a collection.
#[inline]
pub(crate) fn reply_item(reply: &mut Reply<'_>, item: Item<'_>) {
    match item {
        Item::Int(number) => reply.bulk_integer(number),
        Item::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// Directives as thresholds.
pub(crate) fn apply_limits(config: &crate::Config, limits: &mut Limits) {
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    limits.hash_packed_entries_max = size(config.hash_max_listpack_entries);
    limits.hash_packed_value_bytes_max = size(config.hash_max_listpack_value_bytes);
    limits.list_node_size = config.list_max_listpack_size;
    limits.set_integers_max = size(config.set_max_intset_entries);
    limits.set_packed_entries_max = size(config.set_max_listpack_entries);
    limits.set_packed_value_bytes_max = size(config.set_max_listpack_value_bytes);
    limits.zset_packed_entries_max = size(config.zset_max_listpack_entries);
    limits.zset_packed_value_bytes_max = size(config.zset_max_listpack_value_bytes);
    limits.stream_node_bytes_max = size(config.stream_node_bytes_max);
    limits.stream_node_entries_max = size(config.stream_node_max_entries);
}
