//! Connections that a migration has dialled: what waits to be sent, and the answers, line by line.

use std::io::IoSlice;

use bytes::{Buf, BytesMut};
use squall_cluster::{MigrationLink, Words};
use squall_commands::Engine;
use squall_resp::{Limits, OwnedArgs, Parsed, RequestParser, encode_command};
use squall_store::Slot;

use super::Place;
use super::copier::Copier;
use crate::effect::{Effect, LinkId};
use crate::services::Services;

/// No more is copied while so much waits to be sent.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// So little that the rest is a moment's matter.
const WAITING_BYTES_LITTLE: usize = 64 << 10;
/// A target that does not keep up with the changes is given up.
const CHANGES_BYTES_MAX: usize = 256 << 20;
/// What goes into one APPLY.
const APPLY_BYTES_MAX: usize = 64 << 10;
/// A line of an answer is no longer.
const LINE_BYTES_MAX: usize = 4 * 1024;
const STEPS_PER_SLICE: usize = 16;

pub(super) struct Outgoing {
    pub link: MigrationLink,
    is_open: bool,
    output: BytesMut,
    /// Commands for the target that are not yet words of an APPLY.
    commands: BytesMut,
    copier: Option<Copier>,
    reported: bool,
    /// Answers that belong to the greeting.
    greetings: usize,
}

impl Outgoing {
    fn new(engine: &Engine, link: MigrationLink) -> Outgoing {
        let mut output = BytesMut::new();
        let (user, password) = (engine.config.masteruser.as_bytes(), engine.config.masterauth.as_bytes());
        let words: &[&[u8]] = match (user.is_empty(), password.is_empty()) {
            (_, true) => &[],
            (true, false) => &[b"AUTH", password],
            (false, false) => &[b"AUTH", user, password],
        };
        if !words.is_empty() {
            encode_command(&mut output, words.iter().copied());
        }
        Outgoing {
            link,
            is_open: false,
            output,
            commands: BytesMut::new(),
            copier: None,
            reported: false,
            greetings: usize::from(!words.is_empty()),
        }
    }

    pub fn begin_copy(&mut self, slots: Vec<Slot>) {
        self.copier = Some(Copier::of(slots));
    }

    pub fn has_work(&self) -> bool {
        let may_copy = self.output.len() < WAITING_BYTES_MAX;
        self.copier
            .as_ref()
            .is_some_and(|copier| !copier.is_done() && may_copy || !self.reported && self.is_little())
    }

    fn is_little(&self) -> bool {
        self.output.len() < WAITING_BYTES_LITTLE
    }

    pub fn say(&mut self, words: &Words) {
        if *words == Words::Complete {
            self.copier = None;
        }
        self.pack();
        let said = words.to_words();
        let mut words = vec![&b"CLUSTER"[..], b"SYNCSLOTS"];
        words.extend(said.iter().map(String::as_bytes));
        encode_command(&mut self.output, words.into_iter());
    }

    /// Commands become words of an APPLY.
    fn pack(&mut self) {
        if !self.commands.is_empty() {
            let words: [&[u8]; 4] = [b"CLUSTER", b"SYNCSLOTS", b"APPLY", &self.commands];
            encode_command(&mut self.output, words.into_iter());
            self.commands.clear();
        }
    }

    fn copy(&mut self, engine: &Engine) {
        let Some(copier) = &mut self.copier else { return };
        for _ in 0..STEPS_PER_SLICE {
            if copier.is_done() || self.output.len() + self.commands.len() >= WAITING_BYTES_MAX {
                break;
            }
            copier.step(engine, &mut self.commands);
            if self.commands.len() >= APPLY_BYTES_MAX {
                let words: [&[u8]; 4] = [b"CLUSTER", b"SYNCSLOTS", b"APPLY", &self.commands];
                encode_command(&mut self.output, words.into_iter());
                self.commands.clear();
            }
        }
        self.pack();
    }
}

impl Services {
    pub(super) fn dial_for_migration(
        &mut self,
        engine: &Engine,
        link: MigrationLink,
        host: String,
        port: u16,
    ) {
        let id = self.effects.next_link();
        let source = Some(engine.config.bind_source_addr.clone()).filter(|source| !source.is_empty());
        let mover = self.mover();
        mover.outgoing.insert(id, Outgoing::new(engine, link));
        mover.places.insert(link, Place::Dialled(id));
        let secured = engine.config.tls_cluster;
        self.effects.push(Effect::Connect { link: id, host, port, source, secured });
    }

    fn outgoing_mut(&mut self, id: LinkId) -> Option<&mut Outgoing> {
        self.membership.as_mut()?.mover.outgoing.get_mut(&id)
    }

    pub fn owns_slot_migration(&self, id: LinkId) -> bool {
        self.membership.as_ref().is_some_and(|membership| membership.mover.outgoing.contains_key(&id))
    }

    pub fn slot_migration_opened(&mut self, engine: &mut Engine, id: LinkId) -> bool {
        let Some(outgoing) = self.outgoing_mut(id) else { return false };
        outgoing.is_open = true;
        let link = outgoing.link;
        self.effects.push(Effect::WakeLink(id));
        let membership = self.membership.as_mut().expect("looked at above");
        membership.machine().migration_opened(link, engine.now);
        self.settle_cluster(engine);
        true
    }

