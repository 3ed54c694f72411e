//! The link to this server's own primary: carrying out what the replica machine decides. A dataset that comes
//! over it is `staging`'s business, and the commands of the stream are `stream`'s.

use std::io::IoSlice;

use squall_clock::Mono;
use squall_commands::config::Config;
use squall_commands::{Engine, LogLevel, Session};
use squall_replication::{LinkState, Position, Replica, ReplicaEvent};
use squall_resp::Output;

use super::staging::Staging;
use super::stream::Applier;
use super::{Replication, settings};
use crate::effect::{Effect, Effects, LinkId};
use crate::marks::Mark;
use crate::persistence::Persistence;

pub(super) struct Following {
    pub(super) machine: Replica,
    pub(super) link: Option<LinkId>,
    output: Output,
    pub(super) staging: Option<Staging>,
    /// An operator has named this primary, and it has not given us its data since.
    pub(super) is_ordered: bool,
    /// The dataset that the primary offered last is not the one that we hold, and we keep ours.
    pub(super) refuses_foreign: bool,
    /// Away while a command of the stream is executed.
    pub(super) applier: Option<Applier>,
    /// The primary has asked how far this server is.
    pub(super) acknowledgement_wanted: bool,
    intent: Intent,
    /// Where the link comes from.
    local: String,
}

/// Why a primary is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Intent {
    Configured,
    /// REPLICAOF.
    Ordered,
    /// FAILOVER: it is to take over from this server.
    HandOver,
}

impl Following {
    pub fn begin(
        engine: &mut Engine,
        host: String,
        port: u16,
        position: Option<Position>,
        db: usize,
        intent: Intent,
    ) -> Following {
        let applier = Applier::new(engine, format!("{host}:{port}"), db);
        let options = settings::replica_options(&engine.config, host, port);
        let begin = if intent == Intent::HandOver { Replica::handing_over } else { Replica::new };
        Following {
            machine: begin(options, position, engine.now.mono),
            link: None,
            output: Output::new(),
            staging: None,
            is_ordered: intent == Intent::Ordered,
            refuses_foreign: false,
            applier: Some(applier),
            acknowledgement_wanted: false,
            intent,
            local: String::new(),
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

    /// Whether the link is the one that comes from this address: then this server is its own primary.
    pub fn comes_from(&self, peer: &str) -> bool {
        !self.local.is_empty() && self.local == peer
    }

    /// The configuration says who is followed, and nobody has ordered anything since.
    pub fn is_configured(&self) -> bool {
        self.intent == Intent::Configured
    }

    /// True while a command of the stream is executed.
    pub fn is_executing(&self) -> bool {
        self.applier.is_none()
    }

    pub fn link_state(&self) -> LinkState {
        self.machine.link_state()
    }

    pub fn next_timeout(&self) -> Option<Mono> {
        self.machine.poll_timeout()
    }

    /// An operator wants this primary's dataset, whichever it is.
    pub fn order(&mut self, now: Mono) {
        self.is_ordered = true;
        self.machine.hurry(now);
    }

    /// The primary's data is ours; the next time, it has to be the same again.
    pub fn in_step(&mut self) {
        self.is_ordered = false;
        self.refuses_foreign = false;
    }

    /// What belonged to the connection goes with it: words half said, a dataset half received, a
    /// transaction half read.
    fn forget_link(&mut self) {
        self.link = None;
        self.local.clear();
        self.output.clear();
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
            local.clone_into(&mut following.local);
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
                _ => {
                    if following.staging.is_some() {
                        effects.mark(Mark::SnapshotBroken);
                    } else if following.is_streaming() {
                        effects.mark(Mark::StreamBroken);
                    }
                    following.machine.closed(now);
                }
            }
            following.forget_link();
            self.drop_staging(engine);
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
            let was_open = following.link.is_some() && following.link_state() != LinkState::Connecting;
            following.machine.timeout(now);
            if was_open && following.link_state() == LinkState::Connect {
                effects.mark(Mark::LinkTimedOut);
            }
            self.tend_link(engine, persistence, effects);
        }
    }

    /// Ends the link for good: another primary is followed, or none.
    pub(super) fn leave_primary(&mut self, engine: &mut Engine, effects: &mut Effects) {
        self.drop_staging(engine);
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
                    let secured = engine.config.tls_replication;
                    effects.push(Effect::Connect { link, host, port, source, secured });
                }
                ReplicaEvent::Send(bytes) => {
                    following.output.push_bytes(bytes);
                    effects.extend(following.link.map(Effect::WakeLink));
                }
                ReplicaEvent::Disconnect => {
                    effects.extend(following.link.map(Effect::CloseLink));
                    following.forget_link();
                    self.drop_staging(engine);
                }
                ReplicaEvent::Continued { id } => {
                    following.in_step();
                    if let Some(id) = id {
                        self.primary.rename(id);
                        effects.mark(Mark::HistoryRenamed);
                        self.serve(engine, effects);
                    }
                }
                ReplicaEvent::SnapshotBegins { position, .. } => self.begin_staging(engine, position),
                ReplicaEvent::SnapshotBytes(bytes) => self.stage(engine, persistence, effects, &bytes),
                ReplicaEvent::SnapshotEnds => self.finish_staging(engine, persistence, effects),
                ReplicaEvent::TakenOver => self.failover_taken(engine, effects),
                ReplicaEvent::TakeOverRefused(reason) => self.end_failover(engine, effects, &reason),
                ReplicaEvent::Log { warning, message } => {
                    effects.log(if warning { LogLevel::Warning } else { LogLevel::Notice }, message);
                }
            }
        }
        engine.primary_link_down = self.following.as_ref().is_some_and(|following| !following.is_streaming());
    }

    pub(super) fn following_over(&mut self, id: LinkId) -> Option<&mut Following> {
        self.following.as_mut().filter(|following| following.link == Some(id))
    }
}
