//! The whole server as one deterministic state machine. [`Node`] never waits: bytes come in through its
//! `client_*`, `link_*` and `disk_done` methods, time comes in as an argument, and what is to be done
//! outside leaves as [`Effect`]s and as output that the shell sends straight from the node's buffers.
//!
//! `Node` only passes things on. Commands run in `squall-commands`' [`Engine`]; around it stand the
//! [`Services`](services::Services), each concern in a folder or file of its own:
//! - `clients`: connections, requests, replies; `admission`: who may connect;
//! - `replication`: mediates between the engine and the protocol machines of `squall-replication`;
//! - `persistence`: loading at start, snapshots to disk, and who may use the one snapshot cursor;
//! - `cluster`: mediates between the engine, replication and the machine of `squall-cluster`;
//! - `marks`: the rare turns of a node's life, for those who hunt for them;
//! - `metrics`: the page for Prometheus;
//! - `migrations`: keys on their way to another server;
//! - `scripts`: a script that takes longer than a turn;
//! - `listening`: where to listen; `cron`: what recurs; `shutdown`: the way out;
//! - `security`: certificates, before the first connection and while the server runs;
//! - `acl_file`: the file of users; `config_file`: `CONFIG REWRITE`.
//!
//! The calling contract: after any call, poll effects until there are none, then wait for input or for
//! `poll_timeout`. A client that is woken gets its output taken, and `client_data` again with what input
//! the shell still holds.
#![forbid(unsafe_code)]

mod acl_file;
mod admission;
mod clients;
mod cluster;
mod config_file;
mod cron;
mod effect;
mod listening;
mod lookahead;
mod marks;
mod metrics;
mod migrations;
mod persistence;
mod replication;
mod scripts;
mod security;
mod services;
mod shutdown;
mod whole_file;

use std::io::IoSlice;

use bytes::BytesMut;
use squall_clock::{Mono, Now};
pub use squall_commands::ClientId;
use squall_commands::Engine;
pub use squall_commands::config::{self, Config};
pub use squall_commands::server::{Environment, LogLevel};
pub use squall_commands::{REDIS_VERSION, SQUALL_VERSION};

pub use effect::{
    DiskDone, DiskError, DiskOp, DiskRequest, DiskResult, Effect, FileId, Lane, LinkId, ListenPlace,
    ListenRequest, OpenFor, Serves,
};
pub use marks::{Mark, Marks};
pub use persistence::check;
use services::Services;
pub use shutdown::Restart;

/// What a node is made from.
pub struct NodeOptions {
    pub config: Config,
    /// All randomness follows from it: hashers, run and replication ids, sampling.
    pub seed: [u8; 32],
    pub environment: Environment,
}

pub struct Node {
    engine: Engine,
    services: Services,
}

impl Node {
    /// A node that has asked to listen and to read its dataset; the effects wait to be polled.
    pub fn new(options: NodeOptions, now: Now) -> Node {
        let mut engine = Engine::new(options.config, options.seed, now);
        engine.environment = options.environment;
        let mut services = Services::new(&mut engine);
        services.start(&mut engine);
        Node { engine, services }
    }

