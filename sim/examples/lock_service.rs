//! How another project tests its own client and server code in a simulated world, with `squall-sim` alone: a lock
//! service of one's own, its client, a failover, and the checker that finds two holders of one lock.
//!
//! ```text
//! cargo run -p squall-sim --example lock_service
//! cargo test -p squall-sim --example lock_service
//! ```
//!
//! The service is what many people build first: a primary grants leases and tells its backup a little later. When
//! the primary is cut off and the backup takes over, the backup does not know the latest leases, and grants them
//! again. The code below would run on real machines as it is: it knows nothing of a simulation but `Host`, which
//! offers connections, time and tasks, and of which `squall_net` has a real one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use squall_sim::checkers::{Hold, SharedHold, shared_holds};
use squall_sim::net::{Address, Endpoint, Host, Listener};
use squall_sim::{
    Fault, FaultPlan, FaultStep, Faults, Mono, Nanos, Process, SimHost, Span, World, WorldOptions, run,
};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

const PORT: u16 = 7000;
const LEASE: Nanos = Nanos::from_secs(3);
const PATIENCE: Nanos = Nanos::from_millis(200);
/// How late the backup learns of a lease.
const BACKUP_EVERY: Nanos = Nanos::from_millis(500);

// --- The service under test ---

/// Who holds which lock until when.
type Leases = Rc<RefCell<BTreeMap<String, (String, Mono)>>>;

/// Answers `take LOCK HOLDER` with `yes` or `no`, and takes over what `backup` tells. Where a backup is given, it is told
/// from time to time.
async fn serve<H: Host>(host: H, backup: Option<String>) {
    let leases = Leases::default();
    if let Some(backup) = backup {
        host.spawn(tell_backup(host.clone(), leases.clone(), backup));
    }
    let everywhere = Endpoint::Tcp(Address { host: "*".to_owned(), port: PORT });
    let mut listener = host.listen(&everywhere, 128).await.expect("the port is free");
    while let Ok(stream) = listener.accept().await {
        host.spawn(converse(host.clone(), stream, leases.clone()));
    }
}

