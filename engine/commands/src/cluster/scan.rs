//! CLUSTERSCAN: walking over the keys of a whole cluster, a slot after the other. A cursor says where to go on
//! and, by its hash tag, to which node the next call belongs:
//!
//! ```text
//!   0            the beginning, and the end
//!   0-{06S}-0    the beginning of the slot that the tag hashes to, on any node
//!   5f3a21-{06S}-8192
//!   |       |     `-- where to go on within the slot
//!   |       `-------- the slot
//!   `---------------- where keys lie: another node, or another life of this one, begins the slot again
//! ```
//! Follows Valkey 9.1's documentation.

use std::sync::LazyLock;

use squall_store::{Cursor, SLOT_COUNT, Slot, glob_match, slot_of};

use super::DISABLED;
use crate::generic::scan::{ScanOf, ScanOptions, parse_cursor};
use crate::{CommandError, CommandResult, Context};

/// How much of the run id stands for where keys lie.
const FINGERPRINT_CHARACTERS: usize = 8;
/// The fingerprint of a slot's beginning, which is the same everywhere.
const ANYWHERE: &[u8] = b"0";

struct Place {
    slot: Slot,
    within: Cursor,
}

pub(super) fn clusterscan(context: &mut Context<'_>) -> CommandResult {
    if !context.engine.config.cluster_enabled {
        return Err(DISABLED);
    }
    let options = ScanOptions::parse(context.args.skip(2), ScanOf::ClusterKeys)?;
    let only = options.slot;
    let text = context.arg(1);
    if text == ANYWHERE {
        reply(context, beginning_of(only.unwrap_or(slot_number(0))).as_bytes(), &[]);
        return Ok(());
    }
    let place = Place::parse(text, &context.engine.run_id)?;
    if only.is_some_and(|slot| slot != place.slot) {
        return Err(CommandError::line("ERR The cursor belongs to another slot"));
    }
    let (next, found) = scan_part(context, &place, &options);
    let next = match (next, only) {
        (Cursor::START, Some(_)) => "0".to_owned(),
        (Cursor::START, None) => match Slot::checked(u64::from(place.slot.number()) + 1) {
            Some(slot) => beginning_of(slot),
            None => "0".to_owned(),
        },
        (Cursor(within), _) => {
            let fingerprint = &context.engine.run_id[..FINGERPRINT_CHARACTERS];
            format!("{fingerprint}-{{{}}}-{within}", tag_of(place.slot))
        }
    };
    reply(context, next.as_bytes(), &found);
    Ok(())
}

fn scan_part(context: &mut Context<'_>, place: &Place, options: &ScanOptions<'_>) -> (Cursor, Vec<Vec<u8>>) {
    let (db, now) = (context.session.db, context.engine.now.unix_ms());
    let mut found = Vec::new();
    let keys = context.engine.keyspace.db(db);
    let next = keys.scan_slot(place.slot, place.within, options.count, |entry| {
        let is_wanted = options.pattern.is_none_or(|pattern| glob_match(pattern, entry.key()))
            && options.type_name.is_none_or(|name| name.eq_ignore_ascii_case(entry.kind().name().as_bytes()));
        if is_wanted && !entry.is_expired(now) {
            found.push(entry.key().to_vec());
        }
    });
    (next, found)
}

fn reply(context: &mut Context<'_>, cursor: &[u8], found: &[Vec<u8>]) {
    context.reply.array(2);
    context.reply.bulk(cursor);
    context.reply.array(found.len());
    found.iter().for_each(|key| context.reply.bulk(key));
}

impl Place {
    fn parse(text: &[u8], run_id: &str) -> Result<Place, CommandError> {
        let invalid = || CommandError::line("ERR invalid cursor");
        let mut parts = text.splitn(2, |byte| *byte == b'-');
        let fingerprint = parts.next().ok_or_else(invalid)?;
        let rest = parts.next().and_then(|rest| rest.strip_prefix(b"{")).ok_or_else(invalid)?;
        let end = rest.iter().position(|byte| *byte == b'}').filter(|end| *end > 0).ok_or_else(invalid)?;
        let within = rest[end + 1..].strip_prefix(b"-").ok_or_else(invalid)?;
        let within = Cursor(parse_cursor(within)?);
        let is_ours = fingerprint == &run_id.as_bytes()[..FINGERPRINT_CHARACTERS];
        let within = if is_ours { within } else { Cursor::START };
        Ok(Place { slot: slot_of(&rest[..end]), within })
    }
}

fn beginning_of(slot: Slot) -> String {
    format!("0-{{{}}}-0", tag_of(slot))
}

fn slot_number(number: u64) -> Slot {
    Slot::checked(number).expect("fewer than there are")
}

/// A short text that hashes to the slot.
fn tag_of(slot: Slot) -> &'static str {
    static TAGS: LazyLock<Vec<String>> = LazyLock::new(all_tags);
    &TAGS[slot.index()]
}

/// The first text for each slot, of one, two or three letters and digits, and of four where none of these is.
fn all_tags() -> Vec<String> {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut tags = vec![String::new(); SLOT_COUNT];
    let mut missing = SLOT_COUNT;
    let mut shorter = vec![Vec::new()];
    while missing > 0 {
        let mut longer = Vec::with_capacity(shorter.len() * LETTERS.len());
        for text in &shorter {
            for letter in LETTERS {
                let tag = [&text[..], &[*letter]].concat();
                let slot = slot_of(&tag).index();
                if tags[slot].is_empty() {
                    tags[slot] = String::from_utf8(tag.clone()).expect("letters and digits");
                    missing -= 1;
                }
                longer.push(tag);
            }
        }
        shorter = longer;
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_a_tag_that_hashes_to_it() {
        for number in 0..SLOT_COUNT as u64 {
            let slot = slot_number(number);
            assert_eq!(slot_of(tag_of(slot).as_bytes()), slot);
        }
    }

    #[test]
    fn cursors_that_nobody_gave_are_refused() {
        let run_id = "0123456789abcdef";
        for wrong in ["", "1", "0-", "0-{}-0", "0-{a}", "0-{a}-", "0-{a-0", "0-{a}-x", "0-a-0"] {
            let refused = Place::parse(wrong.as_bytes(), run_id).is_err();
            // An empty number is zero to SCAN, too.
            assert!(refused || wrong == "0-{a}-", "{wrong}");
        }
        let place = Place::parse(b"01234567-{a}-77", run_id).expect("one of ours");
        assert_eq!((place.slot, place.within), (slot_of(b"a"), Cursor(77)));
        assert_eq!(Place::parse(b"99999999-{a}-77", run_id).expect("another's").within, Cursor::START);
    }
}
