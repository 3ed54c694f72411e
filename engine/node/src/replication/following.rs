//! The link to this server's own primary: carrying out what the replica machine decides, and putting a
//! received dataset in place. The commands of the stream are `stream`'s business.

use std::io::IoSlice;

use squall_commands::config::Config;
use squall_commands::{Engine, LogLevel, Session};
use squall_replication::{LinkState, Position, Replica, ReplicaEvent};
use squall_resp::Output;

use super::staging::{Staged, Staging};
use super::stream::Applier;
use super::{Replication, settings};
use crate::effect::{Effect, Effects, LinkId};
use crate::persistence::Persistence;

pub(super) struct Following {
    pub(super) machine: Replica,
    pub(super) link: Option<LinkId>,
    output: Output,
    staging: Option<Staging>,
    /// Away while a command of the stream is executed.
    pub(super) applier: Option<Applier>,
    /// The primary has asked how far this server is.
    pub(super) acknowledgement_wanted: bool,
}

impl Following {
    pub fn begin(
        engine: &mut Engine,
        host: String,
        port: u16,
        position: Option<Position>,
        db: usize,
        takes_over: bool,
    ) -> Following {
        let applier = Applier::new(engine, format!("{host}:{port}"), db);
        let options = settings::replica_options(&engine.config, host, port);
        let begin = if takes_over { Replica::handing_over } else { Replica::new };
        Following {
            machine: begin(options, position, engine.now.mono),
            link: None,
            output: Output::new(),
            staging: None,
            applier: Some(applier),
            acknowledgement_wanted: false,
        }
    }

    pub fn machine(&self) -> &Replica {
        &self.machine
    }

    pub fn set_options(&mut self, config: &Config) {
        let (host, port) = self.primary_address();
        let host = host.to_owned();
        self.machine.set_options(settings::replica_options(config, host, port));
    }

    pub fn primary_address(&self) -> (&str, u16) {
        let options = self.machine.options();
        (&options.host, options.port)
    }

    pub fn is_link_to(&self, host: &str, port: u16) -> bool {
        self.primary_address() == (host, port)
    }

    pub fn is_streaming(&self) -> bool {
        self.machine.is_streaming()
    }

    /// True while a command of the stream is executed.
    pub fn is_executing(&self) -> bool {
        self.applier.is_none()
    }

    pub fn link_state(&self) -> LinkState {
        self.machine.link_state()
    }

    pub fn next_timeout(&self) -> Option<squall_clock::Mono> {
        self.machine.poll_timeout()
    }

    /// What belonged to the connection goes with it: words half said, a dataset half received, a
    /// transaction half read.
    fn forget_link(&mut self) {
        self.link = None;
        self.output.clear();
        self.staging = None;
        self.acknowledgement_wanted = false;
        if let Some(applier) = &mut self.applier {
            applier.forget_unapplied();
        }
    }
}

impl Replication {
    pub fn link_opened(
        &mut self,
        engine: &mut Engine,
        persistence: &mut Persistence,
        effects: &mut Effects,
        id: LinkId,
        local: &str,
    ) {
        let now = engine.now.mono;
        if let Some(following) = self.following_over(id) {
            effects.log(LogLevel::Verbose, format!("connected to the primary from {local}"));
            if let Some(applier) = &mut following.applier {
                applier.connected_from(local);
            }
            following.machine.connected(now);
            self.tend_link(engine, persistence, effects);
        }
    }

    /// The link could not be opened, or is lost.
    pub fn link_closed(
        &mut self,
        engine: &mut Engine,
        persistence: &mut Persistence,
        effects: &mut Effects,
        id: LinkId,
        reason: &str,
    ) {
        let now = engine.now.mono;
        if let Some(following) = self.following_over(id) {
            match following.machine.link_state() {
                LinkState::Connecting => following.machine.connect_failed(reason, now),
                _ => following.machine.closed(now),
            }
            following.forget_link();
            self.tend_link(engine, persistence, effects);
        }
    }

    /// Who the primary is to `CLIENT LIST`, while its stream comes in.
    pub fn primary_session(&self) -> Option<&Session> {
        let following = self.following.as_ref().filter(|following| following.is_streaming())?;
        following.applier.as_ref().map(Applier::session)
    }

    /// The link is closed at an operator's wish, to be opened again.
    pub fn cut_link(&mut self, engine: &mut Engine, persistence: &mut Persistence, effects: &mut Effects) {
        if let Some(link) = self.following.as_ref().and_then(|following| following.link) {
            effects.push(Effect::CloseLink(link));
            self.link_closed(engine, persistence, effects, link, "killed");
        }
    }

