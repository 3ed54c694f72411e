//! The trace: every event of a run as one line of text, `time_us machine what`. It is written to a sink where
//! one was given and hashed in any case, so that two runs can be compared without keeping either; only a hunt, which
//! compares nothing, does without.
//!
//! ```text
//! 1500250 b > a:6379 #3 27b 9f3c      b received 27 bytes of connection 3 (and a digest of them)
//! 5000000 * partition a | b c         the world did something
//! ```

use std::fmt;
use std::io::Write;

use squall_clock::Mono;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Where the lines go.
pub type TraceSink = Box<dyn Write + Send>;

/// What remains of a trace when the run is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceSummary {
    pub lines: u64,
    pub hash: u64,
}

pub(crate) struct Trace {
    buffer: Vec<u8>,
    hash: Xxh3,
    lines: u64,
    sink: Option<TraceSink>,
    is_off: bool,
}

/// The buffer is hashed and written when it has grown to this.
const BUFFER_BYTES: usize = 64 << 10;

impl Trace {
    pub(crate) fn to(sink: Option<TraceSink>, untraced: bool) -> Trace {
        let is_off = untraced && sink.is_none();
        let buffer = Vec::with_capacity(if is_off { 0 } else { BUFFER_BYTES + 1024 });
        Trace { buffer, hash: Xxh3::new(), lines: 0, sink, is_off }
    }

    pub(crate) fn line(&mut self, now: Mono, machine: &str, what: fmt::Arguments<'_>) {
        if self.is_off {
            return;
        }
        // Writing to a vector cannot fail.
        let _ = writeln!(self.buffer, "{} {machine} {what}", now.0 / 1_000);
        self.lines += 1;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    /// Ends the trace.
    pub(crate) fn finish(&mut self) -> TraceSummary {
        self.flush();
        if let Some(sink) = &mut self.sink {
            sink.flush().expect("the trace cannot be written");
        }
        TraceSummary { lines: self.lines, hash: self.hash.digest() }
    }

    fn flush(&mut self) {
        self.hash.update(&self.buffer);
        if let Some(sink) = &mut self.sink {
            sink.write_all(&self.buffer).expect("the trace cannot be written");
        }
        self.buffer.clear();
    }
}

/// Stands for the bytes of a message, so that a trace differs where contents differ.
pub(crate) fn digest(bytes: &[u8]) -> u16 {
    xxh3_64(bytes) as u16
}
