//! What stands around the engine, and what commands may ask of it. Each request is passed to the concern
//! that owns it; the only thing decided here is the order of things within a turn.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use squall_clock::{Mono, Nanos};
use squall_commands::administration::config::ConfigChange;
use squall_commands::config::{Config, ShutdownWish};
use squall_commands::generic::Migration;
use squall_commands::server::{LogLevel, PendingBytes, WantedDisks};
use squall_commands::{
    Blocked, ClientId, CommandError, CommandResult, Engine, FailoverRequest, Server, Session, ShutdownOptions,
};
use squall_resp::{Args, Reply};

use crate::acl_file::AclFile;
use crate::cluster::Membership;
use crate::config_file::ConfigRewrite;
use crate::cron::Cron;
use crate::effect::{DiskDone, Effect, Effects, LinkId, ListenRequest};
use crate::lookahead::Lookahead;
use crate::metrics::Metrics;
use crate::migrations::Migrations;
use crate::persistence::{
    self, LogPosition, LogReload, Outcome, Persistence, Recorded, RewriteAnswer, SaveFor,
};
use crate::replication::{self, Replication};
use crate::scripts::SlowScript;
use crate::security::Securing;
use crate::shutdown::{Restart, Shutdown};
use crate::{acl_file, clients, config_file, listening, security, shutdown};

pub(crate) struct Services {
    pub effects: Effects,
    /// Whether the node's ordinary life has begun: its own dataset has been loaded, and its log is promised.
    is_up: bool,
    pub persistence: Persistence,
    pub replication: Replication,
    pub cron: Cron,
    /// This server's part in a cluster, where `cluster-enabled` says so.
    pub membership: Option<Membership>,
    pub migrations: Migrations,
    /// Who reads the page for Prometheus.
    pub metrics: Metrics,
    pub shutdown: Option<Shutdown>,
    pub restart: Option<Restart>,
    pub log_reload: Option<LogReload>,
    pub config_rewrite: Option<ConfigRewrite>,
    pub acl_file: Option<AclFile>,
    /// Certificates that are being read.
    pub securing: Option<Securing>,
    pub lookahead: Lookahead,
    pub slow_script: SlowScript,
    /// Clients whose next request `CLIENT PAUSE` holds back.
    pub postponed: BTreeSet<ClientId>,
}

impl Services {
    pub fn new(engine: &mut Engine) -> Services {
        Services {
            effects: Effects::new(&engine.config),
            is_up: false,
            persistence: Persistence::new(engine),
            replication: Replication::new(engine),
            cron: Cron::new(engine),
            membership: None,
            migrations: Migrations::default(),
            metrics: Metrics::default(),
            shutdown: None,
            restart: None,
            log_reload: None,
            config_rewrite: None,
            acl_file: None,
            securing: None,
            lookahead: Lookahead::default(),
            slow_script: SlowScript::default(),
            postponed: BTreeSet::new(),
        }
    }

    /// The first effects of a node's life.
    pub fn start(&mut self, engine: &mut Engine) {
        if !engine.config.aclfile.is_empty() {
            self.acl_file = Some(AclFile::starting(engine, &mut self.effects));
            return;
        }
        self.users_known(engine);
    }

    /// It is known who may come in. Where they come encrypted, the certificates are read first.
    pub fn users_known(&mut self, engine: &mut Engine) {
        match engine.config.encrypts() {
            true => self.securing = Some(Securing::start(engine, &mut self.effects)),
            false => self.listen_and_load(engine),
        }
    }

    pub fn listen_and_load(&mut self, engine: &mut Engine) {
        self.effects.push(Effect::Listen(listening::requests(&engine.config)));
        self.start_cluster(engine);
        self.persistence.start_loading(engine, &mut self.effects);
    }

    /// The dataset is in memory: the node's ordinary life begins.
    pub fn loaded(&mut self, engine: &mut Engine) {
        engine.loading = false;
        self.is_up = true;
        // Who follows somebody in a cluster goes on with the history that it has.
        if !self.is_cluster_replica() {
            self.replication.start(engine, &mut self.effects);
        }
        self.cluster_loaded(engine);
        self.change_role(engine);
        self.effects.notice("Ready to accept connections");
    }

