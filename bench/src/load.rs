//! One run of redis-benchmark against one server, and the CPU time that it cost the server.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::figures::Turn;
use crate::interrupt::Interrupt;
use crate::launch::Server;
use crate::process;

const RUN_TIME_MAX: Duration = Duration::from_secs(120);

/// What redis-benchmark is asked to do.
pub struct Load<'a> {
    pub test: &'a str,
    pub pipeline: u32,
    pub clients: u32,
    pub requests: u64,
    /// Different keys; one if none are said.
    pub keyspace: Option<u64>,
    pub core: usize,
}

pub fn run(load: &Load<'_>, server: &Server, interrupt: &Interrupt) -> Result<Turn, Failure> {
    let before = process::cpu_time(server.pid())?;
    let mut benchmark = Command::new("taskset")
        .args(["-c", &load.core.to_string(), "redis-benchmark", "--csv", "-p", &server.port().to_string()])
        .args(["-t", load.test, "-P", &load.pipeline.to_string()])
        .args(["-c", &load.clients.to_string(), "-n", &load.requests.to_string()])
        .args(
            load.keyspace
                .iter()
                .flat_map(|keys| ["-d".to_owned(), "32".to_owned(), "-r".to_owned(), keys.to_string()]),
        )
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
