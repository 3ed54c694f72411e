//! Where a command's keys are: here, or at another node, which the client is told. The rules are those of the
//! cluster specification: one slot per command; a slot on its way is asked for at both ends.

use std::collections::BTreeSet;

use squall_resp::Args;
use squall_store::{SLOT_COUNT, Slot, slot_of};

use crate::session::Session;
use crate::table::{Flag, Found, Row};
use crate::{CommandError, Engine};

/// What the node knows of slots, kept up to date by it.
pub struct Routing {
    /// The cluster works.
    pub ok: bool,
    owners: Box<[u16]>,
    /// `host:port` of other nodes, by their number.
    endpoints: Vec<String>,
    /// The number of the primary that this node follows.
    pub my_primary: Option<u16>,
    /// Slots that are given away, and the number of the node that gets them.
    pub migrating: Vec<(Slot, u16)>,
    pub importing: BTreeSet<Slot>,
    /// Slots whose requests wait: who serves them will be known soon.
    pub held: BTreeSet<Slot>,
    /// Slots of which a part is here that is nobody's yet: no walk over all keys shows it.
    pub hidden: BTreeSet<Slot>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotOwner {
    Nobody,
    Me,
    /// The node of that number.
    Other(u16),
}

const NOBODY: u16 = u16::MAX;
const ME: u16 = u16::MAX - 1;

impl Default for Routing {
    fn default() -> Routing {
        Routing {
            ok: false,
            owners: vec![NOBODY; SLOT_COUNT].into_boxed_slice(),
            endpoints: Vec::new(),
            my_primary: None,
            migrating: Vec::new(),
            importing: BTreeSet::new(),
            held: BTreeSet::new(),
            hidden: BTreeSet::new(),
        }
    }
}

impl Routing {
    /// Makes a node known, and numbers it.
    pub fn add_endpoint(&mut self, endpoint: String) -> u16 {
        self.endpoints.push(endpoint);
        u16::try_from(self.endpoints.len() - 1).expect("fewer nodes than slots")
    }

    pub fn set_owner(&mut self, slot: Slot, owner: SlotOwner) {
        self.owners[slot.index()] = match owner {
            SlotOwner::Nobody => NOBODY,
            SlotOwner::Me => ME,
            SlotOwner::Other(number) => number,
        };
    }

    /// The slots that `before` serves here and this no longer does.
    pub fn lost_since(&self, before: &Routing) -> Vec<Slot> {
        let was_mine = |slot: &Slot| before.owner(*slot) == SlotOwner::Me;
        let slots = (0..SLOT_COUNT as u64).filter_map(Slot::checked);
        slots.filter(|slot| was_mine(slot) && self.owner(*slot) != SlotOwner::Me).collect()
    }

    /// Slots whose channels were those of this node's shard then, and are not now.
    pub fn silenced_since(&self, before: &Routing) -> Vec<Slot> {
        let slots = (0..SLOT_COUNT as u64).filter_map(Slot::checked);
        slots.filter(|slot| before.is_of_shard(*slot) && !self.is_of_shard(*slot)).collect()
    }

    /// This node's own, or its primary's.
    fn is_of_shard(&self, slot: Slot) -> bool {
        match self.owner(slot) {
            SlotOwner::Me => true,
            SlotOwner::Other(number) => self.my_primary == Some(number),
            SlotOwner::Nobody => false,
        }
    }

    pub fn owner(&self, slot: Slot) -> SlotOwner {
        match self.owners[slot.index()] {
            NOBODY => SlotOwner::Nobody,
            ME => SlotOwner::Me,
            number => SlotOwner::Other(number),
        }
    }

    fn migrating_to(&self, slot: Slot) -> Option<u16> {
        self.migrating.iter().find(|(migrating, _)| *migrating == slot).map(|(_, to)| *to)
    }

    fn redirection(&self, word: &str, slot: Slot, to: u16) -> CommandError {
        CommandError::line(format!("{word} {} {}", slot.number(), self.endpoint(to)))
    }

    pub(super) fn endpoint(&self, number: u16) -> &str {
        &self.endpoints[usize::from(number)]
    }
}

/// What the keys of a request have in common.
struct Keys {
    slot: Slot,
    /// Several of them, or several times the same.
    count: usize,
    missing: usize,
}

impl Engine {
    /// Refuses, with the way to go, a request whose keys are not served here. Gives the slot of those that are.
    pub(crate) fn route(
        &self,
        row: &'static Row,
        session: &mut Session,
        args: Args<'_>,
    ) -> Result<Option<Slot>, CommandError> {
        let Some(routing) = &self.routing else { return Ok(None) };
        let asking = std::mem::take(&mut session.asking) || row.command.flags.has(Flag::Asking);
        let Some(keys) = self.routed_keys(row, session, args)? else { return Ok(None) };
        let slot = keys.slot;
        let owner = routing.owner(slot);
        if owner == SlotOwner::Nobody {
            return Err(CommandError::line("CLUSTERDOWN Hash slot not served"));
        }
        let reads = self.only_reads(row, session);
        if !routing.ok {
            self.refuse_while_down(row, reads)?;
        }
        let is_migrate = row.full_name == "migrate";
        let moving_to = routing.migrating_to(slot);
        let is_importing = routing.importing.contains(&slot);
        if is_migrate && (moving_to.is_some() || is_importing) {
            return Ok(Some(slot));
        }
        // Channels of a shard are heard at all of its nodes.
        let may_be_here = session.read_only && reads || row.command.flags.has(Flag::PubSub);
        const TRY_AGAIN: &str = "TRYAGAIN Multiple keys request during rehashing of slot";
        match owner {
            SlotOwner::Me => match moving_to {
                Some(to) if keys.missing > 0 => match keys.missing < keys.count {
                    true => Err(CommandError::line(TRY_AGAIN)),
                    false => Err(routing.redirection("ASK", slot, to)),
                },
                _ => Ok(Some(slot)),
            },
            SlotOwner::Other(_) if is_importing && asking => match keys.count > 1 && keys.missing > 0 {
                true => Err(CommandError::line(TRY_AGAIN)),
                false => Ok(Some(slot)),
            },
            SlotOwner::Other(number) if may_be_here && routing.my_primary == Some(number) => Ok(Some(slot)),
            SlotOwner::Other(number) => Err(routing.redirection("MOVED", slot, number)),
            SlotOwner::Nobody => unreachable!("refused above"),
        }
    }

