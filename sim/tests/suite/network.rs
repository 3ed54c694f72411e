//! What processes see of the network: latency, windows, cuts, resets, deaths. Each test asks a small probe.

use std::io::ErrorKind;

use crate::probe::{Probe, elapsed_us, in_world, read_some};
use squall_clock::Nanos;
use squall_net::{Host, Stream};
use squall_sim::entropy::{below, stream};
use squall_sim::{
    Latency, LinkChange, LinkSettings, MachineId, MachineStatus, Rate, SimHost, Size, Span, World,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn a_round_trip_takes_the_latency_of_both_directions() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let world = probe.world.clone();
        let (client, server) = (probe.client, probe.server);
        let up = LinkChange { latency: Some(Latency::Fixed(Span::from_micros(100))), ..Default::default() };
        let down = LinkChange { latency: Some(Latency::Fixed(Span::from_micros(700))), ..Default::default() };
        world.change_link(client, server, &up);
        world.change_link(server, client, &down);
        probe
            .on_client(async move |host| {
                let start = host.now();
                let mut stream = crate::probe::connect(&host).await.unwrap();
                assert_eq!(elapsed_us(&host, start), 800, "the dialler waits for one round trip");
                let start = host.now();
                stream.write_all(b"hello").await.unwrap();
                let mut answer = [0; 5];
                stream.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"hello");
                assert_eq!(elapsed_us(&host, start), 800);
                assert_eq!(stream.peer(), "10.0.0.1:6379");
            })
            .await;
    });
}

#[test]
fn bandwidth_is_what_a_transfer_gets() {
    let links =
        LinkSettings { bandwidth: Some(Rate { bytes_per_second: 100_000 }), ..LinkSettings::default() };
    in_world(1, links, async |probe: Probe| {
        probe
            .on_client(async |host| {
                let mut stream = crate::probe::connect(&host).await.unwrap();
                let start = host.now();
                stream.write_all(&[7; 50_000]).await.unwrap();
                let mut answer = vec![0; 50_000];
                stream.read_exact(&mut answer).await.unwrap();
                // Half a second up; the echo comes down behind it, a segment later.
                assert!((500_000..700_000).contains(&elapsed_us(&host, start)));
            })
            .await;
    });
}

#[test]
fn short_reads_and_writes_lose_and_reorder_nothing() {
    let links = LinkSettings { short: 0.9, loss: 0.05, ..LinkSettings::default() };
    in_world(3, links, async |probe: Probe| {
        probe
            .on_client(async |host| {
                let mut stream = crate::probe::connect(&host).await.unwrap();
                let sent: Vec<u8> = (0..20_000u32).map(|n| (n * n / 7) as u8).collect();
                let mut received = Vec::new();
                let mut shortest = usize::MAX;
                for piece in sent.chunks(500) {
                    stream.write_all(piece).await.unwrap();
                    while received.len() < piece.as_ptr() as usize - sent.as_ptr() as usize {
                        let read = read_some(&mut stream).await.unwrap();
                        shortest = shortest.min(read.len());
                        received.extend(read);
                    }
                }
                while received.len() < sent.len() {
                    received.extend(read_some(&mut stream).await.unwrap());
                }
                assert!(received == sent);
                assert!(shortest < 100);
            })
            .await;
    });
}

/// A slow link still holds what was sent over it when it is fast again and is cut: what is lost then is sent again, and
/// must not overtake what flies.
#[test]
fn whatever_becomes_of_a_link_bytes_arrive_in_their_order() {
    for seed in 1..=20 {
        in_world(seed, LinkSettings::default(), async |probe: Probe| {
            let world = probe.world.clone();
            let (client, server) = (probe.client, probe.server);
            probe
                .on_client(async move |host| send_over_a_changing_link(&host, &world, client, server).await)
                .await;
        });
    }
}

