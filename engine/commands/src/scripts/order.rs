//! The order of a table's keys. Lua 5.1 places tables, functions and coroutines by their addresses, and so what
//! shares a table with them: two runs of one script would differ. Here a table with one such key has an order of
//! its own: numbers, then texts, then truths, then that key. Of several such keys none comes first, and whoever
//! asks is refused. The same for `pairs` and `next` stands in `prelude.lua`.

use mlua::{Table, Value};

use super::raise::Raised;

/// Said to scripts; `prelude.lua` has it from here.
pub(super) const NO_ORDER: &str = "a table with several keys that are tables, functions or coroutines has no order: it can't be walked through";

/// What the table holds, in the same order in every run.
pub(super) fn pairs(table: &Table) -> mlua::Result<Vec<(Value, Value)>> {
    let mut pairs = table.pairs::<Value, Value>().collect::<mlua::Result<Vec<_>>>()?;
    match pairs.iter().filter(|(key, _)| is_nameless(key)).count() {
        0 => {}
        1 => pairs.sort_by(|(one, _), (other, _)| compare(one, other)),
        _ => return Err(Raised::text(NO_ORDER).into()),
    }
    Ok(pairs)
}

/// Whether nothing but its address tells the value from others.
fn is_nameless(key: &Value) -> bool {
    matches!(key, Value::Table(_) | Value::Function(_) | Value::Thread(_) | Value::UserData(_))
}

fn compare(one: &Value, other: &Value) -> std::cmp::Ordering {
    let number = |value: &Value| match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    };
    if let (Some(one), Some(other)) = (number(one), number(other)) {
        return one.total_cmp(&other);
    }
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.as_bytes().cmp(&other.as_bytes()),
        (Value::Boolean(one), Value::Boolean(other)) => one.cmp(other),
        _ => rank(one).cmp(&rank(other)),
    }
}

fn rank(key: &Value) -> u8 {
    match key {
        Value::Integer(_) | Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Boolean(_) => 2,
        Value::LightUserData(_) => 3,
        _ => 4,
    }
}
