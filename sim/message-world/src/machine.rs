//! A machine: a process that lives as often as it is started, and the disk that outlives it.

use std::collections::BTreeMap;

use rand_core::Rng;
use squall_clock::Mono;
use squall_cluster::wire::Ports;
use squall_cluster::{BusLink, Closed, Cluster, Event, NodeId, Options, ReplicationFacts};

use crate::forming::{BUS_OFFSET, FIRST_PORT, HOST};
use crate::migration::Side;
use crate::world::{Action, MS, World};

#[derive(Default)]
pub struct Machine {
    pub cluster: Option<Cluster>,
    pub id: Option<NodeId>,
    pub conf: Option<String>,
    pub(crate) links: BTreeMap<BusLink, u64>,
    /// Counts starts: what was meant for an earlier life does not arrive.
    pub(crate) life: u64,
    pub follows: Option<NodeId>,
    pub facts: ReplicationFacts,
    pub votes: Vec<(u64, NodeId)>,
    pub lost_slots: usize,
    pub promotions: usize,
    pub migration: Side,
    pub(crate) wakes_at: u64,
    /// Its process does nothing until then; its kernel goes on.
    paused_until: u64,
}

impl World {
    /// The process ends: its connections are closed, new ones refused.
    pub fn kill(&mut self, machine: usize) {
        self.end_life(machine);
        let ended: Vec<u64> = self.machines[machine].links.values().copied().collect();
        for id in ended {
            self.drop_connection(id, machine, Closed::Lost);
        }
        self.machines[machine].links.clear();
    }