async fn send_over_a_changing_link(host: &SimHost, world: &World, client: MachineId, server: MachineId) {
    let mut connection = crate::probe::connect(host).await.unwrap();
    let mut chance = stream(world.seed(), "link", 0);
    let mut sent = Vec::new();
    for piece in 0..100u32 {
        let bandwidth = Some(Rate { bytes_per_second: 1_000 + below(&mut chance, 20_000) });
        let slow = LinkChange { bandwidth, ..Default::default() };
        let trouble = below(&mut chance, 4);
        let slowed = (trouble != 1).then(|| world.change_link(client, server, &slow));
        if trouble == 2 {
            world.cut(client, server);
        }
        let bytes: Vec<u8> = (0..50).flat_map(|step| (piece * 50 + step).to_be_bytes()).collect();
        connection.write_all(&bytes).await.unwrap();
        sent.extend(bytes);
        world.sleep(Nanos::from_millis(1 + below(&mut chance, 60))).await;
        if trouble == 2 {
            world.heal(client, server);
        }
        slowed.into_iter().for_each(|number| world.undo_link_change(client, server, number));
    }
    let mut received = vec![0; sent.len()];
    connection.read_exact(&mut received).await.unwrap();
    assert!(received == sent, "seed {}", world.seed());
}

#[test]
fn a_paused_peer_takes_a_window_full_and_no_more() {
    let links = LinkSettings { window: Size(10_000), ..LinkSettings::default() };
    in_world(1, links, async |probe: Probe| {
        let world = probe.world.clone();
        let server = probe.server;
        probe
            .on_client(async move |host| {
                let mut stream = crate::probe::connect(&host).await.unwrap();
                world.pause(server);
                assert_eq!(stream.write(&[1; 25_000]).await.unwrap(), 10_000);
                let blocked = host.now();
                world.at(blocked.mono + Nanos::from_secs(30), move |world| world.resume(server));
                stream.write_all(&[1; 1]).await.unwrap();
                assert!((30_000_000..30_010_000).contains(&elapsed_us(&host, blocked)));
            })
            .await;
    });
}

#[test]
fn nobody_listening_is_a_refusal_and_a_cut_path_is_silence() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let world = probe.world.clone();
        let (client, server) = (probe.client, probe.server);
        world.crash(server);
        probe
            .on_client(async move |host| {
                let start = host.now();
                assert_eq!(
                    crate::probe::connect(&host).await.err().unwrap().kind(),
                    ErrorKind::ConnectionRefused
                );
                assert_eq!(elapsed_us(&host, start), 500);
                world.restart(server);
                world.cut(server, client);
                let start = host.now();
                world.at(start.mono + Nanos::from_secs(5), move |world| world.heal(server, client));
                let stream = crate::probe::connect(&host).await.unwrap();
                // Knocks at 0, 1, 3 and 7 seconds: the first one after the heal is answered.
                assert_eq!(elapsed_us(&host, start), 7_000_500);
                drop(stream);
                world.cut(client, server);
                let start = host.now();
                assert_eq!(crate::probe::connect(&host).await.err().unwrap().kind(), ErrorKind::TimedOut);
                assert_eq!(elapsed_us(&host, start), 127_000_000);
            })
            .await;
    });
}

#[test]
fn a_crash_is_heard_of_and_a_loss_of_power_is_not() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let world = probe.world.clone();
        let server = probe.server;
        probe
            .on_client(async move |host| {
                let mut stream = crate::probe::connect(&host).await.unwrap();
                let start = host.now();
                world.crash(server);
                assert_eq!(read_some(&mut stream).await.unwrap(), b"", "the kernel closes the socket");
                assert_eq!(elapsed_us(&host, start), 250);

                world.restart(server);
                let mut stream = crate::probe::connect(&host).await.unwrap();
                stream.set_keepalive(Some(Nanos::from_secs(300))).unwrap();
                world.sleep(Nanos::from_secs(1)).await;
                let start = host.now();
                world.lose_power(server);
                assert_eq!(world.status(server), MachineStatus::Off);
                let silence = read_some(&mut stream).await.unwrap_err();
                assert_eq!(silence.kind(), ErrorKind::TimedOut);
                // 300 seconds idle, then three probes a hundred seconds apart go unanswered.
                assert_eq!(elapsed_us(&host, start), 599_000_000);
            })
            .await;
    });
}

