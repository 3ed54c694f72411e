//! What a database keeps books of: counts over all of its entries, and lists of those that are due some day. Whoever
//! adds, changes or removes an entry enters it here.

use super::expire::SweepState;
use super::fields::ExpiringFields;
use crate::collection::Collection;
use crate::entry::Entry;
use squall_clock::UnixMs;

#[derive(Default)]
pub(super) struct Books {
    pub totals: Totals,
    pub expiry_sweep: SweepState,
    pub expiring_fields: ExpiringFields,
}

/// What is counted over all entries.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Totals {
    pub entries: usize,
    pub volatile: usize,
    /// The sum of all expiry times, for their average.
    pub expiry_ms_sum: u128,
    pub bytes: usize,
}

/// What the books say of one entry, but for its own expiry time.
pub(super) struct Share {
    bytes: usize,
    field_expiry: Option<UnixMs>,
}

impl Books {
    pub fn add(&mut self, entry: &Entry) {
        self.totals.entries += 1;
        self.totals.bytes += entry.memory_bytes();
        self.add_expiry(entry.expire_at());
        self.expiring_fields.note(entry.next_field_expiry(), entry.key());
    }

    pub fn remove(&mut self, entry: &Entry) {
        self.totals.entries -= 1;
        self.totals.bytes -= entry.memory_bytes();
        self.subtract_expiry(entry.expire_at());
        self.expiring_fields.forget(entry.next_field_expiry(), entry.key());
    }

    pub fn change_expiry(&mut self, before: Option<UnixMs>, after: Option<UnixMs>) {
        self.subtract_expiry(before);
        self.add_expiry(after);
    }

    /// An entry's share was one, and is the other.
    #[inline]
    pub fn settle(&mut self, before: &Share, after: &Share, entry: &Entry) {
        self.totals.bytes = self.totals.bytes + after.bytes - before.bytes;
        if after.field_expiry != before.field_expiry {
            self.settle_fields(before, after, entry.key());
        }
    }

    #[cold]
    fn settle_fields(&mut self, before: &Share, after: &Share, key: &[u8]) {
        self.expiring_fields.forget(before.field_expiry, key);
        self.expiring_fields.note(after.field_expiry, key);
    }

    fn add_expiry(&mut self, expire_at: Option<UnixMs>) {
        if let Some(at) = expire_at {
            self.totals.volatile += 1;
            self.totals.expiry_ms_sum += u128::from(at.0);
            self.expiry_sweep.note(at);
        }
    }

    fn subtract_expiry(&mut self, expire_at: Option<UnixMs>) {
        if let Some(at) = expire_at {
            self.totals.volatile -= 1;
            self.totals.expiry_ms_sum -= u128::from(at.0);
        }
    }
}

impl Share {
    #[inline]
    pub fn of(entry: &Entry) -> Share {
        Share { bytes: entry.memory_bytes(), field_expiry: entry.next_field_expiry() }
    }

    /// What of an entry's share is its collection's.
    #[inline]
    pub fn of_collection(collection: &impl Collection) -> Share {
        Share { bytes: collection.heap_bytes(), field_expiry: collection.next_expiry() }
    }
}
