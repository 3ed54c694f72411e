//! Something to work on: commands that are in order and leave a value of each type, small or large, under the
//! names that usually hold it.

use squall_commands::table::Group;

use crate::chance::Chance;
use crate::connection::{Words, words_of};
use crate::values::{self, LEX_KEY};

const KINDS: &[(&str, Group)] = &[
    ("strings", Group::String),
    ("bitmaps", Group::Bitmap),
    ("lists", Group::List),
    ("sets", Group::Set),
    ("hashes", Group::Hash),
    ("sorted-sets", Group::SortedSet),
    ("streams", Group::Stream),
    ("hyperloglogs", Group::HyperLogLog),
    ("geo", Group::Geo),
];

/// A command that makes a value: as a rule one that the family works on.
pub fn command(family: &str, chance: &mut Chance) -> Words {
    let own = KINDS.iter().find(|(name, _)| *name == family);
    let group = match own {
        Some((_, group)) if !chance.one_in(4) => *group,
        _ => KINDS[chance.below(KINDS.len())].1,
    };
    let key = values::key(group, chance);
    let some = if chance.one_in(8) { 150 } else { 1 + chance.below(12) };
    match group {
        Group::Bitmap => {
            let len = chance.below(30);
            let bits = chance.bytes(len);
            vec![b"SET".to_vec(), key, bits]
        }
        Group::List => many("RPUSH", key, some, chance, |chance| vec![values::element(Group::List, chance)]),
        Group::Set if chance.one_in(2) => {
            many("SADD", key, some, chance, |chance| vec![chance.below(400).to_string().into_bytes()])
        }
        Group::Set => many("SADD", key, some, chance, |chance| vec![values::element(Group::Set, chance)]),
        Group::Hash => {
            many("HSET", key, some, chance, |chance| vec![values::field(chance), values::content(chance)])
        }
        Group::SortedSet if chance.one_in(5) => many("ZADD", LEX_KEY.into(), some, chance, |chance| {
            vec![b"0".to_vec(), values::element(Group::SortedSet, chance)]
        }),
        Group::SortedSet => many("ZADD", key, some, chance, |chance| {
            vec![values::score(chance), values::element(Group::SortedSet, chance)]
        }),
        Group::Stream if chance.one_in(2) => {
            let mut words = words_of("XGROUP CREATE key g 0 MKSTREAM");
            words[2] = key;
            words
        }
        Group::Stream => {
            let mut words = words_of("XADD key id name");
            (words[1], words[2]) = (key, values::stream_id(chance));
            words.push(values::content(chance));
            words
        }
        Group::HyperLogLog => {
            many("PFADD", key, some * 4, chance, |chance| vec![values::element(Group::HyperLogLog, chance)])
        }
        Group::Geo => many("GEOADD", key, some.min(20), chance, |chance| {
            vec![
                values::of_places("longitude", chance),
                values::of_places("latitude", chance),
                values::place_name(chance),
            ]
        }),
        _ => vec![b"SET".to_vec(), key, values::content(chance)],
    }
}

fn many(
    command: &str,
    key: Vec<u8>,
    times: usize,
    chance: &mut Chance,
    mut draw: impl FnMut(&mut Chance) -> Words,
) -> Words {
    let mut words = vec![command.as_bytes().to_vec(), key];
    for _ in 0..times {
        words.extend(draw(chance));
    }
    words
}
