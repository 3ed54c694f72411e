//! Faults that have a shape in space or time, each seen through a small probe: who still reaches whom, and when.

use std::cell::RefCell;
use std::rc::Rc;

use squall_clock::Nanos;
use squall_net::{Address, Endpoint, Host, Listener};
use squall_sim::{
    Bursts, Fault, Faults, Latency, LinkChange, Process, SimHost, Span, World, WorldOptions, run, within,
};

/// Four machines that accept connections, and which of them can open one to which right now.
async fn reaches(world: &World) -> Vec<String> {
    let found = Rc::new(RefCell::new(Vec::new()));
    for from in ["a", "b", "c", "d"] {
        let prober = world.machine_named(from).expect("it is there");
        let (outcome, name) = (Rc::clone(&found), from.to_owned());
        world.crash(prober);
        world.start(
            prober,
            Rc::new(move |host: SimHost| {
                let (outcome, name) = (Rc::clone(&outcome), name.clone());
                Box::pin(async move {
                    host.spawn(accept(host.clone()));
                    host.sleep_until(host.now().mono + Nanos::from_millis(5)).await;
                    for to in ["a", "b", "c", "d"].into_iter().filter(|to| *to != name) {
                        let address = Address { host: to.to_owned(), port: 6379 };
                        let opened =
                            within(&host, Nanos::from_millis(50), host.connect(&address, None)).await;
                        if opened.is_some_and(|opened| opened.is_ok()) {
                            outcome.borrow_mut().push(format!("{name}{to}"));
                        }
                    }
                    std::future::pending::<()>().await;
                }) as Process
            }),
        );
    }
    world.sleep(Nanos::from_millis(400)).await;
    let mut pairs = found.borrow().clone();
    pairs.sort();
    pairs
}

async fn accept(host: SimHost) {
    let everywhere = Endpoint::Tcp(Address { host: "*".to_owned(), port: 6379 });
    let Ok(mut listener) = host.listen(&everywhere, 511).await else { return };
    let mut held = Vec::new();
    while let Ok(stream) = listener.accept().await {
        held.push(stream);
    }
}

/// What four machines reach under a fault, and again when it is over.
fn reached_under(fault: Fault) -> (Vec<String>, Vec<String>) {
    let body = async move |world: World| {
        for name in ["a", "b", "c", "d"] {
            world.add_machine(name);
        }
        let faults = Faults::of(&world);
        faults.begin(&fault, None).expect("it can be done");
        let during = reaches(&world).await;
        faults.heal_all();
        (during, reaches(&world).await)
    };
    run(1, WorldOptions::default(), body).unwrap_or_else(|failure| panic!("{failure}")).outcome
}

