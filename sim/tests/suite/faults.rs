//! Faults as data, and clients that meet them: a small server that keeps strings in memory stands for the real one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::BytesMut;
use squall_clock::Nanos;
use squall_net::{Address, Endpoint, Host, Listener};
use squall_resp::{Limits, Output, Parsed, Protocol, Reply, RequestParser, Value};
use squall_sim::checkers::{Verdict, linearizable_keys, lost_writes, stale_reads};
use squall_sim::{
    Client, Fault, FaultPlan, FaultStep, Faults, History, Kind, Operation, Outcome, PlanShape, Process, Run,
    SimHost, SimStream, Size, Span, Survivors, Worker, Workload, World, WorldOptions, ledger_entries, run,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Strings = Rc<RefCell<BTreeMap<Vec<u8>, Vec<u8>>>>;

/// Serves GET, SET, INCR and APPEND from memory, which dies with the process.
async fn serve(host: SimHost) {
    let strings = Strings::default();
    let everywhere = Endpoint::Tcp(Address { host: "*".to_owned(), port: 6379 });
    let mut listener = host.listen(&everywhere, 511).await.expect("the port is free");
    while let Ok(stream) = listener.accept().await {
        host.spawn(converse(stream, Rc::clone(&strings)));
    }
}

async fn converse(mut stream: SimStream, strings: Strings) {
    let (mut parser, mut input) = (RequestParser::default(), BytesMut::new());
    while matches!(stream.read_buf(&mut input).await, Ok(1..)) {
        let mut output = Output::new();
        while let Ok(Parsed::Command { consumed }) = parser.parse(&input, &Limits::default()) {
            answer(parser.args(&input), &strings, &mut Reply::new(&mut output, Protocol::Resp2));
            let _ = input.split_to(consumed);
        }
        let mut slices = [std::io::IoSlice::new(&[]); 8];
        let count = output.slices(&mut slices);
        let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        if stream.write_all(&bytes).await.is_err() {
            break;
        }
    }
}

fn answer(args: squall_resp::Args<'_>, strings: &Strings, reply: &mut Reply<'_>) {
    let mut strings = strings.borrow_mut();
    match &args[0] {
        b"GET" => match strings.get(&args[1]) {
            Some(value) => reply.bulk(value),
            None => reply.null(),
        },
        b"SET" => {
            strings.insert(args[1].to_vec(), args[2].to_vec());
            reply.ok();
        }
        b"INCR" => {
            let value = strings.entry(args[1].to_vec()).or_insert_with(|| b"0".to_vec());
            let count: i64 = std::str::from_utf8(value).unwrap().parse::<i64>().unwrap() + 1;
            *value = count.to_string().into_bytes();
            reply.integer(count);
        }
        b"APPEND" => {
            let value = strings.entry(args[1].to_vec()).or_default();
            value.extend_from_slice(&args[2]);
            reply.integer(value.len() as i64);
        }
        _ => reply.error("ERR unknown command"),
    }
}

fn workload(kind: Kind) -> Workload {
    let reads = if kind == Kind::Ledgers { 0.0 } else { 0.5 };
    let nodes = vec!["server".to_owned()];
    Workload { rate: 50.0, reads, keys: 3, value: Size(16), ..Workload::writing(kind, nodes, 300) }
}

/// Four clients work for ten seconds while the plan happens; then all is healed and what is left is read.
fn work_through(seed: u64, kind: Kind, plan: FaultPlan) -> Run<(Vec<Operation>, Survivors)> {
    let body = async move |world: World| {
        let server = world.add_machine("server");
        world.start(server, Rc::new(|host| Box::pin(serve(host)) as Process));
        let (history, stop) = (History::default(), Rc::new(Cell::new(false)));
        let working = Rc::new(Cell::new(4));
        for number in 0..4 {
            let machine = world.add_machine(&format!("c{number}"));
            let (history, stop, working) = (history.clone(), Rc::clone(&stop), Rc::clone(&working));
            let program = move |host: SimHost| {
                let worker = Worker::on(&host, number, &workload(kind), &history);
                let (stop, working) = (Rc::clone(&stop), Rc::clone(&working));
                Box::pin(async move {
                    worker.work(move || stop.get()).await;
                    working.set(working.get() - 1);
                }) as Process
            };
            world.start(machine, Rc::new(program));
        }
        let faults = Faults::of(&world);
        faults.schedule(&plan).unwrap();
        world.sleep(Nanos::from_secs(10)).await;
        faults.heal_all();
        stop.set(true);
        while working.get() > 0 {
            world.sleep(Nanos::from_millis(100)).await;
        }
        (history.operations(), read_survivors(&world).await)
    };
    run(seed, WorldOptions::default(), body).unwrap_or_else(|failure| panic!("{failure}"))
}

async fn read_survivors(world: &World) -> Survivors {
    let survivors = Rc::new(RefCell::new(None));
    let found = Rc::clone(&survivors);
    let auditor = world.add_machine("auditor");
    let program = move |host: SimHost| {
        let found = Rc::clone(&found);
        Box::pin(async move {
            let server = Address { host: "server".to_owned(), port: 6379 };
            let mut client = Client::to(&host, vec![server], Nanos::from_secs(5));
            let mut survivors = Survivors::default();
            for number in 0..4 {
                let key = format!("ledger:{number}");
                if let Ok(Value::Bulk(text)) = client.call(&[b"GET", key.as_bytes()]).await {
                    survivors.ledgers.insert(key, ledger_entries(&text));
                }
            }
            *found.borrow_mut() = Some(survivors);
        }) as Process
    };
    world.start(auditor, Rc::new(program));
    loop {
        world.sleep(Nanos::from_millis(1)).await;
        if let Some(survivors) = survivors.borrow_mut().take() {
            return survivors;
        }
    }
}

fn step(at: u64, lasting: u64, fault: Fault) -> FaultStep {
    FaultStep { at: Span::from_secs(at), lasting: Some(Span::from_secs(lasting)), fault }
}

#[test]
fn a_healthy_server_is_linearizable_and_loses_nothing() {
    for kind in [Kind::Registers, Kind::Counters] {
        let (history, _) = work_through(1, kind, FaultPlan::default()).outcome;
        assert!(history.len() > 1_500 && history.iter().all(Operation::is_acknowledged));
        let verdicts = linearizable_keys(&history);
        assert_eq!(verdicts.len(), 3);
        assert!(verdicts.values().all(|verdict| *verdict == Verdict::Linearizable), "{verdicts:?}");
        assert_eq!(stale_reads(&history).stale, []);
    }
    let (history, survivors) = work_through(1, Kind::Ledgers, FaultPlan::default()).outcome;
    let report = lost_writes(&history, &survivors);
    assert_eq!(report.acknowledged, history.len() as u64);
    assert_eq!((report.lost, report.risen), (Vec::new(), Vec::new()));
}

#[test]
fn memory_that_dies_in_a_crash_is_found_out_by_every_checker() {
    let crash = || FaultPlan { steps: vec![step(5, 1, Fault::Crash { node: "server".to_owned() })] };
    let (history, survivors) = work_through(1, Kind::Ledgers, crash()).outcome;
    let report = lost_writes(&history, &survivors);
    assert!(report.lost.len() > 800, "{}", report.lost.len());
    let (first, last) = report.window.unwrap();
    assert!(first.0 < 100_000_000 && (4_900_000_000..5_000_000_000).contains(&last.0), "{first:?} {last:?}");

    let (history, _) = work_through(1, Kind::Registers, crash()).outcome;
    assert!(linearizable_keys(&history).values().any(|verdict| matches!(verdict, Verdict::Violated { .. })));
    assert!(!stale_reads(&history).stale.is_empty());
}

#[test]
fn a_cut_leaves_operations_of_unknown_outcome_and_no_others_behind() {
    let cut = Fault::Cut { from: vec!["server".to_owned()], to: vec!["c0".to_owned(), "c1".to_owned()] };
    let (history, survivors) =
        work_through(1, Kind::Ledgers, FaultPlan { steps: vec![step(3, 4, cut)] }).outcome;
    let report = lost_writes(&history, &survivors);
    assert_eq!((report.lost, report.risen, report.duplicated), (Vec::new(), Vec::new(), Vec::new()));
    let unknown: Vec<_> =
        history.iter().filter(|operation| matches!(operation.outcome, Outcome::Unknown(_))).collect();
    assert!(
        !unknown.is_empty() && unknown.iter().all(|operation| ["c0", "c1"].contains(&&*operation.client))
    );
    let there: Vec<u64> = survivors.ledgers.into_values().flatten().collect();
    assert!(unknown.iter().any(|operation| there.contains(&operation.id.0)), "some of them did happen");
}

#[test]
fn a_plan_is_drawn_printed_read_back_and_replayed() {
    let nodes = ["server", "c0", "c1"].map(str::to_owned).to_vec();
    let shape = PlanShape { nodes, within: Span::from_secs(10), steps: 12 };
    let plan = FaultPlan::draw(7, &shape);
    assert_eq!(plan, FaultPlan::draw(7, &shape));
    assert_ne!(plan, FaultPlan::draw(8, &shape));
    let text = toml::to_string(&plan).unwrap();
    let again: FaultPlan = toml::from_str(&text).unwrap();
    assert_eq!(again, plan, "{text}");
    let replayed = work_through(3, Kind::Registers, again);
    let original = work_through(3, Kind::Registers, plan.clone());
    assert_eq!(replayed.trace, original.trace);
    let mut shorter = plan;
    shorter.steps.pop();
    assert_ne!(work_through(3, Kind::Registers, shorter).trace, original.trace);
}

#[test]
fn a_plan_that_names_nobody_is_refused() {
    let outcome = run(1, WorldOptions::default(), async |world: World| {
        world.add_machine("a");
        let refuse = |fault: Fault| Faults::of(&world).begin(&fault, None).unwrap_err();
        let everyone = || vec!["*".to_owned()];
        [
            refuse(Fault::Crash { node: "b".to_owned() }),
            refuse(Fault::Partition { left: everyone(), right: everyone() }),
        ]
    });
    let [unknown, everyone] = outcome.unwrap().outcome;
    assert!(unknown.contains("`b`") && everyone.contains("one side only"), "{unknown} {everyone}");
}