    pub fn link_output_slices<'a>(&'a self, id: LinkId, slices: &mut [IoSlice<'a>]) -> usize {
        let following = self.following.as_ref().filter(|following| following.link == Some(id));
        following.map_or(0, |following| following.output.slices(slices))
    }

    pub fn link_output_written(&mut self, id: LinkId, count: usize) {
        if let Some(following) = self.following_over(id) {
            following.output.advance(count);
        }
    }

    pub(super) fn link_timeout(
        &mut self,
        engine: &mut Engine,
        persistence: &mut Persistence,
        effects: &mut Effects,
    ) {
        let now = engine.now.mono;
        if let Some(following) = &mut self.following
            && following.next_timeout().is_some_and(|due| due <= now)
        {
            following.machine.timeout(now);
            self.tend_link(engine, persistence, effects);
        }
    }

    /// Ends the link for good: another primary is followed, or none.
    pub(super) fn leave_primary(&mut self, effects: &mut Effects) {
        if let Some(following) = self.following.take() {
            if let Some(applier) = &following.applier {
                self.stream_db = applier.db();
            }
            if let Some(link) = following.link {
                effects.push(Effect::CloseLink(link));
            }
        }
    }

    /// Carries out what the replica machine decided.
    pub(super) fn tend_link(
        &mut self,
        engine: &mut Engine,
        persistence: &mut Persistence,
        effects: &mut Effects,
    ) {
        while let Some(following) = &mut self.following
            && let Some(event) = following.machine.poll_event()
        {
            match event {
                ReplicaEvent::Connect { host, port } => {
                    let link = effects.next_link();
                    following.link = Some(link);
                    let source = &engine.config.bind_source_addr;
                    let source = (!source.is_empty()).then(|| source.clone());
                    effects.push(Effect::Connect { link, host, port, source });
                }
                ReplicaEvent::Send(bytes) => {
                    following.output.push_bytes(bytes);
                    effects.extend(following.link.map(Effect::WakeLink));
                }
                ReplicaEvent::Disconnect => {
                    effects.extend(following.link.map(Effect::CloseLink));
                    following.forget_link();
                }
                ReplicaEvent::Continued { id: Some(id) } => {
                    self.primary.rename(id);
                    self.serve(engine, effects);
                }
                ReplicaEvent::Continued { id: None } => {}
                ReplicaEvent::SnapshotBegins { position, .. } => {
                    following.staging = Some(Staging::begin(engine, position));
                }
                ReplicaEvent::SnapshotBytes(bytes) => {
                    // None: an earlier piece was refused, and these had come with it.
                    let taken = following.staging.as_mut().map_or(Ok(()), |staging| staging.take(&bytes));
                    if let Err(reason) = taken {
                        following.staging = None;
                        following.machine.refused(&reason, engine.now.mono);
                    }
                }
                ReplicaEvent::SnapshotEnds => match following.staging.take().map(Staging::finish) {
                    None => {}
                    Some(Err(reason)) => following.machine.refused(&reason, engine.now.mono),
                    Some(Ok(staged)) => self.install(engine, persistence, effects, staged),
                },
                ReplicaEvent::TakenOver => self.failover_taken(engine, effects),
                ReplicaEvent::TakeOverRefused(reason) => self.end_failover(engine, effects, &reason),
                ReplicaEvent::Log { warning, message } => {
                    effects.log(if warning { LogLevel::Warning } else { LogLevel::Notice }, message);
                }
            }
        }
        engine.primary_link_down = self.following.as_ref().is_some_and(|following| !following.is_streaming());
    }

    /// The received dataset takes the place of the old one, and its history that of the old one's.
    fn install(
        &mut self,
        engine: &mut Engine,
        persistence: &mut Persistence,
        effects: &mut Effects,
        staged: Staged,
    ) {
        let Staged { position, keyspace, loaded } = staged;
        let stream_db = loaded.aux.replication.and_then(|aux| aux.stream_db).unwrap_or(0) as usize;
        // Snapshots of the old dataset have no future: their cursor goes with it.
        persistence.abort_saving(engine, effects);
        self.primary.adopt(position, engine.now.mono);
        self.advance_full_sync(engine, effects);
        engine.replace_keyspace(keyspace);
        self.stream_db = stream_db.min(engine.keyspace.databases() - 1);
        effects.notice(format!("the primary's dataset is in place: {} keys", loaded.keys));
        let following = self.following.as_mut().expect("the dataset came over its link");
        following.applier.as_mut().expect("no command is executed").start_at(self.stream_db);
        following.machine.loaded(engine.now.mono);
    }

    pub(super) fn following_over(&mut self, id: LinkId) -> Option<&mut Following> {
        self.following.as_mut().filter(|following| following.link == Some(id))
    }
}
