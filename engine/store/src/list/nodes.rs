//! A large list: nodes in order, each of a few KiB. A clone shares the nodes.
//!
//! Each push to the front moves all of the block that it joins. In a list of several blocks what is pushed there
//! gathers in a small one first, which is joined to the block behind it (of which it is a part in every respect but
//! its place) when it has grown, or when either is to be changed otherwise.

use super::End;
use super::node::{Node, NodeSize};
use crate::packed::{Item, Packed};
use std::collections::VecDeque;

#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    nodes: VecDeque<Node>,
    len: usize,
    heap_bytes: usize,
    /// Whether the first node is the front part of a block whose rest is the second node.
    is_front_apart: bool,
}

/// How large the front part of a block grows before it is joined to the rest.
const FRONT_BYTES_MAX: usize = 1024;
/// What happens behind this node leaves a first block in two parts alone.
const LAST_BESIDE_FRONT: usize = 2;

/// A node's number, and the index of an element in it.
#[derive(Clone, Copy, Debug)]
struct Place {
    node: usize,
    index: usize,
}

impl Nodes {
    pub fn of(packed: Packed) -> Nodes {
        let mut nodes = Nodes::default();
        if !packed.is_empty() {
            nodes.insert_node(0, Node::packed(packed));
        }
        nodes
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    pub fn node(&self, number: usize) -> &Node {
        &self.nodes[number]
    }

    /// The block that is the whole list, if it is only one.
    pub fn only_block(&self) -> Option<&Packed> {
        if self.nodes.len() == 1 { self.nodes[0].block() } else { None }
    }

    pub fn push(&mut self, end: End, element: &[u8], size: NodeSize) {
        match end {
            End::Head => self.push_front(element, size),
            End::Tail => self.push_back(element, size),
        }
    }

    fn push_back(&mut self, element: &[u8], size: NodeSize) {
        match self.nodes.back().and_then(Node::block) {
            Some(block) if size.has_room(block, element.len()) => {
                self.change(self.nodes.len() - 1, |block| block.push_back(Item::of(element)));
            }
            _ => self.insert_node(self.nodes.len(), node_of(element, size)),
        }
    }

    fn push_front(&mut self, element: &[u8], size: NodeSize) {
        if self.is_front_apart && !self.front_has_room(element.len(), size) {
            self.join_front();
        }
        match self.nodes.front().and_then(Node::block) {
            Some(block) if size.has_room(block, element.len()) => {
                if !self.is_front_apart && self.nodes.len() > 1 && block.byte_len() > FRONT_BYTES_MAX {
                    self.insert_node(0, Node::packed(Packed::empty()));
                    self.is_front_apart = true;
                }
                self.change(0, |block| block.push_front(Item::of(element)));
            }
            _ => self.insert_node(0, node_of(element, size)),
        }
    }

    /// Whether such an element may join the front part of the first block.
    fn front_has_room(&self, text_bytes: usize, size: NodeSize) -> bool {
        let (Some(front), Some(rest)) = (self.nodes[0].block(), self.nodes[1].block()) else { return false };
        front.byte_len() <= FRONT_BYTES_MAX && size.has_room_in_parts(front, rest, text_bytes)
    }

    /// Makes the first block one again.
    pub fn join_front(&mut self) {
        if std::mem::take(&mut self.is_front_apart) {
            let front = self.remove_node(0);
            let front = front.block().expect("parts are blocks");
            self.change(0, |rest| rest.prepend(front));
        }
    }

    /// Appends a node that was read.
    pub fn push_node(&mut self, node: Node) {
        self.insert_node(self.nodes.len(), node);
    }

    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        let place = self.locate(index)?;
        Some(self.nodes[place.node].get(place.index))
    }

