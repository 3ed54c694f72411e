//! The state that commands act on, and the look-ups that know about expiry.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use squall_clock::{Now, UnixMs};
use squall_resp::{Output, Protocol};
use squall_store::{Discarded, Entry, EntryMut, Keyspace, Partitioning, Removed, Slot};

use crate::acl::Acl;
use crate::administration::command_log::CommandLog;
use crate::administration::latency::Latencies;
use crate::blocking::Waiting;
use crate::clients::Clients;
use crate::cluster::{Routing, SlotStats};
use crate::collections::apply_limits;
use crate::config::{Config, EventClass, EvictionPolicy};
use crate::eviction::Eviction;
use crate::propagation::Propagation;
use crate::pubsub::Subscriptions;
use crate::recency;
use crate::renames::Renames;
use crate::scripts::Scripts;
use crate::server::{Environment, Pause};
use crate::session::{ClientId, Session};
use crate::stats::Stats;
use crate::stopwatch::Stopwatch;
use crate::table::Table;
use crate::tracking::Tracking;
use crate::transactions::Watches;

/// Whose writes this server takes: clients', or its primary's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Primary,
    Replica,
}

/// Everything that a command may read or change, apart from its own session and the node around it.
pub struct Engine {
    pub keyspace: Keyspace,
    /// What was flushed and waits to be freed.
    pub(crate) discarded: Discarded,
    pub config: Config,
    pub stats: Stats,
    pub slot_stats: SlotStats,
    pub clients: Clients,
    pub watches: Watches,
    pub subscriptions: Subscriptions,
    pub tracking: Tracking,
    /// Who waits for which keys.
    pub waiting: Waiting,
    pub propagation: Propagation,
    pub scripts: Scripts,
    pub acl: Acl,
    pub(crate) eviction: Eviction,
    pub rng: ChaCha8Rng,
    pub table: &'static Table,
    /// Set by the node at the start of each turn; one time for the whole batch.
    pub now: Now,
    /// Set by the node when its role changes: decides on read-only refusals and on who deletes expired keys.
    pub role: Role,
    /// True while a dataset is being read: most commands are answered `-LOADING`.
    pub loading: bool,
    /// A replica without its primary: answers `-MASTERDOWN` where `replica-serve-stale-data no`.
    pub primary_link_down: bool,
    /// Replicas that are online and have acknowledged lately: what `min-replicas-to-write` counts.
    pub good_replicas: u32,
    /// What replication holds in memory, as the node last saw it.
    pub replication_buffers: ReplicationBuffers,
    /// Set by the node while the last snapshot failed; writes are refused with it where
    /// `stop-writes-on-bgsave-error` says so.
    pub snapshot_failed: bool,
    /// Set by the node while the append-only file cannot be written: writes are refused with the reason.
    pub append_failed: Option<String>,
    /// In a cluster: which slots are served here, and where the others are.
    pub routing: Option<Box<Routing>>,
    /// What the shard's history says of slots that move, job by job: the node knows how to read it.
    pub migration_notes: BTreeMap<String, String>,
    /// The slot of the keys of the running request.
    pub(crate) routed_slot: Option<Slot>,
    /// Keys that MIGRATE has sent and not deleted yet, with their database: writes to them wait.
    pub keys_in_transit: BTreeSet<(usize, Vec<u8>)>,
    /// `DEBUG SET-ACTIVE-EXPIRE`.
    pub active_expire: bool,
    /// `CLIENT PAUSE`.
    pub pause: Option<Pause>,
    /// Set by the node while clients' writes have to wait for replication: the role is being handed over, or a
    /// replica is on its way to being in step.
    pub writes_held: bool,
    /// Clients that see every command (MONITOR).
    pub monitors: Vec<ClientId>,
    pub command_log: CommandLog,
    pub latencies: Latencies,
    /// Changes to the dataset since the last snapshot was begun; the node sets it back.
    pub dirty: u64,
    /// Facts that only the shell knows, for INFO.
    pub environment: Environment,
    /// When the node started, and its 40-hex-digit run id.
    pub started: Now,
    pub run_id: String,
    /// Takes the replies that nobody reads.
    pub(crate) silence: Output,
    pub(crate) stopwatch: Stopwatch,
    pub(crate) renames: Renames,
    /// Who the running command is for.
    pub(crate) caller: Caller,
}

