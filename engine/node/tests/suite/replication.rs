//! Nodes that replicate each other: what a replica may lose, what it must not, and what both say about it.
//! Several tests re-enact a failure that another server had; those tell its story first.

use crate::mesh::{A, B, Mesh, assert_in_step, pair, port, seconds};
use squall_clock::Nanos;
use squall_resp::Value;

#[test]
fn a_replica_takes_over_the_dataset_and_the_stream() {
    let mut mesh = Mesh::of(2, &[]);
    mesh.call(A, &["SET", "before", "1"]);
    mesh.call(B, &["SET", "gone", "1"]);
    mesh.replica_of(B, A);
    mesh.run(seconds(1));
    mesh.call(A, &["SELECT", "3"]);
    mesh.call(A, &["SET", "after", "2", "EX", "1000"]);
    mesh.run(seconds(1));
    assert_eq!(mesh.text(B, &["GET", "before"]), "1");
    assert_eq!(mesh.call(B, &["GET", "gone"]), Value::Null);
    mesh.call(B, &["SELECT", "3"]);
    assert_eq!(mesh.text(B, &["GET", "after"]), "2");
    assert_eq!(mesh.text(B, &["TTL", "after"]), mesh.text(A, &["TTL", "after"]));
    assert_eq!(mesh.text(B, &["SET", "x", "y"]), "READONLY You can't write against a read only replica.");
    assert_in_step(&mut mesh, &[A, B]);

    assert_eq!(mesh.info(A, "connected_slaves"), "1");
    let offset = mesh.info(A, "master_repl_offset");
    let slave = format!(
        "ip=10.0.0.1,port=7001,state=online,offset={offset},lag=0,lag_bytes=0,lag_commands=0,lag_ms=0"
    );
    assert_eq!(mesh.info(A, "slave0"), slave);
    assert_eq!(mesh.info(A, "sync_full"), "1");
    assert_eq!(mesh.info(B, "role"), "slave");
    assert_eq!(mesh.info(B, "master_port"), port(A));
    let Value::Array(role) = mesh.call(B, &["ROLE"]) else { panic!("ROLE is an array") };
    assert_eq!(role[3], crate::common::bulk("connected"));
}

#[test]
fn wait_counts_only_who_has_applied() {
    let mut mesh = pair(&[]);
    mesh.call(A, &["SET", "k", "1"]);
    assert_eq!(mesh.call(A, &["WAIT", "1", "1000"]), Value::Integer(1));

    mesh.wires.values_mut().for_each(|wire| wire.stalled = true);
    mesh.call(A, &["SET", "k", "2"]);
    assert_eq!(mesh.try_call(A, &["WAIT", "1", "300"]), None);
    mesh.run(Nanos::from_millis(299));
    assert_eq!(mesh.reply(A), None);
    mesh.run(Nanos::from_millis(1));
    assert_eq!(mesh.reply(A), Some(Value::Integer(0)));

    assert_eq!(mesh.try_call(A, &["WAIT", "1", "0"]), None, "it waits for ever");
    mesh.wires.values_mut().for_each(|wire| wire.stalled = false);
    mesh.run(Nanos::ZERO);
    assert_eq!(mesh.reply(A), Some(Value::Integer(1)));
    assert!(mesh.text(B, &["WAIT", "1", "0"]).starts_with("ERR WAIT cannot be used with replica"));
}

