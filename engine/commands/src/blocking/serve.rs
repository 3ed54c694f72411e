//! The ends of waiting: an answer, a timeout, CLIENT UNBLOCK, a change of role.

use squall_resp::{Output, Reply};
use squall_store::Kind;

use crate::session::{Blocked, ClientId};
use crate::{Engine, Server};

const ROLE_CHANGED: &str =
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";

impl Engine {
    /// Executes again what waits for keys that have changed, until nothing is ready any more: what is done for
    /// one client may be what another waits for.
    #[cold]
    pub fn serve_waiting(&mut self, server: &mut dyn Server) {
        while let Some((db, key)) = self.waiting.next_ready() {
            let mut held = self.kind_of(db, &key);
            for (client, wish) in self.waiting.waiting_for(db, &key) {
                let may_be_served = held == Some(wish.kind) || wish.needs_key;
                if may_be_served && self.waiting.contains(client) {
                    self.try_again(client, server);
                    held = self.kind_of(db, &key);
                }
            }
        }
    }

    /// Answers those whose time is over.
    pub fn give_up_waiting(&mut self) {
        while let Some(client) = self.waiting.overdue(self.now.mono) {
            self.end_waiting(client, |reply| reply.null_array());
        }
    }

    /// `CLIENT UNBLOCK`: as after a timeout, or with an error. False where the client waits for no key.
    pub fn unblock(&mut self, client: ClientId, with_error: bool) -> bool {
        if !self.waiting.contains(client) {
            return false;
        }
        self.end_waiting(client, |reply| match with_error {
            true => reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
            false => reply.null_array(),
        });
        true
    }

    /// This server is a replica from now on: what was waited for may never come, and the clients have to find
    /// the new primary.
    pub fn dismiss_waiting(&mut self) {
        for id in self.waiting.clients() {
            self.end_waiting(id, |reply| reply.error(ROLE_CHANGED));
            if let Some(client) = self.clients.get_mut(id) {
                client.session.close_after_reply = true;
            }
        }
    }

    fn kind_of(&self, db: usize, key: &[u8]) -> Option<Kind> {
        let now = self.now.unix_ms();
        let entry = self.keyspace.db(db).lookup(key).filter(|entry| !entry.is_expired(now));
        entry.map(|entry| entry.kind())
    }

    /// Executes a client's request again. It either has its answer now, or goes on waiting.
    fn try_again(&mut self, id: ClientId, server: &mut dyn Server) {
        // A client that is being served has begun to wait in this very turn: its key is looked at next time.
        let Some(mut client) = self.clients.take(id) else { return };
        let waiter = self.waiting.get_mut(id).expect("only those who wait are tried again");
        let (row, request) = (waiter.row, std::mem::take(&mut waiter.request));
        let session = &mut client.session;
        session.blocked = None;
        session.last_command = Some(row);
        self.begin_for(session);
        let mut silence = Output::new();
        let output = if session.is_silent() { &mut silence } else { &mut client.output };
        let table = self.table;
        self.execute(table.row(row), session, output, request.as_args(), server);
        self.propagation.end_of_command();
        match session.blocked {
            Some(_) => self.waiting.get_mut(id).expect("it waits still").request = request,
            None => drop(self.waiting.remove(id)),
        }
        self.clients.put_back(client);
        if !self.waiting.contains(id) {
            self.clients.note_served(id);
        }
    }

    pub(crate) fn end_waiting(&mut self, id: ClientId, write: impl FnOnce(&mut Reply<'_>)) {
        let waiter = self.waiting.remove(id).expect("the client waits");
        self.stats.command_mut(waiter.row).calls += 1;
        let Some(client) = self.clients.get_mut(id) else { return };
        assert_eq!(client.session.blocked, Some(Blocked::Keys), "it waits for keys");
        client.session.blocked = None;
        if !client.session.is_silent() {
            write(&mut Reply::new(&mut client.output, client.session.protocol));
        }
        self.clients.note_served(id);
    }
}
