//! The form of small sorted sets: one packed block of member, score, member, score, in the order of the scores.

use super::leaf::order;
use super::score::{PackedScore, score_of};
use crate::packed::{Item, Iter, Packed, Position};

/// Where a member is in the block, and its score.
pub(super) fn find(packed: &Packed, member: &[u8]) -> Option<(Position, f64)> {
    let at = packed.find(packed.first(), Item::of(member), 2)?;
    Some((at, score_at(packed, at)))
}

/// The rank of a member, and its score.
pub(super) fn rank(packed: &Packed, member: &[u8]) -> Option<(usize, f64)> {
    let rank = pairs(packed).position(|(other, _)| other.is(member))?;
    let at = packed.nth(2 * rank).expect("there is a member of this rank");
    Some((rank, score_at(packed, at)))
}

/// Adds a member that is not there, in its place.
pub(super) fn insert(packed: &mut Packed, member: &[u8], score: f64) {
    let packed_score = PackedScore::of(score);
    let behind = {
        let mut digits = itoa::Buffer::new();
        let mut at = packed.first();
        loop {
            let Some(position) = at else { break None };
            let other = packed.get(position);
            let order = order((score_at(packed, position), other.as_bytes(&mut digits)), (score, member));
            if order.is_gt() {
                break Some(position);
            }
            at = packed.next(score_position(packed, position));
        }
    };
    match behind {
        Some(position) => {
            packed.insert_before(position, packed_score.item());
            packed.insert_before(position, Item::of(member));
        }
        None => {
            packed.push_back(Item::of(member));
            packed.push_back(packed_score.item());
        }
    }
}

/// How many members at the beginning `is_before` holds for.
pub(super) fn partition_point(packed: &Packed, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
    let mut digits = itoa::Buffer::new();
    pairs(packed).take_while(|(member, score)| is_before(*score, member.as_bytes(&mut digits))).count()
}

/// Members with their scores, in order.
pub(super) fn pairs(packed: &Packed) -> impl Iterator<Item = (Item<'_>, f64)> {
    let mut items = packed.iter();
    std::iter::from_fn(move || next_pair(&mut items))
}

#[inline]
pub(super) fn next_pair<'a>(items: &mut Iter<'a>) -> Option<(Item<'a>, f64)> {
    let member = items.next()?;
    Some((member, trusted(items.next().expect("a member has a score"))))
}

#[inline]
pub(super) fn previous_pair<'a>(items: &mut Iter<'a>) -> Option<(Item<'a>, f64)> {
    let score = items.next_back()?;
    Some((items.next_back().expect("a score has a member"), trusted(score)))
}

/// Where the score of the member at `member` is.
fn score_position(packed: &Packed, member: Position) -> Position {
    packed.next(member).expect("a member has a score")
}

fn score_at(packed: &Packed, member: Position) -> f64 {
    trusted(packed.get(score_position(packed, member)))
}

fn trusted(item: Item<'_>) -> f64 {
    score_of(item).expect("every second element was checked to be a score")
}
