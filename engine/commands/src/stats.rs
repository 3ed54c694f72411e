//! What the server counts: per command, in an array indexed by the row's number; per error code; and in
//! total. INFO shows all of it, `CONFIG RESETSTAT` sets it back.

use std::collections::BTreeMap;

use crate::table::{CommandId, Table};

/// Different error codes that are counted apart; scripts can make up any number of them.
const ERROR_CODES_MAX: usize = 128;

#[derive(Clone, Copy, Default, Debug)]
pub struct CommandStats {
    pub calls: u64,
    pub nanos: u64,
    /// Refused before the call: arity, permission, state of the server.
    pub rejected: u64,
    /// Answered with an error.
    pub failed: u64,
}

pub struct Stats {
    commands: Box<[CommandStats]>,
    errors: BTreeMap<String, u64>,
    pub total_errors: u64,
    /// Errors that said what INFO calls unexpected: on the link to the primary.
    pub unexpected_errors: u64,
    pub commands_processed: u64,
    pub connections_received: u64,
    pub connections_rejected: u64,
    pub input_bytes: u64,
    pub output_bytes: u64,
    pub replication_input_bytes: u64,
    pub replication_output_bytes: u64,
    /// Synchronisations of replicas: with a dataset, from where they were, and those that asked for the
    /// second and had to have the first.
    pub sync_full: u64,
    pub sync_partial_ok: u64,
    pub sync_partial_err: u64,
    pub reads_processed: u64,
    pub writes_processed: u64,
    pub keyspace_hits: u64,
    pub keyspace_misses: u64,
    pub expired_keys: u64,
    /// Fields of hashes.
    pub expired_fields: u64,
    pub evicted_keys: u64,
    pub evicted_clients: u64,
    pub expire_cycle_time_caps: u64,
    pub query_buffer_disconnections: u64,
    pub output_buffer_disconnections: u64,
    pub auth_denied: u64,
    /// What ACL did not allow.
    pub commands_denied: u64,
    pub keys_denied: u64,
    pub channels_denied: u64,
    /// Entries that were freed later than they were removed.
    pub freed_later: u64,
    pub expire_cycle_nanos: u64,
    /// Of the keys with an expiry time, the share whose time had come when they were looked for; recent cycles count
    /// most.
    pub stale_share: f64,
    /// For how long the dataset was larger than `maxmemory`, the time that goes on now not included.
    pub eviction_exceeded_ms: u64,
    /// How often the node was entered: with bytes, with what the disk has done, because it was time.
    pub turns: u64,
    /// How long it was in there.
    pub turn_nanos: u64,
    pub rates: Rates,
}

impl Stats {
    pub fn new() -> Stats {
        Stats {
            commands: vec![CommandStats::default(); Table::shared().rows().len()].into(),
            errors: BTreeMap::new(),
            total_errors: 0,
            unexpected_errors: 0,
            commands_processed: 0,
            connections_received: 0,
            connections_rejected: 0,
            input_bytes: 0,
            output_bytes: 0,
            replication_input_bytes: 0,
            replication_output_bytes: 0,
            sync_full: 0,
            sync_partial_ok: 0,
            sync_partial_err: 0,
            reads_processed: 0,
            writes_processed: 0,
            keyspace_hits: 0,
            keyspace_misses: 0,
            expired_keys: 0,
            expired_fields: 0,
            evicted_keys: 0,
            evicted_clients: 0,
            expire_cycle_time_caps: 0,
            query_buffer_disconnections: 0,
            output_buffer_disconnections: 0,
            auth_denied: 0,
            commands_denied: 0,
            keys_denied: 0,
            channels_denied: 0,
            freed_later: 0,
            expire_cycle_nanos: 0,
            stale_share: 0.0,
            eviction_exceeded_ms: 0,
            turns: 0,
            turn_nanos: 0,
            rates: Rates::default(),
        }
    }

    #[inline]
    pub fn command_mut(&mut self, id: CommandId) -> &mut CommandStats {
        &mut self.commands[id.0 as usize]
    }

    pub fn command(&self, id: CommandId) -> CommandStats {
        self.commands[id.0 as usize]
    }

    /// What one expiry cycle has found: so many keys whose time had come, of so many that have one.
    pub(crate) fn note_stale(&mut self, due: usize, volatile: usize) {
        const WEIGHT: f64 = 0.05;
        let share = if volatile == 0 { 0.0 } else { due as f64 / volatile as f64 };
        self.stale_share = share * WEIGHT + self.stale_share * (1.0 - WEIGHT);
    }

    /// The time that all commands together have taken.
    pub fn command_nanos(&self) -> u64 {
        self.commands.iter().map(|counters| counters.nanos).sum()
    }

    /// Counts an error by the code that its line begins with.
    pub fn count_error(&mut self, line: &[u8]) {
        self.total_errors += 1;
        let code = line.split(|&byte| byte == b' ').next().unwrap_or_default();
        let code = String::from_utf8_lossy(code);
        if let Some(count) = self.errors.get_mut(code.as_ref()) {
            *count += 1;
        } else if self.errors.len() < ERROR_CODES_MAX {
            self.errors.insert(code.into_owned(), 1);
        }
    }

    pub fn errors(&self) -> impl Iterator<Item = (&str, u64)> {
        self.errors.iter().map(|(code, &count)| (code.as_str(), count))
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset(&mut self) {
        *self = Stats::new();
    }
}

impl Default for Stats {
    fn default() -> Stats {
        Stats::new()
    }
}

/// How many samples the `instantaneous_*` fields average over.
const RATE_SAMPLES: usize = 16;

/// Recent rates, from samples that the node asks for at regular times.
#[derive(Clone, Default)]
pub struct Rates {
    pub commands: Rate,
    pub input_bytes: Rate,
    pub output_bytes: Rate,
    pub replication_input_bytes: Rate,
    pub replication_output_bytes: Rate,
    pub turns: Rate,
    pub turn_nanos: Rate,
}

/// The average growth of a counter per second over the last samples.
#[derive(Clone, Default)]
pub struct Rate {
    samples: [u64; RATE_SAMPLES],
    next: usize,
    last_count: u64,
    last_at: Option<squall_clock::Mono>,
}

impl Rate {
    pub fn sample(&mut self, count: u64, now: squall_clock::Mono) {
        if let Some(last_at) = self.last_at {
            let elapsed_us = now.since(last_at).as_micros().max(1);
            let grown = u128::from(count.saturating_sub(self.last_count));
            let per_second = grown * 1_000_000 / u128::from(elapsed_us);
            self.samples[self.next] = u64::try_from(per_second).unwrap_or(u64::MAX);
            self.next = (self.next + 1) % RATE_SAMPLES;
        }
        self.last_count = count;
        self.last_at = Some(now);
    }

    pub fn per_second(&self) -> u64 {
        let total: u128 = self.samples.iter().map(|&sample| u128::from(sample)).sum();
        (total / RATE_SAMPLES as u128) as u64
    }
}

impl Stats {
    /// Takes one sample of each rate; the node calls this about ten times a second.
    pub fn sample_rates(&mut self, now: squall_clock::Mono) {
        self.rates.commands.sample(self.commands_processed, now);
        self.rates.input_bytes.sample(self.input_bytes, now);
        self.rates.output_bytes.sample(self.output_bytes, now);
        self.rates.replication_input_bytes.sample(self.replication_input_bytes, now);
        self.rates.replication_output_bytes.sample(self.replication_output_bytes, now);
        self.rates.turns.sample(self.turns, now);
        self.rates.turn_nanos.sample(self.turn_nanos, now);
    }
}
