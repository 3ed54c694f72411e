//! When the append-only file is synced, rewritten and not trusted: what `appendfsync`, `no-appendfsync-on-rewrite`
//! and `auto-aof-rewrite-*` promise, on a disk that is slow or fails.

use squall_clock::Nanos;
use squall_node::Lane;
use squall_resp::Value;

use crate::common::{MemoryDisk, START, World, bulk, ok};

fn millis(count: u64) -> Nanos {
    Nanos::from_millis(count)
}

/// A node whose log is on, with a client.
fn logged(settings: &[&str]) -> (World, squall_node::ClientId) {
    let mut world = World::new(&[&["--save", "", "--appendonly", "yes"], settings].concat());
    world.advance(millis(1_500));
    let client = world.connect();
    (world, client)
}

fn manifest(disk: &MemoryDisk) -> String {
    String::from_utf8_lossy(&disk.files["appendonlydir/appendonly.aof.manifest"]).into_owned()
}

/// Under everysec, replies do not wait for a sync; but what comes after one that takes longer than two seconds
/// waits, so that no more than that can be lost.
#[test]
fn a_sync_that_takes_too_long_holds_up_what_follows() {
    let (mut world, client) = logged(&["--appendfsync", "everysec"]);
    world.held = vec![Lane::LogSync];
    assert_eq!(world.call(client, &["SET", "k", "1"]), ok());
    world.advance(millis(1_900));
    assert_eq!(world.try_call(client, &["SET", "k", "2"]), Some(ok()), "a slow sync alone holds nobody up");
    assert_eq!(world.info(client, "aof_pending_bio_fsync"), "1");
    assert_eq!(world.info(client, "aof_delayed_fsync"), "0");
    world.advance(millis(1_200));
    assert_eq!(world.try_call(client, &["SET", "k", "3"]), None);
    world.advance(Nanos::from_secs(20));
    assert_eq!(world.reply(client), None, "however long it takes");
    world.held.clear();
    world.settle();
    assert_eq!(world.reply(client), Some(ok()));
    assert_eq!(world.info(client, "aof_delayed_fsync"), "1");
    assert_eq!(world.call(client, &["SET", "k", "4"]), ok());
}

/// With `appendfsync no` the system syncs when it likes.
#[test]
fn without_syncs_nothing_is_held_up() {
    let (mut world, client) = logged(&["--appendfsync", "no"]);
    world.held = vec![Lane::LogSync];
    for _ in 0..5 {
        world.advance(Nanos::from_secs(2));
        assert_eq!(world.call(client, &["SET", "k", "1"]), ok());
    }
    assert_eq!(world.info(client, "aof_pending_bio_fsync"), "0");
}

/// While a snapshot is written, the disk has enough to do: with `no-appendfsync-on-rewrite` the log waits with its
/// syncs, and replies wait for the write alone.
#[test]
fn a_snapshot_suspends_syncs_where_that_is_wished() {
    for suspends in ["yes", "no"] {
        let (mut world, client) =
            logged(&["--appendfsync", "always", "--no-appendfsync-on-rewrite", suspends]);
        world.call(client, &["SET", "k", "0"]);
        world.held = vec![Lane::Snapshot, Lane::LogSync];
        let answer = world.call(client, &["BGSAVE"]);
        assert_eq!(answer, Value::Simple("Background saving started".into()));
        let answer = world.try_call(client, &["SET", "k", "1"]);
        assert_eq!(answer, (suspends == "yes").then(ok), "{suspends}");
        // When the snapshot is done, `always` means always again.
        world.held = vec![Lane::LogSync];
        world.advance(millis(200));
        world.held.clear();
        world.settle();
        world.received(client);
        world.held = vec![Lane::LogSync];
        assert_eq!(world.try_call(client, &["SET", "k", "2"]), None, "{suspends}");
    }
}

