//! Which connections `CLIENT LIST` and `CLIENT KILL` speak of. The filters beyond Redis's (NAME, IDLE, FLAGS,
//! NOT-ID and their kin) are Valkey's.

use std::collections::BTreeSet;

use squall_resp::{Args, Output};

use super::client_line::{describe, flags_of};
use crate::CommandError;
use crate::engine::Engine;
use crate::session::{ClientId, Session};

/// What sort of peer a connection has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ClientType {
    Normal,
    Primary,
    Replica,
    PubSub,
}

/// Something that a connection has to be, or must not be.
struct Condition {
    negated: bool,
    wanted: Wanted,
}

enum Wanted {
    Ids(BTreeSet<ClientId>),
    Type(ClientType),
    User(Vec<u8>),
    Peer(Vec<u8>),
    Local(Vec<u8>),
    /// The peer's address without its port.
    Ip(Vec<u8>),
    Name(Vec<u8>),
    LibraryName(Vec<u8>),
    LibraryVersion(Vec<u8>),
    Database(usize),
    /// All of these letters.
    Flags(Vec<u8>),
    /// It has said that it can be redirected.
    Redirectable,
    AgeSecondsMin(u64),
    IdleSecondsMin(u64),
}

/// Conditions that a connection has to meet, all of those that are given.
#[derive(Default)]
pub(super) struct Filter {
    conditions: Vec<Condition>,
    skip_caller: bool,
}

impl Filter {
    /// `CLIENT LIST [TYPE type] [ID id ...]` and so on.
    pub fn of_list(args: Args<'_>, engine: &Engine) -> Result<Filter, CommandError> {
        Filter::parse(args, engine, Filter::default(), "ERR Invalid client ID")
    }

    /// `CLIENT KILL address`.
    pub fn by_address(peer: &[u8]) -> Filter {
        let condition = Condition { negated: false, wanted: Wanted::Peer(peer.to_vec()) };
        Filter { conditions: vec![condition], skip_caller: false }
    }

    /// `CLIENT KILL` with pairs of conditions. The caller is spared unless `SKIPME no`.
    pub fn of_kill(args: Args<'_>, engine: &Engine) -> Result<Filter, CommandError> {
        let filter = Filter { conditions: Vec::new(), skip_caller: true };
        Filter::parse(args, engine, filter, "ERR client-id should be greater than 0")
    }

    fn parse(
        args: Args<'_>,
        engine: &Engine,
        mut filter: Filter,
        wrong_id: &'static str,
    ) -> Result<Filter, CommandError> {
        let mut index = 2;
        while index < args.len() {
            let (name, Some(value)) = (args.at(index), args.get(index + 1)) else {
                return Err(CommandError::Syntax);
            };
            let name = name.to_ascii_lowercase();
            let positive_name = name.strip_prefix(b"not-").unwrap_or(&name);
            let negated = positive_name.len() < name.len();
            index += 2;
            if positive_name == b"skipme" && !negated {
                filter.skip_caller = yes_or_no(value)?;
                continue;
            }
            let wanted = if positive_name == b"id" {
                let mut ids = BTreeSet::from([id(value, wrong_id)?]);
                // More of them may follow, until another condition begins.
                while let Some(word) = args.get(index).filter(|word| !is_condition(word)) {
                    ids.insert(id(word, wrong_id)?);
                    index += 1;
                }
                Wanted::Ids(ids)
            } else {
                Wanted::parse(positive_name, value, engine)?
            };
            filter.conditions.push(Condition { negated, wanted });
        }
        Ok(filter)
    }

    fn accepts(&self, engine: &Engine, session: &Session) -> bool {
        let meets = |condition: &Condition| condition.wanted.is_met_by(engine, session) != condition.negated;
        self.conditions.iter().all(meets)
    }

    /// The connections that meet all conditions. `caller` is being served, so it is not in the table, and
    /// neither is the link from the primary.
    pub fn matching(
        &self,
        engine: &Engine,
        caller: &Session,
        primary_link: Option<&Session>,
    ) -> Vec<ClientId> {
        let sessions = engine.clients.iter().map(|client| &client.session).chain(primary_link);
        let others = sessions.filter(|session| self.accepts(engine, session)).map(|session| session.id);
        let own = (!self.skip_caller && self.accepts(engine, caller)).then_some(caller.id);
        others.chain(own).collect()
    }

    /// A line for each of them, in order of arrival.
    pub fn list(&self, engine: &Engine, caller: &Session, primary_link: Option<&Session>) -> String {
        let others = engine.clients.iter().map(|client| (&client.session, Some(&client.output)));
        let caller = (!self.skip_caller).then_some(caller);
        let outside_the_table = caller.into_iter().chain(primary_link).map(|session| (session, None));
        let mut accepted: Vec<(&Session, Option<&Output>)> =
            others.chain(outside_the_table).filter(|(session, _)| self.accepts(engine, session)).collect();
        accepted.sort_by_key(|(session, _)| session.id);
        accepted.iter().map(|(session, output)| describe(engine, session, *output) + "\n").collect()
    }
}

/// The names of conditions; all but the last three can be turned round with `NOT-`.
const CONDITIONS: [&[u8]; 15] = [
    b"id",
    b"type",
    b"user",
    b"addr",
    b"laddr",
    b"ip",
    b"name",
    b"lib-name",
    b"lib-ver",
    b"db",
    b"flags",
    b"capa",
    b"maxage",
    b"idle",
    b"skipme",
];

