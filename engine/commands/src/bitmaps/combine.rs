//! BITOP: strings combined bit by bit. A string that is shorter than the longest goes on with zeros.

use bytes::Bytes;
use squall_store::{StringValue, Value};

use crate::config::EventClass;
use crate::strings::text_of;
use crate::{CommandError, CommandResult, Context};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
    /// What the first has and none of the others.
    Diff,
    /// What any of the others has and the first has not.
    Diff1,
    /// What the first has and any of the others, too.
    AndOr,
    /// What exactly one of them has.
    One,
}

const OPERATIONS: [(&str, Operation); 8] = [
    ("AND", Operation::And),
    ("OR", Operation::Or),
    ("XOR", Operation::Xor),
    ("NOT", Operation::Not),
    ("DIFF", Operation::Diff),
    ("DIFF1", Operation::Diff1),
    ("ANDOR", Operation::AndOr),
    ("ONE", Operation::One),
];

pub(super) fn bitop(context: &mut Context<'_>) -> CommandResult {
    let word = context.arg(1);
    let named = OPERATIONS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
    let &(name, operation) = named.ok_or(CommandError::Syntax)?;
    let sources = context.args.skip(3);
    if operation == Operation::Not && sources.len() != 1 {
        return Err(CommandError::line("ERR BITOP NOT must be called with a single source key."));
    }
    if operation.tells_first_from_others() && sources.len() < 2 {
        let line = format!("ERR BITOP {name} must be called with at least two source keys.");
        return Err(CommandError::line(line));
    }
    let (db, target) = (context.session.db, context.arg(2));
    let mut strings = Vec::with_capacity(sources.len());
    for key in sources {
        strings.push(match context.engine.lookup_read(db, key) {
            Some(entry) => text_of(entry)?.to_bytes(),
            None => Bytes::new(),
        });
    }
    let combined = operation.combine(&strings);
    context.reply.integer(combined.len() as i64);
    if combined.is_empty() {
        if context.engine.delete(db, target) {
            context.engine.notify(EventClass::Generic, "del", db, target);
        }
    } else {
        context.engine.insert(db, target, Value::String(StringValue::Buffer(combined)), None);
        context.engine.notify(EventClass::String, "set", db, target);
    }
    Ok(())
}

impl Operation {
    fn tells_first_from_others(self) -> bool {
        matches!(self, Operation::Diff | Operation::Diff1 | Operation::AndOr)
    }

    fn combine(self, strings: &[Bytes]) -> Vec<u8> {
        let len = strings.iter().map(Bytes::len).max().unwrap_or(0);
        let mut first = strings[0].to_vec();
        first.resize(len, 0);
        match self {
            Operation::Not => first.iter_mut().for_each(|byte| *byte = !*byte),
            Operation::And => {
                for other in &strings[1..] {
                    zip(&mut first, other, |one, other| one & other);
                    first[other.len()..].fill(0);
                }
            }
            Operation::Or => union(&mut first, &strings[1..]),
            Operation::Xor => {
                strings[1..].iter().for_each(|other| zip(&mut first, other, |one, other| one ^ other))
            }
            Operation::Diff | Operation::Diff1 | Operation::AndOr => {
                let mut others = vec![0; len];
                union(&mut others, &strings[1..]);
                match self {
                    Operation::Diff => zip(&mut first, &others, |one, others| one & !others),
                    Operation::Diff1 => zip(&mut first, &others, |one, others| !one & others),
                    _ => zip(&mut first, &others, |one, others| one & others),
                }
            }
            Operation::One => {
                let mut repeated = vec![0; len];
                for other in &strings[1..] {
                    for ((seen, repeated), byte) in first.iter_mut().zip(&mut repeated).zip(&other[..]) {
                        *repeated |= *seen & byte;
                        *seen |= byte;
                    }
                }
                zip(&mut first, &repeated, |seen, repeated| seen & !repeated);
            }
        }
        first
    }
}

fn union(target: &mut [u8], others: &[Bytes]) {
    others.iter().for_each(|other| zip(target, other, |one, other| one | other));
}

/// Combines as much of `target` as there is of `other`.
fn zip(target: &mut [u8], other: &[u8], combine: impl Fn(u8, u8) -> u8) {
    target.iter_mut().zip(other).for_each(|(byte, other)| *byte = combine(*byte, *other));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What an operation makes of the bits of one place, told from its definition.
    fn expected(operation: Operation, bits: &[bool]) -> bool {
        let (first, ones) = (bits[0], bits.iter().filter(|bit| **bit).count());
        let others = ones - usize::from(first) > 0;
        match operation {
            Operation::And => ones == bits.len(),
            Operation::Or => ones > 0,
            Operation::Xor => ones % 2 == 1,
            Operation::Not => !first,
            Operation::Diff => first && !others,
            Operation::Diff1 => !first && others,
            Operation::AndOr => first && others,
            Operation::One => ones == 1,
        }
    }

    proptest! {
        #[test]
        fn every_bit_is_as_defined(strings in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..5)) {
            let strings: Vec<Bytes> = strings.into_iter().map(Bytes::from).collect();
            for (_, operation) in OPERATIONS {
                for (at, byte) in operation.combine(&strings).into_iter().enumerate() {
                    for bit in 0..8 {
                        let bits: Vec<bool> =
                            strings.iter().map(|string| string.get(at).is_some_and(|byte| byte >> bit & 1 == 1)).collect();
                        prop_assert_eq!(byte >> bit & 1 == 1, expected(operation, &bits), "{:?}", operation);
                    }
                }
            }
        }
    }
}
