//! A replica does not give up the data that it holds for a stranger's, unless an operator wants it to.

use crate::mesh::{A, B, C, Mesh, assert_in_step, pair, port, seconds};
use squall_clock::Nanos;
use squall_resp::Value;

/// A primary without persistence is restarted by its supervisor, comes back empty under its old address, and
/// takes writes before its replica is there again. The replica would have been emptied for it.
#[test]
fn an_empty_restarted_primary_does_not_wipe_its_replica() {
    let mut mesh = pair(&[]);
    mesh.call(A, &["SET", "k", "v"]);
    mesh.run(seconds(1));
    mesh.restart(A, &[]);
    mesh.call(A, &["SET", "few", "writes"]);
    mesh.run(seconds(30));
    assert_eq!(mesh.call(B, &["GET", "k"]), Value::Bulk("v".into()));
    assert_eq!(mesh.info(B, "master_dataset_refused"), "1");
    assert_eq!(mesh.info(B, "master_link_status"), "down");
    assert!(mesh.has_logged(B, "I keep my 2 keys"));
    // The word of an operator: the same order again.
    mesh.replica_of_again(B, A);
    mesh.run(seconds(2));
    assert_in_step(&mut mesh, &[A, B]);
    assert_eq!(mesh.info(B, "master_dataset_refused"), "0");
    // It was for once.
    mesh.restart(A, &[]);
    mesh.run(seconds(30));
    assert_eq!(mesh.call(B, &["GET", "few"]), Value::Bulk("writes".into()));
    // The other way out.
    assert_eq!(mesh.text(B, &["REPLICAOF", "NO", "ONE"]), "OK");
    mesh.replica_of(A, B);
    mesh.run(seconds(2));
    assert_in_step(&mut mesh, &[A, B]);
}

#[test]
fn whoever_does_not_want_the_guard_says_so() {
    let mut mesh = pair(&["--replica-keep-dataset", "no"]);
    mesh.restart(A, &[]);
    mesh.run(seconds(5));
    assert_in_step(&mut mesh, &[A, B]);
    assert_eq!(mesh.text(B, &["DBSIZE"]), "0");
}

/// What is the same dataset goes on without a question: a restart from a file, a promotion, FLUSHALL.
#[test]
fn the_same_dataset_is_always_welcome() {
    let mut mesh = Mesh::of(3, &[]);
    mesh.call(A, &["SET", "k", "v"]);
    mesh.replica_of(B, A);
    mesh.replica_of(C, A);
    mesh.run(seconds(2));
    mesh.call(A, &["SAVE"]);
    mesh.call(A, &["SET", "k", "later"]);
    mesh.run(seconds(1));
    mesh.restart(A, &[]);
    mesh.run(seconds(5));
    assert_in_step(&mut mesh, &[A, B, C]);
    assert_eq!(mesh.call(C, &["GET", "k"]), Value::Bulk("v".into()), "what the file had");

    mesh.call(B, &["REPLICAOF", "NO", "ONE"]);
    mesh.call(B, &["DEBUG", "CHANGE-REPL-ID"]);
    mesh.call(B, &["FLUSHALL"]);
    mesh.replica_of(C, B);
    mesh.run(seconds(5));
    assert_in_step(&mut mesh, &[B, C]);
    assert_eq!(mesh.text(C, &["DBSIZE"]), "0");
}

/// An operator gives a server another dataset; its own replicas come along, as they would anywhere.
#[test]
fn replicas_follow_their_primary_to_another_dataset() {
    let mut mesh = Mesh::of(3, &[]);
    mesh.call(A, &["SET", "k", "a"]);
    mesh.call(B, &["SET", "k", "b"]);
    mesh.replica_of(C, B);
    mesh.run(seconds(2));
    mesh.replica_of(B, A);
    mesh.run(seconds(5));
    assert_in_step(&mut mesh, &[A, B, C]);
    assert_eq!(mesh.call(C, &["GET", "k"]), Value::Bulk("a".into()));
}

