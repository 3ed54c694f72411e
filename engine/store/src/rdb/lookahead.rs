//! A look at the pairs that come next in a file: what storing their keys will wait for is read for all of them at
//! once. Nothing depends on it but time, so whatever it does not understand ends the look.

use super::read::{Reader, Stop};
use super::{TYPE_STRING, opcode};
use crate::db::Db;

/// Looks at the items at the start of `input`; returns how far it saw.
pub(super) fn warm(db: &Db, input: &[u8]) -> usize {
    let Some(mut warming) = db.warming() else { return usize::MAX };
    let mut reader = Reader::of(input);
    let mut seen = 0;
    while !warming.is_full() {
        match next_key(&mut reader) {
            Ok(Some(key)) => warming.add(key, None),
            Ok(None) => {}
            Err(_) => break,
        }
        seen = reader.position();
    }
    warming.finish();
    seen.max(1)
}

/// Passes over one item; gives its key if it is a pair whose key is plain text.
fn next_key<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Stop> {
    match reader.byte()? {
        opcode::EXPIRY_MS => reader.array::<8>().map(|_| None),
        opcode::EXPIRY_S => reader.array::<4>().map(|_| None),
        opcode::FREQUENCY => reader.byte().map(|_| None),
        opcode::IDLE => reader.length().map(|_| None),
        // The types whose values are one string each.
        TYPE_STRING | 9..=13 | 16 | 17 | 20 => {
            let key = reader.text()?;
            reader.skip_string()?;
            Ok(key)
        }
        // Not looked at any further; the caller does not tell kinds of ends apart.
        _ => Err(Stop::Need(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::{put_length, put_string};
    use crate::{Keyspace, Partitioning};
    use bytes::{BufMut, BytesMut};
    use proptest::prelude::*;

    fn large() -> Keyspace {
        let mut keyspace = Keyspace::new(1, 7, Partitioning::ByHash);
        for number in 0..20_000 {
            keyspace.db_mut(0).set_string(format!("key:{number}").as_bytes(), &[b'v'; 60], None);
        }
        keyspace
    }

    /// What is written of a pair is what the look passes over.
    #[test]
    fn a_look_sees_whole_pairs_and_ends_before_what_it_does_not_know() {
        let keyspace = large();
        let (mut pairs, mut last) = (BytesMut::new(), 0);
        for (key, value) in [(&b"key:1"[..], &b"short"[..]), (b"12", b"-70000"), (b"key:2", &[b'x'; 500])] {
            pairs.put_u8(opcode::EXPIRY_MS);
            pairs.put_i64_le(5);
            last = pairs.len();
            pairs.put_u8(TYPE_STRING);
            put_string(&mut pairs, key, true);
            put_string(&mut pairs, value, true);
        }
        let known = pairs.len();
        pairs.put_u8(2);
        put_string(&mut pairs, b"a set", true);
        put_length(&mut pairs, 1);
        put_string(&mut pairs, b"member", true);
        assert_eq!(warm(keyspace.db(0), &pairs), known);
        assert_eq!(warm(keyspace.db(0), &pairs[..known - 1]), last);
        assert_eq!(warm(Keyspace::new(1, 7, Partitioning::ByHash).db(0), &pairs), usize::MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_may_be_looked_at(inputs: Vec<Vec<u8>>) {
            let keyspace = large();
            for input in inputs {
                prop_assert!((1..=input.len().max(1)).contains(&warm(keyspace.db(0), &input)));
            }
        }
    }
}
