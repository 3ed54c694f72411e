//! BITCOUNT and BITPOS: how many bits are set in a part of a string, and which is the first of a kind.

use super::read;
use crate::strings::text_of;
use crate::{CommandError, CommandResult, Context};

/// A part of a string as clients name it: both ends included, negative ones counted from the string's end.
#[derive(Clone, Copy)]
struct Part {
    start: i64,
    end: i64,
    in_bits: bool,
}

/// The bits `first..end` of a string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct BitRange {
    first: u64,
    end: u64,
}

pub(super) fn bitcount(context: &mut Context<'_>) -> CommandResult {
    let part = match context.args.len() {
        2 => Part { start: 0, end: -1, in_bits: false },
        4 | 5 => {
            let (start, end) = (context.integer(2)?, context.integer(3)?);
            Part { start, end, in_bits: unit_at(context, 4)? }
        }
        _ => return Err(CommandError::Syntax),
    };
    // Both moved to the start of a short string, they would meet there.
    let is_backwards = part.start < 0 && part.end < 0 && part.start > part.end;
    let count = read(context, |bytes| match part.resolve(bytes) {
        Some(range) if !is_backwards => count_ones(bytes, range),
        _ => 0,
    })?;
    context.reply.integer(count as i64);
    Ok(())
}

pub(super) fn bitpos(context: &mut Context<'_>) -> CommandResult {
    let wanted = match context.integer(2)? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::line("ERR The bit argument must be 1 or 0.")),
    };
    let words = context.args.len();
    if words > 6 {
        return Err(CommandError::Syntax);
    }
    let start = if words > 3 { context.integer(3)? } else { 0 };
    let in_bits = unit_at(context, 5)?;
    let end = if words > 4 { context.integer(4)? } else { -1 };
    let part = Part { start, end, in_bits };
    let key = context.arg(1);
    let position = match context.engine.lookup_read(context.session.db, key) {
        None => (!wanted).then_some(0),
        Some(entry) => {
            let mut digits = itoa::Buffer::new();
            let bytes = text_of(entry)?.as_bytes(&mut digits);
            // A string goes on with zeros, unless the client has named an end.
            let beyond = (!wanted && words < 5).then_some(bytes.len() as u64 * 8);
            part.resolve(bytes).and_then(|range| first_of(bytes, range, wanted).or(beyond))
        }
    };
    context.reply.integer(position.map_or(-1, |position| position as i64));
    Ok(())
}

/// Whether the word at `index` makes a part one of bits; bytes are what is meant without it.
fn unit_at(context: &Context<'_>, index: usize) -> Result<bool, CommandError> {
    match context.args.get(index) {
        None => Ok(false),
        Some(word) if word.eq_ignore_ascii_case(b"BYTE") => Ok(false),
        Some(word) if word.eq_ignore_ascii_case(b"BIT") => Ok(true),
        Some(_) => Err(CommandError::Syntax),
    }
}

impl Part {
    /// The bits that are meant; `None` if there are none.
    fn resolve(self, bytes: &[u8]) -> Option<BitRange> {
        let len = bytes.len() as i64 * if self.in_bits { 8 } else { 1 };
        let from_end = |index: i64| if index < 0 { len.saturating_add(index).max(0) } else { index };
        let (start, end) = (from_end(self.start), from_end(self.end).min(len - 1));
        if start > end {
            return None;
        }
        let scale = if self.in_bits { 1 } else { 8 };
        Some(BitRange { first: start as u64 * scale, end: (end as u64 + 1) * scale })
    }
}

/// A byte that belongs to a range in part: its index, and a mask of what belongs to it.
type Ragged = Option<(usize, u8)>;

impl BitRange {
    /// The range's ragged beginning, the whole bytes in between, and its ragged end.
    fn split(self) -> (Ragged, std::ops::Range<usize>, Ragged) {
        let (first, last) = ((self.first / 8) as usize, (self.end / 8) as usize);
        let (head, tail) = (0xffu8 >> (self.first % 8), !(0xffu8 >> (self.end % 8)));
        if first == last {
            return (Some((first, head & tail)), first..first, None);
        }
        let ragged_head = (head != 0xff).then_some((first, head));
        let ragged_tail = (tail != 0).then_some((last, tail));
        (ragged_head, first + usize::from(ragged_head.is_some())..last, ragged_tail)
    }
}

fn count_ones(bytes: &[u8], range: BitRange) -> u64 {
    let (head, whole, tail) = range.split();
    let ragged = |end: Ragged| end.map_or(0, |(at, mask)| (bytes[at] & mask).count_ones());
    let (words, rest) = bytes[whole].as_chunks::<8>();
    let in_words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    let in_rest: u32 = rest.iter().map(|byte| byte.count_ones()).sum();
    in_words + u64::from(in_rest + ragged(head) + ragged(tail))
}

/// The first bit in the range that is set, or that is not.
fn first_of(bytes: &[u8], range: BitRange, wanted: bool) -> Option<u64> {
    let flip = if wanted { 0 } else { 0xff };
    let (head, whole, tail) = range.split();
    let ragged = |end: Ragged| {
        let (at, mask) = end?;
        let found = (bytes[at] ^ flip) & mask;
        (found != 0).then(|| at as u64 * 8 + u64::from(found.leading_zeros()))
    };
    let within = || {
        let start = whole.start;
        let at = start + position_of_other(&bytes[whole.clone()], flip)?;
        Some(at as u64 * 8 + u64::from((bytes[at] ^ flip).leading_zeros()))
    };
    ragged(head).or_else(within).or_else(|| ragged(tail))
}

/// The first byte that is not `boring`, eight at a time.
fn position_of_other(bytes: &[u8], boring: u8) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let skipped = words.iter().take_while(|word| **word == [boring; 8]).count() * 8;
    Some(skipped + bytes[skipped..].iter().position(|byte| *byte != boring)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_bit_by_bit(bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 1..40),
                         start in -400i64..400, end in -400i64..400, in_bits: bool, wanted: bool) {
            let bit = |index: u64| bytes[(index / 8) as usize] >> (7 - index % 8) & 1 == 1;
            match (Part { start, end, in_bits }).resolve(&bytes) {
                None => {}
                Some(range) => {
                    prop_assert!(range.end <= bytes.len() as u64 * 8);
                    let ones = (range.first..range.end).filter(|&index| bit(index)).count() as u64;
                    prop_assert_eq!(count_ones(&bytes, range), ones);
                    let first = (range.first..range.end).find(|&index| bit(index) == wanted);
                    prop_assert_eq!(first_of(&bytes, range, wanted), first);
                }
            }
        }
    }
}
