//! Members in the order of their scores: a B+-tree that counts what is below each of its branches, so that a
//! member's rank and the member of a rank are found in one way down.
//!
//! ```text
//! Branch -> children: (from which member on, how many members, Arc<node>), ... -> Leaf: a few dozen members
//! ```
//! **A clone is a frozen copy** that costs one pointer: nodes are shared until either side writes to one, which
//! copies the way from the root to a leaf and nothing else.

use std::ops::Range;
use std::sync::Arc;

use super::leaf::{Leaf, order};

/// A branch with more children is split, one with fewer looks for a neighbour to merge with.
const BRANCH_CHILDREN_MAX: usize = 64;
const BRANCH_CHILDREN_MIN: usize = 16;
/// What a leaf costs beside its buffers: itself with the counts of its owners, and its place in a branch.
const LEAF_FRAME_BYTES: usize = size_of::<Leaf>() + 2 * size_of::<usize>() + size_of::<Child>();

/// Members in the order of their scores, those of one score in the order of their texts.
#[derive(Clone)]
pub(super) struct Tree {
    root: Node,
    len: usize,
    heap_bytes: usize,
}

#[derive(Clone)]
enum Node {
    Leaf(Arc<Leaf>),
    Branch(Arc<Branch>),
}

#[derive(Clone, Default)]
struct Branch {
    children: Vec<Child>,
}

#[derive(Clone)]
struct Child {
    /// Not behind any member here, and behind all members of the child before. The first child of a branch
    /// takes what comes before all others, whatever this says.
    from: Border,
    len: usize,
    node: Node,
}

/// A place between two members, as short as possible a text.
#[derive(Clone)]
struct Border {
    score: f64,
    text: Box<[u8]>,
}

/// What a node has given away because it was too large.
struct Split {
    from: Border,
    node: Node,
}

impl Tree {
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many bytes it holds on the heap; shared ones count for every holder.
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// Adds a member that is not there.
    pub fn insert(&mut self, score: f64, text: &[u8]) {
        self.len += 1;
        if let Some(split) = self.root.insert(score, text, true, &mut self.heap_bytes) {
            let first = Border { score: f64::NEG_INFINITY, text: Box::default() };
            let root = std::mem::replace(&mut self.root, Node::Branch(Arc::default()));
            let children = vec![Child::of(first, root), Child::of(split.from, split.node)];
            self.root = Node::Branch(Arc::new(Branch { children }));
        }
    }

    /// Removes a member; false if it was not there.
    pub fn remove(&mut self, score: f64, text: &[u8]) -> bool {
        if !self.root.remove(score, text, &mut self.heap_bytes) {
            return false;
        }
        self.len -= 1;
        while let Node::Branch(branch) = &self.root {
            match &branch.children[..] {
                [only] => self.root = only.node.clone(),
                [] => *self = Tree::default(),
                _ => break,
            }
        }
        true
    }

    /// Changes a member's score where that does not change its place; false where it would.
    pub fn set_score_in_place(&mut self, old: f64, text: &[u8], score: f64) -> bool {
        self.root.set_score_in_place(old, text, score)
    }

    /// How many members `is_before` holds for. It holds for all up to some member, and for none behind.
    pub fn partition_point(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(leaf) => return rank + leaf.partition_point(is_before),
                Node::Branch(branch) => {
                    let child = branch.last_where(|from| is_before(from.score, &from.text));
                    rank += branch.len_before(child);
                    node = &branch.children[child].node;
                }
            }
        }
    }

    /// The rank of a member, if it is there.
    pub fn rank(&self, score: f64, text: &[u8]) -> Option<usize> {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(leaf) => return Some(rank + leaf.find(score, text).ok()?),
                Node::Branch(branch) => {
                    let child = branch.child_of(score, text);
                    rank += branch.len_before(child);
                    node = &branch.children[child].node;
                }
            }
        }
    }

    /// The members of these ranks, which exist, in order or backwards.
    pub fn range(&self, ranks: Range<usize>, backwards: bool) -> Walk<'_> {
        assert!(ranks.end <= self.len, "ranks beyond the last member");
        let next = if backwards { ranks.end.wrapping_sub(1) } else { ranks.start };
        Walk { tree: self, leaf: None, index: 0, next, left: ranks.len(), backwards }
    }

    /// Frees a leaf of a tree that nobody needs any more; false when nothing is left.
    pub fn pop_leaf(&mut self) -> bool {
        let is_left = self.root.pop_leaf();
        if !is_left {
            *self = Tree::default();
        }
        is_left
    }

    /// The leaf with the member of this rank, and the member's index there.
    fn leaf_at(&self, mut rank: usize) -> (&Leaf, usize) {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, rank),
                Node::Branch(branch) => {
                    let mut children = branch.children.iter();
                    node = loop {
                        let child = children.next().expect("a rank below the number of members");
                        match rank.checked_sub(child.len) {
                            Some(rest) => rank = rest,
                            None => break &child.node,
                        }
                    };
                }
            }
        }
    }
}

