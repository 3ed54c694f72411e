//! `squall hunt` as people and CI jobs meet it: the same seeds give the same result, machines share a range, and
//! ^C ends a hunt that keeps what it has.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn hunt(arguments: &[&str]) -> Output {
    let squall = Command::new(env!("CARGO_BIN_EXE_squall")).arg("hunt").args(arguments).output();
    squall.expect("squall can be run")
}

fn result_of(arguments: &[&str]) -> Value {
    let output = hunt(arguments);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

#[test]
fn a_range_of_seeds_gives_one_result_however_many_work_on_it() {
    let alone = result_of(&["swarm", "--seeds", "1..8", "--json"]);
    assert_eq!(alone, result_of(&["swarm", "--seeds", "1..8", "--jobs", "3", "--json"]));
    assert_eq!((&alone["seeds"], &alone["failed"]), (&8.into(), &0.into()));
    assert_eq!(alone["marks"]["full-sync-served"]["seeds"], 8, "{alone}");
    let shard = |shard| result_of(&["swarm", "--seeds", "1..8", "--shard", shard, "--json"]);
    let (first, second) = (shard("0/2"), shard("1/2"));
    for number in ["seeds", "events", "operations"] {
        let sum = first[number].as_u64().zip(second[number].as_u64()).map(|(one, other)| one + other);
        assert_eq!(sum, alone[number].as_u64(), "{number}");
    }
}

#[test]
fn what_fails_is_found_counted_kept_and_makes_the_hunt_fail() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name).to_str().expect("a path of letters").to_owned();
    let shown = Command::new(env!("CARGO_BIN_EXE_squall")).args(["show", "chained-replicas"]).output();
    let text = String::from_utf8(shown.expect("squall can be run").stdout).expect("text");
    #[allow(clippy::disallowed_methods, reason = "a person writes this file")]
    std::fs::write(at("strict.toml"), text.replace("at_least = \"5s\"", "at_least = \"900s\""))
        .expect("the file can be written");
    let output = hunt(&[&at("strict.toml"), "--seeds", "1..4", "--out", &at("out")]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("4 seeds; squall run") && told.contains("never    "), "{told}");
    assert!(directory.path().join("out/strict-seed-1/report.html").exists());
    #[allow(clippy::disallowed_methods, reason = "a CI system reads what squall wrote")]
    let kept = std::fs::read(at("out/hunt.json")).expect("a result");
    let kept: Value = serde_json::from_slice(&kept).expect("JSON");
    assert_eq!(kept["findings"][0]["count"], 4);
}

#[test]
fn an_interrupted_hunt_leaves_its_results() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut child = Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(["hunt", "swarm", "--for", "10m", "--out"])
        .arg(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("squall can be run");
    // Until the process has said what is to be done about SIGINT, it would just be ended by it.
    while !catches_interrupts(child.id()) {
        std::thread::yield_now();
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill can be run").success());
    assert_eq!(child.wait().expect("squall ends").code(), Some(0));
    assert!(directory.path().join("hunt.json").exists());
}

#[allow(clippy::disallowed_methods, reason = "the kernel tells about a process in a file")]
fn catches_interrupts(process: u32) -> bool {
    let status = std::fs::read(format!("/proc/{process}/status")).unwrap_or_default();
    let status = String::from_utf8_lossy(&status).into_owned();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let bits = caught.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    bits >> 1 & 1 == 1
}
