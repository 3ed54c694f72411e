//! Time as plain integers. The core never reads a clock: it is told [`Now`] once per turn, so that a
//! batch of commands sees one time and a simulated world can decide what time it is.
//!
//! Two clocks, never mixed: [`Mono`] only moves forward and measures durations and deadlines;
//! [`UnixMs`] is the wall clock, may jump, and is used for expiry times and what people read.
#![forbid(unsafe_code)]

use std::ops::{Add, Sub};

/// A point on the monotonic clock, in nanoseconds since an arbitrary start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Mono(pub u64);

/// A duration in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Nanos(pub u64);

/// A wall-clock time, in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct UnixMs(pub u64);

/// Both clocks, read together at the start of a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    pub mono: Mono,
    /// Microseconds since 1970-01-01 UTC.
    pub unix_us: u64,
}

impl Now {
    pub fn unix_ms(self) -> UnixMs {
        UnixMs(self.unix_us / 1_000)
    }

    pub fn unix_seconds(self) -> u64 {
        self.unix_us / 1_000_000
    }
}

impl Mono {
    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Mono) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Nanos {
    pub const ZERO: Nanos = Nanos(0);

    pub const fn from_secs(seconds: u64) -> Nanos {
        Nanos(seconds.saturating_mul(1_000_000_000))
    }

    pub const fn from_millis(millis: u64) -> Nanos {
        Nanos(millis.saturating_mul(1_000_000))
    }

    pub const fn from_micros(micros: u64) -> Nanos {
        Nanos(micros.saturating_mul(1_000))
    }

    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }
}

impl Add<Nanos> for Mono {
    type Output = Mono;
    fn add(self, rhs: Nanos) -> Mono {
        Mono(self.0.saturating_add(rhs.0))
    }
}

impl Sub<Mono> for Mono {
    type Output = Nanos;
    fn sub(self, rhs: Mono) -> Nanos {
        self.since(rhs)
    }
}

impl Add for Nanos {
    type Output = Nanos;
    fn add(self, rhs: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(rhs.0))
    }
}

impl UnixMs {
    /// This time moved by `delta` milliseconds, or `None` outside the range of the type.
    pub fn checked_add_signed(self, delta: i64) -> Option<UnixMs> {
        self.0.checked_add_signed(delta).map(UnixMs)
    }
}
