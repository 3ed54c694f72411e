//! Who may do what: users, their passwords and rules, and the log of what was refused.
//!
//! - `user`: what a user is, and whether a request is in order; `rules`: rules as words, both ways;
//! - `log`: ACL LOG; `commands`, `show`: the ACL command.
//!
//! Permissions derive from the command table: rows, categories, and the keys that the row's specs find. A
//! server whose only user is an unrestricted default one asks none of it: the dispatcher's gates stay open.

mod commands;
mod log;
mod rules;
mod show;
mod user;

use std::collections::BTreeMap;

use squall_resp::Args;

pub(crate) use commands::ACL;
use log::{AclLog, Context as Where};
pub(crate) use user::{Denied, User};

use crate::config::Config;
use crate::config::choices::PubSubDefault;
use crate::engine::Engine;
use crate::session::{ClientId, Session};
use crate::table::Row;
use crate::{CommandError, CommandResult};

pub(crate) const DEFAULT_USER: &[u8] = b"default";

/// All users, and what they were refused.
pub struct Acl {
    users: BTreeMap<Vec<u8>, User>,
    log: AclLog,
    /// Whether anybody can be refused anything.
    restricts: bool,
}

impl Acl {
    /// The users that a configuration names. A `user` line that is wrong is an error.
    pub(crate) fn of(config: &Config) -> Result<Acl, String> {
        let mut acl = Acl {
            users: BTreeMap::from([(DEFAULT_USER.to_vec(), User::unrestricted())]),
            log: AclLog::default(),
            restricts: false,
        };
        acl.set_default_password(&config.requirepass);
        for line in &config.users {
            acl.add_line(line, all_channels(config))?;
        }
        acl.note_change();
        Ok(acl)
    }

    /// A user as `name rule rule ...`.
    fn add_line(&mut self, line: &str, all_channels: bool) -> Result<(), String> {
        let mut words = line.as_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let name = words.next().ok_or("a user needs a name")?;
        let rules = rules::gather(words).map_err(|rule| {
            format!("Unmatched parenthesis in acl selector starting at '{}'.", String::from_utf8_lossy(&rule))
        })?;
        let mut user = User::fresh(all_channels);
        for rule in rules {
            user.apply(&rule, all_channels).map_err(|reason| {
                format!("Error in user declaration '{}': {reason}", String::from_utf8_lossy(&rule))
            })?;
        }
        self.users.insert(name.to_vec(), user);
        Ok(())
    }

    /// `requirepass`: the default user's password, or none.
    pub(crate) fn set_default_password(&mut self, password: &str) {
        let user = self.users.get_mut(DEFAULT_USER).expect("there is always a default user");
        user.passwords.clear();
        user.nopass = password.is_empty();
        if !password.is_empty() {
            user.passwords.push(Acl::hash(password.as_bytes()));
        }
        self.note_change();
    }

    /// Whether a connection is the default user's without a word.
    pub fn default_is_open(&self) -> bool {
        let user = &self.users[DEFAULT_USER];
        user.enabled && user.nopass
    }

    /// Whether the default user has no password to ask for.
    pub fn default_needs_no_password(&self) -> bool {
        self.users[DEFAULT_USER].nopass
    }

    /// Whether anybody can be refused anything.
    #[inline]
    pub(crate) fn restricts(&self) -> bool {
        self.restricts
    }

    pub(crate) fn user(&self, name: &[u8]) -> Option<&User> {
        self.users.get(name)
    }

    /// Whether this is a user who may come in, and the password is right.
    pub(crate) fn is_right(&self, name: &[u8], password: &[u8]) -> bool {
        let Some(user) = self.users.get(name).filter(|user| user.enabled) else { return false };
        let hash = Acl::hash(password);
        // Every known hash is compared, and all of it: how long it takes tells nothing.
        let matches = user.passwords.iter().filter(|known| equal_in_constant_time(known, &hash)).count();
        user.nopass || matches > 0
    }

