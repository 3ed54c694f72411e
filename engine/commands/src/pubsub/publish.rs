//! Speaking: PUBLISH and SPUBLISH, and PUBSUB, which tells who would hear.

use super::{Message, Scope};
use crate::{CommandError, CommandResult, Context, Engine};

/// Replicas publish what their primary publishes: clients may listen there.
pub(super) fn publish(context: &mut Context<'_>) -> CommandResult {
    let (channel, message) = (context.arg(1), context.arg(2));
    let heard = context.engine.publish(channel, message);
    spread(context, false);
    context.reply.integer(heard as i64);
    Ok(())
}

pub(super) fn spublish(context: &mut Context<'_>) -> CommandResult {
    let (channel, message) = (context.arg(1), context.arg(2));
    let heard = context.engine.publish_to_shard(channel, message);
    spread(context, true);
    context.reply.integer(heard as i64);
    Ok(())
}

/// To whoever listens elsewhere: at this server's replicas, or, in a cluster, at any node (of the shard).
fn spread(context: &mut Context<'_>, sharded: bool) {
    let (channel, message) = (context.arg(1), context.arg(2));
    let verb: &[u8] = if sharded { b"SPUBLISH" } else { b"PUBLISH" };
    match context.engine.config.cluster_enabled {
        true => context.server.publish_to_cluster(context.engine, sharded, channel, message),
        false => context.engine.propagation.tell_replicas(&[verb, channel, message]),
    }
}

pub(super) fn channels(context: &mut Context<'_>) -> CommandResult {
    active(context, Scope::Channel)
}

pub(super) fn shardchannels(context: &mut Context<'_>) -> CommandResult {
    active(context, Scope::Shard)
}

pub(super) fn numsub(context: &mut Context<'_>) -> CommandResult {
    listeners(context, Scope::Channel)
}

pub(super) fn shardnumsub(context: &mut Context<'_>) -> CommandResult {
    listeners(context, Scope::Shard)
}

pub(super) fn numpat(context: &mut Context<'_>) -> CommandResult {
    context.reply.integer(context.engine.subscriptions.counts().patterns as i64);
    Ok(())
}

fn active(context: &mut Context<'_>, scope: Scope) -> CommandResult {
    if context.args.len() > 3 {
        return Err(CommandError::subcommand_shape("PUBSUB", context.arg(1)));
    }
    let names = context.engine.subscriptions.active(scope, context.args.get(2).unwrap_or(b"*"));
    context.reply.array(names.len());
    names.into_iter().for_each(|name| context.reply.bulk_bytes(name));
    Ok(())
}

fn listeners(context: &mut Context<'_>, scope: Scope) -> CommandResult {
    let names = context.args.skip(2);
    context.reply.array(names.len() * 2);
    for name in names {
        context.reply.bulk(name);
        context.reply.integer(context.engine.subscriptions.listeners(scope, name).count() as i64);
    }
    Ok(())
}

impl Engine {
    /// Sends `message` to those who listen to `channel`, by its name or by a pattern. A client that does
    /// both gets it more than once, as often as it is counted.
    pub fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        if self.subscriptions.is_empty() {
            return 0;
        }
        let mut heard = self.send_to_listeners(Scope::Channel, b"message", channel, message);
        for (pattern, listeners) in self.subscriptions.matching(channel) {
            let message = Message::of(&[b"pmessage", pattern, channel, message]);
            heard += listeners.len();
            listeners.iter().for_each(|&id| self.clients.push(id, &message));
        }
        heard
    }

    pub fn publish_to_shard(&mut self, channel: &[u8], message: &[u8]) -> usize {
        self.send_to_listeners(Scope::Shard, b"smessage", channel, message)
    }

    fn send_to_listeners(&mut self, scope: Scope, verb: &[u8], channel: &[u8], message: &[u8]) -> usize {
        let mut listeners = self.subscriptions.listeners(scope, channel).peekable();
        if listeners.peek().is_none() {
            return 0;
        }
        let message = Message::of(&[verb, channel, message]);
        let mut heard = 0;
        for id in listeners {
            self.clients.push(id, &message);
            heard += 1;
        }
        heard
    }
}
