//! The pub/sub family: messages from clients to clients, with nothing stored.
//!
//! `subscriptions.rs` knows who listens to what, `subscribe.rs` changes it, `publish.rs` sends messages,
//! `message.rs` encodes them once for all; `events.rs` publishes what commands do to keys.

mod events;
mod message;
mod publish;
mod subscribe;
mod subscriptions;

pub use message::Message;
use publish::*;
use subscribe::*;
pub use subscriptions::{Counts, Scope, Subscriptions};

use crate::catalog;
use crate::table::{Argument, Command, Flag, Group, KeyFlag, KeySpec};

const LISTENS: &[Flag] = &[Flag::PubSub, Flag::NoScript, Flag::Loading, Flag::Stale, Flag::WhileSubscribed];
const SPEAKS: &[Flag] = &[Flag::PubSub, Flag::Loading, Flag::Stale, Flag::Fast];
const TELLS: &[Flag] = &[Flag::PubSub, Flag::Loading, Flag::Stale];
/// Shard channels are routed as keys are.
const ROUTED: &[KeySpec] = &[KeySpec::one(1, &[KeyFlag::NotKey])];
const ALL_ROUTED: &[KeySpec] = &[KeySpec::rest(1, &[KeyFlag::NotKey])];

const fn command(name: &'static str, arity: i32, handler: crate::Handler, flags: &[Flag]) -> Command {
    Command::new(name, arity, handler).group(Group::PubSub).flags(flags)
}

pub const ROWS: &[Command] = &[
    command("subscribe", -2, subscribe, LISTENS)
        .since("2.0.0")
        .complexity("O(N) where N is the number of channels.")
        .summary("Listens to channels.")
        .arguments(&[Argument::string("channel").multiple()]),
    command("unsubscribe", -1, unsubscribe, LISTENS)
        .since("2.0.0")
        .complexity("O(N) where N is the number of channels.")
        .summary("Stops listening to channels, or to all of them.")
        .arguments(&[Argument::string("channel").optional().multiple()]),
    command("psubscribe", -2, psubscribe, LISTENS)
        .since("2.0.0")
        .complexity("O(N) where N is the number of patterns.")
        .summary("Listens to all channels that match patterns.")
        .arguments(&[Argument::pattern("pattern").multiple()]),
    command("punsubscribe", -1, punsubscribe, LISTENS)
        .since("2.0.0")
        .complexity("O(N) where N is the number of patterns.")
        .summary("Stops listening by patterns, or by all of them.")
        .arguments(&[Argument::pattern("pattern").optional().multiple()]),
    command("ssubscribe", -2, ssubscribe, LISTENS)
        .keys(ALL_ROUTED)
        .since("7.0.0")
        .complexity("O(N) where N is the number of shard channels.")
        .summary("Listens to channels of the shard that their names belong to.")
        .arguments(&[Argument::string("shardchannel").multiple()]),
    command("sunsubscribe", -1, sunsubscribe, LISTENS)
        .keys(ALL_ROUTED)
        .since("7.0.0")
        .complexity("O(N) where N is the number of shard channels.")
        .summary("Stops listening to shard channels, or to all of them.")
        .arguments(&[Argument::string("shardchannel").optional().multiple()]),
    command("publish", 3, publish, SPEAKS)
        .since("2.0.0")
        .complexity("O(N+M) where N is the number of listeners and M the number of patterns.")
        .summary("Sends a message to those who listen to a channel.")
        .arguments(&[Argument::string("channel"), Argument::string("message")]),
    command("spublish", 3, spublish, SPEAKS)
        .keys(ROUTED)
        .since("7.0.0")
        .complexity("O(N) where N is the number of listeners.")
        .summary("Sends a message to those who listen to a shard channel.")
        .arguments(&[Argument::string("shardchannel"), Argument::string("message")]),
    Command::container("pubsub", PUBSUB)
        .group(Group::PubSub)
        .since("2.8.0")
        .summary("Tells of channels and listeners."),
];

const PUBSUB: &[Command] = &[
    command("channels", -2, channels, TELLS)
        .since("2.8.0")
        .complexity("O(N) where N is the number of active channels.")
        .summary("The channels that somebody listens to.")
        .arguments(&[Argument::pattern("pattern").optional()]),
    command("help", 2, catalog::help, &[Flag::Loading, Flag::Stale])
        .since("6.2.0")
        .summary("Tells what PUBSUB can do."),
    command("numpat", 2, numpat, TELLS)
        .since("2.8.0")
        .summary("How many different patterns somebody listens by."),
    command("numsub", -2, numsub, TELLS)
        .since("2.8.0")
        .complexity("O(N) where N is the number of channels.")
        .summary("How many listen to each of the channels, patterns not counted.")
        .arguments(&[Argument::string("channel").optional().multiple()]),
    command("shardchannels", -2, shardchannels, TELLS)
        .since("7.0.0")
        .complexity("O(N) where N is the number of active shard channels.")
        .summary("The shard channels that somebody listens to.")
        .arguments(&[Argument::pattern("pattern").optional()]),
    command("shardnumsub", -2, shardnumsub, TELLS)
        .since("7.0.0")
        .complexity("O(N) where N is the number of shard channels.")
        .summary("How many listen to each of the shard channels.")
        .arguments(&[Argument::string("shardchannel").optional().multiple()]),
];
