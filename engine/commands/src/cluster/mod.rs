//! The cluster family. What CLUSTER's subcommands tell and order is the node's business; which node a
//! command's keys belong to is decided here (`routing`), from a table that the node keeps up to date. What
//! needs nothing but the keys is answered here as well: `scan` walks over them, `slot_stats` tells of them.

mod departure;
mod routing;
mod scan;
mod slot_stats;

pub use routing::{Routing, SlotOwner};
pub use slot_stats::SlotStats;
pub(crate) use slot_stats::{Cost, request_bytes};

use crate::catalog;
use crate::generic::databases::is_flush_mode;
use crate::table::{Argument, Category, Command, Flag, Group, KeyFlag, KeySpec};
use crate::{CommandError, CommandResult, Context, Engine};
use squall_store::{Slot, parse_i64};

const ORDERS: &[Flag] = &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading];
const TELLS: &[Flag] = &[Flag::Stale];
const ASKS: &[Flag] = &[Flag::Admin, Flag::Stale];
const ALWAYS: &[Flag] = &[Flag::Loading, Flag::Stale];
const CHANGING: &[&str] = &["nondeterministic_output"];
const NODE: &[Argument] = &[Argument::string("node-id")];
const SLOTS: &[Argument] = &[Argument::integer("slot").multiple()];
const RANGES: &[Argument] =
    &[Argument::block("range", &[Argument::integer("start-slot"), Argument::integer("end-slot")]).multiple()];

const fn command(name: &'static str, arity: i32, handler: crate::Handler, flags: &[Flag]) -> Command {
    Command::new(name, arity, handler).group(Group::Cluster).flags(flags).since("3.0.0")
}

const fn part(name: &'static str, arity: i32, flags: &[Flag], summary: &'static str) -> Command {
    command(name, arity, cluster, flags).summary(summary)
}

pub const ROWS: &[Command] = &[
    command("asking", 1, asking, &[Flag::Fast])
        .acl(&[Category::Connection])
        .summary("Says that the next command was sent here by an ASK redirection."),
    Command::container("cluster", CLUSTER)
        .group(Group::Cluster)
        .since("3.0.0")
        .summary("Tells of the cluster, and gives it orders."),
    command("clusterscan", -2, scan::clusterscan, &[Flag::ReadOnly])
        .keys(&[KeySpec::one(1, &[KeyFlag::NotKey])])
        .acl(&[Category::Keyspace])
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])
        .since("9.1.0")
        .complexity("O(1) for a call, O(N) for a whole walk over N keys")
        .summary("Walks over the keys of the whole cluster, slot after slot.")
        .arguments(&[
            Argument::string("cursor"),
            Argument::pattern("pattern").token("MATCH").optional(),
            Argument::integer("count").token("COUNT").optional(),
            Argument::string("type").token("TYPE").optional(),
            Argument::integer("slot").token("SLOT").optional(),
        ]),
    command("readonly", 1, readonly, &[Flag::Fast, Flag::Loading, Flag::Stale])
        .acl(&[Category::Connection])
        .summary("Lets this connection read from a replica."),
    command("readwrite", 1, readwrite, &[Flag::Fast, Flag::Loading, Flag::Stale])
        .acl(&[Category::Connection])
        .summary("Ends the effect of READONLY."),
];

