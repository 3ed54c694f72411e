//! redis-py, the usual client of Python, put through its paces by `redis_py.py`, and by `redis_py_messages.py`
//! where several clients have to do with each other.

use std::process::Command;

use crate::harness::{Server, words};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/redis_py.py");
const MESSAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/redis_py_messages.py");

#[test]
fn redis_py_works_as_its_users_expect() {
    let Some(python) = python_with_redis() else {
        eprintln!("skipped: no python3 with the redis package");
        return;
    };
    let server = Server::squall(&[]);
    let said = words(python, &[SCRIPT, &server.port().to_string()], b"");
    assert!(said.ends_with("all is well\n"), "{said}");
}

#[test]
fn messages_queues_and_streams_connect_clients() {
    let Some(python) = python_with_redis() else {
        eprintln!("skipped: no python3 with the redis package");
        return;
    };
    let server = Server::squall(&[]);
    let said = words(python, &[MESSAGES, &server.port().to_string()], b"");
    assert!(said.ends_with("all is well\n"), "{said}");
}

/// The first Python of the PATH may be one without the package that the system's has.
pub fn python_with_redis() -> Option<&'static str> {
    let has_redis = |python: &&str| {
        let output = Command::new(python).args(["-c", "import redis"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    ["python3", "/usr/bin/python3"].into_iter().find(has_redis)
}
