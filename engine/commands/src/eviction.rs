//! Eviction: what becomes of keys when the dataset has outgrown `maxmemory`, under each `maxmemory-policy`.
//!
//! What counts is what the store itself accounts for, byte by byte: the same on every machine, and nothing
//! that eviction adds to (replicas' buffers, the log) is in it, so eviction can never feed itself.
//!
//! As in Redis the key to go is the best of a sample: `maxmemory-samples` keys are drawn from each database,
//! and the best candidates of earlier draws are kept in a small pool beside them.

use squall_clock::{Mono, Nanos};
use squall_store::{Cursor, Entry};

use crate::config::{EventClass, EvictionPolicy};
use crate::engine::{Engine, Role};
use crate::recency;

/// Candidates that are kept from one draw to the next.
const POOL_LEN_MAX: usize = 16;
/// Keys evicted for the sake of one command; what is still too much goes in later slices, and the command
/// is let through.
const KEYS_PER_COMMAND: usize = 1_000;
/// How often a key with an expiry time is looked for at random, for each one that is wanted, before the
/// database is gone through in order.
const DRAWS_PER_SAMPLE: usize = 8;
/// Keys that are looked at in order for one with an expiry time.
const SCANNED_MAX: usize = 10_000;

/// What is remembered between two evictions.
#[derive(Default)]
pub(crate) struct Eviction {
    /// The best candidates so far, the best last.
    pool: Vec<Candidate>,
    /// The policy that they are candidates of.
    policy: Option<EvictionPolicy>,
    /// The database that the next random key is taken from.
    next_db: usize,
    /// Where the search in order goes on.
    cursor: Cursor,
    /// Since when the dataset has been too large.
    exceeded_since: Option<Mono>,
}

struct Candidate {
    /// The higher, the sooner it goes.
    score: u64,
    db: usize,
    key: Vec<u8>,
}

/// What came of an attempt to stay within `maxmemory`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    Enough,
    /// Not yet, but there is more to evict.
    Soon,
    /// Nothing may go.
    None,
}

impl Engine {
    /// True where the dataset is over `maxmemory`, which a replica leaves to its primary as a rule.
    pub fn is_out_of_memory(&self) -> bool {
        let limit = self.config.maxmemory_bytes;
        let leaves_it = self.role == Role::Replica && self.config.replica_ignore_maxmemory;
        limit != 0 && !leaves_it && self.keyspace.memory_bytes() as u64 > limit
    }

    /// Evicts keys until the dataset is within its limit, for a command that will make it grow.
    pub(crate) fn make_room(&mut self) -> Room {
        self.evict(KEYS_PER_COMMAND)
    }

    /// Evicts up to `budget` keys where the dataset is too large. The node calls it in slices.
    pub fn evict_step(&mut self, budget: usize) {
        self.propagation.mute(false);
        self.evict(budget);
    }

    /// For how long the dataset has been too large by now.
    pub(crate) fn memory_exceeded_for(&self) -> Nanos {
        self.eviction.exceeded_since.map_or(Nanos::ZERO, |since| self.now.mono.since(since))
    }

    fn evict(&mut self, budget: usize) -> Room {
        let room = self.try_to_evict(budget);
        if room != Room::Enough {
            self.eviction.exceeded_since.get_or_insert(self.now.mono);
        } else if self.eviction.exceeded_since.is_some() {
            self.stats.eviction_exceeded_ms += self.memory_exceeded_for().as_millis();
            self.eviction.exceeded_since = None;
        }
        room
    }

    fn try_to_evict(&mut self, budget: usize) -> Room {
        let may_delete = self.pause.is_none_or(|pause| self.now.mono >= pause.until) && !self.loading;
        if self.config.maxmemory_policy == EvictionPolicy::NoEviction
            || self.config.import_mode
            || !may_delete
            || self.scripts.is_parked()
        {
            return if self.is_out_of_memory() { Room::None } else { Room::Enough };
        }
        for _ in 0..budget {
            if !self.is_out_of_memory() {
                return Room::Enough;
            }
            let Some((db, key)) = self.choose() else { return Room::None };
            match self.config.latency_monitor_threshold_ms {
                0 => self.evict_key(db, &key),
                _ => self.watch_delay("eviction-del", |engine| engine.evict_key(db, &key)),
            }
        }
        if self.is_out_of_memory() { Room::Soon } else { Room::Enough }
    }

