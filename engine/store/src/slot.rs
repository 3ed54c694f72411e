//! Hash slots: which of the 16384 slots of a cluster a key belongs to. Follows the cluster
//! specification: CRC16-XMODEM of the key, or of its hash tag when it has one that is not empty.

/// How many slots a cluster divides its keys into.
pub const SLOT_COUNT: usize = 16_384;

/// One of the [`SLOT_COUNT`] slots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Slot(u16);

impl Slot {
    /// The slot with this number, or `None` when there is none.
    pub fn checked(number: u64) -> Option<Slot> {
        (number < SLOT_COUNT as u64).then_some(Slot(number as u16))
    }

    pub fn number(self) -> u16 {
        self.0
    }

    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The slot that `key` belongs to.
pub fn slot_of(key: &[u8]) -> Slot {
    Slot(crc16::State::<crc16::XMODEM>::calculate(hash_tag(key)) & (SLOT_COUNT as u16 - 1))
}

/// The part of `key` that is hashed: what stands between the first `{` and the next `}`, unless that is nothing.
fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&b| b == b'{') else { return key };
    let inner = &key[open + 1..];
    match inner.iter().position(|&b| b == b'}') {
        None | Some(0) => key,
        Some(close) => &inner[..close],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_tags_hash_as_the_cluster_specification_says() {
        assert_eq!(slot_of(b"123456789").number(), 0x31c3);
        assert_eq!(slot_of(b"foo").number(), 12182);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"user1000"));
        assert_eq!(hash_tag(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hash_tag(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hash_tag(b"foo{bar}{zap}"), b"bar");
        assert_eq!(hash_tag(b"foo{bar"), b"foo{bar");
    }
}
