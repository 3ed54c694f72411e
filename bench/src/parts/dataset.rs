//! A whole dataset on its way: to disk, back into memory, and to a replica.
//!
//! Wall time is what a user waits; on a busy machine the CPU time of all processes that take part says more.
//! A server that forks has children: theirs counts too.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Comparison;
use crate::contents::{Kind, SMALL_ENTRIES, fill_small, fill_strings};
use crate::conversation::Conversation;
use crate::figures::{Goal, Row, Table};
use crate::interrupt::Interrupt;
use crate::launch::{Contender, Server, Setting};
use crate::{Failure, process};

const KEYS: usize = 1_000_000;
/// Of a collection dataset, keys of each type.
const COLLECTIONS_OF_A_KIND: usize = 40_000;

/// What the dataset is made of.
#[derive(Clone, Copy)]
enum Content {
    Strings,
    Collections,
}

/// What one operation took.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
}

const OPERATIONS: [(&str, f64); 3] = [("save", 0.7), ("load", 0.7), ("full synchronisation", 0.8)];

pub fn measure(comparison: &Comparison<'_>) -> Result<Vec<Table>, Failure> {
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for content in [Content::Strings, Content::Collections] {
        let mut rounds = OPERATIONS.map(|_| (comparison.no_rounds(), comparison.no_rounds()));
        let directories: Vec<_> =
            comparison.contenders.iter().map(|_| tempfile::tempdir()).collect::<Result<_, _>>()?;
        for round in 0..comparison.options.rounds {
            for turn in comparison.turns(round) {
                let contender = &comparison.contenders[turn];
                let costs = play(comparison, contender, directories[turn].path(), content)?;
                for (cost, (wall, cpu)) in costs.iter().zip(&mut rounds) {
                    wall[turn].push(cost.wall.as_secs_f64());
                    cpu[turn].push(cost.cpu.as_secs_f64());
                }
                let (round, rounds) = (round + 1, comparison.options.rounds);
                eprintln!("round {round} of {rounds}: {} of {} done", content.name(), contender.name);
            }
        }
        for ((operation, limit), (of_wall, of_cpu)) in OPERATIONS.into_iter().zip(&rounds) {
            let labels = [operation, &content.name()];
            let goal = Some(Goal::RatioAtMost(limit));
            wall.push(Row::of(&labels, of_wall).with_goal(goal));
            cpu.push(Row::of(&labels, of_cpu).with_goal(goal));
        }
    }
    let table =
        |title: &str, rows| Table { title: title.to_owned(), labels: vec!["operation", "dataset"], rows };
    Ok(vec![table("A dataset's way, wall time, s", wall), table("A dataset's way, CPU time, s", cpu)])
}

/// All operations, one after another, on the server's own files.
fn play(
    comparison: &Comparison<'_>,
    contender: &Contender,
    directory: &Path,
    content: Content,
) -> Result<[Cost; OPERATIONS.len()], Failure> {
    let (options, interrupt) = (comparison.options, &comparison.interrupt);
    let setting =
        |core| Setting { core, directory: Some(directory), arguments: &["--repl-diskless-sync-delay", "0"] };
    let file = directory.join("dump.rdb");
    if !file.exists() {
        let server = Server::start_with(contender, &setting(options.server_core), interrupt)?;
        content.fill(&server, interrupt)?;
        Conversation::with(server.port())?.ask(&["SAVE"])?;
    }
    let began = Instant::now();
    let server = Server::start_with(contender, &setting(options.server_core), interrupt)?;
    let load = Cost { wall: began.elapsed(), cpu: cpu_of(&[&server])? };
    let mut conversation = Conversation::with(server.port())?;
    let save = timed(&[&server], || conversation.ask(&["SAVE"]).map(drop))?;
    let replica = Server::start(contender, options.load_core, interrupt)?;
    let (port, mut orders) = (server.port().to_string(), Conversation::with(replica.port())?);
    let synchronisation = timed(&[&server, &replica], || {
        orders.ask(&["REPLICAOF", "127.0.0.1", &port])?;
        orders.await_info("replication", "master_link_status", "up", interrupt)
    })?;
    if orders.ask(&["DBSIZE"])? != conversation.ask(&["DBSIZE"])? {
        return Err(format!("{}: the replica has not as many keys as its primary", contender.name).into());
    }
    // A server that forked has its child's time on its account only once the child was waited for.
    conversation.await_info("persistence", "rdb_bgsave_in_progress", "0", interrupt)?;
    Ok([save, load, synchronisation])
}

fn timed(servers: &[&Server], operation: impl FnOnce() -> Result<(), Failure>) -> Result<Cost, Failure> {
    let (before, began) = (cpu_of(servers)?, Instant::now());
    operation()?;
    let wall = began.elapsed();
    Ok(Cost { wall, cpu: cpu_of(servers)?.saturating_sub(before) })
}

fn cpu_of(servers: &[&Server]) -> Result<Duration, Failure> {
    servers.iter().map(|server| process::cpu_time(server.pid()).map(|time| time.total + time.children)).sum()
}

impl Content {
    fn name(self) -> String {
        match self {
            Content::Strings => format!("{KEYS} strings"),
            Content::Collections => {
                let keys = COLLECTIONS_OF_A_KIND * Kind::COLLECTIONS.len();
                format!("{keys} collections of {SMALL_ENTRIES}")
            }
        }
    }

    fn fill(self, server: &Server, interrupt: &Interrupt) -> Result<(), Failure> {
        match self {
            Content::Strings => fill_strings(server, KEYS, interrupt),
            Content::Collections => Kind::COLLECTIONS.into_iter().try_for_each(|kind| {
                fill_small(server, kind, COLLECTIONS_OF_A_KIND * SMALL_ENTRIES, interrupt)
            }),
        }
    }
}