    pub fn end(&self, end: End) -> Option<Item<'_>> {
        match end {
            End::Head => self.nodes.front()?.iter().next(),
            End::Tail => self.nodes.back()?.iter().next_back(),
        }
    }

    /// Replaces an element that there is.
    pub fn set(&mut self, index: usize, element: &[u8], size: NodeSize) {
        self.join_front();
        let place = self.locate(index).expect("the caller has looked");
        let fits = self.nodes[place.node].block().is_some_and(|block| size.has_room(block, element.len()));
        if fits {
            self.change(place.node, |block| {
                let at = block.nth(place.index).expect("it was located");
                block.replace(at, Item::of(element));
            });
        } else {
            self.remove_range(index, 1, size);
            self.insert(index, element, size);
        }
    }

    /// Inserts in front of the element with this index, or at the end.
    pub fn insert(&mut self, index: usize, element: &[u8], size: NodeSize) {
        self.join_front();
        let Some(place) = self.locate(index) else { return self.push(End::Tail, element, size) };
        if place.index == 0 && place.node > 0 {
            // At the border between two nodes, the one in front may have room.
            let before = place.node - 1;
            if self.nodes[before].block().is_some_and(|block| size.has_room(block, element.len())) {
                return self.change(before, |block| block.push_back(Item::of(element)));
            }
        }
        if self.nodes[place.node].block().is_some_and(|block| size.has_room(block, element.len())) {
            return self.change(place.node, |block| {
                let at = block.nth(place.index).expect("it was located");
                block.insert_before(at, Item::of(element));
            });
        }
        let at = self.split(place);
        self.insert_node(at, node_of(element, size));
        self.merge_around(at, size);
    }

    /// Removes so many elements from this index on; fewer if there are not so many.
    pub fn remove_range(&mut self, index: usize, count: usize, size: NodeSize) {
        let mut left = count.min(self.len.saturating_sub(index));
        if self.locate(index).is_some_and(|place| place.node <= LAST_BESIDE_FRONT) {
            self.join_front();
        }
        let Some(mut place) = self.locate(index) else { return };
        let first = place.node;
        while left > 0 {
            let len = self.nodes[place.node].len();
            let here = left.min(len - place.index);
            if here == len {
                self.remove_node(place.node);
            } else {
                self.change(place.node, |block| {
                    let at = block.nth(place.index).expect("it was located");
                    block.remove(at, here);
                });
                place.node += 1;
            }
            place.index = 0;
            left -= here;
        }
        if index > 0 && first < self.nodes.len() {
            self.merge_around(first, size);
        }
    }

    /// Removes up to `count` elements equal to `element`, beginning at `end`; returns how many.
    pub fn remove_equal(&mut self, element: Item<'_>, count: usize, end: End, size: NodeSize) -> usize {
        self.join_front();
        let (mut removed, mut visited, mut number) = (0, 0, 0);
        let text = element.to_vec();
        while visited < self.nodes.len() && removed < count {
            let at = if end == End::Head { number } else { self.nodes.len() - 1 - number };
            let here = equal_in(&self.nodes[at], &text, count - removed, end);
            removed += here.len();
            if here.is_empty() {
                (number, visited) = (number + 1, visited + 1);
            } else if here.len() == self.nodes[at].len() {
                self.remove_node(at);
            } else {
                self.change(at, |block| {
                    for index in here.into_iter().rev() {
                        let at = block.nth(index).expect("it was found");
                        block.remove(at, 1);
                    }
                });
                (number, visited) = (number + 1, visited + 1);
            }
        }
        for at in (1..self.nodes.len()).rev() {
            if removed > 0 {
                self.merge(at - 1, size);
            }
        }
        removed
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Item<'_>> {
        self.nodes.iter().flat_map(Node::iter)
    }

    /// The elements from this index on.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = Item<'_>> {
        let place = self.locate(index).unwrap_or(Place { node: self.nodes.len(), index: 0 });
        let first = self.nodes.get(place.node).map(|node| node.iter_from(place.index));
        let rest = self.nodes.iter().skip(place.node + 1).flat_map(Node::iter);
        first.into_iter().flatten().chain(rest)
    }

    /// The elements before this index, the last one first.
    pub fn iter_back_from(&self, index: usize) -> impl Iterator<Item = Item<'_>> {
        let place = self.locate(index).unwrap_or(Place { node: self.nodes.len(), index: 0 });
        let first = self.nodes.get(place.node).map(|node| node.iter_until(place.index).rev());
        let rest = self.nodes.range(..place.node).rev().flat_map(|node| node.iter().rev());
        first.into_iter().flatten().chain(rest)
    }

    /// Takes a node away, to free a large list in slices.
    pub fn pop_node(&mut self) -> bool {
        self.nodes.pop_back().is_some()
    }

    /// Where an element is; looked for from the nearer end.
    fn locate(&self, index: usize) -> Option<Place> {
        if index >= self.len {
            return None;
        }
        if index < self.len / 2 {
            let mut left = index;
            for (node, len) in self.nodes.iter().map(Node::len).enumerate() {
                if left < len {
                    return Some(Place { node, index: left });
                }
                left -= len;
            }
        } else {
            let mut behind = self.len;
            for (node, len) in self.nodes.iter().map(Node::len).enumerate().rev() {
                behind -= len;
                if index >= behind {
                    return Some(Place { node, index: index - behind });
                }
            }
        }
        unreachable!("the lengths of the nodes add up to the list's")
    }

    /// Changes a block, and keeps the counts true.
    #[inline]
    fn change(&mut self, number: usize, change: impl FnOnce(&mut Packed)) {
        let node = &mut self.nodes[number];
        // Before it is made this list's own: a copy may be shorter.
        let (bytes, len) = (node.heap_bytes(), node.len());
        let block = node.block_mut().expect("the caller has seen a block");
        change(block);
        self.heap_bytes = self.heap_bytes + node.heap_bytes() - bytes;
        self.len = self.len + node.len() - len;
    }

    fn insert_node(&mut self, at: usize, node: Node) {
        self.heap_bytes += node.heap_bytes();
        self.len += node.len();
        self.nodes.insert(at, node);
    }

    fn remove_node(&mut self, at: usize) -> Node {
        let node = self.nodes.remove(at).expect("there is such a node");
        self.heap_bytes -= node.heap_bytes();
        self.len -= node.len();
        node
    }

    /// Makes a node begin with the element at `place`; returns its number.
    fn split(&mut self, place: Place) -> usize {
        if place.index == 0 {
            return place.node;
        }
        let mut tail = Packed::empty();
        self.change(place.node, |block| {
            let at = block.nth(place.index).expect("it was located");
            tail = block.split_off(at);
        });
        self.insert_node(place.node + 1, Node::packed(tail));
        place.node + 1
    }

    /// Merges a node with its neighbours, where both are so small that they will not be split again soon.
    fn merge_around(&mut self, number: usize, size: NodeSize) {
        self.merge(number, size);
        if number > 0 {
            self.merge(number - 1, size);
        }
    }

    /// Merges a node with the next one, if both are small.
    fn merge(&mut self, number: usize, size: NodeSize) {
        let blocks = (self.nodes.get(number), self.nodes.get(number + 1));
        let (Some(Node::Packed(one)), Some(Node::Packed(next))) = blocks else { return };
        if size.half().holds_both(one, next) {
            let next = self.remove_node(number + 1);
            let next = next.block().expect("it is a block");
            self.change(number, |block| block.append(next));
        }
    }
}

fn node_of(element: &[u8], size: NodeSize) -> Node {
    if size.is_exceeded_by(element.len()) {
        return Node::plain(element);
    }
    let mut packed = Packed::empty();
    packed.push_back(Item::of(element));
    Node::packed(packed)
}

/// The indices of the first elements equal to `text` from this end on, in ascending order.
fn equal_in(node: &Node, text: &[u8], count: usize, end: End) -> Vec<usize> {
    let len = node.len();
    let mut found: Vec<usize> = match end {
        End::Head => node
            .iter()
            .enumerate()
            .filter(|(_, item)| item.is(text))
            .map(|(index, _)| index)
            .take(count)
            .collect(),
        End::Tail => {
            let back = node.iter().rev().enumerate().filter(|(_, item)| item.is(text));
            back.map(|(index, _)| len - 1 - index).take(count).collect()
        }
    };
    found.sort_unstable();
    found
}
