//! Hashes in RDB: a small one as its packed block, a large one field by field.
//!
//! ```text
//! type 16 := listpack:string                      type 4 := fields:length (field:string value:string)*
//! type 13 := ziplist:string                       type 9 := zipmap:string
//! ```

use super::{Form, Hash, pairs};
use crate::entry::Value;
use crate::limits::Limits;
use crate::packed::Packed;
use crate::rdb::{Elements, RdbFault, Reader, Reading, Stop, put_length, put_string, ziplist, zipmap};
use bytes::BytesMut;
use std::collections::BTreeSet;

const TYPE_PLAIN: u8 = 4;
const TYPE_ZIPMAP: u8 = 9;
const TYPE_ZIPLIST: u8 = 13;
const TYPE_LISTPACK: u8 = 16;

const MALFORMED: RdbFault = RdbFault::Malformed("hash");

pub(crate) fn type_byte(hash: &Hash) -> u8 {
    match hash.form {
        Form::Packed(_) => TYPE_LISTPACK,
        Form::Table(_) => TYPE_PLAIN,
    }
}

/// Writes one piece; false after the last.
pub(crate) fn put_piece(hash: &Hash, number: usize, out: &mut BytesMut, compressed: bool) -> bool {
    match &hash.form {
        Form::Packed(packed) => {
            put_string(out, packed.as_listpack(), compressed);
            false
        }
        Form::Table(table) => {
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

pub(crate) fn begin(type_byte: u8, reader: &mut Reader<'_>, limits: &Limits) -> Result<Reading, Stop> {
    match type_byte {
        TYPE_PLAIN => {
            let left = reader.length()?;
            Ok(Reading::Elements(Box::new(Fields { left, hash: Hash::default() })))
        }
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
        _ => unreachable!("the caller chooses the type by this byte"),
    }
}

/// Fields that are being read one by one.
struct Fields {
    left: u64,
    hash: Hash,
}

impl Elements for Fields {
    fn read_next(&mut self, reader: &mut Reader<'_>, limits: &Limits) -> Result<Option<Value>, Stop> {
        if self.left == 0 {
            return Ok(Some(Value::Hash(std::mem::take(&mut self.hash))));
        }
        let (field, value) = (reader.string()?, reader.string()?);
        let (mut field_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        let is_added =
            self.hash.set(field.as_bytes(&mut field_digits), value.as_bytes(&mut value_digits), limits);
        self.left -= 1;
        if is_added { Ok(None) } else { Err(MALFORMED.into()) }
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

/// A hash of a block from elsewhere, if that is one: its fields have values, and no field occurs twice.
fn from_packed(packed: Packed, limits: &Limits) -> Result<Hash, RdbFault> {
    if !packed.len().is_multiple_of(2) {
        return Err(MALFORMED);
    }
    let mut fields = BTreeSet::new();
    let mut is_small = packed.len() / 2 <= limits.hash_packed_entries_max;
    for (field, value) in pairs(&packed) {
        is_small &= field.text_len().max(value.text_len()) <= limits.hash_packed_value_bytes_max;
        if !fields.insert(field.to_vec()) {
            return Err(MALFORMED);
        }
    }
    Ok(Hash {
        form: match is_small {
            true => Form::Packed(packed),
            false => Form::Table(Box::new(super::table_of(&packed, limits))),
        },
    })
}
