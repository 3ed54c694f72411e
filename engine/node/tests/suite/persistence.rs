//! Snapshots and the way out: what was saved comes back, a failure at any disk operation leaves the old
//! file whole, and nobody is told OK before the directory is durable.

use crate::common::{MemoryDisk, START, World, bulk, ok};
use bytes::BytesMut;
use squall_clock::Nanos;
use squall_node::Lane;
use squall_resp::{Value, encode_command};

#[test]
fn what_was_saved_comes_back() {
    let mut world = World::new(&["--save", ""]);
    let client = world.connect();
    assert_eq!(world.call(client, &["SET", "k", "value"]), ok());
    assert_eq!(world.call(client, &["SELECT", "3"]), ok());
    assert_eq!(world.call(client, &["SET", "other", "7", "EX", "100"]), ok());
    assert_eq!(world.call(client, &["SAVE"]), ok());

    let mut again = World::on(&["--save", ""], world.disk, world.now);
    let client = again.connect();
    assert_eq!(again.call(client, &["GET", "k"]), bulk("value"));
    assert_eq!(again.call(client, &["SELECT", "3"]), ok());
    assert_eq!(again.call(client, &["GET", "other"]), bulk("7"));
    assert_eq!(again.call(client, &["TTL", "other"]), Value::Integer(100));
}

/// SAVE is a sequence of disk operations; each of them is made to fail once.
#[test]
fn a_failure_anywhere_leaves_the_old_file_and_is_told() {
    let mut world = World::new(&["--save", ""]);
    let client = world.connect();
    world.call(client, &["SET", "k", "old"]);
    world.call(client, &["SAVE"]);
    let (disk, steps_before) = (world.disk.clone(), world.disk.log.len());
    world.call(client, &["SET", "k", "new"]);
    world.call(client, &["SAVE"]);
    let steps: Vec<String> = world.disk.log[steps_before..].to_vec();
    let mut kinds = steps.clone();
    kinds.dedup();
    assert_eq!(kinds, ["Open", "Append", "Sync", "Rename", "SyncDir", "Close"]);

    for (index, step) in steps.iter().enumerate().take(steps.len() - 1) {
        let mut world = World::on(&["--save", ""], disk.clone(), START);
        let client = world.connect();
        world.call(client, &["SET", "k", "new"]);
        world.disk.fail_at = Some(world.disk.log.len() + index);
        let reply = world.call(client, &["SAVE"]);
        assert!(matches!(reply, Value::Error(_)), "{step}: {reply:?}");
        assert!(world.logs.iter().any(|line| line.contains("Error saving DB")), "{step}");
        let temporary = world.disk.files.keys().find(|name| name.starts_with("temp-"));
        assert_eq!(temporary, None, "{step}: nothing is left behind");

        let mut again = World::on(&["--save", ""], world.disk, START);
        let client = again.connect();
        // The rename itself had happened where only the directory's sync failed.
        let expected = if step == "SyncDir" { "new" } else { "old" };
        assert_eq!(again.call(client, &["GET", "k"]), bulk(expected), "{step}");
    }
}

#[test]
fn a_failed_save_refuses_writes_until_one_succeeds() {
    let mut world = World::new(&["--save", "3600", "1"]);
    let client = world.connect();
    world.disk.fail_at = Some(world.disk.log.len());
    world.call(client, &["SAVE"]);
    match world.call(client, &["SET", "k", "v"]) {
        Value::Error(text) => assert!(format!("{text:?}").contains("MISCONF"), "{text:?}"),
        other => panic!("a write was taken: {other:?}"),
    }
    assert_eq!(world.call(client, &["SAVE"]), ok());
    assert_eq!(world.call(client, &["SET", "k", "v"]), ok());
}

#[test]
fn a_save_point_saves_by_itself() {
    let mut world = World::new(&["--save", "5", "2"]);
    let client = world.connect();
    world.call(client, &["SET", "a", "1"]);
    world.advance(Nanos::from_secs(20));
    assert!(!world.disk.files.contains_key("dump.rdb"), "one change is not enough");
    world.call(client, &["SET", "b", "2"]);
    world.advance(Nanos::from_secs(1));
    assert!(world.disk.files.contains_key("dump.rdb"));
}

