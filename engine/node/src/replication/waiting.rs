//! WAIT: clients that want to know that replicas have applied what they wrote. Each waits for the offset
//! that its own last write reached, so another's acknowledgement is never taken for its own.

use std::collections::{BTreeMap, BTreeSet};

use squall_clock::{Mono, Nanos};
use squall_commands::{Blocked, ClientId, CommandResult, Engine, Session};
use squall_replication::ReplOffset;
use squall_resp::Reply;

use super::Replication;
use crate::effect::{Effect, Effects};
use crate::marks::Mark;

#[derive(Default)]
pub(super) struct Waiting {
    clients: BTreeMap<ClientId, Waiter>,
    /// The replicas are to be asked how far they are, once for everybody who came in this turn.
    question: bool,
}

struct Waiter {
    offset: ReplOffset,
    replicas: u64,
    deadline: Option<Mono>,
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

    /// `WAIT`, on a primary.
    pub fn wait(
        &mut self,
        engine: &Engine,
        session: &mut Session,
        replicas: u64,
        timeout: Option<Nanos>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        assert!(self.following.is_none(), "a replica has refused to wait");
        let offset = ReplOffset(session.last_write_offset);
        let reached = self.reached(offset);
        if reached >= replicas || session.deny_blocking {
            reply.integer(reached as i64);
            return Ok(());
        }
        let deadline = timeout.map(|timeout| engine.now.mono + timeout);
        session.blocked = Some(Blocked::Wait { offset: offset.0, replicas, deadline });
        self.waiting.clients.insert(session.id, Waiter { offset, replicas, deadline });
        self.waiting.question = true;
        Ok(())
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
        let reached = self.reached(waiter.offset);
        answer(engine, effects, id, |reply| match with_error {
            true => reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
            false => reply.integer(reached as i64),
        });
        true
    }

    /// Answers those whose wish has come true.
    pub(super) fn answer_satisfied(&mut self, engine: &mut Engine, effects: &mut Effects) {
        self.answer_where(engine, effects, |waiter, reached| reached >= waiter.replicas);
    }

    /// Answers those whose time is over, too.
    pub(super) fn answer_overdue(&mut self, engine: &mut Engine, effects: &mut Effects) {
        let now = engine.now.mono;
        self.answer_where(engine, effects, |waiter, reached| {
            reached >= waiter.replicas || waiter.deadline.is_some_and(|deadline| deadline <= now)
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
        is_answered: impl Fn(&Waiter, u64) -> bool,
    ) {
        let offsets: BTreeSet<ReplOffset> =
            self.waiting.clients.values().map(|waiter| waiter.offset).collect();
        let reached: BTreeMap<ReplOffset, u64> =
            offsets.into_iter().map(|offset| (offset, self.reached(offset))).collect();
        self.waiting.clients.retain(|id, waiter| {
            let reached = reached[&waiter.offset];
            let answered = is_answered(waiter, reached);
            if answered {
                effects.mark(if reached < waiter.replicas { Mark::WaitExpired } else { Mark::WaitAnswered });
                answer(engine, effects, *id, |reply| reply.integer(reached as i64));
            }
            !answered
        });
    }

    fn reached(&self, offset: ReplOffset) -> u64 {
        self.primary.acknowledged_by(offset) as u64
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
