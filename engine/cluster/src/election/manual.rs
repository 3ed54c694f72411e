//! The replica's part in an operator's hand-over. It asks its primary to hold its clients back; the primary
//! says at which offset it stands still; when the replica is there, it asks for votes, and nothing is lost.
//! FORCE does without the primary, TAKEOVER without the votes too.

use squall_clock::Mono;

use crate::cluster::Cluster;
use crate::durability::Deferred;
use crate::event::Severity;
use crate::turns::Turn;
use crate::wire::{Body, Header};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailoverKind {
    /// With the primary's help.
    Agreed,
    Force,
    Takeover,
}

#[derive(Clone, Debug)]
pub(crate) struct ManualFailover {
    /// Nothing is begun or won after that.
    pub until: Mono,
    /// Where the primary stands still.
    offset: Option<u64>,
    pub may_begin: bool,
}

impl Cluster {
    /// CLUSTER FAILOVER. The same order twice is one order.
    pub fn failover(&mut self, kind: FailoverKind, now: squall_clock::Now) -> Result<(), &'static str> {
        self.now = now;
        let Some(primary) = self.nodes.me().primary else {
            return Err("ERR You should send CLUSTER FAILOVER to a replica");
        };
        let Some(node) = self.nodes.get(primary) else {
            return Err("ERR I'm a replica but my master is unknown to me");
        };
        if kind == FailoverKind::Agreed && (node.is_failed() || !node.link_is_open) {
            return Err("ERR Master is down or failed, please use CLUSTER FAILOVER FORCE");
        }
        let begin_at_once = kind == FailoverKind::Force;
        if kind == FailoverKind::Takeover {
            self.took(Turn::TookOver);
            self.log(Severity::Notice, "Taking over the master (user request).");
            self.current_epoch = self.current_epoch.next();
            self.take_over(primary, self.current_epoch);
        } else if let Some(manual) = self.manual.as_mut() {
            manual.may_begin |= begin_at_once;
        } else {
            self.took(if begin_at_once { Turn::HandOverForced } else { Turn::HandOverAsked });
            self.log(Severity::Notice, "Manual failover user request accepted.");
            self.manual = Some(ManualFailover {
                until: now.mono + self.options.hand_over_timeout,
                offset: None,
                may_begin: begin_at_once,
            });
            self.election = None;
            if let Some(header) = self.header().filter(|_| !begin_at_once) {
                self.send_to(primary, &header, &Body::ManualFailoverStart);
            }
        }
        self.tend_election();
        self.finish(false);
        Ok(())
    }

    /// At the replica: a header of the primary that stands still says where.
    pub(crate) fn note_pause(&mut self, header: &Header) {
        let from_primary = self.nodes.me().primary == Some(header.sender);
        let Some(manual) = self.manual.as_mut().filter(|_| from_primary && header.message.paused) else {
            return;
        };
        if manual.offset.is_none() {
            manual.offset = Some(header.repl_offset);
            self.log(
                Severity::Notice,
                format!(
                    "Received replication offset for paused master manual failover: {}",
                    header.repl_offset
                ),
            );
        }
        self.tend_manual_failover();
        self.tend_election();
    }

    pub(crate) fn tend_manual_failover(&mut self) {
        let now = self.now.mono;
        let Some(manual) = &mut self.manual else { return };
        if now >= manual.until {
            self.took(Turn::HandOverExpired);
            self.log(Severity::Warning, "Manual failover timed out.");
            self.manual = None;
        } else if !manual.may_begin && manual.offset.is_some_and(|offset| self.replication.offset >= offset) {
            manual.may_begin = true;
            self.took(Turn::HandOverAgreed);
            self.log(Severity::Notice, "All master replication stream processed, manual failover can start.");
        }
    }

    /// The state is durable, and then everybody hears of it.
    pub(crate) fn announce_when_durable(&mut self) {
        self.durability.defer(Deferred::Announce);
    }
}
