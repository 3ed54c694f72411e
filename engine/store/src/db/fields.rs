//! Which hashes have fields that expire, in the order in which the first of these does.

use super::Db;
use squall_clock::UnixMs;
use std::collections::BTreeSet;

/// Keys of hashes, each with the time at which its first field expires.
#[derive(Default)]
pub(super) struct ExpiringFields(BTreeSet<(UnixMs, Box<[u8]>)>);

impl ExpiringFields {
    /// A hash is there whose first field expires at this time, if any does.
    #[inline]
    pub fn note(&mut self, at: Option<UnixMs>, key: &[u8]) {
        if let Some(at) = at {
            self.0.insert((at, key.into()));
        }
    }

    /// That is no longer so.
    #[inline]
    pub fn forget(&mut self, at: Option<UnixMs>, key: &[u8]) {
        if let Some(at) = at {
            let known = self.0.remove(&(at, key.into()));
            assert!(known, "a hash whose fields expire is listed");
        }
    }
}

impl Db {
    /// How many hashes have fields that expire.
    pub fn expiring_hashes_len(&self) -> usize {
        self.books.expiring_fields.0.len()
    }

    /// A hash with fields whose time has come.
    pub fn hash_with_expired_fields(&self, now: UnixMs) -> Option<&[u8]> {
        self.books.expiring_fields.0.first().filter(|(at, _)| *at <= now).map(|(_, key)| &**key)
    }
}
