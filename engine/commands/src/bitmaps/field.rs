//! BITFIELD: integers of any width at any place in a string, read, set and counted up, with a choice of what
//! happens when one overflows.

use squall_resp::Args;
use squall_store::parse_i64;

use super::{bit_offset, read};
use crate::config::EventClass;
use crate::table::{FoundKey, KeyFlag, KeyFlags};
use crate::{CommandError, CommandResult, Context};

/// BITFIELD only reads where it is asked for nothing else; what does not make sense may do anything.
pub(super) fn keys_of_bitfield(args: Args<'_>) -> Option<Vec<FoundKey>> {
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let left = args.len() - at - 1;
        at += match word.to_ascii_uppercase().as_slice() {
            b"GET" if left >= 2 => 3,
            b"OVERFLOW" if left >= 1 => 2,
            _ => break,
        };
    }
    let only_reads = at >= args.len();
    let flags: &[KeyFlag] = if only_reads {
        &[KeyFlag::Ro, KeyFlag::Access]
    } else {
        &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Update]
    };
    Some(vec![FoundKey { index: 1, flags: KeyFlags::of(flags) }])
}

/// The type of a field, `u1` to `u63` or `i1` to `i64`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct FieldType {
    signed: bool,
    width: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

/// One of the operations that a BITFIELD asks for.
#[derive(Clone, Copy, Debug)]
struct Operation {
    field: FieldType,
    offset: u64,
    action: Action,
    overflow: Overflow,
}

pub(super) fn bitfield(context: &mut Context<'_>) -> CommandResult {
    let operations = parse(context, false)?;
    if operations.iter().all(|operation| operation.action == Action::Get) {
        return get_all(context, &operations);
    }
    let ends = operations.iter().filter(|operation| operation.action != Action::Get).map(Operation::end);
    let len = ends.max().map_or(0, |end| end.div_ceil(8) as usize);
    let (db, key) = (context.session.db, context.arg(1));
    let mut entry = context.engine.string_to_change(db, key)?;
    let bytes = entry.string_bytes_mut(0);
    let grows = bytes.len() < len;
    let bytes = entry.string_bytes_mut(len);
    context.reply.array(operations.len());
    let mut changes = 0;
    for operation in &operations {
        let old = operation.field.read(bytes, operation.offset);
        match operation.compute(old) {
            None => context.reply.null(),
            Some(stored) => {
                if operation.action != Action::Get {
                    operation.field.write(bytes, operation.offset, stored);
                    changes += u64::from(grows || stored != old);
                }
                context.reply.integer(if matches!(operation.action, Action::Set(_)) { old } else { stored });
            }
        }
    }
    drop(entry);
    // A string that has only grown is another string, too: replicas have to hear of it, though no bit was set.
    if changes > 0 || grows {
        context.engine.changed(db, key);
        if changes > 0 {
            context.engine.notify(EventClass::String, "setbit", db, key);
        }
        context.engine.dirty += changes.saturating_sub(1);
    }
    Ok(())
}

pub(super) fn bitfield_ro(context: &mut Context<'_>) -> CommandResult {
    let operations = parse(context, true)?;
    get_all(context, &operations)
}

fn get_all(context: &mut Context<'_>, operations: &[Operation]) -> CommandResult {
    let values = read(context, |bytes| {
        let values = operations.iter().map(|operation| operation.field.read(bytes, operation.offset));
        values.collect::<Vec<i64>>()
    })?;
    context.reply.array(values.len());
    values.into_iter().for_each(|value| context.reply.integer(value));
    Ok(())
}

