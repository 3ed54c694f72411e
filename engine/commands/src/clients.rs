//! The table of all connected clients, in order of arrival.

use std::collections::BTreeSet;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use squall_resp::{Output, RequestParser};

use crate::pubsub::Message;
use crate::session::{ClientId, Session};

/// A client: its session, which commands read and change, and the buffers at both ends of it.
pub struct Client {
    pub session: Session,
    pub parser: RequestParser,
    pub output: Output,
    /// Of so many batches of requests more the node does not read ahead what they will ask for.
    pub batches_spared: u8,
    /// What it counts for in the table's sum; nothing while it is being served.
    counted_bytes: u64,
}

impl Client {
    pub fn new(session: Session) -> Client {
        Client {
            session,
            parser: RequestParser::new(),
            output: Output::new(),
            batches_spared: 0,
            counted_bytes: 0,
        }
    }

    /// What the client's conversation takes: its output, what it has queued, what it has not finished saying,
    /// and itself.
    pub fn memory_bytes(&self) -> u64 {
        let queued = self.session.transaction.as_ref().map_or(0, |transaction| transaction.queued_bytes());
        (size_of::<Client>() + self.output.len() + queued + self.session.pending_input_bytes) as u64
    }
}

/// All clients. The one that is being served is taken out for as long, so that its commands can look at
/// the others; its place stays.
#[derive(Default)]
pub struct Clients {
    /// Every batch of requests looks its client up several times.
    by_id: HashMap<ClientId, Option<Box<Client>>, FixedState>,
    /// In order of arrival.
    ids: BTreeSet<ClientId>,
    last_id: u64,
    /// Clients that another client's command has written to: the node has to flush them.
    written: Vec<ClientId>,
    /// What all of them took when each was put back last.
    counted_bytes: u64,
    /// Messages to a client that is being served: they follow the reply to its request.
    owed: Vec<(ClientId, Message)>,
}

impl Clients {
    /// A number for a client or a link, never given before.
    pub fn next_id(&mut self) -> ClientId {
        self.last_id += 1;
        ClientId(self.last_id)
    }

    pub fn insert(&mut self, session: Session) {
        let id = session.id;
        let client = Client::new(session);
        let before = self.by_id.insert(id, Some(Box::new(client)));
        assert!(before.is_none(), "client ids are never reused");
        self.ids.insert(id);
    }

    /// Takes the client out to serve it; `None` where it is gone or already taken.
    pub fn take(&mut self, id: ClientId) -> Option<Box<Client>> {
        let mut client = self.by_id.get_mut(&id)?.take()?;
        self.counted_bytes -= std::mem::take(&mut client.counted_bytes);
        Some(client)
    }

    /// Puts a client that was taken back in its place.
    pub fn put_back(&mut self, mut client: Box<Client>) {
        self.pay(&client.session, &mut client.output);
        let bytes = client.memory_bytes();
        self.counted_bytes += bytes;
        client.counted_bytes = bytes;
        let place = self.by_id.get_mut(&client.session.id).expect("a served client keeps its place");
        assert!(place.is_none(), "a place holds one client");
        *place = Some(client);
    }

    /// Removes the client, or the place of one that was taken.
    pub fn remove(&mut self, id: ClientId) -> Option<Box<Client>> {
        self.ids.remove(&id);
        let client = self.by_id.remove(&id)??;
        self.counted_bytes -= client.counted_bytes;
        Some(client)
    }

    /// What all conversations took, each when it was served last: nearly what they take now, and known at once.
    pub fn counted_bytes(&self) -> u64 {
        self.counted_bytes
    }

    /// A client that is not being served.
    pub fn get(&self, id: ClientId) -> Option<&Client> {
        self.by_id.get(&id)?.as_deref()
    }

    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.by_id.get_mut(&id)?.as_deref_mut()
    }

    /// The output of a client that is not being served, for another's command to write to.
    pub fn output_of(&mut self, id: ClientId) -> Option<&mut Output> {
        let client = self.by_id.get_mut(&id)?.as_deref_mut()?;
        if self.written.last() != Some(&id) {
            self.written.push(id);
        }
        Some(&mut client.output)
    }

    /// Sends a message that the client did not ask for, if it is still there.
    pub fn push(&mut self, id: ClientId, message: &Message) {
        match self.by_id.get(&id) {
            None => {}
            Some(None) => self.owed.push((id, message.clone())),
            Some(Some(client)) => {
                let protocol = client.session.protocol;
                let output = self.output_of(id).expect("the client is in its place");
                message.write(output, protocol);
            }
        }
    }

    /// Appends the messages that came for a client while it was being served.
    #[inline]
    pub(crate) fn pay(&mut self, session: &Session, output: &mut Output) {
        if !self.owed.is_empty() {
            self.pay_debts(session, output);
        }
    }

    #[cold]
    fn pay_debts(&mut self, session: &Session, output: &mut Output) {
        for (_, message) in self.owed.extract_if(.., |(id, _)| *id == session.id) {
            message.write(output, session.protocol);
        }
    }

    /// Another's command, or time, has answered what the client waited for.
    pub(crate) fn note_served(&mut self, id: ClientId) {
        self.written.push(id);
    }

    /// The clients written to by others' commands since the last call.
    pub fn take_written(&mut self) -> Vec<ClientId> {
        std::mem::take(&mut self.written)
    }

    pub fn contains(&self, id: ClientId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// What the conversations take that `counts` counts.
    pub fn memory_bytes(&self, counts: impl Fn(&Session) -> bool) -> u64 {
        self.iter().filter(|client| counts(&client.session)).map(Client::memory_bytes).sum()
    }

    /// All ids in order of arrival, the served one's too.
    pub fn ids(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.ids.iter().copied()
    }

    /// All clients but the served one, in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.ids.iter().filter_map(|&id| self.get(id))
    }

    /// The number of clients, the served one counted.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
