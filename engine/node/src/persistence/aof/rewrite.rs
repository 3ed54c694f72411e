//! Writing the log anew: a base that holds the dataset as it is at one moment, and an increment that holds
//! all that comes after that moment. The moment is when the writer switches to the increment and the snapshot
//! cursor begins, in one turn; so no byte is in both or in neither.
//!
//! ```text
//! Continuing  open increment n+1 - manifest: base b, 1..n, n+1 - switch, save base b+1 - manifest: base b+1, n+1
//! Beginning   open increment n+1 -                               switch, save base b+1 - manifest: base b+1, n+1
//! Apart                                                                  save base b+1 - manifest: base b+1
//! ```
//! A crash before the last step leaves the log that was: with `Continuing` the manifest names the increment
//! before a byte of it is promised to anybody, with `Beginning` no manifest names it before its base is there.

use std::collections::VecDeque;

use squall_clock::Mono;

use super::manifest::{LogFile, Manifest};
use super::{AppendLog, FileNames};
use crate::effect::{DiskDone, DiskOp, Effects, FileId, Lane, OpenFor};
use crate::persistence::save::SaveTarget;
use crate::whole_file::Replacement;

/// What the log is before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It is written, and goes on.
    Continuing,
    /// There is none, or that of another dataset.
    Beginning,
    /// It is off, and stays so.
    Apart,
}

pub(super) struct Rewrite {
    kind: Kind,
    base: LogFile,
    as_commands: bool,
    increment: Option<(FileId, LogFile)>,
    stage: Stage,
    pub(super) started: Mono,
}

enum Stage {
    /// Operations that make the increment's name durable, one after the other.
    Preparing { ticket: u64, rest: VecDeque<DiskOp> },
    /// The manifest that names the increment is written.
    Naming(Replacement, Manifest),
    /// What was logged so far is made durable, so that the switch holds nobody up for long.
    Settling,
    /// The snapshot cursor may begin, as soon as it is free.
    Ready,
    /// The base is written.
    Saving,
    /// The manifest that names the base is written.
    Publishing(Replacement, Manifest),
}

/// What a finished request brought.
pub(super) enum Step {
    More,
    Published,
    Failed(String),
}

impl Rewrite {
    pub fn begin(
        kind: Kind,
        names: &mut FileNames,
        as_commands: bool,
        effects: &mut Effects,
        now: Mono,
    ) -> Rewrite {
        let mut rest = VecDeque::new();
        if kind != Kind::Continuing {
            rest.push_back(DiskOp::CreateDir { path: names.directory.clone() });
            rest.push_back(DiskOp::SyncDir { path: ".".to_owned() });
        }
        let increment = (kind != Kind::Apart).then(|| {
            let (file, entry) = (effects.next_file(), names.next_increment());
            let path = names.path_of(&entry);
            rest.push_back(DiskOp::Open { file, path, mode: OpenFor::Replacing });
            rest.push_back(DiskOp::SyncDir { path: names.directory.clone() });
            (file, entry)
        });
        let first = rest.pop_front().expect("every kind has something to prepare");
        Rewrite {
            kind,
            base: names.next_base(as_commands),
            as_commands,
            increment,
            stage: Stage::Preparing { ticket: effects.disk(Lane::Meta, first), rest },
            started: now,
        }
    }

    pub fn owns(&self, own: u64) -> bool {
        match &self.stage {
            Stage::Preparing { ticket, .. } => *ticket == own,
            Stage::Naming(replacement, _) | Stage::Publishing(replacement, _) => replacement.owns(own),
            Stage::Settling | Stage::Ready | Stage::Saving => false,
        }
    }

    pub fn is_apart(&self) -> bool {
        self.kind == Kind::Apart
    }

    pub fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready)
    }

    pub fn is_settling(&self) -> bool {
        matches!(self.stage, Stage::Settling)
    }

    /// What was logged is durable.
    pub fn settled(&mut self) {
        assert!(self.is_settling(), "only then it is waited for");
        self.stage = Stage::Ready;
    }

    /// The cursor begins: gives the file to write it to, and the increment to switch to.
    pub fn start_saving(
        &mut self,
        names: &FileNames,
        sync_often: bool,
    ) -> (SaveTarget, Option<(FileId, String)>) {
        assert!(self.is_ready(), "a switch is prepared");
        self.stage = Stage::Saving;
        let path = names.path_of(&self.base);
        let increment = self.increment.as_ref().map(|(file, entry)| (*file, names.path_of(entry)));
        (SaveTarget { path, as_commands: self.as_commands, sync_often }, increment)
    }

    /// The base is durable.
    pub fn publish(&mut self, names: &FileNames, manifest: &Manifest, effects: &mut Effects) {
        assert!(matches!(self.stage, Stage::Saving), "a base has been saved");
        let increment = self.increment.as_ref().map(|(_, entry)| entry.clone());
        let next = manifest.rebased(self.base.clone(), increment);
        self.stage = Stage::Publishing(names.replace_manifest(&next, effects), next);
    }

    /// A request is done. `manifest` is what the disk's one says, and follows it.
    pub fn advance(
        &mut self,
        names: &FileNames,
        manifest: &mut Manifest,
        effects: &mut Effects,
        done: DiskDone,
    ) -> Step {
        match &mut self.stage {
            Stage::Preparing { rest, ticket } => {
                if let Err(error) = done.result {
                    return Step::Failed(error.message);
                }
                if let Some(op) = rest.pop_front() {
                    *ticket = effects.disk(Lane::Meta, op);
                } else {
                    self.prepared(names, manifest, effects);
                }
                Step::More
            }
            Stage::Naming(replacement, next) => match replacement.advance(effects, done) {
                None => Step::More,
                Some(Err(error)) => Step::Failed(error.message),
                Some(Ok(())) => {
                    *manifest = std::mem::take(next);
                    self.stage = Stage::Settling;
                    Step::More
                }
            },
            Stage::Publishing(replacement, next) => match replacement.advance(effects, done) {
                None => Step::More,
                Some(Err(error)) => Step::Failed(error.message),
                Some(Ok(())) => {
                    *manifest = std::mem::take(next);
                    Step::Published
                }
            },
            Stage::Settling | Stage::Ready | Stage::Saving => unreachable!("nothing is under way"),
        }
    }

    fn prepared(&mut self, names: &FileNames, manifest: &Manifest, effects: &mut Effects) {
        self.stage = match (self.kind, &self.increment) {
            (Kind::Continuing, Some((_, entry))) => {
                let next = manifest.extended(entry.clone());
                Stage::Naming(names.replace_manifest(&next, effects), next)
            }
            _ => Stage::Ready,
        };
    }
}

impl AppendLog {
    /// Ends a rewrite that cannot be completed. What it has written is nobody's data, unless the writer has
    /// switched to its increment already.
    pub(super) fn give_up_rewrite(&mut self, effects: &mut Effects) {
        let Some(rewrite) = self.rewrite.take() else { return };
        let saving = matches!(rewrite.stage, Stage::Saving | Stage::Publishing(..));
        if let Some((file, _)) = rewrite.increment.filter(|_| !saving) {
            effects.disk(Lane::Meta, DiskOp::Close { file });
        }
        if saving && rewrite.kind == Kind::Beginning {
            // The increment is of no use without its base.
            self.stop_writing(effects);
        }
    }
}
