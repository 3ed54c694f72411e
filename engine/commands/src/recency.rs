//! The access word of an entry: when it was last used, or how often. OBJECT and eviction read it.
//!
//! ```text
//! LRU   | 32 bits: seconds of the wall clock, wrapping            |
//! LFU   | 8 bits: 0 | 16 bits: minutes of the last decay | 8 bits: logarithmic counter |
//! ```

use rand_core::Rng;
use squall_clock::Now;
use squall_store::Entry;

use crate::config::{Config, EvictionPolicy};

/// What a key that is used for the first time counts as, so that it is not evicted before the second.
pub const LFU_COUNTER_START: u8 = 5;

/// Remembers that the entry was used now.
#[inline]
pub fn touch(entry: &Entry, config: &Config, now: Now, rng: &mut impl Rng) {
    match config.maxmemory_policy {
        EvictionPolicy::AllKeysLfu | EvictionPolicy::VolatileLfu => {
            let counter = counted(frequency(entry.access(), config, now), config.lfu_log_factor, rng);
            entry.touch(lfu_access(counter, now));
        }
        _ => entry.touch(lru_clock(now)),
    }
}

/// The access word that LRU gives an entry used now.
pub fn lru_clock(now: Now) -> u32 {
    now.unix_seconds() as u32
}

/// The access word that LFU gives an entry whose counter is known.
pub fn lfu_access(counter: u8, now: Now) -> u32 {
    u32::from(minutes(now)) << 8 | u32::from(counter)
}

/// The access word of an entry that has just been created.
pub fn first_access(config: &Config, now: Now) -> u32 {
    match config.maxmemory_policy {
        EvictionPolicy::AllKeysLfu | EvictionPolicy::VolatileLfu => lfu_access(LFU_COUNTER_START, now),
        _ => lru_clock(now),
    }
}

/// How long the entry has not been used, under an LRU policy.
pub fn idle_seconds(access: u32, now: Now) -> u64 {
    let idle = lru_clock(now).wrapping_sub(access);
    // An access "in the future" is a wall clock that was set back.
    if idle > u32::MAX / 2 { 0 } else { u64::from(idle) }
}

/// How often the entry has been used, as LFU's logarithmic counter, decayed up to now.
pub fn frequency(access: u32, config: &Config, now: Now) -> u8 {
    let counter = access as u8;
    let elapsed = minutes(now).wrapping_sub((access >> 8) as u16);
    let periods = u32::from(elapsed).checked_div(config.lfu_decay_time_minutes).unwrap_or(0);
    counter.saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX))
}

fn minutes(now: Now) -> u16 {
    (now.unix_seconds() / 60) as u16
}

/// One more use: the higher the counter, the less likely it grows.
fn counted(counter: u8, log_factor: u32, rng: &mut impl Rng) -> u8 {
    let above_start = u64::from(counter.saturating_sub(LFU_COUNTER_START));
    let one_in = above_start * u64::from(log_factor) + 1;
    let grows = rng.next_u64().is_multiple_of(one_in);
    counter.saturating_add(u8::from(grows))
}
