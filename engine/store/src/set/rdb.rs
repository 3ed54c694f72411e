//! Sets in RDB: integers as their block, all others member by member. Redis before 7.2 has no packed sets, so
//! they are read and not written.
//!
//! ```text
//! type 11 := intset:string          type 20 := listpack:string          type 2 := members:length string*
//! ```

use super::{Form, IntSet, Set};
use crate::entry::Value;
use crate::limits::Limits;
use crate::packed::Packed;
use crate::rdb::{Elements, RdbFault, Reader, Reading, Stop, put_length, put_string};
use bytes::BytesMut;

const TYPE_PLAIN: u8 = 2;
const TYPE_INTSET: u8 = 11;
const TYPE_LISTPACK: u8 = 20;

const MALFORMED: RdbFault = RdbFault::Malformed("set");

pub(crate) fn type_byte(set: &Set) -> u8 {
    match set.form {
        Form::Integers(_) => TYPE_INTSET,
        Form::Packed(_) | Form::Table(_) => TYPE_PLAIN,
    }
}

/// Writes one piece; false after the last.
pub(crate) fn put_piece(set: &Set, number: usize, out: &mut BytesMut, compressed: bool) -> bool {
    match &set.form {
        Form::Integers(integers) => {
            put_string(out, integers.as_block(), compressed);
            false
        }
        Form::Packed(packed) => {
            put_length(out, packed.len() as u64);
            let mut digits = itoa::Buffer::new();
            packed.iter().for_each(|item| put_string(out, item.as_bytes(&mut digits), compressed));
            false
        }
        Form::Table(table) => {
            match number.checked_sub(1) {
                None => put_length(out, table.len() as u64),
                Some(chunk) => {
                    table.chunk_records(chunk).for_each(|record| put_string(out, record.key, compressed));
                }
            }
            number < table.chunks_len()
        }
    }
}

pub(crate) fn begin(type_byte: u8, reader: &mut Reader<'_>, limits: &Limits) -> Result<Reading, Stop> {
    let set = match type_byte {
        TYPE_PLAIN => {
            return Ok(Reading::Elements(Box::new(Members { left: reader.length()?, set: Set::default() })));
        }
        TYPE_INTSET => {
            let integers = IntSet::from_block(&reader.string()?.into_bytes()).ok_or(MALFORMED)?;
            from_integers(integers, limits)
        }
        TYPE_LISTPACK => {
            let packed = Packed::from_listpack(&reader.string()?.into_bytes()).map_err(|_| MALFORMED)?;
            from_packed(&packed, limits)?
        }
        _ => unreachable!("the caller chooses the type by this byte"),
    };
    Ok(Reading::Whole(Value::Set(set)))
}

/// Members that are being read one by one.
struct Members {
    left: u64,
    set: Set,
}

impl Elements for Members {
    fn read_next(&mut self, reader: &mut Reader<'_>, limits: &Limits) -> Result<Option<Value>, Stop> {
        if self.left == 0 {
            return Ok(Some(Value::Set(std::mem::take(&mut self.set))));
        }
        let member = reader.string()?;
        if !self.set.add(member.as_bytes(&mut itoa::Buffer::new()), limits) {
            return Err(MALFORMED.into());
        }
        self.left -= 1;
        Ok(None)
    }
}

fn from_integers(integers: IntSet, limits: &Limits) -> Set {
    let is_small = integers.len() <= limits.set_integers_max;
    let mut set = Set { form: Form::Integers(integers) };
    if !is_small {
        set.become_table(limits);
    }
    set
}

/// A set of a block from elsewhere, if no member occurs twice.
fn from_packed(packed: &Packed, limits: &Limits) -> Result<Set, RdbFault> {
    // Never a set of integers, even where they all are.
    let mut set = Set { form: Form::Packed(Packed::empty()) };
    let mut digits = itoa::Buffer::new();
    match packed.iter().all(|member| set.add(member.as_bytes(&mut digits), limits)) {
        true => Ok(set),
        false => Err(MALFORMED),
    }
}
