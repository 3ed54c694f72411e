//! Replication, mediated: the protocol machines of `squall-replication` decide, the engine executes, and
//! this folder carries bytes and facts between them. It also answers the commands about replication.
//!
//! - `serving`: what replicas of this server ask for, and what they are sent;
//! - `full_sync` and `spool`: the dataset on its way to them, never all of it in memory;
//! - `following` and `stream`: the link to this server's own primary, and the commands that come over it;
//! - `staging`: a dataset on its way in. It is built beside the old one, which stays in place, and is
//!   served, until the other is complete: a broken transfer loses nothing, at the price of room for both;
//! - `lineage`: whether that dataset is the same one as here, or a stranger's that nobody has asked for;
//! - `failover`: FAILOVER, a planned change of roles;
//! - `waiting`: WAIT; `facts`: ROLE and INFO; `settings`: redis.conf in the machines' terms.
//!
//! The engine's own effects become stream in `feed`; while this server follows another they do not exist,
//! and the stream is what the primary sent, byte for byte.

mod facts;
mod failover;
mod following;
mod full_sync;
mod lineage;
mod serving;
mod settings;
mod spool;
mod staging;
mod stream;
mod waiting;

use bytes::Bytes;
use rand_core::Rng;
use squall_clock::{Mono, Nanos};
use squall_commands::engine::Role;
use squall_commands::{CommandError, CommandResult, Engine, REDIS_VERSION};
use squall_replication::{Position, Primary, ReplId, ReplOffset};
use squall_resp::Reply;
use squall_store::rdb::{Aux, Loaded, ReplicationAux};

use self::failover::Failover;
use self::following::{Following, Intent};
use self::full_sync::FullSync;
use self::lineage::Lineage;
use self::waiting::Waiting;
use crate::effect::{DiskDone, Effects};
use crate::marks::Mark;
use crate::persistence::Persistence;
pub(crate) use facts::{Incoming, info_of_synchronisations};
pub(crate) use stream::link_data;

pub(crate) struct Replication {
    primary: Primary,
    following: Option<Following>,
    full_sync: Option<FullSync>,
    waiting: Waiting,
    /// The database that the followed stream has selected at the end of the history. It belongs to the
    /// position, so it outlives the link.
    stream_db: usize,
    /// A change of role that the running request asked for. It happens when all that the request did has
    /// become stream: a transaction that changes the role half-way is history of the old role, whole.
    role_change: Option<RoleChange>,
    /// Which dataset this server holds; none where it has none yet, or one that came without a name.
    lineage: Option<Lineage>,
    failover: Option<Failover>,
    /// The cluster gives the role to a replica, which has been told where the stream stands.
    hands_over_shard: bool,
    next_beat: Mono,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum RoleChange {
    Follow { host: String, port: u16 },
    Promote,
}

/// How often the number of good replicas is looked at, which ages without an event.
const BEAT_PERIOD: Nanos = Nanos::from_millis(500);

impl Replication {
    pub fn new(engine: &mut Engine) -> Replication {
        let id = fresh_id(engine);
        Replication {
            primary: Primary::new(settings::primary_options(&engine.config), id, engine.now.mono),
            following: None,
            full_sync: None,
            waiting: Waiting::default(),
            stream_db: 0,
            role_change: None,
            lineage: None,
            failover: None,
            hands_over_shard: false,
            next_beat: engine.now.mono,
        }
    }

    // --- The life of a node ---

    /// Takes up the history that the loaded file belongs to. A file from which expired keys were left out
    /// is no longer the dataset of its position.
    pub fn restore(&mut self, engine: &mut Engine, effects: &mut Effects, loaded: Option<&Loaded>) {
        self.lineage = lineage::of_start(engine, loaded);
        let Some(loaded) = loaded.filter(|loaded| loaded.expired_keys == 0) else { return };
        let Some(aux) = &loaded.aux.replication else { return };
        if let Some(id) = ReplId::parse(aux.id.as_bytes()) {
            effects.mark(Mark::HistoryRestored);
            self.primary.restore(Position { id, offset: ReplOffset(aux.offset) });
            self.stream_db = aux.stream_db.unwrap_or(0) as usize;
        }
    }

    /// The dataset is loaded: a configured primary is followed, and anybody else is one.
    pub fn start(&mut self, engine: &mut Engine, effects: &mut Effects) {
        match engine.config.replicaof.clone() {
            Some((host, port)) => self.follow(engine, effects, host, port, Intent::Configured),
            None if self.primary.is_following() => self.promote(engine, effects),
            None => {}
        }
    }