impl Default for Tree {
    fn default() -> Tree {
        Tree { root: Node::Leaf(Arc::default()), len: 0, heap_bytes: LEAF_FRAME_BYTES }
    }
}

impl Node {
    fn len(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len(),
            Node::Branch(branch) => branch.children.iter().map(|child| child.len).sum(),
        }
    }

    /// `is_last`: no node of this height is behind.
    fn insert(&mut self, score: f64, text: &[u8], is_last: bool, heap_bytes: &mut usize) -> Option<Split> {
        match self {
            Node::Leaf(leaf) => {
                let leaf = Arc::make_mut(leaf);
                let before = leaf.heap_bytes();
                let at = leaf.find(score, text).expect_err("the member is not there");
                leaf.insert(at, score, text);
                let comes_in_order = is_last && at + 1 == leaf.len();
                let upper = leaf.is_too_large().then(|| leaf.split(comes_in_order));
                *heap_bytes = *heap_bytes + leaf.heap_bytes() - before;
                upper.map(|upper| {
                    *heap_bytes += upper.heap_bytes() + LEAF_FRAME_BYTES;
                    let from = Border::between(leaf.get(leaf.len() - 1), upper.get(0));
                    Split { from, node: Node::Leaf(Arc::new(upper)) }
                })
            }
            Node::Branch(branch) => {
                let branch = Arc::make_mut(branch);
                let at = branch.child_of(score, text);
                let is_last = is_last && at + 1 == branch.children.len();
                let child = &mut branch.children[at];
                child.len += 1;
                let split = child.node.insert(score, text, is_last, heap_bytes)?;
                let upper = Child::of(split.from, split.node);
                child.len -= upper.len;
                branch.children.insert(at + 1, upper);
                let is_too_large = branch.children.len() > BRANCH_CHILDREN_MAX;
                is_too_large.then(|| branch.split(is_last && at + 2 == branch.children.len()))
            }
        }
    }

    fn remove(&mut self, score: f64, text: &[u8], heap_bytes: &mut usize) -> bool {
        match self {
            Node::Leaf(leaf) => {
                let Ok(at) = leaf.find(score, text) else { return false };
                Arc::make_mut(leaf).remove(at);
                true
            }
            Node::Branch(branch) => {
                let at = branch.child_of(score, text);
                let branch = Arc::make_mut(branch);
                let child = &mut branch.children[at];
                if !child.node.remove(score, text, heap_bytes) {
                    return false;
                }
                child.len -= 1;
                branch.tidy(at, heap_bytes);
                true
            }
        }
    }

    fn set_score_in_place(&mut self, old: f64, text: &[u8], score: f64) -> bool {
        match self {
            Node::Leaf(leaf) => {
                let Ok(at) = leaf.find(old, text) else { return false };
                // At either end of a leaf the neighbour is elsewhere.
                let is_inside = at > 0 && at + 1 < leaf.len();
                let fits = is_inside
                    && order(leaf.get(at - 1), (score, text)).is_lt()
                    && order((score, text), leaf.get(at + 1)).is_lt();
                if fits {
                    Arc::make_mut(leaf).set_score(at, score);
                }
                fits
            }
            Node::Branch(branch) => {
                let at = branch.child_of(old, text);
                Arc::make_mut(branch).children[at].node.set_score_in_place(old, text, score)
            }
        }
    }

    /// Whether it may be merged with a neighbour.
    fn is_small(&self) -> bool {
        match self {
            Node::Leaf(leaf) => leaf.is_small(),
            Node::Branch(branch) => branch.children.len() < BRANCH_CHILDREN_MIN,
        }
    }

    /// False where there was nothing but one leaf, or none.
    fn pop_leaf(&mut self) -> bool {
        let Node::Branch(branch) = self else { return false };
        // What others hold, they free.
        let Some(branch) = Arc::get_mut(branch) else { return false };
        let Some(last) = branch.children.last_mut() else { return false };
        if !last.node.pop_leaf() {
            branch.children.pop();
        }
        !branch.children.is_empty()
    }
}

