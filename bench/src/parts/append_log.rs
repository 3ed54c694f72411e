//! What `appendfsync everysec` costs: the same writes with the append-only file and without it.

use super::Comparison;
use super::commands::SET;
use crate::Failure;
use crate::figures::{Goal, Row, Table};
use crate::launch::{Server, Setting};
use crate::load::{self, Load};

/// Longer runs than for single commands: the file is synced once a second.
const REQUESTS_FACTOR: u64 = 2;
const COST_PERCENT_MAX: f64 = 10.0;

const WITHOUT: &[&str] = &[];
/// Without rewrites, which are another matter.
const WITH: &[&str] =
    &["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"];

pub fn measure(comparison: &Comparison<'_>) -> Result<Vec<Table>, Failure> {
    let (options, interrupt) = (comparison.options, &comparison.interrupt);
    let start = |arguments: &'static [&'static str]| {
        let setting = Setting { core: options.server_core, directory: None, arguments };
        let start = |contender| Server::start_with(contender, &setting, interrupt);
        comparison.contenders.iter().map(start).collect::<Result<Vec<_>, _>>()
    };
    let (plain, logging) = (start(WITHOUT)?, start(WITH)?);
    let mut rows = Vec::new();
    for &pipeline in &options.pipelines {
        let requests = REQUESTS_FACTOR * options.requests * u64::from((pipeline / 2).max(1));
        let load = Load { command: SET, pipeline, clients: options.clients, requests };
        let (mut throughput, mut cpu) = (comparison.no_rounds(), comparison.no_rounds());
        for round in 0..options.rounds {
            for turn in comparison.turns(round) {
                let without = load::run(&load, &plain[turn], interrupt)?;
                let with = load::run(&load, &logging[turn], interrupt)?;
                throughput[turn].push(100.0 * (1.0 - with.requests_per_second / without.requests_per_second));
                cpu[turn].push(100.0 * (with.cpu_us_per_request / without.cpu_us_per_request - 1.0));
            }
            let (round, rounds) = (round + 1, options.rounds);
            eprintln!("round {round} of {rounds}: the log's cost with a pipeline of {pipeline} done");
        }
        let depth = pipeline.to_string();
        let goal = Some(Goal::AtMost(COST_PERCENT_MAX));
        rows.push(Row::of(&["throughput lost, %", &depth], &throughput).with_goal(goal));
        rows.push(Row::of(&["more CPU time per request, %", &depth], &cpu));
    }
    let title = "What appendfsync everysec costs SET, against no append-only file".to_owned();
    Ok(vec![Table { title, labels: vec!["figure", "pipeline"], rows }])
}
