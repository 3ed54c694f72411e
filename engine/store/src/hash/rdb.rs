//! Hashes in RDB: a small one as its packed block, a large one field by field.
//!
//! ```text
//! type 16 := listpack:string                      type 4 := fields:length (field:string value:string)*
//! type 13 := ziplist:string                       type 9 := zipmap:string
//!
//! With fields that expire (in milliseconds; `after` counts from one at `first`, zero is never):
//! type 24 := first:u64 LE fields:length (after:length field:string value:string)*
//! type 25 := first:u64 LE listpack:string         of field, value, time (zero is never)
//! type 22 := fields:length (time:length field:string value:string)*       before the release of Redis 7.4
//! type 23 := listpack:string                      the same as 25, before that release
//! type 22 := fields:length (field:string value:string time:i64 LE)*       of Valkey; below zero is never
//! ```

use super::{FIELD_EXPIRY_MAX, Fields, Hash, pairs};
use crate::entry::Value;
use crate::limits::Limits;
use crate::packed::{Item, Packed};
use crate::rdb::{Elements, RdbFault, Reader, Reading, Stop, put_length, put_string, ziplist, zipmap};
use bytes::{BufMut, BytesMut};
use squall_clock::UnixMs;

const TYPE_PLAIN: u8 = 4;
const TYPE_ZIPMAP: u8 = 9;
const TYPE_ZIPLIST: u8 = 13;
const TYPE_LISTPACK: u8 = 16;
const TYPE_TIMED_EARLY: u8 = 22;
const TYPE_TIMED_LISTPACK_EARLY: u8 = 23;
const TYPE_TIMED: u8 = 24;
const TYPE_TIMED_LISTPACK: u8 = 25;

const MALFORMED: RdbFault = RdbFault::Malformed("hash");

pub(crate) fn type_byte(hash: &Hash) -> u8 {
    match hash.fields() {
        _ if hash.next_expiry().is_some() => TYPE_TIMED,
        Fields::Packed(_) => TYPE_LISTPACK,
        Fields::Table(_) => TYPE_PLAIN,
    }
}

/// Writes one piece; false after the last.
pub(crate) fn put_piece(hash: &Hash, number: usize, out: &mut BytesMut, compressed: bool) -> bool {
    if let Some(first) = hash.next_expiry() {
        return put_timed_piece(hash, first, number, out, compressed);
    }
    match hash.fields() {
        Fields::Packed(packed) => {
            put_string(out, packed.as_listpack(), compressed);
            false
        }
        Fields::Table(table) => {
            match number.checked_sub(1) {
                None => put_length(out, table.len() as u64),
                Some(chunk) => {
                    for record in table.chunk_records(chunk) {
                        put_string(out, record.key, compressed);
                        put_string(out, record.value, compressed);
                    }
                }
            }
            number < table.chunks_len()
        }
    }
}

