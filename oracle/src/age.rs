//! What later versions of Redis do otherwise than an older reference. Squall follows the later ones; each line here
//! stands in README, too, in the table of what Redis 7.0 does otherwise.

use squall_resp::Value;

use crate::connection::Words;
use crate::server::Identity;
use crate::verdict::{SCANS, leaves, numbers, refusal, timeless};

/// Whether two different replies to a request are the reference's and its successors'.
pub fn excuses(reference: &Identity, words: &[Vec<u8>], one: &Value, other: &Value) -> bool {
    let word = |index: usize| {
        words.get(index).map(|word| String::from_utf8_lossy(word).to_ascii_uppercase()).unwrap_or_default()
    };
    let (name, second) = (word(0), word(1));
    if let ("OBJECT", "ENCODING", Value::Bulk(one), Value::Bulk(other)) = (&*name, &*second, one, other) {
        let among =
            |names: &[&str]| names.iter().any(|name| one == name) && names.iter().any(|name| other == name);
        return match reference.is_redis_before((7, 2)) {
            // Small lists, sets and sorted sets are packed since, and large ones from the start.
            true => among(&["listpack", "quicklist", "hashtable", "skiplist", "intset"]),
            // How much of a string fits beside its key is each server's own.
            false => reference.version >= (8, 0) && among(&["raw", "embstr"]),
        };
    }
    reference.is_redis_before((7, 2))
        && match (refusal(one), refusal(other)) {
            (Some(old), Some(later)) => other_words(&name, &old, &later),
            (Some(old), None) => is_allowed_since(&name, &old, other),
            (None, Some(later)) => is_refused_since(&name, words, &later, one),
            (None, None) => answers_otherwise(&name, &second, one, other),
        }
}

/// Whether what a request does to the data, or to a transaction, depends on the reference's age: then nothing that
/// follows can be compared.
pub fn goes_on_otherwise(reference: &Identity, words: &[Vec<u8>]) -> bool {
    let is = |name: &str| words.iter().take(7).any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    let has = |what: fn(&[u8]) -> bool| words.iter().any(|word| what(word));
    reference.is_redis_before((7, 2))
        && (
            // A transaction of 7.0 ends with a fourth word.
            (is("ZRANK") || is("ZREVRANK")) && words.len() > 3
            // 7.0 takes these for numbers, and removes or stores what is between them.
            || (is("ZREMRANGEBYSCORE") || is("ZRANGESTORE")) && has(is_number_before_7_2_alone)
            // 7.0 takes `-` and `+` for ids to begin from.
            || is("XGROUP") && has(|word| word == b"-" || word == b"+")
            // 7.0 does not compare the id with that of what was deleted last.
            || is("XSETID") && !is("MAXDELETEDID")
            // 7.0 waits until the end of time, and refuses to wait for `+`.
            || is("BLOCK") && has(|word| word == b"9223372036854775807" || word == b"+")
            // A script of 7.0 that may not write may not count either: a count is kept in the string.
            || is("EVAL_RO") && is("PFCOUNT")
            // 7.0 tells who waits for one stream twice only once what came.
            || is("BLOCK") && (is("XREAD") || is("XREADGROUP")) && has_twins(words)
        )
}

fn has_twins(words: &[Vec<u8>]) -> bool {
    let streams = words.iter().position(|word| word.eq_ignore_ascii_case(b"STREAMS")).map_or(0, |at| at + 1);
    let keys = &words[streams..];
    keys.iter().enumerate().any(|(at, key)| keys[..at].contains(key) && key.starts_with(b"x"))
}

/// Since Redis 7.2 a consumer exists from when it asks, before that only from when it is given something. So that
/// both agree, all consumers of a group exist from its beginning.
pub fn companions(reference: &Identity, words: &[Vec<u8>]) -> Vec<Words> {
    let is = |at: usize, word: &str| {
        words.get(at).is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    };
    let makes_room = is(0, "XGROUP") && (is(1, "CREATE") || is(1, "DELCONSUMER")) && words.len() >= 5;
    if !makes_room || !reference.is_redis_before((7, 2)) {
        return Vec::new();
    }
    let create = |consumer: &[u8]| {
        let create = [b"XGROUP", &b"CREATECONSUMER"[..], &words[2], &words[3], consumer];
        create.map(<[u8]>::to_vec).to_vec()
    };
    vec![create(b"c"), create(b"d")]
}

