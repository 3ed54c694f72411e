//! What INFO shows about the process and its memory: from the allocator, the kernel and the machine.
#![allow(clippy::disallowed_methods, reason = "the figures are read from /proc")]

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use quanta::Clock;
use rustix::time::{ClockId, clock_gettime};
use squall_clock::Mono;
use squall_node::Environment;
use tikv_jemalloc_ctl::{background_thread, epoch, stats, version};

/// Reads the figures, and remembers what does not change.
pub struct Observer {
    constant: Environment,
    used_memory_peak_bytes: u64,
    used_memory_peak_unix_seconds: u64,
    startup_memory_bytes: Option<u64>,
}

impl Observer {
    pub fn new() -> Observer {
        // Memory that was freed goes back to the system even when nothing happens any more.
        let _ = background_thread::write(true);
        let executable = std::env::current_exe().unwrap_or_default();
        let system = rustix::system::uname();
        let constant = Environment {
            process_id: std::process::id(),
            executable: executable.to_string_lossy().into_owned(),
            os: format!(
                "{} {} {}",
                system.sysname().to_string_lossy(),
                system.release().to_string_lossy(),
                system.machine().to_string_lossy()
            ),
            multiplexing_api: "epoll".to_owned(),
            allocator: allocator_name(),
            total_system_memory_bytes: rustix::system::sysinfo().totalram,
            measures_scripts: true,
            stopwatch: Some(stopwatch()),
            ..Environment::default()
        };
        Observer {
            constant,
            used_memory_peak_bytes: 0,
            used_memory_peak_unix_seconds: 0,
            startup_memory_bytes: None,
        }
    }

    pub fn observe(&mut self) -> Environment {
        // The allocator's figures stand still until its epoch is advanced.
        let _ = epoch::advance();
        let figure = |read: fn() -> tikv_jemalloc_ctl::Result<usize>| read().unwrap_or(0) as u64;
        let allocated = figure(stats::allocated::read);
        let startup = *self.startup_memory_bytes.get_or_insert(allocated);
        if allocated > self.used_memory_peak_bytes {
            self.used_memory_peak_bytes = allocated;
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.used_memory_peak_unix_seconds = since.as_secs();
        }
        let (cpu_user_us, cpu_system_us) = cpu_times_us();
        Environment {
            used_memory_bytes: allocated,
            used_memory_peak_bytes: self.used_memory_peak_bytes,
            used_memory_peak_unix_seconds: self.used_memory_peak_unix_seconds,
            startup_memory_bytes: startup,
            resident_bytes: resident_bytes(),
            allocator_allocated_bytes: allocated,
            allocator_active_bytes: figure(stats::active::read),
            allocator_resident_bytes: figure(stats::resident::read),
            cpu_user_us,
            cpu_system_us,
            ..self.constant.clone()
        }
    }
}

/// The clock that commands are measured by. Each of them is: asking the kernel, though it answers without a system
/// call, takes two and a half times as long as a look at the processor's counter, and makes a short command a tenth
/// longer. The counter is trusted where the kernel tells the time by it, who goes on comparing it with other clocks.
fn stopwatch() -> fn() -> Mono {
    static COUNTER: LazyLock<Clock> = LazyLock::new(Clock::new);
    let source = std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    if source.is_ok_and(|source| source.trim() == "tsc") {
        // It is calibrated now, and not by the first command.
        LazyLock::force(&COUNTER);
        return || Mono(COUNTER.delta_as_nanos(0, COUNTER.raw()));
    }
    || {
        let time = clock_gettime(ClockId::Monotonic);
        Mono(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
}

/// `jemalloc-` and the release, as Redis says it.
fn allocator_name() -> String {
    let release = version::read().unwrap_or_default();
    format!("jemalloc-{}", release.split('-').next().unwrap_or_default())
}

/// In `/proc/self/stat`, the 12th and 13th field after the program's name in brackets, in clock ticks.
fn cpu_times_us() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(") ").next().unwrap_or_default();
    let ticks = |index| fields.split(' ').nth(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let tick_us = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
    (ticks(11) * tick_us, ticks(12) * tick_us)
}

/// The second number of `/proc/self/statm`, in pages.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}