    /// The users as lines of an ACL file, or of the configuration: without the word `user`.
    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        self.users.iter().map(|(name, user)| [name.as_slice(), b" ", &user.describe()].concat()).collect()
    }

    /// The text of an ACL file.
    pub fn file_text(&self) -> Vec<u8> {
        let lines = self.lines();
        lines.iter().flat_map(|line| [b"user ", line.as_slice(), b"\n"].concat()).collect()
    }

    /// The users of an ACL file, which replace all that there are.
    fn read_file(&mut self, path: &str, text: &[u8], all_channels: bool) -> Result<(), String> {
        let mut read = Acl { users: BTreeMap::new(), log: AclLog::default(), restricts: false };
        for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = String::from_utf8_lossy(line.trim_ascii()).into_owned();
            let wrong = |what: &str| format!("{path}:{}: {what}.", number + 1);
            if line.is_empty() {
                continue;
            }
            let user =
                line.strip_prefix("user ").ok_or_else(|| wrong("line should start with user keyword"))?;
            let name = user.split_ascii_whitespace().next().ok_or_else(|| wrong("a user needs a name"))?;
            if read.users.contains_key(name.as_bytes()) {
                return Err(wrong(&format!("Duplicate user '{name}' found")));
            }
            read.add_line(user, all_channels).map_err(|what| wrong(&what))?;
        }
        read.users.entry(DEFAULT_USER.to_vec()).or_insert_with(User::unrestricted);
        self.users = read.users;
        self.note_change();
        Ok(())
    }

    fn hash(password: &[u8]) -> String {
        use sha2::Digest;
        sha2::Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn note_change(&mut self) {
        self.restricts = self.users.len() > 1 || !self.users.values().all(User::is_unrestricted);
    }
}

impl Engine {
    /// Refuses what the session's user may not, and remembers that it was tried.
    pub(crate) fn check_permission(&mut self, session: &Session, row: &Row, args: Args<'_>) -> CommandResult {
        if !self.acl.restricts() || session.is_primary_link {
            return Ok(());
        }
        let denied = match self.acl.user(&session.user) {
            Some(user) => match user.check(row, args) {
                Ok(()) => return Ok(()),
                Err(denied) => denied,
            },
            None => Denied::Command,
        };
        let place = match (self.caller.in_script, session.deny_blocking) {
            (true, _) => Where::Lua,
            (false, true) => Where::Multi,
            (false, false) => Where::TopLevel,
        };
        match &denied {
            Denied::Command => self.stats.commands_denied += 1,
            Denied::Key(_) => self.stats.keys_denied += 1,
            Denied::Channel(_) => self.stats.channels_denied += 1,
        }
        let error = refusal(&denied, &session.user, row, place == Where::Lua);
        self.note_denied(session, row, denied, place);
        Err(error)
    }

    /// Whether the session's user may execute a command; none where there is no such command.
    pub(crate) fn may_execute(&self, session: &Session, args: Args<'_>) -> Option<bool> {
        let crate::table::Found::Row(row) = self.table.find(args) else { return None };
        let user = self.acl.user(&session.user);
        Some(session.is_primary_link || user.is_some_and(|user| user.check(row, args).is_ok()))
    }

    /// AUTH and HELLO.
    pub(crate) fn authenticate(
        &mut self,
        session: &mut Session,
        name: &[u8],
        password: &[u8],
    ) -> CommandResult {
        if !self.acl.is_right(name, password) {
            self.stats.auth_denied += 1;
            self.note_failed_login(session, name);
            return Err(CommandError::line("WRONGPASS invalid username-password pair or user is disabled."));
        }
        session.user = name.to_vec();
        session.authenticated = true;
        Ok(())
    }

    /// Takes the users of an ACL file in place of those that there are; which clients' users are gone.
    pub fn load_users(&mut self, path: &str, text: &[u8]) -> Result<Vec<ClientId>, String> {
        self.acl.read_file(path, text, all_channels(&self.config))?;
        let is_gone = |session: &Session| session.authenticated && self.acl.user(&session.user).is_none();
        Ok(self
            .clients
            .iter()
            .filter(|client| is_gone(&client.session))
            .map(|client| client.session.id)
            .collect())
    }

    /// What the users are now, for the configuration file, unless they have one of their own.
    fn users_changed(&mut self) {
        self.acl.note_change();
        if !self.config.aclfile.is_empty() {
            return;
        }
        let lines = self.acl.lines();
        self.config.users = lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    }
}

/// The error that a user reads.
fn refusal(denied: &Denied, user: &[u8], row: &Row, in_script: bool) -> CommandError {
    let start: &[u8] = if in_script { b"NOPERM ACL failure in script: " } else { b"NOPERM " };
    let what = match denied {
        Denied::Command => {
            [b"User ", user, b" has no permissions to run the '", row.full_name.as_bytes(), b"' command"]
                .concat()
        }
        Denied::Key(_) => b"No permissions to access a key".to_vec(),
        Denied::Channel(_) => b"No permissions to access a channel".to_vec(),
    };
    CommandError::Bytes([start, &what].concat())
}

/// `acl-pubsub-default`
fn all_channels(config: &Config) -> bool {
    config.acl_pubsub_default == PubSubDefault::AllChannels
}

fn equal_in_constant_time(one: &str, other: &str) -> bool {
    let different = one.bytes().zip(other.bytes()).fold(0, |bits, (a, b)| bits | (a ^ b));
    one.len() == other.len() && different == 0
}
