//! Single commands under a closed load.
//!
//! All servers run at once on the same core, but only one is under load at a time.

use std::time::Instant;

use super::Comparison;
use crate::Failure;
use crate::conversation::Conversation;
use crate::figures::{Goal, Row, Table};
use crate::launch::Server;
use crate::load::{self, Load, Turn};

/// One command under load.
struct Test {
    name: &'static str,
    words: &'static [&'static str],
    /// The highest ratio of CPU time with a pipeline of 16.
    goal: Option<f64>,
}

/// The pipeline for which the goals of single commands stand.
const GOAL_PIPELINE: u32 = 16;
/// Of commands with long replies so much fewer are sent, lest they take all the time.
const LONG_REPLY_SHARE: u64 = 10;
/// Elements of the collections from which 100 are read.
const RANGED_ELEMENTS: usize = 1_000;

impl Test {
    fn is_long(&self) -> bool {
        self.name.ends_with("range_100")
    }
}

const fn test(name: &'static str, words: &'static [&'static str], goal: Option<f64>) -> Test {
    Test { name, words, goal }
}

/// The commands on one key that redis-benchmark has tests for, others on what `prepare` has made, and some with random
/// keys or members among a million.
const TESTS: [Test; 19] = [
    test("ping", &["PING"], None),
    test("set", SET, None),
    test("get", &["GET", "bench:string"], None),
    test("incr", &["INCR", "bench:counter"], Some(0.8)),
    test("mset", MSET_10, Some(0.8)),
    test("lpush", &["LPUSH", "bench:queue", "value"], Some(0.8)),
    test("rpop", &["RPOP", "bench:queue"], Some(0.8)),
    test("sadd", &["SADD", "bench:set", "element"], Some(0.8)),
    test("hset", &["HSET", "bench:hash", "field", "value"], Some(0.8)),
    test("zadd", &["ZADD", "bench:ranking", "0", "element"], Some(0.8)),
    test("xadd", &["XADD", "bench:stream", "*", "field", "value"], Some(0.8)),
    test("lrange_100", &["LRANGE", "bench:list", "0", "99"], Some(0.8)),
    test("zrange_100", &["ZRANGE", "bench:zset", "0", "99"], Some(0.8)),
    test("zscore", &["ZSCORE", "bench:zset", "element:500"], None),
    test("pfadd", &["PFADD", "bench:hyperloglog", "element"], None),
    test("set_random", &["SET", "key:__rand_int__", "value:__rand_int__"], None),
    test("sadd_random", &["SADD", "bench:members", "element:__rand_int__"], Some(0.8)),
    test("hset_random", &["HSET", "bench:fields", "element:__rand_int__", "value"], Some(0.8)),
    test("zadd_random", &["ZADD", "bench:scores", "__rand_int__", "element:__rand_int__"], Some(0.8)),
];

/// A string of 32 bytes under one key.
pub const SET: &[&str] = &["SET", "bench:string", "value:00000000000000000000000000"];
#[rustfmt::skip]
const MSET_10: &[&str] = &[
    "MSET", "bench:0", "value", "bench:1", "value", "bench:2", "value", "bench:3", "value", "bench:4", "value",
    "bench:5", "value", "bench:6", "value", "bench:7", "value", "bench:8", "value", "bench:9", "value",
];

pub fn measure(comparison: &Comparison<'_>) -> Result<Vec<Table>, Failure> {
    let (options, interrupt) = (comparison.options, &comparison.interrupt);
    let start = |contender| Server::start(contender, options.server_core, interrupt);
    let servers: Vec<Server> = comparison.contenders.iter().map(start).collect::<Result<_, _>>()?;
    servers.iter().try_for_each(|server| prepare(server, comparison))?;
    let tests = chosen(&options.tests)?;
    let cases: Vec<(u32, &Test)> = options
        .pipelines
        .iter()
        .flat_map(|&pipeline| tests.iter().map(move |&test| (pipeline, test)))
        .collect();
    let mut turns: Vec<Vec<Vec<Turn>>> = vec![vec![Vec::new(); servers.len()]; cases.len()];
    let began = Instant::now();
    for round in 0..options.rounds {
        for (of_case, &(pipeline, test)) in turns.iter_mut().zip(&cases) {
            let share = if test.is_long() { LONG_REPLY_SHARE } else { 1 };
            let requests = options.requests * u64::from((pipeline / 2).max(1)) / share;
            let load = Load { command: test.words, pipeline, clients: options.clients, requests };
            for server in comparison.turns(round) {
                of_case[server].push(load::run(&load, &servers[server], interrupt)?);
            }
            let (name, round, rounds, seconds) =
                (test.name, round + 1, options.rounds, began.elapsed().as_secs());
            eprintln!(
                "round {round} of {rounds}: {name} with a pipeline of {pipeline} done after {seconds} s"
            );
        }
    }
    Ok(tables(&cases, &turns))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Test>, Failure> {
    if names.is_empty() {
        return Ok(TESTS.iter().collect());
    }
    let find = |name: &String| TESTS.iter().find(|test| test.name == name);
    let known = || TESTS.map(|test| test.name).join(", ");
    names
        .iter()
        .map(|name| find(name).ok_or_else(|| format!("no test {name:?}; there are {}", known()).into()))
        .collect()
}

/// What the tests read from.
fn prepare(server: &Server, comparison: &Comparison<'_>) -> Result<(), Failure> {
    let element = |command: [&str; 2], n: usize| {
        let score = (command[0] == "ZADD").then(|| n.to_string());
        command.map(str::to_owned).into_iter().chain(score).chain([format!("element:{n}")]).collect()
    };
    let list = (0..RANGED_ELEMENTS).map(|n| element(["RPUSH", "bench:list"], n));
    let zset = (0..RANGED_ELEMENTS).map(|n| element(["ZADD", "bench:zset"], n));
    Conversation::with(server.port())?.pour(list.chain(zset), &comparison.interrupt)
}

fn tables(cases: &[(u32, &Test)], turns: &[Vec<Vec<Turn>>]) -> Vec<Table> {
    type Figure = fn(&Turn) -> f64;
    let kinds: [(&str, Figure); 5] = [
        ("Server CPU time per request, µs (less is better)", |turn| turn.cpu_us_per_request),
        ("Of that, outside the kernel, µs", |turn| turn.user_us_per_request),
        ("Requests per second (more is better)", |turn| turn.requests_per_second),
        ("Latency p50, ms", |turn| turn.p50_ms),
        ("Latency p99, ms", |turn| turn.p99_ms),
    ];
    let table = |(index, &(title, figure)): (usize, &(&str, Figure))| {
        let row = |(&(pipeline, test), turns): (&(u32, &Test), &Vec<Vec<Turn>>)| {
            let rounds: Vec<Vec<f64>> =
                turns.iter().map(|turns| turns.iter().map(figure).collect()).collect();
            let has_goal = index == 0 && pipeline == GOAL_PIPELINE;
            Row::of(&[test.name, &pipeline.to_string()], &rounds)
                .with_goal(test.goal.filter(|_| has_goal).map(Goal::RatioAtMost))
        };
        Table {
            title: title.to_owned(),
            labels: vec!["test", "pipeline"],
            rows: cases.iter().zip(turns).map(row).collect(),
        }
    };
    kinds.iter().enumerate().map(table).collect()
}
