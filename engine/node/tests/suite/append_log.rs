//! The append-only file of one node: what it holds, when replies leave, what a restart finds.

use crate::common::{MemoryDisk, START, World, bulk, ok};
use crate::mesh::{self, A, B};
use squall_clock::Nanos;
use squall_resp::Value;

const ON: &[&str] = &["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
const DIRECTORY: &str = "appendonlydir";

fn file<'a>(disk: &'a MemoryDisk, name: &str) -> &'a [u8] {
    disk.files
        .get(&format!("{DIRECTORY}/{name}"))
        .unwrap_or_else(|| panic!("no {name}: {:?}", disk.files.keys()))
}

fn text(disk: &MemoryDisk, name: &str) -> String {
    String::from_utf8_lossy(file(disk, name)).into_owned()
}

#[test]
fn what_was_logged_comes_back() {
    let mut world = World::new(ON);
    let client = world.connect();
    assert_eq!(world.call(client, &["SET", "k", "value"]), ok());
    assert_eq!(world.call(client, &["SELECT", "3"]), ok());
    world.send(client, b"MULTI\r\nINCR n\r\nINCR n\r\nEXEC\r\n");
    world.received(client);
    let manifest = text(&world.disk, "appendonly.aof.manifest");
    assert_eq!(
        manifest,
        "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
    );

    let mut again = World::on(ON, world.disk, world.now);
    let client = again.connect();
    assert_eq!(again.call(client, &["GET", "k"]), bulk("value"));
    assert_eq!(again.call(client, &["SELECT", "3"]), ok());
    assert_eq!(again.call(client, &["INCR", "n"]), Value::Integer(3));

    let mut third = World::on(ON, again.disk, again.now);
    let client = third.connect();
    assert_eq!(third.call(client, &["SELECT", "3"]), ok());
    assert_eq!(third.call(client, &["GET", "n"]), bulk("3"));
    assert_eq!(third.call(client, &["DBSIZE"]), Value::Integer(1));
}

#[test]
fn replies_wait_for_the_disk() {
    let mut world = World::new(ON);
    let (writer, reader) = (world.connect(), world.connect());
    world.hold_disk = true;
    assert_eq!(world.try_call(writer, &["SET", "k", "1"]), None);
    assert_eq!(world.try_call(reader, &["GET", "k"]), None, "it would show what may be lost");
    world.hold_disk = false;
    world.settle();
    assert_eq!(world.reply(writer), Some(ok()));
    assert_eq!(world.reply(reader), Some(bulk("1")));
    let ops: Vec<&str> = world.disk.log.iter().rev().take(2).map(String::as_str).collect();
    assert_eq!(ops, ["Sync", "Append"]);
}

#[test]
fn the_last_second_is_synced_without_traffic() {
    let settings = ["--save", "", "--appendonly", "yes"];
    let mut world = World::new(&settings);
    let client = world.connect();
    world.advance(Nanos::from_secs(3));
    world.call(client, &["SET", "k", "1"]);
    world.call(client, &["SET", "k", "2"]);
    let syncs = |world: &World| world.disk.log.iter().filter(|op| *op == "Sync").count();
    let before = syncs(&world);
    world.advance(Nanos::from_secs(2));
    assert_eq!(syncs(&world), before + 1);
    world.advance(Nanos::from_secs(10));
    assert_eq!(syncs(&world), before + 1, "there is nothing more to sync");
}

#[test]
fn a_rewrite_leaves_one_base_and_one_increment() {
    let mut world = World::new(ON);
    let client = world.connect();
    for value in ["1", "2", "3"] {
        world.call(client, &["SET", "k", value]);
    }
    let answer = world.call(client, &["BGREWRITEAOF"]);
    assert_eq!(answer, Value::Simple("Background append only file rewriting started".into()));
    world.call(client, &["SET", "k", "4"]);
    world.advance(Nanos::from_secs(1));
    let names: Vec<&String> = world.disk.files.keys().collect();
    assert_eq!(
        names,
        [
            "appendonlydir/appendonly.aof.2.base.rdb",
            "appendonlydir/appendonly.aof.2.incr.aof",
            "appendonlydir/appendonly.aof.manifest"
        ]
    );
    let mut again = World::on(ON, world.disk, world.now);
    let client = again.connect();
    assert_eq!(again.call(client, &["GET", "k"]), bulk("4"));
}

