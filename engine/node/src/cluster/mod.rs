//! The cluster, mediated: the machine of `squall-cluster` decides, the engine and replication do what it
//! decides, and this folder carries bytes and facts between them. It also answers CLUSTER.
//!
//! - `bus`: the links, and what waits to be sent over them;
//! - `file`: nodes.conf, read at start and replaced as a whole;
//! - `outcome`: what the machine wants done, carried out;
//! - `orders`: CLUSTER's subcommands; `answers`: those that only tell; `slot_orders`: SETSLOT;
//! - `slot_migration`: the keys of slots that move as a whole;
//! - `settings`: redis.conf in the machine's terms; `routes`: its slots in the engine's.

mod answers;
mod bus;
mod file;
mod orders;
mod outcome;
mod routes;
mod settings;
mod slot_migration;
mod slot_orders;

use std::collections::{BTreeMap, VecDeque};

use rand_core::Rng;
use squall_clock::Mono;
use squall_cluster::{Cluster, ReplicationFacts, Turns};
use squall_commands::cluster::Routing;
use squall_commands::{ClientId, Engine, Role};
use squall_store::Slot;

use self::bus::Bus;
use self::file::{ConfFile, FileOutcome};
use self::slot_migration::Mover;
use self::slot_orders::SlotOrders;
use crate::effect::{DiskDone, Effect, Effects};
use crate::services::Services;

/// This server's part in a cluster.
pub(crate) struct Membership {
    /// None until nodes.conf has been read.
    machine: Option<Cluster>,
    file: ConfFile,
    bus: Bus,
    mover: Mover,
    slot_orders: SlotOrders,
    /// What the machine decided that this server is, until it can be: not before the dataset is loaded.
    role: Option<RoleWish>,
    /// The data here are those of the primary's shard: its stream has come in, or they were so at start.
    has_synced: bool,
    /// Both nodes.conf and the dataset have been read.
    is_complete: bool,
    /// Slots whose keys are to be dropped, in slices.
    lost: VecDeque<Slot>,
    /// Clients whose order is answered when the nodes.conf of that number is durable.
    waiting: Vec<(u64, ClientId)>,
    routes_version: Option<(u64, bool)>,
    /// What the machine has been told of the shard's notes.
    told_notes: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum RoleWish {
    Primary,
    Replica { host: String, port: u16 },
}

impl Membership {
    fn new(engine: &Engine) -> Membership {
        Membership {
            machine: None,
            file: ConfFile::at(engine.config.cluster_config_file.clone()),
            bus: Bus::default(),
            mover: Mover::default(),
            slot_orders: SlotOrders::default(),
            role: None,
            has_synced: false,
            is_complete: false,
            lost: VecDeque::new(),
            waiting: Vec::new(),
            routes_version: None,
            told_notes: BTreeMap::new(),
        }
    }

    /// The machine, to be told and asked. Commands are only let through to it when it is there.
    fn machine(&mut self) -> &mut Cluster {
        self.machine.as_mut().expect("nodes.conf has been read")
    }
}

impl Services {
    /// Whether slots would be without a server if this node ended.
    pub fn serves_slots(&self) -> bool {
        let me = self.cluster().map(Cluster::my_node);
        me.is_some_and(|me| me.is_primary() && !me.slots.is_empty())
    }

    /// A replica is told to take this primary's place, where one is known.
    pub fn resign(&mut self, engine: &mut Engine) {
        if let Some(membership) = &mut self.membership {
            membership.machine().resign(engine.now);
        }
        self.settle_cluster(engine);
    }

    /// A replica may still take this primary's place.
    pub fn is_handing_over(&self) -> bool {
        self.cluster().is_some_and(Cluster::holds_writes)
    }

    /// The machine; none without a cluster, or before nodes.conf has been read.
    fn cluster(&self) -> Option<&Cluster> {
        self.membership.as_ref()?.machine.as_ref()
    }

    /// `cluster-enabled`: nodes.conf is read beside the dataset; until then no slot is served.
    pub fn start_cluster(&mut self, engine: &mut Engine) {
        if !engine.config.cluster_enabled {
            return;
        }
        engine.routing = Some(Box::new(Routing::default()));
        let mut membership = Membership::new(engine);
        membership.file.start_reading(&mut self.effects);
        self.membership = Some(membership);
    }

    pub fn cluster_timeout(&mut self, engine: &mut Engine) {
        self.tell_of_notes(engine);
        let Some(mut membership) = self.membership.take() else { return };
        if let Some(machine) = &mut membership.machine {
            let (link_up, down_since) = self.replication.stream_state(engine.now.mono);
            membership.has_synced |= link_up && !engine.loading;
            machine.set_replication(ReplicationFacts {
                offset: self.replication.offset(),
                link_up,
                down_since,
                has_synced: membership.has_synced,
                replicas_online: self.replication.replicas_online(),
            });
            if machine.poll_timeout() <= engine.now.mono {
                machine.timeout(engine.now);
            }
        }
        self.membership = Some(membership);
        self.settle_cluster(engine);
        // Keys are dropped through the shard's history, which is its primary's to write.
        if engine.role == Role::Primary {
            self.drop_lost_keys(engine);
            self.advance_migrations(engine);
        }
        self.advance_slot_orders(engine);
    }

    pub fn next_cluster_timeout(&self, engine: &Engine) -> Option<Mono> {
        let membership = self.membership.as_ref()?;
        let (now, leads) = (engine.now.mono, engine.role == Role::Primary);
        let slice = (leads && !membership.lost.is_empty()).then_some(now);
        let machine = membership.machine.as_ref().map(Cluster::poll_timeout);
        let mover = membership.mover.next_timeout(now).filter(|_| leads);
        let orders = membership.slot_orders.next_timeout(now);
        slice.into_iter().chain(machine).chain(mover).chain(orders).min()
    }

