//! Which dataset this is: a lineage is born with an empty server and goes wherever the data goes, with every
//! snapshot and every full synchronisation, through promotions and restarts. A server that comes back without
//! its file is a stranger by it, under whatever address; its replicas, who may hold the only copy, do not let
//! it take that away from them without an operator's word.
//!
//! A lineage travels as an auxiliary field of RDB files. Redis writes none; of such a primary only this can be
//! told: a dataset without a single key, under another replication id than the one that was followed, is that
//! of a server that began anew.
//!
//! A server that gave up its dataset for another one, on an operator's word, says so to its own replicas by naming
//! both: they follow it without another word.
//!
//! The operator's word is REPLICAOF (also to the primary that is followed already), which stands until the next
//! synchronisation; `replica-keep-dataset no` gives it for good.

use std::fmt;

use squall_commands::Engine;
use squall_replication::{Position, ReplId};
use squall_store::rdb::Loaded;

use super::fresh_id;

/// Names are made like replication ids, but never changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lineage {
    name: ReplId,
    /// What was given up here for it.
    instead_of: Option<ReplId>,
}

/// What a replica holds that a foreign dataset may not replace.
pub(super) struct Guard(Option<Held>);

struct Held {
    lineage: Option<Lineage>,
    history: Option<ReplId>,
    keys: usize,
}

/// What is to become of a dataset that comes in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Too little of it has been read.
    Undecided,
    Accepted,
    /// Why not.
    Refused(String),
}

impl Guard {
    /// `ordered`: an operator has named the primary, knowing what this server holds.
    pub fn new(engine: &Engine, lineage: Option<Lineage>, held: Option<Position>, ordered: bool) -> Guard {
        let keys = engine.keyspace.len();
        let is_guarded = keys > 0 && engine.config.replica_keep_dataset && !ordered;
        Guard(is_guarded.then(|| Held { lineage, history: held.map(|held| held.id), keys }))
    }

    /// Judges a dataset of `position` by what has been read of it. Its lineage comes before its first key.
    pub fn judge(&self, position: Position, read: &Loaded, is_complete: bool) -> Verdict {
        let Some(held) = &self.0 else { return Verdict::Accepted };
        let theirs = lineage_of(read);
        match (held.lineage, theirs) {
            (Some(own), Some(theirs)) if theirs.includes(own) => Verdict::Accepted,
            (Some(own), Some(theirs)) => {
                let why = format!("it is {}, mine is {}", theirs.name, own.name);
                Verdict::Refused(held.refusal(&why))
            }
            _ if read.keys > 0 || held.history == Some(position.id) => Verdict::Accepted,
            _ if !is_complete => Verdict::Undecided,
            _ => Verdict::Refused(held.refusal("it has no key, and a history of its own")),
        }
    }
}

impl Lineage {
    /// A dataset that is born here.
    pub fn new(name: ReplId) -> Lineage {
        Lineage { name, instead_of: None }
    }

    /// This dataset takes the place of `old`.
    pub fn replacing(self, old: Option<Lineage>) -> Lineage {
        let given_up = old.map(|old| old.name).filter(|old| *old != self.name);
        Lineage { instead_of: given_up.or(self.instead_of), ..self }
    }

    fn includes(self, other: Lineage) -> bool {
        self.name == other.name || self.instead_of == Some(other.name)
    }

    fn parse(text: &str) -> Option<Lineage> {
        let mut names = text.split(' ').map(|name| ReplId::parse(name.as_bytes()));
        Some(Lineage { name: names.next()??, instead_of: names.next().flatten() })
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.instead_of {
            Some(old) => write!(f, "{} {old}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

impl Held {
    fn refusal(&self, why: &str) -> String {
        format!(
            "its dataset is another one than mine ({why}), as after a restart without data. I keep my {} keys. \
             To take its dataset, send REPLICAOF with its address again; to lead with mine, REPLICAOF NO ONE; \
             'replica-keep-dataset no' never asks",
            self.keys
        )
    }
}

/// The lineage of what a server starts with. A file that Redis wrote gives a primary one that follows from what
/// the file says of itself, so that it is the same at each start from it. A replica's will be its primary's.
pub(super) fn of_start(engine: &mut Engine, loaded: Option<&Loaded>) -> Option<Lineage> {
    let is_primary = engine.config.replicaof.is_none();
    match loaded {
        Some(loaded) => lineage_of(loaded).or_else(|| is_primary.then(|| derived(loaded)).flatten()),
        None => is_primary.then(|| Lineage::new(fresh_id(engine))),
    }
}

fn derived(loaded: &Loaded) -> Option<Lineage> {
    let (created, memory) = (loaded.aux.created_s, loaded.aux.used_memory_bytes);
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&created.to_be_bytes());
    bytes[8..16].copy_from_slice(&memory.to_be_bytes());
    (created > 0).then(|| Lineage::new(ReplId::from_random(bytes)))
}

/// The lineage that a file belongs to, if it says so.
pub(super) fn lineage_of(read: &Loaded) -> Option<Lineage> {
    read.aux.lineage.as_deref().and_then(Lineage::parse)
}

#[cfg(test)]
mod tests {
    use squall_replication::ReplOffset;
    use squall_store::rdb::Aux;

    use super::*;

    fn id(digit: u8) -> ReplId {
        ReplId::from_random([digit; 20])
    }

    fn judge(own: Option<u8>, theirs: Option<u8>, same_history: bool, keys: u64, complete: bool) -> Verdict {
        let guard = Guard(Some(Held {
            lineage: own.map(|own| Lineage::new(id(own))),
            history: Some(id(100)),
            keys: 3,
        }));
        let position = Position { id: id(if same_history { 100 } else { 101 }), offset: ReplOffset(0) };
        let aux = Aux { lineage: theirs.map(|digit| id(digit).to_string()), ..Aux::default() };
        guard.judge(position, &Loaded { aux, keys, ..Loaded::default() }, complete)
    }

    fn refused(verdict: Verdict) -> bool {
        matches!(verdict, Verdict::Refused(_))
    }

    #[test]
    fn a_known_lineage_decides_before_the_first_key() {
        assert_eq!(judge(Some(1), Some(1), false, 0, false), Verdict::Accepted);
        assert!(refused(judge(Some(1), Some(2), false, 0, false)));
        assert!(refused(judge(Some(1), Some(2), false, 5, true)), "a few keys do not make it the same");
    }

    #[test]
    fn who_gave_up_the_same_dataset_is_followed() {
        let (one, other) = (Lineage::new(id(1)), Lineage::new(id(2)));
        let replaced = other.replacing(Some(one));
        assert_eq!(Lineage::parse(&replaced.to_string()), Some(replaced));
        assert_eq!(Lineage::parse(&one.to_string()), Some(one));
        assert!(replaced.includes(one) && replaced.includes(other) && !other.includes(one));
        assert_eq!(replaced.replacing(Some(other)), replaced, "the same dataset again");
        assert_eq!(Lineage::parse("no name"), None);
    }

    #[test]
    fn without_a_lineage_only_an_empty_stranger_is_refused() {
        for (own, theirs) in [(None, Some(2)), (Some(1), None), (None, None)] {
            assert_eq!(judge(own, theirs, false, 0, false), Verdict::Undecided);
            assert!(refused(judge(own, theirs, false, 0, true)));
            assert_eq!(judge(own, theirs, false, 1, false), Verdict::Accepted);
            assert_eq!(judge(own, theirs, true, 0, true), Verdict::Accepted, "it was flushed");
        }
    }
}