async fn converse<H: Host>(host: H, stream: impl AsyncRead + AsyncWrite, leases: Leases) {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(Box::pin(reader)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let now = host.now().mono;
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["take", lock, holder] => {
                let mut leases = leases.borrow_mut();
                let free = leases.get(lock).is_none_or(|(_, until)| *until <= now);
                if free {
                    leases.insert(lock.to_owned(), (holder.to_owned(), now + LEASE));
                }
                if free { "yes\n" } else { "no\n" }
            }
            ["backup", lock, holder, rest] => {
                let rest = Nanos(rest.parse().unwrap_or(0));
                leases.borrow_mut().insert(lock.to_owned(), (holder.to_owned(), now + rest));
                continue;
            }
            _ => "what?\n",
        };
        if Box::pin(&mut writer).write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn tell_backup<H: Host>(host: H, leases: Leases, backup: String) {
    let backup = Address { host: backup, port: PORT };
    let mut connection = None;
    loop {
        host.sleep_until(host.now().mono + BACKUP_EVERY).await;
        if connection.is_none() {
            connection = host.connect(&backup, None).await.ok();
        }
        let now = host.now().mono;
        let lease = |(lock, (holder, until)): (&String, &(String, Mono))| {
            format!("backup {lock} {holder} {}\n", until.since(now).0)
        };
        let text: String = leases.borrow().iter().map(lease).collect();
        if let Some(stream) = &mut connection
            && stream.write_all(text.as_bytes()).await.is_err()
        {
            connection = None;
        }
    }
}

/// Takes the lock at the first server that answers, holds it for as long as the lease allows, and begins again.
async fn work<H: Host>(host: H, name: String, servers: [&'static str; 2], holds: Rc<RefCell<Vec<Hold>>>) {
    let mut turn = 0;
    loop {
        let server = Address { host: servers[turn % servers.len()].to_owned(), port: PORT };
        let asked = host.now().mono;
        match within_time(&host, ask(&host, &server, &name)).await {
            Some(true) => {
                // The lease runs from when it was asked for, at the latest: this much the client does right.
                let (from, until) = (host.now().mono, asked + LEASE);
                holds.borrow_mut().push(Hold {
                    lock: "the-lock".to_owned(),
                    from,
                    until,
                    holder: name.clone(),
                });
                host.sleep_until(until).await;
            }
            Some(false) => host.sleep_until(asked + Nanos::from_millis(50)).await,
            None => turn += 1,
        }
    }
}

async fn ask<H: Host>(host: &H, server: &Address, name: &str) -> Option<bool> {
    let mut stream = host.connect(server, None).await.ok()?;
    stream.write_all(format!("take the-lock {name}\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    BufReader::new(&mut stream).read_line(&mut answer).await.ok()?;
    Some(answer == "yes\n")
}

async fn within_time<H: Host, T>(host: &H, future: impl Future<Output = Option<T>>) -> Option<T> {
    let (mut future, mut timeout) =
        (Box::pin(future), Box::pin(host.sleep_until(host.now().mono + PATIENCE)));
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        std::task::Poll::Ready(answer) => std::task::Poll::Ready(answer),
        std::task::Poll::Pending => timeout.as_mut().poll(context).map(|()| None),
    })
    .await
}

// --- The simulated world around it ---

/// Plays twenty seconds with a primary, a backup and three clients under a plan of faults; gives what clients held.
fn holds_under(seed: u64, plan: FaultPlan) -> Vec<Hold> {
    let body = async move |world: World| {
        let holds = Rc::new(RefCell::new(Vec::new()));
        for (name, backup) in [("primary", Some("backup")), ("backup", None)] {
            let machine = world.add_machine(name);
            let program = move |host: SimHost| Box::pin(serve(host, backup.map(str::to_owned))) as Process;
            world.start(machine, Rc::new(program));
        }
        for name in ["x", "y", "z"] {
            let (machine, holds) = (world.add_machine(name), Rc::clone(&holds));
            let program = move |host: SimHost| {
                Box::pin(work(host, name.to_owned(), ["primary", "backup"], Rc::clone(&holds))) as Process
            };
            world.start(machine, Rc::new(program));
        }
        Faults::of(&world).schedule(&plan).expect("the machines are there");
        world.sleep(Nanos::from_secs(20)).await;
        holds.borrow().clone()
    };
    run(seed, WorldOptions::default(), body).unwrap_or_else(|failure| panic!("{failure}")).outcome
}

/// Two clients lose sight of the primary for a while; to them it is dead, and they turn to the backup. They stay there
/// when the partition has healed: nothing in this service would ever tell them that there are two of it.
fn failover() -> FaultPlan {
    let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let fault = Fault::Partition { left: names(["primary", "x"]), right: vec!["*".to_owned()] };
    FaultPlan { steps: vec![FaultStep { at: Span::from_secs(5), lasting: Some(Span::from_secs(8)), fault }] }
}

fn main() {
    for (what, plan) in [("without a fault", FaultPlan::default()), ("with a failover", failover())] {
        let holds = holds_under(1, plan);
        let shared = shared_holds(&holds);
        println!(
            "{what}: the lock was held {} times, {} times by two clients at once",
            holds.len(),
            shared.len()
        );
        for SharedHold { one, other, length } in shared.iter().take(3) {
            let (at, length) = (other.from.0 as f64 / 1e9, length.0 as f64 / 1e9);
            println!("  {} and {} from {at:.3} s on, for {length:.3} s", one.holder, other.holder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_faults_nobody_shares_the_lock() {
        for seed in 1..=10 {
            let holds = holds_under(seed, FaultPlan::default());
            assert!(holds.len() >= 6, "seed {seed}: {}", holds.len());
            assert_eq!(shared_holds(&holds), [], "seed {seed}");
        }
    }

    #[test]
    fn a_failover_gives_the_lock_away_twice_and_the_seed_replays_it() {
        let holds = holds_under(1, failover());
        let shared = shared_holds(&holds);
        assert!(!shared.is_empty(), "the plan does what it is for");
        let cut = Span::from_secs(5).0;
        assert!(shared.iter().all(|shared| shared.other.from.0 > cut.0), "{shared:?}");
        assert_eq!(holds_under(1, failover()), holds);
    }
}
