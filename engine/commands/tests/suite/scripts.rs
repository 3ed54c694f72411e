//! Scripts: the same text to Squall and to a real redis-server, the replies compared byte for byte in both
//! protocols; what is left of them in the stream; and what hostile ones can do.

use crate::oracle::subject::Subject;
use crate::oracle::{Connection, Oracle};
use squall_resp::{Protocol, Value};

/// Scripts whose reply both servers have to agree on, errors and their places included.
const SCRIPTS: &[&str] = &include!("facts/scripts.in");

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn both(protocol: Protocol) -> Option<(Subject, Connection, Oracle)> {
    let mut oracle = Oracle::start(&[])?;
    let mut connection = oracle.connect();
    if protocol == Protocol::Resp3 {
        connection.ask_words("HELLO 3");
    }
    Some((Subject::start(protocol), connection, oracle))
}

#[test]
fn scripts_answer_as_redis_does() {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let Some((mut subject, mut connection, _oracle)) = both(protocol) else { return };
        let mut wrong = String::new();
        for script in SCRIPTS {
            let request = words(&["EVAL", script, "2", "k1", "k2", "arg1", "2"]);
            let theirs = connection.ask(&request);
            let ours = subject.ask(&request);
            if ours != theirs {
                let (ours, theirs) = (ours.escape_ascii(), theirs.escape_ascii());
                wrong.push_str(&format!("{script}\n  redis  {theirs}\n  squall {ours}\n"));
            }
        }
        assert!(wrong.is_empty(), "{protocol:?}\n{wrong}");
    }
}

