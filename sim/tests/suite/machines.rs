//! What processes see of their machine: its disk, its clocks, its death; and that a seed decides all of it.

use std::io::ErrorKind;

use crate::probe::{Probe, elapsed_us, in_world, read_some};
use bytes::Bytes;
use squall_clock::Nanos;
use squall_net::{Disk, DiskFile, Host, OpenMode};
use squall_sim::{DiskFault, DiskOp, Latency, LinkSettings, Size, Span, Uniform};
use tokio::io::AsyncWriteExt;

#[test]
fn a_loss_of_power_spares_what_was_synced_and_named() {
    let run = in_world(1, LinkSettings::default(), async |probe: Probe| {
        probe
            .on_client(async |host| {
                let disk = host.disk();
                let file = disk.open("temp", OpenMode::Append).await.unwrap();
                file.append(Bytes::from_static(b"synced")).await.unwrap();
                file.sync().await.unwrap();
                disk.rename("temp", "data").await.unwrap();
                disk.sync_dir(".").await.unwrap();
                file.append(Bytes::from_static(b" and not")).await.unwrap();
                disk.open("unnamed", OpenMode::Append).await.unwrap().sync().await.unwrap();
            })
            .await;
        let torn_tail = squall_sim::TornTail::Lost;
        probe.world.set_disk_fault(probe.client, DiskFault { torn_tail, ..Default::default() });
        probe.world.lose_power(probe.client);
        probe
            .on_client(async |host| {
                assert_eq!(host.disk().list("").await.unwrap(), ["data"]);
                let file = host.disk().open("data", OpenMode::Read).await.unwrap();
                assert_eq!(file.read(0, 100).await.unwrap(), "synced");
                assert_eq!(file.read(6, 100).await.unwrap(), "");
            })
            .await;
    });
    assert!(run.events > 0 && run.trace.lines > 0);
}

#[test]
fn a_crash_spares_the_page_cache_and_an_empty_disk_spares_nothing() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let write = async |host: squall_sim::SimHost| {
            let file = host.disk().open("data", OpenMode::Append).await.unwrap();
            file.append(Bytes::from_static(b"x")).await.unwrap();
        };
        probe.on_client(write).await;
        probe.world.crash(probe.client);
        let read = async |host: squall_sim::SimHost| {
            assert_eq!(host.disk().open("data", OpenMode::Read).await.unwrap().len().await.unwrap(), 1);
        };
        probe.on_client(read).await;
        probe.world.replace_disk(probe.client);
        probe.on_client(async |host| assert_eq!(host.disk().list("").await.unwrap().len(), 0)).await;
    });
}

#[test]
fn disks_are_slow_full_failing_or_lying_when_told_to_be() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let (world, client) = (probe.world.clone(), probe.client);
        probe
            .on_client(async move |host| {
                let file = host.disk().open("data", OpenMode::Append).await.unwrap();
                let fault = |fault: DiskFault| world.set_disk_fault(client, fault);

                fault(DiskFault { latency: Some(Span::from_millis(40)), ..Default::default() });
                let start = host.now();
                file.sync().await.unwrap();
                assert_eq!(elapsed_us(&host, start), 40_500);

                fault(DiskFault { capacity: Some(Size(4)), ..Default::default() });
                let full = file.append(Bytes::from_static(b"123456")).await.unwrap_err();
                assert_eq!(full.kind(), ErrorKind::StorageFull);
                assert_eq!(file.len().await.unwrap(), 4, "a failed append may have written a part");

                fault(DiskFault { rots: "dat".to_owned(), ..Default::default() });
                file.append(Bytes::from_static(b"ab")).await.unwrap();
                assert_eq!(file.read(4, 2).await.unwrap(), "ac", "a bit has been turned");
                let other = host.disk().open("other", OpenMode::Append).await.unwrap();
                other.append(Bytes::from_static(b"ab")).await.unwrap();
                assert_eq!(other.read(0, 2).await.unwrap(), "ab");

                fault(DiskFault { fails: vec![DiskOp::Sync], ..Default::default() });
                assert!(file.sync().await.is_err());
                file.append(Bytes::from_static(b"5")).await.unwrap();

                fault(DiskFault { read_only: true, ..Default::default() });
                let refused = host.disk().remove("data").await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);

                fault(DiskFault::default());
                world.flip_bit(client, "data", 0).unwrap();
                assert_eq!(file.read(0, 9).await.unwrap(), "0234ac5");
            })
            .await;
    });
}

