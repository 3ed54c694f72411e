//! WAIT and WAITAOF: clients that want to know that replicas have applied what they wrote, or that it is on
//! disks. Each waits for the place that its own last write reached, in the stream and in the log, so another's
//! acknowledgement is never taken for its own; and neither answer is ever taken for the other.

use std::collections::BTreeMap;

use squall_clock::{Mono, Nanos};
use squall_commands::server::WantedDisks;
use squall_commands::{Blocked, ClientId, CommandResult, Engine, Session};
use squall_replication::{Position, ReplOffset};
use squall_resp::Reply;

use super::Replication;
use crate::effect::{Effect, Effects};
use crate::marks::Mark;
use crate::persistence::LogPosition;

#[derive(Default)]
pub(super) struct Waiting {
    clients: BTreeMap<ClientId, Waiter>,
    /// The replicas are to be asked how far they are, once for everybody who came in this turn.
    question: bool,
    /// How far this server's log is durable.
    log_durable: Option<LogPosition>,
}

struct Waiter {
    offset: ReplOffset,
    replicas: u64,
    disks: Option<Disks>,
    deadline: Option<Mono>,
}

/// What is wanted of disks.
#[derive(Clone, Copy)]
struct Disks {
    local: bool,
    log: LogPosition,
}

/// How far a waiter's wish has come true.
#[derive(Clone, Copy)]
struct Reached {
    local: bool,
    replicas: u64,
}

impl Waiting {
    pub fn forget(&mut self, id: ClientId) {
        self.clients.remove(&id);
    }

    pub fn next_timeout(&self, now: Mono) -> Option<Mono> {
        let deadline = self.clients.values().filter_map(|waiter| waiter.deadline).min();
        if self.question { Some(now) } else { deadline }
    }

    pub fn take_question(&mut self) -> bool {
        std::mem::take(&mut self.question)
    }
}

impl Replication {
    /// Has the replicas say how far they are, soon rather than in their own time.
    pub fn ask_replicas(&mut self) {
        self.waiting.question = true;
    }

    /// Whether every replica that is in step has acknowledged the stream so far.
    pub fn has_reached_all(&self, offset: u64) -> bool {
        self.primary.acknowledged_by(ReplOffset(offset)) >= self.primary.online().count()
    }

    /// `WAIT`, on a primary.
    pub fn wait(
        &mut self,
        engine: &Engine,
        session: &mut Session,
        replicas: u64,
        timeout: Option<Nanos>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        self.wait_as(engine, session, replicas, None, timeout, reply)
    }

    /// `WAITAOF`, on a primary.
    pub fn wait_for_disks(
        &mut self,
        engine: &Engine,
        session: &mut Session,
        wanted: WantedDisks,
        timeout: Option<Nanos>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        let disks = Disks { local: wanted.local, log: LogPosition(session.last_write_log) };
        self.wait_as(engine, session, wanted.replicas, Some(disks), timeout, reply)
    }

    fn wait_as(
        &mut self,
        engine: &Engine,
        session: &mut Session,
        replicas: u64,
        disks: Option<Disks>,
        timeout: Option<Nanos>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        assert!(self.following.is_none(), "a replica has refused to wait");
        let offset = ReplOffset(session.last_write_offset);
        let deadline = timeout.map(|timeout| engine.now.mono + timeout);
        let waiter = Waiter { offset, replicas, disks, deadline };
        let reached = self.reached(&waiter);
        if waiter.is_satisfied(reached) || session.deny_blocking {
            waiter.answer(reached, reply);
            return Ok(());
        }
        session.blocked = Some(Blocked::Wait { offset: offset.0, replicas, deadline });
        self.waiting.clients.insert(session.id, waiter);
        self.waiting.question = true;
        Ok(())
    }

    /// The log has come so far on the disk: those who wait for it are told, and this server's primary.
    pub fn log_reached(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        durable: Option<LogPosition>,
        position: Option<Position>,
    ) {
        let history = self.primary.history().id;
        if let Some(following) = &mut self.following {
            let offset = position.filter(|position| position.id == history).map(|position| position.offset);
            following.machine.log_is_durable(offset, engine.now.mono);
        }
        if std::mem::replace(&mut self.waiting.log_durable, durable) != durable {
            self.answer_satisfied(engine, effects);
        }
    }