#[test]
fn a_base_can_be_commands() {
    let settings = [ON, &["--aof-use-rdb-preamble", "no"]].concat();
    let mut world = World::new(&settings);
    let client = world.connect();
    world.call(client, &["SET", "k", "v"]);
    world.call(client, &["SET", "t", "5", "PXAT", "4000000000000"]);
    world.call(client, &["BGREWRITEAOF"]);
    world.advance(Nanos::from_secs(1));
    let base = text(&world.disk, "appendonly.aof.2.base.aof");
    assert!(base.starts_with("#LINEAGE:"), "{base}");
    assert!(base.contains("\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*"), "{base}");
    assert!(base.contains("PXAT\r\n$13\r\n4000000000000"), "{base}");
    let mut again = World::on(&settings, world.disk, world.now);
    let client = again.connect();
    assert_eq!(again.call(client, &["GET", "k"]), bulk("v"));
    assert_eq!(again.call(client, &["PEXPIRETIME", "t"]), Value::Integer(4_000_000_000_000));
}

/// PUBLISH and the like go to replicas, whose subscribers are to hear them, and are no data: no log holds them.
#[test]
fn the_log_holds_no_messages() {
    let mut mesh = mesh::pair(ON);
    mesh.call(A, &["PUBLISH", "news", "alone"]);
    mesh.run(mesh::seconds(1));
    mesh.call(A, &["MULTI"]);
    mesh.call(A, &["SET", "k", "in between"]);
    mesh.call(A, &["PUBLISH", "news", "among others"]);
    mesh.call(A, &["INCR", "count"]);
    mesh.call(A, &["EXEC"]);
    mesh.call(A, &["EVAL", "redis.call('PUBLISH', 'news', 'by a script') redis.call('INCR', 'count')", "0"]);
    mesh.run(mesh::seconds(2));
    mesh::assert_in_step(&mut mesh, &[A, B]);
    for at in [A, B] {
        let files = &mesh.servers[at].disk.files;
        let written = files.iter().filter(|(name, _)| name.ends_with(".incr.aof"));
        let log: String = written.map(|(_, content)| String::from_utf8_lossy(content)).collect();
        assert!(log.contains("in between") && log.contains("EXEC"), "{log}");
        assert!(!log.contains("PUBLISH") && !log.contains("PING"), "{log}");
        assert_eq!(log.matches("INCR").count(), 2, "{log}");
    }
}

#[test]
fn the_log_can_be_read_again_while_the_server_lives() {
    let settings = [ON, &["--enable-debug-command", "yes"]].concat();
    let mut world = World::new(&settings);
    let (client, other) = (world.connect(), world.connect());
    world.call(
        client,
        &["FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)"],
    );
    world.call(client, &["RPUSH", "l", "a", "b"]);
    world.call(client, &["BGREWRITEAOF"]);
    world.advance(Nanos::from_secs(1));
    world.call(client, &["SELECT", "1"]);
    world.call(client, &["SET", "k", "v"]);
    let digest = world.call(client, &["DEBUG", "DIGEST"]);
    // What is not in the log is gone afterwards, so it was read.
    world.call(client, &["DEBUG", "POPULATE", "5"]);
    assert_ne!(world.call(client, &["DEBUG", "DIGEST"]), digest);
    world.send(client, b"DEBUG LOADAOF\r\n");
    world.advance(Nanos::from_secs(1));
    assert_eq!(world.reply(client), Some(ok()));
    assert_eq!(world.call(client, &["DEBUG", "DIGEST"]), digest);
    assert_eq!(world.call(other, &["FCALL", "f", "0"]), Value::Integer(1));
    assert_eq!(world.call(other, &["APPEND", "later", "1"]), Value::Integer(1));
    let digest = world.call(client, &["DEBUG", "DIGEST"]);
    world.advance(Nanos::from_secs(2));
    let mut again = World::on(&settings, world.disk, world.now);
    let client = again.connect();
    assert_eq!(again.call(client, &["DEBUG", "DIGEST"]), digest);
    let mut none = World::new(&["--save", "", "--enable-debug-command", "yes"]);
    let client = none.connect();
    assert!(matches!(none.call(client, &["DEBUG", "LOADAOF"]), Value::Error(_)), "there is no log");
}