#[test]
fn a_clock_jumps_for_people_and_not_for_deadlines() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let (world, client) = (probe.world.clone(), probe.client);
        probe
            .on_client(async move |host| {
                let before = host.now();
                world.jump_clock(client, -3_600_000_000);
                assert_eq!(host.now().unix_us, before.unix_us - 3_600_000_000);
                assert_eq!(host.now().mono, before.mono);
                world.drift_clock(client, 1_000);
                host.sleep_until(before.mono + Nanos::from_secs(100)).await;
                assert_eq!(elapsed_us(&host, before), 100_000_000);
                assert_eq!(host.now().unix_us, before.unix_us - 3_600_000_000 + 100_100_000);
            })
            .await;
    });
}

#[test]
fn a_panic_of_a_process_ends_the_run_with_its_message() {
    let body = async |world: squall_sim::World| {
        let server = world.add_machine("server");
        world.start(server, std::rc::Rc::new(|host| Box::pin(crate::probe::echo(host))));
        let client = world.add_machine("client");
        let assert_in_vain = |host: squall_sim::SimHost| async move {
            // Open connections and timers have to survive the unwinding.
            let _stream = crate::probe::connect(&host).await.unwrap();
            host.sleep_until(host.now().mono + Nanos::from_secs(1)).await;
            panic!("an invariant is broken");
        };
        world.start(client, std::rc::Rc::new(move |host| Box::pin(assert_in_vain(host))));
        world.sleep(Nanos::from_secs(5)).await;
    };
    let failure = squall_sim::run(1, squall_sim::WorldOptions::default(), body).unwrap_err();
    assert_eq!(failure.message, "an invariant is broken");
}

#[test]
fn entropy_follows_from_the_seed_and_the_machine() {
    let draw = |seed| {
        let (sender, drawn) = std::sync::mpsc::channel();
        in_world(seed, LinkSettings::default(), async move |probe: Probe| {
            probe
                .on_client(async move |host| {
                    let mut bytes = [0; 16];
                    host.entropy(&mut bytes);
                    sender.send(bytes).unwrap();
                })
                .await;
        });
        drawn.recv().unwrap()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn one_seed_gives_one_trace_and_another_seed_another() {
    let trace = |seed| {
        let latency = Latency::Uniform(Uniform { min: Span::from_micros(100), max: Span::from_millis(5) });
        let links = LinkSettings { latency, loss: 0.05, short: 0.2, ..LinkSettings::default() };
        let run = in_world(seed, links, async |probe: Probe| {
            let (world, server) = (probe.world.clone(), probe.server);
            world.at(world.now() + Nanos::from_millis(50), move |world| world.pause(server));
            world.at(world.now() + Nanos::from_millis(90), move |world| world.resume(server));
            probe.on_client(talk).await;
        });
        (run.trace, run.events, run.simulated)
    };
    let first = trace(7);
    assert!(first.0.lines > 100, "{first:?}");
    let beside = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| trace(7))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(beside.iter().all(|other| *other == first), "{first:?} {beside:?}");
    assert_ne!(trace(8).0.hash, first.0.hash);
}

/// Several conversations at once, in tasks whose order the executor draws.
async fn talk(host: squall_sim::SimHost) {
    let done = std::rc::Rc::new(std::cell::Cell::new(0));
    for number in 0..8u8 {
        let (host, done) = (host.clone(), std::rc::Rc::clone(&done));
        host.clone().spawn(async move {
            let mut stream = crate::probe::connect(&host).await.unwrap();
            for round in 0..20 {
                stream.write_all(&[number, round]).await.unwrap();
                read_some(&mut stream).await.unwrap();
            }
            done.set(done.get() + 1);
        });
    }
    while done.get() < 8 {
        host.sleep_until(host.now().mono + Nanos::from_millis(1)).await;
    }
}

#[test]
fn a_disk_that_stands_still_answers_when_it_moves_again() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let (world, client) = (probe.world.clone(), probe.client);
        probe
            .on_client(async move |host| {
                let file = host.disk().open("data", OpenMode::Append).await.unwrap();
                world.set_disk_fault(client, DiskFault { stalled: true, ..Default::default() });
                let start = host.now();
                let heal =
                    move |world: &squall_sim::World| world.set_disk_fault(client, DiskFault::default());
                world.at(start.mono + Nanos::from_secs(3), heal);
                file.append(Bytes::from_static(b"x")).await.unwrap();
                assert_eq!(elapsed_us(&host, start), 3_000_000);
                let start = host.now();
                file.sync().await.unwrap();
                assert_eq!(elapsed_us(&host, start), 500, "and then it is as fast as before");
            })
            .await;
    });
}