/// Four writes in two milliseconds, of which the replica has got the first two: the lag counts from the third.
#[test]
fn a_primary_says_how_far_behind_each_replica_is() {
    let mut mesh = pair(&[]);
    let wire = mesh.wires_of(B)[0];
    let write = |mesh: &mut Mesh, key: &str| {
        assert!(mesh.ask(A, &["SET", key, "12345"]).is_some());
        mesh.wait(Nanos::from_millis(10));
    };
    write(&mut mesh, "a");
    write(&mut mesh, "b");
    mesh.run(Nanos::from_millis(200));
    mesh.wires.get_mut(&wire).expect("it is open").stalled = true;
    write(&mut mesh, "c");
    write(&mut mesh, "d");
    mesh.wait(Nanos::from_millis(500));
    let slave = mesh.info(A, "slave0");
    let bytes = 2 * "*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$5\r\n12345\r\n".len();
    assert!(slave.ends_with(&format!("lag_bytes={bytes},lag_commands=2,lag_ms=520")), "{slave}");
    mesh.wires.get_mut(&wire).expect("it is open").stalled = false;
    mesh.run(Nanos::from_millis(200));
    assert!(mesh.info(A, "slave0").ends_with("lag_bytes=0,lag_commands=0,lag_ms=0"));
    assert_eq!(mesh.info(B, "slave_last_applied_ms_ago"), "200");
}

/// A dataset was announced with the offset of a later moment than its own, so that bytes were skipped or
/// applied twice. Counters tell.
#[test]
fn the_offset_announced_is_that_of_the_dataset() {
    let mut mesh = Mesh::of(2, &["--repl-diskless-sync-delay", "2"]);
    for n in 0..200 {
        mesh.call(A, &["SET", &format!("key:{n}"), &"x".repeat(50)]);
    }
    mesh.replica_of(B, A);
    mesh.call(A, &["INCR", "counter"]);
    mesh.wait(seconds(1));
    mesh.call(A, &["INCR", "counter"]);
    mesh.wait(seconds(2));
    // The dataset is under way by now, and it moves slowly.
    for _ in 0..50 {
        mesh.send(A, &["INCR", "counter"]);
        for number in mesh.wires_of(A) {
            mesh.deliver_up(number, 7);
            mesh.deliver_down(number, 300);
        }
    }
    mesh.run(seconds(2));
    assert_in_step(&mut mesh, &[A, B]);
    for number in mesh.wires_of(A) {
        mesh.cut(number);
    }
    mesh.call(A, &["INCR", "counter"]);
    mesh.run(seconds(3));
    assert_in_step(&mut mesh, &[A, B]);
    assert_eq!(mesh.info(A, "sync_partial_ok"), "1");
}

/// A replica that flushes first and loads then has neither dataset when its primary dies in between.
#[test]
fn a_broken_transfer_costs_the_replica_nothing() {
    let mut mesh = pair(&[]);
    let before = mesh.digest(B);
    assert_eq!(mesh.text(B, &["REPLICAOF", "NO", "ONE"]), "OK");
    mesh.call(B, &["SET", "own", "1"]);
    let own = mesh.digest(B);
    assert_ne!(own, before);
    for n in 0..5000 {
        mesh.send(A, &["SET", &format!("key:{n}"), &"x".repeat(100)]);
    }
    mesh.send(B, &["REPLICAOF", "primary", &port(A)]);
    mesh.wait(Nanos::ZERO);
    let half = 200_000;
    loop {
        let Some(number) = mesh.wires_of(B).first().copied() else { panic!("it is connected") };
        mesh.deliver_up(number, usize::MAX);
        mesh.deliver_down(number, 4096);
        mesh.wait(Nanos::ZERO);
        if mesh.wires[&number].down_bytes > half {
            break;
        }
    }
    mesh.wires.values_mut().for_each(|wire| wire.stalled = true);
    assert_eq!(mesh.info(B, "master_sync_in_progress"), "1");
    assert_eq!(mesh.digest(B), own, "the old dataset is served while the other one comes");
    mesh.servers[A].deaf = true;
    for number in mesh.wires_of(B) {
        mesh.cut(number);
    }
    mesh.run(seconds(5));
    assert_eq!(mesh.digest(B), own);
    assert_eq!(mesh.text(B, &["REPLICAOF", "NO", "ONE"]), "OK");
    assert_eq!(mesh.text(B, &["GET", "own"]), "1");
}