    /// Whether requests for some slot wait.
    pub fn holds_slots(&self) -> bool {
        self.routing.as_ref().is_some_and(|routing| !routing.held.is_empty())
    }

    /// Whether the key is a part of a slot that comes, and not to be seen until it is here.
    pub(crate) fn is_hidden(&self, key: &[u8]) -> bool {
        let hidden = self.routing.as_ref().map(|routing| &routing.hidden).filter(|hidden| !hidden.is_empty());
        hidden.is_some_and(|hidden| hidden.contains(&slot_of(key)))
    }

    /// Keys of a slot that clients may see.
    pub fn shown_keys_in_slot(&self, db: usize, slot: Slot) -> usize {
        let is_hidden = self.routing.as_ref().is_some_and(|routing| routing.hidden.contains(&slot));
        if is_hidden { 0 } else { self.keyspace.db(db).slot_len(slot) }
    }

    /// How many keys of a database are not to be seen.
    pub(crate) fn hidden_keys(&self, db: usize) -> usize {
        let hidden = self.routing.iter().flat_map(|routing| &routing.hidden);
        hidden.map(|slot| self.keyspace.db(db).slot_len(*slot)).sum()
    }

    pub(crate) fn is_held(&self, slot: Slot) -> bool {
        self.routing.as_ref().is_some_and(|routing| routing.held.contains(&slot))
    }

    /// Whether the request has to wait until it is known who serves its slot; one that concerns all keys waits too.
    pub(crate) fn waits_for_slot(&self, row: &'static Row, session: &Session, args: Args<'_>) -> bool {
        let Some(routing) = self.routing.as_ref().filter(|routing| !routing.held.is_empty()) else {
            return false;
        };
        match self.routed_keys(row, session, args) {
            Ok(Some(keys)) => routing.held.contains(&keys.slot),
            Ok(None) => matches!(row.full_name.as_str(), "flushall" | "flushdb"),
            Err(_) => false,
        }
    }

    fn refuse_while_down(&self, row: &Row, reads: bool) -> Result<(), CommandError> {
        let down = |text: &'static str| Err(CommandError::line(text));
        if row.command.flags.has(Flag::PubSub) {
            return match self.config.cluster_allow_pubsubshard_when_down {
                true => Ok(()),
                false => down("CLUSTERDOWN The cluster is down"),
            };
        }
        match (self.config.cluster_allow_reads_when_down, reads) {
            (false, _) => down("CLUSTERDOWN The cluster is down"),
            (true, false) => down("CLUSTERDOWN The cluster is down and only accepts read commands"),
            (true, true) => Ok(()),
        }
    }

    /// The slot of all keys of the request, of all requests together where it is EXEC's; none without keys.
    fn routed_keys(
        &self,
        row: &'static Row,
        session: &Session,
        args: Args<'_>,
    ) -> Result<Option<Keys>, CommandError> {
        let mut keys = None;
        match session.transaction.as_ref().filter(|_| row.full_name == "exec") {
            None => self.add_keys(row, session.db, args, &mut keys)?,
            Some(transaction) => {
                for request in &transaction.queued {
                    if let Found::Row(row) = self.table.find(request.as_args()) {
                        self.add_keys(row, session.db, request.as_args(), &mut keys)?;
                    }
                }
            }
        }
        Ok(keys)
    }

    fn add_keys(
        &self,
        row: &Row,
        db: usize,
        args: Args<'_>,
        keys: &mut Option<Keys>,
    ) -> Result<(), CommandError> {
        // The beginning of a walk over the cluster is the same everywhere.
        if row.full_name == "clusterscan" && args.at(1) == b"0" {
            return Ok(());
        }
        // Words that do not fit the command are its own business to refuse.
        let Some(found) = row.command.find_keys(args) else { return Ok(()) };
        for key in found {
            let key = args.at(key.index);
            let slot = slot_of(key);
            let keys = keys.get_or_insert(Keys { slot, count: 0, missing: 0 });
            if keys.slot != slot {
                return Err(CommandError::line("CROSSSLOT Keys in request don't hash to the same slot"));
            }
            keys.count += 1;
            let is_channel = row.command.flags.has(Flag::PubSub);
            let now = self.now.unix_ms();
            let live = |key| self.keyspace.db(db).lookup(key).is_some_and(|entry| !entry.is_expired(now));
            keys.missing += usize::from(!is_channel && !live(key));
        }
        Ok(())
    }

    fn only_reads(&self, row: &Row, session: &Session) -> bool {
        match session.transaction.as_ref().filter(|_| row.full_name == "exec") {
            None => row.command.flags.has(Flag::ReadOnly),
            Some(transaction) => transaction.queued.iter().all(|request| {
                matches!(self.table.find(request.as_args()), Found::Row(row) if !row.command.flags.has(Flag::Write))
            }),
        }
    }
}