/// The letters that CLIENT LIST can show as flags.
const FLAGS: &[u8] = b"SMOPtRBbxdcruUAeTIiN";

fn is_condition(word: &[u8]) -> bool {
    let word = word.to_ascii_lowercase();
    CONDITIONS.contains(&word.strip_prefix(b"not-").unwrap_or(&word))
}

impl Wanted {
    fn parse(name: &[u8], value: &[u8], engine: &Engine) -> Result<Wanted, CommandError> {
        Ok(match name {
            b"type" => Wanted::Type(client_type(value)?),
            b"user" if engine.acl.user(value).is_none() => {
                return Err(CommandError::Bytes([b"ERR No such user '", value, b"'"].concat()));
            }
            b"user" => Wanted::User(value.to_vec()),
            b"addr" => Wanted::Peer(value.to_vec()),
            b"laddr" => Wanted::Local(value.to_vec()),
            b"ip" => Wanted::Ip(value.to_vec()),
            b"name" => Wanted::Name(value.to_vec()),
            b"lib-name" => Wanted::LibraryName(value.to_vec()),
            b"lib-ver" => Wanted::LibraryVersion(value.to_vec()),
            b"flags" if !value.iter().all(|letter| FLAGS.contains(letter)) => {
                return Err(unknown_in_filter("flags", value));
            }
            b"flags" => Wanted::Flags(value.to_vec()),
            b"capa" if !value.iter().all(|letter| *letter == b'r') => {
                return Err(unknown_in_filter("capa", value));
            }
            b"capa" => Wanted::Redirectable,
            b"db" => {
                let number = squall_store::parse_i64(value).and_then(|number| usize::try_from(number).ok());
                let number = number.filter(|&number| number < engine.keyspace.databases());
                let last = engine.keyspace.databases() - 1;
                let wrong = || CommandError::line(format!("ERR DB number should be between 0 and {last}"));
                Wanted::Database(number.ok_or_else(wrong)?)
            }
            b"maxage" => Wanted::AgeSecondsMin(seconds(value, "maxage")?),
            b"idle" => Wanted::IdleSecondsMin(seconds(value, "idle")?),
            _ => return Err(CommandError::Syntax),
        })
    }

    fn is_met_by(&self, engine: &Engine, session: &Session) -> bool {
        let since = |then| engine.now.mono.since(then).as_secs();
        match self {
            Wanted::Ids(ids) => ids.contains(&session.id),
            Wanted::Type(wanted) => *wanted == type_of(session),
            Wanted::User(name) => session.authenticated && session.user == *name,
            Wanted::Peer(peer) => peer == session.peer.as_bytes(),
            Wanted::Local(local) => local == session.local.as_bytes(),
            Wanted::Ip(ip) => {
                let host = session.peer.rsplit_once(':').map_or("", |(host, _)| host);
                ip == host.trim_matches(['[', ']']).as_bytes()
            }
            Wanted::Name(name) => session.name == *name,
            Wanted::LibraryName(name) => session.library_name == *name,
            Wanted::LibraryVersion(version) => session.library_version == *version,
            Wanted::Database(number) => session.db == *number,
            Wanted::Flags(letters) => {
                let flags = flags_of(engine, session);
                letters.iter().all(|letter| flags.as_bytes().contains(letter))
            }
            Wanted::Redirectable => session.is_redirectable,
            Wanted::AgeSecondsMin(min) => since(session.created.mono) >= *min,
            Wanted::IdleSecondsMin(min) => since(session.last_interaction) >= *min,
        }
    }
}

fn id(word: &[u8], wrong: &'static str) -> Result<ClientId, CommandError> {
    positive(word).map(ClientId).ok_or(CommandError::line(wrong))
}

fn unknown_in_filter(what: &str, value: &[u8]) -> CommandError {
    let value = String::from_utf8_lossy(value);
    CommandError::line(format!("ERR Unknown {what} found in the provided filter: {value}"))
}

fn yes_or_no(word: &[u8]) -> Result<bool, CommandError> {
    match word {
        _ if word.eq_ignore_ascii_case(b"yes") => Ok(true),
        _ if word.eq_ignore_ascii_case(b"no") => Ok(false),
        _ => Err(CommandError::Syntax),
    }
}

fn seconds(word: &[u8], name: &str) -> Result<u64, CommandError> {
    let wrong = || CommandError::line(format!("ERR {name} is not an integer or out of range"));
    let seconds = squall_store::parse_i64(word).ok_or_else(wrong)?;
    let seconds = u64::try_from(seconds).ok().filter(|&seconds| seconds > 0);
    seconds.ok_or_else(|| CommandError::line(format!("ERR {name} should be greater than 0")))
}

fn type_of(session: &Session) -> ClientType {
    match session {
        _ if session.is_primary_link => ClientType::Primary,
        _ if session.is_replica && !session.is_monitor => ClientType::Replica,
        _ if session.subscribed => ClientType::PubSub,
        _ => ClientType::Normal,
    }
}

fn client_type(name: &[u8]) -> Result<ClientType, CommandError> {
    match name.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(ClientType::Normal),
        b"slave" | b"replica" => Ok(ClientType::Replica),
        b"pubsub" => Ok(ClientType::PubSub),
        b"master" | b"primary" => Ok(ClientType::Primary),
        _ => Err(CommandError::Bytes([b"ERR Unknown client type '", name, b"'"].concat())),
    }
}

fn positive(word: &[u8]) -> Option<u64> {
    squall_store::parse_i64(word).and_then(|number| u64::try_from(number).ok()).filter(|&number| number > 0)
}
