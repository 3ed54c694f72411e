//! From a row of the command table to a request: the arguments that the row documents, with values in their
//! places. Counts count what follows them, options come as chance has it; then something may slip.

use squall_commands::table::{Argument, ArgumentKind, Row};

use crate::chance::Chance;
use crate::connection::Words;
use crate::server::Identity;
use crate::values::{self, LEX_KEY};

/// A request of the command, made of words that the reference knows.
pub fn request(row: &Row, reference: &Identity, chance: &mut Chance) -> Words {
    let name = row.full_name.split('|').map(|word| word.to_ascii_uppercase().into_bytes()).collect();
    let mut speaker = Speaker { row, reference, chance, words: name, counted: None, keys: 1 };
    speaker.all(row.command.arguments);
    let Speaker { mut words, chance, .. } = speaker;
    if ranges_over_texts(&words) && words.len() > 1 {
        let key = if words[0] == b"ZRANGESTORE" { 2 } else { 1 };
        if let Some(word) = words.get_mut(key) {
            *word = LEX_KEY.into();
        }
    }
    slip(&mut words, chance);
    words
}

fn ranges_over_texts(words: &[Vec<u8>]) -> bool {
    words[0].ends_with(b"LEX")
        || words[0] == b"ZLEXCOUNT"
        || words.iter().any(|word| word.eq_ignore_ascii_case(b"BYLEX"))
}

/// What people and programs get wrong: a word too many or too few, in the wrong place, or in the wrong case.
fn slip(words: &mut Words, chance: &mut Chance) {
    let (at, last) = (chance.below(words.len()), words.len() - 1);
    match chance.below(60) {
        0 if at > 0 => drop(words.remove(at)),
        1 if at > 0 => words.insert(at, b"extra".to_vec()),
        2 if at > 0 => words.swap(at, last),
        3 if at > 0 => words.extend_from_within(at..),
        4 if at > 0 => words.truncate(at),
        5..15 => words[at].make_ascii_lowercase(),
        _ => {}
    }
}

struct Speaker<'a> {
    row: &'a Row,
    reference: &'a Identity,
    chance: &'a mut Chance,
    words: Words,
    /// Where the number stands that counts what comes next.
    counted: Option<usize>,
    /// How many keys were named last: weights and ids go with them.
    keys: usize,
}

impl Speaker<'_> {
    fn all(&mut self, arguments: &[Argument]) {
        for argument in arguments {
            let wanted = !argument.optional || self.chance.below(10) < 4;
            if wanted && self.is_known(argument) {
                self.say(argument);
            } else if argument.multiple && self.counted.is_some() {
                self.settle_count(0);
            }
        }
    }

    /// Whether the reference has this argument: by its own token, or those within.
    fn is_known(&self, argument: &Argument) -> bool {
        match argument.token {
            // Redis before 7.2 believes any number.
            Some("ENTRIESREAD") if self.reference.is_redis_before((7, 2)) => false,
            Some(token) => self.reference.knows_token(&self.row.full_name, &token.to_ascii_uppercase()),
            None if argument.children.is_empty() => true,
            None => argument.children.iter().any(|child| self.is_known(child)),
        }
    }

    fn say(&mut self, argument: &Argument) {
        let times = match argument.multiple {
            true if argument.name == "weight" => self.keys,
            true if argument.name == "ID" && self.row.command.name.starts_with("xread") => self.keys,
            true => self.chance.few(),
            false => 1,
        };
        if argument.multiple {
            self.settle_count(times);
        }
        if let ArgumentKind::Key(_) = argument.kind {
            self.keys = times;
        }
        for time in 0..times {
            if let Some(token) = argument.token
                && (time == 0 || argument.multiple_token)
            {
                self.words.push(token.as_bytes().to_vec());
            }
            match argument.kind {
                ArgumentKind::PureToken => {}
                ArgumentKind::Block => self.all(argument.children),
                ArgumentKind::OneOf => {
                    let known: Vec<&Argument> =
                        argument.children.iter().filter(|child| self.is_known(child)).collect();
                    if !known.is_empty() {
                        let child = known[self.chance.below(known.len())];
                        self.say(child);
                    }
                }
                ArgumentKind::Integer if is_count(argument.name) => {
                    self.counted = Some(self.words.len());
                    self.words.push(b"1".to_vec());
                }
                _ => {
                    let value = values::value(argument, self.row.command.group, self.chance);
                    self.words.push(value);
                }
            }
        }
    }

    /// A count is right as a rule.
    fn settle_count(&mut self, times: usize) {
        if let Some(at) = self.counted.take() {
            let count = match self.chance.below(40) {
                0 => times + 1,
                1 => 0,
                2 => times.saturating_sub(1),
                _ => times,
            };
            self.words[at] = count.to_string().into_bytes();
        }
    }
}

fn is_count(name: &str) -> bool {
    matches!(name, "numkeys" | "numfields" | "numids")
}