    /// A request to the disk is done; true where it was for nodes.conf.
    pub fn cluster_disk_done(&mut self, engine: &mut Engine, done: &DiskDone) -> bool {
        let Some(membership) =
            self.membership.as_mut().filter(|membership| membership.file.owns(done.ticket))
        else {
            return false;
        };
        match membership.file.advance(&mut self.effects, done.clone()) {
            FileOutcome::Going => {}
            FileOutcome::Read(text) => self.begin_membership(engine, text.as_deref()),
            FileOutcome::Unreadable(reason) => {
                let path = &engine.config.cluster_config_file;
                self.effects.warning(format!("Can't use the cluster configuration {path}: {reason}"));
                self.effects.push(Effect::Exit { status: 1 });
            }
            FileOutcome::Written(generation) => {
                membership.machine().persisted(generation, engine.now);
                self.answer_saved(engine, generation);
            }
            FileOutcome::NotWritten(generation, reason) => {
                membership.machine().persist_failed(generation, &reason, engine.now);
            }
        }
        self.settle_cluster(engine);
        self.dataset_is_there(engine);
        true
    }

    /// Both nodes.conf and the dataset have been read: migrations go on where they say.
    fn dataset_is_there(&mut self, engine: &mut Engine) {
        let Some(membership) = self.membership.as_mut().filter(|membership| !membership.is_complete) else {
            return;
        };
        if !engine.loading && membership.machine.is_some() {
            membership.is_complete = true;
            self.tell_of_notes(engine);
            let membership = self.membership.as_mut().expect("looked at above");
            membership.machine().dataset_loaded(engine.now);
            self.settle_cluster(engine);
        }
    }

    fn begin_membership(&mut self, engine: &mut Engine, text: Option<&str>) {
        let membership = self.membership.as_mut().expect("it has asked for the file");
        let options = settings::options(&engine.config);
        let mut seed = [0; 32];
        engine.rng.fill_bytes(&mut seed);
        let machine = match text {
            None => Ok(Cluster::create(options, seed, engine.now)),
            Some(text) => Cluster::restore(options, seed, text, engine.now),
        };
        match machine {
            Ok(machine) => {
                membership.machine = Some(machine);
                if !engine.loading {
                    self.lose_stray_keys(engine);
                }
            }
            Err(error) => {
                let path = &engine.config.cluster_config_file;
                self.effects.warning(format!(
                    "Unrecoverable error: corrupted cluster config file {path}: {error}. It is left as it is."
                ));
                self.effects.push(Effect::Exit { status: 1 });
            }
        }
    }

    /// The dataset is there: the role that the cluster gave this server may be taken up.
    pub fn cluster_loaded(&mut self, engine: &mut Engine) {
        if let Some(membership) = &mut self.membership {
            membership.has_synced = !engine.keyspace.is_empty();
        }
        self.tell_of_notes(engine);
        self.lose_stray_keys(engine);
        self.dataset_is_there(engine);
        self.settle_cluster(engine);
    }

    /// A dataset may be older than nodes.conf: what it holds of slots that are others' by now is stale.
    fn lose_stray_keys(&mut self, engine: &Engine) {
        let Some(membership) = &mut self.membership else { return };
        let Some(machine) = membership.machine.as_ref().filter(|machine| machine.my_node().is_primary())
        else {
            return;
        };
        let (me, noted) = (machine.my_node().id, machine.noted_slots());
        let is_stray = |slot: &Slot| {
            let known =
                squall_cluster::Slot::checked(u64::from(slot.number())).expect("both count the same slots");
            let owner = machine.owner(known).map(|node| node.id);
            let is_on_its_way = noted.contains(known) || machine.importing_from(known).is_some();
            owner.is_some_and(|owner| owner != me) && !is_on_its_way
        };
        let slots = (0..squall_store::SLOT_COUNT as u64).filter_map(Slot::checked);
        let stray = slots.filter(|slot| engine.keys_in_slot(*slot) > 0).filter(is_stray);
        membership.lost.extend(stray);
    }

    /// CLUSTER INFO and CLUSTER NODES.
    pub fn cluster_texts(&self) -> Option<(String, String)> {
        let membership = self.membership.as_ref()?;
        let machine = membership.machine.as_ref()?;
        Some((answers::info(machine, membership.bus.limit_exceeded), answers::nodes(machine)))
    }

    /// What has become of this server in its cluster.
    pub fn cluster_turns(&self) -> Turns {
        self.cluster().map(Cluster::turns).unwrap_or_default()
    }

    /// Whether the cluster has this server follow somebody.
    pub fn is_cluster_replica(&self) -> bool {
        let role = self.membership.as_ref().and_then(|membership| membership.role.as_ref());
        matches!(role, Some(RoleWish::Replica { .. }))
    }

    /// A parameter of the cluster has changed.
    pub fn cluster_config_changed(&mut self, engine: &mut Engine) {
        if let Some(machine) = self.membership.as_mut().and_then(|membership| membership.machine.as_mut()) {
            machine.set_options(settings::options(&engine.config), engine.now);
            self.settle_cluster(engine);
        }
    }
}

/// Log lines of the machine are the server's.
fn log_level(severity: squall_cluster::Severity) -> squall_commands::server::LogLevel {
    use squall_cluster::Severity;
    use squall_commands::server::LogLevel;
    match severity {
        Severity::Debug => LogLevel::Debug,
        Severity::Verbose => LogLevel::Verbose,
        Severity::Notice => LogLevel::Notice,
        Severity::Warning => LogLevel::Warning,
    }
}

fn push_log(effects: &mut Effects, severity: squall_cluster::Severity, message: String) {
    effects.log(log_level(severity), message);
}
