//! A server loses its power at each disk operation that it ever asks for, before it is carried out and after;
//! or its process is killed there. What it comes back with is compared with what it had promised.
//!
//! One client counts up in transactions of two keys, so that what is found must be one number, in both: a
//! prefix of what was asked for, at least as long as what was promised, and never half a transaction.

use std::cell::RefCell;
use std::rc::Rc;

use squall_clock::{Mono, Nanos};
use squall_net::{Address, Host};
use squall_resp::Value;
use squall_server::{Config, Environment, LogLine, ServerOptions, start};
use squall_sim::{
    Client, DiskFault, MachineId, MachineStatus, Process, Program, SimHost, TornTail, World, WorldOptions,
    run,
};

/// What the server does while it is cut off.
#[derive(Clone, Copy, Debug)]
struct Plot {
    name: &'static str,
    config: &'static str,
    /// Requests, each sent when the count has come so far.
    orders: &'static [(u64, &'static [&'static str])],
    promise: Promise,
}

/// What is found again of what was acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Promise {
    /// All of it.
    Always,
    /// All that is older than this, and all of it where only the process ended.
    Within(Nanos),
    /// What was acknowledged before the last SAVE that was.
    Saved,
}

/// How the machine ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Killed,
    PowerLost(TornTail),
}

/// What a run has shown.
#[derive(Clone, Default, Debug)]
struct Found {
    /// When each count was acknowledged, and which one was when the last SAVE was.
    acknowledged: Vec<Mono>,
    saved: usize,
    asked: usize,
    ended: Mono,
    operations: u64,
    /// What came back: both keys. None where no key was there.
    counts: [Option<u64>; 2],
    log: Vec<String>,
}

const COUNTS: usize = 24;
const PACE: Nanos = Nanos::from_millis(150);

const SAVE: Plot = Plot {
    name: "save",
    config: "appendonly no",
    orders: &[(6, &["SAVE"]), (12, &["BGSAVE"]), (18, &["SAVE"])],
    promise: Promise::Saved,
};
const ALWAYS: Plot = Plot {
    name: "always",
    config: "appendonly yes\nappendfsync always",
    orders: &[(8, &["BGREWRITEAOF"]), (16, &["BGREWRITEAOF"])],
    promise: Promise::Always,
};
const EVERYSEC: Plot = Plot {
    name: "everysec",
    config: "appendonly yes\nappendfsync everysec\naof-use-rdb-preamble no",
    orders: &[(8, &["BGREWRITEAOF"])],
    promise: Promise::Within(Nanos::from_millis(2_100)),
};
const NO: Plot = Plot {
    name: "no",
    config: "appendonly yes\nappendfsync no",
    orders: &[(6, &["BGREWRITEAOF"]), (14, &["SAVE"])],
    promise: Promise::Within(Nanos::from_secs(3_600)),
};
const SWITCHED_ON: Plot = Plot {
    name: "switched on",
    config: "appendonly no\nappendfsync always",
    orders: &[(4, &["SAVE"]), (8, &["CONFIG", "SET", "appendonly", "yes"])],
    promise: Promise::Saved,
};

#[test]
fn a_save_is_whole_or_has_not_happened() {
    sweep(SAVE);
}

#[test]
fn what_is_promised_under_always_is_kept() {
    sweep(ALWAYS);
}

#[test]
fn what_is_promised_under_everysec_is_kept() {
    sweep(EVERYSEC);
}

#[test]
fn without_syncs_a_prefix_is_left() {
    sweep(NO);
}

#[test]
fn a_log_that_is_switched_on_has_a_base_or_is_none() {
    sweep(SWITCHED_ON);
}

/// Plays the plot once to the end, then once for each operation of the disk and each way to end there.
fn sweep(plot: Plot) {
    let undisturbed = play(plot, None);
    assert_eq!(undisturbed.acknowledged.len(), COUNTS, "{:#?}", undisturbed.log);
    let ends = [
        End::Killed,
        End::PowerLost(TornTail::Lost),
        End::PowerLost(TornTail::Prefix),
        End::PowerLost(TornTail::Garbage),
        End::PowerLost(TornTail::Holes),
    ];
    for operation in 0..undisturbed.operations {
        for (end, carried_out) in ends.into_iter().flat_map(|end| [(end, false), (end, true)]) {
            let found = play(plot, Some((operation, carried_out, end)));
            let story =
                format!("{}: {end:?} at operation {operation}, carried out: {carried_out}", plot.name);
            judge(plot.promise, end, &found).unwrap_or_else(|fault| panic!("{story}: {fault}\n{found:#?}"));
        }
    }
}

fn judge(promise: Promise, end: End, found: &Found) -> Result<(), String> {
    let [one, other] = found.counts;
    if one != other {
        return Err("half a transaction".to_owned());
    }
    let count = one.unwrap_or(0) as usize;
    let promised = match promise {
        Promise::Saved => found.saved,
        Promise::Always | Promise::Within(_) if end == End::Killed => found.acknowledged.len(),
        Promise::Always => found.acknowledged.len(),
        Promise::Within(window) => {
            found.acknowledged.iter().filter(|&&at| found.ended.since(at) > window).count()
        }
    };
    if count < promised {
        return Err(format!("{promised} were promised, {count} are there"));
    }
    if count > found.asked {
        return Err(format!("{count} are there, {} were asked for", found.asked));
    }
    Ok(())
}

