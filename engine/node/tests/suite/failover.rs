//! FAILOVER between servers in a test's own hands: the role moves without a lost or a refused write, and
//! stays where it was when it cannot.

use crate::mesh::{A, B, C, Mesh, assert_in_step, pair, port, seconds};
use squall_clock::Nanos;
use squall_resp::Value;

/// As B announces itself to A.
const HOST_OF_B: &str = "10.0.0.1";

fn state(mesh: &mut Mesh, at: usize) -> String {
    mesh.info(at, "master_failover_state")
}

fn only_wire(mesh: &Mesh, at: usize) -> usize {
    mesh.wires_of(at)[0]
}

#[test]
fn the_role_moves_and_held_writes_are_answered_once() {
    let mut mesh = Mesh::of(3, &[]);
    mesh.replica_of(B, A);
    mesh.replica_of(C, A);
    mesh.run(seconds(2));
    let wire = only_wire(&mesh, B);
    mesh.wires.get_mut(&wire).expect("it is open").stalled = true;
    mesh.call(A, &["SET", "k", "1"]);
    assert_eq!(mesh.text(A, &["FAILOVER", "TO", HOST_OF_B, &port(B)]), "OK");
    assert_eq!(state(&mut mesh, A), "waiting-for-sync");
    mesh.run(Nanos::from_millis(300));
    assert_eq!(state(&mut mesh, A), "waiting-for-sync", "B lacks a write");
    assert_eq!(mesh.call(A, &["GET", "k"]), Value::Bulk("1".into()), "reads are served");
    assert_eq!(mesh.try_call(A, &["SET", "k", "2"]), None, "writes wait");
    mesh.wires.get_mut(&wire).expect("it is open").stalled = false;
    mesh.run(seconds(3));
    let Some(Value::Error(error)) = mesh.reply(A) else { panic!("the held write is answered") };
    assert!(error.starts_with("READONLY"), "{error}");
    assert_eq!(mesh.info(B, "role"), "master");
    assert_eq!(mesh.info(A, "role"), "slave");
    assert_eq!(state(&mut mesh, A), "no-failover");
    mesh.call(B, &["SET", "after", "1"]);
    mesh.run(seconds(2));
    assert_in_step(&mut mesh, &[A, B, C]);
    assert_eq!(mesh.call(C, &["GET", "k"]), Value::Bulk("1".into()));
    let full: u64 = (0..3).map(|at| mesh.info(at, "sync_full").parse::<u64>().expect("a count")).sum();
    assert_eq!(full, 2, "only B and C ever needed a dataset, at the beginning");
    assert_eq!(mesh.info(A, "master_port"), port(B));
}

#[test]
fn any_replica_in_step_takes_over_where_none_is_named() {
    let mut mesh = pair(&[]);
    mesh.call(A, &["SET", "k", "1"]);
    mesh.run(seconds(2));
    assert_eq!(mesh.text(A, &["FAILOVER"]), "OK");
    mesh.run(seconds(1));
    assert_eq!((mesh.info(A, "role"), mesh.info(B, "role")), ("slave".into(), "master".into()));
    mesh.run(seconds(1));
    assert_in_step(&mut mesh, &[A, B]);
}

#[test]
fn a_replica_that_does_not_come_into_step_leaves_the_role_where_it_is() {
    let mut mesh = pair(&[]);
    let wire = only_wire(&mesh, B);
    mesh.wires.get_mut(&wire).expect("it is open").stalled = true;
    let before = mesh.position(A).0;
    mesh.call(A, &["SET", "k", "1"]);
    mesh.call(A, &["FAILOVER", "TIMEOUT", "500"]);
    mesh.send(A, &["SET", "k", "2"]);
    mesh.run(Nanos::from_millis(600));
    assert_eq!(state(&mut mesh, A), "no-failover");
    assert_eq!(mesh.call(A, &["GET", "k"]), Value::Bulk("2".into()), "the held write went through");
    assert_eq!(mesh.position(A).0, before, "nothing has become of the history");

    mesh.call(A, &["FAILOVER"]);
    assert_eq!(mesh.text(A, &["FAILOVER", "ABORT"]), "OK");
    assert_eq!(mesh.text(A, &["SET", "k", "3"]), "OK");
}

#[test]
fn force_hands_over_to_a_replica_that_lags() {
    let mut mesh = pair(&[]);
    let wire = only_wire(&mesh, B);
    mesh.call(A, &["SET", "k", "1"]);
    mesh.run(seconds(2));
    mesh.wires.get_mut(&wire).expect("it is open").stalled = true;
    mesh.call(A, &["SET", "lost", "1"]);
    mesh.call(A, &["FAILOVER", "TO", HOST_OF_B, &port(B), "TIMEOUT", "300", "FORCE"]);
    mesh.run(seconds(3));
    assert_eq!(mesh.info(B, "role"), "master");
    assert_in_step(&mut mesh, &[A, B]);
    assert_eq!(mesh.call(A, &["GET", "lost"]), Value::Null, "that is what was forced");
}

