//! What a million small keys cost: bytes each (with jemalloc), and nanoseconds an operation.
//!
//! `cargo run --release -p squall-store --example measure [KEYS]`
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock and its arguments")]

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use squall_clock::UnixMs;
use squall_store::rdb::{Aux, LoadOptions, Loader, Loading};
use squall_store::{Cursor, Keyspace, Partitioning, SnapshotOptions, SnapshotState};
use std::hint::black_box;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn allocated_bytes() -> usize {
    tikv_jemalloc_ctl::epoch::advance().unwrap();
    tikv_jemalloc_ctl::stats::allocated::read().unwrap()
}

/// Runs `work` on each of `count` and prints how long one took: the median of up to a thousand slices, so
/// that being interrupted by other programs does not count.
fn timed<R>(what: &str, count: usize, mut work: impl FnMut(usize) -> R) {
    let slice = count.div_ceil(1000);
    let mut times: Vec<f64> = (0..count / slice)
        .map(|number| {
            let start = Instant::now();
            (number * slice..(number + 1) * slice).for_each(|n| drop(black_box(work(n))));
            start.elapsed().as_nanos() as f64 / slice as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{what:38} {:7.1} ns", times[times.len() / 2]);
}

/// A key of sixteen bytes.
fn key(n: usize) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = n;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

fn main() {
    let keys: usize = std::env::args().nth(1).map_or(1_000_000, |count| count.parse().unwrap());
    for partitioning in [Partitioning::ByHash, Partitioning::BySlot] {
        println!("--- {keys} keys of 16 bytes with 32-byte values, {partitioning:?}");
        measure(keys, partitioning);
    }
}

fn measure(keys: usize, partitioning: Partitioning) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let order: Vec<usize> = (0..keys).map(|_| rng.next_u64() as usize % keys).collect();
    let value = [b'v'; 32];
    let before = allocated_bytes();
    let mut keyspace = Keyspace::new(1, 7, partitioning);
    timed("key only", keys, |n| key(order[n]));
    timed("set, created", keys, |n| keyspace.db_mut(0).set_string(&key(n), &value, None));
    println!("{:38} {:7.1} bytes", "a key with its value", (allocated_bytes() - before) as f64 / keys as f64);
    let db = keyspace.db_mut(0);
    timed("set, replaced, random order", keys, |n| db.set_string(&key(order[n]), &value, None));
    timed("get, random order", keys, |n| db.lookup(&key(order[n])).unwrap().string().unwrap().len());
    timed("get, in order of creation", keys, |n| db.lookup(&key(n)).unwrap().string().unwrap().len());
    timed("get, absent", keys, |n| db.lookup(&key(keys + n)).is_some());
    let hot = |n: usize| key(order[n] % 10_000);
    timed("get, 10,000 hot keys", keys, |n| db.lookup(&hot(n)).unwrap().string().unwrap().len());
    timed("set, 10,000 hot keys", keys, |n| db.set_string(&hot(n), &value, None));
    timed("random", 10_000, |_| db.random(&mut rng).unwrap().key().len());
    let mut cursor = Cursor::START;
    timed("scan, each key, 10 a call", keys, |n| {
        if n % 10 == 0 {
            cursor = db.scan(cursor, 10, |entry| {
                black_box(entry.key().len());
            });
        }
    });
    timed("expire, set", keys, |n| db.set_expire(&key(order[n]), Some(UnixMs(1_000_000))));
    timed("expire, sweep of nothing due", 1000, |_| db.expired_step(UnixMs(5), 1_000_000, |_| {}));
    timed("expire, sweep", 1, |_| db.expired_step(UnixMs(1_000_000), usize::MAX, |_| {}));

    let options =
        SnapshotOptions { compress: true, checksum: true, recency: squall_store::recency::Recency::Untold };
    keyspace.begin_snapshot(options, &Aux::default()).unwrap();
    let (mut file, mut longest) = (Vec::new(), 0);
    let start = Instant::now();
    loop {
        let step = Instant::now();
        let state = keyspace.snapshot_step(100_000);
        longest = longest.max(step.elapsed().as_micros());
        file.extend_from_slice(&keyspace.take_snapshot_bytes());
        if state == SnapshotState::Done {
            break;
        }
    }
    while keyspace.snapshot_running() {
        file.extend_from_slice(&keyspace.take_snapshot_bytes());
    }
    let per_key = start.elapsed().as_nanos() as f64 / keys as f64;
    println!("{:38} {per_key:7.1} ns (longest step of 100 KB: {longest} us)", "snapshot, each key");
    let mut loaded = Keyspace::new(1, 8, partitioning);
    let mut input = bytes::BytesMut::from(&file[..]);
    let start = Instant::now();
    let mut loader = Loader::new(LoadOptions {
        drop_expired_at: None,
        verify_checksum: true,
        recency: squall_store::recency::Recency::Untold,
    });
    assert!(matches!(loader.feed(&mut input, &mut loaded), Ok(Loading::Done(_))));
    println!("{:38} {:7.1} ns", "load, each key", start.elapsed().as_nanos() as f64 / keys as f64);
    timed("remove, random order", keys, |n| loaded.db_mut(0).remove(&key(order[n])).is_some());
    let mut discarded = keyspace.flush(0);
    timed("flush", 1, |_| discarded.free_step(usize::MAX));
}
