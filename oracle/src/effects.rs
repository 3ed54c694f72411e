//! What each server sends to its replicas, brought into one form and compared: effects are as much a part of what
//! a command does as its reply.

use crate::connection::Words;
use crate::sequence::Sequence;

/// A key that no generated command names; dumps are exchanged through it.
pub const PROBE: &str = "restored from the other";

/// What a sequence leaves open between two right servers.
#[derive(Clone, Copy)]
pub struct Leeway {
    /// Keys expire on the way: when a server notices that is its own affair.
    pub time_goes_by: bool,
    /// README's table of differences: a field of bits that cannot be set makes the string longer.
    pub bits_fail: bool,
}

impl Leeway {
    pub fn of(sequence: &Sequence) -> Leeway {
        let says = |words: &Words, said: &[u8]| words.iter().any(|word| word.eq_ignore_ascii_case(said));
        let is_said = |said: &[u8]| sequence.steps.iter().any(|step| says(&step.words, said));
        Leeway { time_goes_by: is_said(b"DEBUG"), bits_fail: is_said(b"BITFIELD") && is_said(b"FAIL") }
    }
}

/// The first command that only one of the streams has, or has differently: of the reference, of Squall.
pub fn first_difference(
    theirs: Vec<Words>,
    ours: Vec<Words>,
    leeway: Leeway,
) -> Option<(Option<Words>, Option<Words>)> {
    let (theirs, ours) = (normal(theirs, leeway), normal(ours, leeway));
    let apart = theirs.iter().zip(&ours).position(|(theirs, ours)| !same_effect(theirs, ours));
    let at = match apart {
        Some(at) => at,
        None if theirs.len() == ours.len() => return None,
        None => theirs.len().min(ours.len()),
    };
    Some((theirs.into_iter().nth(at), ours.into_iter().nth(at)))
}

/// The stream without what only frames it, each command behind the number of its database. A key that has expired
/// and is overwritten may be deleted first, or not; overwriting it is enough.
fn normal(stream: Vec<Words>, leeway: Leeway) -> Vec<Words> {
    let Leeway { time_goes_by, bits_fail } = leeway;
    let (mut effects, mut db) = (Vec::<Words>::new(), b"0".to_vec());
    for mut command in stream {
        command[0].make_ascii_uppercase();
        match command[0].as_slice() {
            b"SELECT" => db = command[1].clone(),
            b"MULTI" | b"EXEC" | b"PING" | b"REPLCONF" => {}
            // README's table of differences: one SET for each key.
            b"MSETEX" => effects.extend(sets_of(&command).map(|set| [vec![db.clone()], set].concat())),
            b"BITFIELD" if bits_fail => {}
            b"DEL" | b"UNLINK" if time_goes_by => {}
            // README's table of differences: what stores nothing in the place of what has expired.
            name if time_goes_by && (name.ends_with(b"STORE") || name.starts_with(b"GEORADIUS")) => {}
            // Redis 8 makes consumers without telling its replicas.
            b"XGROUP" if command.len() > 1 && command[1].eq_ignore_ascii_case(b"CREATECONSUMER") => {}
            // Where nothing was pending, a count of entries read says it all; 7.0 does not tell its replicas.
            b"XGROUP" if is_told_by_claim(effects.last(), &command) => {}
            _ if command.get(1).is_some_and(|key| key == PROBE.as_bytes()) => {}
            _ => {
                while effects.last().is_some_and(|last| last[1] == b"DEL" && command[1..].contains(&last[2]))
                {
                    effects.pop();
                }
                effects.push([vec![db.clone()], without_conditions(command)].concat());
            }
        }
    }
    effects
}

/// `MSETEX numkeys key value [key value ...] [options]`, key by key.
fn sets_of(command: &Words) -> impl Iterator<Item = Words> {
    let count: usize = std::str::from_utf8(&command[1]).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (pairs, options) = command[2..].split_at((2 * count).min(command.len() - 2));
    pairs.chunks(2).map(|pair| without_conditions([&[b"SET".to_vec()], pair, options].concat()))
}

/// Whether an `XGROUP SETID key group id ENTRIESREAD n` follows the XCLAIM of that entry, `last`.
fn is_told_by_claim(last: Option<&Words>, command: &Words) -> bool {
    let Some(last) = last.filter(|last| last.len() == 15 && last[1] == b"XCLAIM") else { return false };
    command.len() == 7 && command[1] == b"SETID" && last[2..4] == command[2..4] && last[14] == command[4]
}

/// What the primary has judged need not be judged again; sometimes it is repeated nevertheless. UNLINK and DEL
/// leave the same.
fn without_conditions(mut command: Words) -> Words {
    if command[0] == b"UNLINK" {
        command[0] = b"DEL".to_vec();
    }
    if command[0] == b"HSETEX" {
        // What it says more than HSET is of fields that expire, and is told after it.
        let fields = command.iter().position(|word| word.eq_ignore_ascii_case(b"FIELDS"));
        if let Some(at) = fields.filter(|at| !command[2..*at].iter().any(|word| word.starts_with(b"PX"))) {
            command.drain(2..at + 2);
            command[0] = b"HSET".to_vec();
        }
    }
    if command[0] == b"LMOVE" {
        command[3..].iter_mut().for_each(|word| word.make_ascii_uppercase());
    }
    if command[0] == b"HDEL" {
        command.truncate(2);
    }
    if command[0] == b"HPEXPIREAT" {
        // Which of the fields were there, the primary knows, and may say.
        command.truncate(3);
    }
    if command[0] == b"PEXPIREAT" || command[0] == b"SET" {
        let mut options = command.split_off(3.min(command.len()));
        options.iter_mut().for_each(|word| word.make_ascii_uppercase());
        options.retain(|word| ![&b"NX"[..], b"XX", b"GT", b"LT", b"GET"].contains(&&word[..]));
        options.dedup();
        command.append(&mut options);
    }
    command
}

/// Equal, but for points in time that each read from its clock.
fn same_effect(theirs: &Words, ours: &Words) -> bool {
    let number =
        |word: &Vec<u8>| std::str::from_utf8(word).ok()?.parse::<i64>().ok().filter(|time| *time > 1 << 40);
    theirs.len() == ours.len()
        && theirs.iter().zip(ours).all(|(one, other)| {
            one == other
                || number(one).zip(number(other)).is_some_and(|(one, other)| one.abs_diff(other) < 1_000)
        })
}
