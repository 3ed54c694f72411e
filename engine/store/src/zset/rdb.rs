//! Sorted sets in RDB: a small one as its packed block, a large one member by member, the greatest score first.
//!
//! ```text
//! type 17 := listpack:string                    type 5 := members:length (member:string score:f64 LE)*
//! type 12 := ziplist:string                     type 3 := members:length (member:string score)*
//! score   := length:u8 decimal digits  or  253 not a number  or  254 infinity  or  255 negative infinity
//! ```
//! Types 3 and 12 are old forms: they are read.

use super::score::{parse_score, score_of};
use super::{Form, ZSet, small};
use crate::entry::Value;
use crate::limits::Limits;
use crate::packed::{Item, Packed};
use crate::rdb::{Elements, RdbFault, Reader, Reading, Stop, put_length, put_string, ziplist};
use bytes::{BufMut, BytesMut};

const TYPE_TEXT_SCORES: u8 = 3;
const TYPE_PLAIN: u8 = 5;
const TYPE_ZIPLIST: u8 = 12;
const TYPE_LISTPACK: u8 = 17;

/// How many members of a large set are one piece.
const PIECE_MEMBERS: usize = 1_024;

const MALFORMED: RdbFault = RdbFault::Malformed("sorted set");

pub(crate) fn type_byte(zset: &ZSet) -> u8 {
    match zset.form {
        Form::Packed(_) => TYPE_LISTPACK,
        Form::Large(_) => TYPE_PLAIN,
    }
}

/// Writes one piece; false after the last.
pub(crate) fn put_piece(zset: &ZSet, number: usize, out: &mut BytesMut, compressed: bool) -> bool {
    match &zset.form {
        Form::Packed(packed) => {
            put_string(out, packed.as_listpack(), compressed);
            false
        }
        Form::Large(large) => {
            if number == 0 {
                put_length(out, large.tree.len() as u64);
            }
            let end = large.tree.len() - number * PIECE_MEMBERS;
            let start = end.saturating_sub(PIECE_MEMBERS);
            for (score, member) in large.tree.range(start..end, true) {
                put_string(out, member, compressed);
                out.put_f64_le(score);
            }
            start > 0
        }
    }
}

pub(crate) fn begin(type_byte: u8, reader: &mut Reader<'_>, limits: &Limits) -> Result<Reading, Stop> {
    match type_byte {
        TYPE_PLAIN | TYPE_TEXT_SCORES => {
            let left = reader.length()?;
            let scores_are_text = type_byte == TYPE_TEXT_SCORES;
            Ok(Reading::Elements(Box::new(Members { left, scores_are_text, zset: ZSet::default() })))
        }
        TYPE_LISTPACK => {
            let bytes = reader.string()?.into_bytes();
            let packed = Packed::from_listpack(&bytes).map_err(|_| MALFORMED)?;
            Ok(Reading::Whole(Value::ZSet(from_packed(packed, limits)?)))
        }
        TYPE_ZIPLIST => {
            let bytes = reader.string()?.into_bytes();
            let items = ziplist::decode(&bytes).ok_or(MALFORMED)?;
            let (pairs, rest) = items.as_chunks::<2>();
            let mut zset = ZSet::default();
            for [member, score] in pairs {
                let score = score_of(*score).ok_or(MALFORMED)?;
                if zset.insert(&member.to_vec(), score, limits).is_some() {
                    return Err(MALFORMED.into());
                }
            }
            if rest.is_empty() { Ok(Reading::Whole(Value::ZSet(zset))) } else { Err(MALFORMED.into()) }
        }
        _ => unreachable!("the caller chooses the type by this byte"),
    }
}

/// Members that are being read one by one.
struct Members {
    left: u64,
    scores_are_text: bool,
    zset: ZSet,
}

impl Elements for Members {
    fn read_next(&mut self, reader: &mut Reader<'_>, limits: &Limits) -> Result<Option<Value>, Stop> {
        if self.left == 0 {
            return Ok(Some(Value::ZSet(std::mem::take(&mut self.zset))));
        }
        let member = reader.string()?;
        let score =
            if self.scores_are_text { text_score(reader)? } else { f64::from_le_bytes(reader.array()?) };
        if score.is_nan() {
            return Err(MALFORMED.into());
        }
        let old = self.zset.insert(member.as_bytes(&mut itoa::Buffer::new()), score, limits);
        self.left -= 1;
        if old.is_none() { Ok(None) } else { Err(MALFORMED.into()) }
    }
}

fn text_score(reader: &mut Reader<'_>) -> Result<f64, Stop> {
    match reader.byte()? {
        253 => Ok(f64::NAN),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        len => parse_score(reader.take(usize::from(len))?).ok_or(MALFORMED.into()),
    }
}

/// A sorted set of a block from elsewhere, if that is one: its members have scores, and no member occurs twice.
fn from_packed(packed: Packed, limits: &Limits) -> Result<ZSet, RdbFault> {
    if !packed.len().is_multiple_of(2) || packed.has_twice(2) {
        return Err(MALFORMED);
    }
    let mut fits = packed.len() / 2 <= limits.zset_packed_entries_max;
    let mut before: Option<(f64, Item<'_>)> = None;
    let mut items = packed.iter();
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        let score = score_of(score).ok_or(MALFORMED)?;
        fits &= member.text_len() <= limits.zset_packed_value_bytes_max;
        // Out of order, it is put in order by inserting one by one.
        fits &=
            before.is_none_or(|(least, first)| least < score || least == score && precedes(first, member));
        before = Some((score, member));
    }
    if fits {
        return Ok(ZSet { form: Form::Packed(packed) });
    }
    let mut zset = ZSet::default();
    for (member, score) in small::pairs(&packed) {
        zset.insert(&member.to_vec(), score, limits);
    }
    Ok(zset)
}

/// Whether members of one score stand in their order.
fn precedes(first: Item<'_>, second: Item<'_>) -> bool {
    let (mut one, mut other) = (itoa::Buffer::new(), itoa::Buffer::new());
    first.as_bytes(&mut one) < second.as_bytes(&mut other)
}