    pub fn slot_migration_closed(&mut self, engine: &mut Engine, id: LinkId) -> bool {
        let Some(membership) = &mut self.membership else { return false };
        let Some(outgoing) = membership.mover.outgoing.remove(&id) else { return false };
        membership.mover.places.remove(&outgoing.link);
        membership.machine().migration_closed(outgoing.link, engine.now);
        self.settle_cluster(engine);
        true
    }

    /// Answers; false where the link is none of a migration of slots.
    pub fn slot_migration_data(&mut self, engine: &mut Engine, id: LinkId, input: &mut BytesMut) -> bool {
        if !self.owns_slot_migration(id) {
            return false;
        }
        while let Some(outgoing) = self.outgoing_mut(id) {
            let link = outgoing.link;
            let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
                if input.len() > LINE_BYTES_MAX {
                    input.clear();
                    self.effects.push(Effect::CloseLink(id));
                    self.slot_migration_closed(engine, id);
                }
                return true;
            };
            let line = input.split_to(end + 1);
            let line = line.trim_ascii_end();
            if outgoing.greetings > 0 && line.starts_with(b"+") {
                outgoing.greetings -= 1;
                continue;
            }
            let membership = self.membership.as_mut().expect("it has the link");
            membership.machine().migration_said(link, Words::parse_answer(line), engine.now);
            self.settle_cluster(engine);
        }
        input.clear();
        true
    }

    pub fn slot_migration_slices<'a>(&'a self, id: LinkId, slices: &mut [IoSlice<'a>]) -> usize {
        let outgoing = self.membership.as_ref().and_then(|membership| membership.mover.outgoing.get(&id));
        match outgoing.filter(|outgoing| !outgoing.output.is_empty()) {
            Some(outgoing) => {
                slices[0] = IoSlice::new(&outgoing.output);
                1
            }
            None => 0,
        }
    }

    pub fn slot_migration_written(&mut self, id: LinkId, count: usize) {
        if let Some(outgoing) = self.outgoing_mut(id) {
            outgoing.output.advance(count);
        }
    }

    /// Copies a little for each target, and reports those that have nearly everything.
    pub(super) fn copy_slice(&mut self, engine: &mut Engine) {
        if !self.mover().outgoing.values().any(Outgoing::has_work) {
            return;
        }
        // The copier has to know of all changes so far.
        self.settle(engine, None);
        let mut copied = Vec::new();
        let membership = self.membership.as_mut().expect("looked at by the caller");
        for (id, outgoing) in &mut membership.mover.outgoing {
            outgoing.copy(engine);
            self.effects.push(Effect::WakeLink(*id));
            let is_done = outgoing.copier.as_ref().is_some_and(Copier::is_done);
            if is_done && !outgoing.reported && outgoing.is_little() {
                outgoing.reported = true;
                copied.push(outgoing.link);
            }
        }
        for link in copied {
            membership.machine().migration_copied(link, engine.now);
        }
        self.settle_cluster(engine);
    }

    /// What this server's clients have changed: the part that concerns slots on their way.
    pub fn forward_to_targets(&mut self, engine: &mut Engine, stream: &[u8]) {
        let Some(membership) = self.membership.as_mut().filter(|member| member.mover.watches_stream()) else {
            return;
        };
        let mover = &mut membership.mover;
        let (mut parser, limits, mut rest) = (RequestParser::new(), Limits::default(), stream);
        let mut flushed = false;
        while let Ok(Parsed::Command { consumed }) = parser.parse(rest, &limits) {
            let args = parser.args(rest);
            let name = args.at(0).to_ascii_lowercase();
            match name.as_slice() {
                b"select" => {
                    let number = args.get(1).and_then(squall_store::parse_i64).unwrap_or(0);
                    mover.stream_db = usize::try_from(number).unwrap_or(0);
                }
                b"flushall" | b"flushdb" | b"swapdb" => flushed = true,
                b"multi" | b"exec" => {}
                _ => {
                    let request = OwnedArgs::from_args(args);
                    for outgoing in mover.outgoing.values_mut() {
                        if let Some(copier) = &mut outgoing.copier {
                            copier.forward(
                                engine,
                                mover.stream_db,
                                request.as_args(),
                                &mut outgoing.commands,
                            );
                        }
                    }
                }
            }
            rest = &rest[consumed..];
        }
        let mut slow = Vec::new();
        for (id, outgoing) in &mut mover.outgoing {
            if !outgoing.commands.is_empty() {
                outgoing.pack();
                self.effects.push(Effect::WakeLink(*id));
            }
            if outgoing.output.len() > CHANGES_BYTES_MAX {
                slow.push(*id);
            }
        }
        if flushed && membership.machine.is_some() {
            membership.machine().dataset_replaced(engine.now);
        }
        for id in slow {
            self.effects.warning("A target of a slot migration does not keep up with the changes");
            self.effects.push(Effect::CloseLink(id));
            self.slot_migration_closed(engine, id);
        }
    }
}