    /// The next thing to be done outside, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.services.effects.pop()
    }

    /// When `timeout` wants to be called at the latest.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.services.next_timeout(&self.engine)
    }

    /// A call that counts as a turn: with bytes, with what the disk has done, because it is time.
    fn turn<R>(&mut self, now: Now, act: impl FnOnce(&mut Engine, &mut Services) -> R) -> R {
        let began = self.engine.begin_turn(now);
        let outcome = act(&mut self.engine, &mut self.services);
        self.engine.end_turn(began);
        outcome
    }

    /// Whatever is due by `now`: periodic work, deadlines, one slice of background work.
    pub fn timeout(&mut self, now: Now) {
        self.turn(now, |engine, services| services.timeout(engine));
    }

    pub fn disk_done(&mut self, done: DiskDone, now: Now) {
        self.turn(now, |engine, services| services.disk_done(engine, done));
    }

    /// The certificates of `Effect::Secure` are in use; or they cannot be, and those before them still are.
    pub fn secured(&mut self, outcome: Result<(), String>, now: Now) {
        self.engine.now = now;
        security::secured(&mut self.engine, &mut self.services, outcome);
    }

    /// An address could not be listened on: fatal, unless it was optional.
    pub fn listen_failed(&mut self, request: &ListenRequest, reason: &str, now: Now) {
        self.engine.now = now;
        self.services.listen_failed(request, reason);
    }

    /// A connection was offered and could not be taken, for want of file descriptors as a rule.
    pub fn accept_failed(&mut self, reason: &str, now: Now) {
        self.engine.now = now;
        self.services.effects.warning(format!("Accepting client connection: {reason}"));
    }

    /// The orderly way out, as SIGTERM asks for it (`shutdown-on-sigterm`): replicas get a chance to catch up, the
    /// dataset is saved where save points are set, then `Effect::Exit` comes.
    pub fn terminate(&mut self, now: Now) {
        self.engine.now = now;
        let wish = self.engine.config.shutdown_on_sigterm;
        self.services.terminate(&mut self.engine, wish);
    }

    /// The same, as SIGINT asks for it (`shutdown-on-sigint`).
    pub fn interrupt(&mut self, now: Now) {
        self.engine.now = now;
        let wish = self.engine.config.shutdown_on_sigint;
        self.services.terminate(&mut self.engine, wish);
    }

    /// After `Effect::Exit`: whether the process is to begin anew.
    pub fn restart(&self) -> Option<Restart> {
        self.services.restart
    }

    /// Refreshes the facts that only the shell knows.
    pub fn set_environment(&mut self, environment: Environment) {
        self.engine.environment = environment;
    }

    /// The configuration as it is now.
    pub fn config(&self) -> &Config {
        &self.engine.config
    }

    /// What CLUSTER INFO and CLUSTER NODES would say now, for those who watch from outside.
    pub fn cluster_texts(&self) -> Option<(String, String)> {
        self.services.cluster_texts()
    }

    /// The interesting turns that its life has taken.
    pub fn marks(&self) -> Marks {
        let mut marks = self.services.effects.marks;
        marks.join(Marks::of_cluster(self.services.cluster_turns()));
        marks
    }

    /// Whether the dataset is still being read, from disk or from a primary.
    pub fn is_loading(&self) -> bool {
        self.engine.loading
    }

    /// A new connection. A refused one has its error as output and is closed after it.
    pub fn client_opened(&mut self, peer: String, local: String, now: Now) -> ClientId {
        self.engine.now = now;
        clients::opened(&mut self.engine, &mut self.services, peer, local)
    }

    /// Takes what it can use of `input`. What is left is an incomplete request, or, while `wants_input`
    /// is false, requests that must wait.
    pub fn client_data(&mut self, id: ClientId, input: &mut BytesMut, now: Now) {
        self.turn(now, |engine, services| clients::data(engine, services, id, input));
    }

    /// The connection is gone, whoever closed it.
    pub fn client_closed(&mut self, id: ClientId, now: Now) {
        self.engine.now = now;
        clients::closed(&mut self.engine, &mut self.services, id);
    }

    /// False while the client must wait for an answer: the shell stops reading from it.
    pub fn wants_input(&self, id: ClientId) -> bool {
        clients::wants_input(&self.engine, &self.services, id)
    }

    /// How many more bytes the argument needs that the client is sending, as it has announced: what the shell may
    /// make room for, in a buffer of that client's own. Zero when unknown.
    pub fn bytes_wanted(&self, id: ClientId) -> usize {
        clients::bytes_wanted(&self.engine, id)
    }

    /// Fills `slices` with what is to be sent next, in order; returns how many were filled.
    pub fn output_slices<'a>(&'a self, id: ClientId, slices: &mut [IoSlice<'a>]) -> usize {
        clients::output_slices(&self.engine, &self.services, id, slices)
    }

    /// `count` bytes of the output have been handed to the network.
    pub fn output_written(&mut self, id: ClientId, count: usize, now: Now) {
        self.engine.now = now;
        clients::output_written(&mut self.engine, &mut self.services, id, count);
    }

    /// Another node of the cluster has connected to the bus's port.
    pub fn link_accepted(&mut self, peer: &str, local: &str, now: Now) -> LinkId {
        self.engine.now = now;
        self.services.link_accepted(&mut self.engine, peer, local)
    }

    /// Somebody has connected to the port for metrics.
    pub fn metrics_accepted(&mut self, now: Now) -> LinkId {
        self.engine.now = now;
        self.services.metrics_accepted(&self.engine)
    }

    /// An outgoing link is connected.
    pub fn link_opened(&mut self, id: LinkId, local: String, now: Now) {
        self.engine.now = now;
        self.services.link_opened(&mut self.engine, id, &local);
    }

    /// An outgoing link could not be connected, or was lost.
    pub fn link_closed(&mut self, id: LinkId, reason: &str, now: Now) {
        self.engine.now = now;
        self.services.link_closed(&mut self.engine, id, reason);
    }

    pub fn link_data(&mut self, id: LinkId, input: &mut BytesMut, now: Now) {
        self.turn(now, |engine, services| services.link_data(engine, id, input));
    }

    pub fn link_output_slices<'a>(&'a self, id: LinkId, slices: &mut [IoSlice<'a>]) -> usize {
        self.services.link_output_slices(id, slices)
    }

    pub fn link_output_written(&mut self, id: LinkId, count: usize, now: Now) {
        self.engine.now = now;
        self.services.link_output_written(id, count);
    }
}
