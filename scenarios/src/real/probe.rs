//! What the proxies do to a path, measured by a small probe: a server that sends back what it is sent, and a caller with
//! a clock. Bounds are wide on the side on which a busy machine may be late, and sharp on the other.

use std::rc::Rc;

use squall_clock::{Mono, Nanos};
use squall_net::real::{RealHost, RealStream};
use squall_net::{Endpoint, Host, Listener};
use squall_sim::within;
use squall_sim::{
    Latency, LinkChange, LinkSettings, MachineId, Process, Rate, Resident, Size, Span, Theatre,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::host::RealMachine;
use super::process::Processes;
use super::server::ServerProgram;
use super::world::{Making, RealWorld};

const PATIENCE: Nanos = Nanos::from_secs(20);

/// A world with a server `a` that echoes, and a caller on `c`.
struct Probe {
    world: RealWorld,
    caller: RealMachine,
    a: MachineId,
    c: MachineId,
}

fn probe(settings: LinkSettings, work: impl AsyncFnOnce(Probe)) {
    let directory = tempfile::tempdir().expect("a directory");
    let played = RealHost::run(directory.path(), async |host| {
        let making = Making {
            seed: 1,
            server: &ServerProgram { path: "/nowhere".into(), name: "echo".to_owned() },
            processes: &Processes::default(),
            root: directory.path(),
            links: &settings,
            servers: vec!["a".to_owned()],
            progress: None,
        };
        let world = RealWorld::on(&host, making).expect("a world");
        let (a, c) = (world.add_machine("a"), world.add_machine("c"));
        world.start(a, Rc::new(|host| Box::pin(echo(host)) as Process));
        let caller = RealMachine::of(&world, c);
        work(Probe { world: world.clone(), caller, a, c }).await;
        world.end();
    });
    played.expect("a runtime");
}

async fn echo(host: RealMachine) {
    let place = host.world().place(host.machine());
    let behind = squall_net::Address { host: place.ip.to_string(), port: place.behind };
    let mut listener = host.listen(&Endpoint::Tcp(behind), 16).await.expect("its port is free");
    while let Ok(mut stream) = listener.accept().await {
        host.spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(len @ 1..) = stream.read(&mut buffer).await {
                if stream.write_all(&buffer[..len]).await.is_err() {
                    return;
                }
            }
        });
    }
}

impl Probe {
    async fn call(&self) -> RealStream {
        let address = self.world.address_of("a");
        // The server may not listen yet: its proxy does.
        for _ in 0..200 {
            let mut stream = self.caller.connect(&address, None).await.expect("the proxy is open");
            if self.echoes(&mut stream, 1).await.is_some() {
                return stream;
            }
        }
        panic!("the server never answers");
    }

    /// How long so many bytes take there and back; nothing where the connection broke or all patience is gone.
    async fn echoes(&self, stream: &mut RealStream, len: usize) -> Option<Nanos> {
        let begun = self.world.now();
        let (mut back, data) = (vec![0; len], vec![7; len]);
        let exchange = async {
            let (mut reader, mut writer) = tokio::io::split(stream);
            let write = async { writer.write_all(&data).await };
            let read = async { reader.read_exact(&mut back).await.map(drop) };
            both(write, read).await
        };
        within(&self.caller, PATIENCE, exchange).await?.ok()?;
        Some(self.world.now().since(begun))
    }
}

/// Polls both until both are ready, or one has failed.
async fn both(
    one: impl Future<Output = std::io::Result<()>>,
    other: impl Future<Output = std::io::Result<()>>,
) -> std::io::Result<()> {
    let (mut one, mut other) = (Box::pin(one), Box::pin(other));
    let (mut first, mut second) = (false, false);
    std::future::poll_fn(move |context| {
        use std::task::Poll::{Pending, Ready};
        for (future, done) in
            [(&mut one as &mut (dyn Future<Output = _> + Unpin), &mut first), (&mut other, &mut second)]
        {
            if !*done && let Ready(outcome) = std::pin::Pin::new(future).poll(context) {
                if outcome.is_err() {
                    return Ready(outcome);
                }
                *done = true;
            }
        }
        if first && second { Ready(Ok(())) } else { Pending }
    })
    .await
}

fn fixed(millis: u64) -> LinkSettings {
    LinkSettings { latency: Latency::Fixed(Span::from_millis(millis)), ..LinkSettings::default() }
}

