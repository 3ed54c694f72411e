//! What operators order of migrations, and what they are told.

use squall_cluster::{JobFacts, JobName, JobState, NodeId, Operation, SlotSet, parse_slots};
use squall_commands::{CommandError, CommandResult, Engine};
use squall_resp::{Args, Reply};

use crate::services::Services;

impl Services {
    /// False where it is none of these.
    pub(in crate::cluster) fn order_migration(
        &mut self,
        engine: &mut Engine,
        word: &[u8],
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<bool, CommandError> {
        let over_max = engine.config.cluster_slot_migration_log_max as usize;
        let now = engine.now;
        let membership = self.membership.as_mut().expect("looked at by the caller");
        let machine = membership.machine();
        match word {
            b"migrateslots" => {
                machine.migrate_slots(wishes(args)?, now).map_err(CommandError::line)?;
                reply.ok();
            }
            b"cancelslotmigrations" => {
                machine.cancel_exports(now);
                reply.ok();
            }
            b"getslotmigrations" => {
                let facts = machine.migration_facts(over_max);
                reply.array(facts.len());
                facts.iter().for_each(|facts| as_valkey_tells(facts, reply));
            }
            b"migration" => self.migration(engine, args, reply)?,
            _ => return Ok(false),
        }
        self.settle_cluster(engine);
        Ok(true)
    }

    /// CLUSTER MIGRATION.
    fn migration(&mut self, engine: &Engine, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
        let over_max = engine.config.cluster_slot_migration_log_max as usize;
        let now = engine.now;
        let machine = self.membership.as_mut().expect("looked at by the caller").machine();
        match args.at(2).to_ascii_lowercase().as_slice() {
            b"import" => {
                let name =
                    machine.import_slots(slots(args, 3, args.len())?, now).map_err(CommandError::line)?;
                reply.bulk_str(&name.to_string());
            }
            b"cancel" => {
                let cancelled = match chosen(args)? {
                    Chosen::All => machine.cancel_migrations(None, now),
                    Chosen::One(Some(name)) => machine.cancel_migrations(Some(name), now),
                    Chosen::One(None) => 0,
                };
                reply.integer(cancelled as i64);
            }
            b"status" => {
                let chosen = chosen(args)?;
                let mut facts = machine.migration_facts(over_max);
                facts.retain(|facts| match chosen {
                    Chosen::All => true,
                    Chosen::One(name) => Some(facts.name) == name,
                });
                reply.array(facts.len());
                facts.iter().for_each(|facts| as_redis_tells(facts, reply));
            }
            _ => return Err(CommandError::Syntax),
        }
        Ok(())
    }
}

/// `SLOTSRANGE first last [first last ...] NODE id`, once or several times.
fn wishes(args: Args<'_>) -> Result<Vec<(SlotSet, NodeId)>, CommandError> {
    let is = |index: usize, word: &[u8]| args.get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word));
    let mut wishes = Vec::new();
    let mut at = 2;
    while at < args.len() {
        let node = (at..args.len()).find(|index| is(*index, b"NODE")).ok_or(CommandError::Syntax)?;
        if !is(at, b"SLOTSRANGE") {
            return Err(CommandError::Syntax);
        }
        let name = args.get(node + 1).ok_or(CommandError::Syntax)?;
        let unknown = || CommandError::Bytes([b"ERR Unknown node name: ", name].concat());
        wishes.push((slots(args, at + 1, node)?, NodeId::parse(name).ok_or_else(unknown)?));
        at = node + 2;
    }
    Ok(wishes)
}

fn slots(args: Args<'_>, from: usize, to: usize) -> Result<SlotSet, CommandError> {
    let words: Vec<&[u8]> = args.iter().take(to).skip(from).collect();
    parse_slots(&words).ok_or(CommandError::line("ERR Invalid slot range"))
}

#[derive(Clone, Copy)]
enum Chosen {
    All,
    /// None: no migration has such a name.
    One(Option<JobName>),
}

/// `ID name` or `ALL`.
fn chosen(args: Args<'_>) -> Result<Chosen, CommandError> {
    match (args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref(), args.len()) {
        (Some(b"all"), 4) => Ok(Chosen::All),
        (Some(b"id"), 5) => Ok(Chosen::One(JobName::parse(args.at(4)))),
        _ => Err(CommandError::Syntax),
    }
}

/// CLUSTER GETSLOTMIGRATIONS, as Valkey 9 documents it.
fn as_valkey_tells(facts: &JobFacts, reply: &mut Reply<'_>) {
    let operation = if facts.operation == Operation::Export { "EXPORT" } else { "IMPORT" };
    let seconds = |time: squall_clock::Now| time.unix_seconds() as i64;
    reply.map(11);
    let mut text = |name: &str, value: &str| {
        reply.bulk_str(name);
        reply.bulk_str(value);
    };
    text("name", &facts.name.to_string());
    text("operation", operation);
    text("slot_ranges", &ranges(&facts.slots));
    text("target_node", &facts.target.to_string());
    text("source_node", &facts.source.to_string());
    let times =
        [("create_time", facts.created), ("last_update_time", facts.updated), ("last_ack_time", facts.heard)];
    for (name, time) in times {
        reply.bulk_str(name);
        reply.integer(seconds(time));
    }
    for (name, value) in [("state", facts.state.name()), ("message", &facts.message)] {
        reply.bulk_str(name);
        reply.bulk_str(value);
    }
    // There is no process that could share memory with this one.
    reply.bulk_str("cow_size");
    reply.integer(0);
}

/// CLUSTER MIGRATION STATUS, as Redis 8.4 documents it.
fn as_redis_tells(facts: &JobFacts, reply: &mut Reply<'_>) {
    let operation = if facts.operation == Operation::Export { "migrate" } else { "import" };
    let state = match facts.state {
        JobState::Success => "completed",
        JobState::Cancelled => "canceled",
        other => other.name(),
    };
    let ms = |time: squall_clock::Now| time.unix_ms().0 as i64;
    let ended = if facts.state.is_over() { ms(facts.updated) } else { 0 };
    reply.map(12);
    for (name, value) in [
        ("id", facts.name.to_string()),
        ("slots", ranges(&facts.slots)),
        ("source", facts.source.to_string()),
        ("dest", facts.target.to_string()),
        ("operation", operation.to_owned()),
        ("state", state.to_owned()),
        ("last_error", facts.message.clone()),
    ] {
        reply.bulk_str(name);
        reply.bulk_str(&value);
    }
    for (name, value) in [
        ("retries", facts.retries as i64),
        ("create_time", ms(facts.created)),
        ("start_time", ms(facts.created)),
        ("end_time", ended),
        ("write_pause_ms", facts.paused_ms as i64),
    ] {
        reply.bulk_str(name);
        reply.integer(value);
    }
}

/// `0-9 20-20`
fn ranges(slots: &SlotSet) -> String {
    let ranges = slots.ranges().into_iter().map(|(first, last)| format!("{first}-{last}"));
    ranges.collect::<Vec<_>>().join(" ")
}
