//! A full synchronisation is cut off at each operation of the primary's disk, which holds the dataset on its way, and
//! at each of the replica's, whose log gets another base for it. Both logs are synced with each write.
//!
//! The replica has data of its own before. What it comes back with is those, or the primary's as they were at some
//! later moment: never a mixture, and never less than what WAITAOF has told somebody of it.

use std::cell::RefCell;
use std::rc::Rc;

use squall_clock::Nanos;
use squall_net::{Address, Host};
use squall_resp::Value;
use squall_server::{Config, Environment, LogLine, ServerOptions, start};
use squall_sim::{
    Client, DiskFault, MachineId, MachineStatus, Process, Program, SimHost, TornTail, World, WorldOptions,
    run,
};

const CONFIG: &str = "bind *\nprotected-mode no\nsave \"\"\nappendonly yes\nappendfsync always\n\
                      repl-diskless-sync no\nrepl-timeout 2\n";
/// What the replica counts before, and where the primary begins.
const OWN: u64 = 7;
const FIRST: u64 = 1_000;
const COUNTS: u64 = 8;
const FILLERS: u64 = 30;
const PACE: Nanos = Nanos::from_millis(60);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Victim {
    Primary,
    Replica,
}

#[derive(Clone, Copy, Debug)]
struct Cut {
    operation: u64,
    carried_out: bool,
    /// None where only the process ends.
    torn: Option<TornTail>,
}

/// What a run has shown.
#[derive(Clone, Default, Debug)]
struct Found {
    /// What the replica's own dataset was acknowledged to hold, and the primary's.
    own: u64,
    acknowledged: u64,
    asked: u64,
    /// Acknowledged to be on the replica's disk.
    on_replica: u64,
    operations: u64,
    finished: bool,
    /// What came back: both keys of the primary, and of the replica.
    primary: [Option<u64>; 2],
    replica: [Option<u64>; 2],
    log: Vec<String>,
}

#[test]
fn a_replica_comes_back_with_one_dataset_or_the_other() {
    sweep(Victim::Replica);
}

#[test]
fn a_primary_that_ends_while_it_sends_has_all_that_it_acknowledged() {
    sweep(Victim::Primary);
}

/// Plays once to the end, then once for each operation of the victim's disk and each way to end there.
fn sweep(victim: Victim) {
    let undisturbed = play(victim, None);
    assert!(undisturbed.finished && undisturbed.on_replica == FIRST + COUNTS, "{undisturbed:#?}");
    let ends = [None, Some(TornTail::Lost), Some(TornTail::Garbage), Some(TornTail::Holes)];
    for operation in 0..undisturbed.operations {
        for (torn, carried_out) in ends.into_iter().flat_map(|torn| [(torn, false), (torn, true)]) {
            let cut = Cut { operation, carried_out, torn };
            let found = play(victim, Some(cut));
            judge(&found).unwrap_or_else(|fault| panic!("{victim:?} {cut:?}: {fault}\n{found:#?}"));
        }
    }
}

fn judge(found: &Found) -> Result<(), String> {
    let (primary, replica) = (whole(found.primary)?, whole(found.replica)?);
    if primary < found.acknowledged || primary > found.asked {
        return Err(format!("{} were acknowledged, the primary has {primary}", found.acknowledged));
    }
    let promised = found.own.max(found.on_replica);
    let is_one_of_both = replica <= OWN || (FIRST..=found.asked).contains(&replica);
    match replica >= promised && is_one_of_both {
        true => Ok(()),
        false => Err(format!("{promised} were promised, the replica has {replica}")),
    }
}

fn whole([one, other]: [Option<u64>; 2]) -> Result<u64, String> {
    match one == other {
        true => Ok(one.unwrap_or(0)),
        false => Err(format!("half a transaction: {one:?} and {other:?}")),
    }
}

fn play(victim: Victim, cut: Option<Cut>) -> Found {
    let played = run(7, WorldOptions::default(), move |world: World| async move {
        let found = Rc::new(RefCell::new(Found::default()));
        let [primary, replica, client] = ["primary", "replica", "client"].map(|name| world.add_machine(name));
        let doomed = if victim == Victim::Primary { primary } else { replica };
        for machine in [primary, replica] {
            start_server(&world, machine, &found);
        }
        if let Some(Cut { operation, carried_out, torn }) = cut {
            let torn_tail = torn.unwrap_or_default();
            world.set_disk_fault(doomed, DiskFault { torn_tail, ..Default::default() });
            world.silence_disk(doomed, operation, carried_out);
        }
        world.start(client, synchronise(Rc::clone(&found)));
        while world.status(client) == MachineStatus::Running
            && !world.disk_is_silent(doomed)
            && !found.borrow().finished
        {
            world.sleep(Nanos::from_millis(5)).await;
        }
        found.borrow_mut().operations = world.disk_operations(doomed);
        match cut {
            Some(Cut { torn: Some(_), .. }) => world.lose_power(doomed),
            _ => world.crash(doomed),
        }
        world.crash(client);
        start_server(&world, doomed, &found);
        let looks = Rc::new(RefCell::new(false));
        world.start(client, look(Rc::clone(&found), Rc::clone(&looks)));
        let deadline = world.now() + Nanos::from_secs(20);
        while !*looks.borrow() && world.now() < deadline {
            world.sleep(Nanos::from_millis(5)).await;
        }
        assert!(*looks.borrow(), "no answer: {:#?}", found.borrow());
        found.take()
    });
    played.unwrap_or_else(|failure| panic!("{victim:?} {cut:?}: {}", failure.message)).outcome
}

