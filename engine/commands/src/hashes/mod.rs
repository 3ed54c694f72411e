//! The hash family. The rows are in `rows.rs`; here is how its commands see a hash whose fields expire.
//!
//! `field.rs` has fields by their names, `change.rs` counts in them, `aggregate.rs` has all of them, `random.rs`
//! chooses some, `expiry.rs` sets and tells when they expire, `fields_and_expiry.rs` does both at once.
//!
//! A primary removes fields whose time has come before a command looks at the hash, and tells its replicas so by
//! HDEL: what the command does then starts from the same hash everywhere. A replica does not see such fields, and
//! removes them only when it is told to.

mod aggregate;
mod change;
mod expiry;
mod field;
mod fields_and_expiry;
mod random;
mod rows;
mod scan;

pub use rows::ROWS;

use squall_clock::UnixMs;
use squall_resp::Args;
use squall_store::packed::Item;
use squall_store::{Hash, Limits, parse_i64};

pub(crate) use crate::collections::reply_item;
use crate::config::EventClass;
use crate::{CommandError, Context, Engine};

/// How many fields one command of the stream names at most.
const PROPAGATED_FIELDS_MAX: usize = 1024;

/// A hash as a client sees it now.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    hash: &'a Hash,
    /// Fields whose time has come by then are not seen.
    now: UnixMs,
}

impl<'a> Seen<'a> {
    pub fn get(self, field: &[u8]) -> Option<Item<'a>> {
        self.hash.get_at(field, self.now)
    }

    pub fn expiry(self, field: &[u8]) -> Option<UnixMs> {
        self.hash.expiry(field)
    }

    pub fn iter(self) -> impl Iterator<Item = (Item<'a>, Item<'a>)> {
        self.hash.iter_at(self.now)
    }
}

impl Engine {
    /// The hash under `key`, to be read.
    pub(crate) fn read_hash(&mut self, db: usize, key: &[u8]) -> Result<Option<Seen<'_>>, CommandError> {
        self.drop_expired_fields(db, key);
        // The primary's own commands, and what is being loaded, mean fields as they are.
        let as_it_is = self.caller.sees_expired || self.loading;
        let now = if as_it_is { UnixMs(0) } else { self.now.unix_ms() };
        Ok(self.read::<Hash>(db, key)?.map(|hash| Seen { hash, now }))
    }

    /// Changes the hash under `key`.
    pub(crate) fn edit_hash<R>(
        &mut self,
        db: usize,
        key: &[u8],
        change: impl FnOnce(&mut Hash, &Limits) -> R,
    ) -> Result<Option<R>, CommandError> {
        self.drop_expired_fields(db, key);
        self.edit(db, key, change)
    }

    /// Changes the hash under `key`, or an empty one that is stored there if the change puts something in.
    pub(crate) fn edit_or_create_hash<R>(
        &mut self,
        db: usize,
        key: &[u8],
        change: impl FnOnce(&mut Hash, &Limits) -> R,
    ) -> Result<R, CommandError> {
        self.drop_expired_fields(db, key);
        self.edit_or_create(db, key, change)
    }

    /// Removes what has expired from hashes that nobody asked for, about `budget` fields; true when nothing is left to
    /// do for now.
    pub(crate) fn expire_fields_step(&mut self, db: usize, budget: usize) -> bool {
        let mut left = budget;
        while let Some(key) = self.keyspace.db(db).hash_with_expired_fields(self.now.unix_ms()) {
            if left == 0 {
                return false;
            }
            let key = key.to_vec();
            left = left.saturating_sub(self.remove_expired_fields(db, &key, left));
        }
        true
    }

    #[inline]
    fn drop_expired_fields(&mut self, db: usize, key: &[u8]) {
        if self.keyspace.db(db).expiring_hashes_len() > 0
            && self.deletes_expired()
            && !self.caller.is_primary_link
        {
            self.remove_expired_fields(db, key, usize::MAX);
        }
    }

    /// Removes up to `count` fields of a hash whose time has come, and tells replicas and subscribers; how many.
    #[cold]
    fn remove_expired_fields(&mut self, db: usize, key: &[u8], count: usize) -> usize {
        let now = self.now.unix_ms();
        let due =
            self.keyspace.db(db).lookup(key).and_then(|entry| entry.collection::<Hash>()?.next_expiry());
        if due.is_none_or(|at| at > now) {
            return 0;
        }
        let mut entry = self.keyspace.db_mut(db).lookup_mut(key).expect("it was there above");
        let edited = entry.edit(|hash: &mut Hash| (hash.take_expired(now, count), hash.is_empty()));
        let (expired, is_empty) = edited.expect("it was a hash above");
        drop(entry);
        if is_empty {
            let emptied = self.keyspace.db_mut(db).remove(key).expect("it was there above");
            self.dispose(emptied);
        }
        for part in expired.chunks(PROPAGATED_FIELDS_MAX) {
            let words: Vec<&[u8]> =
                [b"HDEL".as_slice(), key].into_iter().chain(part.iter().map(Vec::as_slice)).collect();
            self.propagation.also(db, &words);
        }
        self.stats.expired_fields += expired.len() as u64;
        self.touched(db, key);
        self.notify_edited(db, key, EventClass::Hash, "hexpired");
        expired.len()
    }
}

const MISPLACED: &str = "ERR Mandatory argument FIELDS is missing or not at the right position";

/// What the commands that set expiry times say of a count that is none, and what the others say.
const NO_FIELDS_TO_EXPIRE: &str = "ERR Parameter `numFields` should be greater than 0";
const NO_FIELDS: &str = "ERR Number of fields must be a positive integer";

/// Reads `FIELDS numfields field [field ...]`, which ends a command, from its second word on. `none` is said of a
/// count that is none.
fn listed_fields<'a>(args: Args<'a>, none: &'static str) -> Result<Args<'a>, CommandError> {
    const MISMATCH: &str = "ERR The `numfields` parameter must match the number of arguments";
    let count = args.get(0).and_then(parse_i64).filter(|&count| count > 0).ok_or(CommandError::line(none))?;
    let fields = args.skip(1);
    match usize::try_from(count).ok() {
        Some(count) if count == fields.len() => Ok(fields),
        _ => Err(CommandError::line(MISMATCH)),
    }
}

impl Context<'_> {
    /// Propagates `words`, then how many fields there are, then these, instead of the running command.
    fn propagate_fields(&mut self, words: &[&[u8]], fields: &[&[u8]]) {
        let mut digits = itoa::Buffer::new();
        let listed: [&[u8]; 2] = [b"FIELDS", digits.format(fields.len()).as_bytes()];
        self.engine.propagation.replace(&[words, &listed, fields].concat());
    }
}
