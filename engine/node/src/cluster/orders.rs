//! CLUSTER's subcommands: words to orders. An order that changes what nodes.conf holds is answered when that
//! is durable.

use squall_cluster::{Epoch, FailoverKind, NodeId, Slot, SlotSet};
use squall_commands::session::Blocked;
use squall_commands::{CommandError, CommandResult, Engine, Session};
use squall_resp::{Args, Reply};
use squall_store::parse_i64;

use super::{Membership, answers, routes};
use crate::services::Services;

impl Services {
    pub fn cluster_command(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        let word = args.at(1).to_ascii_lowercase();
        if word == b"syncslots" && (session.is_primary_link || self.is_in_cluster()) {
            return self.sync_slots(engine, session, args, reply);
        }
        if session.is_primary_link && word == b"failover" && self.is_in_cluster() {
            return self.heed_resignation(engine, args);
        }
        if word == b"setslot" && session.is_primary_link {
            return self.hear_slot_order(engine, args);
        }
        if session.is_primary_link {
            return Err(CommandError::line("ERR a primary gives its replica no orders about the cluster"));
        }
        if !self.is_in_cluster() {
            return Err(CommandError::line("LOADING The cluster configuration is being read"));
        }
        if self.order_migration(engine, &word, args, reply)? {
            return Ok(());
        }
        if self.answer_question(engine, session.db, &word, args, reply)? {
            return Ok(());
        }
        if word == b"setslot" {
            return self.set_slot(engine, session, args, reply);
        }
        let membership = self.membership.as_mut().expect("looked at above");
        let done = order(membership, engine, &word, args)?;
        match done {
            Done::WhenSaved => self.answer_when_saved(engine, session, reply),
            Done::Text(text) => {
                self.settle_cluster(engine);
                reply.simple(&text);
                Ok(())
            }
        }
    }

    /// OK, when nodes.conf holds what was ordered.
    pub(super) fn answer_when_saved(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        let membership = self.membership.as_mut().expect("the caller has looked");
        let pending = membership.machine().pending_save();
        self.settle_cluster(engine);
        match pending.filter(|_| !session.deny_blocking) {
            Some(generation) => {
                session.blocked = Some(Blocked::Disk);
                let membership = self.membership.as_mut().expect("looked at above");
                membership.waiting.push((generation, session.id));
            }
            None => reply.ok(),
        }
        Ok(())
    }

    /// `CLUSTER FAILOVER FORCE REPLICAID <id>` in the stream: so Valkey's primary, which is about to end, tells one of
    /// its replicas to take over. All of them read it.
    fn heed_resignation(&mut self, engine: &mut Engine, args: Args<'_>) -> CommandResult {
        let is_known = args.len() == 5
            && args.at(2).eq_ignore_ascii_case(b"force")
            && args.at(3).eq_ignore_ascii_case(b"replicaid");
        let machine = self.membership.as_mut().expect("looked at by the caller").machine();
        if !is_known {
            return Err(CommandError::Syntax);
        }
        if NodeId::parse(args.at(4)) == Some(machine.my_node().id) {
            machine.failover(FailoverKind::Force, engine.now).map_err(CommandError::line)?;
            self.settle_cluster(engine);
        }
        Ok(())
    }

    /// nodes.conf has been read.
    fn is_in_cluster(&self) -> bool {
        self.cluster().is_some()
    }

