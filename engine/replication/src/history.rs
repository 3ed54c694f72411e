//! The names of histories: replication ids, offsets, and the pair of ids that lets replicas of a promoted
//! server go on without a full synchronisation (PSYNC2).

use std::fmt;

/// A replication id: forty hexadecimal digits, the name of one history of writes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplId([u8; 40]);

/// A position in the replication stream: how many bytes of history lie before it. On the wire PSYNC and
/// INFO's `first_byte_offset` name the *next* byte instead, and count from one: [`ReplOffset::next_byte`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct ReplOffset(pub u64);

/// A point in a history. Equal positions mean equal bytes before them, and so equal datasets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    pub id: ReplId,
    pub offset: ReplOffset,
}

/// The history that a server holds: where it is now, and the earlier name of its past, if it has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct History {
    pub id: ReplId,
    pub offset: ReplOffset,
    /// Until this point the history is also known under this id.
    pub earlier: Option<Position>,
}

impl ReplId {
    /// Twenty random bytes as forty digits.
    pub fn from_random(bytes: [u8; 20]) -> ReplId {
        let mut digits = [0; 40];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        ReplId(digits)
    }

    /// Reads forty hexadecimal digits; capitals are taken as their small letters.
    pub fn parse(text: &[u8]) -> Option<ReplId> {
        let mut digits: [u8; 40] = text.try_into().ok()?;
        digits.make_ascii_lowercase();
        digits.iter().all(u8::is_ascii_hexdigit).then_some(ReplId(digits))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }
}

impl ReplOffset {
    /// As PSYNC and INFO count: the number of the first byte after this position, the very first being 1.
    pub fn next_byte(self) -> u64 {
        self.0 + 1
    }

    /// The position before byte number `next`, or none for numbers that name no byte.
    pub fn before_byte(next: i64) -> Option<ReplOffset> {
        u64::try_from(next).ok()?.checked_sub(1).map(ReplOffset)
    }

    /// How many bytes lie between `earlier` and this position; zero when `earlier` is later.
    pub fn bytes_since(self, earlier: ReplOffset) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl History {
    pub fn starting(id: ReplId) -> History {
        History { id, offset: ReplOffset(0), earlier: None }
    }

    pub fn position(&self) -> Position {
        Position { id: self.id, offset: self.offset }
    }

    /// Whether `wanted` is a point of this history, under either of its names.
    pub fn contains(&self, wanted: Position) -> bool {
        let under_own_name = wanted.id == self.id && wanted.offset <= self.offset;
        let under_earlier =
            self.earlier.is_some_and(|earlier| wanted.id == earlier.id && wanted.offset <= earlier.offset);
        under_own_name || under_earlier
    }

    /// From here on the history has another name, and what was known under an older one no longer has it.
    pub fn rename(&mut self, id: ReplId) {
        assert_ne!(id, self.id, "a history is renamed to a different id");
        self.earlier = Some(self.position());
        self.id = id;
    }
}

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ReplOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.offset)
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_forty_hexadecimal_digits() {
        let id = ReplId::from_random([0xa5; 20]);
        assert_eq!(id.as_str(), "a5".repeat(20));
        assert_eq!(ReplId::parse("A5".repeat(20).as_bytes()), Some(id));
        assert_eq!(ReplId::parse(b"?"), None);
        assert_eq!(ReplId::parse("z5".repeat(20).as_bytes()), None);
    }

    #[test]
    fn a_renamed_history_keeps_its_past_under_the_earlier_name_only() {
        let (a, b, c) =
            (ReplId::from_random([1; 20]), ReplId::from_random([2; 20]), ReplId::from_random([3; 20]));
        let mut history = History { id: a, offset: ReplOffset(100), earlier: None };
        history.rename(b);
        history.offset = ReplOffset(150);
        let at = |id, offset| Position { id, offset: ReplOffset(offset) };
        assert!(history.contains(at(a, 100)) && !history.contains(at(a, 101)));
        assert!(history.contains(at(b, 150)) && !history.contains(at(b, 151)));
        history.rename(c);
        assert!(!history.contains(at(a, 1)), "only one earlier name is kept");
        assert!(history.contains(at(b, 150)));
    }

    #[test]
    fn the_wire_counts_from_the_next_byte() {
        assert_eq!(ReplOffset(13).next_byte(), 14);
        assert_eq!(ReplOffset::before_byte(1), Some(ReplOffset(0)));
        assert_eq!(ReplOffset::before_byte(0), None);
        assert_eq!(ReplOffset::before_byte(-1), None);
    }
}
