//! The sparse form: runs of registers that hold the same number.
//!
//! ```text
//! 00llllll            l + 1 registers are zero (up to 64)
//! 01llllll llllllll   l + 1 registers are zero (up to 16384)
//! 1cccccll            l + 1 registers (up to 4) hold c + 1 (up to 32)
//! ```

use super::{Corrupt, HEADER_BYTES, REGISTERS, Registers};

const SHORT_ZEROS_MAX: usize = 64;
const COUNTED_MAX: usize = 4;
const COUNT_MAX: u8 = 32;
/// How many runs around a change are looked at for neighbours that can be joined.
const JOINED_RUNS_MAX: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    count: u8,
    len: usize,
    /// How many bytes spell it.
    bytes: usize,
}

/// What became of an attempt to raise a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Raised {
    Yes,
    /// It was not lower.
    No,
    /// Only the dense form can hold the number, or the string would become too long.
    HasNoRoom,
}

/// Raises every register of `registers` to what the string has there.
pub(super) fn raise(registers: &mut Registers, bytes: &[u8]) -> Result<(), Corrupt> {
    let mut first = 0;
    for run in runs(bytes) {
        let run = run?;
        let covered = registers.get_mut(first..first + run.len).ok_or(Corrupt)?;
        covered.iter_mut().for_each(|register| *register = (*register).max(run.count));
        first += run.len;
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// Raises one register to at least `count`.
pub(super) fn raise_one(
    bytes: &mut Vec<u8>,
    index: usize,
    count: u8,
    bytes_max: usize,
) -> Result<Raised, Corrupt> {
    if count > COUNT_MAX {
        return Ok(Raised::HasNoRoom);
    }
    let (mut at, mut first, mut before) = (HEADER_BYTES, 0, None);
    let run = loop {
        let run = run_at(bytes, at)?;
        if index < first + run.len {
            break run;
        }
        before = Some(at);
        at += run.bytes;
        first += run.len;
    };
    if run.count >= count {
        return Ok(Raised::No);
    }
    let mut spelled = Vec::with_capacity(5);
    push(&mut spelled, run.count, index - first);
    push(&mut spelled, count, 1);
    push(&mut spelled, run.count, first + run.len - index - 1);
    if spelled.len() > run.bytes && bytes.len() + spelled.len() - run.bytes > bytes_max {
        return Ok(Raised::HasNoRoom);
    }
    bytes.splice(at..at + run.bytes, spelled);
    join(bytes, before.unwrap_or(at))?;
    Ok(Raised::Yes)
}

/// How many runs there are and what they say, as PFDEBUG shows them.
pub(super) fn describe(bytes: &[u8]) -> Result<String, Corrupt> {
    let mut words = Vec::new();
    for run in runs(bytes) {
        let run = run?;
        words.push(match (run.count, run.bytes) {
            (0, 1) => format!("z:{}", run.len),
            (0, _) => format!("Z:{}", run.len),
            (count, _) => format!("v:{count},{}", run.len),
        });
    }
    Ok(words.join(" "))
}

pub(super) fn push_zeros(out: &mut Vec<u8>, len: usize) {
    match len {
        0 => {}
        1..=SHORT_ZEROS_MAX => out.push((len - 1) as u8),
        _ => out.extend([0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]),
    }
}

/// Appends a run, or nothing for an empty one.
fn push(out: &mut Vec<u8>, count: u8, len: usize) {
    match count.checked_sub(1) {
        None => push_zeros(out, len),
        Some(_) if len == 0 => {}
        Some(count) => out.push(0x80 | count << 2 | (len - 1) as u8),
    }
}

/// Joins neighbours that hold the same number, from the run at `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) -> Result<(), Corrupt> {
    for _ in 0..JOINED_RUNS_MAX {
        if at >= bytes.len() {
            break;
        }
        let run = run_at(bytes, at)?;
        let next_at = at + run.bytes;
        if run.count > 0 && next_at < bytes.len() {
            let next = run_at(bytes, next_at)?;
            if next.count == run.count && run.len + next.len <= COUNTED_MAX {
                let mut joint = Vec::with_capacity(1);
                push(&mut joint, run.count, run.len + next.len);
                bytes.splice(at..next_at + next.bytes, joint);
                // What it has become may be joined with the one behind.
                continue;
            }
        }
        at = next_at;
    }
    Ok(())
}

fn run_at(bytes: &[u8], at: usize) -> Result<Run, Corrupt> {
    let byte = *bytes.get(at).ok_or(Corrupt)?;
    Ok(match byte {
        0..0x40 => Run { count: 0, len: usize::from(byte) + 1, bytes: 1 },
        0x40..0x80 => {
            let low = *bytes.get(at + 1).ok_or(Corrupt)?;
            Run { count: 0, len: (usize::from(byte & 0x3f) << 8 | usize::from(low)) + 1, bytes: 2 }
        }
        0x80.. => Run { count: (byte >> 2 & 0x1f) + 1, len: usize::from(byte & 3) + 1, bytes: 1 },
    })
}

fn runs(bytes: &[u8]) -> impl Iterator<Item = Result<Run, Corrupt>> {
    let mut at = HEADER_BYTES;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let run = run_at(bytes, at);
        at = run.map_or(bytes.len(), |run| at + run.bytes);
        Some(run)
    })
}