/// What replication holds in memory beside the dataset.
#[derive(Clone, Copy, Default, Debug)]
pub struct ReplicationBuffers {
    /// The stream that is kept.
    pub held_bytes: u64,
    /// How much of it is kept in any case, for replicas that come back.
    pub backlog_bytes_max: u64,
}

impl ReplicationBuffers {
    /// What is only kept because a replica is slow. It does not count towards `maxmemory`: refusing or
    /// evicting for its sake would make more of it.
    pub fn uncounted(self) -> u64 {
        self.held_bytes.saturating_sub(self.backlog_bytes_max)
    }
}

/// What look-ups have to know of the session that they are for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Caller {
    pub id: Option<ClientId>,
    pub protocol: Protocol,
    pub is_primary_link: bool,
    /// Sees what has expired as it is, and deletes none of it: the primary, or whoever imports what another server
    /// holds (`CLIENT IMPORT-SOURCE`).
    pub sees_expired: bool,
    /// `CLIENT NO-TOUCH`: leaves no trace in the access words.
    pub no_touch: bool,
    /// The command is a script's.
    pub in_script: bool,
    /// It was redirected here, and its client has said so.
    pub asking: bool,
}

impl Engine {
    /// An empty server. `seed` is all the randomness that it will ever have.
    pub fn new(config: Config, seed: [u8; 32], now: Now) -> Engine {
        let acl = Acl::of(&config).expect("the lines of users were checked when they were read");
        let renames = Renames::of(&config);
        let mut rng = ChaCha8Rng::from_seed(seed);
        let partitioning = if config.cluster_enabled { Partitioning::BySlot } else { Partitioning::ByHash };
        let databases = if config.cluster_enabled { config.cluster_databases } else { config.databases };
        let databases = databases as usize;
        let mut keyspace = Keyspace::new(databases, rng.next_u64(), partitioning);
        keyspace.set_access_of_stored(recency::first_access(&config, now));
        apply_limits(&config, keyspace.limits_mut());
        Engine {
            keyspace,
            discarded: Discarded::default(),
            config,
            stats: Stats::new(),
            slot_stats: SlotStats::default(),
            routed_slot: None,
            migration_notes: BTreeMap::new(),
            clients: Clients::default(),
            watches: Watches::new(databases),
            subscriptions: Subscriptions::default(),
            tracking: Tracking::default(),
            waiting: Waiting::new(databases),
            propagation: Propagation::default(),
            scripts: Scripts::default(),
            acl,
            renames,
            eviction: Eviction::default(),
            run_id: random_hex(&mut rng),
            rng,
            table: Table::shared(),
            now,
            role: Role::Primary,
            loading: false,
            primary_link_down: false,
            good_replicas: 0,
            replication_buffers: ReplicationBuffers::default(),
            snapshot_failed: false,
            append_failed: None,
            routing: None,
            keys_in_transit: BTreeSet::new(),
            active_expire: true,
            pause: None,
            writes_held: false,
            monitors: Vec::new(),
            command_log: CommandLog::default(),
            latencies: Latencies::default(),
            dirty: 0,
            environment: Environment::default(),
            stopwatch: Stopwatch::default(),
            started: now,
            silence: Output::new(),
            caller: Caller::default(),
        }
    }

    /// What follows is done for `session`.
    #[inline]
    pub(crate) fn begin_for(&mut self, session: &Session) {
        self.caller = Caller {
            id: Some(session.id),
            protocol: session.protocol,
            is_primary_link: session.is_primary_link,
            sees_expired: session.is_primary_link || session.imports && self.config.import_mode,
            no_touch: session.no_touch,
            in_script: false,
            asking: session.asking,
        };
        self.propagation.mute(session.is_primary_link && !session.is_relayed);
    }

    /// The live entry under `key`, to be read: counted as a hit or a miss, and its access remembered.
    #[inline]
    pub fn lookup_read(&mut self, db: usize, key: &[u8]) -> Option<&Entry> {
        let entry = if self.is_missing(db, key) { None } else { self.keyspace.db(db).lookup(key) };
        let Some(entry) = entry else {
            self.stats.keyspace_misses += 1;
            return None;
        };
        self.stats.keyspace_hits += 1;
        if !self.caller.no_touch {
            recency::touch(entry, &self.config, self.now, &mut self.rng);
        }
        Some(entry)
    }