/// A configured replica that starts with data of its own, at a primary that has none of it.
#[test]
fn a_filled_server_that_is_configured_as_a_replica_keeps_its_data() {
    let mut mesh = Mesh::of(2, &[]);
    mesh.call(B, &["SET", "k", "v"]);
    mesh.call(B, &["SAVE"]);
    mesh.restart(B, &["--replicaof", "primary", &port(A)]);
    mesh.run(seconds(20));
    assert_eq!(mesh.call(B, &["GET", "k"]), Value::Bulk("v".into()));
    assert_eq!(mesh.info(B, "master_dataset_refused"), "1");
}

/// A replica that was cut off before its first dataset is the only candidate, and holds nothing.
#[test]
fn who_never_had_the_data_is_no_candidate() {
    let mut mesh = Mesh::of(3, &[]);
    mesh.call(A, &["SET", "k", "v"]);
    mesh.replica_of(C, A);
    mesh.run(seconds(2));
    mesh.servers[A].deaf = true;
    mesh.replica_of(B, A);
    mesh.run(seconds(1));
    assert_eq!(mesh.info(B, "slave_priority"), "0");
    assert_eq!(mesh.info(C, "slave_priority"), "100");
    // Promoted all the same, it cannot empty those that it was promoted over.
    mesh.call(B, &["REPLICAOF", "NO", "ONE"]);
    assert!(mesh.has_logged(B, "without ever having had"));
    mesh.call(B, &["SET", "new", "1"]);
    mesh.restart(C, &[]);
    mesh.call(C, &["SET", "k", "v"]);
    mesh.call(C, &["SAVE"]);
    mesh.restart(C, &["--replicaof", "primary", &port(B)]);
    mesh.run(seconds(20));
    assert_eq!(mesh.call(C, &["GET", "k"]), Value::Bulk("v".into()));
}

/// With `flush-before-load` the old data goes for the new one, but not for a stranger's.
#[test]
fn room_is_made_only_for_a_dataset_that_is_welcome() {
    let mut mesh = pair(&["--repl-diskless-load", "flush-before-load"]);
    mesh.restart(A, &[]);
    mesh.call(A, &["SET", "stranger", "1"]);
    mesh.run(seconds(20));
    assert_eq!(mesh.call(B, &["GET", "first"]), Value::Bulk("1".into()));

    // Ordered, and cut in the middle: neither dataset is there, and nobody should promote this server.
    for number in 0..300 {
        mesh.call(A, &["SET", &format!("k{number}"), &"x".repeat(1_000)]);
    }
    let order = mesh.ask(B, &["REPLICAOF", "primary", &port(A)]);
    assert!(matches!(order, Some(Value::Simple(_))), "{order:?}");
    let wire = loop {
        mesh.wait(Nanos::from_millis(10));
        if let Some((number, _)) = mesh.wires.iter().next() {
            break *number;
        }
    };
    while mesh.wires[&wire].down_bytes < 150_000 {
        let moved = mesh.deliver_up(wire, usize::MAX) + mesh.deliver_down(wire, 4_000);
        if moved == 0 {
            mesh.wait(Nanos::from_millis(1));
        }
    }
    assert_eq!(
        mesh.ask(B, &["GET", "first"]),
        Some(Value::Error("LOADING Redis is loading the dataset in memory".into()))
    );
    mesh.servers[A].deaf = true;
    mesh.cut(wire);
    assert_eq!(mesh.text(B, &["DBSIZE"]), "0", "it serves again, what little it has");
    assert_eq!(mesh.info(B, "slave_priority"), "0");
    mesh.servers[A].deaf = false;
    mesh.run(seconds(5));
    assert_in_step(&mut mesh, &[A, B]);
    assert_eq!(mesh.text(B, &["DBSIZE"]), "301");
}
