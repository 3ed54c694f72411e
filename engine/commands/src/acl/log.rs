//! ACL LOG: what was refused lately, the newest first. The same refusal again within a minute is counted, not
//! listed.

use std::collections::VecDeque;

use super::Denied;
use crate::connection::describe;
use crate::engine::Engine;
use crate::session::Session;
use crate::table::Row;

/// Entries are one, where this much time at most lies between them.
const SAME_WITHIN_MS: u64 = 60_000;

/// Where the refused command came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Context {
    TopLevel,
    Multi,
    Lua,
}

pub(super) struct Entry {
    pub id: u64,
    pub count: u64,
    pub reason: &'static str,
    pub context: Context,
    pub object: Vec<u8>,
    pub user: Vec<u8>,
    pub client: String,
    pub created_ms: u64,
    pub updated_ms: u64,
}

#[derive(Default)]
pub(super) struct AclLog {
    pub entries: VecDeque<Entry>,
    next_id: u64,
}

impl AclLog {
    fn add(&mut self, mut entry: Entry, len_max: usize) {
        let same = |known: &Entry| {
            known.reason == entry.reason
                && known.context == entry.context
                && known.object == entry.object
                && known.user == entry.user
                && entry.updated_ms.saturating_sub(known.updated_ms) <= SAME_WITHIN_MS
        };
        match self.entries.iter().position(same) {
            Some(index) => {
                let mut known = self.entries.remove(index).expect("just found");
                known.count += 1;
                known.updated_ms = entry.updated_ms;
                known.client = entry.client;
                self.entries.push_front(known);
            }
            None => {
                entry.id = self.next_id;
                self.next_id += 1;
                self.entries.push_front(entry);
            }
        }
        self.entries.truncate(len_max);
    }
}

impl Context {
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

impl Engine {
    /// A command was refused.
    pub(super) fn note_denied(&mut self, session: &Session, row: &Row, denied: Denied, context: Context) {
        let (reason, object) = match denied {
            Denied::Command => ("command", row.full_name.clone().into_bytes()),
            Denied::Key(key) => ("key", key),
            Denied::Channel(channel) => ("channel", channel),
        };
        let user = session.user.clone();
        self.add_to_acl_log(session, reason, object, user, context);
    }

    /// A password was wrong.
    pub(super) fn note_failed_login(&mut self, session: &Session, user: &[u8]) {
        self.add_to_acl_log(session, "auth", b"AUTH".to_vec(), user.to_vec(), Context::TopLevel);
    }

    fn add_to_acl_log(
        &mut self,
        session: &Session,
        reason: &'static str,
        object: Vec<u8>,
        user: Vec<u8>,
        context: Context,
    ) {
        let now = self.now.unix_ms().0;
        let client = describe(self, session, None);
        let entry = Entry {
            id: 0,
            count: 1,
            reason,
            context,
            object,
            user,
            client,
            created_ms: now,
            updated_ms: now,
        };
        let len_max = usize::try_from(self.config.acllog_max_len).unwrap_or(usize::MAX);
        self.acl.log.add(entry, len_max);
    }
}