fn names(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn a_bridge_is_what_two_halves_have_in_common() {
    let (during, after) = reached_under(Fault::Bridge { nodes: names("a b c"), bridge: names("d") });
    assert_eq!(during, names("ad bd cd da db dc"));
    assert_eq!(after.len(), 12);
}

#[test]
fn in_a_ring_each_reaches_its_neighbours() {
    let (during, after) = reached_under(Fault::Ring { nodes: names("a b c d") });
    assert_eq!(during, names("ab ad ba bc cb cd da dc"));
    assert_eq!(after.len(), 12);
}

/// A world of one echoing machine and one that asks it again and again; gives the times of the answers, in milliseconds.
fn answers_under(fault: impl Fn() -> Fault + Send + 'static, lasting_ms: u64) -> Vec<u64> {
    let body = async move |world: World| {
        let server = world.add_machine("server");
        let client = world.add_machine("client");
        world.start(server, Rc::new(|host| Box::pin(answer(host)) as Process));
        let heard = Rc::new(RefCell::new(Vec::new()));
        let times = Rc::clone(&heard);
        world.start(
            client,
            Rc::new(move |host| {
                let times = Rc::clone(&times);
                Box::pin(ask(host, times)) as Process
            }),
        );
        let faults = Faults::of(&world);
        faults.begin(&fault(), Some(Nanos::from_millis(lasting_ms))).expect("it can be done");
        world.sleep(Nanos::from_millis(lasting_ms + 1_000)).await;
        heard.borrow().clone()
    };
    run(1, WorldOptions::default(), body).unwrap_or_else(|failure| panic!("{failure}")).outcome
}

/// Accepts a connection, says a byte, closes it.
async fn answer(host: SimHost) {
    use tokio::io::AsyncWriteExt;
    let everywhere = Endpoint::Tcp(Address { host: "*".to_owned(), port: 6379 });
    let mut listener = host.listen(&everywhere, 511).await.expect("the port is free");
    while let Ok(mut stream) = listener.accept().await {
        let _ = stream.write_all(b"!").await;
    }
}

/// Opens a connection every ten milliseconds and notes when a byte came over it within eight.
async fn ask(host: SimHost, heard: Rc<RefCell<Vec<u64>>>) {
    use tokio::io::AsyncReadExt;
    let server = Address { host: "server".to_owned(), port: 6379 };
    loop {
        let begun = host.now().mono;
        let exchange = async {
            let mut stream = host.connect(&server, None).await.ok()?;
            let mut byte = [0; 1];
            stream.read_exact(&mut byte).await.ok()
        };
        if within(&host, Nanos::from_millis(8), exchange).await.flatten().is_some() {
            heard.borrow_mut().push(begun.0 / 1_000_000);
        }
        host.sleep_until(begun + Nanos::from_millis(10)).await;
    }
}

fn among(times: &[u64], from: u64, until: u64) -> usize {
    times.iter().filter(|time| (from..until).contains(time)).count()
}

#[test]
fn a_flapping_partition_comes_and_goes() {
    let apart = || Fault::Flapping {
        left: vec!["server".to_owned()],
        right: vec!["*".to_owned()],
        down: Span::from_millis(300),
        up: Span::from_millis(100),
    };
    let times = answers_under(apart, 1_200);
    for cycle in 0..3 {
        let begin = cycle * 400;
        assert_eq!(among(&times, begin, begin + 290), 0, "{times:?}");
        assert!(among(&times, begin + 300, begin + 390) >= 8, "{times:?}");
    }
    assert!(among(&times, 1_200, 2_200) >= 95, "{times:?}");
}

#[test]
fn a_stuttering_process_answers_only_while_it_works() {
    let stutter = || Fault::Stutter {
        node: "server".to_owned(),
        work: Span::from_millis(100),
        stall: Span::from_millis(100),
    };
    let times = answers_under(stutter, 1_000);
    let share = among(&times, 0, 1_000);
    assert!((42..=58).contains(&share), "half of the time: {share} of 100, {times:?}");
    assert!(among(&times, 1_010, 2_000) >= 95);
}

#[test]
fn a_machine_that_moves_is_found_by_its_name_and_not_at_its_old_address() {
    let body = async move |world: World| {
        let server = world.add_machine("server");
        let client = world.add_machine("client");
        world.start(server, Rc::new(|host| Box::pin(answer(host)) as Process));
        let before = world.address(server);
        let faults = Faults::of(&world);
        let moves = Fault::Move { node: "server".to_owned() };
        faults.begin(&moves, Some(Nanos::from_millis(100))).expect("it can be done");
        world.sleep(Nanos::from_millis(200)).await;
        assert_ne!(world.address(server), before);
        let reached = Rc::new(RefCell::new(None));
        let outcome = Rc::clone(&reached);
        let program = move |host: SimHost| {
            let (outcome, before) = (Rc::clone(&outcome), before.to_string());
            Box::pin(async move {
                let dial = async |host: &SimHost, name: &str| {
                    let address = Address { host: name.to_owned(), port: 6379 };
                    within(host, Nanos::from_millis(50), host.connect(&address, None)).await
                };
                let by_name = dial(&host, "server").await.is_some_and(|opened| opened.is_ok());
                let by_address = dial(&host, &before).await.is_some();
                *outcome.borrow_mut() = Some((by_name, by_address));
            }) as Process
        };
        world.start(client, Rc::new(program));
        world.sleep(Nanos::from_millis(200)).await;
        reached.borrow_mut().take()
    };
    let run = run(1, WorldOptions::default(), body).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(run.outcome, Some((true, false)), "the name leads there; at the old address there is silence");
}

#[test]
fn a_machine_that_was_started_meanwhile_does_not_move_while_it_runs() {
    let outcome = run(1, WorldOptions::default(), async |world: World| {
        let server = world.add_machine("server");
        world.start(server, Rc::new(|host| Box::pin(answer(host)) as Process));
        let node = || "server".to_owned();
        let faults = Faults::of(&world);
        faults.begin(&Fault::Move { node: node() }, Some(Nanos::from_millis(100))).expect("it can be done");
        faults.begin(&Fault::Crash { node: node() }, Some(Nanos::from_millis(50))).expect("it can be done");
        world.sleep(Nanos::from_millis(75)).await;
        let (address, between) = (world.address(server), world.starts(server));
        world.sleep(Nanos::from_millis(75)).await;
        (world.address(server) != address, between, world.starts(server))
    });
    assert_eq!(outcome.expect("nothing panics").outcome, (true, 2, 3), "its process ends with its address");
}

#[test]
fn shapes_that_cannot_be_are_refused() {
    let outcome = run(1, WorldOptions::default(), async |world: World| {
        for name in ["a", "b"] {
            world.add_machine(name);
        }
        let refuse = |fault: Fault| Faults::of(&world).begin(&fault, None).unwrap_err();
        let spans = (Span::from_micros(1), Span::from_secs(1));
        [
            refuse(Fault::Ring { nodes: names("a b") }),
            refuse(Fault::Bridge { nodes: names("a b"), bridge: names("b") }),
            refuse(Fault::Stutter { node: "a".to_owned(), work: spans.0, stall: spans.1 }),
        ]
    });
    let [ring, bridge, stutter] = outcome.expect("nothing panics").outcome;
    assert!(ring.contains("three") && bridge.contains("not among") && stutter.contains("1ms"), "{stutter}");
}

#[test]
fn those_who_are_isolated_reach_nobody_not_even_each_other() {
    let (during, after) = reached_under(Fault::Isolate { nodes: names("a b") });
    assert_eq!(during, names("cd dc"));
    assert_eq!(after.len(), 12);
}

#[test]
fn a_cut_is_one_way_and_a_partition_is_both() {
    // Who cannot be answered cannot open a connection, either.
    let cut = Fault::Cut { from: names("a"), to: names("b c d") };
    assert_eq!(reached_under(cut).0, names("bc bd cb cd db dc"));
    let halves = Fault::Partition { left: names("a b"), right: names("*") };
    assert_eq!(reached_under(halves).0, names("ab ba cd dc"));
}

/// Half of the segments are lost and sent again: hardly anything gets through in eight milliseconds.
#[test]
fn a_link_that_loses_or_is_slow_is_alive_and_late() {
    let change = |change: LinkChange| {
        move || Fault::Link {
            from: vec!["server".to_owned()],
            to: vec!["*".to_owned()],
            change: change.clone(),
        }
    };
    let slow = LinkChange { latency: Some(Latency::Fixed(Span::from_millis(5))), ..Default::default() };
    // The dialler waits for the answer to its knock and for the byte: ten milliseconds are more than eight.
    let times = answers_under(change(slow), 1_000);
    assert_eq!((among(&times, 0, 990), among(&times, 1_010, 2_000) > 95), (0, true), "{times:?}");
    let lossy = LinkChange { loss: Some(0.5), ..Default::default() };
    let share = among(&answers_under(change(lossy), 1_000), 0, 990);
    assert!((10..=45).contains(&share), "a knock and a byte must both get through: {share}");
}

#[test]
fn a_pause_and_a_crash_are_silence_and_refusal_until_they_are_over() {
    let node = || "server".to_owned();
    for fault in [Fault::Pause { node: node() }, Fault::Crash { node: node() }] {
        let times = answers_under(move || fault.clone(), 500);
        assert_eq!(among(&times, 0, 490), 0, "{times:?}");
        assert!(among(&times, 520, 1_500) >= 90, "{times:?}");
    }
}

/// Bursts of latency: each period ends with a stretch in which no answer comes in time.
#[test]
fn latency_comes_in_bursts() {
    let [usual, burst] = [1, 9].map(|millis| Box::new(Latency::Fixed(Span::from_millis(millis))));
    let (every, lasting) = (Span::from_millis(200), Span::from_millis(100));
    let bursts = Latency::Bursts(Bursts { usual, burst, every, lasting });
    let change = LinkChange { latency: Some(bursts), ..Default::default() };
    let fault = move || Fault::Link { from: names("server"), to: names("*"), change: change.clone() };
    let times = answers_under(fault, 1_000);
    for period in 0..5 {
        let begin = period * 200;
        assert!(among(&times, begin, begin + 90) >= 8, "{times:?}");
        assert_eq!(among(&times, begin + 100, begin + 190), 0, "{times:?}");
    }
}
