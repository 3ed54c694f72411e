//! The names that a cluster goes by: nodes, shards, epochs. Their text is what the bus, nodes.conf and
//! clients show; what does not have that form is nobody's name.

use std::fmt;

use rand_core::Rng;

/// How long a node's or a shard's name is, in text and on the bus.
pub const NAME_BYTES: usize = 40;

/// A node, for its whole life: forty lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; NAME_BYTES / 2]);

/// A primary and its replicas.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId([u8; NAME_BYTES / 2]);

/// A migration of slots from one shard to another, whoever works on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName([u8; NAME_BYTES / 2]);

/// The cluster's logical clock: of configurations (who owns which slots) and of votes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    pub const ZERO: Epoch = Epoch(0);

    /// The epoch after this one. The last of all has none: a peer that names it must not break anybody.
    pub fn next(self) -> Epoch {
        Epoch(self.0.saturating_add(1))
    }
}

impl NodeId {
    pub fn from_bytes(bytes: [u8; NAME_BYTES / 2]) -> NodeId {
        NodeId(bytes)
    }

    pub fn random(rng: &mut impl Rng) -> NodeId {
        let mut bytes = [0; NAME_BYTES / 2];
        rng.fill_bytes(&mut bytes);
        NodeId(bytes)
    }

    pub fn parse(text: &[u8]) -> Option<NodeId> {
        parse_name(text).map(NodeId)
    }

    /// The name as the bus and clients see it.
    pub fn text(self) -> [u8; NAME_BYTES] {
        name_text(&self.0)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl ShardId {
    pub fn random(rng: &mut impl Rng) -> ShardId {
        ShardId(NodeId::random(rng).0)
    }

    pub fn parse(text: &[u8]) -> Option<ShardId> {
        parse_name(text).map(ShardId)
    }

    pub fn text(self) -> [u8; NAME_BYTES] {
        name_text(&self.0)
    }
}

impl JobName {
    pub fn random(rng: &mut impl Rng) -> JobName {
        JobName(NodeId::random(rng).0)
    }

    pub fn parse(text: &[u8]) -> Option<JobName> {
        parse_name(text).map(JobName)
    }
}

/// Names are shown as the text that stands in nodes.conf.
macro_rules! shown_as_text {
    ($($name:ty: $($form:ident)*;)*) => {
        $($(impl fmt::$form for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_name(&self.0, f)
            }
        })*)*
    };
}

shown_as_text! {
    NodeId: Display Debug;
    ShardId: Display Debug;
    JobName: Display Debug;
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn parse_name(text: &[u8]) -> Option<[u8; NAME_BYTES / 2]> {
    let mut bytes = [0; NAME_BYTES / 2];
    if text.len() != NAME_BYTES {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

fn name_text(bytes: &[u8; NAME_BYTES / 2]) -> [u8; NAME_BYTES] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; NAME_BYTES];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

fn write_name(bytes: &[u8; NAME_BYTES / 2], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(std::str::from_utf8(&name_text(bytes)).expect("digits are text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_forty_lower_case_digits_and_nothing_else() {
        let text = b"76f55c15aa7c245f6884bc3cdf5f72cb8cd6cfd3";
        let id = NodeId::parse(text).expect("a name that redis-server gave itself");
        assert_eq!(&id.text(), text);
        assert_eq!(id.to_string().as_bytes(), text);
        assert_eq!(NodeId::parse(&text.to_ascii_uppercase()), None);
        assert_eq!(NodeId::parse(&text[1..]), None);
        assert_eq!(NodeId::parse(&[0; NAME_BYTES]), None);
    }
}