/// The target declines: its history has another name by now.
#[test]
fn a_declined_handover_gives_the_role_back() {
    let mut mesh = pair(&[]);
    mesh.call(A, &["SET", "k", "1"]);
    mesh.run(seconds(2));
    mesh.call(A, &["DEBUG", "CHANGE-REPL-ID"]);
    let before = mesh.position(A).0;
    mesh.call(A, &["FAILOVER"]);
    mesh.send(A, &["SET", "k", "2"]);
    mesh.run(seconds(1));
    assert_eq!(mesh.info(A, "role"), "master");
    assert!(mesh.has_logged(A, "replid must match"));
    assert_eq!(mesh.call(A, &["GET", "k"]), Value::Bulk("2".into()));
    assert_ne!(mesh.position(A).0, before, "the role comes back under another name");
    mesh.run(seconds(3));
    assert_in_step(&mut mesh, &[A, B]);
}

/// Nobody answers where the target was. Meanwhile writes are held, and an operator can take the order back.
#[test]
fn a_handover_without_an_answer_can_be_taken_back() {
    let mut mesh = pair(&[]);
    mesh.call(A, &["SET", "k", "1"]);
    mesh.run(seconds(2));
    mesh.servers[B].deaf = true;
    mesh.call(A, &["FAILOVER"]);
    mesh.run(seconds(2));
    assert_eq!(state(&mut mesh, A), "failover-in-progress");
    assert_eq!(mesh.text(A, &["REPLICAOF", "NO", "ONE"]), "ERR REPLICAOF not allowed while failing over.");
    assert_eq!(mesh.text(A, &["FAILOVER"]), "ERR FAILOVER already in progress.");
    assert_eq!(mesh.try_call(A, &["SET", "k", "2"]), None, "held, and not refused");
    mesh.another_client(A);
    assert_eq!(mesh.text(A, &["FAILOVER", "ABORT"]), "OK");
    assert_eq!(mesh.info(A, "role"), "master");
    assert_eq!(mesh.text(A, &["SET", "k", "3"]), "OK");
}

/// The answer is lost: the target has taken over, and the old primary must find out instead of taking its
/// role back, which would make two of them.
#[test]
fn a_lost_answer_is_not_taken_for_a_refusal() {
    let mut mesh = pair(&[]);
    mesh.call(A, &["SET", "k", "1"]);
    mesh.run(seconds(2));
    mesh.send(A, &["FAILOVER"]);
    mesh.wait(Nanos::ZERO);
    // The handshake, as far as B's promotion; the answer to it stays where it is.
    let wire = *mesh.wires.iter().find(|(_, wire)| wire.replica == A).expect("A has connected").0;
    while mesh.info_now(B, "role") != "master" {
        assert!(mesh.deliver_up(wire, usize::MAX) + mesh.deliver_down(wire, usize::MAX) > 0);
    }
    mesh.cut(wire);
    mesh.run(seconds(4));
    assert_eq!((mesh.info(A, "role"), mesh.info(B, "role")), ("slave".into(), "master".into()));
    assert_eq!(state(&mut mesh, A), "no-failover");
    assert_in_step(&mut mesh, &[A, B]);
    assert_eq!(mesh.info(B, "sync_full"), "0");
}

/// The texts are those of redis-server 7.0.
#[test]
fn impossible_orders_are_refused() {
    let mut mesh = pair(&[]);
    let at_a = [
        (&["FAILOVER", "ABORT"][..], "ERR No failover in progress."),
        (&["FAILOVER", "ABORT", "TIMEOUT", "5"], "ERR syntax error"),
        (&["FAILOVER", "TIMEOUT", "0"], "ERR FAILOVER timeout must be greater than 0"),
        (&["FAILOVER", "TIMEOUT", "x"], "ERR value is not an integer or out of range"),
        (
            &["FAILOVER", "TO", "h", "1", "FORCE"],
            "ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
        ),
        (&["FAILOVER", "TO", "h", "1"], "ERR FAILOVER target HOST and PORT is not a replica."),
        (&["FAILOVER", "TO", "h", "99999999"], "ERR FAILOVER target HOST and PORT is not a replica."),
        (&["FAILOVER", "TO", "h"], "ERR syntax error"),
        (&["PSYNC", "abc", "5", "FAILOVER"], "ERR PSYNC FAILOVER can't be sent to a master."),
    ];
    for (words, error) in at_a {
        assert_eq!(mesh.text(A, words), error, "{words:?}");
    }
    assert_eq!(mesh.text(B, &["FAILOVER"]), "ERR FAILOVER is not valid when server is a replica.");
    assert_eq!(
        mesh.text(B, &["PSYNC", "abc", "5", "FAILOVER"]),
        "ERR PSYNC FAILOVER replid must match my replid."
    );
    mesh.call(B, &["REPLICAOF", "NO", "ONE"]);
    mesh.run(Nanos::ZERO);
    assert_eq!(mesh.text(A, &["FAILOVER"]), "ERR FAILOVER requires connected replicas.");
}