/// The snapshot is that of the moment at which it was asked for, whatever is written while the disk is slow.
#[test]
fn a_slow_disk_saves_the_moment_of_the_command() {
    let mut world = World::new(&["--save", ""]);
    let client = world.connect();
    for n in 0..5_000 {
        world.call(client, &["SET", &format!("key:{n}"), &"x".repeat(200)]);
    }
    world.hold_disk = true;
    world.call(client, &["BGSAVE"]);
    for n in 0..5_000 {
        world.call(client, &["SET", &format!("key:{n}"), "changed"]);
    }
    world.call(client, &["FLUSHALL"]);
    world.hold_disk = false;
    world.settle();
    assert!(world.logs.iter().any(|line| line.contains("terminated with success")), "{:?}", world.logs);

    let mut again = World::on(&["--save", ""], world.disk, world.now);
    let client = again.connect();
    assert_eq!(again.call(client, &["DBSIZE"]), Value::Integer(5_000));
    assert_eq!(again.call(client, &["GET", "key:77"]), bulk(&"x".repeat(200)));
}

/// Syncs go beside the appends, and so could overtake them where a disk takes its time.
#[test]
fn nothing_is_synced_before_it_is_written() {
    let settings = ["--save", "", "--rdbcompression", "no"];
    let mut world = World::holding(&[Lane::Snapshot], &settings, MemoryDisk::default(), START);
    let client = world.connect();
    for n in 0..8_000 {
        world.call(client, &["SET", &format!("key:{n}"), &"x".repeat(1_000)]);
    }
    world.disk.log.clear();
    world.call(client, &["BGSAVE"]);
    world.advance(Nanos::from_secs(1));
    assert_eq!(world.info(client, "rdb_bgsave_in_progress"), "1");
    assert!(world.disk.log.is_empty(), "not even the file is open: {:?}", world.disk.log);
    world.held.clear();
    world.settle();
    assert_eq!(world.info(client, "rdb_last_bgsave_status"), "ok", "{:?}", world.logs);
    let syncs = world.disk.log.iter().filter(|op| *op == "Sync").count();
    assert!(syncs > 1, "not only at the end: {:?}", world.disk.log);
}

/// What is cancelled leaves the file before it, and nothing of its own; the next one is whole.
#[test]
fn a_save_in_the_background_can_be_cancelled() {
    let mut world = World::new(&["--save", ""]);
    let client = world.connect();
    world.call(client, &["SET", "k", "old"]);
    world.call(client, &["SAVE"]);
    let before = world.disk.files["dump.rdb"].clone();
    world.call(client, &["SET", "k", "new"]);
    world.hold_disk = true;
    world.call(client, &["BGSAVE"]);
    let under_way = world.call(client, &["INFO", "persistence"]);
    assert!(format!("{under_way:?}").contains("rdb_bgsave_in_progress:1"), "{under_way:?}");
    assert_eq!(
        world.call(client, &["BGSAVE", "CANCEL"]),
        Value::Simple("Background saving cancelled".into())
    );
    world.hold_disk = false;
    world.settle();
    let after = world.call(client, &["INFO", "persistence"]);
    assert!(format!("{after:?}").contains("rdb_bgsave_in_progress:0"), "{after:?}");
    assert!(matches!(world.call(client, &["BGSAVE", "CANCEL"]), Value::Error(_)), "there is none");
    assert_eq!(world.disk.files["dump.rdb"], before);
    assert_eq!(world.disk.files.keys().find(|name| name.starts_with("temp-")), None);

    world.call(client, &["BGSAVE"]);
    world.settle();
    let mut again = World::on(&["--save", ""], world.disk, world.now);
    let client = again.connect();
    assert_eq!(again.call(client, &["GET", "k"]), bulk("new"));
}

/// `shutdown-on-sigterm` and `shutdown-on-sigint` say what their signals do.
#[test]
fn each_signal_ends_the_server_as_it_is_configured() {
    let settings =
        ["--save", "3600", "1", "--shutdown-on-sigterm", "nosave", "now", "--shutdown-on-sigint", "save"];
    for (interrupts, saved) in [(false, false), (true, true)] {
        let mut world = World::new(&settings);
        let client = world.connect();
        world.call(client, &["SET", "k", "v"]);
        match interrupts {
            true => world.node.interrupt(world.now),
            false => world.node.terminate(world.now),
        }
        world.settle();
        assert_eq!(world.exit, Some(0));
        assert_eq!(world.disk.files.contains_key("dump.rdb"), saved);
    }
}

