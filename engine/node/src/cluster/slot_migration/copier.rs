//! The source's copy of slots: one after the other, key by key, while commands go on changing them.
//!
//! ```text
//!   slots:   [ copied ............. ][ being copied ][ not begun ........ ]
//!   a write: is sent as it is         its keys are    is left out: the copy
//!            remembered, and sent     will have it
//!            when the slot is done
//! ```
//! A command's keys share a slot, so what is sent as it is finds at the target all that it reads. Nothing is
//! kept for long: what waits is bounded by the connection, not by how long the copy takes.

use std::collections::BTreeSet;

use bytes::BytesMut;
use squall_commands::Engine;
use squall_commands::table::Found;
use squall_resp::{Args, encode_command};
use squall_store::{Cursor, Slot, rdb, slot_of};

/// Keys that one look at a slot copies.
const KEYS_PER_STEP: usize = 64;

pub(super) struct Copier {
    slots: Vec<Slot>,
    /// The slot that is being copied, by its place in `slots`; where to go on in it.
    at: usize,
    db: usize,
    cursor: Cursor,
    begun: bool,
    /// Keys of that slot that have changed since it was begun.
    changed: BTreeSet<(usize, Vec<u8>)>,
    /// The database that the target executes in.
    target_db: usize,
}

impl Copier {
    pub fn of(slots: Vec<Slot>) -> Copier {
        Copier {
            slots,
            at: 0,
            db: 0,
            cursor: Cursor::START,
            begun: false,
            changed: BTreeSet::new(),
            target_db: 0,
        }
    }

    pub fn is_done(&self) -> bool {
        self.at == self.slots.len()
    }

    /// Copies some keys into `out`.
    pub fn step(&mut self, engine: &Engine, out: &mut BytesMut) {
        let Some(slot) = self.slots.get(self.at).copied() else { return };
        if self.db == engine.keyspace.databases() {
            for (db, key) in std::mem::take(&mut self.changed) {
                self.put_key(engine, db, &key, out);
            }
            (self.at, self.db, self.cursor, self.begun) = (self.at + 1, 0, Cursor::START, false);
            return;
        }
        self.begun = true;
        let mut keys = Vec::new();
        let db = self.db;
        let dict = engine.keyspace.db(db);
        self.cursor =
            dict.scan_slot(slot, self.cursor, KEYS_PER_STEP, |entry| keys.push(entry.key().to_vec()));
        for key in keys {
            self.put_key(engine, db, &key, out);
        }
        if self.cursor == Cursor::START {
            self.db += 1;
        }
    }

    /// A command of this server's stream, executed in `db`.
    pub fn forward(&mut self, engine: &Engine, db: usize, args: Args<'_>, out: &mut BytesMut) {
        let Found::Row(row) = engine.table.find(args) else { return };
        let Some(keys) = row.command.find_keys(args) else { return };
        let Some(slot) = keys.first().map(|key| slot_of(args.at(key.index))) else { return };
        let Ok(place) = self.slots.binary_search(&slot) else { return };
        if place < self.at {
            self.select(db, out);
            encode_command(out, args.iter());
        } else if place == self.at && self.begun {
            self.changed.extend(keys.iter().map(|key| (db, args.at(key.index).to_vec())));
        }
    }

    /// The key as it is now, or that it is not.
    fn put_key(&mut self, engine: &Engine, db: usize, key: &[u8], out: &mut BytesMut) {
        self.select(db, out);
        match engine.keyspace.db(db).lookup(key) {
            Some(entry) => {
                let at = entry.expire_at().map_or(0, |at| at.0.max(1)).to_string();
                let payload = rdb::dump(entry);
                let words: [&[u8]; 6] = [b"RESTORE", key, at.as_bytes(), &payload, b"REPLACE", b"ABSTTL"];
                encode_command(out, words.into_iter());
            }
            None => encode_command(out, [&b"DEL"[..], key].into_iter()),
        }
    }

    fn select(&mut self, db: usize, out: &mut BytesMut) {
        if self.target_db != db {
            self.target_db = db;
            encode_command(out, [&b"SELECT"[..], db.to_string().as_bytes()].into_iter());
        }
    }
}
