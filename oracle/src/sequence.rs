//! What is played in one go: who connects how, how the servers are set, and step after step who asks for what. A
//! family and a seed make a sequence, always the same one.

use squall_commands::table::{Group, Row};

use crate::chance::Chance;
use crate::connection::{Words, words_of};
use crate::family::{Family, may_block};
use crate::server::Identity;
use crate::{age, furnishing, grammar, scripting, values};

/// Clients that ask. One more listens to what is published.
pub const ASKING: usize = 2;
pub const LISTENER: usize = ASKING;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    pub client: usize,
    pub words: Words,
}

#[derive(Clone, Debug)]
pub struct Sequence {
    /// 2 or 3, for each client and the listener.
    pub protocols: [u8; ASKING + 1],
    /// Whether the listener hears of every change to a key.
    pub hears_events: bool,
    /// What is not set as usual.
    pub settings: Vec<(&'static str, &'static str)>,
    pub steps: Vec<Step>,
}

/// What bounds the small encodings: as usual, or small enough to be reached.
pub const SETTINGS: &[(&str, &[&str])] = &[
    ("list-max-listpack-size", &["-2", "4", "128"]),
    ("hash-max-listpack-entries", &["128", "4"]),
    ("hash-max-listpack-value", &["64", "10"]),
    ("set-max-intset-entries", &["512", "4"]),
    ("set-max-listpack-entries", &["128", "4"]),
    ("set-max-listpack-value", &["64", "10"]),
    ("zset-max-listpack-entries", &["128", "4"]),
    ("zset-max-listpack-value", &["64", "10"]),
    ("stream-node-max-entries", &["100", "3"]),
    ("hll-sparse-max-bytes", &["3000", "200"]),
];

impl Sequence {
    pub fn draw(family: &Family, seed: u64, reference: &Identity) -> Sequence {
        // Families of one seed should not resemble each other.
        let salt = family.name.bytes().fold(0u64, |salt, byte| salt.wrapping_mul(31) + u64::from(byte));
        let mut chance = Chance::of(seed ^ salt << 32);
        let protocols = std::array::from_fn(|_| 2 + chance.below(2) as u8);
        let drawn = SETTINGS.iter().map(|(name, values)| (*name, chance.pick(values), values[0]));
        let settings =
            drawn.filter(|(_, value, usual)| value != usual).map(|(name, value, _)| (name, value)).collect();
        let hears_events = family.name != "pubsub" && chance.one_in(3);
        let rows = family.rows(reference);
        let mut author = Author { family, rows, reference, chance, steps: Vec::new() };
        author.write();
        let steps = author.steps;
        Sequence { protocols, hears_events, settings, steps }
    }
}

struct Author<'a> {
    family: &'a Family,
    rows: Vec<&'static Row>,
    reference: &'a Identity,
    chance: Chance,
    steps: Vec<Step>,
}

