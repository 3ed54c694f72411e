//! Changes of role and restarts: who may go on from where it was, and under which id. Several tests re-enact
//! a failure that another server had; those tell its story first.

use crate::mesh::{A, B, C, Mesh, assert_in_step, pair, port, seconds};
use squall_clock::Nanos;
use squall_resp::Value;

#[test]
fn after_a_promotion_everybody_goes_on_from_where_they_were() {
    let mut mesh = Mesh::of(3, &[]);
    mesh.call(A, &["SET", "k", "1"]);
    mesh.replica_of(B, A);
    mesh.run(seconds(1));
    mesh.replica_of(C, B);
    mesh.run(seconds(2));
    mesh.call(A, &["SELECT", "9"]);
    mesh.call(A, &["SET", "k", "2"]);
    mesh.run(seconds(1));
    assert_in_step(&mut mesh, &[A, B, C]);

    mesh.take_away(A);
    assert_eq!(mesh.text(B, &["REPLICAOF", "NO", "ONE"]), "OK");
    assert_eq!(mesh.info(B, "master_replid2"), mesh.info(A, "master_replid"));
    mesh.call(B, &["SELECT", "9"]);
    mesh.call(B, &["SET", "k", "3"]);
    mesh.run(seconds(3));
    assert_in_step(&mut mesh, &[B, C]);
    mesh.replica_of(A, B);
    mesh.run(seconds(3));
    assert_in_step(&mut mesh, &[A, B, C]);
    let full: u64 = (0..3).map(|at| mesh.info(at, "sync_full").parse::<u64>().expect("a count")).sum();
    assert_eq!(full, 2, "nobody but the two at the beginning needed a dataset");
}

/// A replica had copied half a command to its own backlog when its primary died. Its own replicas glued
/// it to the next command.
#[test]
fn half_a_command_never_reaches_a_replicas_replica() {
    let mut mesh = Mesh::of(3, &[]);
    mesh.replica_of(B, A);
    mesh.run(seconds(1));
    mesh.replica_of(C, B);
    mesh.run(seconds(2));
    let from_a = mesh.wires_of(A)[0];
    let long = "x".repeat(100_000);
    for words in [
        vec!["SET", "k", long.as_str()],
        vec!["MULTI"],
        vec!["INCR", "n"],
        vec!["SET", "m", &long],
        vec!["EXEC"],
    ] {
        mesh.send(A, &words);
    }
    // All of the first command, and the first half of the transaction.
    let mut left = 150_000;
    while left > 0 {
        left -= mesh.deliver_down(from_a, left.min(777));
    }
    for number in mesh.wires_of(C) {
        while mesh.deliver_down(number, usize::MAX) > 0 {}
    }
    mesh.wires.get_mut(&from_a).expect("it is open").stalled = true;
    assert_in_step(&mut mesh, &[B, C]);
    assert_eq!(mesh.text(B, &["STRLEN", "k"]), "100000");
    assert_eq!(mesh.call(B, &["GET", "n"]), Value::Null, "half a transaction is none");
    mesh.take_away(A);
    assert_eq!(mesh.text(B, &["REPLICAOF", "NO", "ONE"]), "OK");
    mesh.call(B, &["SET", "after", "1"]);
    mesh.run(seconds(3));
    assert_in_step(&mut mesh, &[B, C]);
    assert_eq!(mesh.text(C, &["GET", "after"]), "1");
}

