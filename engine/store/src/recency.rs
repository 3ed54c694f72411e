//! How an entry's access word is to be read: as the time of its last use, or as how often it was used. RDB
//! files carry it, so that eviction goes on where it was; which of the two it is, the policy says.
//!
//! ```text
//! Idle      | 32 bits: seconds of the wall clock, wrapping                             |
//! Frequency | 8 bits: 0 | 16 bits: minutes of the last decay | 8 bits: a logarithmic counter |
//! ```

/// The meaning of access words, and the clock by which they count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Recency {
    /// Nobody asks.
    #[default]
    Untold,
    Idle {
        clock_seconds: u32,
    },
    Frequency {
        clock_minutes: u16,
        /// How long it takes to lose one; zero: for ever.
        decay_minutes: u32,
    },
}

/// What is told of an entry, in numbers that mean the same on any machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    IdleSeconds(u64),
    Frequency(u8),
}

impl Recency {
    /// What an access word says.
    pub fn told(self, access: u32) -> Option<Use> {
        match self {
            Recency::Untold => None,
            Recency::Idle { clock_seconds } => Some(Use::IdleSeconds(idle_seconds(access, clock_seconds))),
            Recency::Frequency { clock_minutes, decay_minutes } => {
                Some(Use::Frequency(frequency(access, clock_minutes, decay_minutes)))
            }
        }
    }

    /// The access word of an entry of which that was told; none where it was told for another policy.
    pub fn access(self, told: Use) -> Option<u32> {
        match (self, told) {
            (Recency::Idle { clock_seconds }, Use::IdleSeconds(idle)) => {
                Some(clock_seconds.wrapping_sub(u32::try_from(idle).unwrap_or(u32::MAX / 2)))
            }
            (Recency::Frequency { clock_minutes, .. }, Use::Frequency(counter)) => {
                Some(frequency_access(counter, clock_minutes))
            }
            _ => None,
        }
    }
}

/// How long an entry has not been used.
pub fn idle_seconds(access: u32, clock_seconds: u32) -> u64 {
    let idle = clock_seconds.wrapping_sub(access);
    // An access "in the future" is a wall clock that was set back.
    if idle > u32::MAX / 2 { 0 } else { u64::from(idle) }
}

/// The counter, decayed up to now.
pub fn frequency(access: u32, clock_minutes: u16, decay_minutes: u32) -> u8 {
    let elapsed = clock_minutes.wrapping_sub((access >> 8) as u16);
    let periods = u32::from(elapsed).checked_div(decay_minutes).unwrap_or(0);
    (access as u8).saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX))
}

/// The access word of an entry whose counter is known.
pub fn frequency_access(counter: u8, clock_minutes: u16) -> u32 {
    u32::from(clock_minutes) << 8 | u32::from(counter)
}
