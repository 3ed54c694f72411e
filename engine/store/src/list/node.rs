//! A node of a large list: a packed block of a few KiB, or one element that is too large for such a block.

use crate::packed::{self, Item, Packed};
use std::sync::Arc;

/// What a block may hold, from `list-max-listpack-size`.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeSize {
    bytes_max: usize,
    elements_max: usize,
}

/// Where only elements are counted, a block is no larger than this nevertheless.
const COUNTED_BYTES_MAX: usize = 8 * 1024;

impl NodeSize {
    /// Positive: so many elements. Negative: 4, 8, 16, 32 or 64 KiB.
    pub fn of(directive: i32) -> NodeSize {
        match directive {
            ..0 => {
                let step = directive.unsigned_abs().min(5) - 1;
                NodeSize { bytes_max: 4096 << step, elements_max: packed::PACKED_ELEMENTS_MAX }
            }
            _ => NodeSize {
                bytes_max: COUNTED_BYTES_MAX,
                elements_max: (directive as usize).clamp(1, packed::PACKED_ELEMENTS_MAX),
            },
        }
    }

    /// Half of it, below which a list becomes small again.
    pub fn half(self) -> NodeSize {
        NodeSize { bytes_max: self.bytes_max / 2, elements_max: self.elements_max / 2 }
    }

    /// Whether an element of so many bytes has a node of its own.
    pub fn is_exceeded_by(self, text_bytes: usize) -> bool {
        text_bytes > self.bytes_max
    }

    pub fn holds(self, packed: &Packed) -> bool {
        packed.byte_len() <= self.bytes_max && packed.len() <= self.elements_max
    }

    /// Whether an element of so many bytes may join.
    #[inline]
    pub fn has_room(self, packed: &Packed, text_bytes: usize) -> bool {
        packed.byte_len() + text_bytes <= self.bytes_max && packed.len() < self.elements_max
    }

    /// Whether an element of so many bytes may join a block that is kept in two parts.
    pub fn has_room_in_parts(self, front: &Packed, rest: &Packed, text_bytes: usize) -> bool {
        let bytes = front.byte_len() + rest.byte_len() - packed::EMPTY_BYTES;
        bytes + text_bytes <= self.bytes_max && front.len() + rest.len() < self.elements_max
    }

    /// Whether both blocks may become one.
    pub fn holds_both(self, one: &Packed, other: &Packed) -> bool {
        one.byte_len() + other.byte_len() <= self.bytes_max && one.len() + other.len() <= self.elements_max
    }
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Packed(Arc<Packed>),
    Plain(Arc<[u8]>),
}

/// What a node costs beside its block: its place in the list, the counts of its owners, and the block itself.
pub(super) const NODE_FRAME_BYTES: usize = size_of::<Node>() + 2 * size_of::<usize>() + size_of::<Packed>();

impl Node {
    pub fn packed(packed: Packed) -> Node {
        Node::Packed(Arc::new(packed))
    }

    pub fn plain(element: &[u8]) -> Node {
        Node::Plain(element.into())
    }

    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Node::Packed(packed) => packed.len(),
            Node::Plain(_) => 1,
        }
    }

    pub fn heap_bytes(&self) -> usize {
        NODE_FRAME_BYTES
            + match self {
                Node::Packed(packed) => packed.heap_bytes(),
                Node::Plain(element) => element.len(),
            }
    }

    /// The block, to be changed; a frozen copy keeps the old one.
    #[inline]
    pub fn block_mut(&mut self) -> Option<&mut Packed> {
        match self {
            Node::Packed(packed) => Some(Arc::make_mut(packed)),
            Node::Plain(_) => None,
        }
    }

    pub fn block(&self) -> Option<&Packed> {
        match self {
            Node::Packed(packed) => Some(packed),
            Node::Plain(_) => None,
        }
    }

    /// The element with this index.
    pub fn get(&self, index: usize) -> Item<'_> {
        match self {
            Node::Packed(packed) => packed.get(packed.nth(index).expect("the index is below the length")),
            Node::Plain(element) => Item::Bytes(element),
        }
    }

    pub fn iter(&self) -> NodeIter<'_> {
        match self {
            Node::Packed(packed) => NodeIter::Packed(packed.iter()),
            Node::Plain(element) => NodeIter::Plain(Some(element)),
        }
    }

    /// The elements from this index on.
    pub fn iter_from(&self, index: usize) -> NodeIter<'_> {
        match self {
            Node::Packed(packed) => match packed.nth(index) {
                Some(at) => NodeIter::Packed(packed.iter_from(at)),
                None => NodeIter::Plain(None),
            },
            Node::Plain(element) => NodeIter::Plain((index == 0).then_some(element)),
        }
    }

    /// The elements before this index.
    pub fn iter_until(&self, index: usize) -> NodeIter<'_> {
        match (self, index.checked_sub(1)) {
            (_, None) => NodeIter::Plain(None),
            (Node::Packed(packed), Some(last)) => match packed.nth(last) {
                Some(at) => NodeIter::Packed(packed.iter_until(at)),
                None => NodeIter::Packed(packed.iter()),
            },
            (Node::Plain(element), Some(_)) => NodeIter::Plain(Some(element)),
        }
    }
}

/// The elements of a node, from both ends.
pub(super) enum NodeIter<'a> {
    Packed(packed::Iter<'a>),
    Plain(Option<&'a [u8]>),
}

impl<'a> Iterator for NodeIter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        match self {
            NodeIter::Packed(items) => items.next(),
            NodeIter::Plain(element) => element.take().map(Item::Bytes),
        }
    }
}

impl DoubleEndedIterator for NodeIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            NodeIter::Packed(items) => items.next_back(),
            NodeIter::Plain(element) => element.take().map(Item::Bytes),
        }
    }
}