/// Requests in a row, to both: functions are loaded, called, listed, moved and deleted.
#[test]
fn functions_answer_as_redis_does() {
    let Some((mut subject, mut connection, _oracle)) = both(Protocol::Resp2) else { return };
    let mut wrong = String::new();
    for line in include_str!("facts/functions.txt").lines().filter(|line| !line.starts_with('#')) {
        let request: Vec<Vec<u8>> =
            line.split('|').map(|word| word.replace("\\n", "\n").into_bytes()).collect();
        let theirs = connection.ask(&request);
        let ours = subject.ask(&request);
        // Functions are listed in no order that means anything.
        if crate::oracle::value(&ours) != crate::oracle::value(&theirs) && sorted(&ours) != sorted(&theirs) {
            wrong.push_str(&format!(
                "{line}\n  redis  {}\n  squall {}\n",
                theirs.escape_ascii(),
                ours.escape_ascii()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let mut payload = words(&["FUNCTION", "RESTORE"]);
    for code in [
        "#!lua name=one\nredis.register_function('one', function() return 1 end)",
        "#!lua name=two\nredis.register_function('two', function() return 2 end)",
    ] {
        connection.ask(&words(&["FUNCTION", "LOAD", code]));
    }
    let Value::Bulk(dump) = crate::oracle::value(&connection.ask(&words(&["FUNCTION", "DUMP"]))) else {
        panic!("a payload")
    };
    payload.push(dump.to_vec());
    assert_eq!(subject.ask(&payload), b"+OK\r\n");
    assert_eq!(subject.ask(&words(&["FCALL", "two", "0"])), b":2\r\n");
    let Value::Bulk(dump) = crate::oracle::value(&subject.ask(&words(&["FUNCTION", "DUMP"]))) else {
        panic!("a payload")
    };
    payload[2] = dump.to_vec();
    payload.push(b"REPLACE".to_vec());
    assert_eq!(connection.ask(&payload), b"+OK\r\n");
}

/// What can come in any order, put in one.
fn sorted(reply: &[u8]) -> String {
    fn text(value: &Value) -> String {
        match value {
            Value::Array(items) => {
                let mut texts: Vec<String> = items.iter().map(text).collect();
                texts.sort();
                format!("{texts:?}")
            }
            other => format!("{other:?}"),
        }
    }
    text(&crate::oracle::value(reply))
}

#[test]
fn only_effects_are_propagated_and_as_one() {
    let mut subject = Subject::start(Protocol::Resp2);
    let effects = |subject: &mut Subject, script: &str| -> Vec<String> {
        subject.ask(&words(&["EVAL", script, "0"]));
        let lines =
            subject.propagated().into_iter().map(|command| String::from_utf8(command.join(&b' ')).unwrap());
        lines.filter(|line| !line.starts_with("SELECT")).collect()
    };
    assert_eq!(effects(&mut subject, "return 1"), [""; 0]);
    assert_eq!(effects(&mut subject, "return redis.call('get', 'a')"), [""; 0]);
    assert_eq!(effects(&mut subject, "redis.call('set', 'a', 1)"), ["set a 1"]);
    assert_eq!(
        effects(&mut subject, "redis.call('set', 'a', 1) redis.call('incr', 'a') error('too late')"),
        ["MULTI", "set a 1", "incr a", "EXEC"]
    );
    assert_eq!(
        effects(
            &mut subject,
            "redis.set_repl(redis.REPL_NONE) redis.call('incr', 'a') redis.set_repl(redis.REPL_ALL)"
        ),
        [""; 0]
    );
    assert_eq!(
        effects(&mut subject, "redis.call('incr', 'a') for i = 1, 1000000 do end redis.call('incr', 'a')"),
        ["MULTI", "incr a", "incr a", "EXEC"]
    );
    subject.ask(&words(&[
        "FUNCTION",
        "LOAD",
        "#!lua name=l\nredis.register_function('f', function() redis.call('incr', 'a') end)",
    ]));
    assert_eq!(subject.propagated().len(), 1, "the library is part of the dataset");
    subject.ask(&words(&["FCALL", "f", "0"]));
    assert_eq!(subject.propagated(), [words(&["incr", "a"])]);
}

/// Text that wants more than it can have: it ends in an error, and the server goes on.
#[test]
fn hostile_scripts_end_in_errors() {
    let mut subject = Subject::start(Protocol::Resp2);
    for (script, expected) in [
        ("local s = 'x' while true do s = s .. s end", "not enough memory"),
        ("return ('x'):rep(1e9):rep(1e9)", "memory"),
        ("local function f() return f() + 1 end return f()", "stack overflow"),
        ("local f f = function() return pcall(f) end return error(tostring(f()))", ""),
        ("local t = {} for i = 1, 100000 do t = {t} end return cjson.encode(t)", "excessive nesting"),
        ("return cjson.decode(('['):rep(1e6))", "too many nested"),
        ("return cmsgpack.unpack(('\\145'):rep(1e6))", "Bad data format"),
        ("return string.find(('a'):rep(1e5), ('a?'):rep(1e5))", "malformed pattern"),
        ("return string.find(('a'):rep(8192), ('a?'):rep(8192) .. 'b') and 1", ""),
        ("return string.find(('a'):rep(2e7), ('a'):rep(1e7) .. 'b', 1, true)", "$-1"),
        ("return string.find(('a'):rep(2e7) .. 'b', ('a'):rep(1e7) .. 'b', -1e9, true)", ":10000001"),
        ("error({})", "unknown error"),
        ("local t = {} t[1] = t return t", "stack"),
        ("table.insert(redis, 1)", "readonly table"),
        ("return loadstring('\\27Lua' .. ('x'):rep(100))()", "attempt to call a nil value"),
        ("return loadstring(('('):rep(1e6))()", "attempt to call a nil value"),
        ("return table.concat(setmetatable({}, {__index = function() return 'x' end}), ',', 1, 2)", ""),
        ("return {unpack({}, 1, 1e7)}", "too many results to unpack"),
        ("return {unpack({1, 2, 3}, -2147483648, 4294967296)}", "too many results to unpack"),
        ("return {unpack({}, -2^31, 2^31 - 1)}", "too many results to unpack"),
        ("table.insert({}, -2^31, 1)", "position out of bounds"),
        ("return string.format('%99999d', 1)", "invalid"),
        ("return struct.pack('c2000000000', 'x')", "too large"),
        ("return struct.unpack('i4', 'abcd', -1)", "offset"),
        ("coroutine.yield(1)", "attempt to yield"),
        ("local co co = coroutine.wrap(function() return co() end) return co()", "cannot resume"),
        ("local m = setmetatable({}, {}) getmetatable(m).__index = m return m.x", "loop in gettable"),
        ("redis.call('set', 'k', ('x'):rep(1e6)) return #redis.call('get', 'k')", ""),
    ] {
        let reply = subject.ask(&words(&["EVAL", script, "0"]));
        let text = String::from_utf8_lossy(&reply).into_owned();
        assert!(text.contains(expected), "{script}: {}", &text[..text.len().min(300)]);
        assert_eq!(subject.ask(&words(&["EVAL", "return 7", "0"])), b":7\r\n", "{script}");
    }
}

/// The same script, the same reply, in every process: no address shows.
#[test]
fn values_have_names_without_addresses() {
    let mut subject = Subject::start(Protocol::Resp2);
    let script =
        "return {tostring({}), tostring(pcall), tostring(coroutine.create(function() end)), tostring(redis)}";
    let reply = subject.ask(&words(&["EVAL", script, "0"]));
    assert_eq!(
        String::from_utf8_lossy(&reply),
        "*4\r\n$21\r\ntable: 0x000000000020\r\n$24\r\nfunction: 0x000000000040\r\n$22\r\nthread: 0x000000000060\r\n\
         $21\r\ntable: 0x000000000080\r\n"
    );
}

/// Where a key has no name but its address, the order is not Lua's; and where it would be nobody's, there is none.
#[test]
fn tables_are_walked_through_in_the_same_order_in_every_run() {
    let script = "local t, f = {}, function() end
        local mixed = {[t] = 't', z = 'z', a = 'a', [2] = '2', [1.5] = '1.5', [true] = 'true', [cjson.null] = 'null'}
        local seen = {}
        for _, value in pairs(mixed) do seen[#seen + 1] = value end
        local key, value = next(mixed)
        while key ~= nil do seen[#seen + 1] = value key, value = next(mixed, key) end
        table.foreach(mixed, function(_, value) seen[#seen + 1] = value end)
        for key in pairs(mixed) do mixed[key] = nil end
        seen[#seen + 1] = tostring(next(mixed))
        for key, value in pairs({10, 20, x = 30}) do seen[#seen + 1] = value end
        return table.concat(seen, ' ') .. ' ' .. #cmsgpack.pack({[t] = 1, a = 2})";
    let walk = "1.5 2 a z true null t";
    let expected = format!("{walk} {walk} {walk} nil 10 20 30 6");
    // Whatever lies in memory before.
    let ballast: Vec<Subject> = (0..3).map(|_| Subject::start(Protocol::Resp2)).collect();
    for mut subject in ballast {
        let reply = subject.ask(&words(&["EVAL", script, "0"]));
        assert_eq!(String::from_utf8_lossy(&reply), format!("${}\r\n{expected}\r\n", expected.len()));
    }
    let mut subject = Subject::start(Protocol::Resp2);
    for refused in [
        "for k in pairs({[{}] = 1, [pairs] = 2}) do end",
        "return next({[{}] = 1, [coroutine.create(pairs)] = 2})",
        "return cmsgpack.pack({[{}] = 1, [{}] = 2})",
        "return {set = {[{}] = 1, [{}] = 2}}",
    ] {
        let reply = subject.ask(&words(&["EVAL", refused, "0"]));
        assert!(String::from_utf8_lossy(&reply).contains("has no order"), "{refused}");
    }
    let reply = subject.ask(&words(&["EVAL", "local s = {[{}] = 1, [{}] = 2} return 7", "0"]));
    assert_eq!(reply, b":7\r\n", "such a table is in order, only walking through it is not");
}

/// Nothing of one script is left for the next.
#[test]
fn scripts_do_not_see_each_other() {
    let mut subject = Subject::start(Protocol::Resp2);
    for script in [
        "table.insert(redis, 'x') table.insert(_G, 'x') getmetatable(_G).x = 1",
        "string.format = nil",
        "collectgarbage('stop')",
    ] {
        subject.ask(&words(&["EVAL", script, "1", "key", "arg"]));
    }
    let look = "return {#KEYS, #ARGV, rawget(redis, 1) or 0, rawget(_G, 1) or 0, getmetatable(_G).x or 0, string.format and 1}";
    let reply = subject.ask(&words(&["EVAL", look, "0"]));
    assert_eq!(String::from_utf8_lossy(&reply), "*6\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n:1\r\n");
}