#[test]
fn a_write_that_fails_may_leave_a_part_behind() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let (world, client) = (probe.world.clone(), probe.client);
        probe
            .on_client(async move |host| {
                let file = host.disk().open("data", OpenMode::Append).await.unwrap();
                let fails = vec![DiskOp::Append];
                world.set_disk_fault(client, DiskFault { fails: fails.clone(), ..Default::default() });
                assert!(file.append(Bytes::from_static(&[1; 1_000])).await.is_err());
                assert_eq!(file.len().await.unwrap(), 0);
                world.set_disk_fault(client, DiskFault { fails, short_writes: true, ..Default::default() });
                assert!(file.append(Bytes::from_static(&[1; 1_000])).await.is_err());
                let written = file.len().await.unwrap();
                assert!((1..1_000).contains(&written), "{written}");
            })
            .await;
    });
}

#[test]
fn a_directory_whose_syncs_are_lost_loses_names_and_keeps_bytes() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let torn_tail = squall_sim::TornTail::Lost;
        let write = async |host: squall_sim::SimHost, name: &str| {
            let file = host.disk().open(name, OpenMode::Append).await.unwrap();
            file.append(Bytes::from_static(b"x")).await.unwrap();
            file.sync().await.unwrap();
            host.disk().sync_dir(".").await.unwrap();
        };
        probe.on_client(async move |host| write(host, "before").await).await;
        probe
            .world
            .set_disk_fault(probe.client, DiskFault { loses_names: true, torn_tail, ..Default::default() });
        probe
            .on_client(async move |host| {
                write(host.clone(), "after").await;
                write(host, "before").await;
            })
            .await;
        probe.world.lose_power(probe.client);
        probe
            .on_client(async |host| {
                assert_eq!(host.disk().list("").await.unwrap(), ["before"]);
                let file = host.disk().open("before", OpenMode::Read).await.unwrap();
                assert_eq!(file.read(0, 9).await.unwrap(), "xx", "the file itself was synced");
            })
            .await;
    });
}

/// A clock that is ten per cent too fast is six seconds ahead after a minute, and stays ahead when it is mended.
#[test]
fn a_drifting_clock_gains_time_until_the_fault_is_over() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let world = probe.world.clone();
        let faults = squall_sim::Faults::of(&world);
        let drift = squall_sim::Fault::ClockDrift { node: "client".to_owned(), ppm: 100_000 };
        faults.begin(&drift, Some(Nanos::from_secs(60))).expect("it can be done");
        probe
            .on_client(async move |host| {
                let before = host.now();
                host.sleep_until(before.mono + Nanos::from_secs(120)).await;
                let gained = host.now().unix_us - before.unix_us - 120_000_000;
                assert!((5_999_000..=6_000_000).contains(&gained), "{gained}");
            })
            .await;
    });
}