/// A transaction that made the server a replica had put MULTI into the backlog and never EXEC.
#[test]
fn a_transaction_that_changes_the_role_is_history_as_a_whole() {
    let mut mesh = Mesh::of(3, &[]);
    mesh.replica_of(C, A);
    mesh.run(seconds(1));
    mesh.servers[B].deaf = true;
    mesh.call(A, &["MULTI"]);
    mesh.call(A, &["SET", "k", "1"]);
    mesh.call(A, &["REPLICAOF", "primary", &port(B)]);
    mesh.call(A, &["SET", "k", "2"]);
    let Value::Array(replies) = mesh.call(A, &["EXEC"]) else { panic!("EXEC answers") };
    assert_eq!(replies.len(), 3);
    assert_eq!(mesh.info(A, "role"), "slave");
    assert_eq!(mesh.text(C, &["GET", "k"]), "2");
    assert_eq!(mesh.text(A, &["REPLICAOF", "NO", "ONE"]), "OK");
    mesh.run(seconds(3));
    mesh.call(A, &["SET", "after", "1"]);
    mesh.run(seconds(1));
    assert_eq!(mesh.text(C, &["GET", "after"]), "1");
    assert_in_step(&mut mesh, &[A, C]);
}

/// A replica restarted from its file knew its offset and not the database that the stream had selected:
/// the first command after it went to database 0.
#[test]
fn a_restarted_replica_goes_on_in_the_right_database() {
    let mut mesh = pair(&[]);
    mesh.call(A, &["SELECT", "9"]);
    mesh.call(A, &["SET", "k", "1"]);
    mesh.run(seconds(1));
    assert_eq!(mesh.text(B, &["BGSAVE"]), "Background saving started");
    mesh.run(seconds(1));
    mesh.call(A, &["SET", "k", "2"]);
    mesh.restart(B, &["--replicaof", &format!("primary {}", port(A))]);
    mesh.run(seconds(3));
    assert_eq!(mesh.info(A, "sync_partial_ok"), "1");
    assert_in_step(&mut mesh, &[A, B]);
    mesh.call(B, &["SELECT", "9"]);
    assert_eq!(mesh.text(B, &["GET", "k"]), "2");
}

/// A server that had been a replica restarted as a primary and went on under the same id with writes of
/// its own: one id, two histories.
#[test]
fn a_restarted_primary_has_a_history_of_its_own() {
    let mut mesh = pair(&[]);
    mesh.call(B, &["BGSAVE"]);
    mesh.run(seconds(1));
    let (id, offset) = mesh.position(B);
    mesh.restart(B, &[]);
    assert_eq!(mesh.info(B, "role"), "master");
    assert_ne!(mesh.info(B, "master_replid"), id);
    assert_eq!(mesh.info(B, "master_replid2"), id);
    assert_eq!(mesh.info(B, "master_repl_offset"), offset);
    // Whoever is exactly there can go on.
    mesh.call(B, &["SET", "own", "1"]);
    mesh.call(A, &["BGSAVE"]);
    mesh.replica_of(A, B);
    mesh.run(seconds(2));
    assert_in_step(&mut mesh, &[A, B]);
}

#[test]
fn a_role_change_tells_those_who_wait() {
    let mut mesh = pair(&[]);
    mesh.wires.values_mut().for_each(|wire| wire.stalled = true);
    mesh.call(A, &["SET", "k", "1"]);
    assert_eq!(mesh.try_call(A, &["WAIT", "1", "0"]), None);
    // Another client makes this server a replica.
    let other = mesh.servers[A].node.client_opened("127.0.0.1:9".into(), "127.0.0.1:8".into(), mesh.now);
    let mut request = bytes::BytesMut::from(&b"REPLICAOF primary 7001\r\n"[..]);
    mesh.servers[A].node.client_data(other, &mut request, mesh.now);
    mesh.settle();
    let reply = mesh.reply(A);
    assert!(matches!(&reply, Some(Value::Error(line)) if line.starts_with("UNBLOCKED")), "{reply:?}");
}

/// A file written half-way through a transaction has no place in the history: whoever went on from it would
/// apply the first half twice.
#[test]
fn a_save_within_a_transaction_claims_no_position() {
    let mut mesh = pair(&[]);
    mesh.call(A, &["MULTI"]);
    mesh.call(A, &["INCR", "n"]);
    mesh.call(A, &["BGSAVE"]);
    mesh.call(A, &["INCR", "n"]);
    mesh.call(A, &["EXEC"]);
    mesh.run(seconds(1));
    mesh.call(B, &["REPLICAOF", "NO", "ONE"]);
    mesh.restart(A, &["--replicaof", &format!("primary {}", port(B))]);
    mesh.run(seconds(3));
    assert_eq!(mesh.text(A, &["GET", "n"]), "2");
    assert_in_step(&mut mesh, &[B, A]);
}