/// However large the dataset, only a window of it waits to be sent.
#[test]
fn a_slow_replica_holds_back_the_dataset_and_nobody_else() {
    let mut mesh = Mesh::of(2, &[]);
    for n in 0..3000 {
        mesh.send(A, &["SET", &format!("key:{n}"), &"x".repeat(1000)]);
    }
    mesh.send(B, &["REPLICAOF", "primary", &port(A)]);
    mesh.wait(Nanos::ZERO);
    let number = mesh.wires_of(A)[0];
    for _ in 0..200 {
        mesh.deliver_up(number, usize::MAX);
        mesh.deliver_down(number, 100);
        mesh.wait(Nanos::ZERO);
    }
    mesh.wires.get_mut(&number).expect("it is open").stalled = true;
    assert_eq!(mesh.info(A, "slave0").split(',').nth(2), Some("state=send_bulk"));
    let waiting = mesh.text(A, &["CLIENT", "LIST"]);
    let waiting: u64 = waiting
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("omem=")?.parse().ok())
        .max()
        .expect("CLIENT LIST shows output memory");
    assert!((100_000..2 * 1024 * 1024).contains(&waiting), "{waiting} bytes wait for the replica");
    assert_eq!(mesh.text(A, &["SET", "other", "1"]), "OK");
    mesh.wires.get_mut(&number).expect("it is open").stalled = false;
    mesh.run(seconds(1));
    assert_in_step(&mut mesh, &[A, B]);
}

/// Disk operations that were under way when the last replica left belong to nobody.
#[test]
fn a_replica_that_leaves_while_its_file_is_written_is_forgotten() {
    for operations in 0..8 {
        let mut mesh = Mesh::of(2, &["--repl-diskless-sync", "no"]);
        mesh.call(A, &["SET", "k", "1"]);
        mesh.servers[A].hold_disk = true;
        mesh.replica_of(B, A);
        for _ in 0..operations {
            mesh.perform_one(A);
            mesh.run(Nanos::ZERO);
        }
        // Every second time its bytes are left where they are.
        mesh.wires.values_mut().for_each(|wire| wire.stalled = operations % 2 == 0);
        for number in mesh.wires_of(A) {
            mesh.cut(number);
        }
        mesh.servers[A].hold_disk = false;
        mesh.run(seconds(4));
        assert_in_step(&mut mesh, &[A, B]);
        assert_eq!(mesh.servers[A].disk.files.len(), 0, "after {operations} operations");
    }
}

#[test]
fn a_replica_waits_while_a_save_uses_the_cursor() {
    let mut mesh = Mesh::of(2, &[]);
    for n in 0..20_000 {
        mesh.send(A, &["SET", &format!("key:{n}"), &"x".repeat(300)]);
    }
    mesh.servers[A].hold_disk = true;
    assert_eq!(mesh.text(A, &["BGSAVE"]), "Background saving started");
    mesh.call(A, &["SET", "key:1", "changed"]);
    mesh.replica_of(B, A);
    mesh.run(seconds(3));
    assert_eq!(mesh.info(B, "master_sync_in_progress"), "0");
    assert_eq!(mesh.info(A, "slave0").split(',').nth(2), Some("state=wait_bgsave"));
    mesh.servers[A].hold_disk = false;
    mesh.run(seconds(3));
    assert_in_step(&mut mesh, &[A, B]);
    assert!(mesh.servers[A].disk.files.contains_key("dump.rdb"));
}

