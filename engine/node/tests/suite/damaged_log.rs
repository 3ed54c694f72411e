//! A log that was cut short or changed anywhere: the server comes up with what was logged, or with a beginning
//! of it where the end is torn, or it does not come up, says which file and which byte, and changes nothing.

use crate::common::{MemoryDisk, START, World, ok};
use squall_resp::Value;

const ON: &[&str] = &["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
const STRICT: &[&str] = &["--save", "", "--appendonly", "yes", "--aof-load-truncated", "no"];
const INCREMENT: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";
const COUNTS: i64 = 12;

/// A log of transactions that each count two keys up.
fn logged(settings: &[&str]) -> MemoryDisk {
    let mut world = World::new(settings);
    let client = world.connect();
    for _ in 0..COUNTS {
        world.send(client, b"MULTI\r\nINCR one\r\nINCR other\r\nEXEC\r\n");
    }
    world.disk
}

/// The same of one that had been told to follow somebody, and had never had anybody's dataset.
fn logged_by_a_former_replica(settings: &[&str]) -> MemoryDisk {
    let mut world = World::new(&[settings, &["--replicaof", "127.0.0.1", "1"]].concat());
    let client = world.connect();
    assert_eq!(world.call(client, &["REPLICAOF", "NO", "ONE"]), ok());
    for _ in 0..COUNTS {
        world.send(client, b"MULTI\r\nINCR one\r\nINCR other\r\nEXEC\r\n");
    }
    world.disk
}

fn with(disk: &MemoryDisk, path: &str, content: Vec<u8>) -> MemoryDisk {
    let mut changed = disk.clone();
    changed.files.insert(path.to_owned(), content);
    changed
}

/// What a server finds: the count, or the words with which it refuses to start.
fn found(settings: &[&str], disk: MemoryDisk) -> (Result<i64, String>, MemoryDisk) {
    let mut world = World::on(settings, disk, START);
    if world.exit.is_some() {
        return (Err(world.logs.join("\n")), world.disk);
    }
    let client = world.connect();
    let counts = ["one", "other"].map(|key| match world.call(client, &["GET", key]) {
        Value::Bulk(digits) => String::from_utf8_lossy(&digits).parse().expect("a number"),
        Value::Null => 0,
        other => panic!("{other:?}"),
    });
    assert_eq!(counts[0], counts[1], "half a transaction");
    (Ok(counts[0]), world.disk)
}

fn refused(words: &str, path: &str) {
    assert!(words.contains(path) && words.contains("at byte"), "{words}");
}

#[test]
fn cut_anywhere_it_is_a_prefix() {
    let without_preamble = [ON, &["--aof-use-rdb-preamble", "no"]].concat();
    prefixes(ON, &logged(ON));
    prefixes(ON, &logged_by_a_former_replica(ON));
    prefixes(&without_preamble, &logged_by_a_former_replica(&without_preamble));
}

fn prefixes(settings: &[&str], disk: &MemoryDisk) {
    let whole = disk.files[INCREMENT].clone();
    let mut last = 0;
    for len in 0..=whole.len() {
        let cut = with(disk, INCREMENT, whole[..len].to_vec());
        let (count, left) = found(settings, cut.clone());
        let count = count.unwrap_or_else(|words| panic!("cut at {len}: {words}"));
        assert!(count == last || count == last + 1, "cut at {len}: {count} after {last}");
        last = count;
        let (again, _) = found(settings, left);
        assert_eq!(again, Ok(count), "cut at {len}: what was repaired stays repaired");
        if let (Err(words), left) = found(STRICT, cut.clone()) {
            refused(&words, INCREMENT);
            assert_eq!(left.files, cut.files, "cut at {len}");
        }
    }
    assert_eq!(last, COUNTS);
}

/// One changed bit is refused, but where it makes the end look torn, or changes nothing.
#[test]
fn a_flipped_bit_is_no_surprise() {
    let disk = logged(ON);
    let whole = disk.files[INCREMENT].clone();
    let mut refusals = 0;
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let flipped = with(&disk, INCREMENT, bytes);
        match found(ON, flipped.clone()) {
            (Ok(count), _) => {
                let at_end = bit / 8 + 200 >= whole.len();
                assert!(count == COUNTS || (count == COUNTS - 1 && at_end), "bit {bit}: {count}");
            }
            (Err(words), left) => {
                refused(&words, INCREMENT);
                assert_eq!(left.files, flipped.files, "bit {bit}");
                refusals += 1;
            }
        }
    }
    assert!(refusals > whole.len() * 6, "{refusals} of {}", whole.len() * 8);
}

/// A loss of power takes any part of what was not synced, and leaves whole groups behind the hole.
#[test]
fn a_hole_in_what_was_not_synced_is_the_end() {
    let unsynced = ["--save", "", "--appendonly", "yes", "--appendfsync", "no"];
    let disk = logged(&unsynced);
    let whole = disk.files[INCREMENT].clone();
    for (start, filling) in (0..whole.len()).flat_map(|start| [(start, [0, 0]), (start, [0xff, 7])]) {
        let mut holed = whole.clone();
        let end = (start + 40).min(whole.len());
        holed[start..end].iter_mut().zip(filling.iter().cycle()).for_each(|(byte, &to)| *byte = to);
        let (count, left) = found(&unsynced, with(&disk, INCREMENT, holed));
        let count = count.unwrap_or_else(|words| panic!("a hole at {start}: {words}"));
        let before = COUNTS * start as i64 / whole.len() as i64;
        assert!((before - 1..=before + 1).contains(&count), "a hole at {start}: {count}");
        assert_eq!(found(&unsynced, left).0, Ok(count), "a hole at {start}: it stays repaired");
    }
}

