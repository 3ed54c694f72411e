//! What is shown of a migration while it runs and for a while after: CLUSTER GETSLOTMIGRATIONS and CLUSTER
//! MIGRATION STATUS.

use std::collections::VecDeque;

use squall_clock::{Mono, Now};

use crate::slots::SlotSet;
use crate::{JobName, NodeId};

/// How many migrations are remembered, whatever is configured.
const HISTORY_MAX: usize = 1_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    Export,
    Import,
}

/// Where a migration is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum JobState {
    /// Nobody is connected at present; another attempt will follow.
    Waiting,
    Connecting,
    Establishing,
    /// The target deletes what it had of the slots.
    Cleaning,
    Copying,
    /// Requests for the slots wait.
    HandingOver,
    /// The slots are granted, and perhaps taken.
    Granted,
    Success,
    Failed,
    Cancelled,
}

impl JobState {
    pub fn is_over(self) -> bool {
        self >= JobState::Success
    }

    pub fn name(self) -> &'static str {
        match self {
            JobState::Waiting => "waiting",
            JobState::Connecting => "connecting",
            JobState::Establishing => "establishing",
            JobState::Cleaning => "cleaning",
            JobState::Copying => "snapshotting",
            JobState::HandingOver => "pausing",
            JobState::Granted => "failover-granted",
            JobState::Success => "success",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobFacts {
    pub name: JobName,
    pub operation: Operation,
    pub slots: SlotSet,
    pub source: NodeId,
    pub target: NodeId,
    pub state: JobState,
    pub created: Now,
    pub updated: Now,
    /// When the other end was last heard.
    pub heard: Now,
    pub message: String,
    /// How often it was begun anew.
    pub retries: u64,
    /// How long requests have waited for it.
    pub paused_ms: u64,
}

impl JobFacts {
    pub fn begun(
        name: JobName,
        operation: Operation,
        slots: SlotSet,
        source: NodeId,
        target: NodeId,
        now: Now,
    ) -> JobFacts {
        JobFacts {
            name,
            operation,
            slots,
            source,
            target,
            state: JobState::Waiting,
            created: now,
            updated: now,
            heard: now,
            message: String::new(),
            retries: 0,
            paused_ms: 0,
        }
    }

    pub fn enter(&mut self, state: JobState, now: Now) {
        self.state = state;
        self.updated = now;
    }

    pub fn waited(&mut self, since: Mono, now: Now) {
        self.paused_ms += now.mono.since(since).as_millis();
    }
}

/// Migrations that are over: the oldest is forgotten first.
#[derive(Default)]
pub(super) struct History {
    jobs: VecDeque<JobFacts>,
}

impl History {
    pub fn keep(&mut self, facts: JobFacts) {
        self.jobs.push_back(facts);
        if self.jobs.len() > HISTORY_MAX {
            self.jobs.pop_front();
        }
    }

    /// The newest, at most so many, oldest first.
    pub fn newest(&self, count_max: usize) -> impl Iterator<Item = &JobFacts> {
        self.jobs.iter().skip(self.jobs.len().saturating_sub(count_max))
    }
}