    /// Subcommands that only tell; false where it is none of them.
    fn answer_question(
        &mut self,
        engine: &Engine,
        db: usize,
        word: &[u8],
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<bool, CommandError> {
        let membership = self.membership.as_mut().expect("looked at by the caller");
        let pending = |link| membership.bus.pending_bytes(link);
        let exceeded = membership.bus.limit_exceeded;
        let machine = membership.machine.as_ref().expect("looked at by the caller");
        match word {
            b"info" => reply.verbatim("txt", &answers::info(machine, exceeded)),
            b"nodes" => reply.verbatim("txt", &answers::nodes(machine)),
            b"slots" => answers::slots(machine, &engine.config, reply),
            b"shards" => answers::shards(machine, &engine.config, engine.loading, reply),
            b"links" => answers::links(machine, pending, reply),
            b"myid" => reply.bulk(&machine.my_node().id.text()),
            b"myshardid" => reply.bulk(&machine.my_shard().map(|shard| shard.text()).unwrap_or([b'0'; 40])),
            b"replicas" | b"slaves" => {
                let id = known_node(machine, args.at(2))?;
                if machine.node(id).is_some_and(|node| !node.is_primary()) {
                    return Err(CommandError::line("ERR The specified node is not a master"));
                }
                let lines: Vec<String> =
                    machine.replicas_of(id).map(|node| machine.node_line(node)).collect();
                reply.array(lines.len());
                lines.iter().for_each(|line| reply.bulk_str(line));
            }
            b"count-failure-reports" => {
                let id = known_node(machine, args.at(2))?;
                reply.integer(machine.failure_reports(id).unwrap_or(0) as i64);
            }
            b"countkeysinslot" => {
                let slot = slot(args.at(2))?;
                reply.integer(engine.shown_keys_in_slot(db, routes::store_slot(slot)) as i64);
            }
            b"getkeysinslot" => {
                let slot = slot(args.at(2))?;
                let count = parse_i64(args.at(3)).and_then(|count| usize::try_from(count).ok());
                let count = count.ok_or(CommandError::line("ERR Invalid number of keys"))?;
                let slot = routes::store_slot(slot);
                let count = count.min(engine.shown_keys_in_slot(db, slot));
                let keys: Vec<&[u8]> =
                    engine.keyspace.db(db).slot_iter(slot).take(count).map(|entry| entry.key()).collect();
                reply.array(keys.len());
                keys.into_iter().for_each(|key| reply.bulk(key));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// nodes.conf of that number is durable: who waited for it is answered.
    pub(super) fn answer_saved(&mut self, engine: &mut Engine, generation: u64) {
        let Some(membership) = &mut self.membership else { return };
        let (ready, waiting) = std::mem::take(&mut membership.waiting)
            .into_iter()
            .partition(|(number, _)| *number <= generation);
        membership.waiting = waiting;
        let ready: Vec<(u64, squall_commands::ClientId)> = ready;
        for (_, client) in ready {
            self.answer(engine, client, |reply| reply.ok());
        }
    }
}

enum Done {
    WhenSaved,
    Text(String),
}

fn order(
    membership: &mut Membership,
    engine: &Engine,
    word: &[u8],
    args: Args<'_>,
) -> Result<Done, CommandError> {
    let now = engine.now;
    let is_empty = engine.keyspace.is_empty();
    let machine = membership.machine();
    match word {
        b"addslots" => machine.add_slots(&listed(args)?, now),
        b"delslots" => machine.delete_slots(&listed(args)?, now),
        b"addslotsrange" => machine.add_slots(&ranges(args)?, now),
        b"delslotsrange" => machine.delete_slots(&ranges(args)?, now),
        b"flushslots" => machine.flush_slots(is_empty, now),
        b"meet" => {
            let (host, port, bus) = meeting_place(args)?;
            machine.meet(&host, port, bus, now)
        }
        b"forget" => match NodeId::parse(args.at(2)) {
            Some(id) => machine.forget(id, now),
            None => return Err(unknown_node(args.at(2))),
        },
        b"replicate" if names_nobody(args) => machine.replicate_nobody(now),
        b"replicate" if args.len() > 3 => return Err(CommandError::Syntax),
        b"replicate" => {
            let id = known_node(machine, args.at(2))?;
            machine.replicate(id, is_empty, now)
        }
        b"failover" => machine.failover(failover_kind(args)?, now).map_err(Into::into),
        b"reset" => {
            let hard = match args.get(2).map(<[u8]>::to_ascii_lowercase).as_deref() {
                None | Some(b"soft") => false,
                Some(b"hard") => true,
                Some(_) => return Err(CommandError::Syntax),
            };
            if args.len() > 3 {
                return Err(CommandError::Syntax);
            }
            machine.reset(hard, is_empty, now)
        }
        b"bumpepoch" => {
            let (bumped, epoch) = machine.bump_epoch(now);
            return Ok(Done::Text(format!("{} {epoch}", if bumped { "BUMPED" } else { "STILL" })));
        }
        b"set-config-epoch" => {
            let epoch = parse_i64(args.at(2)).ok_or(CommandError::NotAnInteger)?;
            let text = format!("ERR Invalid config epoch specified: {epoch}");
            let epoch = u64::try_from(epoch).map_err(|_| CommandError::line(text))?;
            machine.set_config_epoch(Epoch(epoch), now)
        }
        b"saveconfig" => {
            machine.save(now);
            Ok(())
        }
        _ => return Err(CommandError::Syntax),
    }
    .map_err(CommandError::line)?;
    Ok(Done::WhenSaved)
}

/// CLUSTER REPLICATE NO ONE.
fn names_nobody(args: Args<'_>) -> bool {
    args.len() == 4 && args.at(2).eq_ignore_ascii_case(b"no") && args.at(3).eq_ignore_ascii_case(b"one")
}

fn failover_kind(args: Args<'_>) -> Result<FailoverKind, CommandError> {
    match (args.len(), args.get(2).map(<[u8]>::to_ascii_lowercase).as_deref()) {
        (2, _) => Ok(FailoverKind::Agreed),
        (3, Some(b"force")) => Ok(FailoverKind::Force),
        (3, Some(b"takeover")) => Ok(FailoverKind::Takeover),
        _ => Err(CommandError::Syntax),
    }
}

fn meeting_place(args: Args<'_>) -> Result<(String, u16, u16), CommandError> {
    const ABOVE: u16 = 10_000;
    let text = |index| String::from_utf8_lossy(args.at(index)).into_owned();
    let port = |index, what| {
        let port = parse_i64(args.at(index)).and_then(|port| u16::try_from(port).ok());
        port.ok_or_else(|| CommandError::line(format!("ERR Invalid {what} specified: {}", text(index))))
    };
    let client = port(3, "base port")?;
    let bus = match args.len() {
        4 => client.checked_add(ABOVE).unwrap_or(0),
        5 => port(4, "bus port")?,
        _ => return Err(CommandError::Syntax),
    };
    Ok((text(2), client, bus))
}

pub(super) fn slot(text: &[u8]) -> Result<Slot, CommandError> {
    let number = parse_i64(text).and_then(|number| u64::try_from(number).ok());
    number.and_then(Slot::checked).ok_or(CommandError::line("ERR Invalid or out of range slot"))
}

fn listed(args: Args<'_>) -> Result<SlotSet, CommandError> {
    let mut slots = SlotSet::default();
    for text in args.iter().skip(2) {
        add(&mut slots, slot(text)?)?;
    }
    Ok(slots)
}

fn ranges(args: Args<'_>) -> Result<SlotSet, CommandError> {
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Arity {
            command: format!("cluster|{}", String::from_utf8_lossy(&args.at(1).to_ascii_lowercase())),
        });
    }
    let mut slots = SlotSet::default();
    for index in (2..args.len()).step_by(2) {
        let (first, last) = (slot(args.at(index))?, slot(args.at(index + 1))?);
        if first > last {
            return Err(CommandError::line(format!(
                "ERR start slot number {first} is greater than end slot number {last}"
            )));
        }
        for number in first.number()..=last.number() {
            add(&mut slots, Slot::checked(u64::from(number)).expect("between two slots"))?;
        }
    }
    Ok(slots)
}

fn add(slots: &mut SlotSet, slot: Slot) -> CommandResult {
    match slots.insert(slot) {
        true => Ok(()),
        false => Err(CommandError::line(format!("ERR Slot {slot} specified multiple times"))),
    }
}

fn known_node(machine: &squall_cluster::Cluster, name: &[u8]) -> Result<NodeId, CommandError> {
    let id = NodeId::parse(name).filter(|id| machine.node(*id).is_some());
    id.ok_or_else(|| unknown_node(name))
}

fn unknown_node(name: &[u8]) -> CommandError {
    CommandError::Bytes([b"ERR Unknown node ", name].concat())
}