fn parse(context: &Context<'_>, read_only: bool) -> Result<Vec<Operation>, CommandError> {
    let args = context.args;
    let (mut operations, mut overflow) = (Vec::new(), Overflow::Wrap);
    let mut writes = false;
    let mut index = 2;
    while index < args.len() {
        let word = args.at(index);
        let left = args.len() - index - 1;
        if word.eq_ignore_ascii_case(b"OVERFLOW") && left >= 1 {
            overflow = Overflow::parse(args.at(index + 1))?;
            index += 2;
            continue;
        }
        let is = |name: &[u8], operands: usize| word.eq_ignore_ascii_case(name) && left >= operands;
        let operands = if is(b"GET", 2) {
            2
        } else if is(b"SET", 3) || is(b"INCRBY", 3) {
            3
        } else {
            return Err(CommandError::Syntax);
        };
        let field = FieldType::parse(args.at(index + 1))?;
        let offset = bit_offset(context, args.at(index + 2), Some(u64::from(field.width)))?;
        let action = if operands == 2 {
            Action::Get
        } else {
            let operand = parse_i64(args.at(index + 3)).ok_or(CommandError::NotAnInteger)?;
            if is(b"SET", 3) { Action::Set(operand) } else { Action::Add(operand) }
        };
        writes |= action != Action::Get;
        operations.push(Operation { field, offset, action, overflow });
        index += 1 + operands;
    }
    if writes && read_only {
        return Err(CommandError::line("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    Ok(operations)
}

impl Operation {
    /// The bit behind the field.
    fn end(&self) -> u64 {
        self.offset + u64::from(self.field.width)
    }

    /// What the field holds afterwards; `None` where it overflows and that is to fail.
    fn compute(&self, old: i64) -> Option<i64> {
        let exact = match self.action {
            Action::Get => return Some(old),
            // An unsigned field takes its operand for unsigned as well: -1 is beyond its greatest value.
            Action::Set(value) if self.field.signed => i128::from(value),
            Action::Set(value) => i128::from(value as u64),
            Action::Add(increment) => i128::from(old) + i128::from(increment),
        };
        let (least, greatest) = self.field.bounds();
        if (least..=greatest).contains(&exact) {
            return Some(exact as i64);
        }
        match self.overflow {
            Overflow::Wrap => Some(self.field.truncate(exact as u64)),
            Overflow::Saturate => Some(exact.clamp(least, greatest) as i64),
            Overflow::Fail => None,
        }
    }
}

impl Overflow {
    fn parse(word: &[u8]) -> Result<Overflow, CommandError> {
        match word.to_ascii_uppercase().as_slice() {
            b"WRAP" => Ok(Overflow::Wrap),
            b"SAT" => Ok(Overflow::Saturate),
            b"FAIL" => Ok(Overflow::Fail),
            _ => Err(CommandError::line("ERR Invalid OVERFLOW type specified")),
        }
    }
}

impl FieldType {
    fn parse(word: &[u8]) -> Result<FieldType, CommandError> {
        let (signed, width_max, digits) = match word {
            [b'i', digits @ ..] => (true, 64, digits),
            [b'u', digits @ ..] => (false, 63, digits),
            _ => return Err(FieldType::refused()),
        };
        let width = parse_i64(digits).filter(|width| (1..=width_max).contains(width));
        width.map(|width| FieldType { signed, width: width as u32 }).ok_or_else(FieldType::refused)
    }

    fn refused() -> CommandError {
        CommandError::line(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        )
    }

    fn bounds(self) -> (i128, i128) {
        match self.signed {
            true => (-(1 << (self.width - 1)), (1 << (self.width - 1)) - 1),
            false => (0, (1 << self.width) - 1),
        }
    }

    /// The value of the lowest bits.
    fn truncate(self, bits: u64) -> i64 {
        let unused = 64 - self.width;
        let moved = bits << unused;
        if self.signed { (moved as i64) >> unused } else { (moved >> unused) as i64 }
    }

    /// The field at a bit; what lies behind the string's end is zeros.
    fn read(self, bytes: &[u8], offset: u64) -> i64 {
        let mut window = [0; 16];
        let (first, count) = self.touched(offset);
        let there = bytes.get(first..).unwrap_or(&[]);
        let count = count.min(there.len());
        window[..count].copy_from_slice(&there[..count]);
        let shift = 128 - (offset % 8) as u32 - self.width;
        self.truncate((u128::from_be_bytes(window) >> shift) as u64)
    }

    /// Stores the lowest bits of `value`. The string reaches far enough.
    fn write(self, bytes: &mut [u8], offset: u64, value: i64) {
        let (first, count) = self.touched(offset);
        let target = &mut bytes[first..first + count];
        let mut window = [0; 16];
        window[..count].copy_from_slice(target);
        let shift = 128 - (offset % 8) as u32 - self.width;
        let mask = u128::from(u64::MAX >> (64 - self.width)) << shift;
        let kept = u128::from_be_bytes(window) & !mask;
        let window = (kept | u128::from(value as u64) << shift & mask).to_be_bytes();
        target.copy_from_slice(&window[..count]);
    }

    /// The first byte that the field touches, and how many.
    fn touched(self, offset: u64) -> (usize, usize) {
        ((offset / 8) as usize, ((offset % 8) as u32 + self.width).div_ceil(8) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field() -> impl Strategy<Value = FieldType> {
        prop_oneof![
            (1u32..=64).prop_map(|width| FieldType { signed: true, width }),
            (1u32..=63).prop_map(|width| FieldType { signed: false, width }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_else_changes(field in field(), offset in 0u64..40, value: i64, mut bytes: [u8; 16]) {
            let bits = |bytes: &[u8]| -> Vec<bool> {
                (0..128).map(|bit| bytes[bit / 8] >> (7 - bit % 8) & 1 == 1).collect()
            };
            let before = bits(&bytes);
            field.write(&mut bytes, offset, value);
            prop_assert_eq!(field.read(&bytes, offset), field.truncate(value as u64));
            let after = bits(&bytes);
            for bit in 0..128u64 {
                let inside = (offset..offset + u64::from(field.width)).contains(&bit);
                let from_end = (offset + u64::from(field.width)).wrapping_sub(bit + 1);
                let expected = if inside { value as u64 >> from_end & 1 == 1 } else { before[bit as usize] };
                prop_assert_eq!(after[bit as usize], expected, "bit {}", bit);
            }
        }
    }
}
