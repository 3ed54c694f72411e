//! FAILOVER: a primary hands its role to one of its replicas and loses no write over it.
//!
//! ```text
//!   none --FAILOVER--> waiting for a replica in step --> handed over: PSYNC ... FAILOVER --taken--> its replica
//!    ^                        | timeout, ABORT                    | declined, ABORT
//!    +------------------------+-----------------------------------+
//! ```
//!
//! From the order to its end clients' writes are held back rather than refused, so that nobody is sent to and
//! fro between two servers that both say that they are no primary; PING does not lengthen the stream either.
//! What the target is asked for is thus exactly what it has. An order that fails gives the role back, under a
//! new replication id, since nobody knows what the other side made of the old one.

use squall_clock::{Mono, Nanos};
use squall_commands::server::FailoverRequest;
use squall_commands::{CommandError, CommandResult, Engine};
use squall_replication::Address;
use squall_resp::Reply;

use super::following::Intent;
use super::{Replication, RoleChange};
use crate::effect::Effects;
use crate::marks::Mark;

pub(super) enum Failover {
    /// Until the target, or any replica where none is named, has applied all there is.
    WaitingForSync { target: Option<Address>, deadline: Option<Mono>, force: bool },
    /// This server is a replica of the one that it has asked to take over, and has no answer yet.
    InProgress,
}

impl Failover {
    /// INFO's `master_failover_state`.
    fn name(&self) -> &'static str {
        match self {
            Failover::WaitingForSync { .. } => "waiting-for-sync",
            Failover::InProgress => "failover-in-progress",
        }
    }
}

impl Replication {
    /// `FAILOVER`.
    pub fn failover(
        &mut self,
        engine: &mut Engine,
        effects: &mut Effects,
        request: FailoverRequest,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        let (target, timeout, force) = match request {
            FailoverRequest::Abort if self.failover.is_none() => {
                return Err(CommandError::line("ERR No failover in progress."));
            }
            FailoverRequest::Abort => {
                self.end_failover(engine, effects, "manually aborted");
                reply.ok();
                return Ok(());
            }
            FailoverRequest::Begin { target, timeout, force } => (target, timeout, force),
        };
        let target = self.target_of_failover(engine, target, timeout, force)?;
        let named = target.as_ref().map_or("any replica".to_owned(), Address::to_string);
        effects.notice(format!("FAILOVER requested to {named}."));
        let deadline = timeout.map(|timeout| engine.now.mono + timeout);
        self.failover = Some(Failover::WaitingForSync { target, deadline, force });
        self.primary.keep_quiet(true);
        self.decide_on_writes(engine);
        reply.ok();
        Ok(())
    }

    pub fn failover_state(&self) -> &'static str {
        self.failover.as_ref().map_or("no-failover", Failover::name)
    }

    pub(super) fn next_failover_timeout(&self, now: Mono) -> Option<Mono> {
        match self.failover.as_ref()? {
            Failover::WaitingForSync { target, .. }
                if self.in_step_for_failover(target.as_ref()).is_some() =>
            {
                Some(now)
            }
            Failover::WaitingForSync { deadline, .. } => *deadline,
            Failover::InProgress => None,
        }
    }

    /// Hands over as soon as somebody is in step, or when the time is over; not while a request runs.
    pub(super) fn advance_failover(&mut self, engine: &mut Engine, effects: &mut Effects) {
        let Some(Failover::WaitingForSync { target, deadline, force }) = &self.failover else { return };
        let is_over = deadline.is_some_and(|deadline| deadline <= engine.now.mono);
        match (self.in_step_for_failover(target.as_ref()), target.clone(), *force) {
            (Some(successor), ..) => self.hand_over(engine, effects, successor),
            (None, Some(target), true) if is_over => {
                effects.notice(format!("FAILOVER to {target}: its time is over, and it is forced."));
                self.hand_over(engine, effects, target);
            }
            (None, ..) if is_over => {
                self.end_failover(engine, effects, "no replica was in step within the time");
            }
            (None, ..) => {}
        }
    }

    /// The successor is a primary, and this server an ordinary replica of it.
    pub(super) fn failover_taken(&mut self, engine: &mut Engine, effects: &mut Effects) {
        effects.mark(Mark::FailedOver);
        effects.notice("FAILOVER: the role has been taken over.");
        self.failover = None;
        self.primary.keep_quiet(false);
        self.decide_on_writes(engine);
    }

    /// Gives up: the role stays here, or comes back.
    pub(super) fn end_failover(&mut self, engine: &mut Engine, effects: &mut Effects, reason: &str) {
        let Some(failover) = self.failover.take() else { return };
        effects.mark(Mark::FailoverEnded);
        effects.warning(format!("FAILOVER aborted: {reason}"));
        self.primary.keep_quiet(false);
        self.decide_on_writes(engine);
        if matches!(failover, Failover::InProgress) {
            self.role_change = Some(RoleChange::Promote);
            self.change_role(engine, effects);
        }
    }

    fn hand_over(&mut self, engine: &mut Engine, effects: &mut Effects, successor: Address) {
        effects.notice(format!("FAILOVER to {successor}: asking it to take over."));
        let Address { host, port } = successor;
        self.failover = Some(Failover::InProgress);
        engine.config.replicaof = Some((host.clone(), port));
        self.follow(engine, effects, host, port, Intent::HandOver);
    }

    fn in_step_for_failover(&self, target: Option<&Address>) -> Option<Address> {
        let fits = |address: &&Address| target.is_none_or(|target| *target == **address);
        self.primary.in_step().find(fits).cloned()
    }

    fn target_of_failover(
        &self,
        engine: &Engine,
        target: Option<(String, i64)>,
        timeout: Option<Nanos>,
        force: bool,
    ) -> Result<Option<Address>, CommandError> {
        let refuse = |text: &'static str| Err(CommandError::line(text));
        if self.failover.is_some() {
            return refuse("ERR FAILOVER already in progress.");
        }
        if self.following.is_some() {
            return refuse("ERR FAILOVER is not valid when server is a replica.");
        }
        let replicas: Vec<_> = self.primary.replicas(engine.now.mono).map(|(_, facts)| facts).collect();
        if replicas.is_empty() {
            return refuse("ERR FAILOVER requires connected replicas.");
        }
        if force && (timeout.is_none() || target.is_none()) {
            return refuse("ERR FAILOVER with force option requires both a timeout and target HOST and IP.");
        }
        let Some((host, port)) = target else { return Ok(None) };
        let is_meant = |address: &Address| address.host == host && i64::from(address.port) == port;
        match replicas.into_iter().find(|facts| is_meant(&facts.address)) {
            None => refuse("ERR FAILOVER target HOST and PORT is not a replica."),
            Some(facts) if facts.state != "online" => refuse("ERR FAILOVER target replica is not online."),
            Some(facts) => Ok(Some(facts.address)),
        }
    }
}
