//! What each node of a cluster says of all: its CLUSTER NODES and CLUSTER INFO. Everything that is checked about a
//! cluster is checked on these, which any operator could see.

use std::collections::{BTreeMap, BTreeSet};

use squall_clock::Mono;

/// The first and the last of slots that follow one another.
pub type SlotRange = (u16, u16);
/// A node, whom it follows, its configuration epoch and its slots.
type Gist<'a> = (&'a str, Option<&'a str>, u64, &'a [SlotRange]);

/// One node's view at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct View {
    /// Its own name in the cluster.
    pub myself: String,
    pub ok: bool,
    pub current_epoch: u64,
    /// By name.
    pub members: BTreeMap<String, Member>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Member {
    /// Host and port.
    pub address: String,
    pub is_primary: bool,
    pub follows: Option<String>,
    pub is_suspected: bool,
    pub is_failed: bool,
    /// A handshake that has not come to an end, or an address that nobody knows.
    pub is_unknown: bool,
    pub epoch: u64,
    /// First and last of each range.
    pub slots: Vec<SlotRange>,
    /// Slots on their way in or out: only in a node's own line.
    pub open_slots: Vec<u16>,
}

/// A view and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sighting {
    pub at: Mono,
    pub node: String,
    pub view: View,
}

impl View {
    /// Reads CLUSTER INFO and CLUSTER NODES.
    pub fn of(info: &str, nodes: &str) -> Option<View> {
        let mut view = View::default();
        for (name, value) in info.lines().filter_map(|line| line.trim_end().split_once(':')) {
            match name {
                "cluster_state" => view.ok = value == "ok",
                "cluster_current_epoch" => view.current_epoch = value.parse().ok()?,
                _ => {}
            }
        }
        for line in nodes.lines() {
            let mut words = line.split(' ');
            let mut member = Member::default();
            let (id, address, flags) = (words.next()?, words.next()?, words.next()?);
            member.address = address.split('@').next().unwrap_or_default().to_owned();
            for flag in flags.split(',') {
                match flag {
                    "myself" => id.clone_into(&mut view.myself),
                    "master" => member.is_primary = true,
                    "fail?" => member.is_suspected = true,
                    "fail" => member.is_failed = true,
                    "handshake" | "noaddr" => member.is_unknown = true,
                    _ => {}
                }
            }
            member.follows = words.next().filter(|follows| *follows != "-").map(str::to_owned);
            // When it was asked last and answered, and whether it is connected, are for others.
            member.epoch = words.nth(2)?.parse().ok()?;
            words.next()?;
            for slots in words {
                match slots.starts_with('[') {
                    true => member.open_slots.push(open_slot(slots)?),
                    false => member.slots.push(range(slots)?),
                }
            }
            view.members.insert(id.to_owned(), member);
        }
        (!view.myself.is_empty()).then_some(view)
    }

    pub fn me(&self) -> &Member {
        &self.members[&self.myself]
    }

    pub fn owner(&self, slot: u16) -> Option<&str> {
        let owns =
            |member: &Member| member.slots.iter().any(|(first, last)| (*first..=*last).contains(&slot));
        self.members.iter().find(|(_, member)| owns(member)).map(|(id, _)| id.as_str())
    }

    pub fn slots_owned(&self) -> u64 {
        let all = self.members.values().flat_map(|member| &member.slots);
        all.map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    /// What all nodes must come to say alike: who is who's, which slots are whose, under which epochs.
    fn gist(&self) -> Vec<Gist<'_>> {
        let rows = self.members.iter().filter(|(_, member)| !member.is_unknown);
        rows.map(|(id, member)| (id.as_str(), member.follows.as_deref(), member.epoch, &member.slots[..]))
            .collect()
    }