impl Author<'_> {
    fn write(&mut self) {
        for _ in 0..3 + self.chance.below(6) {
            let words = furnishing::command(self.family.name, &mut self.chance);
            self.say(0, words);
        }
        for _ in 0..5 + self.chance.below(40) {
            match self.chance.below(60) {
                0 | 1 => self.transaction(),
                2 => self.let_expire(),
                3 | 4 => {
                    let (inner, blocks) = self.request_and_manner();
                    let said_since = blocks || self.family.name == "pubsub";
                    if said_since && self.reference.is_redis_before((7, 2)) {
                        // Scripts may say so since.
                        continue;
                    }
                    let words = scripting::calling(inner, &mut self.chance);
                    self.say(0, words);
                }
                5 => {
                    let inner = self.request();
                    let asked = self.chance.pick(&[
                        "COMMAND GETKEYS",
                        "COMMAND GETKEYSANDFLAGS",
                        "ACL DRYRUN default",
                    ]);
                    self.say(0, [words_of(asked), inner].concat());
                }
                6..12 => {
                    let words = self.look();
                    self.say(0, words);
                }
                _ => self.ordinary(),
            }
        }
    }

    fn ordinary(&mut self) {
        match self.family.name {
            "scripts" if !self.chance.one_in(6) => {
                let words = scripting::request(self.reference, &mut self.chance);
                self.say(0, words);
            }
            "pubsub" if self.chance.one_in(2) => {
                let words = self.listening();
                self.say(LISTENER, words);
            }
            _ => {
                let (words, blocks) = self.request_and_manner();
                let client = match blocks {
                    true => self.chance.below(8).min(1),
                    false => usize::from(self.chance.one_in(6)),
                };
                self.say(client, words);
            }
        }
    }

    fn say(&mut self, client: usize, words: Words) {
        if !is_left_to_chance(&words) && !age::goes_on_otherwise(self.reference, &words) {
            let companions = age::companions(self.reference, &words);
            self.steps.push(Step { client, words });
            self.steps.extend(companions.into_iter().map(|words| Step { client, words }));
        }
    }

    fn request(&mut self) -> Words {
        self.request_and_manner().0
    }

    fn request_and_manner(&mut self) -> (Words, bool) {
        if self.rows.is_empty() {
            return (vec![b"PING".to_vec()], false);
        }
        let row = self.rows[self.chance.below(self.rows.len())];
        (grammar::request(row, self.reference, &mut self.chance), may_block(row))
    }

    fn transaction(&mut self) {
        let client = self.chance.below(ASKING);
        if self.chance.one_in(3) {
            let key = values::key(Group::Generic, &mut self.chance);
            self.say(client, vec![b"WATCH".to_vec(), key.clone()]);
            if self.chance.one_in(3) {
                self.say(1 - client, vec![b"SET".to_vec(), key, b"touched".to_vec()]);
            }
        }
        self.say(client, words_of("MULTI"));
        for _ in 0..self.chance.below(6) {
            let words = self.request();
            self.say(client, words);
        }
        let end = self.chance.pick(&["EXEC", "EXEC", "EXEC", "EXEC", "DISCARD"]);
        self.say(client, words_of(end));
    }

    /// A key that expires, and time that goes by.
    fn let_expire(&mut self) {
        let key = values::key(self.own_group(), &mut self.chance);
        self.say(0, vec![b"PEXPIRE".to_vec(), key, b"5".to_vec()]);
        self.say(0, words_of("DEBUG SLEEP 0.007"));
    }

    /// A look at a key that changes nothing.
    fn look(&mut self) -> Words {
        let commands = ["TYPE", "OBJECT ENCODING", "TTL", "DUMP", "EXISTS", "OBJECT ENCODING"];
        let mut words = words_of(self.chance.pick(&commands));
        words.push(values::key(self.own_group(), &mut self.chance));
        words
    }

    fn own_group(&mut self) -> Group {
        match self.rows.is_empty() {
            true => Group::Generic,
            false => self.rows[self.chance.below(self.rows.len())].command.group,
        }
    }

    fn listening(&mut self) -> Words {
        let command = self.chance.pick(&[
            "SUBSCRIBE",
            "UNSUBSCRIBE",
            "PSUBSCRIBE",
            "PUNSUBSCRIBE",
            "SSUBSCRIBE",
            "SUNSUBSCRIBE",
            "PING",
            "GET",
        ]);
        let names: &[&str] = match command {
            "PSUBSCRIBE" | "PUNSUBSCRIBE" => &["*", "n*", "[nw]*", "news", "?"],
            _ => &["news", "weather", "n", "other"],
        };
        let mut words = words_of(command);
        for _ in 0..self.chance.below(4) {
            words.push(self.chance.pick(names).as_bytes().to_vec());
        }
        words
    }
}

/// Whether two right servers may go on differently from here.
fn is_left_to_chance(words: &[Vec<u8>]) -> bool {
    let has = |word: &str| words.iter().any(|found| found.eq_ignore_ascii_case(word.as_bytes()));
    let number = |index: usize| -> Option<i64> { std::str::from_utf8(words.get(index)?).ok()?.parse().ok() };
    if words.iter().any(|word| word.len() < 40 && word.eq_ignore_ascii_case(b"SPOP")) {
        // Taken whole, or not at all.
        let at = words.iter().position(|word| word.eq_ignore_ascii_case(b"SPOP")).expect("just found");
        return words.len() == at + 2 || number(at + 2).is_some_and(|count| (1..1_000).contains(&count));
    }
    // README's table of differences: a time to live that overflows.
    let restores = words.iter().position(|found| found.eq_ignore_ascii_case(b"RESTORE"));
    let overflows = restores.is_some_and(|at| number(at + 2).is_some_and(|ttl| ttl > 1 << 60));
    // An id by the clock; weights that are compared as texts and are equal; whichever is found first.
    let draws_id = has("XADD") && (has("*"));
    let ties = (has("SORT") || has("SORT_RO")) && has("BY") && has("ALPHA");
    // README's table of differences: what was stored is propagated.
    let any = has("COUNT") && (has("STORE") || has("STOREDIST") || has("GEOSEARCHSTORE"));
    let by_clock = has("XCLAIM") && has("TIME");
    overflows || draws_id || ties || any || by_clock
}
