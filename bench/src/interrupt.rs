//! Ctrl-C: remembered, not obeyed at once, so that every server is ended on the way out.
//!
//! Whatever waits does it through here and returns an error when a signal came; the servers' guards
//! (`launch::Server`) then end their processes as the stack unwinds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;

const POLL_INTERVAL: Duration = Duration::from_millis(5);

pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From here on SIGINT and SIGTERM only leave their mark.
    pub fn watch() -> Result<Interrupt, Failure> {
        let came = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&came))?;
        }
        Ok(Interrupt(came))
    }

    pub fn check(&self) -> Result<(), Failure> {
        if self.0.load(Ordering::Relaxed) {
            Err("interrupted; the servers are stopped".into())
        } else {
            Ok(())
        }
    }

    pub fn sleep(&self, duration: Duration) -> Result<(), Failure> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.check()?;
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}
