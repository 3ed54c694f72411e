//! The serving side: PSYNC and REPLCONF, and carrying out what the primary machine decides about replicas.
//! A replica's connection is a client's: what it is sent first (answers, the dataset) is that client's
//! output, and the stream follows it straight from the backlog.

use std::io::IoSlice;

use squall_clock::{Mono, Nanos};
use squall_commands::engine::ReplicationBuffers;
use squall_commands::{ClientId, CommandError, CommandResult, Engine, LogLevel, Session};
use squall_replication::{Backlog, PrimaryEvent, Psync, Replconf, ReplicaKey, Request};
use squall_resp::{Args, Reply};

use super::{Replication, RoleChange, fresh_id};
use crate::effect::{Effect, Effects};
use crate::marks::Mark;

impl Replication {
    /// `PSYNC` and `SYNC`.
    pub fn psync(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        session: &mut Session,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        if session.is_primary_link {
            return Err(CommandError::line("ERR a primary cannot become a replica by its stream"));
        }
        if self.following.as_ref().is_some_and(|following| following.comes_from(&session.peer)) {
            return Err(self.refuse_itself(effects));
        }
        if args.get(3).is_some_and(|word| word.eq_ignore_ascii_case(b"failover")) {
            self.take_over(engine, effects, session, args)?;
        }
        if self.following.as_ref().is_some_and(|following| !following.is_streaming()) {
            return Err(CommandError::line("NOMASTERLINK Can't SYNC while not connected with my master"));
        }
        let request = Request::parse(args).map_err(|error| CommandError::line(error.to_string()))?;
        let own = fresh_id(engine);
        let (key, host) = (ReplicaKey(session.id.0), host_of(&session.peer));
        let answer = self.primary.synchronise(key, host, request, own, engine.now.mono);
        match answer.map_err(|error| CommandError::line(error.to_string()))? {
            Psync::Continue(text) => reply.simple(&text),
            Psync::Wait => {}
        }
        session.is_replica = true;
        if self.following.is_some() {
            effects.mark(Mark::ChainServed);
        }
        // Nobody counted bytes before the first replica came; from now on they are recorded.
        engine.propagation.enabled = self.following.is_none();
        self.serve(engine, effects);
        Ok(())
    }

    /// This server has been told to follow itself. It would be a replica for ever, without a primary: whoever wrote it
    /// into the configuration has to think again, and an order to do so is taken back.
    fn refuse_itself(&mut self, effects: &mut Effects) -> CommandError {
        let following = self.following.as_ref().expect("it follows itself");
        let (host, port) = following.primary_address();
        if following.is_configured() {
            effects.warning(format!("'replicaof {host} {port}' names this server itself. Exiting."));
            effects.push(Effect::Exit { status: 1 });
        } else {
            effects.warning(format!(
                "REPLICAOF {host} {port} names this server itself: it goes on as a primary"
            ));
            self.role_change = Some(RoleChange::Promote);
        }
        CommandError::line("ERR a server cannot be the replica of itself")
    }

    /// `PSYNC ... FAILOVER`: the primary hands its role to this server, and follows it from here on.
    fn take_over(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        session: &Session,
        args: Args<'_>,
    ) -> CommandResult {
        if self.following.is_none() {
            return Err(CommandError::line("ERR PSYNC FAILOVER can't be sent to a master."));
        }
        if !args.at(1).eq_ignore_ascii_case(self.primary.history().id.as_str().as_bytes()) {
            return Err(CommandError::line("ERR PSYNC FAILOVER replid must match my replid."));
        }
        engine.config.replicaof = None;
        self.promote(engine, effects);
        effects.notice(format!("MASTER MODE enabled (failover request from {})", session.peer));
        Ok(())
    }

    pub fn replconf(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        session: &mut Session,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        if session.is_primary_link {
            self.note_primary_question(args);
            return Ok(());
        }
        let (key, host) = (ReplicaKey(session.id.0), host_of(&session.peer));
        let answer = self.primary.replconf(key, host, args, engine.now.mono);
        match answer.map_err(|error| CommandError::line(error.to_string()))? {
            Replconf::Ok => reply.ok(),
            Replconf::Silent => self.answer_satisfied(engine, effects),
            Replconf::AcknowledgementWanted => {}
        }
        self.serve(engine, effects);
        Ok(())
    }

    /// A replica took some of what precedes the stream.
    pub fn dataset_written(&mut self, engine: &mut Engine, id: ClientId, count: usize) {
        self.primary.dataset_written(ReplicaKey(id.0), count, engine.now.mono);
        self.decide_on_writes(engine);
    }

