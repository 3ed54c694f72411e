//! Lists: elements in order. A small list is one packed block, a large one is nodes of such blocks (`nodes.rs`).
//! `rdb.rs` is their form in RDB.

mod node;
mod nodes;
pub(crate) mod rdb;
#[cfg(test)]
mod tests;

use crate::collection::Collection;
use crate::digest::{Digest, mix};
use crate::entry::Value;
use crate::limits::Limits;
use crate::packed::{Item, Packed};
use node::NodeSize;
use nodes::Nodes;

/// One of the two ends of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Head,
    Tail,
}

/// Elements in order.
#[derive(Clone, Debug)]
pub struct List {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Packed(Packed),
    Nodes(Box<Nodes>),
}

impl List {
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Packed(packed) => packed.len(),
            Form::Nodes(nodes) => nodes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element with this index.
    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        match &self.form {
            Form::Packed(packed) => packed.nth(index).map(|at| packed.get(at)),
            Form::Nodes(nodes) => nodes.get(index),
        }
    }

    /// The first or the last element.
    pub fn end(&self, end: End) -> Option<Item<'_>> {
        match (&self.form, end) {
            (Form::Packed(packed), End::Head) => packed.iter().next(),
            (Form::Packed(packed), End::Tail) => packed.iter().next_back(),
            (Form::Nodes(nodes), end) => nodes.end(end),
        }
    }

    pub fn push(&mut self, end: End, element: &[u8], limits: &Limits) {
        let size = NodeSize::of(limits.list_node_size);
        match (self.packed_with_room(element, size), end) {
            (Some(packed), End::Head) => packed.push_front(Item::of(element)),
            (Some(packed), End::Tail) => packed.push_back(Item::of(element)),
            (None, end) => self.nodes_mut().push(end, element, size),
        }
    }

    /// Removes up to `count` elements from one end.
    pub fn drop_end(&mut self, end: End, count: usize, limits: &Limits) {
        let count = count.min(self.len());
        let first = if end == End::Head { 0 } else { self.len() - count };
        self.remove_range(first, count, limits);
    }

    /// Replaces the element with this index; false if there is none.
    pub fn set(&mut self, index: usize, element: &[u8], limits: &Limits) -> bool {
        if index >= self.len() {
            return false;
        }
        let size = NodeSize::of(limits.list_node_size);
        match self.packed_with_room(element, size) {
            Some(packed) => {
                let at = packed.nth(index).expect("the index is below the length");
                packed.replace(at, Item::of(element));
            }
            None => self.nodes_mut().set(index, element, size),
        }
        self.shrink(size);
        true
    }

    /// Inserts in front of the element with this index, or at the end.
    pub fn insert(&mut self, index: usize, element: &[u8], limits: &Limits) {
        let size = NodeSize::of(limits.list_node_size);
        match self.packed_with_room(element, size) {
            Some(packed) => match packed.nth(index) {
                Some(at) => packed.insert_before(at, Item::of(element)),
                None => packed.push_back(Item::of(element)),
            },
            None => self.nodes_mut().insert(index, element, size),
        }
    }

    /// Removes so many elements from this index on; fewer if there are not so many.
    pub fn remove_range(&mut self, index: usize, count: usize, limits: &Limits) {
        let size = NodeSize::of(limits.list_node_size);
        match &mut self.form {
            Form::Packed(packed) => {
                if let Some(at) = packed.nth(index) {
                    packed.remove(at, count);
                }
            }
            Form::Nodes(nodes) => nodes.remove_range(index, count, size),
        }
        self.shrink(size);
    }

    /// Removes up to `count` elements equal to `element`, beginning at `end`; returns how many.
    pub fn remove_equal(&mut self, element: &[u8], count: usize, end: End, limits: &Limits) -> usize {
        let size = NodeSize::of(limits.list_node_size);
        let removed = match &mut self.form {
            Form::Packed(packed) => remove_equal_packed(packed, Item::of(element), count, end),
            Form::Nodes(nodes) => nodes.remove_equal(Item::of(element), count, end, size),
        };
        self.shrink(size);
        removed
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Item<'_>> {
        let (packed, nodes) = self.forms();
        packed.into_iter().flat_map(Packed::iter).chain(nodes.into_iter().flat_map(Nodes::iter))
    }

    /// The elements from this index on.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = Item<'_>> {
        let (packed, nodes) = self.forms();
        let packed = packed.and_then(|packed| packed.nth(index).map(|at| packed.iter_from(at)));
        let nodes = nodes.into_iter().flat_map(move |nodes| nodes.iter_from(index));
        packed.into_iter().flatten().chain(nodes)
    }

    /// The elements before this index, the last one first.
    pub fn iter_back_from(&self, index: usize) -> impl Iterator<Item = Item<'_>> {
        let (packed, nodes) = self.forms();
        let last = index.min(self.len()).checked_sub(1);
        let packed =
            packed.zip(last).and_then(|(packed, last)| packed.nth(last).map(|at| packed.iter_until(at)));
        let nodes = nodes.into_iter().flat_map(move |nodes| nodes.iter_back_from(index));
        packed.into_iter().flat_map(|items| items.rev()).chain(nodes)
    }

    pub(crate) fn encoding(&self) -> &'static str {
        match &self.form {
            Form::Packed(_) => "listpack",
            Form::Nodes(_) => "quicklist",
        }
    }

    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.form {
            Form::Packed(packed) => packed.heap_bytes(),
            Form::Nodes(nodes) => size_of::<Nodes>() + nodes.heap_bytes(),
        }
    }

    pub(crate) fn mix_into(&self, digest: &mut Digest) {
        let mut digits = itoa::Buffer::new();
        self.iter().for_each(|element| mix(digest, element.as_bytes(&mut digits)));
    }

    /// Frees a part of a list that nobody needs any more; false when nothing is left.
    pub(crate) fn free_part(&mut self) -> bool {
        match &mut self.form {
            Form::Packed(_) => false,
            Form::Nodes(nodes) => nodes.pop_node(),
        }
    }

    fn forms(&self) -> (Option<&Packed>, Option<&Nodes>) {
        match &self.form {
            Form::Packed(packed) => (Some(packed), None),
            Form::Nodes(nodes) => (None, Some(nodes)),
        }
    }

    /// The one block of a small list, if that can take such an element and stay small.
    #[inline]
    fn packed_with_room(&mut self, element: &[u8], size: NodeSize) -> Option<&mut Packed> {
        match &mut self.form {
            Form::Packed(packed) if size.has_room(packed, element.len()) => Some(packed),
            _ => None,
        }
    }

    /// The nodes, made first if the list was small.
    fn nodes_mut(&mut self) -> &mut Nodes {
        if let Form::Packed(packed) = &mut self.form {
            self.form = Form::Nodes(Box::new(Nodes::of(std::mem::take(packed))));
        }
        match &mut self.form {
            Form::Nodes(nodes) => nodes,
            Form::Packed(_) => unreachable!("it was just made nodes"),
        }
    }

    /// Becomes one block again, where that would be at most half full.
    fn shrink(&mut self, size: NodeSize) {
        let Form::Nodes(nodes) = &self.form else { return };
        if nodes.len() == 0 {
            self.form = Form::Packed(Packed::empty());
        } else if let Some(block) = nodes.only_block().filter(|block| size.half().holds(block)) {
            self.form = Form::Packed(block.clone());
        }
    }
}

