//! What the kernel knows about a server's process: CPU time used and memory.

use std::fs;
use std::time::Duration;

use crate::Failure;

/// Clock ticks of `/proc/PID/stat`: the kernel's USER_HZ, 100 on every Linux platform we run on.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time of all threads since they began.
#[derive(Clone, Copy)]
pub struct CpuTime {
    /// From the scheduler's own account, which has nanoseconds but forgets threads that have ended; where those
    /// did much, or the kernel keeps no such account, the ticks of `/proc/PID/stat` say more.
    pub total: Duration,
    /// The part spent outside the kernel, by those ticks: good enough over seconds.
    pub user: Duration,
    /// What children used that have ended: the processes that write snapshots, where a server forks.
    pub children: Duration,
}

pub fn cpu_time(pid: u32) -> Result<CpuTime, Failure> {
    let ticks = cpu_ticks(pid)?;
    let time = |from: usize, to: usize| {
        Duration::from_millis(ticks[from..to].iter().sum::<u64>() * 1000 / TICKS_PER_SECOND)
    };
    let total = scheduled_time(pid)?.unwrap_or_default().max(time(0, 2));
    Ok(CpuTime { total, user: time(0, 1), children: time(2, 4) })
}

fn scheduled_time(pid: u32) -> Result<Option<Duration>, Failure> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let Ok(account) = fs::read_to_string(thread?.path().join("schedstat")) else { return Ok(None) };
        let running = account.split(' ').next().unwrap_or_default();
        nanoseconds += running.parse::<u64>().map_err(|_| format!("unreadable schedstat: {account:?}"))?;
    }
    Ok(Some(Duration::from_nanos(nanoseconds)))
}

/// User and system time, and both again of children that were waited for.
fn cpu_ticks(pid: u32) -> Result<[u64; 4], Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field, the program's name, may hold spaces and parentheses: count from its end.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: Vec<u64> =
        after_name.split_whitespace().skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
    ticks.try_into().map_err(|_| format!("unreadable /proc/{pid}/stat: {stat:?}").into())
}

/// Without the program's own pages, which come in when its code first runs and are no part of what it stores.
pub fn resident_bytes(pid: u32) -> Result<u64, Failure> {
    kibibytes(&format!("/proc/{pid}/status"), "RssAnon:")
}

/// Memory of the process and its children; a page that they share counts once.
pub fn family_bytes(pid: u32) -> Result<u64, Failure> {
    let mut total = kibibytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")?;
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for child in children.split_whitespace() {
        // One that has just ended has nothing any more.
        total += kibibytes(&format!("/proc/{child}/smaps_rollup"), "Pss:").unwrap_or(0);
    }
    Ok(total)
}

fn kibibytes(path: &str, field: &str) -> Result<u64, Failure> {
    let text = fs::read_to_string(path)?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| format!("no {field} in {path}").into())
}
