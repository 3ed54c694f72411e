//! What lists, sets, sorted sets and hashes cost: bytes an element (with jemalloc), as many small keys and as one large one, and
//! nanoseconds an operation.
//!
//! `cargo run --release -p squall-store --example measure_collections [ELEMENTS]`
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock and its arguments")]

use squall_store::{Collection, End, Hash, Keyspace, Limits, List, Partitioning, Set, ZSet};
use std::hint::black_box;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How many elements each small collection holds.
const SMALL: usize = 10;

fn allocated_bytes() -> usize {
    tikv_jemalloc_ctl::epoch::advance().unwrap();
    tikv_jemalloc_ctl::stats::allocated::read().unwrap()
}

/// Puts element `n` into the collection under `key`, which is created if it is missing.
fn put<T: Collection>(keyspace: &mut Keyspace, key: &[u8], n: usize, put: fn(&mut T, &[u8], &Limits)) {
    let element = format!("element:{:09}", n.wrapping_mul(7919) % 1_000_000_000);
    let (db, limits) = keyspace.db_and_limits(0);
    let Some(mut entry) = db.lookup_mut(key) else {
        let mut value = T::default();
        put(&mut value, element.as_bytes(), limits);
        db.insert(key, value.into_value(), None);
        return;
    };
    entry.edit(|collection: &mut T| put(collection, element.as_bytes(), limits)).unwrap();
}

fn measure<T: Collection>(name: &str, elements: usize, add: fn(&mut T, &[u8], &Limits)) {
    let mut keyspace = Keyspace::new(1, 7, Partitioning::ByHash);
    for (what, keys) in [("small", elements / SMALL), ("large", 1)] {
        let (before, start) = (allocated_bytes(), Instant::now());
        for n in 0..elements {
            put::<T>(&mut keyspace, format!("{what}:{:010}", n % keys).as_bytes(), n, add);
        }
        let ns = start.elapsed().as_nanos() as f64 / elements as f64;
        let bytes = allocated_bytes() - before;
        let per = bytes as f64 / if keys == 1 { elements } else { keys } as f64;
        let unit = if keys == 1 { "element" } else { "key" };
        println!("{name:6} {what}: {ns:7.1} ns to add one, {per:7.1} bytes a {unit}");
    }
    let start = Instant::now();
    let frozen = keyspace.db(0).lookup(format!("large:{:010}", 0).as_bytes()).unwrap().duplicate_value();
    println!("{name:6} large: {:7.1} us to freeze", start.elapsed().as_nanos() as f64 / 1000.0);
    drop(black_box(frozen));
}

fn main() {
    let elements: usize = std::env::args().nth(1).map_or(1_000_000, |count| count.parse().unwrap());
    measure::<List>("list", elements, |list, element, limits| list.push(End::Head, element, limits));
    measure::<Set>("set", elements, |set, element, limits| {
        black_box(set.add(element, limits));
    });
    measure::<ZSet>("zset", elements, |zset, element, limits| {
        let score =
            element.iter().fold(0u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(*byte)));
        black_box(zset.insert(element, f64::from(score), limits));
    });
    measure::<Hash>("hash", elements, |hash, element, limits| {
        black_box(hash.set(element, b"value:0123456789", limits));
    });
}
