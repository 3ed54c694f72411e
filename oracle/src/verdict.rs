//! Whether two replies are alike: byte for byte, unless two right servers may differ there, and then it says how.
//! Order where none is promised, times that both read from a clock, and what an older reference did not know yet.
//!
//! What Squall does differently on purpose stands in README's table of differences; here it is marked so.

use squall_resp::Value;

use crate::age;
use crate::connection::value;
use crate::scripting;
use crate::server::Identity;

/// Commands whose elements come in any order.
const ORDERLESS: &[&str] = &[
    "KEYS", "SMEMBERS", "SUNION", "SINTER", "SDIFF", "SPOP", "HGETALL", "HKEYS", "HVALS", "COMMAND", "ACL",
    "SORT", "SORT_RO", "FUNCTION", "PUBSUB",
];
const DRAWN: &[&str] = &["SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "RANDOMKEY"];
pub(crate) const SCANS: &[&str] = &["SCAN", "SSCAN", "HSCAN", "ZSCAN"];

/// Fields of XINFO that speak of time, of how entries are kept, or that 7.0 does not know.
const PASSED_OVER: &[&str] =
    &["radix-tree-keys", "radix-tree-nodes", "idle", "inactive", "seen-time", "active-time"];

/// Whether the replies to a request are alike.
pub fn alike(reference: &Identity, words: &[Vec<u8>], theirs: &[u8], ours: &[u8]) -> bool {
    if theirs == ours {
        return true;
    }
    let (theirs, ours) = (value(theirs), value(ours));
    match theirs == ours {
        // Redis 7.2 and later write as few digits as tell a double from its neighbours, 7.0 writes 17.
        true => reference.is_redis_before((7, 2)) && has_double(&theirs),
        false => excused(reference, words, &theirs, &ours),
    }
}

fn has_double(value: &Value) -> bool {
    leaves(value).iter().any(|leaf| matches!(leaf, Value::Double(_)))
}

/// The replies to EXEC: each by the command that was queued.
pub fn alike_in_transaction(
    reference: &Identity,
    queued: &[Vec<Vec<u8>>],
    theirs: &[u8],
    ours: &[u8],
) -> bool {
    if theirs == ours {
        return true;
    }
    match (value(theirs), value(ours)) {
        (Value::Array(theirs), Value::Array(ours))
            if theirs.len() == ours.len() && ours.len() == queued.len() =>
        {
            let each = queued.iter().zip(theirs.iter().zip(&ours));
            each.into_iter()
                .all(|(words, (one, other))| one == other || excused(reference, words, one, other))
        }
        _ => false,
    }
}

fn excused(reference: &Identity, words: &[Vec<u8>], one: &Value, other: &Value) -> bool {
    if cut_at_zero(one, other) || scripting::is_made_of_tables(words) && letters(one) == letters(other) {
        return true;
    }
    let words = scripting::inner(words);
    let Some(name) = words.first() else { return false };
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    let word = |index: usize| {
        words.get(index).map(|word| String::from_utf8_lossy(word).to_ascii_uppercase()).unwrap_or_default()
    };
    age::excuses(reference, words, one, other)
        || excused_by_descent(reference, &name, one, other)
        || match name.as_str() {
            "UNSUBSCRIBE" | "PUNSUBSCRIBE" | "SUNSUBSCRIBE" => same_farewell(one, other),
            "TTL" | "EXPIRETIME" | "HTTL" | "HEXPIRETIME" => within(one, other, 1),
            "PTTL" | "PEXPIRETIME" | "HPTTL" | "HPEXPIRETIME" => within(one, other, 1_000),
            "OBJECT" if word(1) == "IDLETIME" => within(one, other, 60),
            "OBJECT" if word(1) == "FREQ" => within(one, other, 255),
            "XINFO" | "XPENDING" => timeless(one) == timeless(other),
            // Dumps are exchanged where that can be; the version in them is each server's own.
            "DUMP" => matches!((one, other), (Value::Bulk(_), Value::Bulk(_))),
            name if SCANS.contains(&name) => same_scan(words, one, other),
            name if DRAWN.contains(&name) => same_draw(one, other),
            "SORT"
            | "SORT_RO"
            | "GEOSEARCH"
            | "GEORADIUS"
            | "GEORADIUSBYMEMBER"
            | "GEORADIUS_RO"
            | "GEORADIUSBYMEMBER_RO"
                if is_cut(words) =>
            {
                numbers(one).len() == numbers(other).len()
            }
            name if ORDERLESS.contains(&name) => sorted(one) == sorted(other),
            name if name.starts_with("GEO") => sorted_numbers(one) == sorted_numbers(other),
            name if name.starts_with('Z') || name.starts_with("BZ") => numbers(one) == numbers(other),
            _ => false,
        }
}

/// What Valkey says otherwise than Redis: it has words of its own for what is refused, and names no script by its
/// digest.
fn excused_by_descent(reference: &Identity, name: &str, one: &Value, other: &Value) -> bool {
    let refused = |value: &Value| match value {
        Value::Error(_) => true,
        Value::Bulk(text) => text.starts_with(b"failed: "),
        _ => false,
    };
    reference.is_valkey
        && (refused(one) && refused(other)
            || matches!((name, one, other), ("BITCOUNT", Value::Integer(0), Value::Error(_))))
}

/// README's table of differences: a word with a NUL is shown whole, also in an error.
fn cut_at_zero(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (refusal(one), refusal(other)) else { return false };
    let shown = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let (Some(behind), Some(rest)) = (one.get(shown..), other.get(shown..)) else { return false };
    rest.starts_with(['\0', ' ']) && rest.ends_with(behind)
}

/// The error line, without the place in the script that it came from.
pub(crate) fn refusal(value: &Value) -> Option<String> {
    let line = match value {
        Value::Error(line) => line.clone(),
        Value::Bulk(text) => String::from_utf8_lossy(text.strip_prefix(b"failed: ")?).into_owned(),
        _ => return None,
    };
    Some(line.split_once(" script: ").map_or(line.clone(), |(line, _)| line.to_owned()))
}

/// Whether a reply shows only some of what was found, which ones being nobody's promise.
fn is_cut(words: &[Vec<u8>]) -> bool {
    let has = |word: &str| words.iter().any(|found| found.eq_ignore_ascii_case(word.as_bytes()));
    has("ANY") || (has("LIMIT") && has("BY"))
}

/// Equal integers, or lists of them, but for so much.
fn within(one: &Value, other: &Value, distance: i64) -> bool {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => {
            (*one >= 0) == (*other >= 0) && one.abs_diff(*other) <= distance as u64
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| within(one, other, distance))
        }
        _ => one == other,
    }
}