fn put_timed_piece(hash: &Hash, first: UnixMs, number: usize, out: &mut BytesMut, compressed: bool) -> bool {
    let put_field = |out: &mut BytesMut, field: &[u8], value: &[u8]| {
        put_length(out, hash.expiry(field).map_or(0, |at| at.0 - first.0 + 1));
        put_string(out, field, compressed);
        put_string(out, value, compressed);
    };
    if number == 0 {
        out.put_u64_le(first.0);
        put_length(out, hash.len() as u64);
    }
    match (hash.fields(), number.checked_sub(1)) {
        (Fields::Packed(packed), _) => {
            let (mut field_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
            for (field, value) in pairs(packed) {
                put_field(out, field.as_bytes(&mut field_digits), value.as_bytes(&mut value_digits));
            }
            false
        }
        (Fields::Table(_), None) => true,
        (Fields::Table(table), Some(chunk)) => {
            table.chunk_records(chunk).for_each(|record| put_field(out, record.key, record.value));
            number < table.chunks_len()
        }
    }
}

pub(crate) fn begin(type_byte: u8, reader: &mut Reader<'_>, limits: &Limits) -> Result<Reading, Stop> {
    match type_byte {
        TYPE_PLAIN => Ok(FieldsRead::begin(Times::None, reader.length()?)),
        TYPE_LISTPACK => {
            let bytes = reader.string()?.into_bytes();
            let packed = Packed::from_listpack(&bytes).map_err(|_| MALFORMED)?;
            Ok(Reading::Whole(Value::Hash(from_packed(packed, limits)?)))
        }
        TYPE_ZIPLIST => {
            let bytes = reader.string()?.into_bytes();
            let items = ziplist::decode(&bytes).ok_or(MALFORMED)?;
            let (pairs, rest) = items.as_chunks::<2>();
            let texts = pairs.iter().map(|[field, value]| (field.to_vec(), value.to_vec()));
            let hash = from_pairs(texts, limits)?;
            if rest.is_empty() { Ok(Reading::Whole(Value::Hash(hash))) } else { Err(MALFORMED.into()) }
        }
        TYPE_ZIPMAP => {
            let bytes = reader.string()?.into_bytes();
            let pairs = zipmap::decode(&bytes).ok_or(MALFORMED)?;
            Ok(Reading::Whole(Value::Hash(from_pairs(pairs.into_iter(), limits)?)))
        }
        TYPE_TIMED_EARLY => {
            let times = if reader.is_valkeys() { Times::Behind } else { Times::Absolute };
            Ok(FieldsRead::begin(times, reader.length()?))
        }
        TYPE_TIMED => {
            let first = u64::from_le_bytes(reader.array()?);
            Ok(FieldsRead::begin(Times::From(first), reader.length()?))
        }
        TYPE_TIMED_LISTPACK | TYPE_TIMED_LISTPACK_EARLY => {
            if type_byte == TYPE_TIMED_LISTPACK {
                let _first = reader.array::<8>()?;
            }
            let packed = Packed::from_listpack(&reader.string()?.into_bytes()).map_err(|_| MALFORMED)?;
            Ok(Reading::Whole(Value::Hash(from_triples(&packed, limits)?)))
        }
        _ => unreachable!("the caller chooses the type by this byte"),
    }
}

/// Fields that are being read one by one.
struct FieldsRead {
    left: u64,
    times: Times,
    hash: Hash,
}

/// How the times of fields are written.
#[derive(Clone, Copy)]
enum Times {
    None,
    /// In front of the field; zero is never.
    Absolute,
    /// The same, counted from one at this time on.
    From(u64),
    /// Behind the value, in eight bytes.
    Behind,
}

impl FieldsRead {
    fn begin(times: Times, left: u64) -> Reading {
        Reading::Elements(Box::new(FieldsRead { left, times, hash: Hash::default() }))
    }
}

impl Elements for FieldsRead {
    fn read_next(&mut self, reader: &mut Reader<'_>, limits: &Limits) -> Result<Option<Value>, Stop> {
        if self.left == 0 {
            return Ok(Some(Value::Hash(std::mem::take(&mut self.hash))));
        }
        let told = match self.times {
            Times::Absolute | Times::From(_) => reader.length()?,
            Times::None | Times::Behind => 0,
        };
        let (field, value) = (reader.string()?, reader.string()?);
        let at = match self.times {
            Times::None => None,
            Times::Absolute => (told != 0).then_some(told),
            Times::From(first) => (told != 0).then(|| first.saturating_add(told - 1)),
            Times::Behind => u64::try_from(i64::from_le_bytes(reader.array()?)).ok(),
        };
        let (mut field_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (field, value) = (field.as_bytes(&mut field_digits), value.as_bytes(&mut value_digits));
        add(&mut self.hash, field, value, at, limits)?;
        self.left -= 1;
        Ok(None)
    }
}

/// A hash of these fields, if none occurs twice.
fn from_pairs<T: AsRef<[u8]>>(
    mut pairs: impl Iterator<Item = (T, T)>,
    limits: &Limits,
) -> Result<Hash, RdbFault> {
    let mut hash = Hash::default();
    let unique = pairs.all(|(field, value)| hash.set(field.as_ref(), value.as_ref(), limits));
    if unique { Ok(hash) } else { Err(MALFORMED) }
}

/// Adds a field that was read, if it is not there yet and its time is one.
fn add(
    hash: &mut Hash,
    field: &[u8],
    value: &[u8],
    at: Option<u64>,
    limits: &Limits,
) -> Result<(), RdbFault> {
    let at = at.map(UnixMs);
    if at.is_some_and(|at| at > FIELD_EXPIRY_MAX) || !hash.set(field, value, limits) {
        return Err(MALFORMED);
    }
    if at.is_some() {
        hash.set_expiry(field, at, limits);
    }
    Ok(())
}

/// A hash of a block of field, value, time from elsewhere.
fn from_triples(packed: &Packed, limits: &Limits) -> Result<Hash, RdbFault> {
    let items: Vec<Item<'_>> = packed.iter().collect();
    let (triples, rest) = items.as_chunks::<3>();
    let mut hash = Hash::default();
    for [field, value, time] in triples {
        let Item::Int(time @ 0..) = *time else { return Err(MALFORMED) };
        let at = (time != 0).then_some(time as u64);
        add(&mut hash, &field.to_vec(), &value.to_vec(), at, limits)?;
    }
    if rest.is_empty() { Ok(hash) } else { Err(MALFORMED) }
}

/// A hash of a block from elsewhere, if that is one: its fields have values, and no field occurs twice.
fn from_packed(packed: Packed, limits: &Limits) -> Result<Hash, RdbFault> {
    if !packed.len().is_multiple_of(2) || packed.has_twice(2) {
        return Err(MALFORMED);
    }
    let is_short = |item: Item<'_>| item.text_len() <= limits.hash_packed_value_bytes_max;
    let is_small = packed.len() / 2 <= limits.hash_packed_entries_max && packed.iter().all(is_short);
    Ok(Hash::of_fields(match is_small {
        true => Fields::Packed(packed),
        false => Fields::Table(Box::new(super::table_of(&packed, limits))),
    }))
}