#[test]
fn a_dataset_can_go_through_a_file() {
    let mut mesh = Mesh::of(2, &["--repl-diskless-sync", "no"]);
    for n in 0..2000 {
        mesh.send(A, &["SET", &format!("key:{n}"), &"x".repeat(500)]);
    }
    mesh.replica_of(B, A);
    mesh.run(seconds(3));
    assert_in_step(&mut mesh, &[A, B]);
    assert_eq!(mesh.servers[A].disk.files.len(), 0, "nothing is left behind");

    // A disk that fails takes the replica with it, and the replica comes back.
    assert_eq!(mesh.text(B, &["REPLICAOF", "NO", "ONE"]), "OK");
    mesh.call(B, &["SET", "other", "history"]);
    mesh.servers[A].disk.fail_at = Some(mesh.servers[A].disk.log.len() + 2);
    mesh.replica_of(B, A);
    mesh.run(seconds(5));
    assert!(mesh.has_logged(A, "the dataset could not be written"));
    assert_in_step(&mut mesh, &[A, B]);
    assert_eq!(mesh.servers[A].disk.files.len(), 0);
}

/// What a replica's connection says beyond REPLCONF would be answered into the stream.
#[test]
fn a_replica_that_asks_for_more_is_disconnected() {
    for words in [&["SET", "x", "y"][..], &["PING"], &["REPLCONF", "listening-port", "1"]] {
        let mut mesh = Mesh::of(1, &[]);
        mesh.send(A, &["PSYNC", "?", "-1"]);
        mesh.run(seconds(1));
        mesh.send(A, words);
        mesh.run(seconds(1));
        assert!(mesh.has_logged(A, "sent a command that has a reply"), "{words:?}");
        assert_eq!(mesh.servers[A].node.output_slices(squall_node::ClientId(1), &mut []), 0);
    }
}

#[test]
fn too_few_good_replicas_refuse_writes() {
    let mut mesh = pair(&["--min-replicas-to-write", "1", "--min-replicas-max-lag", "3"]);
    mesh.run(seconds(2));
    assert_eq!(mesh.text(A, &["SET", "k", "1"]), "OK");
    mesh.wires.values_mut().for_each(|wire| wire.stalled = true);
    mesh.run(seconds(5));
    assert_eq!(mesh.text(A, &["SET", "k", "2"]), "NOREPLICAS Not enough good replicas to write.");
}

/// A script that was laid aside after its first write met, with its second one, a rule that it had passed: its client was
/// told that nothing had happened, and half of it had.
#[test]
fn a_script_that_has_written_is_not_refused_its_second_half() {
    let mut mesh = pair(&["--min-replicas-to-write", "1"]);
    mesh.run(seconds(2));
    let slow = "redis.call('incr', 'n') for i = 1, 3000000 do end return redis.call('incr', 'n')";
    assert_eq!(mesh.try_call(A, &["EVAL", slow, "0"]), None, "it takes longer than a turn");
    mesh.take_away(B);
    mesh.run(seconds(1));
    assert_eq!(mesh.reply(A), Some(Value::Integer(2)));
}

/// The link broke inside a transaction; on resuming, what had been read of it met the new stream.
#[test]
fn a_transaction_cut_in_half_is_read_again_from_its_start() {
    for cut_after in [37, 40, 60, 85] {
        let mut mesh = pair(&[]);
        mesh.send_raw(A, b"MULTI\r\nINCR n\r\nINCR n\r\nEXEC\r\n");
        let number = mesh.wires_of(A)[0];
        assert_eq!(mesh.deliver_down(number, cut_after), cut_after);
        mesh.cut(number);
        mesh.run(seconds(3));
        assert_eq!(mesh.text(B, &["GET", "n"]), "2", "cut after {cut_after} bytes");
        assert_in_step(&mut mesh, &[A, B]);
    }
}

