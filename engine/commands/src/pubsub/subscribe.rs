//! Listening: SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE, and the ways to stop.
//!
//! Every channel is confirmed on its own, in a message rather than a reply: with `CLIENT REPLY OFF` it is
//! seen all the same.

use bytes::Bytes;
use squall_store::Slot;

use super::{Message, Scope};
use crate::{CommandResult, Context, Engine};

pub(super) fn subscribe(context: &mut Context<'_>) -> CommandResult {
    listen(context, Scope::Channel, "subscribe")
}

pub(super) fn psubscribe(context: &mut Context<'_>) -> CommandResult {
    listen(context, Scope::Pattern, "psubscribe")
}

pub(super) fn ssubscribe(context: &mut Context<'_>) -> CommandResult {
    listen(context, Scope::Shard, "ssubscribe")
}

pub(super) fn unsubscribe(context: &mut Context<'_>) -> CommandResult {
    leave(context, Scope::Channel, "unsubscribe")
}

pub(super) fn punsubscribe(context: &mut Context<'_>) -> CommandResult {
    leave(context, Scope::Pattern, "punsubscribe")
}

pub(super) fn sunsubscribe(context: &mut Context<'_>) -> CommandResult {
    leave(context, Scope::Shard, "sunsubscribe")
}

fn listen(context: &mut Context<'_>, scope: Scope, verb: &str) -> CommandResult {
    context.session.subscribed = true;
    for name in context.args.skip(1) {
        context.engine.subscriptions.add(context.session.id, scope, name);
        confirm(context, scope, verb, Some(name));
    }
    Ok(())
}

/// Leaves the named channels, or all of the scope.
fn leave(context: &mut Context<'_>, scope: Scope, verb: &str) -> CommandResult {
    let id = context.session.id;
    let named = context.args.skip(1).iter().map(Bytes::copy_from_slice).collect();
    let names = match context.args.len() {
        1 => context.engine.subscriptions.names_of(id, scope),
        _ => named,
    };
    for name in &names {
        context.engine.subscriptions.remove(id, scope, name);
        confirm(context, scope, verb, Some(name));
    }
    if names.is_empty() {
        confirm(context, scope, verb, None);
    }
    context.session.subscribed = context.engine.subscriptions.counts_of(id).total() > 0;
    Ok(())
}

/// Tells how many subscriptions the client has by now: shard channels are counted apart from the others.
fn confirm(context: &mut Context<'_>, scope: Scope, verb: &str, name: Option<&[u8]>) {
    let counts = context.engine.subscriptions.counts_of(context.session.id);
    let count = match scope {
        Scope::Channel | Scope::Pattern => counts.channels + counts.patterns,
        Scope::Shard => counts.shard_channels,
    };
    let protocol = context.reply.protocol();
    let message = Message::confirmation(verb, name, count, protocol);
    if context.session.is_silent() {
        context.engine.clients.push(context.session.id, &message);
    } else {
        message.write(context.reply.output(), protocol);
    }
}

impl Engine {
    /// Another node serves `slot` from now on: those who listen to its shard channels are told that they
    /// no longer do.
    pub fn dismiss_shard_listeners(&mut self, slot: Slot) {
        for (id, name) in self.subscriptions.leave_slot(slot) {
            let counts = self.subscriptions.counts_of(id);
            let Some(client) = self.clients.get_mut(id) else { continue };
            client.session.subscribed = counts.total() > 0;
            let protocol = client.session.protocol;
            let message = Message::confirmation("sunsubscribe", Some(&name), counts.shard_channels, protocol);
            self.clients.push(id, &message);
        }
    }
}