    /// `CLIENT UNBLOCK`. False where the client does not wait.
    pub fn unblock(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        id: ClientId,
        with_error: bool,
    ) -> bool {
        let Some(waiter) = self.waiting.clients.remove(&id) else { return false };
        let reached = self.reached(&waiter);
        answer(engine, effects, id, |reply| match with_error {
            true => reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
            false => waiter.answer(reached, reply),
        });
        true
    }

    /// Answers those whose wish has come true.
    pub(super) fn answer_satisfied(&mut self, engine: &mut Engine, effects: &mut Effects) {
        self.answer_where(engine, effects, Waiter::is_satisfied);
    }

    /// Answers those whose time is over, too.
    pub(super) fn answer_overdue(&mut self, engine: &mut Engine, effects: &mut Effects) {
        let now = engine.now.mono;
        self.answer_where(engine, effects, |waiter, reached| {
            waiter.is_satisfied(reached) || waiter.deadline.is_some_and(|deadline| deadline <= now)
        });
    }

    /// The stream is no longer this server's: nobody can be told anything about it.
    pub(super) fn unblock_everyone(&mut self, engine: &mut Engine, effects: &mut Effects) {
        for (id, _) in std::mem::take(&mut self.waiting.clients) {
            effects.mark(Mark::WaitUnblocked);
            answer(engine, effects, id, |reply| reply.error(ROLE_CHANGED));
        }
    }

    fn answer_where(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        is_answered: impl Fn(&Waiter, Reached) -> bool,
    ) {
        let mut waiting = std::mem::take(&mut self.waiting.clients);
        // Many wait for the same place; the replicas are counted once for each.
        let mut counted: BTreeMap<(ReplOffset, bool), u64> = BTreeMap::new();
        waiting.retain(|id, waiter| {
            let replicas = *counted
                .entry((waiter.offset, waiter.disks.is_some()))
                .or_insert_with(|| self.count_replicas(waiter));
            let reached = Reached { local: self.is_logged(waiter), replicas };
            let answered = is_answered(waiter, reached);
            if answered {
                let in_time = waiter.is_satisfied(reached);
                effects.mark(if in_time { Mark::WaitAnswered } else { Mark::WaitExpired });
                answer(engine, effects, *id, |reply| waiter.answer(reached, reply));
            }
            !answered
        });
        self.waiting.clients = waiting;
    }

    fn reached(&self, waiter: &Waiter) -> Reached {
        Reached { local: self.is_logged(waiter), replicas: self.count_replicas(waiter) }
    }

    fn is_logged(&self, waiter: &Waiter) -> bool {
        waiter.disks.is_some_and(|disks| self.waiting.log_durable.is_some_and(|durable| durable >= disks.log))
    }

    fn count_replicas(&self, waiter: &Waiter) -> u64 {
        let count = match waiter.disks {
            Some(_) => self.primary.durable_at(waiter.offset),
            None => self.primary.acknowledged_by(waiter.offset),
        };
        count as u64
    }
}

impl Waiter {
    fn is_satisfied(&self, reached: Reached) -> bool {
        let local = self.disks.is_none_or(|disks| reached.local || !disks.local);
        local && reached.replicas >= self.replicas
    }

    fn answer(&self, reached: Reached, reply: &mut Reply<'_>) {
        if self.disks.is_some() {
            reply.array(2);
            reply.integer(i64::from(reached.local));
        }
        reply.integer(reached.replicas as i64);
    }
}

/// Writes the answer that a waiting session has been waiting for, and lets it go on.
fn answer(engine: &mut Engine, effects: &mut Effects, id: ClientId, write: impl FnOnce(&mut Reply<'_>)) {
    let Some(client) = engine.clients.get_mut(id) else { return };
    client.session.blocked = None;
    write(&mut Reply::new(&mut client.output, client.session.protocol));
    effects.push(Effect::WakeClient(id));
}

const ROLE_CHANGED: &str =
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