/// What is behind a group that tells of more synced bytes is not the end.
#[test]
fn a_hole_in_what_was_synced_is_refused() {
    let disk = logged(ON);
    let whole = disk.files[INCREMENT].clone();
    for start in 0..whole.len() * (COUNTS as usize - 1) / COUNTS as usize - 60 {
        let mut holed = whole.clone();
        holed[start..start + 40].fill(0);
        let holed = with(&disk, INCREMENT, holed);
        let (count, left) = found(ON, holed.clone());
        let words = count.expect_err("a hole in what was synced");
        refused(&words, INCREMENT);
        assert_eq!(left.files, holed.files, "a hole at {start}");
    }
}

#[test]
fn garbage_behind_what_was_synced_is_cut_off() {
    let disk = logged(ON);
    let whole = disk.files[INCREMENT].clone();
    for garbage in [b"\x07\xffgarbage".as_slice(), b"\x07\n*1\r\n$4\r\nPING\r\n", &[0; 9_000]] {
        let garbage = with(&disk, INCREMENT, [&whole[..], garbage].concat());
        refused(&found(STRICT, garbage.clone()).0.unwrap_err(), INCREMENT);
        let (count, left) = found(ON, garbage);
        assert_eq!(count, Ok(COUNTS));
        assert_eq!(left.files[INCREMENT], whole);
    }
}

/// A log of others does not tell what of it was synced.
#[test]
fn in_a_log_of_others_garbage_is_cut_off_only_where_that_is_wished_and_nothing_follows() {
    let others = |garbage: &[u8]| {
        let mut disk = MemoryDisk::default();
        let log = [b"*2\r\n$4\r\nINCR\r\n$3\r\none\r\n*2\r\n$4\r\nINCR\r\n$5\r\nother\r\n", garbage].concat();
        disk.files.insert("appendonly.aof".to_owned(), log);
        disk
    };
    let lenient = [ON, &["--aof-load-corrupt-tail-max-size", "200"]].concat();
    let file = "appendonly.aof";
    refused(&found(ON, others(b"\x07\xffgarbage")).0.unwrap_err(), file);
    assert_eq!(found(&lenient, others(b"\x07\xffgarbage")).0, Ok(1));
    // Zeros are what a loss of power leaves.
    assert_eq!(found(ON, others(&[0; 9_000])).0, Ok(1));
    // More than is wished, or something behind it: that is no end.
    refused(&found(&lenient, others(&[7; 201])).0.unwrap_err(), file);
    refused(&found(&lenient, others(b"\x07\n*1\r\n$4\r\nPING\r\n")).0.unwrap_err(), file);
}

#[test]
fn a_manifest_that_cannot_be_followed_is_told() {
    let disk = logged(ON);
    let mut missing = disk.clone();
    missing.files.remove("appendonlydir/appendonly.aof.1.base.rdb");
    let words = found(ON, missing).0.unwrap_err();
    assert!(words.contains("appendonly.aof.1.base.rdb") && words.contains("No such file"), "{words}");
    let words = found(ON, with(&disk, MANIFEST, b"file x seq 1 type q\n".to_vec())).0.unwrap_err();
    assert!(words.contains(MANIFEST) && words.contains("line 1"), "{words}");
    // Damage in a file that another follows is none of its end.
    let named = [&disk.files[MANIFEST][..], b"file second seq 2 type i\n"].concat();
    let mut torn = with(&disk, MANIFEST, named);
    let len = torn.files[INCREMENT].len();
    torn.files.get_mut(INCREMENT).expect("the log").truncate(len - 50);
    torn.files.insert("appendonlydir/second".to_owned(), b"*2\r\n$4\r\nINCR\r\n$3\r\none\r\n".to_vec());
    refused(&found(ON, torn.clone()).0.unwrap_err(), INCREMENT);
    torn.files.insert("appendonlydir/second".to_owned(), Vec::new());
    assert_eq!(found(ON, torn).0, Ok(COUNTS - 1), "nothing has followed yet");
}

#[test]
fn a_single_file_of_old_becomes_the_base() {
    let mut disk = MemoryDisk::default();
    disk.files.insert("appendonly.aof".to_owned(), b"*3\r\n$3\r\nSET\r\n$3\r\none\r\n$1\r\n5\r\n".to_vec());
    let mut world = World::on(ON, disk, START);
    let client = world.connect();
    assert_eq!(world.call(client, &["INCR", "one"]), Value::Integer(6));
    assert!(world.disk.files.contains_key("appendonlydir/appendonly.aof"), "{:?}", world.disk.files.keys());
    let mut again = World::on(ON, world.disk, START);
    let client = again.connect();
    assert_eq!(again.call(client, &["GET", "one"]), crate::common::bulk("6"));
}
