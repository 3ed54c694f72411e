//! What source and target say to each other, as words of `CLUSTER SYNCSLOTS` and lines that answer it.

use crate::slots::{Slot, SlotSet};
use crate::{Epoch, JobName, NodeId};

/// An answer that refuses is no longer than that when it is repeated.
const REASON_CHARACTERS_MAX: usize = 200;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Words {
    // Of the source.
    Establish {
        job: JobName,
        source: NodeId,
        slots: SlotSet,
    },
    /// All that the slots hold has been sent.
    Complete,
    Grant,
    // Of a target that an operator has told to import.
    Request {
        job: JobName,
        target: NodeId,
        slots: SlotSet,
    },
    /// Of either, when the connection broke at the wrong moment: what became of these slots?
    Outcome {
        asker: NodeId,
        slots: SlotSet,
    },
    // Answers.
    Accepted,
    Ready,
    /// They have this owner, under that epoch.
    Owned {
        owner: NodeId,
        epoch: Epoch,
    },
    /// They were granted to you: take them.
    Yours,
    /// I have not got them, and shall not take them unless they are granted anew.
    NotMine,
    Refused(String),
}

impl Words {
    /// The words after `CLUSTER SYNCSLOTS`; an answer's are its line.
    pub fn to_words(&self) -> Vec<String> {
        let with_slots = |head: Vec<String>, slots: &SlotSet| {
            let ranges = slots.ranges().into_iter();
            let numbers = ranges.flat_map(|(first, last)| [first.to_string(), last.to_string()]);
            head.into_iter().chain(numbers).collect()
        };
        let word = |text: &str| text.to_owned();
        match self {
            Words::Establish { job, source, slots } => {
                with_slots(vec![word("ESTABLISH"), job.to_string(), source.to_string()], slots)
            }
            Words::Complete => vec![word("COMPLETE")],
            Words::Grant => vec![word("GRANT")],
            Words::Request { job, target, slots } => {
                with_slots(vec![word("REQUEST"), job.to_string(), target.to_string()], slots)
            }
            Words::Outcome { asker, slots } => with_slots(vec![word("OUTCOME"), asker.to_string()], slots),
            Words::Accepted => vec![word("ACCEPTED")],
            Words::Ready => vec![word("READY")],
            Words::Owned { owner, epoch } => vec![word("OWNED"), owner.to_string(), epoch.to_string()],
            Words::Yours => vec![word("YOURS")],
            Words::NotMine => vec![word("NOTMINE")],
            Words::Refused(reason) => vec![reason.clone()],
        }
    }

    /// What somebody says to this node: the words after `CLUSTER SYNCSLOTS`.
    pub fn parse_request(words: &[&[u8]]) -> Option<Words> {
        let (verb, rest) = words.split_first()?;
        Some(match (verb.to_ascii_uppercase().as_slice(), rest) {
            (b"ESTABLISH", [job, source, slots @ ..]) => Words::Establish {
                job: JobName::parse(job)?,
                source: NodeId::parse(source)?,
                slots: parse_slots(slots)?,
            },
            (b"COMPLETE", []) => Words::Complete,
            (b"GRANT", []) => Words::Grant,
            (b"REQUEST", [job, target, slots @ ..]) => Words::Request {
                job: JobName::parse(job)?,
                target: NodeId::parse(target)?,
                slots: parse_slots(slots)?,
            },
            (b"OUTCOME", [asker, slots @ ..]) => {
                Words::Outcome { asker: NodeId::parse(asker)?, slots: parse_slots(slots)? }
            }
            _ => return None,
        })
    }

    /// What this node is answered: a line, with the sign of its kind.
    pub fn parse_answer(line: &[u8]) -> Words {
        let refused = |text: &[u8]| {
            let text = String::from_utf8_lossy(text);
            Words::Refused(text.chars().take(REASON_CHARACTERS_MAX).collect())
        };
        let Some(text) = line.strip_prefix(b"+") else {
            return refused(line.strip_prefix(b"-").unwrap_or(line));
        };
        let words: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
        let owned = |owner: &[u8], epoch: &[u8]| {
            let epoch = std::str::from_utf8(epoch).ok()?.parse().ok()?;
            Some(Words::Owned { owner: NodeId::parse(owner)?, epoch: Epoch(epoch) })
        };
        match words.as_slice() {
            [b"ACCEPTED"] => Words::Accepted,
            [b"READY"] => Words::Ready,
            [b"OWNED", owner, epoch] => owned(owner, epoch).unwrap_or_else(|| refused(text)),
            [b"YOURS"] => Words::Yours,
            [b"NOTMINE"] => Words::NotMine,
            _ => refused(text),
        }
    }
}

/// Pairs of first and last slots: at least one.
pub fn parse_slots(words: &[&[u8]]) -> Option<SlotSet> {
    let number = |text: &[u8]| Slot::checked(std::str::from_utf8(text).ok()?.parse().ok()?);
    let mut slots = SlotSet::default();
    for pair in words.chunks(2) {
        let [first, last] = pair else { return None };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return None;
        }
        for slot in first.number()..=last.number() {
            slots.insert(Slot::checked(u64::from(slot)).expect("between two slots"));
        }
    }
    (!slots.is_empty()).then_some(slots)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let slots: SlotSet = [1, 2, 3, 9, 16_383].into_iter().filter_map(Slot::checked).collect();
        let job = JobName::parse(&[b'a'; 40]).expect("a name");
        let node = NodeId::parse(&[b'b'; 40]).expect("a name");
        for words in [
            Words::Establish { job, source: node, slots: slots.clone() },
            Words::Complete,
            Words::Grant,
            Words::Request { job, target: node, slots: slots.clone() },
            Words::Outcome { asker: node, slots },
        ] {
            let text = words.to_words();
            let parts: Vec<&[u8]> = text.iter().map(String::as_bytes).collect();
            assert_eq!(Words::parse_request(&parts), Some(words));
        }
        for words in [
            Words::Accepted,
            Words::Ready,
            Words::Owned { owner: node, epoch: Epoch(7) },
            Words::Yours,
            Words::NotMine,
        ] {
            assert_eq!(Words::parse_answer(format!("+{}", words.to_words().join(" ")).as_bytes()), words);
        }
        assert_eq!(Words::parse_answer(b"-ERR no"), Words::Refused("ERR no".into()));
    }

    proptest! {
        #[test]
        fn nonsense_is_refused(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8)) {
            let parts: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let _ = Words::parse_request(&parts);
            let _ = Words::parse_answer(&words.concat());
            prop_assert_eq!(parse_slots(&[b"2", b"1"]), None);
            prop_assert_eq!(parse_slots(&[b"2", b"16384"]), None);
            prop_assert_eq!(parse_slots(&[b"2"]), None);
        }
    }
}