fn start_server(world: &World, machine: MachineId, found: &Rc<RefCell<Found>>) {
    let found = Rc::clone(found);
    let program: Program = Rc::new(move |host: SimHost| {
        let found = Rc::clone(&found);
        Box::pin(async move {
            let config = Config::from_text("server", CONFIG.as_bytes()).expect("a configuration");
            let name = host.name();
            let log =
                move |line: LogLine<'_>| found.borrow_mut().log.push(format!("{name}: {}", line.message));
            let options = ServerOptions { config, environment: Environment::default(), log: Box::new(log) };
            start(host, options).exited().await;
        }) as Process
    });
    world.start(machine, program);
}

/// Fills both, lets the one follow the other, and counts on, until somebody does not answer.
fn synchronise(found: Rc<RefCell<Found>>) -> Program {
    Rc::new(move |host: SimHost| {
        let found = Rc::clone(&found);
        Box::pin(async move {
            let [mut primary, mut replica] = ["primary", "replica"].map(|name| client_of(&host, name));
            await_server(&host, &mut primary).await;
            await_server(&host, &mut replica).await;
            if !set_both(&mut replica, OWN).await {
                return;
            }
            found.borrow_mut().own = OWN;
            found.borrow_mut().asked = FIRST;
            for number in 0..FILLERS {
                let key = format!("filler:{number}");
                let _ = primary.call(&[b"SET", key.as_bytes(), &[b'x'; 300]]).await;
            }
            if !set_both(&mut primary, FIRST).await {
                return;
            }
            found.borrow_mut().acknowledged = FIRST;
            let _ = replica.call(&[b"REPLICAOF", b"primary", b"6379"]).await;
            for count in FIRST + 1..=FIRST + COUNTS {
                found.borrow_mut().asked = count;
                if set_both(&mut primary, count).await {
                    found.borrow_mut().acknowledged = count;
                }
                if let Ok(Value::Array(counts)) = primary.call(&[b"WAITAOF", b"0", b"1", b"500"]).await
                    && counts.last() == Some(&Value::Integer(1))
                {
                    found.borrow_mut().on_replica = count;
                }
                host.sleep_until(host.now().mono + PACE).await;
            }
            found.borrow_mut().finished = true;
        }) as Process
    })
}

async fn set_both(client: &mut Client, count: u64) -> bool {
    let count = count.to_string();
    let [one, other]: [&[&[u8]]; 2] =
        [&[b"SET", b"one", count.as_bytes()], &[b"SET", b"other", count.as_bytes()]];
    let replies = client.pipeline(&[&[b"MULTI"], one, other, &[b"EXEC"]]).await;
    matches!(replies.ok().and_then(|replies| replies.into_iter().next_back()), Some(Value::Array(_)))
}

/// Reads what is there.
fn look(found: Rc<RefCell<Found>>, done: Rc<RefCell<bool>>) -> Program {
    Rc::new(move |host: SimHost| {
        let (found, done) = (Rc::clone(&found), Rc::clone(&done));
        Box::pin(async move {
            for name in ["primary", "replica"] {
                let mut client = client_of(&host, name);
                await_server(&host, &mut client).await;
                let mut counts = [None; 2];
                for (count, key) in counts.iter_mut().zip(["one", "other"]) {
                    *count = match client.call(&[b"GET", key.as_bytes()]).await.expect("a reply") {
                        Value::Bulk(digits) => std::str::from_utf8(&digits).expect("digits").parse().ok(),
                        _ => None,
                    };
                }
                match name {
                    "primary" => found.borrow_mut().primary = counts,
                    _ => found.borrow_mut().replica = counts,
                }
            }
            *done.borrow_mut() = true;
        }) as Process
    })
}

async fn await_server(host: &SimHost, client: &mut Client) {
    while !matches!(client.call(&[b"PING"]).await, Ok(Value::Simple(_))) {
        host.sleep_until(host.now().mono + Nanos::from_millis(20)).await;
    }
}

fn client_of(host: &SimHost, name: &str) -> Client {
    Client::to(host, vec![Address { host: name.to_owned(), port: 6379 }], Nanos::from_secs(1))
}