#[test]
fn a_machine_that_was_restarted_does_not_know_old_connections() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let world = probe.world.clone();
        let server = probe.server;
        probe
            .on_client(async move |host| {
                let mut stream = crate::probe::connect(&host).await.unwrap();
                world.lose_power(server);
                world.restart(server);
                stream.write_all(b"are you there?").await.unwrap();
                let start = host.now();
                let reset = read_some(&mut stream).await.unwrap_err();
                assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
                assert_eq!(elapsed_us(&host, start), 500);
                assert!(stream.write(b"?").await.is_err());
            })
            .await;
    });
}

#[test]
fn what_a_cut_swallowed_arrives_after_the_heal_with_the_next_retransmission() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let world = probe.world.clone();
        let (client, server) = (probe.client, probe.server);
        probe
            .on_client(async move |host| {
                let mut stream = crate::probe::connect(&host).await.unwrap();
                let start = host.now();
                world.cut(client, server);
                stream.write_all(b"first ").await.unwrap();
                world.at(start.mono + Nanos::from_secs(2), move |world| world.heal(client, server));
                world.sleep(Nanos::from_millis(2_500)).await;
                stream.write_all(b"second").await.unwrap();
                let mut answer = [0; 12];
                stream.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"first second");
                // Retransmissions at 0.2, 0.6, 1.4 and 3 seconds.
                assert_eq!(elapsed_us(&host, start), 3_000_500);
            })
            .await;
    });
}

#[test]
fn one_way_silence_ends_in_a_timeout_of_the_sender_alone() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let world = probe.world.clone();
        let (client, server) = (probe.client, probe.server);
        probe
            .on_client(async move |host| {
                let mut stream = crate::probe::connect(&host).await.unwrap();
                world.cut(server, client);
                stream.write_all(b"heard, but not acknowledged").await.unwrap();
                let start = host.now();
                let error = read_some(&mut stream).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                assert!(elapsed_us(&host, start) > 600_000_000, "{}", elapsed_us(&host, start));
                assert_eq!(world.connections(client, server).len(), 1, "the server still holds its end");
            })
            .await;
    });
}

#[test]
fn one_connection_can_be_muted_or_reset_while_another_works() {
    in_world(1, LinkSettings::default(), async |probe: Probe| {
        let world = probe.world.clone();
        let (client, server) = (probe.client, probe.server);
        probe
            .on_client(async move |host| {
                let mut muted = crate::probe::connect(&host).await.unwrap();
                let mut healthy = crate::probe::connect(&host).await.unwrap();
                let ids = world.connections(client, server);
                assert_eq!(ids, [muted.id(), healthy.id()]);
                world.mute_connection(ids[0], true);
                muted.write_all(b"x").await.unwrap();
                healthy.write_all(b"y").await.unwrap();
                assert_eq!(read_some(&mut healthy).await.unwrap(), b"y");
                world.reset_connection(ids[0]);
                assert_eq!(read_some(&mut muted).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
                healthy.write_all(b"z").await.unwrap();
                assert_eq!(read_some(&mut healthy).await.unwrap(), b"z");
            })
            .await;
    });
}

#[test]
fn a_closed_write_side_is_an_end_of_file_after_all_bytes() {
    in_world(1, LinkSettings { loss: 0.2, ..LinkSettings::default() }, async |probe: Probe| {
        let world = probe.world.clone();
        let (client, server) = (probe.client, probe.server);
        probe
            .on_client(async move |host| {
                let mut stream = crate::probe::connect(&host).await.unwrap();
                stream.write_all(&[9; 100_000]).await.unwrap();
                stream.shutdown().await.unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.unwrap();
                assert_eq!(answer.len(), 100_000);
                drop(stream);
                world.sleep(Nanos::from_secs(10)).await;
                assert_eq!(
                    world.connections(client, server),
                    [],
                    "a finished connection leaves nothing behind"
                );
            })
            .await;
    });
}
