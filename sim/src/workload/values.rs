//! What is written: every value begins with the number of the operation that wrote it, however long it is.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use super::{Kind, Workload};

/// The other half of a pair; in a cluster it lies in the same slot.
pub fn twin_of(key: &str) -> String {
    match key.contains('{') {
        true => format!("{key}:twin"),
        false => format!("{{{key}}}:twin"),
    }
}

/// The number of the operation, and behind a mark as many letters as make up the length of a value. They are
/// drawn, so that no compression makes a dataset smaller than it is meant to be; a ledger is padded with blanks.
pub(super) fn value_of(number: u64, workload: &Workload, letters: &mut ChaCha8Rng) -> Vec<u8> {
    let mut value = number.to_string().into_bytes();
    let (mark, filler) = (value.len(), workload.value.0 as usize);
    let end = filler.max(mark + 1);
    if workload.kind == Kind::Ledgers {
        value.resize(end, b' ');
        return value;
    }
    value.resize(end, b'.');
    letters.fill_bytes(&mut value[mark + 1..]);
    value[mark + 1..].iter_mut().for_each(|byte| *byte = b'a' + *byte % 26);
    value
}

/// The numbers of a ledger, in order; what is not a number is 0, which is no operation's.
pub fn ledger_entries(text: &[u8]) -> Vec<u64> {
    let entries = text.split(|byte| *byte == b' ').filter(|entry| !entry.is_empty());
    entries.map(|entry| number(entry).unwrap_or(0)).collect()
}

/// The number at the beginning of a value.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng;

    use super::*;
    use crate::quantity::Size;

    /// However short values are meant to be, what is read tells which write it was.
    #[test]
    fn a_value_tells_which_operation_wrote_it() {
        let mut letters = ChaCha8Rng::seed_from_u64(1);
        for (number, value) in [(1, 0), (7, 1), (42, 2), (4222, 1), (4222, 5), (90210, 64)] {
            let workload =
                Workload { value: Size(value), ..Workload::writing(Kind::Registers, Vec::new(), 1_000) };
            let written = value_of(number, &workload, &mut letters);
            assert!(written.len() as u64 >= value);
            assert_eq!(super::number(&written), Some(number));
            let ledger = Workload { kind: Kind::Ledgers, ..workload };
            let twice =
                [value_of(number, &ledger, &mut letters), value_of(8, &ledger, &mut letters)].concat();
            assert_eq!(ledger_entries(&twice), [number, 8]);
        }
    }
}
