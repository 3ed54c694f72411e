//! The way out, in order: no new requests; replicas get `shutdown-timeout` to catch up; where FAILOVER was said, a
//! replica takes this primary's place in the cluster; a last save where one is wanted; the rest of the append-only
//! file, to the disk; exit. A failed save stops the shutdown unless it was forced: the data would be gone. So do slots
//! that would be without a server, where SAFE was said.

use squall_clock::{Mono, Nanos};
use squall_commands::{ClientId, Engine, ShutdownOptions};

use crate::effect::Effect;
use crate::persistence::SaveFor;
use crate::services::Services;

/// The end is one after which the process is to begin anew (`DEBUG RESTART`, `DEBUG CRASH-AND-RECOVER`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restart {
    pub delay: Nanos,
    /// Nothing is lost, the configuration in force neither.
    pub is_orderly: bool,
}

/// The process's status then: whoever supervises it, and knows no more, starts it again as after a fault.
const RESTART_STATUS: i32 = 75;

pub(crate) struct Shutdown {
    options: ShutdownOptions,
    /// Who sent SHUTDOWN, to be told if it fails; none for a signal.
    client: Option<ClientId>,
    restart: Option<Restart>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The request that asked for it is not over.
    Asked,
    /// Until replicas have acknowledged everything, or the deadline.
    WaitingForReplicas {
        deadline: Mono,
    },
    /// Until a replica has taken this primary's place, or it is known that none does.
    HandingOver {
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
    services.effects.warning("User requested shutdown...");
    services.shutdown = Some(Shutdown { options, client, restart: None, stage: Stage::Asked });
    if client.is_none() {
        advance(engine, services);
    }
}

/// `DEBUG RESTART`, and `CRASH-AND-RECOVER`, which is not orderly: what was not written by now is lost.
pub(crate) fn restart(engine: &mut Engine, services: &mut Services, wanted: Restart, client: ClientId) {
    if !wanted.is_orderly {
        return exit(services, Some(wanted));
    }
    begin(engine, services, ShutdownOptions::default(), Some(client));
    services.shutdown.as_mut().expect("it has begun").restart = Some(wanted);
}

/// Takes whatever steps are possible now.
pub(crate) fn advance(engine: &mut Engine, services: &mut Services) {
    let Some(shutdown) = &services.shutdown else { return };
    let (now, options, restart) = (engine.now.mono, shutdown.options, shutdown.restart);
    match shutdown.stage {
        Stage::Asked => {
            let patience = if options.now { 0 } else { engine.config.shutdown_timeout_seconds };
            services.replication.ask_replicas();
            set_stage(services, Stage::WaitingForReplicas { deadline: now + Nanos::from_secs(patience) });
            advance(engine, services);
        }
        Stage::WaitingForReplicas { deadline } => {
            if now < deadline && !services.replication.replicas_are_in_step(engine) {
                return;
            }
            if !options.failover || !services.serves_slots() || services.replication.replicas_online() == 0 {
                return save(engine, services, options);
            }
            services.effects.notice("A replica is asked to take over.");
            let patience = Nanos::from_millis(u64::from(engine.config.cluster_manual_failover_timeout_ms));
            set_stage(services, Stage::HandingOver { deadline: now + patience });
            services.resign(engine);
        }
        Stage::HandingOver { deadline } => match services.is_handing_over() {
            _ if !services.serves_slots() => save(engine, services, options),
            true => {}
            // The bus may not have known of the replica yet, or have lost what it was told.
            false if now < deadline => services.resign(engine),
            false => save(engine, services, options),
        },
        Stage::SyncingLog if services.persistence.log.is_durable() => exit(services, restart),
        Stage::Saving | Stage::SyncingLog | Stage::Exiting => {}
    }
}

fn save(engine: &mut Engine, services: &mut Services, options: ShutdownOptions) {
    if options.failover && services.serves_slots() {
        services.effects.warning("No replica has taken over: this node's slots will be without a server");
        if options.safe && !options.force {
            return refuse(engine, services, "this node serves slots, and SAFE was asked for");
        }
    }
    if services.persistence.log.is_beginning() && !engine.loading && !options.force {
        return refuse(engine, services, "the first base of the append-only file is being written");
    }
    let is_wanted = options.save.unwrap_or(!engine.config.save.is_empty());
    services.persistence.abort_saving(engine, &mut services.effects);
    if !is_wanted || engine.loading {
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
    /// SAFE was asked for, and slots would be without a server. Where they are to be handed over, that is seen after it.
    pub fn must_stay(&mut self, options: ShutdownOptions) -> bool {
        let must_stay = options.safe && !options.force && !options.failover && self.serves_slots();
        if must_stay {
            self.effects.warning("Can't exit: this node serves slots, and SAFE was asked for");
        }
        must_stay
    }

    pub fn shutdown_deadline(&self, now: Mono) -> Option<Mono> {
        match self.shutdown.as_ref()?.stage {
            Stage::Asked => Some(now),
            Stage::WaitingForReplicas { deadline } => Some(deadline),
            // Beyond it the cluster's own deadlines count.
            Stage::HandingOver { deadline } => Some(deadline).filter(|&deadline| deadline > now),
            Stage::Saving | Stage::SyncingLog | Stage::Exiting => None,
        }
    }
}

fn sync_log(engine: &mut Engine, services: &mut Services) {
    set_stage(services, Stage::SyncingLog);
    services.persistence.log.sync_for_good();
    advance(engine, services);
}

fn exit(services: &mut Services, restart: Option<Restart>) {
    set_stage(services, Stage::Exiting);
    services.restart = restart;
    services.effects.warning(match restart {
        None => "Squall is now ready to exit, bye bye...",
        Some(_) => "Squall begins anew",
    });
    services.effects.push(Effect::Exit { status: if restart.is_some() { RESTART_STATUS } else { 0 } });
}

fn set_stage(services: &mut Services, stage: Stage) {
    if let Some(shutdown) = &mut services.shutdown {
        shutdown.stage = stage;
    }
}