impl Branch {
    /// The last child whose border `is_before` holds for; the first, if it holds for none.
    fn last_where(&self, is_before: impl Fn(&Border) -> bool) -> usize {
        self.children[1..].partition_point(|child| is_before(&child.from))
    }

    /// The child that this member belongs to.
    fn child_of(&self, score: f64, text: &[u8]) -> usize {
        self.last_where(|from| order((from.score, &from.text), (score, text)).is_le())
    }

    fn len_before(&self, child: usize) -> usize {
        self.children[..child].iter().map(|child| child.len).sum()
    }

    /// Takes the upper half away; or, where members come in order, as little as possible.
    fn split(&mut self, comes_in_order: bool) -> Split {
        let at = if comes_in_order { self.children.len() - 1 } else { self.children.len() / 2 };
        let children = self.children.split_off(at);
        let from = children[0].from.clone();
        Split { from, node: Node::Branch(Arc::new(Branch { children })) }
    }

    /// Drops the child at `at` if nothing is left of it, or merges it with a neighbour if little is left.
    fn tidy(&mut self, at: usize, heap_bytes: &mut usize) {
        let child = &self.children[at];
        if child.len == 0 {
            if let Node::Leaf(leaf) = &child.node {
                *heap_bytes -= leaf.heap_bytes() + LEAF_FRAME_BYTES;
            }
            self.children.remove(at);
        } else if child.node.is_small() && !self.merge_with_next(at, heap_bytes) && at > 0 {
            self.merge_with_next(at - 1, heap_bytes);
        }
    }

    /// False where the two would be too large together.
    fn merge_with_next(&mut self, at: usize, heap_bytes: &mut usize) -> bool {
        let [lower, upper, ..] = &mut self.children[at..] else { return false };
        match (&mut lower.node, &upper.node) {
            (Node::Leaf(lower), Node::Leaf(upper)) if lower.can_take(upper) => {
                let lower = Arc::make_mut(lower);
                let before = lower.heap_bytes();
                lower.append(upper);
                let gone = before + upper.heap_bytes() + LEAF_FRAME_BYTES;
                *heap_bytes = *heap_bytes + lower.heap_bytes() - gone;
            }
            (Node::Branch(lower), Node::Branch(below))
                if (lower.children.len() + below.children.len()) * 4 <= BRANCH_CHILDREN_MAX * 3 =>
            {
                let lower = &mut Arc::make_mut(lower).children;
                let joint = lower.len();
                lower.extend(below.children.iter().cloned());
                // It is no longer the first of its branch: its border counts.
                lower[joint].from = upper.from.clone();
            }
            _ => return false,
        }
        let upper = self.children.remove(at + 1);
        self.children[at].len += upper.len;
        true
    }
}

impl Child {
    fn of(from: Border, node: Node) -> Child {
        Child { from, len: node.len(), node }
    }
}

impl Border {
    /// Behind one member, and not behind the other.
    fn between(before: (f64, &[u8]), behind: (f64, &[u8])) -> Border {
        let text = if before.0 < behind.0 {
            &[]
        } else {
            let same = before.1.iter().zip(behind.1).take_while(|(one, other)| one == other).count();
            &behind.1[..same + 1]
        };
        Border { score: behind.0, text: text.into() }
    }
}

