//! What recurs `hz` times a second: expired keys, idle clients, save points, statistics.

use squall_clock::{Mono, Nanos};
use squall_commands::Engine;
use squall_commands::administration::latency::EXPIRE_CYCLE;

use crate::clients;
use crate::effect::Effect;
use crate::services::Services;

/// Entries looked at for expiry in one round: about a millisecond of work.
const EXPIRE_ENTRIES_PER_ROUND: usize = 20_000;

/// Keys evicted in one round, where no command does it.
const EVICTED_KEYS_PER_ROUND: usize = 1_000;

/// Discarded entries that are freed in one slice: about a millisecond of work.
const FREE_ENTRIES_PER_SLICE: usize = 20_000;

/// While there is something to free, a slice of it is freed so often: a tenth of the time, so that nobody waits
/// for more than a slice, and two million entries in a second, which is more than clients write.
///
/// A thread would free no sooner: the allocator's locks and caches are shared, and what waits to be freed would
/// have to be handed over. Slices are the same on a real machine and in a simulated one.
const FREE_PERIOD: Nanos = Nanos::from_millis(10);

pub(crate) struct Cron {
    next: Mono,
    next_slice: Mono,
}

impl Cron {
    pub fn new(engine: &Engine) -> Cron {
        Cron { next: engine.now.mono + period(engine), next_slice: engine.now.mono }
    }

    /// When something is to be done next.
    pub fn next(&self, engine: &Engine) -> Mono {
        if engine.has_discarded() { self.next.min(self.next_slice) } else { self.next }
    }

    pub fn is_due(&self, now: Mono) -> bool {
        now >= self.next
    }
}

impl Services {
    /// One round. The next is due a period from now, not from when this one was: a stalled node does not
    /// catch up on missed rounds.
    pub fn cron(&mut self, engine: &mut Engine) {
        self.cron.next = engine.now.mono + period(engine);
        engine.stats.sample_rates(engine.now.mono);
        engine.watch_delay(EXPIRE_CYCLE, |engine| engine.expire_step(EXPIRE_ENTRIES_PER_ROUND));
        engine.watch_delay("eviction-cycle", |engine| engine.evict_step(EVICTED_KEYS_PER_ROUND));
        self.settle(engine, None);
        self.close_idle_clients(engine);
        self.drop_silent_readers(engine.now.mono);
        clients::evict(engine, self);
        if engine.scripts.is_parked() {
            return;
        }
        let replication = &self.replication;
        self.persistence
            .start_due_saves(engine, &mut self.effects, |engine| replication.snapshot_aux(engine));
        self.persistence.start_due_rewrite(engine, &mut self.effects);
    }

    /// Frees a slice of what was discarded, if it is time.
    pub fn free_slice(&mut self, engine: &mut Engine) {
        if engine.has_discarded() && engine.now.mono >= self.cron.next_slice {
            self.cron.next_slice = engine.now.mono + FREE_PERIOD;
            engine.watch_delay("lazyfree-cycle", |engine| engine.free_step(FREE_ENTRIES_PER_SLICE));
        }
    }

    /// `timeout`: clients that have said nothing for too long. Replicas, subscribers and waiting clients
    /// are spared. Also applies the soft output limit to clients that send nothing either.
    fn close_idle_clients(&mut self, engine: &mut Engine) {
        let idle_max = Nanos::from_secs(engine.config.timeout_seconds);
        let ids: Vec<_> = engine.clients.ids().collect();
        for id in ids {
            let Some(mut client) = engine.clients.take(id) else { continue };
            let session = &client.session;
            let idle = engine.now.mono.since(session.last_interaction);
            let spared = session.is_replica
                || session.is_primary_link
                || session.subscribed
                || session.blocked.is_some();
            if idle_max > Nanos::ZERO && idle > idle_max && !spared {
                self.effects.push(Effect::CloseClient(id));
            } else {
                clients::close_if_over_limit(engine, self, &mut client);
            }
            engine.clients.put_back(client);
        }
    }
}

fn period(engine: &Engine) -> Nanos {
    Nanos(1_000_000_000 / u64::from(engine.config.hz.clamp(1, 500)))
}
