//! Comparing texts that are mostly short: keys, members, fields. A call of the C library's comparison takes longer than
//! comparing them.

/// Whether both are the same bytes.
#[inline]
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match (ends::<8>(one), ends::<8>(other)) {
        (Some(ends), Some(others)) if one.len() <= 16 => ends == others,
        (Some(_), Some(_)) => one == other,
        _ => match (ends::<4>(one), ends::<4>(other)) {
            (Some(ends), Some(others)) => ends == others,
            _ => one.iter().zip(other).all(|(a, b)| a == b),
        },
    }
}

/// The first and the last `N` bytes of a text, which may be the same ones in part.
#[inline]
fn ends<const N: usize>(text: &[u8]) -> Option<([u8; N], [u8; N])> {
    Some((*text.first_chunk()?, *text.last_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_same_bytes_are_the_same(text in proptest::collection::vec(0u8..3, 0..40), at: usize, other: Vec<u8>) {
            prop_assert!(is_same(&text, &text.clone()));
            prop_assert_eq!(is_same(&text, &other), text == other);
            if let Some(at) = at.checked_rem(text.len()) {
                let mut changed = text.clone();
                changed[at] ^= 1;
                prop_assert!(!is_same(&text, &changed));
                prop_assert!(!is_same(&text, &text[..at]));
            }
        }
    }
}
