//! LZF, the compression of strings in RDB files.
//!
//! ```text
//! 000LLLLL  literals                     L + 1 bytes follow as they are
//! LLLOOOOO OOOOOOOO                      copy L + 2 bytes (L in 1..=6) from O + 1 bytes back
//! 111OOOOO LLLLLLLL OOOOOOOO             copy L + 9 bytes from O + 1 bytes back
//! ```

use bytes::{BufMut, BytesMut};

const LITERALS_MAX: usize = 32;
const COPY_BYTES_MIN: usize = 3;
const COPY_BYTES_MAX: usize = 264;
const DISTANCE_MAX: usize = 1 << 13;

/// Three bytes can stand for 264; nothing expands more.
pub(super) const EXPANSION_MAX: usize = COPY_BYTES_MAX / 3;

/// Inputs up to these lengths use a small table and a medium one: clearing a large one for a short string would
/// take longer than all the rest.
const SHORT_INPUT_BYTES_MAX: usize = 64;
const MEDIUM_INPUT_BYTES_MAX: usize = 1024;

/// Appends `input`, compressed, to `out` if that makes it at least `gain` bytes shorter. Otherwise leaves
/// `out` as it was and returns false.
pub(super) fn compress(input: &[u8], gain: usize, out: &mut BytesMut) -> bool {
    let Some(limit @ 1..) = input.len().checked_sub(gain) else { return false };
    let start = out.len();
    let len_max = start + limit;
    let done = if input.len() <= SHORT_INPUT_BYTES_MAX {
        compress_with::<64>(input, len_max, out)
    } else if input.len() <= MEDIUM_INPUT_BYTES_MAX {
        compress_with::<512>(input, len_max, out)
    } else {
        compress_with::<8192>(input, len_max, out)
    };
    if !done {
        out.truncate(start);
    }
    done
}

/// `SLOTS`: how many hashes of three bytes remember where those were seen last; a power of two.
fn compress_with<const SLOTS: usize>(input: &[u8], len_max: usize, out: &mut BytesMut) -> bool {
    // One past the position; zero is none.
    let mut seen = [0u32; SLOTS];
    let slot_of = |bytes: &[u8]| hash(bytes) >> (32 - SLOTS.ilog2());
    let (mut at, mut literals_from) = (0, 0);
    while at + COPY_BYTES_MIN <= input.len() {
        let slot = &mut seen[slot_of(&input[at..])];
        let candidate = std::mem::replace(slot, at as u32 + 1) as usize;
        let matched = match candidate.checked_sub(1) {
            Some(from) if at - from <= DISTANCE_MAX => matching(&input[from..], &input[at..]),
            _ => 0,
        };
        if matched < COPY_BYTES_MIN {
            at += 1;
            continue;
        }
        put_literals(&input[literals_from..at], out);
        put_copy(at + 1 - candidate, matched, out);
        if out.len() > len_max {
            return false;
        }
        // Where a copy starts is remembered; of its inside only the last place, which is what a
        // sequence that goes on usually needs.
        at += matched;
        literals_from = at;
        if at + 1 < input.len() {
            seen[slot_of(&input[at - 1..])] = at as u32;
        }
    }
    put_literals(&input[literals_from..], out);
    out.len() <= len_max
}

/// Expands `input` to exactly `len` bytes, or `None` if it is not a compression of that many.
pub(super) fn decompress(input: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > input.len().saturating_mul(EXPANSION_MAX) {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    let mut rest = input;
    while let Some((&control, tail)) = rest.split_first() {
        if control < 32 {
            let (literals, tail) = tail.split_at_checked(usize::from(control) + 1)?;
            out.extend_from_slice(literals);
            rest = tail;
        } else {
            let (mut copied, mut tail) = (usize::from(control >> 5), tail);
            if copied == 7 {
                let (&more, after) = tail.split_first()?;
                (copied, tail) = (copied + usize::from(more), after);
            }
            let (&low, tail) = tail.split_first()?;
            let distance = (usize::from(control & 0x1f) << 8 | usize::from(low)) + 1;
            let from = out.len().checked_sub(distance)?;
            copy_within(&mut out, from, copied + 2);
            rest = tail;
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

/// Appends `count` bytes from `from` on, which may reach into what is being appended.
fn copy_within(out: &mut Vec<u8>, from: usize, count: usize) {
    let end = out.len() + count;
    while out.len() < end {
        let available = (out.len() - from).min(end - out.len());
        out.extend_from_within(from..from + available);
    }
}

fn put_literals(literals: &[u8], out: &mut BytesMut) {
    for run in literals.chunks(LITERALS_MAX) {
        out.put_u8(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn put_copy(distance: usize, bytes: usize, out: &mut BytesMut) {
    let (offset, code) = (distance - 1, bytes - 2);
    let high = (offset >> 8) as u8;
    if code < 7 {
        out.put_u8((code as u8) << 5 | high);
    } else {
        out.put_u8(7 << 5 | high);
        out.put_u8((code - 7) as u8);
    }
    out.put_u8(offset as u8);
}

/// How long the two agree, up to the longest copy.
fn matching(earlier: &[u8], here: &[u8]) -> usize {
    let limit = here.len().min(COPY_BYTES_MAX);
    earlier.iter().zip(&here[..limit]).take_while(|(a, b)| a == b).count()
}

fn hash(bytes: &[u8]) -> usize {
    let three = u32::from(bytes[0]) | u32::from(bytes[1]) << 8 | u32::from(bytes[2]) << 16;
    // A multiplicative hash: the product's top bits depend on all three bytes.
    three.wrapping_mul(0x9e37_79b1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(input: &[u8]) -> Option<usize> {
        let mut out = BytesMut::from(&b"before"[..]);
        if !compress(input, 4, &mut out) {
            assert_eq!(&out[..], b"before");
            return None;
        }
        assert!(out.len() - 6 <= input.len() - 4);
        assert_eq!(decompress(&out[6..], input.len()).as_deref(), Some(input));
        Some(out.len() - 6)
    }

    #[test]
    fn repetition_shrinks_a_lot_and_noise_not_at_all() {
        assert!(round_trip(&b"abc".repeat(1000)).unwrap() < 60);
        assert!(round_trip(&[0; 100_000]).unwrap() < 100_000 / 80);
        let noise: Vec<u8> =
            (0..10_000u32).map(|n| (n.wrapping_mul(2_654_435_761).rotate_left(13) >> 7) as u8).collect();
        let _ = round_trip(&noise);
        assert_eq!(round_trip(b"short"), None);
        assert_eq!(round_trip(b""), None);
    }

    proptest! {
        #[test]
        fn what_is_compressed_expands_to_itself(
            pieces in proptest::collection::vec((0usize..6, 1usize..400), 0..60),
        ) {
            let words: [&[u8]; 6] = [b"a", b"hello world ", b"0123456789", &[0, 255, 1], b"hello", b"xyzzy!"];
            let input: Vec<u8> =
                pieces.iter().flat_map(|&(word, n)| words[word].iter().copied().cycle().take(n)).collect();
            round_trip(&input);
        }

        #[test]
        fn any_input_survives(input: Vec<u8>) {
            round_trip(&input);
        }

        #[test]
        fn any_compressed_bytes_are_harmless(input: Vec<u8>, len in 0usize..100_000) {
            if let Some(out) = decompress(&input, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