    fn evict_key(&mut self, db: usize, key: &[u8]) {
        let removed = self.keyspace.db_mut(db).remove(key).expect("the chosen key exists");
        self.dispose(removed);
        let verb: &[u8] = if self.config.lazyfree_lazy_eviction { b"UNLINK" } else { b"DEL" };
        self.propagation.also(db, &[verb, key]);
        self.propagation.end_of_command();
        self.stats.evicted_keys += 1;
        self.touched(db, key);
        self.notify(EventClass::Evicted, "evicted", db, key);
    }

    /// The key to go next; none where the policy spares all that there are.
    fn choose(&mut self) -> Option<(usize, Vec<u8>)> {
        match self.config.maxmemory_policy {
            EvictionPolicy::AllKeysRandom | EvictionPolicy::VolatileRandom => self.choose_at_random(),
            _ => self.choose_best(),
        }
    }

    /// Every database in its turn.
    fn choose_at_random(&mut self) -> Option<(usize, Vec<u8>)> {
        let databases = self.keyspace.databases();
        for _ in 0..databases {
            let db = self.eviction.next_db % databases;
            self.eviction.next_db = (db + 1) % databases;
            if let Some(key) = self.draw(db, 1).pop() {
                return Some((db, key.1));
            }
        }
        None
    }

    /// The best of the pool, after a draw from each database. What is in the pool may be gone by now.
    fn choose_best(&mut self) -> Option<(usize, Vec<u8>)> {
        self.eviction.follow(self.config.maxmemory_policy);
        for db in 0..self.keyspace.databases() {
            for (score, key) in self.draw(db, self.config.maxmemory_samples as usize) {
                self.eviction.remember(Candidate { score, db, key });
            }
        }
        while let Some(best) = self.eviction.pool.pop() {
            let db = best.db.min(self.keyspace.databases() - 1);
            let entry = self.keyspace.db(db).lookup(&best.key);
            if entry.is_some_and(|entry| !self.is_volatile_policy() || entry.expire_at().is_some()) {
                return Some((db, best.key));
            }
        }
        None
    }

    /// Up to `wanted` keys that may go, and how much each deserves it.
    fn draw(&mut self, db: usize, wanted: usize) -> Vec<(u64, Vec<u8>)> {
        let volatile_only = self.is_volatile_policy();
        let Engine { keyspace, rng, config, now, eviction, .. } = self;
        let database = keyspace.db(db);
        let count = if volatile_only { database.volatile_len() } else { database.len() };
        let score = |entry: &Entry| match config.maxmemory_policy {
            EvictionPolicy::VolatileTtl => entry.expire_at().map_or(0, |at| u64::MAX - at.0),
            EvictionPolicy::AllKeysLfu | EvictionPolicy::VolatileLfu => {
                255 - u64::from(recency::frequency(entry.access(), config, *now))
            }
            _ => recency::idle_seconds(entry.access(), *now),
        };
        let mut drawn: Vec<(u64, Vec<u8>)> = Vec::new();
        let wanted = wanted.min(count);
        for _ in 0..wanted * DRAWS_PER_SAMPLE {
            if drawn.len() == wanted {
                return drawn;
            }
            let entry = database.random(rng).expect("a database with keys");
            if !volatile_only || entry.expire_at().is_some() {
                drawn.push((score(entry), entry.key().to_vec()));
            }
        }
        // Keys with an expiry time are rare here.
        let mut looked_at = 0;
        while drawn.is_empty() && wanted > 0 && looked_at < SCANNED_MAX.max(database.len()) {
            eviction.cursor = database.scan(eviction.cursor, wanted.max(64), |entry| {
                looked_at += 1;
                if entry.expire_at().is_some() && drawn.len() < wanted {
                    drawn.push((score(entry), entry.key().to_vec()));
                }
            });
            looked_at += 1;
        }
        drawn
    }

    fn is_volatile_policy(&self) -> bool {
        matches!(
            self.config.maxmemory_policy,
            EvictionPolicy::VolatileLru
                | EvictionPolicy::VolatileLfu
                | EvictionPolicy::VolatileRandom
                | EvictionPolicy::VolatileTtl
        )
    }
}

impl Eviction {
    /// The pool holds candidates of one policy only.
    fn follow(&mut self, policy: EvictionPolicy) {
        if self.policy.replace(policy) != Some(policy) {
            self.pool.clear();
        }
    }

    fn remember(&mut self, candidate: Candidate) {
        if self.pool.iter().any(|known| known.db == candidate.db && known.key == candidate.key) {
            return;
        }
        let place = self.pool.partition_point(|known| known.score < candidate.score);
        self.pool.insert(place, candidate);
        if self.pool.len() > POOL_LEN_MAX {
            self.pool.remove(0);
        }
    }
}