/// `auto-aof-rewrite-percentage` and `auto-aof-rewrite-min-size`: the log is written anew when it has grown by so
/// much since the last time, and is large enough to bother.
#[test]
fn a_log_that_has_outgrown_its_base_is_rewritten() {
    let (mut world, client) =
        logged(&["--auto-aof-rewrite-percentage", "100", "--auto-aof-rewrite-min-size", "10kb"]);
    let write = |world: &mut World, kilobytes: usize| {
        for _ in 0..kilobytes {
            world.call(client, &["SET", "k", &"x".repeat(1_000)]);
        }
        world.advance(Nanos::from_secs(3));
        world.info(client, "aof_rewrites").parse::<u64>().expect("a number")
    };
    let begun = write(&mut world, 0);
    assert_eq!(write(&mut world, 8), begun, "it is still small");
    assert_eq!(write(&mut world, 4), begun + 1);
    let base: u64 = world.info(client, "aof_base_size").parse().expect("a number");
    assert!(base < 4_000, "one key is left in it: {base}");
    assert_eq!(write(&mut world, 5), begun + 1, "it has grown by more than its base, and is small");
    assert_eq!(write(&mut world, 7), begun + 2);
    assert_eq!(world.call(client, &["CONFIG", "SET", "auto-aof-rewrite-percentage", "0"]), ok());
    assert_eq!(write(&mut world, 100), begun + 2, "a percentage of zero means never");
    assert_eq!(world.call(client, &["CONFIG", "SET", "auto-aof-rewrite-percentage", "100"]), ok());
    assert_eq!(write(&mut world, 0), begun + 3);
}

/// What a failed sync was for may be gone, and no later sync would say so: nothing is taken until all of the dataset
/// is in another base.
#[test]
fn a_failed_sync_is_healed_by_another_base() {
    let (mut world, client) = logged(&["--appendfsync", "everysec"]);
    world.held = vec![Lane::LogSync, Lane::Meta, Lane::Snapshot];
    assert_eq!(world.call(client, &["SET", "k", "1"]), ok());
    world.disk.fail_at = Some(world.disk.log.len());
    assert!(world.perform_one(Lane::LogSync));
    assert!(world.logs.iter().any(|line| line.contains("Syncing the append-only file appendonlydir/")));
    let answer = world.call(client, &["SET", "k", "2"]);
    assert!(matches!(&answer, Value::Error(line) if line.starts_with("MISCONF ")), "{answer:?}");
    assert_eq!(world.info(client, "aof_last_write_status"), "err");
    assert_eq!(world.call(client, &["GET", "k"]), bulk("1"), "reads go on");

    world.held.clear();
    world.advance(Nanos::from_secs(2));
    assert_eq!(world.info(client, "aof_last_write_status"), "ok");
    assert_eq!(world.call(client, &["SET", "k", "3"]), ok());
    assert!(manifest(&world.disk).contains("base.rdb seq 2"), "{}", manifest(&world.disk));
    world.advance(Nanos::from_secs(2));
    let mut again = World::on(&["--save", "", "--appendonly", "yes"], world.disk, world.now);
    let client = again.connect();
    assert_eq!(again.call(client, &["GET", "k"]), bulk("3"));
}

/// Under always a failed sync ends the process: nothing was promised that it could not keep.
#[test]
fn a_failed_sync_ends_a_server_that_promised_each_one() {
    let (mut world, client) = logged(&["--appendfsync", "always"]);
    world.held = vec![Lane::LogSync];
    assert_eq!(world.try_call(client, &["SET", "k", "1"]), None);
    world.disk.fail_at = Some(world.disk.log.len());
    assert!(world.perform_one(Lane::LogSync));
    assert_eq!(world.exit, Some(1));
    assert_eq!(world.reply(client), None);
}

/// `aof-timestamp-enabled`: a line before the first command of each second, which a load passes over.
#[test]
fn timestamps_are_noted_once_a_second() {
    let settings = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
    let stamped = [&settings[..], &["--aof-timestamp-enabled", "yes"]].concat();
    let mut world = World::on(&stamped, MemoryDisk::default(), START);
    let client = world.connect();
    for value in ["1", "2"] {
        world.call(client, &["SET", "k", value]);
    }
    world.advance(Nanos::from_secs(1));
    world.call(client, &["SET", "k", "3"]);
    let log = &world.disk.files["appendonlydir/appendonly.aof.1.incr.aof"];
    let log = String::from_utf8_lossy(log).into_owned();
    let stamps: Vec<&str> = log.lines().filter(|line| line.starts_with("#TS:")).collect();
    assert_eq!(stamps, ["#TS:1700000000", "#TS:1700000001"]);
    let mut again = World::on(&settings, world.disk, world.now);
    let client = again.connect();
    assert_eq!(again.call(client, &["GET", "k"]), bulk("3"));
}