    /// The first thing of which this view says otherwise than `others`, in words.
    pub fn difference(&self, others: &View) -> Option<String> {
        let (own, theirs) = (self.gist(), others.gist());
        let lacks = |rows: &[Gist<'_>], id: &str| rows.iter().all(|row| row.0 != id);
        if let Some((id, ..)) = own.iter().find(|row| lacks(&theirs, row.0)) {
            return Some(format!("it alone knows {}", self.members[*id].address));
        }
        if let Some((id, ..)) = theirs.iter().find(|row| lacks(&own, row.0)) {
            return Some(format!("it does not know {}", others.members[*id].address));
        }
        let (own, theirs) = own.iter().zip(&theirs).find(|(own, theirs)| own != theirs)?;
        let address = &self.members[own.0].address;
        Some(format!("of {address} it says `{}`, they say `{}`", self.told(own), others.told(theirs)))
    }

    fn told(&self, (_, follows, epoch, slots): &Gist<'_>) -> String {
        let role = match follows {
            Some(primary) => {
                format!("follows {}", self.members.get(*primary).map_or(*primary, |member| &member.address))
            }
            None => "primary".to_owned(),
        };
        let ranges: Vec<String> = slots.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        format!("{role}, epoch {epoch}, slots {}", ranges.join(" "))
    }
}

/// Slots whose owner two views name differently, or whose owner does not name itself: the names of both nodes, a slot.
pub fn owner_conflicts(views: &[Sighting]) -> Vec<(String, String, u16)> {
    let mut conflicts = Vec::new();
    for (number, one) in views.iter().enumerate() {
        for other in &views[number + 1..] {
            let differs = |slot: &u16| one.view.owner(*slot) != other.view.owner(*slot);
            if let Some(slot) = boundaries(&[one, other]).into_iter().find(differs) {
                conflicts.push((one.node.clone(), other.node.clone(), slot));
            }
        }
    }
    conflicts
}

/// Owners of one slot that ever claimed it themselves under one configuration epoch: the slot, the epoch, both names.
pub fn epoch_conflicts(views: &[Sighting]) -> Vec<(u16, u64, String, String)> {
    let mut claims: BTreeMap<u64, Vec<(&str, SlotRange)>> = BTreeMap::new();
    for sighting in views {
        let me = sighting.view.me();
        for range in me.slots.iter().filter(|_| me.is_primary) {
            let claim = (sighting.view.myself.as_str(), *range);
            let known = claims.entry(me.epoch).or_default();
            if !known.contains(&claim) {
                known.push(claim);
            }
        }
    }
    let mut conflicts = Vec::new();
    for (epoch, known) in claims {
        for (number, (one, range)) in known.iter().enumerate() {
            let shared = known[number + 1..].iter().find_map(|(other, theirs)| {
                let first = range.0.max(theirs.0);
                (one != other && first <= range.1.min(theirs.1)).then_some((first, *other))
            });
            if let Some((slot, other)) = shared {
                conflicts.push((slot, epoch, (*one).to_owned(), other.to_owned()));
            }
        }
    }
    conflicts
}

/// Views in which somebody follows itself over others: whose they are, and from where it goes round.
pub fn cycles(views: &[Sighting]) -> Vec<(String, String)> {
    let round = |view: &View, start: &str| {
        let mut at = start;
        for _ in 0..view.members.len() {
            match view.members.get(at).and_then(|member| member.follows.as_deref()) {
                None => return false,
                Some(next) => at = next,
            }
        }
        true
    };
    let goes_round = |sighting: &&Sighting| sighting.view.members.keys().any(|id| round(&sighting.view, id));
    let found = views.iter().filter(goes_round);
    found.map(|sighting| (sighting.node.clone(), sighting.view.myself.clone())).collect()
}

/// Replicas of replicas: allowed for a while, and not at rest.
pub fn chains(views: &[Sighting]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for sighting in views {
        for (id, member) in &sighting.view.members {
            let above = member.follows.as_ref().and_then(|above| sighting.view.members.get(above));
            if above.is_some_and(|above| !above.is_primary) {
                found.push((sighting.node.clone(), id.clone()));
            }
        }
    }
    found
}

/// Votes that a voter cast for two candidates in one epoch, across all its processes: the voter and the epoch.
pub fn double_votes(votes: &[crate::bus::Vote]) -> Vec<(String, u64)> {
    let mut cast: BTreeMap<(&str, u64), BTreeSet<&str>> = BTreeMap::new();
    for vote in votes {
        cast.entry((&vote.voter, vote.epoch)).or_default().insert(&vote.candidate);
    }
    let twice = cast.into_iter().filter(|(_, candidates)| candidates.len() > 1);
    twice.map(|((voter, epoch), _)| (voter.to_owned(), epoch)).collect()
}

/// Members in a view that are none of `known`: somebody got in without an operator's word.
pub fn strangers(views: &[Sighting], known: &BTreeSet<String>) -> BTreeSet<String> {
    let named = |view: &View| {
        let members = view.members.iter().filter(|(_, member)| !member.is_unknown);
        members.map(|(id, _)| id.clone()).collect::<Vec<_>>()
    };
    views.iter().flat_map(|sighting| named(&sighting.view)).filter(|id| !known.contains(id)).collect()
}

/// Slots at which some range of these views begins: who owns what changes there only.
fn boundaries(views: &[&Sighting]) -> BTreeSet<u16> {
    let members = views.iter().flat_map(|sighting| sighting.view.members.values());
    let ranges = members.flat_map(|member| &member.slots);
    let ends = ranges.flat_map(|(first, last)| {
        [*first, last.saturating_add(1).min(crate::cluster_client::SLOT_COUNT - 1)]
    });
    ends.chain([0]).collect()
}

fn range(text: &str) -> Option<SlotRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// `[100->-name]` or `[100-<-name]`.
fn open_slot(text: &str) -> Option<u16> {
    text.trim_start_matches('[').split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Vote;

    fn sighting(node: &str, myself: &str, lines: &[(&str, &str, u64, &str)]) -> Sighting {
        let nodes: String = lines
            .iter()
            .map(|(id, follows, epoch, slots)| {
                let mine = if *id == myself { "myself," } else { "" };
                let role = if *follows == "-" { "master" } else { "slave" };
                format!("{id} 10.0.0.1:6379@16379 {mine}{role} {follows} 0 0 {epoch} connected {slots}")
                    .trim_end()
                    .to_owned()
                    + "\n"
            })
            .collect();
        let view = View::of("cluster_state:ok\r\ncluster_current_epoch:7\r\n", &nodes).unwrap();
        Sighting { at: Mono(0), node: node.to_owned(), view }
    }

    #[test]
    fn cluster_nodes_is_understood() {
        let nodes = "x 10.0.0.1:6379@16379 myself,master - 0 0 3 connected 0-99 101 [7->-y]\n\
                     y 10.0.0.2:6379@16379,name slave,fail? x 0 5 3 disconnected\n";
        let view = View::of("cluster_state:fail\r\ncluster_current_epoch:9\r\n", nodes).unwrap();
        assert!(!view.ok && view.current_epoch == 9 && view.me().is_primary);
        assert_eq!(
            (view.slots_owned(), view.owner(99), view.owner(100), view.me().open_slots[0]),
            (101, Some("x"), None, 7)
        );
        let replica = &view.members["y"];
        assert!(replica.is_suspected && !replica.is_failed && replica.follows.as_deref() == Some("x"));
    }

    #[test]
    fn two_owners_of_one_slot_are_noticed() {
        let lines = [("x", "-", 1, "0-99"), ("y", "-", 2, "100-16383")];
        let moved = [("x", "-", 1, "0-98"), ("y", "-", 2, "99-16383")];
        let alike = [sighting("a", "x", &lines), sighting("b", "y", &lines)];
        assert_eq!(owner_conflicts(&alike), []);
        let apart = [sighting("a", "x", &lines), sighting("b", "y", &moved)];
        assert_eq!(owner_conflicts(&apart), [("a".to_owned(), "b".to_owned(), 99)]);
    }

    #[test]
    fn the_first_difference_of_two_views_is_told() {
        let view = |lines: &[(&str, &str, u64, &str)]| sighting("a", "x", lines).view;
        let one = view(&[("x", "-", 1, "0-99"), ("y", "x", 1, "")]);
        assert_eq!(one.difference(&one), None);
        assert_eq!(
            view(&[("x", "-", 1, "0-98"), ("y", "x", 1, "")]).difference(&one).unwrap(),
            "of 10.0.0.1:6379 it says `primary, epoch 1, slots 0-98`, they say `primary, epoch 1, slots 0-99`"
        );
        let alone = view(&[("x", "-", 1, "0-99")]);
        assert_eq!(alone.difference(&one).unwrap(), "it does not know 10.0.0.1:6379");
        assert_eq!(one.difference(&alone).unwrap(), "it alone knows 10.0.0.1:6379");
    }

    #[test]
    fn one_slot_claimed_twice_under_one_epoch_is_noticed() {
        let first = sighting("a", "x", &[("x", "-", 5, "0-99")]);
        let other_slots = sighting("b", "y", &[("y", "-", 5, "100-199")]);
        let same_slots = sighting("b", "y", &[("y", "-", 5, "99-199")]);
        let later = sighting("b", "y", &[("y", "-", 6, "0-199")]);
        assert_eq!(epoch_conflicts(&[first.clone(), other_slots, later]), []);
        assert_eq!(epoch_conflicts(&[first, same_slots]), [(99, 5, "x".to_owned(), "y".to_owned())]);
    }

    #[test]
    fn cycles_and_chains_are_noticed() {
        let fine = sighting("a", "x", &[("x", "-", 1, "0-9"), ("y", "x", 1, "")]);
        assert!(cycles(std::slice::from_ref(&fine)).is_empty() && chains(&[fine]).is_empty());
        let chain = sighting("a", "x", &[("x", "-", 1, "0-9"), ("y", "x", 1, ""), ("z", "y", 1, "")]);
        assert!(cycles(std::slice::from_ref(&chain)).is_empty() && chains(&[chain]).len() == 1);
        // Neither is in the cycle that it leads into.
        let cycle = sighting("a", "x", &[("x", "y", 1, ""), ("y", "z", 1, ""), ("z", "y", 1, "")]);
        assert_eq!(cycles(&[cycle]).len(), 1);
    }

    #[test]
    fn a_second_vote_in_an_epoch_is_noticed() {
        let vote = |voter: &str, epoch, candidate: &str| Vote {
            at: Mono(0),
            voter: voter.to_owned(),
            epoch,
            candidate: candidate.to_owned(),
        };
        let fine = [vote("x", 1, "a"), vote("y", 1, "a"), vote("x", 2, "b"), vote("x", 1, "a")];
        assert_eq!(double_votes(&fine), []);
        assert_eq!(double_votes(&[vote("x", 1, "a"), vote("x", 1, "b")]), [("x".to_owned(), 1)]);
    }

    #[test]
    fn a_stranger_is_noticed() {
        let known: BTreeSet<String> = ["x".to_owned(), "y".to_owned()].into();
        let views = [sighting("a", "x", &[("x", "-", 1, "0-9"), ("y", "x", 1, "")])];
        assert!(strangers(&views, &known).is_empty());
        let mixed = [sighting("a", "x", &[("x", "-", 1, "0-9"), ("q", "-", 1, "")])];
        assert_eq!(strangers(&mixed, &known).into_iter().collect::<Vec<_>>(), ["q"]);
    }
}
