//! Real servers play what simulated ones play: the summary is the same, what cannot be had is refused by name, and
//! nothing is left behind, also when the run is broken off.

#![allow(
    clippy::disallowed_methods,
    reason = "real processes are looked at through real files, in real time"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::determinism::release_binaries;

/// The primary is cut off, and its replica crashes; writers see both.
const SHORT: &str = r#"
title = "A replica is cut off from its primary, then killed"

[server]
repl-diskless-sync-delay = 0
repl-timeout = 5

[[node]]
name = "a"

[[node]]
name = "b"
replica_of = "a"

[links]
latency = { min = "1ms", max = "3ms" }

[[clients]]
name = "w"
count = 3
work = { kind = "ledgers", rate = 50, write_to = ["a"], timeout = "500ms" }

[[clients]]
name = "r"
count = 2
work = { kind = "registers", rate = 50, keys = 4, reads = 0.5, write_to = ["a"], read_from = ["b"], timeout = "300ms" }

[[fault]]
at = "500ms"
for = "700ms"
fault = "partition"
left = ["a"]
right = ["b"]

[[fault]]
at = "2s"
for = "300ms"
fault = "crash"
node = "b"

[[fault]]
at = "3s"
fault = "reset"
from = ["b"]
to = ["a"]

[chaos]
lasting = "4s"

[repair]
within = "20s"

[observe]
every = "50ms"

[[expect]]
measure = "acknowledged-writes"
at_least = 200

[[expect]]
measure = "lost-writes"
at_most = 0

[[expect]]
measure = "stale-reads"
at_least = 1

[[expect]]
measure = "restarts"
at_least = 1

[[expect]]
measure = "refused-operations"
at_least = 1

[[expect]]
measure = "peak-lag"
at_least = "500ms"
at_most = "15s"
"#;

/// The first primary of a cluster dies, and slots of the second one move to the third.
const OF_A_CLUSTER: &str = r#"
title = "A replica takes its primary's place while slots move"

[cluster]
primaries = 3
replicas = 1

[server]
cluster-node-timeout = 1000
repl-diskless-sync-delay = 0

[links]
latency = { min = "200us", max = "600us" }

[[clients]]
name = "w"
count = 3
work = { kind = "ledgers", rate = 20, timeout = "500ms" }

[[fault]]
at = "200ms"
for = "4s"
fault = "crash"
node = "primary of shard 1"

[[operator]]
at = "100ms"
do = "reshard"
from = "primary of shard 2"
to = "primary of shard 3"
slots = [5461, 5463]

[chaos]
lasting = "5s"

[repair]
within = "30s"

[[expect]]
measure = "promotions"
at_least = 1

[[expect]]
measure = "moved-slots"
at_least = 3

[[expect]]
measure = "restarts"
at_least = 1
"#;

/// A directory for a run's files, in which the scenario lies, too.
struct Place(tempfile::TempDir);

impl Place {
    fn with(scenario: &str) -> Place {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("short.toml"), scenario).expect("the scenario can be written");
        std::fs::create_dir(directory.path().join("tmp")).expect("a directory for what is temporary");
        Place(directory)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
        command.current_dir(self.0.path()).env("TMPDIR", self.0.path().join("tmp"));
        command.args(["real", "./short.toml"]).args(arguments).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("squall can be run")
    }

    fn left_behind(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.0.path().join("tmp")).expect("the directory is there");
        entries.flatten().map(|entry| entry.path()).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn plays_it(server: &str) {
    let place = Place::with(SHORT);
    let run = place.run(&["--server", server, "--json", "--report", "page.html"]);
    assert_eq!(run.status.code(), Some(0), "{}{}", text(&run.stdout), text(&run.stderr));
    let report: Value = serde_json::from_slice(&run.stdout).expect("it is JSON");
    let measures = report["measures"].as_object().expect("measures by name");
    assert_eq!(measures.len(), squall_scenarios::MEASURES.len());
    assert!(report["lag"]["nodes"]["b"].as_array().is_some_and(|points| points.len() > 20), "{report}");
    let page = text(&std::fs::read(place.0.path().join("page.html")).expect("a page"));
    assert!(page.contains("killed") && page.contains("squall real"), "the page tells what happened");
    assert_eq!(place.left_behind(), Vec::<PathBuf>::new());
}

#[test]
fn squall_server_plays_a_scenario_as_the_simulator_does() {
    plays_it(release_binaries().join("squall-server").to_str().expect("a path of letters"));
}

#[test]
fn redis_server_plays_it_too() {
    match Command::new("redis-server").arg("--version").output() {
        Ok(_) => plays_it("redis-server"),
        Err(_) => eprintln!("not tested: redis-server is missing"),
    }
}

#[test]
fn clusters_of_real_servers_elect_and_move_slots() {
    let place = Place::with(OF_A_CLUSTER);
    let own = release_binaries().join("squall-server");
    let mut servers = vec![own.to_str().expect("a path of letters")];
    if Command::new("redis-server").arg("--version").output().is_ok() {
        servers.push("redis-server");
    }
    for server in servers {
        let run = place.run(&["--server", server]);
        assert_eq!(run.status.code(), Some(0), "{server}: {}{}", text(&run.stdout), text(&run.stderr));
        assert_eq!(place.left_behind(), Vec::<PathBuf>::new());
    }
}

#[test]
fn what_cannot_be_had_is_named_and_refused_before_anything_starts() {
    let impossible = SHORT.replace("fault = \"crash\"", "fault = \"power-loss\"").replace(
        "[chaos]",
        "[[fault]]\nat = \"1s\"\nfault = \"clock-jump\"\nnode = \"a\"\nby_ms = 5000\n[chaos]",
    );
    let place = Place::with(&impossible);
    let run = place.run(&["--server", env!("CARGO_BIN_EXE_squall")]);
    assert_eq!(run.status.code(), Some(2));
    let told = text(&run.stderr);
    for part in
        ["nothing was started", "at 2s: b loses power", "empty_disk = true", "jumps by 5000 ms", "squall run"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let nowhere = place.run(&["--server", "./no-such-server"]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", text(&nowhere.stderr));
}

/// The processes that `parent` has started, by their ids.
fn children_of(parent: &Child) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", parent.id())).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read(task.path().join("children")).ok());
    lists
        .flat_map(|list| text(&list).split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Looks again and again until it is so; for as long as nobody would doubt that it never will.
fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never seen: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn an_interrupted_run_leaves_no_process_and_no_file() {
    let server = release_binaries().join("squall-server");
    let place = Place::with(&SHORT.replace("lasting = \"4s\"", "lasting = \"60s\""));
    let mut run = place
        .command(&["--server", server.to_str().expect("a path of letters")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("squall can be run");
    let mut servers = Vec::new();
    await_that("two servers", || {
        servers = children_of(&run);
        servers.len() == 2
    });
    kill_process(Pid::from_child(&run), Signal::INT).expect("it runs");
    assert_eq!(run.wait().expect("it ends").code(), Some(130));
    let gone = |id: &u32| !Path::new(&format!("/proc/{id}")).exists();
    assert!(servers.iter().all(gone), "{servers:?} are still there");
    assert_eq!(place.left_behind(), Vec::<PathBuf>::new());
}
