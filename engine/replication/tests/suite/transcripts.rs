//! Who said what, when: whole conversations between the machines, to be read as such.

use crate::world::{Direction, World, options};
use squall_clock::Nanos;
use squall_replication::{OutputLimit, PrimaryOptions, Request};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

fn talkative(names: &[&'static str]) -> World {
    let mut world = World::of(names, options());
    world.talkative = true;
    world
}

/// The world after B has all of A's data, not recorded.
fn synchronised(names: &[&'static str]) -> World {
    let mut world = World::of(names, options());
    world.write(A, &["SET k 1"]);
    world.replica_of(B, A);
    world.run(Nanos::from_secs(1));
    if names.len() > 2 {
        world.replica_of(C, B);
        world.run(Nanos::from_secs(1));
    }
    assert!(world.nodes.iter().all(|node| node.dataset == world.nodes[A].dataset));
    world.talkative = true;
    world
}

#[test]
fn full_synchronisation() {
    let mut world = talkative(&["A", "B"]);
    world.write(A, &["SET k before"]);
    world.replica_of(B, A);
    world.deliver_all();
    world.write(A, &["SET k after"]);
    world.deliver_all();
    world.run(Nanos::from_millis(1_500));
    world.remark(format!(
        "A has heard of {}",
        world.nodes[A].primary.acknowledged_by(world.nodes[A].primary.history().offset)
    ));
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn partial_synchronisation_after_a_cut_inside_a_transaction() {
    let mut world = synchronised(&["A", "B"]);
    world.write(A, &["SET k 2", "INCR k"]);
    let uplink = world.connections_of(B)[0];
    world.deliver(uplink, Direction::Down, 50);
    world.cut(uplink);
    world.run(Nanos::from_millis(1_000));
    assert_eq!(world.nodes[B].dataset, world.nodes[A].dataset);
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn a_promoted_replica_is_followed_under_its_own_id() {
    let mut world = synchronised(&["A", "B", "C"]);
    world.nodes[A].is_deaf = true;
    for id in world.connections_of(A) {
        world.cut(id);
    }
    world.replica_of_no_one(B);
    world.write(B, &["SET k promoted"]);
    world.run(Nanos::from_millis(1_500));
    world.remark("A comes back and follows B".to_owned());
    world.replica_of(A, B);
    world.run(Nanos::from_millis(500));
    assert!(world.nodes.iter().all(|node| node.dataset == world.nodes[B].dataset));
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn a_replica_that_is_ahead_of_the_promoted_one_starts_over() {
    let mut world = World::of(&["A", "B", "C"], options());
    world.write(A, &["SET k 1"]);
    world.replica_of(B, A);
    world.replica_of(C, A);
    world.run(Nanos::from_secs(1));
    world.talkative = true;
    world.write(A, &["SET k only-C-has-this"]);
    let to_c = *world.connections_of(C).last().expect("C follows A");
    world.deliver(to_c, Direction::Down, usize::MAX);
    world.nodes[A].is_deaf = true;
    for id in world.connections_of(A) {
        world.cut(id);
    }
    world.replica_of_no_one(B);
    world.replica_of(C, B);
    world.run(Nanos::from_millis(1_500));
    assert_eq!(world.nodes[C].dataset, world.nodes[B].dataset);
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn a_position_that_left_the_backlog_is_refused() {
    let mut world = synchronised(&["A", "B"]);
    let uplink = world.connections_of(B)[0];
    world.nodes[A].is_deaf = true;
    world.cut(uplink);
    world.talkative = false;
    for n in 0..60 {
        world.write(A, &[&format!("SET key:{n} {n}")]);
    }
    world.talkative = true;
    world.advance(Nanos::from_millis(10));
    world.nodes[A].is_deaf = false;
    world.advance(Nanos::from_millis(1_000));
    // The dataset itself is sixty commands long; the decision is what matters here.
    let uplink = world.connections_of(B)[0];
    for _ in 0..3 {
        world.deliver(uplink, Direction::Up, usize::MAX);
        world.deliver(uplink, Direction::Down, usize::MAX);
    }
    world.talkative = false;
    world.run(Nanos::from_millis(500));
    assert_eq!(world.nodes[B].dataset, world.nodes[A].dataset);
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn replicas_that_wait_are_kept_alive_and_share_one_dataset() {
    let delayed = PrimaryOptions { diskless_delay: Nanos::from_secs(3), ..options() };
    let mut world = World::of(&["A", "B", "C"], delayed);
    world.talkative = true;
    world.write(A, &["SET k 1"]);
    world.replica_of(B, A);
    world.run(Nanos::from_millis(1_500));
    world.replica_of(C, A);
    world.write(A, &["SET k 2"]);
    world.run(Nanos::from_millis(2_000));
    assert_eq!(world.nodes[A].primary.take_sync_counts().full, 2);
    assert!(world.nodes.iter().all(|node| node.dataset == world.nodes[A].dataset));
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn a_dataset_with_its_length() {
    let mut world = World::of(&["A", "B"], PrimaryOptions { diskless: false, ..options() });
    world.talkative = true;
    world.write(A, &["SET k 1"]);
    world.replica_of(B, A);
    world.run(Nanos::from_millis(500));
    assert_eq!(world.nodes[B].dataset, world.nodes[A].dataset);
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn a_replica_that_lies_about_its_offset_is_sent_away() {
    let mut world = synchronised(&["A", "B"]);
    let key = squall_replication::ReplicaKey(world.connections_of(B)[0]);
    let lie = squall_resp::OwnedArgs::from_slices(&[b"REPLCONF", b"ACK", b"100000"]);
    let answer = world.nodes[A].primary.replconf(key, "replica", lie.as_args(), world.now);
    assert_eq!(answer, Ok(squall_replication::Replconf::Silent));
    world.advance(Nanos::ZERO);
    assert!(!world.nodes[A].primary.is_attached(key));
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn silence_ends_a_link_on_both_sides() {
    let mut world = synchronised(&["A", "B"]);
    // The network swallows everything and tells nobody.
    for _ in 0..70 {
        world.advance(Nanos::from_secs(1));
        if world.connections.is_empty() {
            break;
        }
    }
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn too_much_output_ends_a_link() {
    let soft = OutputLimit { hard_bytes: 0, soft_bytes: 100, soft_duration: Nanos::from_secs(5) };
    let mut world =
        World::of(&["A", "B"], PrimaryOptions { output_limit: soft, backlog_bytes: 200, ..options() });
    world.replica_of(B, A);
    world.run(Nanos::from_secs(1));
    world.talkative = true;
    for n in 0..10 {
        world.write(A, &[&format!("SET key:{n} {n}")]);
    }
    for _ in 0..6 {
        world.advance(Nanos::from_secs(1));
    }
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn a_backlog_that_nobody_needed_for_long_is_given_up_with_its_id() {
    let mut world =
        World::of(&["A", "B"], PrimaryOptions { backlog_ttl: Nanos::from_secs(100), ..options() });
    world.write(A, &["SET k 1"]);
    world.replica_of(B, A);
    world.run(Nanos::from_secs(1));
    let before = world.nodes[A].position().expect("it has a backlog");
    world.replica_of_no_one(B);
    world.advance(Nanos::from_secs(99));
    assert_eq!(world.nodes[A].position().map(|position| position.id), Some(before.id));
    world.advance(Nanos::from_secs(2));
    assert_eq!(world.nodes[A].position(), None);
    assert_ne!(world.nodes[A].primary.history().id, before.id);
    assert!(!world.nodes[A].primary.history().contains(before), "uncounted writes may follow");
}

/// A replica that has the dataset only for its file is not kept a stream for, and may stay as long as it likes.
#[test]
fn a_connection_that_only_wants_the_dataset_holds_no_backlog() {
    let mut world = synchronised(&["A", "B"]);
    let (now, key) = (world.now, squall_replication::ReplicaKey(1_000));
    let own = world.fresh_id();
    let primary = &mut world.nodes[A].primary;
    let words = squall_resp::OwnedArgs::from_slices(&[b"REPLCONF", b"capa", b"eof", b"rdb-only", b"1"]);
    primary.replconf(key, "cli", words.as_args(), now).expect("known options");
    primary.synchronise(key, "cli", Request::Sync, own, now).expect("a plain request");
    let wanted = primary.snapshot_wanted(now).expect("it waits");
    primary.transfer_begun(wanted, 1_000, now);
    primary.transfer_marked(squall_replication::TransferMark(own));
    primary.feed(bytes::Bytes::from(vec![b'x'; 4000]), 1, now);
    primary.transfer_complete(now);
    assert!(primary.is_attached(key), "4000 bytes of stream are not its business");
    assert_eq!(primary.stream_pending(key), 0);
    let done = squall_resp::OwnedArgs::from_slices(&[b"REPLCONF", b"ACK", b"0"]);
    primary.replconf(key, "cli", done.as_args(), now).expect("an acknowledgement");
    assert!(!primary.is_attached(key));
}