    /// The machine is gone: nobody hears anything.
    pub fn power_off(&mut self, machine: usize) {
        self.end_life(machine);
        let ended: Vec<u64> = std::mem::take(&mut self.machines[machine].links).into_values().collect();
        for id in ended {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.stalled = true;
            }
        }
        for other in 0..self.machines.len() {
            self.cut.insert((machine, other));
            self.cut.insert((other, machine));
        }
    }

    /// The process stands still for so long. What arrives waits.
    pub fn pause(&mut self, machine: usize, ms: u64) {
        let until = self.now + ms * MS;
        let machine = &mut self.machines[machine];
        machine.paused_until = machine.paused_until.max(until);
    }

    /// When whoever has to act on this can do so again, if it cannot now.
    pub(crate) fn resumes_at(&self, action: &Action) -> Option<u64> {
        let machine = match action {
            Action::Wake { machine, .. } | Action::Close { machine, .. } => *machine,
            Action::Persisted { machine, .. } | Action::Migration { machine, .. } => *machine,
            // The dialled one's kernel answers; that nothing is said before it goes on is the same to others.
            Action::Dial { port, .. } => usize::from(port - BUS_OFFSET - FIRST_PORT),
            Action::Arrive { connection, side, .. } => self.connections.get(connection)?.ends[*side].0,
        };
        let until = self.machines.get(machine)?.paused_until;
        (until > self.now).then_some(until)
    }

    fn end_life(&mut self, machine: usize) {
        self.migration_life_ends(machine);
        self.machines[machine].cluster = None;
        self.machines[machine].life += 1;
        self.machines[machine].paused_until = 0;
        self.note(format!("{machine} ends"));
    }

    /// Starts with what its disk holds.
    pub fn start(&mut self, machine: usize) {
        let now = self.time();
        let others: Vec<usize> = (0..self.machines.len()).collect();
        for other in others {
            self.cut.remove(&(machine, other));
            self.cut.remove(&(other, machine));
        }
        let port = FIRST_PORT + machine as u16;
        let options = Options {
            ports: Ports { client: port, bus: port + BUS_OFFSET, plain: 0 },
            announced_host: HOST.to_owned(),
            ..self.options.clone()
        };
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let subject = &mut self.machines[machine];
        let cluster = match &subject.conf {
            Some(text) => Cluster::restore(options, seed, text, now).expect("what was written can be read"),
            None => Cluster::create(options, seed, now),
        };
        subject.id = Some(cluster.my_node().id);
        subject.cluster = Some(cluster);
        subject.follows = None;
        subject.wakes_at = u64::MAX;
        self.note(format!("{machine} starts"));
        self.migration_life_begins(machine);
        self.settle(machine);
    }

    /// Carries out what a machine wants done.
    pub(crate) fn settle(&mut self, machine: usize) {
        let life = self.machines[machine].life;
        while let Some(event) = self.machines[machine].cluster.as_mut().and_then(Cluster::poll_event) {
            match event {
                Event::Connect { link, port, .. } => {
                    let at = self.now + self.settings.latency_min;
                    self.plan(at, Action::Dial { machine, life, link, port });
                }
                Event::Send { link, bytes } => self.send(machine, link, bytes),
                Event::Close { link } => {
                    if let Some(id) = self.machines[machine].links.remove(&link) {
                        self.drop_connection(id, machine, Closed::Lost);
                    }
                }
                Event::Persist { generation, text } => {
                    let at = self.now + self.settings.disk_latency;
                    self.plan(at, Action::Persisted { machine, life, generation, text });
                }
                Event::Promote => {
                    self.machines[machine].follows = None;
                    self.machines[machine].promotions += 1;
                    self.note(format!("{machine} is promoted"));
                }
                Event::Follow { primary, .. } => {
                    self.machines[machine].follows = Some(primary);
                    self.note(format!("{machine} follows {}", self.name(primary)));
                }
                Event::PauseWrites => {
                    let (now, offset) = (self.time(), self.machines[machine].facts.offset);
                    let cluster = self.machines[machine].cluster.as_mut().expect("it lives");
                    cluster.writes_paused(offset, now);
                    self.note(format!("{machine} pauses writes"));
                }
                Event::ResumeWrites => self.note(format!("{machine} resumes writes")),
                Event::SlotsLost(slots) => {
                    self.drop_data(machine, &slots);
                    self.machines[machine].lost_slots += slots.len();
                    self.note(format!("{machine} lost {slots}"));
                }
                Event::Availability { ok } => {
                    self.note(format!("{machine} finds the cluster {}", if ok { "ok" } else { "down" }));
                }
                Event::Migration(order) => self.carry_out_migration(machine, order),
                Event::Published(_) | Event::Flush | Event::Log { .. } => {}
            }
        }
        let Some(cluster) = &self.machines[machine].cluster else { return };
        let at = cluster.poll_timeout().0.max(self.now);
        if at < self.machines[machine].wakes_at || self.machines[machine].wakes_at < self.now {
            self.machines[machine].wakes_at = at;
            self.plan(at, Action::Wake { machine, life });
        }
    }

    /// Replication, as far as the cluster sees it: an offset that follows the primary's while it is reached.
    pub(crate) fn replicate(&mut self, machine: usize) {
        let followed = self.machines[machine].follows.and_then(|id| self.machine_of(id));
        let reached = followed.filter(|primary| {
            self.machines[*primary].cluster.is_some()
                && !self.cut.contains(&(*primary, machine))
                && !self.cut.contains(&(machine, *primary))
        });
        if let Some(primary) = reached {
            self.replicate_data(primary, machine);
        }
        let now = Mono(self.now);
        let replicas_online = self.followers_reached(machine).len();
        let mut facts = self.machines[machine].facts;
        match (self.machines[machine].follows, reached) {
            (None, _) => {
                facts.offset += 10;
                facts = ReplicationFacts { link_up: false, down_since: None, replicas_online, ..facts };
            }
            (Some(_), Some(primary)) => {
                let offset = self.machines[primary].facts.offset;
                facts = ReplicationFacts {
                    offset,
                    link_up: true,
                    has_synced: true,
                    ..ReplicationFacts::default()
                };
            }
            (Some(_), None) => {
                facts.link_up = false;
                facts.down_since.get_or_insert(now);
            }
        }
        self.machines[machine].facts = facts;
        self.machines[machine].cluster.as_mut().expect("it lives").set_replication(facts);
    }
}