    pub fn next_timeout(&self, engine: &Engine) -> Option<Mono> {
        let now = engine.now.mono;
        let link = self.following.as_ref().and_then(Following::next_timeout);
        let slice = self.wants_full_sync_slice(engine).then_some(now);
        let beat = (engine.config.min_replicas_to_write > 0).then_some(self.next_beat);
        let failover = self.next_failover_timeout(now);
        let waiting = self.waiting.next_timeout(now);
        let deadlines = [self.primary.poll_timeout(), link, slice, beat, waiting, failover];
        deadlines.into_iter().flatten().min()
    }

    pub fn timeout(&mut self, engine: &mut Engine, persistence: &mut Persistence, effects: &mut Effects) {
        let now = engine.now.mono;
        if self.waiting.take_question() && self.following.is_none() {
            self.primary.request_acknowledgements(now);
        }
        if self.primary.poll_timeout().is_some_and(|due| due <= now) {
            let own = fresh_id(engine);
            self.primary.timeout(own, now);
        }
        self.link_timeout(engine, persistence, effects);
        self.advance_failover(engine, effects);
        self.advance_full_sync(engine, effects);
        self.serve(engine, effects);
        self.answer_overdue(engine, effects);
        if self.next_beat <= now {
            self.next_beat = now + BEAT_PERIOD;
        }
    }

    /// A request to the disk is done; true where it was one of this folder's.
    pub fn disk_done(&mut self, engine: &mut Engine, effects: &mut Effects, done: &DiskDone) -> bool {
        let owned = self.full_sync.as_ref().is_some_and(|sync| sync.owns(done.ticket));
        if owned {
            self.full_sync_disk_done(engine, effects, done);
            self.serve(engine, effects);
        }
        owned
    }

    pub fn config_changed(&mut self, engine: &Engine) {
        self.primary.set_options(settings::primary_options(&engine.config));
        if let Some(following) = &mut self.following {
            following.set_options(&engine.config);
        }
    }

    // --- The stream ---

    /// The offset of the stream after everything that was fed.
    pub fn offset(&self) -> u64 {
        self.primary.history().offset.0
    }

    /// The point of history that the dataset stands for; none while nobody counts.
    pub fn position(&self) -> Option<Position> {
        self.primary.position()
    }

    pub fn is_following(&self) -> bool {
        self.following.is_some()
    }

    /// What clients changed becomes stream.
    pub fn feed(&mut self, engine: &mut Engine, effects: &mut Effects, stream: Bytes) {
        assert!(self.following.is_none(), "a replica's stream is its primary's");
        let commands = engine.propagation.take_count();
        self.primary.feed(stream, commands, engine.now.mono);
        self.serve(engine, effects);
    }

    /// What a snapshot's header says of the history that it belongs to. Nothing, where the dataset holds
    /// the first half of what a running transaction will have done: no position of the stream is that.
    pub fn snapshot_aux(&self, engine: &Engine) -> Aux {
        let propagation = &engine.propagation;
        let position = self.primary.position().filter(|_| !propagation.is_within_request());
        let stream_db = match self.following {
            Some(_) => Some(self.stream_db as u64),
            None => propagation.database().map(|db| db as u64),
        };
        Aux {
            server_version: REDIS_VERSION.to_owned(),
            created_s: engine.now.unix_seconds(),
            used_memory_bytes: engine.environment.used_memory_bytes,
            lineage: self.lineage.map(|lineage| lineage.to_string()),
            functions: engine.library_codes(),
            migrations: engine.migration_notes.iter().map(|(job, note)| format!("{job} {note}")).collect(),
            replication: position.map(|position| ReplicationAux {
                stream_db: stream_db.or(Some(0)),
                id: position.id.to_string(),
                // What waits to be taken follows the history's end, and the dataset has it.
                offset: position.offset.0 + propagation.len() as u64,
            }),
            ..Aux::default()
        }
    }

    // --- Roles ---