/// A save that is half done belongs to the dataset that it was begun with.
#[test]
fn a_new_dataset_ends_a_save_of_the_old_one() {
    let mut mesh = Mesh::of(2, &[]);
    mesh.call(A, &["SET", "primary", "1"]);
    for n in 0..20_000 {
        mesh.send(B, &["SET", &format!("key:{n}"), &"x".repeat(300)]);
    }
    mesh.servers[B].hold_disk = true;
    assert_eq!(mesh.text(B, &["BGSAVE"]), "Background saving started");
    mesh.replica_of(B, A);
    mesh.run(seconds(3));
    assert_in_step(&mut mesh, &[A, B]);
    mesh.servers[B].hold_disk = false;
    mesh.run(seconds(3));
    assert_eq!(mesh.info(B, "rdb_bgsave_in_progress"), "0");
    assert!(mesh.servers[B].disk.files.is_empty(), "half a file is no file");
}

#[test]
fn the_link_is_a_client_that_can_be_killed() {
    let mut mesh = pair(&[]);
    mesh.call(A, &["SELECT", "4"]);
    mesh.call(A, &["SET", "k", "1"]);
    mesh.run(seconds(1));
    let list = mesh.text(B, &["CLIENT", "LIST", "TYPE", "master"]);
    assert!(
        list.contains(" addr=primary:7000 laddr=10.0.0.1:40000 ") && list.contains(" flags=M db=4 "),
        "{list}"
    );
    assert_eq!(mesh.text(B, &["CLIENT", "KILL", "TYPE", "master"]), "1");
    mesh.call(A, &["SET", "k", "2"]);
    mesh.run(seconds(1));
    assert_eq!(mesh.text(A, &["CLIENT", "KILL", "TYPE", "replica"]), "1");
    mesh.call(A, &["SET", "k", "3"]);
    mesh.run(seconds(3));
    assert_in_step(&mut mesh, &[A, B]);
    assert_eq!((mesh.info(A, "sync_full"), mesh.info(A, "sync_partial_ok")), ("1".into(), "2".into()));
}

/// Any flipped bit of a dataset under way is found before the dataset takes the old one's place.
#[test]
fn a_damaged_dataset_is_refused_and_the_old_one_stays() {
    let mut mesh = Mesh::of(2, &[]);
    for n in 0..50 {
        mesh.call(A, &["SET", &format!("key:{n}"), &format!("value {n}")]);
    }
    for step in 0..40 {
        mesh.call(B, &["REPLICAOF", "NO", "ONE"]);
        mesh.call(B, &["SET", "own", &step.to_string()]);
        let own = mesh.digest(B);
        mesh.send(B, &["REPLICAOF", "primary", &port(A)]);
        mesh.wait(Nanos::ZERO);
        let number = mesh.wires_of(B)[0];
        // The header and the end of the transfer frame the dataset; the damage lies between.
        let mut damaged = false;
        for _ in 0..20 {
            mesh.deliver_up(number, usize::MAX);
            mesh.deliver_down_changed(number, usize::MAX, |bytes| {
                if let Some(start) = bytes.windows(5).position(|window| window == b"REDIS") {
                    let at = start + step * (bytes.len() - start - 50) / 40;
                    bytes[at] ^= 1 << (step % 8);
                    damaged = true;
                }
            });
            mesh.wait(Nanos::ZERO);
        }
        assert!(damaged);
        assert!(!mesh.wires.contains_key(&number), "step {step}: the link is given up");
        assert!(mesh.has_logged(B, "its dataset cannot be loaded"));
        mesh.servers[B].logs.clear();
        mesh.servers[A].deaf = true;
        assert_eq!(mesh.digest(B), own, "step {step}");
        mesh.servers[A].deaf = false;
    }
    mesh.run(seconds(12));
    assert_in_step(&mut mesh, &[A, B]);
}

