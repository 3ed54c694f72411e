//! One entry of a database, borrowed to be changed in place. The database's books follow when the borrow ends.

use super::books::{Books, Share};
use super::{At, Db};
use crate::collection::Collection;
use crate::dict::{Expiries, NEVER};
use crate::entry::{Content, Entry, Value, string_content};
use squall_clock::UnixMs;
use std::ops::Deref;

/// Reads as an [`Entry`], and can be changed.
pub struct EntryMut<'a> {
    entry: &'a mut Entry,
    /// Those of its segment.
    expiries: &'a mut Expiries,
    /// The lower bound of its dictionary.
    earliest_expiry: &'a mut UnixMs,
    books: &'a mut Books,
    /// What the books say of it, from the first change on that may make it another.
    share: Option<Share>,
}

impl<'a> EntryMut<'a> {
    #[inline]
    pub(super) fn of(db: &'a mut Db, at: At) -> EntryMut<'a> {
        at.before_change(db);
        let dict = &mut db.partitions[at.partition];
        let (segment, earliest_expiry) = dict.segment_and_earliest_expiry(at.segment);
        let (entry, expiries) = segment.entry_and_expiries(at.index);
        EntryMut { entry, expiries, earliest_expiry, books: &mut db.books, share: None }
    }

    /// Replaces the value by a string. Key and expiry time stay.
    pub fn set_string(&mut self, bytes: &[u8]) -> Option<Value> {
        self.set_content(string_content(bytes))
    }

    /// Replaces the value by a string that spells this number.
    #[inline]
    pub fn set_int(&mut self, n: i64) -> Option<Value> {
        self.set_content(Content::Int(n))
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
    #[inline]
    pub fn set_expire(&mut self, expire_at: Option<UnixMs>) {
        let before = self.entry.expire_at();
        if before != expire_at {
            self.change_expire(before, expire_at);
        }
    }

    fn change_expire(&mut self, before: Option<UnixMs>, after: Option<UnixMs>) {
        self.entry_mut().set_expire_at(after);
        self.books.change_expiry(before, after);
        self.expiries.change(before, after);
        *self.earliest_expiry = (*self.earliest_expiry).min(after.unwrap_or(NEVER));
    }

    #[inline]
    pub(super) fn set_content(&mut self, content: Content<'_>) -> Option<Value> {
        // Mostly nothing but the value's bytes changes, of which the books know nothing.
        match self.entry.overwrite(content) {
            Ok(()) => None,
            Err(content) => self.entry_mut().set_content(content),
        }
    }

    /// Changes the value, if it is a collection of this type.
    #[inline]
    pub fn edit<T: Collection, R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let collection = T::of_mut(self.entry.rich_mut()?)?;
        let before = Share::of_collection(collection);
        let result = change(collection);
        let after = Share::of_collection(collection);
        // Else it is a part of a change that is settled whole.
        if self.share.is_none() {
            self.books.settle(&before, &after, self.entry);
        }
        Some(result)
    }

    /// The entry, for a change that the books have to hear of.
    #[inline]
    fn entry_mut(&mut self) -> &mut Entry {
        self.share.get_or_insert_with(|| Share::of(self.entry));
        self.entry
    }
}

impl Deref for EntryMut<'_> {
    type Target = Entry;

    #[inline]
    fn deref(&self) -> &Entry {
        self.entry
    }
}

impl Drop for EntryMut<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(before) = &self.share {
            self.books.settle(before, &Share::of(self.entry), self.entry);
        }
    }
}
