//! What the comparison with redis-server says: for each family of commands a grammar, and the values that its
//! words stand for.
//!
//! A word of a grammar in lower case stands for a value of a kind (see each family's `word`), the rest is sent as
//! it is. What follows `|` are options; up to four of them are appended, each as often as chance has it.

pub mod bitmaps;
pub mod geo;
pub mod hashes;
pub mod hyperloglog;
pub mod lists;
pub mod sets;
pub mod sorted_sets;
pub mod sorting;
pub mod streams;
pub mod strings;

use proptest::prelude::*;

/// The commands of one kind of data.
#[derive(Clone, Copy)]
pub struct Family {
    pub grammar: &'static [&'static str],
    /// The values of a kind that this family has by itself.
    pub word: fn(&'static str) -> Option<BoxedStrategy<Vec<u8>>>,
}

pub const STRINGS: Family = Family { grammar: strings::GRAMMAR, word: strings::word };
pub const BITMAPS: Family = Family { grammar: bitmaps::GRAMMAR, word: bitmaps::word };
pub const HYPERLOGLOG: Family = Family { grammar: hyperloglog::GRAMMAR, word: hyperloglog::word };
pub const GEO: Family = Family { grammar: geo::GRAMMAR, word: geo::word };
pub const SORTED_SETS: Family = Family { grammar: sorted_sets::GRAMMAR, word: sorted_sets::word };

pub const HASHES: Family = Family { grammar: hashes::GRAMMAR, word: hashes::word };
pub const SORTING: Family = Family { grammar: sorting::GRAMMAR, word: sorting::word };
pub const LISTS: Family = Family { grammar: lists::GRAMMAR, word: lists::word };
pub const STREAMS: Family = Family { grammar: streams::GRAMMAR, word: streams::word };
pub const SETS: Family = Family { grammar: sets::GRAMMAR, word: sets::word };

/// What is done to keys of every kind, between the commands of a family.
const SHARED: &[&str] = &[
    "SET k v",
    "DEL k",
    "RENAME k k",
    "COPY k k REPLACE",
    "TYPE k",
    "OBJECT ENCODING k",
    "EXPIRE k 100",
    "PERSIST k",
    "DUMP k",
];

pub type Command = Vec<Vec<u8>>;

impl Family {
    /// A command of the family, or now and then one that every family shares.
    pub fn command(self) -> impl Strategy<Value = Command> {
        let rules = prop_oneof![6 => prop::sample::select(self.grammar), 1 => prop::sample::select(SHARED)];
        let rule = rules.prop_flat_map(move |rule| {
            let (fixed, options) = rule.split_once('|').unwrap_or((rule, ""));
            let words = |part: &'static str| {
                part.split_whitespace().map(|word| self.values(word)).collect::<Vec<_>>()
            };
            let options: Vec<_> = options.split('|').map(words).collect();
            let chosen =
                prop::collection::vec(prop::sample::select(options).prop_flat_map(|words| words), 0..4);
            (words(fixed), chosen).prop_map(|(fixed, options)| [fixed, options.concat()].concat())
        });
        (rule, 0..40u8, any::<prop::sample::Index>())
            .prop_map(|(mut command, slip, at)| {
                let at = at.index(command.len());
                match slip {
                    0 if at > 0 => drop(command.remove(at)),
                    1 if at > 0 => command.insert(at, b"extra".to_vec()),
                    2..=9 => command[at].make_ascii_lowercase(),
                    _ => {}
                }
                command
            })
            .prop_filter("chance decides", |command| !is_left_to_chance(command))
    }

    /// What a word of the grammar may be: a value of a kind, or itself.
    fn values(self, word: &'static str) -> BoxedStrategy<Vec<u8>> {
        let own = (self.word)(word).or_else(|| strings::word(word));
        own.unwrap_or_else(|| Just(word.as_bytes().to_vec()).boxed())
    }
}

/// Without a count, these answer with what chance has it.
fn is_left_to_chance(command: &Command) -> bool {
    let names: [&[u8]; 3] = [b"SPOP", b"SRANDMEMBER", b"HRANDFIELD"];
    command.len() == 2 && names.contains(&command[0].to_ascii_uppercase().as_slice())
}

/// One of these words.
pub fn choose(words: &'static [&'static str]) -> BoxedStrategy<Vec<u8>> {
    prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()).boxed()
}

pub const INTEGERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "-2",
    "7",
    "10",
    "100",
    "1000",
    "100000",
    "-100",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "9223372036854775",
    "01",
    "+1",
    " 1",
    "1.5",
    "abc",
    "",
];