/// A position in a table is each server's own; a scan that went through has found the same.
fn same_scan(words: &[Vec<u8>], one: &Value, other: &Value) -> bool {
    let (Value::Array(theirs), Value::Array(ours)) = (one, other) else { return false };
    let done = |reply: &[Value]| matches!(reply, [Value::Bulk(cursor), _] if cursor == "0");
    let cursor = if words[0].eq_ignore_ascii_case(b"SCAN") { 1 } else { 2 };
    let from_start = words.get(cursor).is_some_and(|cursor| cursor.iter().all(|digit| *digit == b'0'));
    match from_start && done(theirs) && done(ours) {
        true => sorted_numbers(one) == sorted_numbers(other),
        false => theirs.len() == 2 && ours.len() == 2,
    }
}

/// Who leaves several channels leaves them in any order.
fn same_farewell(one: &Value, other: &Value) -> bool {
    let parts = |value: &Value| match value {
        Value::Array(parts) | Value::Push(parts) if parts.len() == 3 => {
            Some((parts[0].clone(), parts[2].clone()))
        }
        _ => None,
    };
    parts(one).is_some() && parts(one) == parts(other)
}

/// As many of the same kind.
fn same_draw(one: &Value, other: &Value) -> bool {
    let (one, other) = (leaves(one), leaves(other));
    let same_kind =
        |(one, other): (&&Value, &&Value)| std::mem::discriminant(*one) == std::mem::discriminant(*other);
    one.len() == other.len()
        && one.iter().zip(&other).all(same_kind)
        && !one.iter().any(|leaf| matches!(leaf, Value::Error(_)))
}

/// What XINFO and XPENDING tell, without ages and without how the entries are kept.
pub(crate) fn timeless(value: &Value) -> Vec<String> {
    let leaves = leaves(value);
    let mut told = leaves.iter();
    let mut kept = Vec::new();
    while let Some(leaf) = told.next() {
        match leaf {
            Value::Bulk(name) if PASSED_OVER.iter().any(|passed| name == passed.as_bytes()) => {
                told.next();
            }
            // How many milliseconds ago, or since 1970: the smaller numbers are counts.
            Value::Integer(100..) => {}
            _ => kept.push(format!("{leaf:?}")),
        }
    }
    // A script is shown maps in Lua's order, which a field more changes.
    kept.sort();
    kept
}

/// What stands in a reply, without its aggregates.
pub(crate) fn leaves(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            items.iter().flat_map(leaves).collect()
        }
        Value::Map(pairs) => {
            pairs.iter().flat_map(|(key, value)| [leaves(key), leaves(value)].concat()).collect()
        }
        other => vec![other],
    }
}

/// README's table of differences: the order of a table's keys is each Lua's own.
fn letters(value: &Value) -> Vec<u8> {
    let mut letters: Vec<u8> =
        leaves(value).iter().flat_map(|leaf| format!("{leaf:?}").into_bytes()).collect();
    letters.sort_unstable();
    letters
}

fn sorted(value: &Value) -> Vec<String> {
    let mut texts: Vec<String> = leaves(value).iter().map(|leaf| format!("{leaf:?}")).collect();
    texts.sort();
    texts
}

/// What stands in a reply, numbers by their value.
pub(crate) fn numbers(value: &Value) -> Vec<String> {
    let text = |leaf: &&Value| match leaf {
        Value::Bulk(bytes) => match std::str::from_utf8(bytes).map(str::parse::<f64>) {
            Ok(Ok(number)) => shown(number),
            _ => format!("{bytes:?}"),
        },
        Value::Double(number) => shown(*number),
        other => format!("{other:?}"),
    };
    leaves(value).iter().map(text).collect()
}

/// README's table of differences: the sign of a zero, and the last digit of a distance.
fn shown(number: f64) -> String {
    let number = if number == 0.0 { 0.0 } else { number };
    format!("{number:.13e}")
}

fn sorted_numbers(value: &Value) -> Vec<String> {
    let mut texts = numbers(value);
    texts.sort();
    texts
}