/// Plays the plot. At the given operation the disk falls silent and the machine ends.
fn play(plot: Plot, cut: Option<(u64, bool, End)>) -> Found {
    let played = run(7, WorldOptions::default(), move |world| async move {
        let found = Rc::new(RefCell::new(Found::default()));
        let (server, client) = (world.add_machine("server"), world.add_machine("client"));
        if let Some((operation, carried_out, end)) = cut {
            if let End::PowerLost(torn_tail) = end {
                world.set_disk_fault(server, DiskFault { torn_tail, ..Default::default() });
            }
            start_server(&world, server, plot.config, &found);
            world.silence_disk(server, operation, carried_out);
        } else {
            start_server(&world, server, plot.config, &found);
        }
        world.start(client, count_up(plot, Rc::clone(&found)));
        while world.status(client) == MachineStatus::Running && !world.disk_is_silent(server) {
            world.sleep_until(world.now() + Nanos::from_millis(5)).await;
        }
        found.borrow_mut().ended = world.now();
        found.borrow_mut().operations = world.disk_operations(server);
        match cut {
            Some((_, _, End::PowerLost(_))) => world.lose_power(server),
            _ => world.crash(server),
        }
        world.crash(client);
        start_server(&world, server, plot.config, &found);
        world.start(client, look(Rc::clone(&found)));
        let deadline = world.now() + Nanos::from_secs(20);
        while world.status(client) == MachineStatus::Running && world.now() < deadline {
            world.sleep_until(world.now() + Nanos::from_millis(5)).await;
        }
        assert_eq!(world.status(server), MachineStatus::Running, "{:#?}", found.borrow());
        assert_ne!(world.status(client), MachineStatus::Running, "no answer: {:#?}", found.borrow());
        found.take()
    });
    played.unwrap_or_else(|failure| panic!("{} {cut:?}: {}", plot.name, failure.message)).outcome
}

fn start_server(world: &World, machine: MachineId, config: &'static str, found: &Rc<RefCell<Found>>) {
    let found = Rc::clone(found);
    let program: Program = Rc::new(move |host: SimHost| {
        let found = Rc::clone(&found);
        Box::pin(async move {
            let text = format!("bind *\nprotected-mode no\nsave \"\"\n{config}\n");
            let config = Config::from_text("server", text.as_bytes()).expect("a configuration");
            let log = move |line: LogLine<'_>| found.borrow_mut().log.push(line.message.to_owned());
            let options = ServerOptions { config, environment: Environment::default(), log: Box::new(log) };
            start(host, options).exited().await;
        }) as Process
    });
    world.start(machine, program);
}

/// Counts up and gives the plot's orders, until the server does not answer.
fn count_up(plot: Plot, found: Rc<RefCell<Found>>) -> Program {
    Rc::new(move |host: SimHost| {
        let found = Rc::clone(&found);
        Box::pin(async move {
            let (mut counter, mut operator) = (client_of(&host), client_of(&host));
            await_server(&host, &mut counter).await;
            for count in 1..=COUNTS {
                found.borrow_mut().asked = count;
                if !increment(&mut counter, count).await {
                    return;
                }
                found.borrow_mut().acknowledged.push(host.now().mono);
                for (_, words) in plot.orders.iter().filter(|(at, _)| *at == count as u64) {
                    let request: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
                    let reply = operator.call(&request).await;
                    if words[0] == "SAVE" && matches!(reply, Ok(Value::Simple(_))) {
                        found.borrow_mut().saved = count;
                    }
                }
                host.sleep_until(host.now().mono + PACE).await;
            }
        }) as Process
    })
}

async fn increment(client: &mut Client, count: usize) -> bool {
    let requests: [&[&[u8]]; 4] = [&[b"MULTI"], &[b"INCR", b"one"], &[b"INCR", b"other"], &[b"EXEC"]];
    match client.pipeline(&requests).await.ok().and_then(|replies| replies.into_iter().next_back()) {
        Some(Value::Array(values)) => {
            assert_eq!(values, [Value::Integer(count as i64), Value::Integer(count as i64)]);
            true
        }
        _ => false,
    }
}

/// Reads what is there.
fn look(found: Rc<RefCell<Found>>) -> Program {
    Rc::new(move |host: SimHost| {
        let found = Rc::clone(&found);
        Box::pin(async move {
            let mut client = client_of(&host);
            await_server(&host, &mut client).await;
            for (index, key) in ["one", "other"].iter().enumerate() {
                let value = client.call(&[b"GET", key.as_bytes()]).await.expect("a reply");
                found.borrow_mut().counts[index] = match value {
                    Value::Bulk(digits) => std::str::from_utf8(&digits).expect("digits").parse().ok(),
                    _ => None,
                };
            }
        }) as Process
    })
}

async fn await_server(host: &SimHost, client: &mut Client) {
    while !matches!(client.call(&[b"PING"]).await, Ok(Value::Simple(_))) {
        host.sleep_until(host.now().mono + Nanos::from_millis(20)).await;
    }
}

fn client_of(host: &SimHost) -> Client {
    let server = Address { host: "server".to_owned(), port: 6379 };
    Client::to(host, vec![server], Nanos::from_secs(1))
}