/// A disk that takes its time is seen in LATENCY, by what waited for it.
#[test]
fn a_slow_disk_is_seen_in_latency() {
    let mut world = World::new(&["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    let client = world.connect();
    world.call(client, &["CONFIG", "SET", "latency-monitor-threshold", "50"]);
    world.hold_disk = true;
    world.send(client, b"SET k v\r\n");
    world.advance(Nanos::from_millis(100));
    world.hold_disk = false;
    world.settle();
    assert_eq!(world.reply(client), Some(ok()));
    let latest = format!("{:?}", world.call(client, &["LATENCY", "LATEST"]));
    assert!(latest.contains("aof-write\"") && latest.contains("aof-write-alone"), "{latest}");
    assert!(!latest.contains("pending"), "{latest}");
}

#[test]
fn a_broken_file_stops_the_start_and_stays() {
    let mut world = World::new(&["--save", ""]);
    let client = world.connect();
    world.call(client, &["SET", "k", "v"]);
    world.call(client, &["SAVE"]);
    let whole = world.disk.files["dump.rdb"].clone();
    for cut in [1, 8, whole.len() / 2, whole.len() - 1] {
        let mut disk = MemoryDisk::default();
        disk.files.insert("dump.rdb".to_string(), whole[..cut].to_vec());
        let broken = World::on(&["--save", ""], disk, START);
        assert_eq!(broken.exit, Some(1), "cut at {cut}");
        assert!(broken.logs.iter().any(|line| line.contains("dump.rdb")), "{:?}", broken.logs);
        assert_eq!(broken.disk.files["dump.rdb"].len(), cut);
    }
}

#[test]
fn terminate_saves_where_save_points_are_set() {
    for (save, saved) in [("3600 1", true), ("", false)] {
        let words: Vec<&str> = std::iter::once("--save").chain(save.split(' ')).collect();
        let mut world = World::new(&words);
        let client = world.connect();
        world.call(client, &["SET", "k", "v"]);
        world.node.terminate(world.now);
        world.settle();
        assert_eq!(world.exit, Some(0));
        assert_eq!(world.disk.files.contains_key("dump.rdb"), saved, "save {save:?}");
    }
}

/// Supervisors tend to say it twice.
#[test]
fn a_second_signal_does_not_begin_the_save_anew() {
    let mut world = World::new(&["--save", "3600", "1"]);
    let client = world.connect();
    world.call(client, &["SET", "k", "v"]);
    world.hold_disk = true;
    world.node.terminate(world.now);
    world.settle();
    world.node.terminate(world.now);
    world.settle();
    let saves = world.logs.iter().filter(|line| line.contains("final RDB snapshot")).count();
    assert_eq!(saves, 1, "{:?}", world.logs);
    world.hold_disk = false;
    world.settle();
    assert_eq!(world.exit, Some(0));
}

#[test]
fn shutdown_that_cannot_save_is_refused() {
    let mut world = World::new(&["--save", "3600", "1"]);
    let client = world.connect();
    world.call(client, &["SET", "k", "v"]);
    world.disk.fail_at = Some(world.disk.log.len());
    assert!(matches!(world.call(client, &["SHUTDOWN"]), Value::Error(_)));
    assert_eq!(world.exit, None);
    assert_eq!(world.call(client, &["GET", "k"]), bulk("v"));
}

/// What eviction knows of a key outlasts a restart, where the policy looks at it.
#[test]
fn a_snapshot_tells_how_keys_were_used() {
    let policies = [
        ("allkeys-lru", "IDLETIME", "IDLETIME"),
        ("volatile-lfu", "FREQ", "FREQ"),
        ("noeviction", "IDLETIME", ""),
    ];
    for (policy, option, asked) in policies {
        let settings = ["--maxmemory-policy", policy, "--enable-debug-command", "yes", "--save", ""];
        let mut world = World::new(&settings);
        let client = world.connect();
        let large = "x".repeat(5_000);
        for (key, value) in [("small", "1"), ("large", large.as_str())] {
            world.call(client, &["SET", "source", value]);
            let Value::Bulk(dump) = world.call(client, &["DUMP", "source"]) else { panic!("a payload") };
            let mut request = BytesMut::new();
            let words: [&[u8]; 6] = [b"RESTORE", key.as_bytes(), b"0", &dump, option.as_bytes(), b"100"];
            encode_command(&mut request, words.into_iter());
            world.send(client, &request);
            assert_eq!(world.reply(client), Some(ok()));
        }
        assert_eq!(world.call(client, &["SAVE"]), ok());
        let mut world = World::on(&settings, world.disk.clone(), world.now);
        let client = world.connect();
        for key in ["small", "large"] {
            let told =
                world.call(client, &["OBJECT", if asked.is_empty() { "IDLETIME" } else { asked }, key]);
            let expected = if asked.is_empty() { 0 } else { 100 };
            assert_eq!(told, Value::Integer(expected), "{policy} {key}");
        }
    }
}
