//! Replication, mediated: the protocol machines of `squall-replication` decide, the engine executes, and
//! this folder carries bytes and facts between them. It also answers the commands about replication.

use std::io::IoSlice;

use bytes::{Bytes, BytesMut};
use squall_clock::{Mono, Nanos};
use squall_commands::{ClientId, CommandError, CommandResult, Engine, Session};
use squall_resp::{Args, Reply};
use squall_store::rdb::{Aux, Loaded};

use crate::effect::{Effects, LinkId};
use crate::persistence::Persistence;
use crate::services::Services;

pub(crate) struct Replication {
    offset: u64,
}

/// What a snapshot's header says of the history that it belongs to.
pub(crate) fn snapshot_aux(engine: &Engine) -> Aux {
    let _ = engine;
    Aux::default()
}

pub(crate) fn link_data(engine: &mut Engine, services: &mut Services, id: LinkId, input: &mut BytesMut) {
    let _ = (engine, services, id);
    input.clear();
}

pub(crate) fn replconf(
    engine: &mut Engine,
    services: &mut Services,
    session: &mut Session,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let _ = (engine, services, session, args);
    reply.ok();
    Ok(())
}

impl Replication {
    pub fn new(_: &Engine) -> Replication {
        Replication { offset: 0 }
    }
    /// The dataset is loaded: clients may come, and a configured primary is followed.
    pub fn start(&mut self, _: &mut Engine, _: &mut Effects) {}
    /// Takes up the history that the loaded file belongs to.
    pub fn restore(&mut self, _: &mut Engine, _: Option<&Loaded>) {}
    /// The offset of the stream after everything that was fed.
    pub fn offset(&self) -> u64 {
        self.offset
    }
    pub fn feed(&mut self, _: &mut Engine, _: &mut Effects, stream: Bytes) {
        self.offset += stream.len() as u64;
    }
    pub fn next_timeout(&self) -> Option<Mono> {
        None
    }
    pub fn timeout(&mut self, _: &mut Engine, _: &mut Persistence, _: &mut Effects) {}
    pub fn client_closed(&mut self, _: &mut Engine, _: &mut Effects, _: ClientId) {}
    pub fn output_slices<'a>(&'a self, _: ClientId, _: &mut [IoSlice<'a>]) -> usize {
        0
    }
    pub fn output_written(&mut self, _: &mut Engine, _: &mut Effects, _: ClientId, _: usize) {}
    pub fn link_opened(&mut self, _: &mut Engine, _: &mut Effects, _: LinkId, _: String) {}
    pub fn link_closed(&mut self, _: &mut Engine, _: &mut Effects, _: LinkId, _: &str) {}
    pub fn link_output_slices<'a>(&'a self, _: LinkId, _: &mut [IoSlice<'a>]) -> usize {
        0
    }
    pub fn link_output_written(&mut self, _: LinkId, _: usize) {}
    pub fn replica_of(
        &mut self,
        _: &mut Engine,
        _: &mut Effects,
        _: Option<(String, u16)>,
        _: &mut Reply<'_>,
    ) -> CommandResult {
        Err(CommandError::line("ERR replication is not wired yet"))
    }
    pub fn psync(
        &mut self,
        _: &mut Engine,
        _: &mut Effects,
        _: &mut Session,
        _: Args<'_>,
        _: &mut Reply<'_>,
    ) -> CommandResult {
        Err(CommandError::line("ERR replication is not wired yet"))
    }
    pub fn wait(
        &mut self,
        _: &mut Engine,
        _: &mut Effects,
        _: &mut Session,
        _: u64,
        _: Option<Nanos>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        reply.integer(0);
        Ok(())
    }
    pub fn unblock(&mut self, _: &mut Engine, _: &mut Effects, _: ClientId, _: bool) -> bool {
        false
    }
    pub fn role(&self, _: &Engine, _: &mut Reply<'_>) {}
    pub fn info(&self, _: &Engine, _: &mut String) {}
    pub fn config_changed(&mut self, _: &mut Engine, _: &mut Effects, _: &str) {}
    pub fn change_id(&mut self, _: &mut Engine) {}
    /// True when every replica has acknowledged everything.
    pub fn replicas_are_in_step(&self) -> bool {
        true
    }
    /// Ends full synchronisations under way: the snapshot cursor is needed.
    pub fn abort_transfers(&mut self, _: &mut Engine, _: &mut Effects) {}
}
