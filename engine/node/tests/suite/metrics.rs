//! The page for Prometheus: that it can be read, that it says what INFO says, and what it refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IoSlice;

use bytes::BytesMut;
use squall_clock::Nanos;
use squall_node::LinkId;

use crate::common::World;

fn send(world: &mut World, id: LinkId, text: &str) -> String {
    world.node.link_data(id, &mut BytesMut::from(text.as_bytes()), world.now);
    let mut answer = String::new();
    loop {
        let mut slices = [IoSlice::new(&[]); 4];
        let filled = world.node.link_output_slices(id, &mut slices);
        let part: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
        if part.is_empty() {
            return answer;
        }
        answer.push_str(std::str::from_utf8(&part).expect("text"));
        world.node.link_output_written(id, part.len(), world.now);
        world.settle();
    }
}

fn page(world: &mut World) -> String {
    let id = world.node.metrics_accepted(world.now);
    let answer = send(world, id, "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    body.to_owned()
}

/// Reads the page as strictly as the format is described: each family once and in one piece, with its type
/// before its samples, no sample twice, each value a number.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut families = BTreeSet::new();
    let mut family = (String::new(), String::new());
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("# TYPE ") {
            let (name, kind) = heading.split_once(' ').expect("a name and a type");
            assert!(["counter", "gauge", "histogram", "summary"].contains(&kind), "{line}");
            assert!(families.insert(name.to_owned()), "{name} comes twice");
            family = (name.to_owned(), kind.to_owned());
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a sample and its value");
        let name = sample.split('{').next().expect("a name");
        let suffixes: &[&str] = match family.1.as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            "summary" => &["", "_sum", "_count"],
            _ => &[""],
        };
        assert!(suffixes.iter().any(|suffix| name == format!("{}{suffix}", family.0)), "{line}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        assert!(samples.insert(sample.to_owned(), value).is_none(), "twice: {line}");
    }
    samples
}

#[test]
fn the_page_has_the_names_that_dashboards_use() {
    let mut world = World::new(&["--maxmemory", "100mb"]);
    let client = world.connect();
    world.call(client, &["SET", "a", "1"]);
    world.call(client, &["SET", "b", "1", "EX", "100"]);
    world.call(client, &["GET", "a"]);
    world.call(client, &["GET", "missing"]);
    world.call(client, &["LPUSH", "a", "1"]);
    let samples = samples(&page(&mut world));
    let expected = [
        ("redis_up", 1.0),
        ("redis_connected_clients", 1.0),
        ("redis_memory_max_bytes", 104857600.0),
        ("redis_db_keys{db=\"db0\"}", 2.0),
        ("redis_db_keys_expiring{db=\"db0\"}", 1.0),
        ("redis_commands_total{cmd=\"set\"}", 2.0),
        ("redis_commands_failed_calls_total{cmd=\"lpush\"}", 1.0),
        ("redis_errors_total{err=\"WRONGTYPE\"}", 1.0),
        ("redis_keyspace_hits_total", 1.0),
        ("redis_keyspace_misses_total", 1.0),
        ("redis_connected_slaves", 0.0),
        ("redis_rdb_last_bgsave_status", 1.0),
        ("redis_slowlog_length", 0.0),
        ("redis_cluster_connections", 0.0),
        ("redis_mem_cluster_links_bytes", 0.0),
        ("redis_mem_aof_buffer_bytes", 0.0),
    ];
    for (name, value) in expected {
        assert_eq!(samples.get(name), Some(&value), "{name}");
    }
    assert!(samples.get("redis_memory_used_bytes").is_some_and(|bytes| *bytes > 0.0));
    let instance = samples.keys().find(|name| name.starts_with("redis_instance_info{")).expect("it is there");
    assert!(instance.contains("role=\"master\""), "{instance}");
}

#[test]
fn each_replicas_lag_is_on_the_page() {
    let mut world = World::new(&["--repl-diskless-sync-delay", "0"]);
    let replica = world.connect();
    world.call(replica, &["REPLCONF", "listening-port", "7001"]);
    world.send(replica, b"PSYNC ? -1\r\n");
    world.advance(Nanos::from_secs(2));
    let samples = samples(&page(&mut world));
    for name in [
        "redis_connected_slave_lag_seconds",
        "redis_connected_slave_offset_bytes",
        "squall_replica_lag_bytes",
        "squall_replica_lag_commands",
        "squall_replica_lag_milliseconds",
    ] {
        let of_replica = |sample: &&String| {
            sample.starts_with(&format!("{name}{{")) && sample.contains("slave_port=\"7001\"")
        };
        assert!(samples.keys().any(|sample| of_replica(&sample)), "{name} in {samples:?}");
    }
}

#[test]
fn a_connection_is_kept_until_it_is_misused_or_silent() {
    let mut world = World::new(&[]);
    let id = world.node.metrics_accepted(world.now);
    let mut half = BytesMut::from("GET /metrics HTTP/1.1\r\n");
    world.node.link_data(id, &mut half, world.now);
    assert_eq!(half.len(), 23, "the rest is waited for");
    assert!(send(&mut world, id, "GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
    assert!(send(&mut world, id, "GET /other HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    assert!(send(&mut world, id, "SET a b\r\n\r\n").starts_with("HTTP/1.1 400 "));
    // Nobody is there any more.
    assert_eq!(send(&mut world, id, "GET /metrics HTTP/1.1\r\n\r\n"), "");

    let silent = world.node.metrics_accepted(world.now);
    world.advance(Nanos::from_secs(121));
    assert_eq!(send(&mut world, silent, "GET /metrics HTTP/1.1\r\n\r\n"), "");

    // One too many finds no place.
    let readers: Vec<LinkId> = (0..17).map(|_| world.node.metrics_accepted(world.now)).collect();
    let answered = |world: &mut World, id| !send(world, id, "HEAD /metrics HTTP/1.1\r\n\r\n").is_empty();
    let outcomes: Vec<bool> = readers.into_iter().map(|id| answered(&mut world, id)).collect();
    assert_eq!(outcomes, [vec![true; 16], vec![false]].concat());
}
