//! The comparison: who takes which turn, when.
//!
//! All servers run at once on the same core, but only one is under load at a time; the order is turned
//! round with each round, so that no server always comes first.

use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::figures::{Comparison, Memory, Row, Turn, medians};
use crate::interrupt::Interrupt;
use crate::launch::{Contender, Server};
use crate::load::{self, Load};
use crate::{CompareOptions, Failure, memory, report};

pub fn compare(options: &CompareOptions) -> Result<(), Failure> {
    let mut contenders = vec![Contender::squall(options.server.as_deref())?];
    for peer in &options.peers {
        let name = peer.file_name().unwrap_or(peer.as_os_str()).to_string_lossy().into_owned();
        contenders.push(Contender::new(name, peer)?);
    }
    if options.rounds == 0 || options.requests == 0 {
        return Err("--rounds and --requests must be at least 1".into());
    }
    let interrupt = Interrupt::watch()?;
    let comparison = Comparison {
        servers: contenders.iter().map(|one| (one.name.clone(), one.version.clone())).collect(),
        rounds: options.rounds,
        clients: options.clients,
        rows: measure_load(options, &contenders, &interrupt)?,
        memory: if options.no_memory {
            Vec::new()
        } else {
            measure_memory(options, &contenders, &interrupt)?
        },
    };
    let tables = report::markdown(&comparison);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&comparison)?);
    } else {
        println!("{tables}");
    }
    match &options.into {
        Some(file) => put_into(file, &tables),
        None => Ok(()),
    }
}

fn measure_load(
    options: &CompareOptions,
    contenders: &[Contender],
    interrupt: &Interrupt,
) -> Result<Vec<Row>, Failure> {
    let start = |contender| Server::start(contender, options.server_core, interrupt);
    let servers: Vec<Server> = contenders.iter().map(start).collect::<Result<_, _>>()?;
    let tests: Vec<(u32, &str)> = options
        .pipelines
        .iter()
        .flat_map(|&pipeline| options.tests.iter().map(move |test| (pipeline, test.as_str())))
        .collect();
    let mut turns: Vec<Vec<Vec<Turn>>> = vec![vec![Vec::new(); servers.len()]; tests.len()];
    let began = Instant::now();
    for round in 0..options.rounds {
        for (of_test, &(pipeline, test)) in turns.iter_mut().zip(&tests) {
            let requests = options.requests * u64::from((pipeline / 2).max(1));
            let (clients, keyspace, core) = (options.clients, options.keyspace, options.load_core);
            let load = Load { test, pipeline, clients, requests, keyspace, core };
            for turn in 0..servers.len() {
                let server = (turn + round) % servers.len();
                of_test[server].push(load::run(&load, &servers[server], interrupt)?);
            }
            let (round, rounds, seconds) = (round + 1, options.rounds, began.elapsed().as_secs());
            eprintln!(
                "round {round} of {rounds}: {test} with a pipeline of {pipeline} done after {seconds} s"
            );
        }
    }
    let row = |(&(pipeline, test), of_test): (&(u32, &str), &Vec<Vec<Turn>>)| Row {
        test: test.to_owned(),
        pipeline,
        medians: of_test.iter().map(|turns| medians(turns)).collect(),
    };
    Ok(tests.iter().zip(&turns).map(row).collect())
}

fn measure_memory(
    options: &CompareOptions,
    contenders: &[Contender],
    interrupt: &Interrupt,
) -> Result<Vec<Memory>, Failure> {
    let measure = |contender: &Contender| {
        eprintln!("{}: memory of idle connections and of a million keys, about 20 s", contender.name);
        memory::measure(contender, options.server_core, interrupt)
    };
    contenders.iter().map(measure).collect()
}

/// Replaces what stands between the two marks, and nothing else.
fn put_into(file: &Path, tables: &str) -> Result<(), Failure> {
    const BEGIN: &str = "<!-- figures -->\n";
    const END: &str = "<!-- /figures -->";
    let old = fs::read_to_string(file)?;
    let parts = old.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) =
        parts.ok_or_else(|| format!("{} has no lines {BEGIN:?} and {END:?}", file.display()))?;
    fs::write(file, format!("{head}{BEGIN}{tables}{END}{tail}"))?;
    Ok(())
}
