//! A snapshot as commands: the base of a log with `aof-use-rdb-preamble no`. A string becomes SET, whatever
//! else there is RESTORE, which holds every type there will ever be.

use bytes::{Bytes, BytesMut};
use squall_resp::encode_command;
use squall_store::rdb::{Aux, LoadOptions, Loader, RdbError, dump};
use squall_store::recency::Recency;
use squall_store::{Entry, Keyspace};

use super::annotation::put_lineage;

/// Turns the pieces of a snapshot into commands as they come.
pub(crate) struct Transcript {
    loader: Loader,
    input: BytesMut,
    /// What was read of the last pieces; it is emptied with each.
    entries: Keyspace,
    selected: Option<usize>,
    /// What has not been given away.
    commands: BytesMut,
}

impl Transcript {
    /// `entries` is an empty keyspace of the dataset's shape.
    pub fn beginning(entries: Keyspace, aux: &Aux) -> Transcript {
        let mut commands = BytesMut::new();
        if let Some(lineage) = aux.lineage.as_deref() {
            put_lineage(&mut commands, lineage);
        }
        for code in &aux.functions {
            put(&mut commands, &[b"FUNCTION", b"LOAD", code]);
        }
        let options = LoadOptions { drop_expired_at: None, verify_checksum: false, recency: Recency::Untold };
        Transcript { loader: Loader::new(options), input: BytesMut::new(), entries, selected: None, commands }
    }

    /// The commands of all keys that are complete with this piece.
    pub fn take(&mut self, piece: &Bytes) -> Result<Bytes, RdbError> {
        self.input.extend_from_slice(piece);
        self.loader.feed(&mut self.input, &mut self.entries)?;
        for db in 0..self.entries.databases() {
            if !self.entries.db(db).is_empty() {
                self.select(db);
                self.entries.db(db).iter().for_each(|entry| put_entry(entry, &mut self.commands));
                drop(self.entries.flush(db));
            }
        }
        Ok(self.commands.split().freeze())
    }

    fn select(&mut self, db: usize) {
        if self.selected.replace(db) != Some(db) {
            put(&mut self.commands, &[b"SELECT", db.to_string().as_bytes()]);
        }
    }
}

fn put_entry(entry: &Entry, commands: &mut BytesMut) {
    let expire_at = entry.expire_at().map(|at| at.0.to_string());
    let mut digits = itoa::Buffer::new();
    let string = entry.string().map(|string| string.as_bytes(&mut digits));
    match (string, &expire_at) {
        (Some(string), None) => put(commands, &[b"SET", entry.key(), string]),
        (Some(string), Some(at)) => {
            put(commands, &[b"SET", entry.key(), string, b"PXAT", at.as_bytes()]);
        }
        (None, at) => {
            let at = at.as_ref().map_or(b"0".as_slice(), |at| at.as_bytes());
            put(commands, &[b"RESTORE", entry.key(), at, &dump(entry), b"ABSTTL"]);
        }
    }
}

fn put(commands: &mut BytesMut, words: &[&[u8]]) {
    encode_command(commands, words.iter().copied());
}