const CLUSTER: &[Command] = &[
    part("addslots", -3, ORDERS, "Gives free slots to this node.").arguments(SLOTS),
    part("addslotsrange", -4, ORDERS, "Gives ranges of free slots to this node.")
        .arguments(RANGES)
        .since("7.0.0"),
    part("cancelslotmigrations", 2, ORDERS, "Cancels the migrations of slots away from this node.")
        .since("8.4.0"),
    part("bumpepoch", 2, ORDERS, "Raises this node's configuration epoch.").tips(CHANGING),
    part("count-failure-reports", 3, ASKS, "How many nodes find a node silent.")
        .tips(CHANGING)
        .arguments(NODE),
    part("countkeysinslot", 3, TELLS, "How many keys of a slot are here.").arguments(SLOT),
    part("delslots", -3, ORDERS, "Makes slots free, as this node sees it.").arguments(SLOTS),
    part("delslotsrange", -4, ORDERS, "Makes ranges of slots free, as this node sees it.")
        .arguments(RANGES)
        .since("7.0.0"),
    part("failover", -2, ORDERS, "Makes this replica the primary of its shard.").arguments(&[
        Argument::one_of(
            "options",
            &[Argument::word("force", "FORCE"), Argument::word("takeover", "TAKEOVER")],
        )
        .optional(),
    ]),
    command("flushslot", -3, flush_slot, &[Flag::Admin, Flag::Write, Flag::NoAsyncLoading])
        .summary("Deletes all keys of a slot.")
        .acl(&[Category::Keyspace])
        .since("8.2.0")
        .arguments(&[
            Argument::integer("slot"),
            Argument::one_of(
                "flush-type",
                &[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")],
            )
            .optional(),
        ]),
    part("flushslots", 2, ORDERS, "Gives up all slots of this node."),
    part("forget", 3, ORDERS, "Forgets a node.").arguments(NODE),
    part("getkeysinslot", 4, TELLS, "Some keys of a slot.")
        .tips(CHANGING)
        .arguments(&[Argument::integer("slot"), Argument::integer("count")]),
    part("getslotmigrations", 2, ORDERS, "Migrations of slots that run, and the latest that are over.")
        .since("8.4.0"),
    command("help", 2, catalog::help, ALWAYS).since("5.0.0").summary("Tells what CLUSTER can do."),
    part("info", 2, TELLS, "The state of the cluster, as this node sees it.").tips(CHANGING),
    command("keyslot", 3, keyslot, TELLS)
        .summary("The slot of a key.")
        .complexity("O(N) where N is the length of the key.")
        .arguments(&[Argument::string("key")]),
    part("links", 2, TELLS, "The connections between this node and the others.")
        .tips(CHANGING)
        .since("7.0.0"),
    part("meet", -4, ORDERS, "Makes this node and another meet.").arguments(&[
        Argument::string("ip"),
        Argument::integer("port"),
        Argument::integer("cluster-bus-port").since("4.0.0").optional(),
    ]),
    part("migrateslots", -4, ORDERS, "Moves slots to other shards, whole.").since("8.4.0").arguments(&[
        Argument::block(
            "migration",
            &[
                Argument::block(
                    "slotsrange",
                    &[Argument::integer("start-slot"), Argument::integer("end-slot")],
                )
                .token("SLOTSRANGE")
                .multiple(),
                Argument::string("node-id").token("NODE"),
            ],
        )
        .multiple(),
    ]),
    part("migration", -4, ORDERS, "Moves slots to this node, whole.").since("8.4.0").arguments(&[
        Argument::one_of(
            "subcommand",
            &[
                Argument::block("import", &[Argument::integer("start-slot"), Argument::integer("end-slot")])
                    .token("IMPORT")
                    .multiple(),
                Argument::one_of(
                    "cancel",
                    &[Argument::string("task-id").token("ID"), Argument::word("all", "ALL")],
                )
                .token("CANCEL"),
                Argument::one_of(
                    "status",
                    &[Argument::string("task-id").token("ID"), Argument::word("all", "ALL")],
                )
                .token("STATUS"),
            ],
        ),
    ]),
    part("myid", 2, TELLS, "The name of this node."),
    part("myshardid", 2, TELLS, "The name of this node's shard.").tips(CHANGING).since("7.2.0"),
    part("nodes", 2, TELLS, "All nodes, as this one sees them.").tips(CHANGING),
    part("replicas", 3, ASKS, "The replicas of a primary.").tips(CHANGING).since("5.0.0").arguments(NODE),
    part("replicate", -3, ORDERS, "Makes this node a replica of another, or of none.").arguments(&[
        Argument::one_of(
            "primary",
            &[
                Argument::string("node-id"),
                Argument::block("no-one", &[Argument::word("no", "NO"), Argument::word("one", "ONE")])
                    .since("9.0.0"),
            ],
        ),
    ]),
    part("reset", -2, &[Flag::Admin, Flag::Stale, Flag::NoScript], "Makes this node forget its cluster.")
        .arguments(&[Argument::one_of(
            "reset-type",
            &[Argument::word("hard", "HARD"), Argument::word("soft", "SOFT")],
        )
        .optional()]),
    part("saveconfig", 2, ORDERS, "Saves the node table."),
    part("set-config-epoch", 3, ORDERS, "Gives an epoch to a node that has none.")
        .arguments(&[Argument::integer("config-epoch")]),
    part("setslot", -4, ORDERS, "Moves a slot, step by step.").arguments(&[
        Argument::integer("slot"),
        Argument::one_of(
            "subcommand",
            &[
                Argument::string("importing").token("IMPORTING"),
                Argument::string("migrating").token("MIGRATING"),
                Argument::string("node").token("NODE"),
                Argument::word("stable", "STABLE"),
            ],
        ),
        Argument::integer("timeout").token("TIMEOUT").since("8.0.0").optional(),
    ]),
    part("shards", 2, ALWAYS, "Primaries and their replicas, with their slots.")
        .tips(CHANGING)
        .since("7.0.0"),
    part("slaves", 3, ASKS, "The replicas of a primary.")
        .tips(CHANGING)
        .deprecated("5.0.0", "`CLUSTER REPLICAS`")
        .arguments(NODE),
    command("slot-stats", -4, slot_stats::slot_stats, ALWAYS)
        .tips(&["nondeterministic_output", "request_policy:all_shards"])
        .since("8.2.0")
        .summary("What each slot of this shard holds and costs.")
        .arguments(&[Argument::one_of(
            "filter",
            &[
                Argument::block(
                    "slotsrange",
                    &[Argument::integer("start-slot"), Argument::integer("end-slot")],
                )
                .token("SLOTSRANGE"),
                Argument::block(
                    "orderby",
                    &[
                        Argument::string("metric"),
                        Argument::integer("limit").token("LIMIT").optional(),
                        Argument::one_of(
                            "order",
                            &[Argument::word("asc", "ASC"), Argument::word("desc", "DESC")],
                        )
                        .optional(),
                    ],
                )
                .token("ORDERBY"),
            ],
        )]),
    part("syncslots", -3, ORDERS, "What nodes say of moving slots.").since("8.4.0"),
    part("slots", 2, ALWAYS, "Which nodes serve which slots.").tips(CHANGING),
];

const SLOT: &[Argument] = &[Argument::integer("slot")];

impl Engine {
    /// Deletes at most so many keys of a slot that belongs to another node now; tells how many it were.
    pub fn drop_keys_of_slot(&mut self, slot: Slot, keys_max: usize) -> usize {
        self.propagation.mute(false);
        let dropped = self.delete_keys_of_slot(slot, keys_max);
        self.propagation.end_of_command();
        dropped
    }

    /// Puts a command into the history that no client has sent.
    pub fn record_apart(&mut self, words: &[&[u8]]) {
        self.propagation.mute(false);
        self.propagation.also(0, words);
        self.propagation.end_of_command();
    }

    /// Another dataset brings its own notes: a job's name and the rest, in each line.
    pub fn replace_migration_notes(&mut self, lines: &[String]) {
        let notes = lines.iter().filter_map(|line| line.split_once(' '));
        self.migration_notes = notes.map(|(job, note)| (job.to_owned(), note.to_owned())).collect();
    }

    /// Of all databases.
    fn delete_keys_of_slot(&mut self, slot: Slot, keys_max: usize) -> usize {
        let mut dropped = 0;
        for db in 0..self.keyspace.databases() {
            let entries = self.keyspace.db(db).slot_iter(slot).take(keys_max - dropped);
            let keys: Vec<Vec<u8>> = entries.map(|entry| entry.key().to_vec()).collect();
            for key in &keys {
                self.delete(db, key);
                self.propagation.also(db, &[b"DEL", key]);
            }
            dropped += keys.len();
        }
        dropped
    }

    /// How many keys a slot has, in all databases together.
    pub fn keys_in_slot(&self, slot: Slot) -> usize {
        (0..self.keyspace.databases()).map(|db| self.keyspace.db(db).slot_len(slot)).sum()
    }
}

/// CLUSTER FLUSHSLOT: each key is deleted by name, so that any replica understands it.
fn flush_slot(context: &mut Context<'_>) -> CommandResult {
    if !context.engine.config.cluster_enabled {
        return Err(DISABLED);
    }
    let slot = parse_slot(context.arg(2))?;
    if !is_flush_mode(context.args.skip(3)) {
        return Err(CommandError::Syntax);
    }
    context.engine.propagation.suppress();
    let deleted = context.engine.delete_keys_of_slot(slot, usize::MAX);
    context.engine.dirty += deleted as u64;
    context.reply.ok();
    Ok(())
}

/// The number of a slot as a client writes it.
pub fn parse_slot(text: &[u8]) -> Result<Slot, CommandError> {
    let number = parse_i64(text).and_then(|number| u64::try_from(number).ok());
    number.and_then(Slot::checked).ok_or(CommandError::line("ERR Invalid or out of range slot"))
}

fn cluster(context: &mut Context<'_>) -> CommandResult {
    if !context.engine.config.cluster_enabled {
        return Err(DISABLED);
    }
    context.server.cluster(context.engine, context.session, context.args, &mut context.reply)
}

const DISABLED: CommandError =
    CommandError::Line(std::borrow::Cow::Borrowed("ERR This instance has cluster support disabled"));

fn keyslot(context: &mut Context<'_>) -> CommandResult {
    if !context.engine.config.cluster_enabled {
        return Err(DISABLED);
    }
    context.reply.integer(i64::from(squall_store::slot_of(context.arg(2)).number()));
    Ok(())
}

fn asking(context: &mut Context<'_>) -> CommandResult {
    if !context.engine.config.cluster_enabled {
        return Err(DISABLED);
    }
    context.session.asking = true;
    context.reply.ok();
    Ok(())
}

fn readonly(context: &mut Context<'_>) -> CommandResult {
    set_read_only(context, true)
}

fn readwrite(context: &mut Context<'_>) -> CommandResult {
    set_read_only(context, false)
}

fn set_read_only(context: &mut Context<'_>, read_only: bool) -> CommandResult {
    if !context.engine.config.cluster_enabled {
        return Err(DISABLED);
    }
    context.session.read_only = read_only;
    context.reply.ok();
    Ok(())
}
