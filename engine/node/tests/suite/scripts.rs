//! Scripts that take longer than a turn: who waits, who is told, who may end them, and what is left of them.

use crate::common::World;
use squall_clock::Nanos;
use squall_resp::Value;

const FOREVER: &str = "while true do end";
const SLOW: &str = "redis.call('incr', 'n') for i = 1, 3000000 do end redis.call('incr', 'n') return 'done'";

fn bulk(text: &str) -> Value {
    Value::Bulk(text.to_owned().into())
}

fn error_of(value: Value) -> String {
    match value {
        Value::Error(text) => text,
        other => panic!("an error is expected, not {other:?}"),
    }
}

#[test]
fn others_wait_while_a_script_goes_on() {
    let mut world = World::new(&[]);
    let (writer, other) = (world.connect(), world.connect());
    assert_eq!(world.try_call(writer, &["EVAL", SLOW, "0"]), None);
    assert_eq!(world.try_call(other, &["GET", "n"]), None, "half of a script is nobody's business");
    world.advance(Nanos::from_millis(100));
    assert_eq!(world.reply(writer), Some(bulk("done")));
    assert_eq!(world.reply(other), Some(bulk("2")));
}

#[test]
fn a_script_without_end_is_reported_and_killed() {
    let mut world = World::new(&["--busy-reply-threshold", "50"]);
    let (script, other, operator) = (world.connect(), world.connect(), world.connect());
    assert_eq!(world.try_call(script, &["EVAL", FOREVER, "0"]), None);
    assert_eq!(world.try_call(other, &["PING"]), None);
    world.advance(Nanos::from_millis(40));
    assert_eq!(world.reply(other), None);
    world.advance(Nanos::from_millis(20));
    let busy = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
    assert_eq!(error_of(world.reply(other).expect("told")), busy);
    assert_eq!(error_of(world.call(operator, &["SHUTDOWN"])), busy);
    assert_eq!(error_of(world.call(operator, &["FUNCTION", "KILL"])), busy);
    assert_eq!(world.call(operator, &["SCRIPT", "KILL"]), Value::Simple("OK".into()));
    world.advance(Nanos::from_millis(5));
    let killed = error_of(world.reply(script).expect("killed"));
    assert!(killed.starts_with("ERR Script killed by user with SCRIPT KILL."), "{killed}");
    assert_eq!(world.call(other, &["PING"]), Value::Simple("PONG".into()));
    assert!(error_of(world.call(operator, &["SCRIPT", "KILL"])).starts_with("NOTBUSY"));
}

/// Whatever it does, a script that is told to end ends.
#[test]
fn no_script_can_refuse_to_be_killed() {
    for stubborn in [
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(pcall, function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "while true do local co = coroutine.wrap(function() while true do end end) pcall(co) end",
        "while true do local co = coroutine.create(function() while true do end end) coroutine.resume(co) end",
        "local function f() pcall(f) while true do end end f()",
        "while true do redis.pcall('get', 'x') end",
        "while true do pcall(redis.call, 'nosuch') end",
        "table.sort({1, 2, 3}, function() while true do end end)",
        "string.gsub('x', '.', function() while true do end end)",
        "setmetatable({}, {__index = function() while true do end end}).x = nil while true do end",
        "string.find(('a'):rep(60), ('a*'):rep(30) .. 'b')",
        "while true do pcall(string.match, ('a'):rep(60), ('a-'):rep(30) .. 'b') end",
        "return (('a'):rep(60)):gsub(('a?'):rep(60) .. ('a'):rep(59) .. 'b', 'x')",
        "for word in (('a'):rep(100000)):gmatch('(a*)(a*)%1b') do end",
    ] {
        let mut world = World::new(&["--busy-reply-threshold", "10"]);
        let (script, operator) = (world.connect(), world.connect());
        assert_eq!(world.try_call(script, &["EVAL", stubborn, "0"]), None, "{stubborn}");
        world.advance(Nanos::from_millis(20));
        assert_eq!(world.call(operator, &["SCRIPT", "KILL"]), Value::Simple("OK".into()), "{stubborn}");
        world.advance(Nanos::from_millis(5));
        let killed = error_of(world.reply(script).unwrap_or_else(|| panic!("still running: {stubborn}")));
        assert!(killed.contains("Script killed by user"), "{stubborn}: {killed}");
        assert_eq!(world.call(script, &["EVAL", "return 7", "0"]), Value::Integer(7), "{stubborn}");
    }
}

#[test]
fn a_script_that_has_written_cannot_be_killed() {
    let mut world = World::new(&["--busy-reply-threshold", "10"]);
    let (script, operator) = (world.connect(), world.connect());
    let writes = "redis.call('set', 'k', 'v') for i = 1, 10000000 do end return 1";
    assert_eq!(world.try_call(script, &["EVAL", writes, "0"]), None);
    world.advance(Nanos::from_millis(20));
    assert!(error_of(world.call(operator, &["SCRIPT", "KILL"])).starts_with("UNKILLABLE"));
    world.advance(Nanos::from_millis(300));
    assert_eq!(world.reply(script), Some(Value::Integer(1)));
    assert_eq!(world.call(operator, &["GET", "k"]), bulk("v"));
}

#[test]
fn a_transaction_goes_on_after_its_script() {
    let mut world = World::new(&[]);
    let client = world.connect();
    world.call(client, &["MULTI"]);
    for words in [["EVAL", SLOW, "0"].as_slice(), &["GET", "n"], &["EVAL", SLOW, "0"], &["GET", "n"]] {
        world.call(client, words);
    }
    assert_eq!(world.try_call(client, &["EXEC"]), None);
    world.advance(Nanos::from_millis(200));
    let replies = Value::Array(vec![bulk("done"), bulk("2"), bulk("done"), bulk("4")]);
    assert_eq!(world.reply(client), Some(replies));
    assert_eq!(world.call(client, &["INCR", "n"]), Value::Integer(5));
}

#[test]
fn a_script_ends_even_when_its_client_is_gone() {
    let mut world = World::new(&[]);
    let (gone, other) = (world.connect(), world.connect());
    assert_eq!(world.try_call(gone, &["EVAL", SLOW, "0"]), None);
    world.node.client_closed(gone, world.now);
    assert_eq!(world.try_call(other, &["GET", "n"]), None);
    world.advance(Nanos::from_millis(100));
    assert_eq!(world.reply(other), Some(bulk("2")), "all of it, or nothing");
}

/// A node that ends in the middle of a script takes it with it.
#[test]
fn a_node_can_be_dropped_in_the_middle_of_a_script() {
    let mut world = World::new(&[]);
    let client = world.connect();
    assert_eq!(world.try_call(client, &["EVAL", FOREVER, "0"]), None);
}

#[test]
fn libraries_are_saved_and_loaded() {
    let mut world = World::new(&["--appendonly", "no"]);
    let client = world.connect();
    let library = "#!lua name=lib\nredis.register_function('f', function(keys) return keys[1] end)";
    assert_eq!(world.call(client, &["FUNCTION", "LOAD", library]), bulk("lib"));
    world.call(client, &["SET", "k", "v"]);
    let saved = world.try_call(client, &["SAVE"]).or_else(|| world.reply(client));
    assert_eq!(saved, Some(Value::Simple("OK".into())));
    let mut world = World::on(&[], world.disk, world.now);
    let client = world.connect();
    assert_eq!(world.call(client, &["FCALL", "f", "1", "key"]), bulk("key"));
}
