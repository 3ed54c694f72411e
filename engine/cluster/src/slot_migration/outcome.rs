//! What became of slots that were granted when the connection broke: the other shard asks, and this node
//! answers for its own. An answer binds it.

use super::import::{State, Then};
use super::{MigrationLink, Words};
use crate::cluster::Cluster;
use crate::slots::SlotSet;
use crate::{JobName, NodeId};

impl Cluster {
    pub(super) fn asked_for_outcome(&mut self, link: MigrationLink, asker: NodeId, slots: &SlotSet) {
        let answer = match self.nodes.me().is_primary() {
            true => self.outcome_of(asker, slots),
            false => Words::Refused("ERR I am no primary".to_owned()),
        };
        self.say(link, answer);
    }

    fn outcome_of(&mut self, asker: NodeId, slots: &SlotSet) -> Words {
        let (exports, imports) = self.jobs_about(slots);
        for name in imports {
            let import = &self.migrations.imports[&name];
            match import.state {
                State::Claiming => return later(),
                // It has granted them, or it would not ask.
                State::Asking { .. } if self.same_shard(import.source, asker) => {
                    self.claim(name);
                    return later();
                }
                _ if import.is_active() => {
                    let then =
                        if import.ordered_here { Then::TryAgain } else { Then::End(super::JobState::Failed) };
                    self.drop_copy(name, then, "the source has asked, and nothing was taken");
                }
                _ => {}
            }
        }
        for name in exports {
            let export = &self.migrations.exports[&name];
            if export.may_be_taken() {
                return match self.same_shard(export.target, asker) {
                    true => Words::Yours,
                    false => later(),
                };
            }
            self.give_up_attempt(name, "the target has asked, and nothing was granted");
        }
        match self.owner_of_all(slots) {
            Some(owner) if owner == self.my_id() => {
                Words::Owned { owner, epoch: self.nodes.me().config_epoch }
            }
            // This shard has let go of them, in favour of whom the asker has replaced.
            Some(owner) if owner != asker && self.same_shard(owner, asker) => Words::Yours,
            _ => Words::NotMine,
        }
    }

    fn jobs_about(&self, slots: &SlotSet) -> (Vec<JobName>, Vec<JobName>) {
        let overlaps = |other: &SlotSet| slots.iter().any(|slot| other.contains(slot));
        let exports = self.migrations.exports.iter().filter(|(_, export)| overlaps(&export.slots));
        let imports = self.migrations.imports.iter().filter(|(_, import)| overlaps(&import.slots));
        (exports.map(|(name, _)| *name).collect(), imports.map(|(name, _)| *name).collect())
    }
}

fn later() -> Words {
    Words::Refused("TRYAGAIN It is being decided".to_owned())
}
