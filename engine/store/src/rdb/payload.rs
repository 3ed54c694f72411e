//! DUMP and RESTORE: one value as RDB writes it, with a version and a checksum of its own.

use super::read::{Reader, Stop};
use super::write::{put_value, type_byte};
use super::{
    CHECKSUM_SINCE, RDB_VERSION, RDB_VERSION_TIMED, REDIS_VERSION_MAX, RdbError, RdbFault, VALKEY_VERSIONS,
    crc64,
};
use crate::entry::{Entry, Value};
use crate::limits::Limits;
use bytes::{BufMut, BytesMut};

/// Version and checksum.
const FOOTER_BYTES: usize = 2 + 8;

/// The payload that DUMP replies.
pub fn dump(entry: &Entry) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_u8(type_byte(entry));
    put_value(&mut out, entry, true);
    out.put_u16_le(if entry.next_field_expiry().is_some() { RDB_VERSION_TIMED } else { RDB_VERSION });
    let crc = crc64(0, &out);
    out.put_u64_le(crc);
    out.into()
}

/// The value of a payload that RESTORE was given. A wrong version or checksum is [`RdbFault::Footer`].
pub fn restore(payload: &[u8], limits: &Limits) -> Result<Value, RdbError> {
    let fault = |offset: usize, what| RdbError { offset: offset as u64, what };
    let body_len = payload.len().checked_sub(FOOTER_BYTES).ok_or(fault(0, RdbFault::Footer))?;
    let (body, footer) = payload.split_at(body_len);
    let (version, crc) = footer.split_at(2);
    let version = u16::from_le_bytes(version.try_into().expect("two bytes"));
    let stored = u64::from_le_bytes(crc.try_into().expect("eight bytes"));
    let known = version <= REDIS_VERSION_MAX || VALKEY_VERSIONS.contains(&version);
    // As everywhere in RDB, a checksum of zero says that there is none.
    let sound = stored == 0 || stored == crc64(0, &payload[..body_len + 2]);
    if !known || version < CHECKSUM_SINCE || !sound {
        return Err(fault(body_len, RdbFault::Footer));
    }
    let mut reader = Reader::of(body).valkeys(VALKEY_VERSIONS.contains(&version));
    let value =
        reader.byte().and_then(|type_byte| reader.value(type_byte, limits)).map_err(|stop| match stop {
            Stop::Need(_) => fault(reader.position(), RdbFault::Truncated),
            Stop::Bad(what) => fault(reader.position(), what),
        })?;
    match reader.position() == body.len() {
        true if value.is_empty_collection() => Err(fault(0, RdbFault::Malformed(value.kind().name()))),
        true => Ok(value),
        false => Err(fault(reader.position(), RdbFault::TrailingBytes)),
    }
}