/// Members one after the other.
pub(super) struct Walk<'a> {
    tree: &'a Tree,
    leaf: Option<&'a Leaf>,
    /// Within the leaf, of the next member.
    index: usize,
    /// The rank of the next member.
    next: usize,
    left: usize,
    backwards: bool,
}

impl<'a> Iterator for Walk<'a> {
    type Item = (f64, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(f64, &'a [u8])> {
        self.left = self.left.checked_sub(1)?;
        let leaf = match self.leaf {
            Some(leaf) => leaf,
            None => {
                let (leaf, index) = self.tree.leaf_at(self.next);
                self.index = index;
                leaf
            }
        };
        let member = leaf.get(self.index);
        let is_leaf_done = if self.backwards { self.index == 0 } else { self.index + 1 == leaf.len() };
        self.leaf = (!is_leaf_done).then_some(leaf);
        let step = if self.backwards { usize::MAX } else { 1 };
        self.index = self.index.wrapping_add(step);
        self.next = self.next.wrapping_add(step);
        Some(member)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Walk<'_> {}

#[cfg(test)]
mod tests {
    use super::super::leaf::{LEAF_MEMBERS_MAX, LEAF_TEXT_BYTES_MAX};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A score that is a number, so that a set can order it.
    #[derive(Clone, Copy, PartialEq, Debug)]
    struct Score(f64);

    impl Eq for Score {}

    impl PartialOrd for Score {
        fn partial_cmp(&self, other: &Score) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for Score {
        fn cmp(&self, other: &Score) -> std::cmp::Ordering {
            self.0.partial_cmp(&other.0).expect("a number")
        }
    }

    type Model = BTreeSet<(Score, Vec<u8>)>;

    /// What holds of every tree: the counts are true, nothing is empty or too large, all are equally deep,
    /// borders lie between their neighbours, and the bytes are those that are there.
    fn check(tree: &Tree) {
        fn walk(node: &Node, is_root: bool) -> (usize, usize) {
            match node {
                Node::Leaf(leaf) => {
                    assert!(is_root || leaf.len() > 0);
                    // A long member may leave one half with more than its share; the next insertion splits that.
                    let texts = || (0..leaf.len()).map(|index| leaf.get(index).1.len());
                    let longest = texts().max().unwrap_or(0);
                    assert!(leaf.len() <= LEAF_MEMBERS_MAX);
                    assert!(texts().sum::<usize>() <= LEAF_TEXT_BYTES_MAX + longest);
                    (0, leaf.heap_bytes() + LEAF_FRAME_BYTES)
                }
                Node::Branch(branch) => {
                    assert!(
                        (if is_root { 2 } else { 1 }..=BRANCH_CHILDREN_MAX).contains(&branch.children.len())
                    );
                    let mut depths = Vec::new();
                    let mut bytes = 0;
                    for child in &branch.children {
                        assert_eq!(child.len, child.node.len());
                        let (depth, child_bytes) = walk(&child.node, false);
                        depths.push(depth);
                        bytes += child_bytes;
                    }
                    assert!(depths.windows(2).all(|pair| pair[0] == pair[1]));
                    (depths[0] + 1, bytes)
                }
            }
        }
        let (_, bytes) = walk(&tree.root, true);
        assert_eq!(tree.root.len(), tree.len());
        assert_eq!(tree.heap_bytes(), bytes);
    }

    fn content(tree: &Tree) -> Vec<(Score, Vec<u8>)> {
        tree.range(0..tree.len(), false).map(|(score, text)| (Score(score), text.to_vec())).collect()
    }

    fn compare(tree: &Tree, model: &Model) {
        check(tree);
        assert!(content(tree).iter().eq(model.iter()));
        let backwards: Vec<_> = tree.range(0..tree.len(), true).map(|(_, text)| text).collect();
        assert!(backwards.iter().copied().eq(model.iter().rev().map(|(_, text)| &text[..])));
        for (rank, (score, text)) in model.iter().enumerate() {
            assert_eq!(tree.rank(score.0, text), Some(rank));
            let before =
                tree.partition_point(|other, member| order((other, member), (score.0, text)).is_lt());
            assert_eq!(before, rank);
            let below = model.iter().filter(|other| other.0 <= *score).count();
            assert_eq!(tree.partition_point(|other, _| other <= score.0), below);
        }
    }

    /// Scores that meet often, texts that begin alike, some long.
    fn member() -> impl Strategy<Value = (f64, Vec<u8>)> {
        let text = prop_oneof![
            6 => "[ab]{0,7}".prop_map(String::into_bytes),
            1 => (500..900usize).prop_map(|len| vec![b'a'; len]),
        ];
        let score =
            prop_oneof![4 => (-3..4i8).prop_map(f64::from), 1 => Just(-0.0), 1 => Just(f64::INFINITY)];
        (score, text)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn as_an_ordered_set(steps in prop::collection::vec((member(), 0..3u8), 1..900)) {
            let (mut tree, mut model) = (Tree::default(), Model::new());
            let mut frozen = None;
            for (number, ((score, text), action)) in steps.iter().enumerate() {
                let is_there = model.contains(&(Score(*score), text.clone()));
                if *action == 0 {
                    assert_eq!(tree.remove(*score, text), is_there);
                    model.remove(&(Score(*score), text.clone()));
                } else if !is_there {
                    tree.insert(*score, text);
                    model.insert((Score(*score), text.clone()));
                }
                if number == steps.len() / 2 {
                    frozen = Some((tree.clone(), model.clone()));
                }
            }
            compare(&tree, &model);
            let (frozen, old) = frozen.expect("half of the steps were made");
            assert!(content(&frozen).iter().eq(old.iter()));
        }
    }

    #[test]
    fn grows_and_shrinks_in_any_order() {
        let text = |number: usize| format!("member:{number}").into_bytes();
        for stride in [1, 7_919, 9_999] {
            let mut tree = Tree::default();
            (0..10_000)
                .for_each(|step| tree.insert((step * stride % 10_000) as f64, &text(step * stride % 10_000)));
            check(&tree);
            assert!(tree.range(0..10_000, false).enumerate().all(|(rank, (score, _))| score == rank as f64));
            for (rank, (score, member)) in tree.range(4_000..4_100, true).enumerate() {
                assert_eq!((score, member), ((4_099 - rank) as f64, &text(4_099 - rank)[..]));
            }
            (0..9_990)
                .for_each(|step| assert!(tree.remove((step * 7 % 10_000) as f64, &text(step * 7 % 10_000))));
            check(&tree);
            assert_eq!(tree.len(), 10);
        }
    }

    #[test]
    fn members_that_come_in_order_fill_their_leaves() {
        let mut tree = Tree::default();
        (0..100_000).for_each(|number| tree.insert(f64::from(number), format!("{number:012}").as_bytes()));
        assert!(tree.heap_bytes() < 100_000 * 27, "{}", tree.heap_bytes());
    }

    #[test]
    fn a_score_changes_in_place_only_between_its_neighbours() {
        let mut tree = Tree::default();
        (0..50).for_each(|number| tree.insert(f64::from(number), b"m"));
        assert!(tree.set_score_in_place(7.0, b"m", 7.5));
        assert!(!tree.set_score_in_place(7.5, b"m", 8.0));
        assert!(!tree.set_score_in_place(7.5, b"m", 6.0));
        assert!(!tree.set_score_in_place(0.0, b"m", 0.5));
        check(&tree);
        assert_eq!(tree.rank(7.5, b"m"), Some(7));
    }

    #[test]
    fn is_freed_in_slices_unless_somebody_else_holds_it() {
        let mut tree = Tree::default();
        (0..10_000).for_each(|number| tree.insert(f64::from(number), b"m"));
        let frozen = tree.clone();
        assert!(!tree.pop_leaf());
        drop(tree);
        let mut tree = frozen;
        assert_eq!(content(&tree).len(), 10_000);
        let mut steps = 0;
        while tree.pop_leaf() {
            steps += 1;
        }
        assert!(steps > 100);
    }
}