    /// `REPLICAOF`: the role changes at the end of the request.
    pub fn replica_of(
        &mut self,
        engine: &Engine,
        primary: Option<(String, u16)>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        if self.following.as_ref().is_some_and(Following::is_executing) {
            return Err(CommandError::line(
                "ERR a primary cannot change the role of its replica by its stream",
            ));
        }
        if self.failover.is_some() {
            return Err(CommandError::line("ERR REPLICAOF not allowed while failing over."));
        }
        let change = match primary {
            Some((host, port)) if self.follows(&host, port) => {
                reply.simple("OK Already connected to specified master");
                if let Some(following) = &mut self.following {
                    following.order(engine.now.mono);
                }
                return Ok(());
            }
            Some((host, port)) => RoleChange::Follow { host, port },
            None => RoleChange::Promote,
        };
        self.role_change = Some(change);
        reply.ok();
        Ok(())
    }

    /// The cluster has decided what this server is: a replica of that one, or a primary.
    pub fn decide_role(&mut self, primary: Option<(String, u16)>) {
        self.role_change = match primary {
            Some((host, port)) if self.follows(&host, port) => return,
            Some((host, port)) => Some(RoleChange::Follow { host, port }),
            None => Some(RoleChange::Promote),
        };
    }

    pub fn role_will_change(&self) -> bool {
        self.role_change.is_some()
    }

    /// The change of role that the last request asked for, if it did.
    pub fn change_role(&mut self, engine: &mut Engine, effects: &mut Effects) {
        match self.role_change.take() {
            None => return,
            Some(RoleChange::Follow { host, port }) => {
                // In a cluster its own table says who is followed, not the configuration.
                if !engine.config.cluster_enabled {
                    engine.config.replicaof = Some((host.clone(), port));
                }
                effects.mark(if self.following.is_some() { Mark::Retargeted } else { Mark::Demoted });
                self.follow(engine, effects, host, port, Intent::Ordered);
            }
            Some(RoleChange::Promote) => {
                engine.config.replicaof = None;
                if self.following.is_some() {
                    self.promote(engine, effects);
                    effects.mark(Mark::Promoted);
                    effects.notice(match engine.config.cluster_enabled {
                        true => "MASTER MODE enabled (cluster)",
                        false => "MASTER MODE enabled (user request)",
                    });
                }
            }
        }
        self.serve(engine, effects);
    }

    /// `DEBUG CHANGE-REPL-ID`.
    pub fn change_id(&mut self, engine: &mut Engine) {
        let own = fresh_id(engine);
        self.primary.forget_past(own);
    }

    fn follow(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        host: String,
        port: u16,
        intent: Intent,
    ) {
        assert!(engine.propagation.is_empty(), "what this server did as a primary is in its history");
        self.leave_primary(engine, effects);
        self.primary.follow();
        self.unblock_everyone(engine, effects);
        engine.dismiss_waiting();
        engine.role = Role::Replica;
        engine.propagation.enabled = false;
        effects.role = 'S';
        let position = self.primary.position();
        self.following = Some(Following::begin(engine, host, port, position, self.stream_db, intent));
        engine.primary_link_down = true;
    }

    pub(super) fn promote(&mut self, engine: &mut Engine, effects: &mut Effects) {
        if !self.holds_dataset(engine) {
            effects.warning("This server becomes a primary without ever having had its primary's dataset");
        }
        if self.following.is_some() && self.lineage.is_none() {
            self.lineage = Some(Lineage::new(fresh_id(engine)));
        }
        self.leave_primary(engine, effects);
        let own = fresh_id(engine);
        self.primary.promote(own, engine.now.mono);
        engine.role = Role::Primary;
        engine.primary_link_down = false;
        engine.propagation.forget_database();
        effects.role = 'M';
        self.serve(engine, effects);
    }

    /// False for a replica that has never had its primary's dataset: nobody should make it a primary.
    pub fn holds_dataset(&self, engine: &Engine) -> bool {
        self.following.is_none() || self.primary.position().is_some() || !engine.keyspace.is_empty()
    }

    /// Whether the primary that is followed, or will be, is this one already.
    fn follows(&self, host: &str, port: u16) -> bool {
        match &self.role_change {
            Some(RoleChange::Follow { host: next_host, port: next_port }) => {
                next_host == host && *next_port == port
            }
            Some(RoleChange::Promote) => false,
            None => self.following.as_ref().is_some_and(|following| following.is_link_to(host, port)),
        }
    }
}

/// A replication id that nobody has used.
fn fresh_id(engine: &mut Engine) -> ReplId {
    let mut bytes = [0; 20];
    engine.rng.fill_bytes(&mut bytes);
    ReplId::from_random(bytes)
}