/// A command that this server does not know changed the primary's dataset; all that follows builds on it.
#[test]
fn an_unknown_command_in_the_stream_ends_the_link() {
    let mut mesh = pair(&[]);
    let number = mesh.wires_of(A)[0];
    mesh.send_raw(A, b"SET k 1\r\nSET k 2\r\nSET k 3\r\n");
    mesh.deliver_down_changed(number, usize::MAX, |bytes| {
        let second = bytes.windows(3).enumerate().filter(|(_, window)| *window == b"SET").nth(1);
        let (at, _) = second.expect("three commands");
        bytes[at] = b'Z';
    });
    assert!(mesh.has_logged(B, "its command 'ZET' does not exist here"));
    mesh.servers[A].deaf = true;
    assert_eq!(mesh.text(B, &["GET", "k"]), "1");
    assert_eq!(mesh.info(B, "master_link_status"), "down");
    mesh.servers[A].deaf = false;
    mesh.run(seconds(15));
    assert_in_step(&mut mesh, &[A, B]);
    assert_eq!(mesh.info(A, "sync_full"), "2");
}

/// A primary that shuts down lets its replicas catch up first.
#[test]
fn a_shutdown_waits_for_the_replicas() {
    let mut mesh = pair(&[]);
    mesh.wires.values_mut().for_each(|wire| wire.stalled = true);
    mesh.call(A, &["SET", "k", "last"]);
    assert_eq!(mesh.try_call(A, &["SHUTDOWN", "NOSAVE"]), None);
    mesh.run(seconds(2));
    assert!(!mesh.has_logged(A, "exit 0"));
    mesh.wires.values_mut().for_each(|wire| wire.stalled = false);
    mesh.run(Nanos::from_millis(200));
    assert!(mesh.has_logged(A, "exit 0"), "{:?}", mesh.servers[A].logs);
    assert_eq!(mesh.text(B, &["GET", "k"]), "last");
}

#[test]
fn a_replica_that_lies_about_its_offset_is_disconnected() {
    let mut mesh = pair(&[]);
    mesh.call(A, &["SET", "k", "1"]);
    let liar = mesh.servers[A].node.client_opened("10.0.0.66:1".into(), "10.0.0.9:7000".into(), mesh.now);
    let (id, offset) = mesh.position(A);
    let next = offset.parse::<u64>().expect("a number") + 1;
    let mut words =
        bytes::BytesMut::from(format!("PSYNC {id} {next}\r\nREPLCONF ACK {}\r\n", next * 100).as_bytes());
    mesh.servers[A].node.client_data(liar, &mut words, mesh.now);
    mesh.settle();
    assert!(mesh.has_logged(A, "it acknowledged offset"), "{:?}", mesh.servers[A].logs);
    mesh.call(A, &["SET", "k", "2"]);
    assert_eq!(mesh.info(A, "connected_slaves"), "1");
    assert_eq!(mesh.try_call(A, &["WAIT", "2", "10"]), None);
    mesh.run(Nanos::from_millis(10));
    assert_eq!(mesh.reply(A), Some(Value::Integer(1)), "the liar counts for nothing");
}

/// What waits for a slow replica counted as used memory: a server at its limit evicted keys, whose DELs had
/// to wait too, until nothing was left.
#[test]
fn what_waits_for_a_slow_replica_does_not_count_as_used() {
    let mut mesh = pair(&["--repl-backlog-size", "100kb"]);
    mesh.wires.values_mut().for_each(|wire| wire.stalled = true);
    for n in 0..300 {
        mesh.call(A, &["SET", "k", &format!("{n}").repeat(400)]);
    }
    let number = |text: String| text.parse::<u64>().expect("a number");
    let held = number(mesh.info(A, "mem_total_replication_buffers"));
    assert!(held > 300_000, "{held} bytes held");
    assert_eq!(number(mesh.info(A, "mem_replication_backlog")), 100 * 1024);
    assert_eq!(number(mesh.info(A, "mem_not_counted_for_evict")), held - 100 * 1024);
    mesh.wires.values_mut().for_each(|wire| wire.stalled = false);
    mesh.call(A, &["SET", "k", "1"]);
    mesh.run(seconds(1));
    assert!(number(mesh.info(A, "mem_total_replication_buffers")) < 150_000, "and is given back");
    assert_in_step(&mut mesh, &[A, B]);
}
