//! Writing the parts of an RDB file. What each looks like is drawn in `mod.rs`.

use super::aux::Aux;
use super::lzf::compress;
use super::{RDB_VERSION, RDB_VERSION_TIMED, TYPE_STRING, opcode};
use crate::entry::{Entry, StringRef, Value};
use crate::hash;
use crate::list;
use crate::number::parse_i64;
use crate::recency::{Recency, Use};
use crate::set;
use crate::stream;
use crate::zset;
use bytes::{BufMut, BytesMut};
use squall_clock::UnixMs;

/// Shorter strings are not worth compressing.
const COMPRESSED_BYTES_MIN: usize = 21;
/// Longer ones would hold up a turn by more than a millisecond.
const COMPRESSED_BYTES_MAX: usize = 256 * 1024;
/// How much shorter a compressed string must be, to make up for its two lengths.
const COMPRESSION_GAIN_BYTES: usize = 4;

/// The longest text of an integer that a string is tried to be: `-2147483648`.
const I32_TEXT_BYTES_MAX: usize = 11;

/// `timed` where there are hashes whose fields expire.
pub(crate) fn put_file_start(out: &mut BytesMut, aux: &Aux, timed: bool) {
    let version = if timed { RDB_VERSION_TIMED } else { RDB_VERSION };
    out.extend_from_slice(format!("REDIS{version:04}").as_bytes());
    aux.put(out);
    for code in &aux.functions {
        out.put_u8(opcode::FUNCTION);
        put_string(out, code, false);
    }
}

/// What ends a file after its last item; the checksum follows.
pub(crate) fn put_file_end(out: &mut BytesMut) {
    out.put_u8(opcode::END);
}

pub(crate) fn put_select(out: &mut BytesMut, db: usize) {
    out.put_u8(opcode::SELECT);
    put_length(out, db as u64);
}

pub(crate) fn put_resize(out: &mut BytesMut, keys: usize, volatile: usize) {
    out.put_u8(opcode::RESIZE);
    put_length(out, keys as u64);
    put_length(out, volatile as u64);
}

pub(super) fn put_aux(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_u8(opcode::AUX);
    put_string(out, name, false);
    put_string(out, value, false);
}

/// All of an entry but its value: expiry, type and key.
pub(crate) fn put_entry_head(out: &mut BytesMut, entry: &Entry, recency: Recency) {
    if let Some(UnixMs(at)) = entry.expire_at() {
        out.put_u8(opcode::EXPIRY_MS);
        out.put_i64_le(i64::try_from(at).unwrap_or(i64::MAX));
    }
    match recency.told(entry.access()) {
        None => {}
        Some(Use::IdleSeconds(idle)) => {
            out.put_u8(opcode::IDLE);
            put_length(out, idle);
        }
        Some(Use::Frequency(counter)) => out.put_slice(&[opcode::FREQUENCY, counter]),
    }
    out.put_u8(type_byte(entry));
    put_string(out, entry.key(), false);
}

pub(super) fn type_byte(entry: &Entry) -> u8 {
    match entry.rich() {
        None | Some(Value::String(_)) => TYPE_STRING,
        Some(Value::List(list)) => list::rdb::type_byte(list),
        Some(Value::Set(set)) => set::rdb::type_byte(set),
        Some(Value::Hash(hash)) => hash::rdb::type_byte(hash),
        Some(Value::Stream(_)) => stream::rdb::TYPE_SECOND,
        Some(Value::ZSet(zset)) => zset::rdb::type_byte(zset),
    }
}

pub(crate) fn put_value(out: &mut BytesMut, entry: &Entry, compressed: bool) {
    match (entry.string(), entry.rich()) {
        (Some(string), _) => put_string_value(out, string, compressed),
        (None, Some(value)) => {
            let mut number = 0;
            while put_piece(value, number, out, compressed) {
                number += 1;
            }
        }
        (None, None) => unreachable!("only strings are kept in an entry's own block"),
    }
}

/// Writes one piece of a value: all of a small one, some dozen KiB of a large one. False after the last.
pub(crate) fn put_piece(value: &Value, number: usize, out: &mut BytesMut, compressed: bool) -> bool {
    match value {
        Value::String(string) => {
            put_string_value(out, string.as_ref(), compressed);
            false
        }
        Value::List(list) => list::rdb::put_piece(list, number, out, compressed),
        Value::Set(set) => set::rdb::put_piece(set, number, out, compressed),
        Value::Hash(hash) => hash::rdb::put_piece(hash, number, out, compressed),
        Value::Stream(stream) => stream::rdb::put_piece(stream, number, out, compressed),
        Value::ZSet(zset) => zset::rdb::put_piece(zset, number, out, compressed),
    }
}

/// What stands before a plain string of this length, whose bytes the caller appends itself.
pub(crate) fn put_plain_start(out: &mut BytesMut, len: usize) {
    put_length(out, len as u64);
}

/// Whether a string of this length is ever compressed.
pub(crate) fn is_compressible(len: usize) -> bool {
    (COMPRESSED_BYTES_MIN..=COMPRESSED_BYTES_MAX).contains(&len)
}

fn put_string_value(out: &mut BytesMut, string: StringRef<'_>, compressed: bool) {
    match string {
        StringRef::Int(n) => {
            if !put_integer(out, n) {
                put_plain(out, itoa::Buffer::new().format(n).as_bytes());
            }
        }
        StringRef::Bytes(bytes) => put_string(out, bytes, compressed),
        StringRef::Shared(bytes) => put_string(out, bytes, compressed),
    }
}

pub(crate) fn put_string(out: &mut BytesMut, bytes: &[u8], compressed: bool) {
    if bytes.len() <= I32_TEXT_BYTES_MAX
        && let Some(n) = parse_i64(bytes)
        && put_integer(out, n)
    {
        return;
    }
    if compressed && is_compressible(bytes.len()) && put_compressed(out, bytes) {
        return;
    }
    put_plain(out, bytes);
}

fn put_plain(out: &mut BytesMut, bytes: &[u8]) {
    put_length(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes an integer of up to 32 bits as such; returns false for a larger one.
fn put_integer(out: &mut BytesMut, n: i64) -> bool {
    if let Ok(n) = i8::try_from(n) {
        out.put_u8(0xc0);
        out.put_i8(n);
    } else if let Ok(n) = i16::try_from(n) {
        out.put_u8(0xc1);
        out.put_i16_le(n);
    } else if let Ok(n) = i32::try_from(n) {
        out.put_u8(0xc2);
        out.put_i32_le(n);
    } else {
        return false;
    }
    true
}

/// Writes a string compressed, if that makes it shorter.
fn put_compressed(out: &mut BytesMut, bytes: &[u8]) -> bool {
    let start = out.len();
    if !compress(bytes, COMPRESSION_GAIN_BYTES, out) {
        return false;
    }
    // Its length stands before it and is known only now.
    let packed = out.len() - start;
    out.put_u8(0xc3);
    put_length(out, packed as u64);
    put_length(out, bytes.len() as u64);
    out[start..].rotate_left(packed);
    true
}

pub(crate) fn put_length(out: &mut BytesMut, length: u64) {
    if length < 1 << 6 {
        out.put_u8(length as u8);
    } else if length < 1 << 14 {
        out.put_u16(0x4000 | length as u16);
    } else if let Ok(length) = u32::try_from(length) {
        out.put_u8(0x80);
        out.put_u32(length);
    } else {
        out.put_u8(0x81);
        out.put_u64(length);
    }
}