/// Both refuse, for other reasons or in other words.
/// The C library's numbers: hexadecimal ones, and blanks before them.
fn is_number_before_7_2_alone(word: &[u8]) -> bool {
    let limit = word.strip_prefix(b"(").unwrap_or(word);
    word.windows(2).any(|two| two == b"0x") || limit.first().is_some_and(u8::is_ascii_whitespace)
}

fn other_words(name: &str, old: &str, later: &str) -> bool {
    match name {
        // They may have a fourth word since.
        "ZRANK" | "ZREVRANK" => true,
        // The words are looked at first since.
        "BITCOUNT" | "BITPOS" => old.starts_with("WRONGTYPE"),
        // They refuse words too many in other words.
        "FUNCTION" | "SCRIPT" => true,
        // Which arguments are too few for whom.
        "COMMAND" => old.starts_with("ERR wrong number"),
        // `+` is an id since.
        "XREAD" | "XREADGROUP" if old.starts_with("ERR Invalid stream ID") => later.contains(" ID "),
        "XREAD" | "XREADGROUP" if old.starts_with("ERR Unbalanced") => later.starts_with("ERR Unbalanced"),
        // `os` of scripts is there again since.
        "EVAL" | "EVAL_RO" => old.contains("global variable 'os'"),
        // Cursors and scores have to be numbers in decimal digits since; what is too late is told from what is
        // negative.
        _ => {
            later == "ERR invalid cursor" && SCANS.contains(&name)
                || later == "ERR min or max is not a float"
                || later == "ERR timeout is out of range"
                || old.starts_with("ERR timeout is") && later.starts_with("ERR timeout is")
        }
    }
}

/// The reference refuses what its successors do.
fn is_allowed_since(name: &str, old: &str, other: &Value) -> bool {
    match name {
        // `+` is an id since.
        "XREAD" => {
            let found = matches!(other, Value::Null | Value::Array(_) | Value::Map(_));
            found && old.starts_with("ERR Invalid stream ID")
        }
        // Scripts may call what waits since: it does not wait for them.
        "EVAL" | "EVAL_RO" => {
            old == "ERR This Redis command is not allowed from script" || old.contains("global variable 'os'")
        }
        // Blanks and a plus may stand before a cursor since.
        name => SCANS.contains(&name) && old == "ERR invalid cursor",
    }
}

/// The reference does what its successors refuse.
fn is_refused_since(name: &str, words: &[Vec<u8>], later: &str, one: &Value) -> bool {
    match name {
        // The words are looked at first since, before it is found that there is no key.
        "BITCOUNT" | "BITPOS" => matches!(one, Value::Integer(-1..=0)),
        // The one number without an opposite.
        "LPOS" => words.iter().any(|word| word == b"-9223372036854775808") && later.contains("out of range"),
        // Cursors and scores have to be numbers in decimal digits since.
        name if SCANS.contains(&name) => later == "ERR invalid cursor",
        _ => later == "ERR min or max is not a float" || later == "ERR timeout is out of range",
    }
}

fn answers_otherwise(name: &str, second: &str, one: &Value, other: &Value) -> bool {
    match name {
        // Doubles are written with the fewest digits that tell them from their neighbours since, then with 17.
        "EVAL" | "EVAL_RO" => numbers(one) == numbers(other),
        // How far a group is behind follows from other rules since, and is not known more often.
        "XINFO" => without_lag(one) == without_lag(other),
        // Whoever stores a result overwrites, and does not read, since.
        "COMMAND" if second == "GETKEYSANDFLAGS" => {
            let overwriting = |text: String| text.replace("\"RW\"", "\"OW\"");
            let flags = |value: &Value| -> Vec<String> {
                leaves(value).iter().map(|leaf| overwriting(format!("{leaf:?}"))).collect()
            };
            flags(one) == flags(other)
        }
        _ => false,
    }
}

fn without_lag(value: &Value) -> Vec<String> {
    let leaves = leaves(value);
    let is_lag = |at: usize| matches!(leaves[at], Value::Bulk(name) if name == "lag");
    let kept: Vec<Value> =
        (0..leaves.len()).filter(|&at| at == 0 || !is_lag(at - 1)).map(|at| leaves[at].clone()).collect();
    timeless(&Value::Array(kept))
}
