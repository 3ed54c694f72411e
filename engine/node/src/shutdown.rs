//! The way out, in order: no new requests; replicas get `shutdown-timeout` to catch up; a last save where
//! one is wanted; the rest of the append-only file, to the disk; exit. A failed save stops the shutdown unless
//! it was forced: the data would be gone.

use squall_clock::{Mono, Nanos};
use squall_commands::{ClientId, Engine, ShutdownOptions};

use crate::effect::Effect;
use crate::persistence::SaveFor;
use crate::services::Services;

pub(crate) struct Shutdown {
    options: ShutdownOptions,
    /// Who sent SHUTDOWN, to be told if it fails; none for a signal.
    client: Option<ClientId>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Until replicas have acknowledged everything, or the deadline.
    WaitingForReplicas {
        deadline: Mono,
    },
    Saving,
    /// Until the append-only file is durable.
    SyncingLog,
    Exiting,
}

/// Starts a shutdown, or starts one that is under way anew, as another SHUTDOWN wants it.
pub(crate) fn begin(
    engine: &mut Engine,
    services: &mut Services,
    options: ShutdownOptions,
    client: Option<ClientId>,
) {
    let patience = if options.now { 0 } else { engine.config.shutdown_timeout_seconds };
    let deadline = engine.now.mono + Nanos::from_secs(patience);
    services.effects.warning("User requested shutdown...");
    services.shutdown = Some(Shutdown { options, client, stage: Stage::WaitingForReplicas { deadline } });
    services.replication.ask_replicas();
    advance(engine, services);
}

/// Takes whatever steps are possible now.
pub(crate) fn advance(engine: &mut Engine, services: &mut Services) {
    let Some(shutdown) = &services.shutdown else { return };
    if shutdown.stage == Stage::SyncingLog && services.persistence.log.is_durable() {
        return exit(services);
    }
    let Stage::WaitingForReplicas { deadline } = shutdown.stage else { return };
    if engine.now.mono < deadline && !services.replication.replicas_are_in_step(engine) {
        return;
    }
    if services.persistence.log.is_beginning() && !engine.loading && !shutdown.options.force {
        return refuse(engine, services, "the first base of the append-only file is being written");
    }
    let save = shutdown.options.save.unwrap_or(!engine.config.save.is_empty());
    services.persistence.abort_saving(engine, &mut services.effects);
    if !save || engine.loading {
        return sync_log(engine, services);
    }
    services.replication.abort_transfers(engine, &mut services.effects);
    services.effects.notice("Saving the final RDB snapshot before exiting.");
    set_stage(services, Stage::Saving);
    let aux = services.replication.snapshot_aux(engine);
    let started = services.persistence.start_saving(engine, &mut services.effects, &aux, SaveFor::Shutdown);
    if let Err(reason) = started {
        saved(engine, services, Err(reason));
    }
}

/// The last save has ended.
pub(crate) fn saved(engine: &mut Engine, services: &mut Services, result: Result<(), String>) {
    let Some(shutdown) = &services.shutdown else { return };
    if let Err(reason) = &result
        && !shutdown.options.force
    {
        return refuse(engine, services, &format!("error trying to save the DB: {reason}"));
    }
    sync_log(engine, services);
}

/// The shutdown does not take place.
fn refuse(engine: &mut Engine, services: &mut Services, reason: &str) {
    services.effects.warning(format!("Can't exit: {reason}"));
    let client = services.shutdown.take().and_then(|shutdown| shutdown.client);
    if let Some(id) = client {
        let line = "ERR Errors trying to SHUTDOWN. Check logs.";
        services.answer(engine, id, |reply| reply.error(line));
    }
    services.wake_everyone(engine);
}

/// `SHUTDOWN ABORT`. False where no shutdown was under way.
pub(crate) fn abort(engine: &mut Engine, services: &mut Services) -> bool {
    let Some(shutdown) = services.shutdown.take() else { return false };
    services.effects.notice("Shutdown manually aborted.");
    services.persistence.abort_saving(engine, &mut services.effects);
    if let Some(id) = shutdown.client {
        services.answer(engine, id, |reply| reply.error("ERR Errors trying to SHUTDOWN. Check logs."));
    }
    services.wake_everyone(engine);
    true
}

impl Services {
    pub fn shutdown_deadline(&self) -> Option<Mono> {
        match self.shutdown.as_ref()?.stage {
            Stage::WaitingForReplicas { deadline } => Some(deadline),
            Stage::Saving | Stage::SyncingLog | Stage::Exiting => None,
        }
    }
}

fn sync_log(engine: &mut Engine, services: &mut Services) {
    set_stage(services, Stage::SyncingLog);
    services.persistence.log.sync_for_good();
    advance(engine, services);
}

fn exit(services: &mut Services) {
    set_stage(services, Stage::Exiting);
    services.effects.warning("Squall is now ready to exit, bye bye...");
    services.effects.push(Effect::Exit { status: 0 });
}

fn set_stage(services: &mut Services, stage: Stage) {
    if let Some(shutdown) = &mut services.shutdown {
        shutdown.stage = stage;
    }
}
