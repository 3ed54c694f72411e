//! MIGRATE's other half: a connection to the other server, the keys over it, its answers, line by line.

use std::collections::BTreeMap;
use std::io::IoSlice;

use bytes::{Buf, BytesMut};
use squall_clock::Mono;
use squall_commands::generic::Migration;
use squall_commands::session::Blocked;
use squall_commands::{ClientId, Engine, Role, Session};

use crate::effect::{Effect, LinkId};
use crate::services::Services;

/// A line of an answer is no longer.
const LINE_BYTES_MAX: usize = 64 * 1024;

#[derive(Default)]
pub(crate) struct Migrations {
    running: BTreeMap<LinkId, Running>,
}

struct Running {
    client: ClientId,
    migration: Migration,
    deadline: Mono,
    is_open: bool,
    /// How many answers have come.
    answers: usize,
    arrived: Vec<bool>,
    /// The first answer that was an error.
    refusal: Option<String>,
}

impl Migrations {
    pub fn next_timeout(&self) -> Option<Mono> {
        self.running.values().map(|running| running.deadline).min()
    }

    pub fn owns(&self, id: LinkId) -> bool {
        self.running.contains_key(&id)
    }

    pub fn output_slices<'a>(&'a self, id: LinkId, slices: &mut [IoSlice<'a>]) -> usize {
        match self.running.get(&id) {
            Some(running) if !running.migration.request.is_empty() => {
                slices[0] = IoSlice::new(&running.migration.request);
                1
            }
            _ => 0,
        }
    }

    pub fn output_written(&mut self, id: LinkId, count: usize) {
        if let Some(running) = self.running.get_mut(&id) {
            running.migration.request.advance(count);
        }
    }
}

impl Services {
    pub fn start_migration(&mut self, engine: &Engine, session: &mut Session, migration: Migration) {
        let link = self.effects.next_link();
        let (host, port) = (migration.host.clone(), migration.port);
        let secured = engine.config.tls_cluster;
        self.effects.push(Effect::Connect { link, host, port, source: None, secured });
        session.blocked = Some(Blocked::Disk);
        let running = Running {
            client: session.id,
            deadline: engine.now.mono + migration.timeout,
            is_open: false,
            answers: 0,
            arrived: vec![false; migration.keys.len()],
            refusal: None,
            migration,
        };
        self.migrations.running.insert(link, running);
    }

    pub fn migration_opened(&mut self, id: LinkId) -> bool {
        let Some(running) = self.migrations.running.get_mut(&id) else { return false };
        running.is_open = true;
        self.effects.push(Effect::WakeLink(id));
        true
    }

    pub fn migration_closed(&mut self, engine: &mut Engine, id: LinkId) -> bool {
        let known = self.migrations.owns(id);
        if known {
            self.end_migration(engine, id);
        }
        known
    }

    /// Answers of the other server; false where the link is none of a migration.
    pub fn migration_data(&mut self, engine: &mut Engine, id: LinkId, input: &mut BytesMut) -> bool {
        let Some(running) = self.migrations.running.get_mut(&id) else { return false };
        let total = running.migration.preliminaries + running.migration.keys.len();
        while running.answers < total
            && let Some(end) = input.iter().position(|byte| *byte == b'\n')
        {
            let line = input.split_to(end + 1);
            let text = line.trim_ascii_end();
            match (text.split_first(), running.answers.checked_sub(running.migration.preliminaries)) {
                (Some((b'+', _)), Some(key)) => running.arrived[key] = true,
                (Some((b'+', _)), None) => {}
                (Some((b'-', error)), _) => {
                    let error = String::from_utf8_lossy(error).into_owned();
                    running.refusal.get_or_insert(error);
                }
                _ => {
                    running.refusal.get_or_insert("it is no server of this kind".to_owned());
                    running.answers = total;
                    break;
                }
            }
            running.answers += 1;
        }
        let is_over = running.answers >= total || input.len() > LINE_BYTES_MAX;
        if is_over {
            self.effects.push(Effect::CloseLink(id));
            self.end_migration(engine, id);
        }
        true
    }

    pub fn time_out_migrations(&mut self, engine: &mut Engine) {
        let now = engine.now.mono;
        let overdue = self.migrations.running.iter().filter(|(_, running)| running.deadline <= now);
        for id in overdue.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.effects.push(Effect::CloseLink(id));
            self.end_migration(engine, id);
        }
    }

    /// All answers are there, or no more will come. A key that was not confirmed stays, whatever became of
    /// it there; a server that has become a replica meanwhile deletes nothing.
    fn end_migration(&mut self, engine: &mut Engine, id: LinkId) {
        let running = self.migrations.running.remove(&id).expect("the caller has seen it");
        let Running { client, migration, is_open, answers, mut arrived, refusal, .. } = running;
        let is_complete = answers >= migration.preliminaries + migration.keys.len();
        if engine.role == Role::Replica {
            arrived.fill(false);
        }
        engine.migrated(&migration, &arrived);
        let error = match refusal {
            Some(text) => Some(format!("ERR Target instance replied with error: {text}")),
            None if !is_open => Some("IOERR error or timeout connecting to the client".to_owned()),
            None if !is_complete => Some("IOERR error or timeout reading to target instance".to_owned()),
            None => None,
        };
        self.answer(engine, client, |reply| match &error {
            None => reply.ok(),
            Some(text) => reply.error(text),
        });
        self.settle(engine, None);
    }
}
