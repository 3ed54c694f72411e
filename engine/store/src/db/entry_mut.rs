//! One entry of a database, borrowed to be changed in place. The database's totals follow when the
//! borrow ends.

use super::{At, Db};
use crate::entry::{Content, Entry, Removed, Value, string_content};
use squall_clock::UnixMs;
use std::ops::Deref;

/// Reads as an [`Entry`], and can be changed.
pub struct EntryMut<'a> {
    db: &'a mut Db,
    at: At,
    bytes_before: usize,
    field_expiry_before: Option<UnixMs>,
}

impl<'a> EntryMut<'a> {
    pub(super) fn of(db: &'a mut Db, at: At) -> EntryMut<'a> {
        at.before_change(db);
        let entry = &db.segment_at(at).entries()[at.index];
        let (bytes_before, field_expiry_before) = (entry.memory_bytes(), entry.next_field_expiry());
        EntryMut { db, at, bytes_before, field_expiry_before }
    }

    /// Replaces the value by a string. Key and expiry time stay.
    pub fn set_string(&mut self, bytes: &[u8]) -> Option<Value> {
        self.set_content(string_content(bytes))
    }

    /// Replaces the value by a string that spells this number.
    #[inline]
    pub fn set_int(&mut self, n: i64) -> Option<Value> {
        match self.entry_mut().overwrite(Content::Int(n)) {
            Ok(()) => None,
            Err(content) => self.set_content(content),
        }
    }

    /// Appends to a string.
    pub fn append(&mut self, tail: &[u8]) {
        self.entry_mut().append(tail);
    }

    /// Overwrites part of a string; what lies between its end and `offset` becomes zeros.
    pub fn set_range(&mut self, offset: usize, patch: &[u8]) {
        self.entry_mut().set_range(offset, patch);
    }

    /// The bytes of a string, to be changed in place; zeros are appended until there are `len_min`.
    pub fn string_bytes_mut(&mut self, len_min: usize) -> &mut Vec<u8> {
        self.entry_mut().string_bytes_mut(len_min)
    }

    /// Sets or clears the expiry time.
    pub fn set_expire(&mut self, expire_at: Option<UnixMs>) {
        let before = self.expire_at();
        if before == expire_at {
            return;
        }
        self.db.totals.subtract_expiry(before);
        self.db.totals.add_expiry(expire_at);
        if let Some(at) = expire_at {
            self.db.expiry_sweep.note(at);
            let dict = &mut self.db.partitions[self.at.partition];
            dict.earliest_expiry = dict.earliest_expiry.min(at);
        }
        let index = self.at.index;
        self.db.segment_at_mut(self.at).set_expire_at(index, expire_at);
    }

    /// Takes the entry out of the database.
    pub fn remove(mut self) -> Removed {
        self.settle();
        // There is no entry left to settle when this borrow ends.
        let mut gone = std::mem::ManuallyDrop::new(self);
        let at = gone.at;
        gone.db.remove_at(at)
    }

    /// Replaces the value and the expiry time.
    #[inline]
    pub(super) fn replace(mut self, content: Content<'_>, expire_at: Option<UnixMs>) -> Option<Value> {
        self.set_expire(expire_at);
        self.set_content(content)
    }

    fn set_content(&mut self, content: Content<'_>) -> Option<Value> {
        self.entry_mut().set_content(content)
    }

    /// The value, unless it is a small string, to be changed.
    pub(crate) fn rich_mut(&mut self) -> Option<&mut Value> {
        self.entry_mut().rich_mut()
    }

    fn entry_mut(&mut self) -> &mut Entry {
        let index = self.at.index;
        self.db.segment_at_mut(self.at).entry_mut(index)
    }

    /// Brings the database's count of bytes, and its list of hashes whose fields expire, up to date.
    #[inline]
    fn settle(&mut self) {
        let bytes_after = self.memory_bytes();
        self.db.totals.bytes = self.db.totals.bytes + bytes_after - self.bytes_before;
        self.bytes_before = bytes_after;
        let field_expiry_after = self.next_field_expiry();
        if field_expiry_after != self.field_expiry_before {
            self.settle_field_expiry(field_expiry_after);
        }
    }

    #[cold]
    fn settle_field_expiry(&mut self, after: Option<UnixMs>) {
        let key: Box<[u8]> = self.key().into();
        self.db.expiring_fields.forget(self.field_expiry_before, &key);
        self.db.expiring_fields.note(after, &key);
        self.field_expiry_before = after;
    }
}

impl Deref for EntryMut<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.db.segment_at(self.at).entries()[self.at.index]
    }
}

impl Drop for EntryMut<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}
