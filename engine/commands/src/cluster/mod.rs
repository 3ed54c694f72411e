//! The cluster family. What CLUSTER's subcommands tell and order is the node's business; which node a
//! command's keys belong to is decided here (`routing`), from a table that the node keeps up to date.

mod routing;

pub use routing::{Routing, SlotOwner};

use crate::catalog;
use crate::table::{Argument, Category, Command, Flag, Group};
use crate::{CommandError, CommandResult, Context, Engine};
use squall_store::Slot;

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
    part("flushslots", 2, ORDERS, "Gives up all slots of this node."),
    part("forget", 3, ORDERS, "Forgets a node.").arguments(NODE),
    part("getkeysinslot", 4, TELLS, "Some keys of a slot.")
        .tips(CHANGING)
        .arguments(&[Argument::integer("slot"), Argument::integer("count")]),
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
    part("myid", 2, TELLS, "The name of this node."),
    part("myshardid", 2, TELLS, "The name of this node's shard.").tips(CHANGING).since("7.2.0"),
    part("nodes", 2, TELLS, "All nodes, as this one sees them.").tips(CHANGING),
    part("replicas", 3, ASKS, "The replicas of a primary.").tips(CHANGING).since("5.0.0").arguments(NODE),
    part("replicate", 3, ORDERS, "Makes this node a replica of another.").arguments(NODE),
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
    ]),
    part("shards", 2, ALWAYS, "Primaries and their replicas, with their slots.")
        .tips(CHANGING)
        .since("7.0.0"),
    part("slaves", 3, ASKS, "The replicas of a primary.")
        .tips(CHANGING)
        .deprecated("5.0.0", "`CLUSTER REPLICAS`")
        .arguments(NODE),
    part("slots", 2, ALWAYS, "Which nodes serve which slots.").tips(CHANGING),
];

const SLOT: &[Argument] = &[Argument::integer("slot")];

impl Engine {
    /// Deletes at most so many keys of a slot that belongs to another node now; tells how many it were.
    pub fn drop_keys_of_slot(&mut self, slot: Slot, keys_max: usize) -> usize {
        let keys: Vec<Vec<u8>> =
            self.keyspace.db(0).slot_iter(slot).take(keys_max).map(|entry| entry.key().to_vec()).collect();
        self.propagation.mute(false);
        for key in &keys {
            self.delete(0, key);
            self.propagation.also(0, &[b"DEL", key]);
        }
        self.propagation.end_of_command();
        keys.len()
    }
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
