//! A line on the terminal for what takes more than two seconds, so that nobody wonders whether it hangs.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub struct Progress {
    simulated: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

const QUIET_FOR: Duration = Duration::from_secs(2);
const REFRESH_EVERY: Duration = Duration::from_millis(200);

impl Progress {
    /// Begins to watch a simulated run; says nothing where nobody looks.
    pub fn show(name: &str, seed: u64) -> Progress {
        let name = name.to_owned();
        Progress::telling(move |seconds, elapsed| {
            format!("{name} (seed {seed}): {seconds:.1} s simulated, {:.0} a second", seconds / elapsed)
        })
    }

    /// Begins to watch a run with real servers, whose faults end after so many seconds.
    pub fn show_real(name: &str, server: &str, chaos_seconds: f64) -> Progress {
        let what = format!("{name} with {server}");
        Progress::telling(move |seconds, _| {
            format!("{what}: {seconds:.0} s, of {chaos_seconds:.0} s of chaos and what start and repair take")
        })
    }

    /// `tell` is given the seconds of the run and those that the watcher has waited.
    #[allow(clippy::disallowed_methods, reason = "people wait in real time")]
    fn telling(tell: impl Fn(f64, f64) -> String + Send + 'static) -> Progress {
        let (simulated, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = std::io::stderr().is_terminal().then(|| {
            let (simulated, over) = (Arc::clone(&simulated), Arc::clone(&over));
            std::thread::spawn(move || {
                let begun = Instant::now();
                while !over.load(Ordering::Relaxed) {
                    std::thread::park_timeout(REFRESH_EVERY);
                    if begun.elapsed() > QUIET_FOR {
                        let seconds = simulated.load(Ordering::Relaxed) as f64 / 1e9;
                        eprint!("\r\x1b[K{}", tell(seconds, begun.elapsed().as_secs_f64()));
                        let _ = std::io::stderr().flush();
                    }
                }
                if begun.elapsed() > QUIET_FOR {
                    eprint!("\r\x1b[K");
                }
            })
        });
        Progress { simulated, over, thread }
    }

    /// What the run writes its time to.
    pub fn clock(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.simulated)
    }

    pub fn end(mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// One line on the terminal that is written again and again; nothing where nobody looks.
pub struct Line {
    begun: Option<Instant>,
    last: Option<Instant>,
    dirty: bool,
}

impl Default for Line {
    #[allow(clippy::disallowed_methods, reason = "people wait in real time")]
    fn default() -> Line {
        Line { begun: std::io::stderr().is_terminal().then(Instant::now), last: None, dirty: false }
    }
}

impl Line {
    #[allow(clippy::disallowed_methods, reason = "people wait in real time")]
    pub fn show(&mut self, text: &str) {
        let Some(begun) = self.begun else { return };
        if begun.elapsed() < REFRESH_EVERY || self.last.is_some_and(|last| last.elapsed() < REFRESH_EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        self.dirty = true;
        eprint!("\r\x1b[K{text}");
        let _ = std::io::stderr().flush();
    }

    /// Makes room for something that stays.
    pub fn clear(&mut self) {
        if self.dirty {
            eprint!("\r\x1b[K");
            let _ = std::io::stderr().flush();
            self.dirty = false;
        }
    }
}
