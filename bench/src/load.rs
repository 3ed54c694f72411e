//! One run of redis-benchmark against one server, and the CPU time that it cost the server.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::interrupt::Interrupt;
use crate::launch::Server;
use crate::parts::Asked;
use crate::process;

const RUN_TIME_MAX: Duration = Duration::from_secs(120);
/// Among how many members a test with random ones draws.
const RANDOM_MEMBERS: u64 = 1_000_000;

/// What redis-benchmark is asked to do.
pub struct Load<'a> {
    pub command: &'a Asked,
    pub pipeline: u32,
    pub clients: u32,
    pub requests: u64,
    /// Different keys for commands that redis-benchmark knows; one if none are said.
    pub keyspace: Option<u64>,
    pub core: usize,
}

/// What one run showed.
#[derive(Clone, Copy)]
pub struct Turn {
    pub requests_per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub cpu_us_per_request: f64,
    /// The part of it outside the kernel.
    pub user_us_per_request: f64,
}

pub fn run(load: &Load<'_>, server: &Server, interrupt: &Interrupt) -> Result<Turn, Failure> {
    let before = process::cpu_time(server.pid())?;
    let mut benchmark = Command::new("taskset")
        .args(["-c", &load.core.to_string(), "redis-benchmark", "--csv", "-p", &server.port().to_string()])
        .args(["-P", &load.pipeline.to_string()])
        .args(["-c", &load.clients.to_string(), "-n", &load.requests.to_string()])
        .args(load.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run taskset, from util-linux: {error}"))?;
    let status = interrupt.wait(&mut benchmark, Instant::now() + RUN_TIME_MAX)?;
    if !status.success() {
        return Err(format!("redis-benchmark (from redis-tools) ended: {status}").into());
    }
    let after = process::cpu_time(server.pid())?;
    let us_per_request =
        |now: Duration, then: Duration| now.saturating_sub(then).as_secs_f64() * 1e6 / load.requests as f64;
    let mut said = String::new();
    benchmark.stdout.take().expect("stdout is piped").read_to_string(&mut said)?;
    let row = parse_row(&said).ok_or_else(|| format!("unexpected words from redis-benchmark:\n{said}"))?;
    Ok(Turn {
        requests_per_second: row[0],
        p50_ms: row[3],
        p99_ms: row[5],
        cpu_us_per_request: us_per_request(after.total, before.total),
        user_us_per_request: us_per_request(after.user, before.user),
    })
}

impl Load<'_> {
    /// Those that say which command.
    fn arguments(&self) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        match self.command {
            Asked::Known(name) => {
                let keyspace = self.keyspace.map(|keys| words(&["-d", "32", "-r", &keys.to_string()]));
                [words(&["-t", name]), keyspace.unwrap_or_default()].concat()
            }
            Asked::Given(command) => words(command),
            Asked::Random(command) => [words(&["-r", &RANDOM_MEMBERS.to_string()]), words(command)].concat(),
        }
    }
}

/// The numbers of the row below the header: requests/s, then average, minimum, p50, p95, p99 and maximum.
fn parse_row(csv: &str) -> Option<[f64; 7]> {
    let row = csv.lines().find(|line| line.starts_with('"') && !line.starts_with("\"test\""))?;
    let mut numbers = row.split("\",\"").skip(1).map(|field| field.trim_matches('"').parse::<f64>());
    let mut values = [0.0; 7];
    for value in &mut values {
        *value = numbers.next()?.ok()?;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::parse_row;

    #[test]
    fn a_row_of_redis_benchmark_is_read_by_position() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\
                   \"p99_latency_ms\",\"max_latency_ms\"\n\
                   \"MSET (10 keys)\",\"625000.00\",\"1.189\",\"0.560\",\"1.255\",\"1.503\",\"1.591\",\"1.791\"\n";
        assert_eq!(parse_row(csv), Some([625000.0, 1.189, 0.56, 1.255, 1.503, 1.591, 1.791]));
        assert_eq!(parse_row("\"test\",\"rps\"\n"), None);
        assert_eq!(parse_row("\"SET\",\"12.0\"\n"), None);
    }
}