#[test]
fn latency_bandwidth_and_window_are_those_of_the_path() {
    probe(fixed(20), async |probe| {
        let mut stream = probe.call().await;
        let trip = probe.echoes(&mut stream, 10).await.expect("an echo").as_millis();
        assert!((40..400).contains(&trip), "{trip} ms for 2 x 20");
        let narrow = Rate { bytes_per_second: 100_000 };
        let change = LinkChange { bandwidth: Some(narrow), ..LinkChange::default() };
        let number = probe.world.change_link(probe.c, probe.a, &change);
        let trip = probe.echoes(&mut stream, 50_000).await.expect("an echo").as_millis();
        assert!((540..2_000).contains(&trip), "{trip} ms for 50 kB at 100 kB/s");
        probe.world.undo_link_change(probe.c, probe.a, number);
        // A window of 4 kB is sent once in each trip of 40 ms at most.
        let change = LinkChange { window: Some(Size(4_000)), ..LinkChange::default() };
        probe.world.change_link(probe.c, probe.a, &change);
        let whole = probe.echoes(&mut stream, 10).await.expect("an echo").as_millis();
        assert!(whole < 400, "{whole} ms once the path is as it was");
    });
}

#[test]
fn a_cut_is_silence_and_what_was_lost_is_sent_again() {
    probe(fixed(1), async |probe| {
        let mut stream = probe.call().await;
        probe.world.cut(probe.a, probe.c);
        let (world, a, c) = (probe.world.clone(), probe.a, probe.c);
        probe.world.at(probe.world.now() + Nanos::from_millis(500), move |_| world.heal(a, c));
        let trip = probe.echoes(&mut stream, 10).await.expect("it comes in the end").as_millis();
        // Lost at 0 ms, sent again at 200, 600: only then is the path open.
        assert!((590..1_500).contains(&trip), "{trip} ms");
        // Who dials meanwhile is not connected at once.
        probe.world.cut(probe.c, probe.a);
        let address = probe.world.address_of("a");
        let dialled =
            within(&probe.caller, Nanos::from_millis(200), probe.caller.connect(&address, None)).await;
        assert!(dialled.is_none());
        probe.world.heal(probe.c, probe.a);
    });
}

#[test]
fn a_reset_is_heard_and_a_muted_connection_is_not() {
    probe(fixed(1), async |probe| {
        let (mut one, mut other) = (probe.call().await, probe.call().await);
        let open = probe.world.connections(probe.c, probe.a);
        let last = *open.last().expect("two connections");
        probe.world.mute_connection(last, true);
        let answer = within(&probe.caller, Nanos::from_millis(300), probe.echoes(&mut other, 5)).await;
        assert_eq!(answer, None, "nothing comes back, and nobody is told");
        assert!(probe.echoes(&mut one, 5).await.is_some(), "the other one works");
        open.into_iter().for_each(|id| probe.world.reset_connection(id));
        assert_eq!(probe.echoes(&mut one, 5).await, None);
    });
}

#[test]
fn a_crashed_machine_refuses_and_one_without_power_is_silent() {
    probe(fixed(1), async |probe| {
        let mut stream = probe.call().await;
        let begun: Mono = probe.world.now();
        probe.world.crash(probe.a);
        // What is aborted goes at its next turn, and only then is its socket closed.
        probe.world.sleep(Nanos::from_millis(5)).await;
        let address = probe.world.address_of("a");
        let dialled = probe.caller.connect(&address, None).await;
        assert_eq!(dialled.err().map(|error| error.kind()), Some(std::io::ErrorKind::ConnectionRefused));
        assert_eq!(probe.echoes(&mut stream, 5).await, None, "its kernel has closed what it had open");
        assert!(probe.world.now().since(begun) < PATIENCE);
        probe.world.restart(probe.a);
        let mut stream = probe.call().await;
        probe.world.lose_power(probe.a);
        let answer = within(&probe.caller, Nanos::from_millis(300), probe.echoes(&mut stream, 5)).await;
        assert_eq!(answer, None);
        probe.world.restart(probe.a);
        assert_eq!(probe.echoes(&mut stream, 5).await, None, "it knows nothing of the connection");
        assert!(probe.world.now().since(begun) < PATIENCE, "and says so");
    });
}
