//! `notify-keyspace-events`: which classes of keyspace events are published, each named by a letter.

use super::kinds::{Kind, Words};

/// A class of events, or (`Keyspace`, `Keyevent`) a kind of channel that events are published to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum EventClass {
    Generic,
    String,
    List,
    Set,
    Hash,
    ZSet,
    Expired,
    Evicted,
    Stream,
    Module,
    Keyspace,
    Keyevent,
    KeyMiss,
    New,
    Overwritten,
    TypeChanged,
}

/// The letters of [`EventClass`]es, in their order, which is that in which they are shown.
const LETTERS: &[u8] = b"g$lshzxetdKEmnoc";
/// What `A` stands for.
const IN_ALL: &[u8] = b"g$lshzxetd";
const CHANNELS: u32 = 1 << EventClass::Keyspace as u8 | 1 << EventClass::Keyevent as u8;

/// The classes of keyspace events that are published.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventClasses(u32);

impl EventClasses {
    pub fn has(self, class: EventClass) -> bool {
        self.0 & (1 << class as u8) != 0
    }

    /// Whether any event is published at all: of some class, to some kind of channel.
    #[inline]
    pub fn publish_anything(self) -> bool {
        self.0 & CHANNELS != 0 && self.0 & !CHANNELS != 0
    }

    fn add(&mut self, letter: u8) -> bool {
        let bit = LETTERS.iter().position(|&known| known == letter);
        bit.map(|bit| self.0 |= 1 << bit).is_some()
    }

    fn has_letter(self, letter: u8) -> bool {
        LETTERS.iter().position(|&known| known == letter).is_some_and(|bit| self.0 & 1 << bit != 0)
    }
}

pub struct EventLetters;

impl Kind<EventClasses> for EventLetters {
    fn parse(&self, words: Words<'_>) -> Result<EventClasses, String> {
        let [letters] = words else { return Err("wrong number of arguments".into()) };
        let mut classes = EventClasses::default();
        for &letter in *letters {
            let known = match letter {
                b'A' => IN_ALL.iter().all(|&letter| classes.add(letter)),
                _ => classes.add(letter),
            };
            if !known {
                return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdnoc'.".into());
            }
        }
        Ok(classes)
    }

    fn show(&self, classes: &EventClasses) -> String {
        let all = IN_ALL.iter().all(|&letter| classes.has_letter(letter));
        let mut text = String::from(if all { "A" } else { "" });
        let shown = LETTERS.iter().filter(|&&letter| {
            let within_all = all && IN_ALL.contains(&letter);
            classes.has_letter(letter) && !within_all
        });
        text.extend(shown.map(|&letter| char::from(letter)));
        text
    }
}
