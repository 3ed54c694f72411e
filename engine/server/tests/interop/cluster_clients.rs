//! The cluster clients that people use, over a primary that is killed while they write: redis-py's RedisCluster and
//! ioredis's Cluster.

use crate::cluster::Nodes;
use crate::harness::{Program, installed, words};
use crate::ioredis::ioredis_path;
use crate::redis_py::python_with_redis;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/cluster_redis_py.py");
const JAVASCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/cluster_ioredis.js");

#[test]
fn redis_py_writes_on_while_a_primary_is_killed() {
    let Some(python) = python_with_redis().filter(|_| installed("redis-cli")) else {
        eprintln!("skipped: no python3 with the redis package");
        return;
    };
    writes_on(&[python, PYTHON]);
}

#[test]
fn ioredis_writes_on_while_a_primary_is_killed() {
    let Some(path) = ioredis_path().filter(|_| installed("redis-cli")) else {
        eprintln!("skipped: no node with the ioredis package");
        return;
    };
    writes_on(&["env", &path, "node", JAVASCRIPT]);
}

/// The script is told a port of the cluster, and the process that it shall kill.
fn writes_on(script: &[&str]) {
    let nodes = Nodes::create([Program::Squall; 6]);
    let (port, victim) = (nodes.servers[1].port().to_string(), nodes.servers[0].process_id().to_string());
    let said = words(script[0], &[&script[1..], &[&port, &victim]].concat(), b"");
    println!("{said}");
    assert!(said.ends_with("all is well\n"), "{said}");
}
