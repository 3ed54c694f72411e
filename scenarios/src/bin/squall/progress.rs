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
    /// Begins to watch a run; says nothing where nobody looks.
    #[allow(clippy::disallowed_methods, reason = "people wait in real time")]
    pub fn show(name: &str, seed: u64) -> Progress {
        let (simulated, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = std::io::stderr().is_terminal().then(|| {
            let (simulated, over, name) = (Arc::clone(&simulated), Arc::clone(&over), name.to_owned());
            std::thread::spawn(move || {
                let begun = Instant::now();
                while !over.load(Ordering::Relaxed) {
                    std::thread::park_timeout(REFRESH_EVERY);
                    if begun.elapsed() > QUIET_FOR {
                        let seconds = simulated.load(Ordering::Relaxed) as f64 / 1e9;
                        let speed = seconds / begun.elapsed().as_secs_f64();
                        eprint!("\r{name} (seed {seed}): {seconds:.1} s simulated, {speed:.0} a second  ");
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