    /// The live entry under `key`, counted as [`Engine::lookup_read`] counts it, but not as an access (`TYPE`, `TTL`).
    pub fn lookup_untouched(&mut self, db: usize, key: &[u8]) -> Option<&Entry> {
        if self.is_missing(db, key) {
            self.stats.keyspace_misses += 1;
            return None;
        }
        self.inspect(db, key)
    }

    /// As [`Engine::lookup_untouched`], for those who ask about the entry (`OBJECT`): missing it is no event.
    pub fn inspect(&mut self, db: usize, key: &[u8]) -> Option<&Entry> {
        let expired = self.deal_with_expired(db, key);
        let entry = if expired { None } else { self.keyspace.db(db).lookup(key) };
        match entry {
            Some(_) => self.stats.keyspace_hits += 1,
            None => self.stats.keyspace_misses += 1,
        }
        entry
    }

    /// True where the key is known to be missing: it has expired, or the look for a `keymiss` event found none.
    #[inline]
    fn is_missing(&mut self, db: usize, key: &[u8]) -> bool {
        let expired = self.deal_with_expired(db, key);
        if self.config.notify_keyspace_events.has(EventClass::KeyMiss) {
            return self.notify_missing(db, key, expired);
        }
        expired
    }

    /// The live entry under `key`, to be changed in place.
    #[inline]
    pub fn lookup_write(&mut self, db: usize, key: &[u8]) -> Option<EntryMut<'_>> {
        if self.deal_with_expired(db, key) {
            return None;
        }
        let entry = self.keyspace.db_mut(db).lookup_mut(key)?;
        if !self.caller.no_touch {
            recency::touch(&entry, &self.config, self.now, &mut self.rng);
        }
        Some(entry)
    }

    /// Removes the live entry under `key`, without counting a change.
    pub fn take(&mut self, db: usize, key: &[u8]) -> Option<Removed> {
        if self.deal_with_expired(db, key) { None } else { self.keyspace.db_mut(db).remove(key) }
    }

    /// To be called by every write that changed something under `key`: counts it, and breaks the
    /// transactions of those who watch it.
    #[inline]
    pub fn changed(&mut self, db: usize, key: &[u8]) {
        self.dirty += 1;
        self.touched(db, key);
    }

    /// Tells those who keep an eye on the key that it is not what it was.
    #[inline]
    pub(crate) fn touched(&mut self, db: usize, key: &[u8]) {
        self.touched_by(self.caller.id, db, key);
    }

    #[inline]
    fn touched_by(&mut self, by: Option<ClientId>, db: usize, key: &[u8]) {
        if !self.watches.is_empty() {
            self.watches.touch(db, key);
        }
        if !self.waiting.is_empty() {
            self.waiting.mark(db, key);
        }
        if !self.tracking.is_empty() {
            self.invalidate(key, by);
        }
    }

    /// Every key of a database may be another from now on; `changes` names those that surely are.
    pub(crate) fn touched_where(&mut self, db: usize, changes: impl Fn(&Keyspace, &[u8]) -> bool) {
        self.watches.touch_where(db, |key| changes(&self.keyspace, key));
        self.waiting.mark_all(db);
    }

    /// True where the entry is there but counts as missing. A primary deletes it and propagates that; a
    /// replica waits for its primary's word.
    #[inline]
    pub(crate) fn deal_with_expired(&mut self, db: usize, key: &[u8]) -> bool {
        if self.keyspace.db(db).volatile_len() == 0 {
            return false;
        }
        self.deal_with_volatile(db, key)
    }

    fn deal_with_volatile(&mut self, db: usize, key: &[u8]) -> bool {
        let now = self.now.unix_ms();
        if !self.keyspace.db(db).lookup(key).is_some_and(|entry| self.counts_as_expired(entry, now)) {
            return false;
        }
        if self.deletes_expired() {
            self.expire(db, key);
        }
        true
    }

    fn counts_as_expired(&self, entry: &Entry, now: UnixMs) -> bool {
        entry.is_expired(now) && !self.caller.sees_expired && !self.loading
    }

    /// Only a primary deletes what has expired, and only while nobody has paused its writes: a deletion
    /// is a write too. What is being imported, its source may still prolong.
    pub fn deletes_expired(&self) -> bool {
        self.role == Role::Primary
            && !self.loading
            && !self.config.import_mode
            && !self.writes_held
            && self.pause.is_none_or(|pause| self.now.mono >= pause.until)
    }

    /// Deletes an expired key, and tells replicas and the append-only file.
    pub fn expire(&mut self, db: usize, key: &[u8]) {
        let removed = self.keyspace.db_mut(db).remove(key).expect("only keys that exist expire");
        self.dispose(removed);
        let verb: &[u8] = if self.config.lazyfree_lazy_expire { b"UNLINK" } else { b"DEL" };
        self.propagation.also(db, &[verb, key]);
        self.stats.expired_keys += 1;
        // Nobody has done it: whoever has cached the key has to hear of it.
        self.touched_by(None, db, key);
        self.notify(EventClass::Expired, "expired", db, key);
    }

    /// Deletes expired keys that nobody asked for, looking at about `budget` entries; true when nothing
    /// is left to do for now. The node calls it in slices, and takes the propagation after it.
    pub fn expire_step(&mut self, budget: usize) -> bool {
        // Nothing changes under a script that waits for its next slice.
        if !self.active_expire || !self.deletes_expired() || self.scripts.is_parked() {
            return true;
        }
        self.propagation.mute(false);
        let now = self.now.unix_ms();
        let mut complete = true;
        let (mut due_in_all, mut volatile) = (0, 0);
        for db in 0..self.keyspace.databases() {
            volatile += self.keyspace.db(db).volatile_len();
            let mut due: Vec<Vec<u8>> = Vec::new();
            let sweep =
                self.keyspace.db_mut(db).expired_step(now, budget, |entry| due.push(entry.key().to_vec()));
            complete &= sweep == squall_store::Sweep::Complete;
            due_in_all += due.len();
            for key in due {
                self.expire(db, &key);
            }
            complete &= self.expire_fields_step(db, budget);
        }
        self.stats.note_stale(due_in_all, volatile);
        self.propagation.end_of_command();
        complete
    }

    /// A keyspace of this server's shape, to read another dataset into.
    pub fn empty_keyspace(&mut self) -> Keyspace {
        let partitioning =
            if self.config.cluster_enabled { Partitioning::BySlot } else { Partitioning::ByHash };
        let mut keyspace = Keyspace::new(self.keyspace.databases(), self.rng.next_u64(), partitioning);
        keyspace.set_access_of_stored(recency::first_access(&self.config, self.now));
        apply_limits(&self.config, keyspace.limits_mut());
        keyspace
    }

    /// Puts another dataset in place of this one, which is freed in slices. Whoever watches a key has seen it
    /// change.
    pub fn replace_keyspace(&mut self, keyspace: Keyspace) {
        assert_eq!(keyspace.databases(), self.keyspace.databases(), "both datasets have the same shape");
        let mut old = std::mem::replace(&mut self.keyspace, keyspace);
        self.free_later(old.flush_all());
        for db in 0..self.keyspace.databases() {
            self.touched_where(db, |_, _| true);
        }
        self.invalidate_everything();
    }

    /// A new conversation. The session still has to be inserted into `clients`.
    pub fn open_session(&mut self, peer: String, local: String) -> Session {
        self.stats.connections_received += 1;
        let id = self.clients.next_id();
        Session::new(id, peer, local, self.acl.default_is_open(), self.now)
    }

    /// Forgets what the engine holds on behalf of a client that is gone (or was reset).
    pub fn forget_client(&mut self, id: ClientId) {
        self.watches.forget(id);
        self.subscriptions.forget(id);
        self.waiting.forget(id);
        self.tracking.forget(id);
        self.monitors.retain(|&monitor| monitor != id);
    }

    pub fn has_discarded(&self) -> bool {
        !self.discarded.is_empty()
    }

    /// Entries that were flushed and are not freed yet.
    pub fn discarded_len(&self) -> usize {
        self.discarded.len()
    }

    pub fn is_lfu(&self) -> bool {
        matches!(self.config.maxmemory_policy, EvictionPolicy::AllKeysLfu | EvictionPolicy::VolatileLfu)
    }
}

/// Forty hexadecimal digits: the form of run ids and replication ids.
pub fn random_hex(rng: &mut impl Rng) -> String {
    let mut bytes = [0; 20];
    rng.fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