    pub fn next_timeout(&self, engine: &Engine) -> Option<Mono> {
        let cron = Some(self.cron.next(engine));
        let pause = engine.pause.map(|pause| pause.until);
        [
            cron,
            pause,
            engine.waiting.next_deadline(),
            engine.scripts.next_slice(),
            self.replication.next_timeout(engine),
            self.persistence.next_timeout(engine),
            self.next_cluster_timeout(engine),
            self.migrations.next_timeout(),
            self.shutdown_deadline(engine.now.mono),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub fn timeout(&mut self, engine: &mut Engine) {
        if engine.pause.is_some_and(|pause| engine.now.mono >= pause.until) {
            engine.pause = None;
        }
        if self.cron.is_due(engine.now.mono) {
            self.cron(engine);
        }
        self.free_slice(engine);
        self.advance_script(engine);
        engine.give_up_waiting();
        self.replication.timeout(engine, &mut self.persistence, &mut self.effects);
        self.cluster_timeout(engine);
        self.time_out_migrations(engine);
        self.change_role(engine);
        self.persistence.background_slice(engine, &mut self.effects);
        self.settle(engine, None);
        self.tend_log(engine);
        shutdown::advance(engine, self);
    }

    /// Ends a batch: what it changed goes to the replicas, and `session`, if it wrote, learns the offset
    /// that WAIT has to wait for.
    pub fn settle(&mut self, engine: &mut Engine, mut session: Option<&mut Session>) {
        if engine.waiting.has_ready() && !engine.scripts.is_parked() {
            engine.serve_waiting(self);
        }
        if engine.tracking.has_broadcasts() {
            engine.broadcast_invalidations();
        }
        let stream = engine.propagation.take();
        let has_written = stream.is_some();
        if let Some(stream) = stream {
            let unlogged = engine.propagation.take_unlogged();
            self.record(engine, stream, &unlogged);
            if let Some(session) = &mut session {
                session.last_write_offset = self.replication.offset();
                session.last_write_log = self.persistence.log.position().0;
            }
        }
        self.release_output(engine, session, has_written);
        if !self.postponed.is_empty()
            && engine.pause.is_none()
            && !engine.writes_held
            && engine.keys_in_transit.is_empty()
            && !engine.holds_slots()
        {
            let postponed = std::mem::take(&mut self.postponed);
            self.effects.extend(postponed.into_iter().map(Effect::WakeClient));
        }
    }

    /// What this server's own clients changed becomes history, and is logged.
    fn record(&mut self, engine: &mut Engine, stream: Bytes, unlogged: &[Range<usize>]) {
        self.forward_to_targets(engine, &stream);
        let follows = self.replication.is_following();
        if !follows {
            self.replication.feed(engine, &mut self.effects, stream.clone());
        }
        let (ends_in, position) = (engine.propagation.database(), self.replication.position());
        let recorded = Recorded { stream: &stream, unlogged, begins_in: None, ends_in, position };
        self.persistence.record(engine, &mut self.effects, &recorded);
        if follows {
            // What the primary sends next has selected another database.
            engine.propagation.forget_database();
        }
    }

    /// Replies leave at once, or when the log has been written as far as they depend on it: those to who has
    /// written, and under `appendfsync always` those that may show what somebody else wrote.
    fn release_output(&mut self, engine: &mut Engine, session: Option<&mut Session>, has_written: bool) {
        let awaited = self.persistence.awaited_position(engine, has_written);
        for id in engine.clients.take_written() {
            let Some(mut client) = engine.clients.take(id) else { continue };
            if has_written {
                // It may have been answered by what this batch did in its name.
                client.session.last_write_offset = self.replication.offset();
                client.session.last_write_log = self.persistence.log.position().0;
            }
            match awaited {
                Some(position) => self.hold_output(&mut client.session, position),
                None => self.effects.push(Effect::WakeClient(id)),
            }
            clients::close_if_over_limit(engine, self, &mut client);
            engine.clients.put_back(client);
        }
        if let (Some(position), Some(session)) = (awaited, session.filter(|session| !session.is_replica)) {
            self.hold_output(session, position);
        }
    }

    fn hold_output(&mut self, session: &mut Session, position: LogPosition) {
        session.log_position = position.0;
        self.persistence.log.wake_later(session.id, position);
    }

    /// Whatever the log can do now.
    fn tend_log(&mut self, engine: &mut Engine) {
        let replication = &self.replication;
        self.persistence.log.note_position(replication.position());
        self.persistence.tend_log(engine, &mut self.effects, |engine| replication.snapshot_aux(engine));
        let log = &self.persistence.log;
        self.replication.log_reached(engine, &mut self.effects, log.durable(), log.durable_position());
        if self.is_up {
            // What may be loading now is a primary's dataset.
        } else if self.persistence.log.is_promised() {
            self.loaded(engine);
        } else if engine.loading && self.persistence.log.could_not_begin() {
            self.effects.push(Effect::Exit { status: 1 });
        }
        self.advance_log_reload(engine);
    }

    /// The change of role that a request asked for, once all that the request did is in the history.
    pub fn change_role(&mut self, engine: &mut Engine) {
        if self.replication.role_will_change() {
            self.settle(engine, None);
            self.replication.change_role(engine, &mut self.effects);
        }
    }

    pub fn disk_done(&mut self, engine: &mut Engine, done: DiskDone) {
        if self.replication.disk_done(engine, &mut self.effects, &done) {
            // A dataset on its way to replicas.
        } else if self.cluster_disk_done(engine, &done) {
            self.change_role(engine);
        } else if self.config_rewrite.as_ref().is_some_and(|rewrite| rewrite.owns(done.ticket)) {
            config_file::advance(engine, self, done);
        } else if self.acl_file.as_ref().is_some_and(|file| file.owns(done.ticket)) {
            acl_file::advance(engine, self, done);
        } else if let Some(outcome) = persistence::disk_done(engine, self, done) {
            self.persistence_outcome(engine, outcome);
        }
        self.tend_log(engine);
        shutdown::advance(engine, self);
    }

    pub fn listen_failed(&mut self, request: &ListenRequest, reason: &str) {
        if request.optional {
            return;
        }
        self.effects.warning(format!("Could not listen on {}: {reason}", request.place));
        self.effects.warning("Failed listening, aborting.");
        self.effects.push(Effect::Exit { status: 1 });
    }

    pub fn link_opened(&mut self, engine: &mut Engine, id: LinkId, local: &str) {
        if !self.bus_link_opened(engine, id)
            && !self.migration_opened(id)
            && !self.slot_migration_opened(engine, id)
        {
            self.replication.link_opened(engine, &mut self.persistence, &mut self.effects, id, local);
        }
    }

    pub fn link_closed(&mut self, engine: &mut Engine, id: LinkId, reason: &str) {
        if self.metrics.closed(id) {
            return;
        }
        if !self.bus_link_closed(engine, id, reason)
            && !self.migration_closed(engine, id)
            && !self.slot_migration_closed(engine, id)
        {
            self.replication.link_closed(engine, &mut self.persistence, &mut self.effects, id, reason);
        }
        self.settle(engine, None);
        self.change_role(engine);
    }

    pub fn terminate(&mut self, engine: &mut Engine, wish: ShutdownWish) {
        if self.shutdown.is_some() || self.holds_end_back(engine, wish) {
            return;
        }
        self.effects.warning("Received a signal to terminate, scheduling shutdown...");
        let save = (wish.save || wish.no_save).then_some(wish.save);
        let options = ShutdownOptions {
            save,
            now: wish.now,
            force: wish.force,
            safe: wish.safe,
            failover: wish.failover,
            abort: false,
        };
        if self.must_stay(options) {
            return;
        }
        shutdown::begin(engine, self, options, None);
    }
}

impl Services {
    pub fn link_data(&mut self, engine: &mut Engine, id: LinkId, input: &mut BytesMut) {
        if self.metrics_data(engine, id, input) {
            return;
        }
        if self.bus_link_data(engine, id, input)
            || self.migration_data(engine, id, input)
            || self.slot_migration_data(engine, id, input)
        {
            self.settle(engine, None);
            self.change_role(engine);
            return shutdown::advance(engine, self);
        }
        crate::replication::link_data(engine, self, id, input);
        self.settle(engine, None);
    }

    /// Writes the answer that a waiting session has been waiting for, and lets it go on.
    pub fn answer(&mut self, engine: &mut Engine, id: ClientId, write: impl FnOnce(&mut Reply<'_>)) {
        let Some(client) = engine.clients.get_mut(id) else { return };
        client.session.blocked = None;
        write(&mut Reply::new(&mut client.output, client.session.protocol));
        self.effects.push(Effect::WakeClient(id));
    }

    /// Input that the shell holds back may be given again.
    pub fn wake_everyone(&mut self, engine: &Engine) {
        for id in engine.clients.ids() {
            self.effects.push(Effect::WakeClient(id));
        }
    }

    fn persistence_outcome(&mut self, engine: &mut Engine, outcome: Outcome) {
        match outcome {
            Outcome::Loaded(_) if self.log_reload.is_some() => self.log_reloaded(engine),
            Outcome::Loaded(loaded) => {
                self.replication.restore(engine, &mut self.effects, loaded.as_ref());
                // A log that is to be there from the first write on gets its base first.
                match self.persistence.log.is_beginning() {
                    true => self.persistence.start_due_rewrite(engine, &mut self.effects),
                    false => self.loaded(engine),
                }
            }
            Outcome::LoadFailed => {}
            Outcome::Saved { purpose: SaveFor::Background | SaveFor::LogBase, .. } => {}
            Outcome::Saved { purpose: SaveFor::Client(id), result } => {
                self.answer(engine, id, |reply| match &result {
                    Ok(()) => reply.ok(),
                    Err(reason) => reply.error(&format!("ERR {reason}")),
                });
            }
            Outcome::Saved { purpose: SaveFor::Shutdown, result } => shutdown::saved(engine, self, result),
        }
    }
}

impl Server for Services {
    fn replica_of(
        &mut self,
        engine: &mut Engine,
        primary: Option<(String, u16)>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        self.replication.replica_of(engine, primary, reply)
    }

    fn failover(
        &mut self,
        engine: &mut Engine,
        request: FailoverRequest,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        self.settle(engine, None);
        self.replication.failover(engine, &mut self.effects, request, reply)
    }

    fn role(&mut self, engine: &Engine, reply: &mut Reply<'_>) {
        self.replication.role(engine, reply);
    }

    fn replconf(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        self.replication.replconf(engine, &mut self.effects, session, args, reply)
    }

    fn psync(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        self.settle(engine, Some(session));
        self.replication.psync(engine, &mut self.effects, session, args, reply)
    }

    fn wait(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        replicas: u64,
        timeout: Option<Nanos>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        self.settle(engine, Some(session));
        self.replication.wait(engine, session, replicas, timeout, reply)
    }

    fn wait_for_disks(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        wanted: WantedDisks,
        timeout: Option<Nanos>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        self.settle(engine, Some(session));
        self.replication.wait_for_disks(engine, session, wanted, timeout, reply)
    }

    fn save(&mut self, engine: &mut Engine, session: &mut Session, _: &mut Reply<'_>) -> CommandResult {
        let aux = self.replication.snapshot_aux(engine);
        self.persistence
            .start_saving(engine, &mut self.effects, &aux, SaveFor::Client(session.id))
            .map_err(|reason| CommandError::line(format!("ERR {reason}")))?;
        session.blocked = Some(Blocked::Disk);
        Ok(())
    }

    fn background_save(
        &mut self,
        engine: &mut Engine,
        schedule: bool,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        if self.persistence.log.is_rewriting() && !schedule {
            return Err(CommandError::line(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to \
                 schedule a BGSAVE whenever possible.",
            ));
        }
        if self.persistence.is_saving() && !self.persistence.log.is_rewriting() {
            return Err(CommandError::line("ERR Background save already in progress"));
        }
        let aux = self.replication.snapshot_aux(engine);
        match self.persistence.start_saving(engine, &mut self.effects, &aux, SaveFor::Background) {
            Ok(()) => reply.simple("Background saving started"),
            Err(_) if schedule => {
                self.persistence.scheduled = true;
                reply.simple("Background saving scheduled");
            }
            Err(reason) => return Err(CommandError::line(format!("ERR {reason}"))),
        }
        Ok(())
    }

    fn cancel_background_save(&mut self, engine: &mut Engine, reply: &mut Reply<'_>) -> CommandResult {
        if self.persistence.is_saving_in_background() {
            self.persistence.abort_saving(engine, &mut self.effects);
            reply.simple("Background saving cancelled");
        } else if std::mem::take(&mut self.persistence.scheduled) {
            reply.simple("Scheduled background saving cancelled");
        } else {
            return Err(CommandError::line(
                "ERR Background saving is currently not in progress or scheduled",
            ));
        }
        Ok(())
    }

    fn last_save(&self) -> u64 {
        self.persistence.last_save.0 / 1_000
    }

    fn info(&self, engine: &Engine, section: &str, text: &mut String) {
        match section {
            "persistence" => self.persistence.info(engine, self.replication.incoming(), text),
            "replication" => self.replication.info(engine, text),
            "stats" => replication::info_of_synchronisations(engine, text),
            "clients" => text.push_str(&format!("cluster_connections:{}\r\n", self.bus_figures().0)),
            _ => {}
        }
    }

    fn pending_bytes(&self) -> PendingBytes {
        PendingBytes { cluster_links: self.bus_figures().1, log: self.persistence.log.pending_bytes() }
    }

    fn shutdown(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        options: ShutdownOptions,
    ) -> CommandResult {
        if options.abort {
            let aborted = shutdown::abort(engine, self);
            return if aborted { Ok(()) } else { Err(CommandError::line("ERR No shutdown in progress.")) };
        }
        if self.must_stay(options) {
            return Err(CommandError::line("ERR Errors trying to SHUTDOWN. Check logs."));
        }
        self.settle(engine, Some(session));
        session.blocked = Some(Blocked::Disk);
        shutdown::begin(engine, self, options, Some(session.id));
        Ok(())
    }

    fn config_changed(&mut self, engine: &mut Engine, parameter: &str) {
        match parameter {
            "metrics-bind" | "metrics-port" | "bind" | "port" | "tls-port" | "tcp-keepalive"
            | "tcp-backlog" | "unixsocket" | "unixsocketperm" => {
                self.effects.push(Effect::Listen(listening::requests(&engine.config)));
            }
            "hz" => self.cron = Cron::new(engine),
            "loglevel" => self.effects.set_log_level(engine.config.loglevel),
            "appendonly" => self.persistence.log.set_wanted(engine.config.appendonly, &mut self.effects),
            name if name.starts_with("cluster-") => self.cluster_config_changed(engine),
            _ => self.replication.config_changed(engine),
        }
    }

    fn secure(&mut self, session: &mut Session, wanted: Config, change: ConfigChange) -> CommandResult {
        security::begin(self, session, wanted, change)
    }

    fn cluster(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        self.cluster_command(engine, session, args, reply)
    }

    fn migrate(&mut self, engine: &mut Engine, session: &mut Session, migration: Migration) {
        self.start_migration(engine, session, migration);
    }

    fn publish_to_cluster(&mut self, engine: &mut Engine, sharded: bool, channel: &[u8], message: &[u8]) {
        self.publish_over_bus(engine, sharded, channel, message);
    }

    fn config_rewrite(&mut self, engine: &mut Engine, session: &mut Session) -> CommandResult {
        config_file::begin(engine, self, session)
    }

    fn acl_load(&mut self, engine: &mut Engine, session: &mut Session) -> CommandResult {
        acl_file::load(engine, self, session)
    }

    fn acl_save(&mut self, engine: &mut Engine, session: &mut Session) -> CommandResult {
        acl_file::save(engine, self, session)
    }

    fn primary_link(&self) -> Option<&Session> {
        self.replication.primary_session()
    }

    fn close_client(&mut self, engine: &mut Engine, client: ClientId) {
        if self.replication.primary_session().is_some_and(|session| session.id == client) {
            self.replication.cut_link(engine, &mut self.persistence, &mut self.effects);
        } else {
            self.effects.push(Effect::CloseClient(client));
        }
    }

    fn unblock_client(&mut self, engine: &mut Engine, client: ClientId, with_error: bool) -> bool {
        self.replication.unblock(engine, &mut self.effects, client, with_error)
    }

    fn background_rewrite(&mut self, engine: &mut Engine, reply: &mut Reply<'_>) -> CommandResult {
        match self.persistence.rewrite_log(engine, &mut self.effects) {
            RewriteAnswer::Started => reply.simple("Background append only file rewriting started"),
            RewriteAnswer::Scheduled => reply.simple("Background append only file rewriting scheduled"),
            RewriteAnswer::UnderWay => {
                return Err(CommandError::line(
                    "ERR Background append only file rewriting already in progress",
                ));
            }
        }
        Ok(())
    }

    fn stall(&mut self, duration: Nanos) {
        self.effects.push(Effect::Stall(duration));
    }

    fn abort(&mut self) {
        self.effects.push(Effect::Exit { status: 134 });
    }

    fn restart(&mut self, engine: &mut Engine, session: &mut Session, orderly: bool, delay: Nanos) {
        self.settle(engine, Some(session));
        shutdown::restart(engine, self, Restart { delay, is_orderly: orderly }, session.id);
    }

    fn debug_load_log(&mut self, engine: &mut Engine, session: &mut Session) -> CommandResult {
        self.settle(engine, Some(session));
        self.begin_log_reload(engine, session)
    }

    fn debug_reload(&mut self, engine: &mut Engine, reply: &mut Reply<'_>) -> CommandResult {
        let aux = self.replication.snapshot_aux(engine);
        persistence::reload(engine, &aux).map_err(|reason| CommandError::line(format!("ERR {reason}")))?;
        reply.ok();
        Ok(())
    }

    fn debug_change_replication_id(&mut self, engine: &mut Engine) {
        self.replication.change_id(engine);
    }

    fn log(&mut self, level: LogLevel, message: String) {
        self.effects.log(level, message);
    }
}
