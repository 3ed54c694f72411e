//! A full synchronisation under more writes than the link carries: it comes to an end, in bounded memory.

use crate::mesh::{A, B, Mesh, assert_in_step, port, seconds};
use squall_clock::Nanos;
use squall_resp::Value;

const LIMIT_BYTES: u64 = 256 * 1024;
const VALUE_BYTES: usize = 10_000;

/// A holds three megabytes; so much may wait for a replica.
fn filled() -> Mesh {
    let limit = format!("replica {LIMIT_BYTES} {} 1", LIMIT_BYTES / 4);
    let settings = ["--client-output-buffer-limit", &limit, "--repl-backlog-size", "16kb"];
    let mut mesh = Mesh::of(2, &settings);
    for number in 0..300 {
        mesh.call(A, &["SET", &format!("old:{number}"), &"x".repeat(VALUE_BYTES)]);
    }
    mesh
}

fn begin_to_follow(mesh: &mut Mesh) -> usize {
    mesh.ask(B, &["REPLICAOF", "primary", &port(A)]);
    mesh.wait(Nanos::from_millis(1));
    *mesh.wires.keys().next().expect("B has connected")
}

fn number(text: String) -> u64 {
    text.parse().expect("a number")
}

/// The dataset took longer than it takes for the limit to be exceeded. The primary cut the replica off, which
/// came back, needed the dataset again, and was cut off again: forty-five times in ninety seconds, once.
#[test]
fn a_replica_that_makes_progress_comes_into_step() {
    let mut mesh = filled();
    let wire = begin_to_follow(&mut mesh);
    let (mut sent, mut most_pending, mut step) = (0, 0, 0);
    // Three writes for every two of their size that the link carries.
    while mesh.wires.contains_key(&wire) && step < 2_000 {
        step += 1;
        for _ in 0..3 {
            mesh.send(A, &["SET", &format!("new:{}", sent % 100), &"y".repeat(VALUE_BYTES)]);
            sent += 1;
        }
        mesh.deliver_up(wire, usize::MAX);
        mesh.deliver_down(wire, 2 * VALUE_BYTES);
        mesh.wait(Nanos::from_millis(20));
        if step % 10 == 0 {
            mesh.another_client(A);
            most_pending = most_pending.max(number(mesh.info_now(A, "repl_backlog_histlen")));
            if mesh.info_now(B, "master_link_status") == "up" && sent > 400 {
                break;
            }
        }
    }
    assert!(mesh.wires.contains_key(&wire), "it was not cut off");
    let slack = VALUE_BYTES as u64 + 64 * 1024;
    assert!(most_pending > LIMIT_BYTES / 4, "writers had a reason to wait: {most_pending}");
    assert!(most_pending <= LIMIT_BYTES + slack, "{most_pending} bytes waited");
    mesh.run(seconds(3));
    assert_eq!(mesh.info(A, "sync_full"), "1");
    assert_in_step(&mut mesh, &[A, B]);
    assert!(number(mesh.info(A, "repl_backlog_histlen")) <= 16 * 1024 + VALUE_BYTES as u64);
}

/// A file that takes long to write is not the replica's fault.
#[test]
fn nobody_is_given_up_while_the_dataset_is_still_being_written() {
    let mut mesh = filled();
    mesh.call(A, &["CONFIG", "SET", "repl-diskless-sync", "no"]);
    mesh.servers[A].hold_disk = true;
    mesh.replica_of(B, A);
    mesh.run(seconds(1));
    let mut answered = 0;
    while mesh.ask(A, &["SET", &format!("new:{answered}"), &"y".repeat(VALUE_BYTES)]).is_some() {
        answered += 1;
        assert!(answered < 100, "somebody has to wait");
    }
    assert!(answered * VALUE_BYTES as u64 >= LIMIT_BYTES / 2, "half of the limit is there to be used");
    mesh.run(seconds(20));
    mesh.servers[A].hold_disk = false;
    mesh.run(seconds(3));
    assert_eq!(mesh.reply(A), Some(Value::Simple("OK".into())));
    assert_eq!(mesh.info(A, "sync_full"), "1");
    assert_in_step(&mut mesh, &[A, B]);
}

/// Writers are not held up for a replica that takes nothing.
#[test]
fn a_replica_that_stands_still_is_given_up() {
    let mut mesh = filled();
    let wire = begin_to_follow(&mut mesh);
    while mesh.wires[&wire].down_bytes < 500_000 {
        mesh.deliver_up(wire, usize::MAX);
        mesh.deliver_down(wire, VALUE_BYTES);
        mesh.wait(Nanos::from_millis(1));
    }
    mesh.wires.get_mut(&wire).expect("it is open").stalled = true;
    let mut answered = 0;
    while mesh.ask(A, &["SET", &format!("new:{answered}"), &"y".repeat(VALUE_BYTES)]).is_some() {
        answered += 1;
        assert!(answered < 100, "somebody has to wait");
    }
    mesh.wait(Nanos::from_millis(4_900));
    assert_eq!(mesh.reply(A), None, "it may still begin to move");
    mesh.servers[A].deaf = true;
    mesh.wait(Nanos::from_millis(200));
    assert_eq!(mesh.reply(A), Some(Value::Simple("OK".into())));
    assert!(mesh.has_logged(A, "it takes next to nothing"));
}