impl Collection for List {
    fn of(value: &Value) -> Option<&List> {
        match value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut List> {
        match value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::List(self)
    }

    fn is_empty(&self) -> bool {
        List::is_empty(self)
    }

    #[inline]
    fn heap_bytes(&self) -> usize {
        List::heap_bytes(self)
    }
}

impl Default for List {
    fn default() -> List {
        List { form: Form::Packed(Packed::empty()) }
    }
}

/// Two lists are equal when they hold the same, however they are kept.
impl PartialEq for List {
    fn eq(&self, other: &List) -> bool {
        self.len() == other.len() && self.iter().zip(other.iter()).all(|(one, other)| one == other)
    }
}

fn remove_equal_packed(packed: &mut Packed, element: Item<'_>, count: usize, end: End) -> usize {
    let mut at = match end {
        End::Head => packed.first(),
        End::Tail => packed.last(),
    };
    let mut removed = 0;
    while let Some(here) = at.filter(|_| removed < count) {
        let is_equal = packed.get(here) == element;
        let before = if end == End::Tail { packed.previous(here) } else { None };
        at = match (is_equal, end) {
            (true, End::Head) => packed.remove(here, 1),
            (true, End::Tail) => {
                packed.remove(here, 1);
                before
            }
            (false, End::Head) => packed.next(here),
            (false, End::Tail) => before,
        };
        removed += usize::from(is_equal);
    }
    removed
}
