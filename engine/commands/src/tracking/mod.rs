//! Client-side caching (`CLIENT TRACKING`): clients that keep what they have read are told when it changes.
//!
//! A client in the default mode is remembered for every key that it reads, and told once when one of them changes;
//! a broadcasting client is told of all keys with its prefixes, once per request that changes them. Messages go
//! to the client itself where it speaks RESP3, or to another that it names (`REDIRECT`), which has to listen to
//! [`CHANNEL`] if it speaks RESP2. `commands.rs` has the commands, `table.rs` who is to be told of what.

mod commands;
mod table;

use bytes::Bytes;
use squall_resp::{Args, Protocol};

pub(crate) use commands::{caching, getredir, tracking, trackinginfo};
use table::Mode;
pub use table::Tracking;

use crate::Engine;
use crate::pubsub::{Message, Scope};
use crate::session::{ClientId, Session};
use crate::table::{Flag, Row};

/// The channel of invalidation messages in RESP2.
const CHANNEL: &[u8] = b"__redis__:invalidate";

impl Engine {
    /// Remembers the keys that a command has read for its client's cache, if that is what the client wants.
    #[cold]
    pub(crate) fn remember_keys(&mut self, row: &Row, session: &Session, args: Args<'_>) {
        let wants = self.tracking.mode(session.id).is_some_and(Mode::wants_next_remembered);
        if !wants || !row.command.flags.has(Flag::ReadOnly) {
            return;
        }
        for found in row.command.find_keys(args).unwrap_or_default() {
            self.tracking.remember(session.id, args.at(found.index));
        }
        while self.tracking.keys_len() as u64 > self.config.tracking_table_max_keys.max(1)
            && self.config.tracking_table_max_keys > 0
        {
            let Some((key, clients)) = self.tracking.pop_key() else { break };
            self.tell(&clients, &[key]);
        }
    }

    /// What `CLIENT CACHING` said of the next request is over with it: with EXEC, where it begins a transaction. Other
    /// CLIENT commands between the two are not meant.
    #[cold]
    pub(crate) fn end_tracked_request(&mut self, session: &Session) {
        let said =
            session.last_command.is_some_and(|row| self.table.row(row).full_name.starts_with("client|"));
        if !said
            && session.transaction.is_none()
            && let Some(mode) = self.tracking.mode_mut(session.id)
        {
            mode.caching = None;
        }
    }

    /// A key has changed, by a command of `by` or by itself.
    #[cold]
    pub(crate) fn invalidate(&mut self, key: &[u8], by: Option<ClientId>) {
        let clients = self.tracking.take_readers(key, by);
        if !clients.is_empty() {
            self.tell(&clients, &[Bytes::copy_from_slice(key)]);
        }
        self.tracking.note_for_broadcast(key, by);
    }

    /// Tells broadcasting clients what has changed since the last time, each once.
    #[cold]
    pub fn broadcast_invalidations(&mut self) {
        for (client, keys) in self.tracking.take_broadcasts() {
            self.tell(&[client], &keys);
        }
    }

    /// Whatever anybody has cached is void.
    pub(crate) fn invalidate_everything(&mut self) {
        if self.tracking.is_empty() {
            return;
        }
        for client in self.tracking.forget_all_keys() {
            self.send_invalidation(client, None);
        }
    }

    fn tell(&mut self, clients: &[ClientId], keys: &[Bytes]) {
        clients.iter().for_each(|client| self.send_invalidation(*client, Some(keys)));
    }

    /// Sends an invalidation of `keys`, or of everything, to where the client wants it.
    fn send_invalidation(&mut self, client: ClientId, keys: Option<&[Bytes]>) {
        let Some(mode) = self.tracking.mode(client) else { return };
        let target = mode.redirect.unwrap_or(client);
        if !self.clients.contains(target) {
            self.tracking.break_redirection(client);
            let message = Message::broken_redirection(target);
            if self.protocol_of(client) == Some(Protocol::Resp3) {
                self.clients.push(client, &message);
            }
            return;
        }
        let listens = || self.subscriptions.listeners(Scope::Channel, CHANNEL).any(|id| id == target);
        match self.protocol_of(target) {
            Some(Protocol::Resp3) => self.clients.push(target, &Message::invalidation(None, keys)),
            Some(Protocol::Resp2) if mode.redirect.is_some() && listens() => {
                self.clients.push(target, &Message::invalidation(Some(CHANNEL), keys));
            }
            _ => {}
        }
    }

    /// What a client speaks: the one that is being served is not in the table.
    fn protocol_of(&self, client: ClientId) -> Option<Protocol> {
        match self.clients.get(client) {
            Some(client) => Some(client.session.protocol),
            None => (self.caller.id == Some(client)).then_some(self.caller.protocol),
        }
    }
}
