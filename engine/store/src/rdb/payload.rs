//! DUMP and RESTORE: one value as RDB writes it, with a version and a checksum of its own. FUNCTION DUMP and
//! RESTORE: the same around libraries of functions.

use super::read::{Reader, Stop};
use super::write::{put_string, put_value, type_byte};
use super::{
    CHECKSUM_SINCE, RDB_VERSION, RDB_VERSION_TIMED, REDIS_VERSION_MAX, RdbError, RdbFault, VALKEY_VERSIONS,
    crc64, opcode,
};
use crate::entry::{Entry, Value};
use crate::limits::Limits;
use bytes::{BufMut, Bytes, BytesMut};

/// Version and checksum.
const FOOTER_BYTES: usize = 2 + 8;

/// The payload that DUMP replies.
pub fn dump(entry: &Entry) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_u8(type_byte(entry));
    put_value(&mut out, entry, true);
    let version = if entry.next_field_expiry().is_some() { RDB_VERSION_TIMED } else { RDB_VERSION };
    sealed(out, version)
}

/// The payload that FUNCTION DUMP replies: the code of each library.
pub fn dump_functions(codes: &[Bytes]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for code in codes {
        out.put_u8(opcode::FUNCTION);
        put_string(&mut out, code, true);
    }
    sealed(out, RDB_VERSION)
}

/// The libraries of a payload that FUNCTION RESTORE was given.
pub fn restore_functions(payload: &[u8]) -> Result<Vec<Bytes>, RdbError> {
    let mut reader = Reader::of(body_of(payload)?);
    let mut codes = Vec::new();
    while reader.position() < payload.len() - FOOTER_BYTES {
        let code = reader.byte().and_then(|byte| match byte {
            opcode::FUNCTION => reader.string(),
            other => Err(RdbFault::UnknownType(other).into()),
        });
        codes.push(code.map_err(|stop| located(&reader, stop))?.into_bytes());
    }
    Ok(codes)
}

/// The value of a payload that RESTORE was given. A wrong version or checksum is [`RdbFault::Footer`].
pub fn restore(payload: &[u8], limits: &Limits) -> Result<Value, RdbError> {
    let body = body_of(payload)?;
    let version = u16::from_le_bytes([payload[body.len()], payload[body.len() + 1]]);
    let mut reader = Reader::of(body).valkeys(VALKEY_VERSIONS.contains(&version));
    let value = reader
        .byte()
        .and_then(|type_byte| reader.value(type_byte, limits))
        .map_err(|stop| located(&reader, stop))?;
    match reader.position() == body.len() {
        true if value.is_empty_collection() => {
            Err(RdbError { offset: 0, what: RdbFault::Malformed(value.kind().name()) })
        }
        true => Ok(value),
        false => Err(RdbError { offset: reader.position() as u64, what: RdbFault::TrailingBytes }),
    }
}

fn sealed(mut out: BytesMut, version: u16) -> Vec<u8> {
    out.put_u16_le(version);
    let crc = crc64(0, &out);
    out.put_u64_le(crc);
    out.into()
}

/// What stands before the footer, which has to be right.
fn body_of(payload: &[u8]) -> Result<&[u8], RdbError> {
    let wrong = |offset: usize| RdbError { offset: offset as u64, what: RdbFault::Footer };
    let body_len = payload.len().checked_sub(FOOTER_BYTES).ok_or(wrong(0))?;
    let (body, footer) = payload.split_at(body_len);
    let (version, crc) = footer.split_at(2);
    let version = u16::from_le_bytes(version.try_into().expect("two bytes"));
    let stored = u64::from_le_bytes(crc.try_into().expect("eight bytes"));
    let known = version <= REDIS_VERSION_MAX || VALKEY_VERSIONS.contains(&version);
    // As everywhere in RDB, a checksum of zero says that there is none.
    let sound = stored == 0 || stored == crc64(0, &payload[..body_len + 2]);
    if known && version >= CHECKSUM_SINCE && sound { Ok(body) } else { Err(wrong(body_len)) }
}

fn located(reader: &Reader<'_>, stop: Stop) -> RdbError {
    let what = match stop {
        Stop::Need(_) => RdbFault::Truncated,
        Stop::Bad(what) => what,
    };
    RdbError { offset: reader.position() as u64, what }
}
