//! The access word of an entry: when it was last used, or how often, as the policy says. OBJECT and eviction
//! read it, RDB files carry it. Its bits are `squall_store::recency`'s.

use rand_core::Rng;
use squall_clock::Now;
use squall_store::Entry;
use squall_store::recency::{self, Recency};

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
    recency::frequency_access(counter, minutes(now))
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
    recency::idle_seconds(access, lru_clock(now))
}

/// How often the entry has been used, as LFU's logarithmic counter, decayed up to now.
pub fn frequency(access: u32, config: &Config, now: Now) -> u8 {
    recency::frequency(access, minutes(now), config.lfu_decay_time_minutes)
}

/// What a snapshot tells of the entries' use: what the policy looks at, if it looks at any.
pub fn told(config: &Config, now: Now) -> Recency {
    match config.maxmemory_policy {
        EvictionPolicy::AllKeysLru
        | EvictionPolicy::VolatileLru
        | EvictionPolicy::AllKeysLfu
        | EvictionPolicy::VolatileLfu => kept(config, now),
        _ => Recency::Untold,
    }
}

/// What access words mean now: what is read of use in a snapshot is kept as that.
pub fn kept(config: &Config, now: Now) -> Recency {
    match config.maxmemory_policy {
        EvictionPolicy::AllKeysLfu | EvictionPolicy::VolatileLfu => {
            Recency::Frequency { clock_minutes: minutes(now), decay_minutes: config.lfu_decay_time_minutes }
        }
        _ => Recency::Idle { clock_seconds: lru_clock(now) },
    }
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
