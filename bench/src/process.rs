//! What the kernel knows about a server's process: CPU time used and resident memory.

use std::fs;
use std::time::Duration;

use crate::Failure;

/// Clock ticks of `/proc/PID/stat`: the kernel's USER_HZ, 100 on every Linux platform we run on.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time of all threads since they began.
#[derive(Clone, Copy)]
pub struct CpuTime {
    /// From the scheduler's own account, which has nanoseconds; where the kernel was built without it, the
    /// ticks of `/proc/PID/stat` must do.
    pub total: Duration,
    /// The part spent outside the kernel, by those ticks: good enough over seconds.
    pub user: Duration,
}

pub fn cpu_time(pid: u32) -> Result<CpuTime, Failure> {
    let (user, system) = cpu_time_in_ticks(pid)?;
    Ok(CpuTime { total: scheduled_time(pid)?.unwrap_or(user + system), user })
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

/// User and system time.
fn cpu_time_in_ticks(pid: u32) -> Result<(Duration, Duration), Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field, the program's name, may hold spaces and parentheses: count from its end.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => {
            let time = |ticks| Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND);
            Ok((time(user), time(system)))
        }
        _ => Err(format!("unreadable /proc/{pid}/stat: {stat:?}").into()),
    }
}

pub fn resident_bytes(pid: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| format!("no VmRSS in /proc/{pid}/status").into())
}