    /// A replica said something that was no command: the newlines of one that loads.
    pub fn heard(&mut self, now: Mono, id: ClientId) {
        self.primary.heard(ReplicaKey(id.0), now);
    }

    pub fn client_closed(&mut self, engine: &mut Engine, effects: &mut Effects, id: ClientId) {
        self.waiting.forget(id);
        self.primary.closed(ReplicaKey(id.0), engine.now.mono);
        self.serve(engine, effects);
    }

    /// The stream that waits for a replica.
    pub fn output_slices<'a>(&'a self, id: ClientId, slices: &mut [IoSlice<'a>]) -> usize {
        self.primary.stream_slices(ReplicaKey(id.0), slices)
    }

    /// A replica took `count` bytes of the stream.
    pub fn output_written(&mut self, engine: &mut Engine, id: ClientId, count: usize) {
        engine.stats.replication_output_bytes += count as u64;
        self.primary.stream_written(ReplicaKey(id.0), count);
        self.decide_on_writes(engine);
    }

    /// The cluster hands this shard over, or does so no longer.
    pub fn hand_over_shard(&mut self, engine: &mut Engine, hands_over: bool) {
        self.hands_over_shard = hands_over;
        self.decide_on_writes(engine);
    }

    /// Clients' writes wait while the role is being handed over, and for who is on its way to being in step.
    pub(super) fn decide_on_writes(&self, engine: &mut Engine) {
        let hands_over = self.failover.is_some() || self.hands_over_shard;
        engine.writes_held = hands_over || self.primary.paces_writers();
    }

    /// True when every replica has acknowledged everything.
    pub fn replicas_are_in_step(&self, engine: &Engine) -> bool {
        let offset = self.primary.history().offset;
        self.following.is_some()
            || self.primary.replicas(engine.now.mono).all(|(_, facts)| {
                let reads_stream = facts.state == "online";
                !reads_stream || facts.acknowledged >= offset
            })
    }

    /// Carries out what the primary machine decided, and wakes the replicas for which there is stream.
    pub(super) fn serve(&mut self, engine: &mut Engine, effects: &mut Effects) {
        while let Some(event) = self.primary.poll_event() {
            match event {
                PrimaryEvent::Send { replica, bytes } => {
                    let id = ClientId(replica.0);
                    if let Some(client) = engine.clients.get_mut(id) {
                        client.output.push_bytes(bytes);
                        effects.push(Effect::WakeClient(id));
                    }
                }
                PrimaryEvent::Close { replica, .. } => {
                    effects.mark(Mark::ReplicaDropped);
                    effects.push(Effect::CloseClient(ClientId(replica.0)));
                }
                PrimaryEvent::Log { warning, message } => {
                    effects.log(if warning { LogLevel::Warning } else { LogLevel::Notice }, message);
                }
            }
        }
        for key in self.primary.online() {
            if self.primary.stream_pending(key) > 0 {
                effects.push(Effect::WakeClient(ClientId(key.0)));
            }
        }
        self.publish_facts(engine, effects);
    }

    /// What the engine's own decisions and statistics take from here.
    fn publish_facts(&mut self, engine: &mut Engine, effects: &mut Effects) {
        let counts = self.primary.take_sync_counts();
        for (count, mark) in [
            (counts.full, Mark::FullSyncServed),
            (counts.partial_accepted, Mark::PartialSyncGranted),
            (counts.partial_refused, Mark::PartialSyncRefused),
        ] {
            if count > 0 {
                effects.mark(mark);
            }
        }
        engine.stats.sync_full += counts.full;
        engine.stats.sync_partial_ok += counts.partial_accepted;
        engine.stats.sync_partial_err += counts.partial_refused;
        engine.propagation.enabled = self.following.is_none() && self.primary.wants_stream();
        self.decide_on_writes(engine);
        engine.replication_buffers = ReplicationBuffers {
            held_bytes: self.primary.backlog().map_or(0, Backlog::memory_bytes),
            backlog_bytes_max: engine.config.repl_backlog_bytes_max,
        };
        if engine.config.min_replicas_to_write > 0 {
            let lag_max = Nanos::from_secs(engine.config.min_replicas_max_lag_seconds);
            engine.good_replicas = self.primary.good_replicas(lag_max, engine.now.mono) as u32;
        }
    }
}

/// The host of an `address:port`.
fn host_of(peer: &str) -> &str {
    peer.rsplit_once(':').map_or(peer, |(host, _)| host).trim_matches(['[', ']'])
}