/// Commands of one batch become stream at its end; a file written before that holds them already.
#[test]
fn a_save_counts_what_was_done_before_it_in_the_same_batch() {
    let mut mesh = pair(&[]);
    mesh.send_raw(A, b"INCR n\r\nBGSAVE\r\nINCR n\r\n");
    mesh.run(seconds(1));
    mesh.call(B, &["REPLICAOF", "NO", "ONE"]);
    mesh.restart(A, &["--replicaof", &format!("primary {}", port(B))]);
    mesh.run(seconds(3));
    assert_eq!(mesh.info(B, "sync_partial_ok"), "1");
    assert_eq!(mesh.text(A, &["GET", "n"]), "2");
    assert_in_step(&mut mesh, &[B, A]);
}

/// A server that was a primary before remembers the database that its stream was in then.
#[test]
fn a_promoted_server_says_which_database_it_writes_to() {
    let mut mesh = Mesh::of(3, &[]);
    mesh.replica_of(B, A);
    mesh.replica_of(C, A);
    mesh.run(seconds(1));
    mesh.call(A, &["SET", "k", "1"]);
    mesh.run(seconds(1));
    mesh.call(B, &["REPLICAOF", "NO", "ONE"]);
    mesh.replica_of(A, B);
    mesh.run(seconds(3));
    mesh.call(B, &["SELECT", "5"]);
    mesh.call(B, &["SET", "k", "2"]);
    mesh.run(seconds(3));
    mesh.call(A, &["REPLICAOF", "NO", "ONE"]);
    mesh.call(A, &["SET", "k", "3"]);
    mesh.run(seconds(3));
    assert_eq!(mesh.text(C, &["GET", "k"]), "3");
    assert_in_step(&mut mesh, &[A, C]);
}

/// A primary leaves out what has expired when it loads; a replica that went on from the same position
/// would keep it, and nobody would ever tell it.
#[test]
fn a_dataset_without_its_expired_keys_is_another_one() {
    let mut mesh = pair(&["--maxmemory", "0"]);
    mesh.call(A, &["SET", "k", "1", "PX", "1500"]);
    mesh.call(A, &["BGSAVE"]);
    mesh.run(Nanos::from_millis(100));
    // The primary is away while the key expires, and nobody deletes it.
    mesh.take_away(A);
    mesh.call(A, &["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    mesh.run(seconds(2));
    mesh.restart(A, &[]);
    mesh.run(seconds(3));
    assert_eq!(mesh.info(B, "master_link_status"), "up");
    assert_in_step(&mut mesh, &[A, B]);
}

/// A server that follows itself would be read-only, and in step with nobody, for ever.
#[test]
fn nobody_is_the_replica_of_itself() {
    let mut mesh = pair(&[]);
    mesh.replica_of(A, A);
    mesh.run(seconds(2));
    assert!(mesh.has_logged(A, "names this server itself: it goes on as a primary"));
    assert_eq!(mesh.info(A, "role"), "master");
    assert_eq!(mesh.text(A, &["SET", "second", "2"]), "OK");
    mesh.run(seconds(2));
    assert_in_step(&mut mesh, &[A, B]);
    assert_eq!(mesh.info(A, "sync_full"), "1", "its replica goes on where it was");
    // Written into the configuration, it keeps the server from starting.
    mesh.restart(A, &["--replicaof", "primary", &port(A)]);
    mesh.run(seconds(2));
    assert!(mesh.has_logged(A, "names this server itself. Exiting."));
    assert!(mesh.has_logged(A, "exit 1"));
}
