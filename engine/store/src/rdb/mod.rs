//! The RDB format: snapshots on disk, full synchronisation on the wire, DUMP and RESTORE payloads.
//!
//! ```text
//! file    := "REDIS" version:4 digits, item*, 0xFF, crc64: u64 LE (from version 5 on; zero: none)
//! item    := aux | select | resize | expiry | idle | frequency | function | slot info | module aux | pair
//! aux     := 0xFA name:string value:string           select    := 0xFE database:length
//! resize  := 0xFB keys:length volatile:length        expiry    := 0xFC ms:i64 LE  or  0xFD s:u32 LE
//! idle    := 0xF8 seconds:length                     frequency := 0xF9 counter:u8
//! function:= 0xF5 code:string                        slot info := 0xF4 slot:length keys:length volatile:length
//! pair    := type:u8 key:string value                (of the pending expiry, idle and frequency)
//! length  := 00LLLLLL | 01LLLLLL LLLLLLLL | 0x80 u32 BE | 0x81 u64 BE
//! string  := length bytes | 0xC0 i8 | 0xC1 i16 LE | 0xC2 i32 LE | 0xC3 packed:length plain:length LZF
//! payload := type:u8 value version:u16 LE crc64:u64 LE             (DUMP, RESTORE)
//! ```
//! `write.rs` and `read.rs` are the two directions of these rules; `load.rs` reads a whole file as it comes
//! in; `payload.rs` has DUMP and RESTORE. The writing of a whole file is `snapshot`'s.

mod aux;
mod crc64;
#[cfg(test)]
mod forms;
mod load;
mod lookahead;
mod lzf;
mod payload;
mod read;
#[cfg(test)]
mod tests;
mod write;
pub(crate) mod ziplist;
pub(crate) mod zipmap;

pub use aux::{Aux, NO_LINEAGE, ReplicationAux};
pub use crc64::crc64;
pub use load::{LoadOptions, Loaded, Loader, Loading};
pub use payload::{dump, dump_functions, restore, restore_functions};
pub(crate) use read::{Elements, Reader, Reading, Stop};
pub(crate) use write::{
    is_compressible, put_entry_head, put_file_end, put_file_start, put_length, put_piece, put_plain_start,
    put_resize, put_select, put_string, put_value,
};

use std::fmt;

/// The version written: the oldest that holds everything but fields that expire.
pub const RDB_VERSION: u16 = 10;
/// The oldest that holds hashes whose fields expire, written only where there are such.
pub(crate) const RDB_VERSION_TIMED: u16 = 12;

/// The newest version of Redis's that can be read.
const REDIS_VERSION_MAX: u16 = 12;
/// The versions of Valkey's own series that can be read.
const VALKEY_VERSIONS: std::ops::RangeInclusive<u16> = 80..=80;
/// A release that writes the newest of them. Valkey sends a replica what the release can read that the replica names
/// in its handshake, and nothing where a dataset needs a newer one.
pub const VALKEY_RELEASE: &str = "9.1.0";
/// From this version on a checksum ends the file.
const CHECKSUM_SINCE: u16 = 5;

/// No string is longer: keys count their length in 32 bits.
const STRING_BYTES_MAX: u64 = u32::MAX as u64;

mod opcode {
    /// Bytes from here on are opcodes, those below are types of values.
    pub const FIRST: u8 = 0xf0;
    pub const SLOT_INFO: u8 = 0xf4;
    pub const FUNCTION: u8 = 0xf5;
    pub const FUNCTION_PRE_RELEASE: u8 = 0xf6;
    pub const MODULE_AUX: u8 = 0xf7;
    pub const IDLE: u8 = 0xf8;
    pub const FREQUENCY: u8 = 0xf9;
    pub const AUX: u8 = 0xfa;
    pub const RESIZE: u8 = 0xfb;
    pub const EXPIRY_MS: u8 = 0xfc;
    pub const EXPIRY_S: u8 = 0xfd;
    pub const SELECT: u8 = 0xfe;
    pub const END: u8 = 0xff;
}

/// The type byte of a string value.
const TYPE_STRING: u8 = 0;

/// The types of values that exist, by their byte; a gap is a byte that was never used.
const TYPE_NAMES: [&str; 26] = [
    "string",
    "list",
    "set",
    "sorted set with decimal scores",
    "hash",
    "sorted set",
    "module value (pre-release)",
    "module value",
    "",
    "hash (zipmap)",
    "list (ziplist)",
    "set (intset)",
    "sorted set (ziplist)",
    "hash (ziplist)",
    "list (quicklist of ziplists)",
    "stream",
    "hash (listpack)",
    "sorted set (listpack)",
    "list (quicklist)",
    "stream (second form)",
    "set (listpack)",
    "stream (third form)",
    "hash with field expiry (pre-release)",
    "hash with field expiry (listpack, pre-release)",
    "hash with field expiry",
    "hash with field expiry (listpack)",
];

/// What is wrong with bytes that should be RDB, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RdbError {
    /// How many bytes into the file or payload the faulty item starts.
    pub offset: u64,
    pub what: RdbFault,
}

/// What can be wrong with bytes that should be RDB.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RdbFault {
    /// It does not start as an RDB file does.
    Magic,
    Version(u16),
    UnknownType(u8),
    /// A data type that exists, but not here.
    UnsupportedType(&'static str),
    /// There are not that many databases.
    Database(u64),
    DuplicateKey,
    /// The content of a value of this type is no such value.
    Malformed(&'static str),
    /// A length that cannot be one, or is beyond every limit.
    Length,
    /// An unknown string encoding.
    StringEncoding(u8),
    /// Compressed data that does not expand to what was announced.
    Compression,
    /// The content of a module's auxiliary data.
    ModuleData,
    Checksum {
        computed: u64,
        stored: u64,
    },
    /// The footer of a DUMP payload: its version or its checksum.
    Footer,
    /// It ends in the middle.
    Truncated,
    /// There is more after the end.
    TrailingBytes,
}

impl fmt::Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

impl fmt::Display for RdbFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RdbFault::Magic => write!(f, "no RDB file"),
            RdbFault::Version(version) => write!(f, "RDB version {version} is not supported"),
            RdbFault::UnknownType(byte) => write!(f, "unknown type or opcode {byte}"),
            RdbFault::UnsupportedType(name) => write!(f, "values of type {name} are not supported"),
            RdbFault::Database(number) => write!(f, "database {number} does not exist"),
            RdbFault::DuplicateKey => write!(f, "a key occurs twice"),
            RdbFault::Malformed(name) => write!(f, "malformed {name}"),
            RdbFault::Length => write!(f, "impossible length"),
            RdbFault::StringEncoding(byte) => write!(f, "unknown string encoding {byte}"),
            RdbFault::Compression => write!(f, "invalid compressed data"),
            RdbFault::ModuleData => write!(f, "invalid module data"),
            RdbFault::Checksum { computed, stored } => {
                write!(f, "wrong checksum: computed {computed:016x}, stored {stored:016x}")
            }
            RdbFault::Footer => write!(f, "payload version or checksum are wrong"),
            RdbFault::Truncated => write!(f, "unexpected end"),
            RdbFault::TrailingBytes => write!(f, "unexpected bytes after the end"),
        }
    }
}

impl std::error::Error for RdbError {}
