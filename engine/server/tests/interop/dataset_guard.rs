//! Datasets that are not lost for the sake of a primary that has lost its own: between this server and redis-server,
//! which names no lineage and has no such guard.

use squall_resp::Value;

use crate::dataset::await_equal;
use crate::harness::Program::{Redis, Squall};
use crate::harness::{Program, Server, eventually, installed};
use crate::proxy::Proxy;

const KEYS: i64 = 50;

/// A primary with data behind an address that can be led elsewhere, and a replica that has them.
fn pair(primary: Program, replica: Program) -> (Server, Proxy, Server) {
    let first = Server::start(primary, &[]);
    let mut client = first.client();
    for number in 0..KEYS {
        client.done(&["SET", &format!("key:{number}"), "v"]);
    }
    let address = Proxy::to(&first);
    let second = Server::start(replica, &[]);
    second.client().done(&["REPLICAOF", "127.0.0.1", &address.port().to_string()]);
    await_equal(&first, &second);
    (first, address, second)
}

fn keys(server: &Server) -> Value {
    server.client().ask(&["DBSIZE"])
}

fn link_is_up(server: &Server) -> bool {
    server.info("master_link_status") == "up"
}

#[test]
fn a_redis_that_comes_back_empty_wipes_nobody() {
    if !installed("redis-server") {
        return;
    }
    let (first, address, second) = pair(Redis, Squall);
    first.signal("KILL");
    drop(first);
    let reborn = Server::start(Redis, &[]);
    address.lead_to(&reborn);
    eventually("its dataset is refused", || second.info("master_dataset_refused") == "1");
    assert_eq!(keys(&second), Value::Integer(KEYS));
    assert!(second.log_text().contains("it has no key, and a history of its own"), "{}", second.log_text());
    // An operator who means it says so.
    second.client().ask(&["REPLICAOF", "127.0.0.1", &address.port().to_string()]);
    eventually("it is followed", || link_is_up(&second) && keys(&second) == Value::Integer(0));
}

#[test]
fn a_redis_that_comes_back_with_its_data_is_followed() {
    if !installed("redis-server") {
        return;
    }
    let (first, address, second) = pair(Redis, Squall);
    first.client().done(&["SAVE"]);
    let files = first.directory();
    first.signal("KILL");
    drop(first);
    let again = Server::start_in(&files, Redis, &[]);
    again.client().done(&["SET", "after", "1"]);
    address.lead_to(&again);
    eventually("it is followed", || link_is_up(&second));
    await_equal(&again, &second);
    assert_eq!(second.info("master_dataset_refused"), "0");
}

/// A redis-server that we promoted, having had the data from us, gives it back without naming it.
#[test]
fn a_dataset_that_comes_back_from_redis_is_known() {
    if !installed("redis-server") {
        return;
    }
    let (first, _address, second) = pair(Squall, Redis);
    second.client().done(&["REPLICAOF", "NO", "ONE"]);
    second.client().done(&["SET", "after", "1"]);
    // With another history, too, so that all of the dataset has to travel.
    second.client().done(&["DEBUG", "CHANGE-REPL-ID"]);
    let files = first.directory();
    first.client().done(&["SAVE"]);
    drop(first);
    let port = second.port().to_string();
    let back = Server::start_in(&files, Squall, &["--replicaof", "127.0.0.1", &port]);
    await_equal(&second, &back);
    assert_eq!(back.info("master_dataset_refused"), "0");
}

/// A replica that is a redis-server does what it always did; what our files say beside does not disturb it.
#[test]
fn a_redis_replica_takes_whatever_its_primary_has() {
    if !installed("redis-server") {
        return;
    }
    let (first, address, second) = pair(Squall, Redis);
    let files = first.directory();
    drop(first);
    let reborn = Server::start_in(&files, Squall, &[]);
    address.lead_to(&reborn);
    eventually("it is emptied", || link_is_up(&second) && keys(&second) == Value::Integer(0));
    // Between two of ours it would not have been.
    let (first, address, second) = pair(Squall, Squall);
    drop(first);
    address.lead_to(&reborn);
    eventually("the dataset is refused", || second.info("master_dataset_refused") == "1");
    assert_eq!(keys(&second), Value::Integer(KEYS));
}