#[test]
fn the_log_can_be_switched_on_and_off() {
    let mut world = World::new(&["--save", ""]);
    let client = world.connect();
    world.call(client, &["SET", "before", "1"]);
    assert_eq!(world.call(client, &["CONFIG", "SET", "appendonly", "yes"]), ok());
    world.call(client, &["SET", "during", "1"]);
    world.advance(Nanos::from_secs(2));
    world.call(client, &["SET", "after", "1"]);
    world.advance(Nanos::from_secs(2));
    let disk = world.disk.clone();
    assert_eq!(world.call(client, &["CONFIG", "SET", "appendonly", "no"]), ok());
    world.call(client, &["SET", "unlogged", "1"]);
    world.settle();

    let mut again = World::on(&["--save", "", "--appendonly", "yes"], disk, START);
    let other = again.connect();
    let found = again.call(other, &["EXISTS", "before", "during", "after"]);
    assert_eq!(found, Value::Integer(3));
    // Once more: the numbers go on where the manifest of before ends.
    assert_eq!(world.call(client, &["CONFIG", "SET", "appendonly", "yes"]), ok());
    world.advance(Nanos::from_secs(2));
    let manifest = text(&world.disk, "appendonly.aof.manifest");
    assert_eq!(
        manifest,
        "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n"
    );
}

#[test]
fn a_snapshot_without_a_log_is_not_forgotten() {
    let mut world = World::new(&["--save", ""]);
    let client = world.connect();
    world.call(client, &["SET", "balance", "100"]);
    world.call(client, &["SAVE"]);
    let mut again = World::on(ON, world.disk, world.now);
    let client = again.connect();
    assert_eq!(again.call(client, &["GET", "balance"]), bulk("100"));
    let mut third = World::on(ON, again.disk, again.now);
    let client = third.connect();
    assert_eq!(third.call(client, &["GET", "balance"]), bulk("100"));
}

/// An answer to WAIT says nothing about disks, and what was synced for an earlier write nothing about this one.
#[test]
fn waitaof_waits_for_the_sync_of_the_write_itself() {
    let settings = ["--save", "", "--appendonly", "yes"];
    let mut world = World::new(&settings);
    let client = world.connect();
    world.call(client, &["SET", "k", "1"]);
    world.advance(Nanos::from_secs(5));
    let both = |local, replicas| Value::Array(vec![Value::Integer(local), Value::Integer(replicas)]);
    assert_eq!(world.call(client, &["WAITAOF", "1", "0", "0"]), both(1, 0));
    // The first is synced at once, a second having passed since the last; the second has to wait for its turn.
    world.call(client, &["SET", "k", "2"]);
    world.call(client, &["SET", "k", "3"]);
    world.hold_disk = true;
    assert_eq!(world.try_call(client, &["WAITAOF", "1", "0", "0"]), None);
    world.advance(Nanos::from_secs(3));
    assert_eq!(world.reply(client), None, "the disk has not answered");
    world.hold_disk = false;
    world.advance(Nanos::from_secs(3));
    assert_eq!(world.reply(client), Some(both(1, 0)));
    world.call(client, &["SET", "k", "4"]);
    world.call(client, &["SET", "k", "5"]);
    assert_eq!(world.try_call(client, &["WAITAOF", "0", "1", "100"]), None);
    world.advance(Nanos::from_millis(200));
    assert_eq!(world.reply(client), Some(both(0, 0)), "its time was over");
    let refused = |reply: Value| matches!(reply, Value::Error(_));
    assert!(refused(world.call(client, &["WAITAOF", "2", "0", "0"])));
    let mut unlogged = World::new(&["--save", ""]);
    let client = unlogged.connect();
    assert!(refused(unlogged.call(client, &["WAITAOF", "1", "0", "0"])));
}

/// What a script has written is in nobody's log before the script has ended: another's sync is not its own.
#[test]
fn waitaof_within_a_unit_counts_nothing() {
    let mut world = World::new(ON);
    let client = world.connect();
    assert_eq!(world.call(client, &["SET", "k", "1"]), ok());
    let zeros = Value::Array(vec![Value::Integer(0), Value::Integer(0)]);
    let script = "redis.call('SET', 'k', 2) return redis.call('WAITAOF', 1, 0, 0)";
    assert_eq!(world.call(client, &["EVAL", script, "0"]), zeros);
    world.send(client, b"MULTI\r\nSET k 3\r\nWAITAOF 1 0 0\r\nEXEC\r\n");
    for _ in 0..3 {
        world.reply(client);
    }
    assert_eq!(world.reply(client), Some(Value::Array(vec![ok(), zeros])));
    let read = "return redis.call('WAITAOF', 1, 0, 0)";
    let there = Value::Array(vec![Value::Integer(1), Value::Integer(0)]);
    assert_eq!(world.call(client, &["EVAL", read, "0"]), there, "what was written before is there");
}
