//! The auxiliary fields of an RDB file: who wrote it, when, and where in the replication stream it is.

use super::write::put_aux;
use crate::number::parse_i64;
use bytes::{Bytes, BytesMut};

/// What a server of Squall's that has never had a dataset calls its lineage.
pub const NO_LINEAGE: &str = "-";

/// What a file says about itself. Written by a snapshot, given back by the loader.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Aux {
    /// The version of the server, as `redis-ver`.
    pub server_version: String,
    /// When it was written, in seconds since 1970.
    pub created_s: u64,
    pub used_memory_bytes: u64,
    /// Whether it is the base of an append-only file.
    pub aof_base: bool,
    /// Where the replication stream continues from it.
    pub replication: Option<ReplicationAux>,
    /// Which dataset it is a state of, by a name that outlives replication ids, and which one that replaced.
    /// Squall's own field; [`NO_LINEAGE`] in a file of its that is of no dataset yet.
    pub lineage: Option<String>,
    /// What is known of slots that move, a line for each. Squall's own field.
    pub migrations: Vec<String>,
    /// Function libraries, each as its code.
    pub functions: Vec<Bytes>,
}

/// The point of the replication stream that a file stands for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplicationAux {
    /// The database that the stream has selected there, if any.
    pub stream_db: Option<u64>,
    pub id: String,
    pub offset: u64,
}

impl Aux {
    pub(super) fn put(&self, out: &mut BytesMut) {
        put_aux(out, b"redis-ver", self.server_version.as_bytes());
        put_aux(out, b"redis-bits", b"64");
        put_aux(out, b"ctime", self.created_s.to_string().as_bytes());
        put_aux(out, b"used-mem", self.used_memory_bytes.to_string().as_bytes());
        if let Some(replication) = &self.replication {
            let stream_db = replication.stream_db.map_or(-1, |db| db as i64);
            put_aux(out, b"repl-stream-db", stream_db.to_string().as_bytes());
            put_aux(out, b"repl-id", replication.id.as_bytes());
            put_aux(out, b"repl-offset", replication.offset.to_string().as_bytes());
        }
        if let Some(lineage) = &self.lineage {
            put_aux(out, b"squall-lineage", lineage.as_bytes());
        }
        if !self.migrations.is_empty() {
            put_aux(out, b"squall-migrations", self.migrations.join("\n").as_bytes());
        }
        put_aux(out, b"aof-base", if self.aof_base { b"1" } else { b"0" });
    }

    /// Takes note of a field. Unknown ones are passed over, as every reader must.
    pub(super) fn note(&mut self, name: &[u8], value: &[u8]) {
        let text = || String::from_utf8_lossy(value).into_owned();
        let number = || parse_i64(value).and_then(|n| u64::try_from(n).ok());
        match name {
            b"redis-ver" | b"valkey-ver" => self.server_version = text(),
            b"ctime" => self.created_s = number().unwrap_or(0),
            b"used-mem" => self.used_memory_bytes = number().unwrap_or(0),
            b"aof-base" | b"aof-preamble" => self.aof_base = value == b"1",
            b"repl-stream-db" => self.replication().stream_db = number(),
            b"repl-id" => self.replication().id = text(),
            b"repl-offset" => self.replication().offset = number().unwrap_or(0),
            b"squall-migrations" => self.migrations = text().lines().map(str::to_owned).collect(),
            b"squall-lineage" => self.lineage = Some(text()),
            _ => {}
        }
    }

    fn replication(&mut self) -> &mut ReplicationAux {
        self.replication.get_or_insert_default()
    }
}
